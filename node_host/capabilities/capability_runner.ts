import { getLogger } from "@logtape/logtape";
import type { DeviceId } from "../../identity/device_id.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { type Clock, systemClock, type UnixMs, unixMs } from "../../identity/unix_ms.ts";
import { encodeBoundedJson, parseBoundedJson } from "./bounded_json.ts";
import type { Capability, CapabilityContext, NodeFacts, PreparedInput } from "./capability.ts";
import type { CapabilityRegistry, RegisteredCapability } from "./capability_registry.ts";
import { CapabilitySlots } from "./capability_slots.ts";
import { exactInputScope } from "./consent_scope.ts";
import { type LocalCapabilityResult, NEVER_STARTED } from "./local_capability_result.ts";
import { type Mediator, PolicyMediator } from "./mediator.ts";
import { printableText } from "./printable_text.ts";
import { ProgressReporter } from "./progress_reporter.ts";
import { RunScope } from "./run_scope.ts";

const logger = getLogger(["palyra", "node_host", "capabilities"]);

/** The largest output, in bytes, where the request does not name a lower bound. */
export const MAX_OUTPUT_BYTES: number = 1024 * 1024;

/** How many abandoned runs of one capability may still be going before no more are started. */
export const MAX_ABANDONED_RUNS = 8;

/** The longest summary that an owner is asked about, in characters: all of it is shown. The longest URL fits. */
export const MAX_SUMMARY_CHARACTERS = 10_000;

// Longer than any request lives (7 days): keeps its end a time that can be told.
const MAX_TIME_LEFT_MS: number = 366 * 24 * 3_600_000;

/** What {@linkcode CapabilityRunner} stands on. */
export interface CapabilityRunnerOptions {
  readonly registry: CapabilityRegistry;
  readonly deviceId: DeviceId;
  /** What capabilities may know about the node; read at each run, so it may be a live view. */
  readonly node: NodeFacts;
  /** Default: {@linkcode PolicyMediator}. */
  readonly mediator?: Mediator;
  readonly clock?: Clock;
}

/** One request to run a capability. */
export interface CapabilityRunRequest {
  readonly name: string;
  /** UTF-8 JSON; empty means `null`. */
  readonly inputJson: Uint8Array;
  /** The largest output the caller takes, in bytes; 0 means the node's own bound of 1 MiB, which holds in any case. */
  readonly maxPayloadBytes: number;
  /** For everything, consent included, in milliseconds; 0 is over already. */
  readonly timeLeftMs: number;
  readonly requestedBy: string;
  /** By what the daemon's operator knows the request; for the owner to see. */
  readonly requestId?: string;
  /** Cancels. A `PalyraError` as its reason becomes the result. */
  readonly signal: AbortSignal;
  /** Receives UTF-8 JSON. */
  readonly progress?: (payloadJson: Uint8Array) => void;
  /** Called when the owner is being asked. */
  readonly awaitingMediation?: () => void;
  /** Called when the owner, who was asked, has agreed: the run begins. */
  readonly mediationEnded?: () => void;
  /** Called right before the run, after every gate and when it is its turn. The run waits for it; a `PalyraError` that it rejects with becomes the result, and nothing runs. */
  readonly starting?: () => Promise<void>;
}

/** Runs capabilities for the daemon, within what the owner allowed (design section 6). */
export class CapabilityRunner {
  readonly #options: CapabilityRunnerOptions;
  readonly #mediator: Mediator;
  readonly #clock: Clock;
  readonly #slots = new CapabilitySlots();
  readonly #abandoned = new Map<string, number>();

