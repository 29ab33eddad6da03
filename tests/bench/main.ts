/**
 * `deno task bench [execute] [quic]`: both by default.
 *
 * - `execute`: the raw call, the session ping and `execute` over both transports, as ratios to the raw call.
 * - `quic`: this project's QUIC endpoint beside Deno's own QUIC and the JavaScript of `@matrixai/quic`.
 *
 * @module
 */
import { cpus } from "node:os";
import { benchCalls } from "./call_bench.ts";
import { benchQuic } from "./quic/quic_bench.ts";

const BENCHES: Readonly<Record<string, (print: (line: string) => void) => Promise<void>>> = {
  execute: benchCalls,
  quic: benchQuic,
};

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

const wanted = Deno.args.length > 0 ? [...new Set(Deno.args)] : Object.keys(BENCHES);
const unknown = wanted.filter((name) => !Object.hasOwn(BENCHES, name));
if (unknown.length > 0) {
  print(`There is no benchmark ${unknown.join(", ")}; there are: ${Object.keys(BENCHES).join(", ")}.`);
  Deno.exit(2);
}
print(`Deno ${Deno.version.deno}, ${cpus()[0]?.model ?? "unknown processor"}, ${navigator.hardwareConcurrency} cores`);
print("Every process is on this machine.");
for (const name of wanted) {
  // deno-lint-ignore no-await-in-loop -- one after the other
  await BENCHES[name]?.(print);
}
