import assert from "node:assert/strict";
import { join } from "node:path";
import { PalyraError } from "../../identity/palyra_error.ts";
import { systemClock, unixMs } from "../../identity/unix_ms.ts";
import { TestFolder } from "../testing/test_folder.ts";
import { AnswerChannel } from "./answer_channel.ts";
import { replies, replyTo } from "./answer_client.ts";
import { type ChannelAddress, channelAddress } from "./channel_address.ts";
import { connectToHost } from "./channel_endpoint.ts";
import { type ChannelReply, MAX_ORDER_BYTES } from "./channel_message.ts";
import { readLines, writeLine } from "./line_stream.ts";
import type { Answer } from "./question.ts";
import { QuestionDesk } from "./question_desk.ts";
import { RememberedAnswers } from "./remembered_answers.ts";

const OPEN_EXAMPLE = {
  capability: "desktop.open_url",
  scope: { kind: "origin", value: "https://example.com" },
  requestedBy: "ops",
} as const;

/** A host's desk with its channel, on a folder of its own. */
class Host implements AsyncDisposable {
  readonly desk: QuestionDesk;
  readonly #folder: TestFolder;
  readonly address: ChannelAddress;
  readonly remembered: RememberedAnswers;
  readonly channel: AnswerChannel;

  private constructor(
    folder: TestFolder,
    address: ChannelAddress,
    remembered: RememberedAnswers,
    channel: AnswerChannel,
    desk: QuestionDesk,
  ) {
    this.#folder = folder;
    this.address = address;
    this.remembered = remembered;
    this.channel = channel;
    this.desk = desk;
  }

  static async start(os: string): Promise<Host> {
    const folder = await TestFolder.create();
    const address = channelAddress(folder.path, os);
    const remembered = await RememberedAnswers.load(folder.path);
    const desk = new QuestionDesk();
    const channel = await AnswerChannel.open({ address, desk, remembered });
    return new Host(folder, address, remembered, channel, desk);
  }

  ask(summary = "open https://example.com/"): Promise<Answer> {
    const expiresAt = unixMs(systemClock() + 3_600_000);
    const draft = { ...OPEN_EXAMPLE, summary, requestId: undefined, expiresAt };
    return this.desk.ask(draft, new AbortController().signal, () => {});
  }

