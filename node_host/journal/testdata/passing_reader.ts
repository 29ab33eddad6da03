/** Reads the journal `args[0]` and says so; told to go on, it is done a moment later. */
import { DatabaseSync } from "node:sqlite";
import { print } from "../../../transport/program/cli_output.ts";

/** Long enough for somebody else to meet the lock, in milliseconds. */
const READING_MS = 100;

const [path = ""] = Deno.args;
using db = new DatabaseSync(path, { readOnly: true });
db.exec("BEGIN; SELECT count(*) FROM attempts");
print("reading");
await Deno.stdin.read(new Uint8Array(1));
await new Promise((resolve) => setTimeout(resolve, READING_MS));
