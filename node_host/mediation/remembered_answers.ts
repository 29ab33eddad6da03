import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import * as v from "valibot";
import { CONSENT_SCOPE_KINDS, type ConsentScope, sameScope } from "../capabilities/consent_scope.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { type Clock, systemClock, type UnixMs } from "../../identity/unix_ms.ts";
import { encodeStateDocument, readStateDocument, removeStateDocument, writeStateDocument } from "../state_document.ts";
import { Moment, SchemaVersion } from "../state_fields.ts";
import { newShortId, SHORT_ID } from "./short_id.ts";

const logger = getLogger(["palyra", "node_host", "mediation"]);

/** How many answers are remembered; beyond it the owner is asked each time. */
export const MAX_REMEMBERED_ANSWERS = 256;

// A state document has 64 KiB at most, and folders may have long names.
const MAX_STORED_BYTES: number = 60 * 1024;

/** What an answer is remembered for. All three must agree: nobody else and nothing else is covered. */
export interface RememberedFor {
  readonly capability: string;
  readonly scope: ConsentScope;
  readonly requestedBy: string;
}

/** An answer of the owner that holds for more than one request. */
export interface RememberedAnswer extends RememberedFor {
  readonly id: string;
  /** Whether what it covers runs; otherwise it is refused. */
  readonly allowed: boolean;
  /** Until it is withdrawn; otherwise until palyra-node stops. */
  readonly lasting: boolean;
  readonly answeredAt: UnixMs;
}

const StoredAnswers = v.object({
  schema_version: SchemaVersion,
  answers: v.pipe(
    v.array(v.object({
      id: v.pipe(v.string(), v.regex(SHORT_ID)),
      capability: v.pipe(v.string(), v.maxLength(64)),
      scope_kind: v.picklist(CONSENT_SCOPE_KINDS),
      scope_value: v.pipe(v.string(), v.maxLength(8_192)),
      requested_by: v.pipe(v.string(), v.maxLength(1_024)),
      allowed: v.boolean(),
      answered_at_unix_ms: Moment,
    })),
    v.maxLength(MAX_REMEMBERED_ANSWERS),
  ),
});

/** The answers that the owner wanted remembered; the lasting ones are kept in the state folder. */
export class RememberedAnswers {
  readonly #path: string;
  readonly #clock: Clock;
  #answers: readonly RememberedAnswer[];
  #written: Promise<void> = Promise.resolve();

  private constructor(path: string, clock: Clock, answers: readonly RememberedAnswer[]) {
    this.#path = path;
    this.#clock = clock;
    this.#answers = answers;
  }

  /** Reads the lasting ones. Rejects with `state_damaged` or `schema_too_new` and leaves the file as it is. */
  static async load(folder: string, clock: Clock = systemClock): Promise<RememberedAnswers> {
    const path = answersPath(folder);
    const stored = await readStateDocument(path, StoredAnswers).catch((thrown: unknown) => {
      if (!(thrown instanceof PalyraError) || thrown.code !== "state_damaged") throw thrown;
      throw new PalyraError(
        "state_damaged",
        `The remembered answers in ${path} are damaged; restore the file from a backup, or remove it to be asked again.`,
        { cause: thrown },
      );
    });
    const answers = (stored?.answers ?? []).map((answer): RememberedAnswer => ({
      id: answer.id,
      capability: answer.capability,
      scope: { kind: answer.scope_kind, value: answer.scope_value },
      requestedBy: answer.requested_by,
      allowed: answer.allowed,
      lasting: true,
      answeredAt: answer.answered_at_unix_ms,
    }));
    return new RememberedAnswers(path, clock, answers);
  }

  /** All of them, oldest first. */
  get all(): readonly RememberedAnswer[] {
    return this.#answers;
  }

  /** What the owner has said for this; a refusal before a consent. */
  find(wanted: RememberedFor): RememberedAnswer | undefined {
    const covering = this.#answers.filter((answer) => covers(answer, wanted));
    return covering.find(({ allowed }) => !allowed) ?? covering[0];
  }