  constructor(options: CapabilityRunnerOptions) {
    this.#options = options;
    this.#mediator = options.mediator ?? new PolicyMediator();
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * Runs one request through every gate, in this order: known, below its `maxConcurrency`, not denied by the owner,
   * permitted, input is JSON, matches the schema, passes the capability's own check, consented to, its turn; then the run;
   * then the output's JSON, schema and size. Never rejects.
   *
   * A result with one of {@linkcode NEVER_STARTED} says that nothing has run; no failure of a capability itself carries
   * them.
   *
   * At the deadline and on cancel the result is there at once, whether or not the capability heeds its signal; what it
   * does afterwards changes nothing.
   */
  async run(request: CapabilityRunRequest): Promise<LocalCapabilityResult> {
    using scope = new RunScope(request.signal, request.timeLeftMs);
    try {
      const deadline = unixMs(this.#clock() + Math.max(0, Math.min(request.timeLeftMs, MAX_TIME_LEFT_MS)));
      return { success: true, outputJson: await scope.race(this.#perform(request, deadline, scope.signal)) };
    } catch (thrown) {
      return failureOf(request.name, thrown);
    }
  }

  async #perform(request: CapabilityRunRequest, deadline: UnixMs, signal: AbortSignal): Promise<Uint8Array> {
    const entry = this.#find(request.name, signal);
    // Held until the run has really ended, also by one that heeds no signal.
    using _slot = this.#slots.take(entry.definition);
    await this.#admit(entry);
    const input = parseBoundedJson(request.inputJson);
    requireMatch(entry.inputCheck.firstError(input), "invalid_input");
    const prepared = await entry.definition.prepare?.(input) ??
      { input, summary: summaryOf(entry, input) };
    if (entry.rule === "ask") requireShowable(request.name, prepared.summary);
    // Nothing that costs the owner's attention or changes the machine starts after the end.
    signal.throwIfAborted();
    await this.#obtainConsent(entry, prepared, request, deadline, signal);
    signal.throwIfAborted();
    using _turn = await entry.definition.takeTurn?.(signal);
    signal.throwIfAborted();
    if (request.starting !== undefined) {
      await request.starting();
      signal.throwIfAborted();
    }
    const output = await this.#execute(entry.definition, prepared.input, request, signal);
    const outputJson = encodeBoundedJson(output);
    // Checked as it will be read: a Date, say, is a string by then.
    requireMatch(entry.outputCheck.firstError(JSON.parse(new TextDecoder().decode(outputJson))), "invalid_output");
    requireSize(outputJson, request.maxPayloadBytes);
    return outputJson;
  }

  #find(name: string, signal: AbortSignal): RegisteredCapability {
    signal.throwIfAborted();
    const entry = this.#options.registry.find(name);
    if (entry !== undefined) return entry;
    throw new PalyraError(
      "capability_not_found",
      `This node has no capability named ${JSON.stringify(printableText(name, 64))}; ` +
        "`palyrad nodes describe` lists what it has.",
    );
  }

  async #admit(entry: RegisteredCapability): Promise<void> {
    const { name } = entry.definition;
    const refusal = await this.#options.registry.refusalOf(entry);
    if (refusal !== undefined) throw refusal;
    if ((this.#abandoned.get(name) ?? 0) >= MAX_ABANDONED_RUNS) {
      throw new PalyraError(
        "capability_unavailable",
        `${MAX_ABANDONED_RUNS} earlier runs of ${name} did not stop when told to; restart palyra-node to end them.`,
      );
    }
  }

  async #obtainConsent(
    { definition, rule }: RegisteredCapability,
    prepared: PreparedInput,
    request: CapabilityRunRequest,
    deadline: UnixMs,
    signal: AbortSignal,
  ): Promise<void> {
    // `deny` was refused before the input was looked at. Without a scope there is no standing answer against an `allow`.
    if (rule === "deny" || rule === "allow" && prepared.scope === undefined) return;
    let asked = false;
    await this.#mediator.consent({
      capability: definition.name,
      rule,
      summary: prepared.summary,
      scope: prepared.scope ?? exactInputScope(prepared.input),
      requestedBy: printableText(request.requestedBy, 128),
      requestId: request.requestId,
      deadline,
      signal,
      awaiting: () => {
        if (asked || signal.aborted) return;
        asked = true;
        request.awaitingMediation?.();
      },
    });
    if (asked && !signal.aborted) request.mediationEnded?.();
  }

  async #execute(
    definition: Capability,
    input: unknown,
    request: CapabilityRunRequest,
    signal: AbortSignal,
  ): Promise<unknown> {
    const reporter = new ProgressReporter(request.progress ?? (() => {}), this.#clock);
    const context: CapabilityContext = {
      signal,
      deviceId: this.#options.deviceId,
      requestedBy: printableText(request.requestedBy, 128),
      node: this.#options.node,
      progress: (payload) => reporter.report(payload),
    };
    const abandon = () => {
      reporter.end();
      this.#countAbandoned(definition.name, 1);
    };
    signal.addEventListener("abort", abandon, { once: true });
    try {
      return await definition.run(input, context);
    } catch (thrown) {
      throw asOwnFailure(thrown);
    } finally {
      reporter.end();
      signal.removeEventListener("abort", abandon);
      if (signal.aborted) this.#countAbandoned(definition.name, -1);
    }
  }

  #countAbandoned(name: string, change: number): void {
    const count = (this.#abandoned.get(name) ?? 0) + change;
    if (count > 0) this.#abandoned.set(name, count);
    else this.#abandoned.delete(name);
  }
}

