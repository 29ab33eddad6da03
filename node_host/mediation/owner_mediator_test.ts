import assert from "node:assert/strict";
import type { MediationRequest } from "../capabilities/mediator.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { systemClock, unixMs } from "../../identity/unix_ms.ts";
import { TestFolder } from "../testing/test_folder.ts";
import { OwnerMediator } from "./owner_mediator.ts";
import type { Answer } from "./question.ts";
import { QuestionDesk } from "./question_desk.ts";
import { RememberedAnswers } from "./remembered_answers.ts";

const HOUR_MS = 3_600_000;

/** A mediator with its desk on a folder of its own. */
class Fixture implements AsyncDisposable {
  readonly #folder: TestFolder;
  readonly desk = new QuestionDesk();
  readonly remembered: RememberedAnswers;
  readonly mediator: OwnerMediator;
  attended = true;
  awaited = 0;

  private constructor(folder: TestFolder, remembered: RememberedAnswers, timeoutMs: number) {
    this.#folder = folder;
    this.remembered = remembered;
    this.mediator = new OwnerMediator({ desk: this.desk, remembered, timeoutMs, isAttended: () => this.attended });
  }

  static async create(timeoutMs = HOUR_MS): Promise<Fixture> {
    const folder = await TestFolder.create();
    return new Fixture(folder, await RememberedAnswers.load(folder.path), timeoutMs);
  }

  request(changes: Partial<MediationRequest> = {}): MediationRequest {
    return {
      capability: "desktop.open_url",
      rule: "ask",
      summary: "open https://example.com/",
      scope: { kind: "origin", value: "https://example.com" },
      requestedBy: "ops",
      deadline: unixMs(systemClock() + HOUR_MS),
      signal: new AbortController().signal,
      awaiting: () => this.awaited++,
      ...changes,
    };
  }

  /** Asks, and answers every question that waits then. */
  async consent(answer: Answer, changes: Partial<MediationRequest> = {}): Promise<void> {
    const consent = this.mediator.consent(this.request(changes));
    for (const { id } of this.desk.waiting) this.desk.answer(id, answer, "command");
    await consent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}

function unasked(): void {
  assert.fail("the owner was asked");
}

Deno.test("OwnerMediator.consent() passes what is allowed without a question", async () => {
  await using fixture = await Fixture.create();
  await fixture.mediator.consent(fixture.request({ rule: "allow", awaiting: unasked }));
});

Deno.test("OwnerMediator.consent() asks each time after once and no", async () => {
  await using fixture = await Fixture.create();
  await fixture.consent("once");
  await assert.rejects(fixture.consent("no"), { code: "mediation_denied", message: /refused; nothing was run/ });
  await fixture.consent("once");
  assert.equal(fixture.awaited, 3);
  assert.deepEqual(fixture.remembered.all, []);
});

Deno.test("OwnerMediator.consent() remembers session and always, for what was asked and nothing else", async () => {
  for (const answer of ["session", "always"] as const) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await using fixture = await Fixture.create();
    // deno-lint-ignore no-await-in-loop -- as above
    await fixture.consent(answer);
    // deno-lint-ignore no-await-in-loop -- as above
    await fixture.mediator.consent(fixture.request({ summary: "open https://example.com/b", awaiting: unasked }));
    assert.deepEqual(fixture.remembered.all.map(({ lasting }) => lasting), [answer === "always"]);
    const others: Partial<MediationRequest>[] = [
      { scope: { kind: "origin", value: "https://example.com:8443" } },
      { requestedBy: "another" },
      { capability: "desktop.open_path" },
    ];
    for (const other of others) {
      // deno-lint-ignore no-await-in-loop -- as above
      await assert.rejects(fixture.consent("no", other), { code: "mediation_denied" });
    }
  }
});

Deno.test("OwnerMediator.consent() remembers never, even against a configured allow", async () => {
  await using fixture = await Fixture.create();
  await assert.rejects(fixture.consent("never"), { code: "mediation_denied", message: /for good/ });
  for (const rule of ["ask", "allow"] as const) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await assert.rejects(fixture.mediator.consent(fixture.request({ rule, awaiting: unasked })), {
      code: "mediation_denied",
    });
  }
  const [answer] = fixture.remembered.all;
  await fixture.remembered.forget([answer?.id ?? ""]);
  await fixture.consent("once");
});

Deno.test("OwnerMediator.consent() applies a new rule to the questions that wait and fall under it", async () => {
  await using fixture = await Fixture.create();
  const same = fixture.mediator.consent(fixture.request({ summary: "open https://example.com/b" }));
  const other = fixture.mediator.consent(fixture.request({ requestedBy: "another" }));
  const first = fixture.mediator.consent(fixture.request());
  const last = fixture.desk.waiting.at(-1);
  fixture.desk.answer(last?.id ?? "", "always", "terminal");
  await first;
  await same;
  assert.deepEqual(fixture.desk.waiting.map(({ requestedBy }) => requestedBy), ["another"]);
  fixture.desk.close(new PalyraError("shutting_down", "over"));
  await assert.rejects(other, { code: "shutting_down" });
});

Deno.test("OwnerMediator.consent() waits no longer than its time-out and the request's deadline", async () => {
  await using short = await Fixture.create(5);
  await assert.rejects(short.mediator.consent(short.request()), { code: "mediation_timed_out" });
  await using long = await Fixture.create();
  const deadline = unixMs(systemClock() + 5);
  await assert.rejects(long.mediator.consent(long.request({ deadline })), { code: "mediation_timed_out" });
});

Deno.test("OwnerMediator.consent() refuses with mediation_required when nobody can see the question", async () => {
  await using fixture = await Fixture.create();
  fixture.attended = false;
  await assert.rejects(fixture.mediator.consent(fixture.request({ awaiting: unasked })), {
    code: "mediation_required",
  });
  fixture.attended = true;
  await fixture.consent("session");
  fixture.attended = false;
  await fixture.mediator.consent(fixture.request({ awaiting: unasked }));
});
