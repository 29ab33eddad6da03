/**
 * `deno task bench [execute] [dispatch] [history] [quic] [revocation] [startup]`: all by default.
 *
 * - `execute`: the raw call, the session ping and `execute` over both transports, as ratios to the raw call.
 * - `dispatch`: how long it takes until a capability starts on an idle node, over both transports.
 * - `history`: `execute` on a store with a million finished requests, as ratio to an empty one.
 * - `quic`: this project's QUIC endpoint beside Deno's own QUIC and the JavaScript of `@matrixai/quic`.
 * - `revocation`: how long a revocation takes to cut one of 512 connected nodes.
 * - `startup`: the start of the programs from source, as a package and as executables, beside an empty Deno and Node.
 *
 * @module
 */
import { cpus } from "node:os";
import { benchCalls } from "./call_bench.ts";
import { benchDispatch } from "./dispatch_bench.ts";
import { benchHistory } from "./history_bench.ts";
import { benchQuic } from "./quic/quic_bench.ts";
import { benchRevocation } from "./revocation_bench.ts";
import { benchStartup } from "./startup_bench.ts";

const BENCHES: Readonly<Record<string, (print: (line: string) => void) => Promise<void>>> = {
  execute: benchCalls,
  dispatch: benchDispatch,
  history: benchHistory,
  quic: benchQuic,
  revocation: benchRevocation,
  startup: benchStartup,
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