  /**
   * Remembers an answer in place of earlier ones for the same. Holds at once; resolves when a lasting one is on the disk.
   * What cannot be kept there, for want of room or because the disk takes nothing, holds until palyra-node stops, and the
   * log says so.
   */
  async remember(wanted: RememberedFor, allowed: boolean, lasting: boolean): Promise<void> {
    const { capability, scope, requestedBy } = wanted;
    const others = this.#answers.filter((answer) => !covers(answer, wanted));
    const answer: RememberedAnswer = {
      id: newShortId((id) => others.some((other) => other.id === id)),
      capability,
      scope,
      requestedBy,
      allowed,
      lasting,
      answeredAt: this.#clock(),
    };
    if (lasting && fits([...others, answer])) {
      this.#answers = [...others, answer];
      return await this.#store().catch((error: unknown) => this.#holdUntilStop(answer, error));
    }
    // The oldest of a session make room: what they covered is asked again.
    const kept = others.length < MAX_REMEMBERED_ANSWERS ? others : withoutOldestOfSession(others);
    if (kept.length < MAX_REMEMBERED_ANSWERS) this.#answers = [...kept, { ...answer, lasting: false }];
    if (lasting) logger.warning("There is no room for another lasting answer: withdraw some with `requests forget`.");
  }

  /**
   * Withdraws the answers with these ids; resolves with them once that is on the disk. Rejects with `question_not_found`
   * when there is none for an id, and withdraws nothing then.
   */
  async forget(ids: readonly string[]): Promise<readonly RememberedAnswer[]> {
    const unknown = ids.find((id) => !this.#answers.some((answer) => answer.id === id));
    if (unknown !== undefined) {
      throw new PalyraError(
        "question_not_found",
        `No remembered answer is named ${JSON.stringify(unknown)}; \`palyra-node requests remembered\` lists them.`,
      );
    }
    const forgotten = this.#answers.filter(({ id }) => ids.includes(id));
    this.#answers = this.#answers.filter(({ id }) => !ids.includes(id));
    if (forgotten.some(({ lasting }) => lasting)) await this.#store();
    return forgotten;
  }

  #holdUntilStop(answer: RememberedAnswer, error: unknown): void {
    logger.warning("An answer could not be stored, so it holds until palyra-node stops.", { error });
    this.#answers = this.#answers.map((each) => each.id === answer.id ? { ...each, lasting: false } : each);
  }

  /** One write after the other, each of what holds by then, so that the last one is the newest. */
  async #store(): Promise<void> {
    const write = () => writeStateDocument(this.#path, { answers: fieldsOf(this.#answers) });
    const written = this.#written.then(write, write);
    this.#written = written;
    await written;
  }
}

/** Removes the answers given to another daemon's requests. */
export async function removeRememberedAnswers(folder: string): Promise<void> {
  await removeStateDocument(answersPath(folder));
}

function answersPath(folder: string): string {
  return join(folder, "remembered-answers.json");
}

function covers(answer: RememberedFor, wanted: RememberedFor): boolean {
  return answer.capability === wanted.capability && answer.requestedBy === wanted.requestedBy &&
    sameScope(answer.scope, wanted.scope);
}

function fits(answers: readonly RememberedAnswer[]): boolean {
  return answers.length <= MAX_REMEMBERED_ANSWERS &&
    encodeStateDocument({ answers: fieldsOf(answers) }).length <= MAX_STORED_BYTES;
}

function withoutOldestOfSession(answers: readonly RememberedAnswer[]): readonly RememberedAnswer[] {
  const oldest = answers.find(({ lasting }) => !lasting);
  return answers.filter((answer) => answer !== oldest);
}

function fieldsOf(answers: readonly RememberedAnswer[]): readonly Readonly<Record<string, unknown>>[] {
  return answers.filter(({ lasting }) => lasting).map((answer) => ({
    id: answer.id,
    capability: answer.capability,
    scope_kind: answer.scope.kind,
    scope_value: answer.scope.value,
    requested_by: answer.requestedBy,
    allowed: answer.allowed,
    answered_at_unix_ms: answer.answeredAt,
  }));
}
