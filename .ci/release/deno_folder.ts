import { runTool } from "./run_tool.ts";

/** Where the Deno that runs this keeps what it downloads: `DENO_DIR`, or what it takes in its place. */
export async function denoFolder(): Promise<string> {
  return JSON.parse(await runTool(Deno.execPath(), ["info", "--json"])).denoDir;
}
