import assert from "node:assert/strict";
import { join } from "node:path";
import { systemClock, unixMs } from "../../identity/unix_ms.ts";
import { TestFolder } from "../testing/test_folder.ts";
import { replyTo } from "./answer_client.ts";
import { answersOfFolder, forgetAnswersOfFolder } from "./answers_of_folder.ts";
import { channelAddress } from "./channel_address.ts";
import { LocalMediation } from "./local_mediation.ts";

const HOUR_MS = 3_600_000;

/** Asks as a request of the daemon's does; resolves with whether it may run once it is decided. */
function ask(mediation: LocalMediation): Promise<string> {
  return mediation.mediator.consent({
    capability: "desktop.open_url",
    rule: "ask",
    summary: "open https://example.com/",
    scope: { kind: "origin", value: "https://example.com" },
    requestedBy: "ops",
    deadline: unixMs(systemClock() + HOUR_MS),
    signal: new AbortController().signal,
    awaiting: () => {},
  }).then(() => "consent", (thrown) => thrown.code);
}

/** Answers the only question of the host on this folder. */
async function answer(stateFolder: string, said: "once" | "always" | "no"): Promise<void> {
  const address = channelAddress(stateFolder);
  const { questions: [question] } = await replyTo(address, { op: "list" }, "questions");
  await replyTo(address, { op: "answer", id: question?.id ?? "", answer: said }, "done");
}

Deno.test("LocalMediation has commands answer, on a socket, or on a loopback port where a path is too long for one", async () => {
  await using folder = await TestFolder.create();
  const long = join(folder.path, "a".repeat(100));
  await Deno.mkdir(long, { mode: 0o700 });
  for (const [stateFolder, kind] of [[folder.path, "socket"], [long, "loopback"]] as const) {
    assert.equal(channelAddress(stateFolder).kind, kind);
    // deno-lint-ignore no-await-in-loop -- one host after the other
    await using mediation = await LocalMediation.start({ stateFolder, asker: "the daemon" });
    const asked = ask(mediation);
    // deno-lint-ignore no-await-in-loop -- as above
    await answer(stateFolder, "once");
    // deno-lint-ignore no-await-in-loop -- as above
    assert.equal(await asked, "consent");
  }
  // Nothing is left of the way in.
  assert.deepEqual(await Array.fromAsync(Deno.readDir(long), ({ name }) => name), []);
});

Deno.test("LocalMediation refuses with mediation_required when no command can get through and there is no terminal", async () => {
  await using folder = await TestFolder.create();
  // Something that cannot be removed takes the socket's place.
  await Deno.mkdir(join(folder.path, "requests.sock", "x"), { recursive: true });
  await using mediation = await LocalMediation.start({ stateFolder: folder.path, asker: "the daemon" });
  assert.equal(await ask(mediation), "mediation_required");
});

Deno.test("LocalMediation withdraws what waits when it ends", async () => {
  await using folder = await TestFolder.create();
  const mediation = await LocalMediation.start({ stateFolder: folder.path, asker: "the daemon" });
  const asked = ask(mediation);
  await mediation[Symbol.asyncDispose]();
  assert.equal(await asked, "shutting_down");
  assert.equal(await ask(mediation), "shutting_down");
});

Deno.test("answersOfFolder() and forgetAnswersOfFolder() work with a running host and without one", async () => {
  await using folder = await TestFolder.create();
  const stateFolder = folder.path;
  assert.deepEqual(await answersOfFolder(stateFolder), []);
  {
    await using mediation = await LocalMediation.start({ stateFolder, asker: "the daemon" });
    const asked = ask(mediation);
    await answer(stateFolder, "always");
    assert.equal(await asked, "consent");
    const [remembered] = await answersOfFolder(stateFolder);
    assert.deepEqual((await forgetAnswersOfFolder(stateFolder, [remembered?.id ?? ""])).length, 1);
    const again = ask(mediation);
    await answer(stateFolder, "always");
    assert.equal(await again, "consent");
  }
  const [remembered] = await answersOfFolder(stateFolder);
  assert.equal(remembered?.lasting, true);
  await assert.rejects(forgetAnswersOfFolder(stateFolder, ["zzzzzz"]), { code: "question_not_found" });
  assert.deepEqual(await forgetAnswersOfFolder(stateFolder, [remembered?.id ?? ""]), [remembered]);
  assert.deepEqual(await answersOfFolder(stateFolder), []);
  await assert.rejects(forgetAnswersOfFolder(join(stateFolder, "missing"), ["zzzzzz"]), { code: "question_not_found" });
});
