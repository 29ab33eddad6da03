import { dirname } from "node:path";
import * as v from "valibot";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { Capability } from "./capability.ts";
import {
  canonicalRootsOf,
  MAX_PATH_BYTES,
  type OpenablePath,
  pathTextRefusal,
  resolveOpenablePath,
} from "./openable_path.ts";
import type { Opener } from "./opener.ts";
import { printableText } from "./printable_text.ts";

const Input = v.strictObject({ path: v.string() });

/** Options of {@linkcode desktopOpenPath}. */
export interface DesktopOpenPathOptions {
  /** Folders in and below which things may be opened, absolute. Default: none, so the capability is unavailable. */
  readonly roots?: readonly string[];
}

/**
 * Opens a file or folder of the node in the owner's program for it.
 *
 * The path is checked before the owner is asked and again right before the opener starts; it must then still lead to
 * the same place. What is left is the moment between that check and the opener's own look at the path, so a root
 * should not be a folder in which people whom the owner does not trust can write.
 *
 * Throws `invalid_config` when a root is not a plain absolute path.
 */
export function desktopOpenPath(opener: Opener, options: DesktopOpenPathOptions = {}): Capability {
  const roots = [...options.roots ?? []];
  for (const root of roots) {
    const complaint = pathTextRefusal(root);
    if (complaint === undefined) continue;
    throw new PalyraError(
      "invalid_config",
      `A root of desktop.open_path (${
        JSON.stringify(printableText(root, 200))
      }) ${complaint}; correct it in palyra-node's config.`,
    );
  }
  return {
    name: "desktop.open_path",
    version: "1.0.0",
    description: "Opens a file or folder in the program that the node's owner uses for it.",
    inputSchema: {
      type: "object",
      properties: { path: { type: "string", minLength: 1, maxLength: MAX_PATH_BYTES } },
      required: ["path"],
      additionalProperties: false,
    },
    outputSchema: {
      type: "object",
      properties: { opened: { const: true }, path: { type: "string" }, kind: { enum: ["file", "directory"] } },
      required: ["opened", "path", "kind"],
      additionalProperties: false,
    },
    idempotent: false,
    mediation: true,
    permissions: [
      { descriptor: { name: "run", command: opener.command }, required: true },
      ...roots.map((root) => ({ descriptor: { name: "read", path: root }, required: true } as const)),
    ],
    async obstacle() {
      if (roots.length === 0) return NO_ROOTS;
      const usable = await canonicalRootsOf(roots);
      return usable.length === 0 ? NO_USABLE_ROOT : await opener.obstacle();
    },
    async prepare(input) {
      const { path, kind } = await checkedPath(input, roots);
      const folder = kind === "directory" ? path : dirname(path);
      return { input: { path }, summary: `open the ${kind} ${path}`, scope: { kind: "folder", value: folder } };
    },
    async run(input, context) {
      const { path, kind } = await checkedPath(input, roots, { mustBeCanonical: true });
      await opener.open(path, context.signal);
      return { opened: true, path, kind };
    },
  };
}

const NO_ROOTS = "desktop.open_path has no folder it may open things from; the node's owner can name some: " +
  'open_path.roots = ["/absolute/path"] in palyra-node\'s palyra.toml.';

const NO_USABLE_ROOT = "None of the folders that desktop.open_path may open things from exists, or --allow-read " +
  "leaves out where its links lead; the node's owner can correct roots in palyra-node's config.";

async function checkedPath(
  input: unknown,
  roots: readonly string[],
  { mustBeCanonical = false } = {},
): Promise<OpenablePath> {
  const parsed = v.safeParse(Input, input);
  if (!parsed.success) throw new PalyraError("invalid_input", 'The input must be {"path": "/absolute/path"}.');
  const target = await resolveOpenablePath(parsed.output.path, roots);
  if (mustBeCanonical && target.path !== parsed.output.path) {
    throw new PalyraError("execution_failed", "input.path: changed on the node after it was checked; send it again.");
  }
  return target;
}
