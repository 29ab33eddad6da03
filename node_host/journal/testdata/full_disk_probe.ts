/** Fills the small disk under a journal, lets it go again, and says as JSON what became of the attempts. */
import { join } from "node:path";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { attemptRef } from "../../dispatch.ts";
import { newRequestId } from "../../testing/test_node.ts";
import { printJson } from "../../../transport/program/cli_output.ts";
import { AttemptJournal } from "../attempt_journal.ts";

const MAX_TRIES = 1_000;
const BLOCK = new Uint8Array(4_096);

const [folder = ""] = Deno.args;
const newAttempt = () => ({ requestId: newRequestId(), attempt: 1 });

async function fill(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true });
  try {
    // deno-lint-ignore no-await-in-loop -- until there is no room
    for (;;) await file.write(BLOCK);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
  }
}

/** Starts attempts until one is refused. */
async function untilRefused(journal: AttemptJournal, started: string[]): Promise<{ code: string; requestId: string }> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const name = newAttempt();
    try {
      // deno-lint-ignore no-await-in-loop -- one after the other
      await journal.start(name);
      started.push(name.requestId);
    } catch (error) {
      return { code: PalyraError.from(error).code, requestId: name.requestId };
    }
  }
  throw new Error("the full disk took everything");
}

const journal = await AttemptJournal.open(folder);
const started: string[] = [];
const finished = newAttempt();
await journal.start(finished);
await fill(join(folder, "ballast"));
const refusals = [await untilRefused(journal, started), await untilRefused(journal, started)];
const outputJson = new TextEncoder().encode(JSON.stringify("x".repeat(100_000)));
journal.finish(finished, { attempt: attemptRef(finished), success: true, outputJson, errorCode: "", error: "" });
refusals.push(await untilRefused(journal, started));
await Deno.remove(join(folder, "ballast"));
const after = newAttempt();
await journal.start(after);
started.push(after.requestId);
await journal.close();

await using reopened = await AttemptJournal.open(folder);
const stored = reopened.load();
printJson({
  sameId: reopened.id === journal.id,
  refusals,
  started,
  interrupted: stored.interrupted.map(({ requestId }) => requestId),
  finished: stored.finished.map(({ name }) => name.requestId),
  expectedFinished: [finished.requestId],
  outputBytes: stored.finished[0]?.result.outputJson.length,
  sentBytes: outputJson.length,
});
