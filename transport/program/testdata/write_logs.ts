// Logs 2,000 lines and exits at once with 7; with "wait", only after something came on standard input.
import { getLogger } from "@logtape/logtape";
import { configureLogging } from "../logging.ts";

configureLogging();
const logger = getLogger(["palyra"]);
if (Deno.args[0] === "wait") await Deno.stdin.read(new Uint8Array(1));
for (let n = 0; n < 2_000; n++) logger.info("line", { n });
Deno.exit(7);
