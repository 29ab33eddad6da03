import * as v from "valibot";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { Capability } from "./capability.ts";
import { MAX_URL_BYTES, parseOpenableUrl } from "./openable_url.ts";
import type { Opener } from "./opener.ts";

const Input = v.strictObject({ url: v.string() });

/** Opens a web page in the owner's browser. */
export function desktopOpenUrl(opener: Opener): Capability {
  return {
    name: "desktop.open_url",
    version: "1.0.0",
    description: "Opens a web page (http or https) in the browser of the node's owner.",
    inputSchema: {
      type: "object",
      properties: { url: { type: "string", minLength: 1, maxLength: MAX_URL_BYTES } },
      required: ["url"],
      additionalProperties: false,
    },
    outputSchema: {
      type: "object",
      properties: { opened: { const: true }, url: { type: "string" } },
      required: ["opened", "url"],
      additionalProperties: false,
    },
    idempotent: false,
    mediation: true,
    permissions: [{ descriptor: { name: "run", command: opener.command }, required: true }],
    obstacle: () => opener.obstacle(),
    // deno-lint-ignore require-await -- a refusal must be a rejection
    async prepare(input) {
      const url = checkedUrl(input);
      return { input: { url }, summary: `open ${url}`, scope: { kind: "origin", value: new URL(url).origin } };
    },
    async run(input, context) {
      const url = checkedUrl(input);
      await opener.open(url, context.signal);
      return { opened: true, url };
    },
  };
}

function checkedUrl(input: unknown): string {
  const parsed = v.safeParse(Input, input);
  if (!parsed.success) throw new PalyraError("invalid_input", 'The input must be {"url": "https://…"}.');
  return parseOpenableUrl(parsed.output.url);
}
