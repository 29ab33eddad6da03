import * as v from "valibot";
import { CAPABILITY_NAME, MAX_CAPABILITY_NAME_CHARACTERS } from "../identity/capability_name.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { type CanonicalUlid, isCanonicalUlid } from "../identity/device_id.ts";
import { type Fingerprint, parseFingerprint } from "../identity/fingerprint.ts";
import type { AttemptRef, DeviceCapability, Hello } from "../proto/gen/node.ts";
import type { AttemptName } from "./capability_dispatch_record.ts";
import type { DeclaredCapability } from "./store/registered_node_record.ts";

/** Capabilities one node may declare. */
export const MAX_CAPABILITIES = 64;
/** Requests a node runs at once when it names no number. */
export const DEFAULT_NODE_CONCURRENCY = 32;
/** The most a node may ask to run at once. */
export const MAX_NODE_CONCURRENCY = 256;
/** Longest JSON Schema a node may declare, in characters; a node takes no longer one from its owner either. */
const MAX_SCHEMA_CHARACTERS: number = 32 * 1024;
/** Attempts a node may name when it connects: what a full queue holds, twice. */
const MAX_ATTEMPTS_NAMED = 2_000;

/** CAs a node may say that it trusts; a daemon has fewer. */
const MAX_AUTHORITIES_NAMED = 16;

/** What a node says of itself, checked. */
export interface NodeRegistration {
  readonly platform: string;
  readonly deviceName: string;
  readonly softwareVersion: string;
  readonly capabilities: readonly DeclaredCapability[];
}

/** A checked Hello. */
export interface NodeHello extends NodeRegistration {
  readonly instanceId: string;
  readonly maxConcurrency: number;
  /** Empty when the node keeps no journal. */
  readonly journalId: string;
  readonly inFlight: readonly AttemptName[];
  readonly finished: readonly AttemptName[];
  readonly interrupted: readonly AttemptName[];
  /** The CAs that it trusts; empty when it does not say. */
  readonly trustedAuthorities: readonly Fingerprint[];
}

const label = (max: number) => v.pipe(v.string(), v.maxLength(max), v.regex(/^[^\p{C}]*$/u, "no control characters"));

const jsonSchema = v.pipe(
  v.string(),
  v.maxLength(MAX_SCHEMA_CHARACTERS),
  v.check((text) => text === "" || isJsonObject(text), "a JSON Schema is a JSON object"),
);

const CapabilityShape = v.pipe(
  v.object({
    name: v.pipe(
      v.string(),
      v.maxLength(MAX_CAPABILITY_NAME_CHARACTERS),
      v.regex(CAPABILITY_NAME, "like `system.health`"),
    ),
    available: v.boolean(),
    version: label(32),
    inputSchemaJson: jsonSchema,
    outputSchemaJson: jsonSchema,
    idempotent: v.boolean(),
    requiresLocalMediation: v.boolean(),
    unavailableReason: label(512),
    maxConcurrency: v.number(),
  }),
  v.transform(({ maxConcurrency, ...capability }) => ({
    ...capability,
    ...(maxConcurrency > 0 && { maxConcurrency }),
  })),
);

const RegistrationShape = v.object({
  platform: label(64),
  deviceName: label(64),
  softwareVersion: label(64),
  capabilities: v.pipe(
    v.array(CapabilityShape),
    v.maxLength(MAX_CAPABILITIES),
    v.check((list) => new Set(list.map((each) => each.name)).size === list.length, "each capability once"),
  ),
});

const HelloShape = v.object({
  ...RegistrationShape.entries,
  instanceId: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  journalId: v.pipe(v.string(), v.maxLength(64)),
  maxConcurrency: v.pipe(v.number(), v.maxValue(MAX_NODE_CONCURRENCY)),
});

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function refuse(issue: v.BaseIssue<unknown>): PalyraError {
  const path = v.getDotPath(issue) ?? "message";
  return new PalyraError("invalid_argument", `The node's registration is not acceptable at ${path}: ${issue.message}.`);
}

/** Checks what RegisterNode carries; throws `invalid_argument`. */
export function checkRegistration(
  platform: string,
  capabilities: readonly DeviceCapability[],
): Pick<NodeRegistration, "platform" | "capabilities"> {
  const parsed = v.safeParse(v.pick(RegistrationShape, ["platform", "capabilities"]), { platform, capabilities });
  if (!parsed.success) throw refuse(parsed.issues[0]);
  return parsed.output;
}

/** Checks a Hello; throws `invalid_argument`. */
export function checkHello(hello: Hello): NodeHello {
  const parsed = v.safeParse(HelloShape, hello);
  if (!parsed.success) throw refuse(parsed.issues[0]);
  return {
    ...parsed.output,
    maxConcurrency: parsed.output.maxConcurrency || DEFAULT_NODE_CONCURRENCY,
    inFlight: checkAttempts(hello.inFlight),
    finished: checkAttempts(hello.finished),
    interrupted: checkAttempts(hello.interrupted),
    trustedAuthorities: checkAuthorities(hello.trustedCaFingerprints),
  };
}

function checkAttempts(attempts: readonly AttemptRef[]): AttemptName[] {
  if (attempts.length > MAX_ATTEMPTS_NAMED) {
    throw new PalyraError("invalid_argument", `A node may name ${MAX_ATTEMPTS_NAMED} attempts at most.`);
  }
  return attempts.map(checkAttempt);
}

/** Checks which CAs a node says that it trusts; throws `invalid_argument`. */
export function checkAuthorities(fingerprints: readonly string[]): Fingerprint[] {
  if (fingerprints.length > MAX_AUTHORITIES_NAMED) {
    throw new PalyraError("invalid_argument", `A node may trust ${MAX_AUTHORITIES_NAMED} CAs of its daemon at most.`);
  }
  return fingerprints.map(parseFingerprint);
}

/** Checks which attempt a node speaks of; throws `invalid_argument`. */
export function checkAttempt(attempt: AttemptRef | undefined): AttemptName {
  const requestId = attempt?.requestId?.ulid ?? "";
  if (attempt === undefined || !isCanonicalUlid(requestId) || attempt.attempt < 1) {
    throw new PalyraError("invalid_argument", "A message about work must name a request id and an attempt.");
  }
  return { requestId: requestId as CanonicalUlid, attempt: attempt.attempt };
}
