// Says each step of a shutdown, and then stays, for a second signal to end it; with "dispose" it stops listening first.
import { print } from "../cli_output.ts";
import { shutdownSignal } from "../shutdown_signals.ts";

const shutdown = shutdownSignal();
if (Deno.args[0] === "dispose") shutdown.dispose();
shutdown.signal.addEventListener("abort", () => print(`stopping: ${shutdown.signal.reason.code}`));
const stay = setInterval(() => {}, 1_000);
if (Deno.args[0] === "graceful") {
  shutdown.signal.addEventListener("abort", () => {
    clearInterval(stay);
    shutdown.dispose();
  });
}
print("ready");
