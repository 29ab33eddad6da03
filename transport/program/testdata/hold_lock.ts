// Holds the lock on the folder given until it is killed.
import { print } from "../cli_output.ts";
import { StateLock } from "../state_lock.ts";

const lock = StateLock.acquire(Deno.args[0] ?? "");
print("locked");
await new Promise(() => setInterval(() => lock, 1_000));