  /** What the host answers to lines that no command of ours would send; empty when it just ends the connection. */
  async answerTo(bytes: Uint8Array): Promise<string[]> {
    const { conn } = await connectToHost(this.address);
    using _ = conn;
    await conn.write(bytes).catch(() => {});
    return await Array.fromAsync(readLines(conn, 1_024)).catch(() => []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.channel[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

// The second one is what Windows gets; its parts are the same on every system.
for (const os of ["linux", "windows"]) {
  Deno.test(`AnswerChannel lists, answers, remembers and forgets over the channel of ${os}`, async () => {
    await using host = await Host.start(os);
    const asked = host.ask();
    const { questions } = await replyTo(host.address, { op: "list" }, "questions");
    assert.deepEqual(questions, host.desk.waiting.map((question) => JSON.parse(JSON.stringify(question))));
    const id = questions[0]?.id ?? "";
    await replyTo(host.address, { op: "answer", id, answer: "always" }, "done");
    assert.equal(await asked, "always");
    await assert.rejects(replyTo(host.address, { op: "answer", id, answer: "no" }, "done"), {
      code: "question_not_found",
    });
    await host.remembered.remember(OPEN_EXAMPLE, true, true);
    const { answers } = await replyTo(host.address, { op: "remembered" }, "remembered");
    assert.deepEqual(answers, host.remembered.all);
    const ids = answers.map((answer) => answer.id);
    assert.deepEqual((await replyTo(host.address, { op: "forget", ids }, "remembered")).answers, answers);
    assert.deepEqual(host.remembered.all, []);
  });

  Deno.test(`AnswerChannel refuses what is no order, and lives on, over the channel of ${os}`, async () => {
    await using host = await Host.start(os);
    const asked = host.ask();
    const id = host.desk.waiting[0]?.id ?? "";
    const lines = [
      "",
      "null",
      "[]",
      "GET / HTTP/1.1\r",
      '{"op":"approve"}',
      `{"op":"answer","id":"${id}"}`,
      `{"op":"answer","id":"${id}","answer":"yes"}`,
      `{"op":"answer","id":"${id}","answer":"once","extra":1}`,
      `{"op":"answer","id":["${id}"],"answer":"once"}`,
      '{"op":"forget","ids":[]}',
      '{"op":"forget","ids":["../../x"]}',
    ];
    const answers = await Promise.all(lines.map((line) => host.answerTo(new TextEncoder().encode(`${line}\n`))));
    assert.deepEqual(
      answers.map(([answer]) => JSON.parse(answer ?? "null")?.code),
      lines.map(() => "invalid_argument"),
    );
    const tooLong = new TextEncoder().encode(`{"op":"list","secret":"${"a".repeat(MAX_ORDER_BYTES)}"}\n`);
    assert.deepEqual(await host.answerTo(tooLong), []);
    assert.deepEqual(await host.answerTo(Uint8Array.of(0xff, 0x0a)), []);
    await replyTo(host.address, { op: "answer", id, answer: "once" }, "done");
    assert.equal(await asked, "once");
  });
}

Deno.test("AnswerChannel tells a watcher what waits and what becomes of it", async () => {
  await using host = await Host.start("linux");
  const first = host.ask("open https://example.com/1");
  const stop = new AbortController();
  const seen: string[] = [];
  const next = async (watching: AsyncGenerator<ChannelReply>) => {
    const { value } = await watching.next();
    seen.push(value?.kind === "asked" ? value.question.summary : `${value?.kind} ${value?.end}`);
  };
  const watching = replies(host.address, { op: "watch" }, stop.signal);
  await next(watching);
  const second = host.ask("open https://example.com/2");
  await next(watching);
  for (const { id } of host.desk.waiting) host.desk.answer(id, "no", "terminal");
  await next(watching);
  await next(watching);
  assert.deepEqual(seen, [
    "open https://example.com/1",
    "open https://example.com/2",
    "ended answered",
    "ended answered",
  ]);
  assert.deepEqual(await Promise.all([first, second]), ["no", "no"]);
  stop.abort();
  assert.equal((await watching.next()).done, true);
});

Deno.test("AnswerChannel cuts off a watcher that does not read, and nobody else", async () => {
  await using host = await Host.start("linux");
  const { conn } = await connectToHost(host.address);
  using _ = conn;
  await writeLine(conn, '{"op":"watch"}');
  const [reply] = await Promise.all([replyTo(host.address, { op: "list" }, "questions")]);
  assert.deepEqual(reply.questions, []);
  const summary = `open https://example.com/${"a".repeat(8_000)}`;
  for (let asked = 0; asked < 600; asked++) {
    const canceller = new AbortController();
    const expiresAt = unixMs(systemClock() + 3_600_000);
    const question = host.desk.ask(
      { ...OPEN_EXAMPLE, summary, requestId: undefined, expiresAt },
      canceller.signal,
      () => {},
    );
    canceller.abort(new PalyraError("cancelled", "over"));
    // deno-lint-ignore no-await-in-loop -- no more than a few may wait at once
    await assert.rejects(question, { code: "cancelled" });
  }
  // What was under way is read to its end, and then there is nothing more.
  const lines = await Array.fromAsync(readLines(conn, 100_000)).catch(() => []);
  assert.ok(lines.length < 1_200);
  assert.deepEqual((await replyTo(host.address, { op: "list" }, "questions")).questions, []);
});

Deno.test("AnswerChannel is for the owner alone: a private socket, or a secret in a private file", async () => {
  await using unix = await Host.start("linux");
  assert.equal(unix.address.kind, "socket");
  const mode = async (path: string) => ((await Deno.stat(path)).mode ?? 0) & 0o777;
  assert.equal(await mode(unix.address.kind === "socket" ? unix.address.path : ""), 0o600);
  await using loopback = await Host.start("windows");
  assert.equal(loopback.address.kind, "loopback");
  assert.equal(await mode(loopback.address.kind === "loopback" ? loopback.address.file : ""), 0o600);
  const orders = [{ op: "list" }, { op: "list", secret: "" }, { op: "list", secret: "0".repeat(64) }];
  const answers = await Promise.all(
    orders.map((order) => loopback.answerTo(new TextEncoder().encode(`${JSON.stringify(order)}\n`))),
  );
  for (const [answer] of answers) assert.match(answer ?? "", /did not show the secret/);
});

Deno.test("AnswerChannel takes the place of what a killed host left, and leaves nothing itself", async () => {
  await using folder = await TestFolder.create();
  const address = channelAddress(folder.path, "linux");
  assert.equal(address.kind, "socket");
  const path = join(folder.path, "requests.sock");
  await assert.rejects(replyTo(address, { op: "list" }, "questions"), { code: "host_not_running" });
  const killed = await new Deno.Command(Deno.execPath(), {
    args: ["eval", `Deno.listen({ transport: "unix", path: ${JSON.stringify(path)} }); Deno.kill(Deno.pid, "SIGKILL")`],
  }).output();
  assert.equal(killed.signal, "SIGKILL");
  assert.ok((await Deno.stat(path)).isSocket);
  await assert.rejects(replyTo(address, { op: "list" }, "questions"), { code: "host_not_running" });
  const options = { address, desk: new QuestionDesk(), remembered: await RememberedAnswers.load(folder.path) };
  {
    await using _ = await AnswerChannel.open(options);
    assert.deepEqual((await replyTo(address, { op: "list" }, "questions")).questions, []);
  }
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});

Deno.test("replyTo() tells a host that is not there from one that answers nonsense", async () => {
  await using folder = await TestFolder.create();
  const address = channelAddress(folder.path, "windows");
  await assert.rejects(replyTo(address, { op: "list" }, "questions"), { code: "host_not_running" });
  const unix = channelAddress(folder.path, "linux");
  using listener = Deno.listen({ transport: "unix", path: join(folder.path, "requests.sock") });
  const answer = async (line: string) => {
    using conn = await listener.accept();
    await conn.read(new Uint8Array(100));
    await writeLine(conn, line);
  };
  for (const [line, code] of [["{}", "protocol_mismatch"], ['{"kind":"done"}', "connection_lost"]] as const) {
    // deno-lint-ignore no-await-in-loop -- one connection after the other
    await Promise.all([
      answer(line),
      assert.rejects(replyTo(unix, { op: "list" }, "questions"), { code }),
    ]);
  }
});