// What would run, not the text as it came: spaces and escapes in that could hide something.
function summaryOf({ definition: { name }, rule }: RegisteredCapability, input: unknown): string {
  return rule === "allow" || input === null ? `run ${name}` : `run ${name} with ${JSON.stringify(input)}`;
}

// Nobody consents to what cannot be shown in full.
function requireShowable(name: string, summary: string): void {
  if (summary.length <= MAX_SUMMARY_CHARACTERS) return;
  throw new PalyraError(
    "invalid_input",
    `The node's owner is asked about ${name} and can be shown ${MAX_SUMMARY_CHARACTERS} characters of it, not ` +
      `${summary.length}; send a shorter input.`,
  );
}

/** A code that says "nothing has run" would be a lie from here on, and the daemon would dispatch it again. */
function asOwnFailure(thrown: unknown): unknown {
  if (!(thrown instanceof PalyraError) || !NEVER_STARTED.has(thrown.code)) return thrown;
  return new PalyraError("execution_failed", thrown.message, { cause: thrown });
}

function requireMatch(error: string | undefined, code: "invalid_input" | "invalid_output"): void {
  if (error !== undefined) throw new PalyraError(code, `${error}.`);
}

function requireSize(outputJson: Uint8Array, maxPayloadBytes: number): void {
  const limit = maxPayloadBytes > 0 ? Math.min(maxPayloadBytes, MAX_OUTPUT_BYTES) : MAX_OUTPUT_BYTES;
  if (outputJson.byteLength <= limit) return;
  throw new PalyraError(
    "output_too_large",
    `The output has ${outputJson.byteLength} bytes and at most ${limit} are taken; raise max_payload_bytes (the node ` +
      `sends up to ${MAX_OUTPUT_BYTES}) or ask for less.`,
  );
}

function failureOf(name: string, thrown: unknown): LocalCapabilityResult {
  const error = thrown instanceof PalyraError ? thrown : unexpectedFailure(thrown);
  if (error.cause !== undefined) {
    logger.warn("{capability} failed: {code}", {
      capability: printableText(name, 64),
      code: error.code,
      cause: error.cause,
    });
  }
  return { success: false, errorCode: error.code, error: error.message };
}

function unexpectedFailure(cause: unknown): PalyraError {
  if (cause instanceof Deno.errors.NotCapable) {
    return new PalyraError(
      "permission_missing",
      "The capability needed a permission that palyra-node was not started with; the node's log names it.",
      { cause },
    );
  }
  return new PalyraError("execution_failed", "The capability failed; the node's log has the cause.", { cause });
}
