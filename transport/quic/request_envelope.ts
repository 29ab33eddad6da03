import * as v from "valibot";

/** The version of the QUIC wire: of both envelopes, and of what follows on the stream (design section 4). */
export const QUIC_PROTOCOL_VERSION = 1;

/** What a stream can be opened for. */
export type QuicMethod = "node.health" | "node.stream_events" | "node.open_session";

const METHODS: readonly string[] = ["node.health", "node.stream_events", "node.open_session"] satisfies QuicMethod[];

/** What the first frame of a stream asks for. */
export interface QuicRequest {
  readonly method: QuicMethod;
  /**
   * For `node.stream_events`: the last sequence number that the peer has; 0 is before the first, undefined is before the
   * oldest that is kept.
   */
  readonly resumeFrom: number | undefined;
}

/** A request, or why it is none; `message` may go to the peer. */
export type ParsedRequest =
  | { readonly ok: true; readonly request: QuicRequest }
  | {
    readonly ok: false;
    readonly error: "invalid_request" | "protocol_mismatch" | "unsupported_method";
    readonly message: string;
  };

const RequestSchema = v.strictObject({
  protocol_version: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  method: v.string(),
  // JSON has a -0, which is 0 here.
  resume_from: v.optional(
    v.nullable(v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.transform((from) => from + 0))),
  ),
});

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads a request's payload. What is no request at all is told first, then a wrong version, then an unknown method.
 */
export function parseRequest(payload: Uint8Array): ParsedRequest {
  let json: unknown;
  try {
    json = JSON.parse(utf8.decode(payload));
  } catch {
    return invalid("is not valid JSON in UTF-8");
  }
  const parsed = v.safeParse(RequestSchema, json);
  if (!parsed.success) return invalid(whatIsWrong(parsed.issues[0]));
  const { protocol_version, method, resume_from } = parsed.output;
  if (protocol_version !== QUIC_PROTOCOL_VERSION) {
    return {
      ok: false,
      error: "protocol_mismatch",
      message: `This daemon speaks version ${QUIC_PROTOCOL_VERSION} of the protocol; the request has version ` +
        `${protocol_version}. Use matching versions of palyrad and palyra-node.`,
    };
  }
  if (!isMethod(method)) {
    return { ok: false, error: "unsupported_method", message: `This daemon has the methods ${METHODS.join(", ")}.` };
  }
  return { ok: true, request: { method, resumeFrom: resume_from ?? undefined } };
}

/** The payload of a request; it still needs its frame. */
export function encodeRequest(method: QuicMethod, resumeFrom?: number): Uint8Array {
  const request = {
    protocol_version: QUIC_PROTOCOL_VERSION,
    method,
    ...(resumeFrom !== undefined && { resume_from: resumeFrom }),
  };
  return new TextEncoder().encode(JSON.stringify(request));
}

function isMethod(method: string): method is QuicMethod {
  return METHODS.includes(method);
}

function invalid(what: string): ParsedRequest {
  return {
    ok: false,
    error: "invalid_request",
    message: `The request ${what}. Send one JSON object: {"protocol_version":${QUIC_PROTOCOL_VERSION},` +
      `"method":"node.health"}, with "resume_from" where it resumes.`,
  };
}

function whatIsWrong(issue: v.BaseIssue<unknown>): string {
  const field = issue.path?.[0]?.key;
  if (typeof field !== "string") return "is not a JSON object";
  // The name of an unknown field is the peer's text and is not repeated.
  return Object.hasOwn(RequestSchema.entries, field)
    ? `lacks the field ${field}, or has it malformed`
    : "has a field that this version does not know";
}
