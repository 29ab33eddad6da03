// Stops the process that holds the lock on a state folder, as a program that Deno tells no start times.
import { stopProcess } from "../service/foreground_process.ts";

const [folder = "", pid = ""] = Deno.args;
await stopProcess({ pid: Number(pid), startTime: undefined }, folder);
