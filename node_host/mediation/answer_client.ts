import * as v from "valibot";
import { PalyraError } from "../../identity/palyra_error.ts";
import { isReasonCode } from "../../identity/reason_code.ts";
import type { ChannelAddress } from "./channel_address.ts";
import { connectToHost } from "./channel_endpoint.ts";
import { type ChannelOrder, type ChannelReply, MAX_REPLY_BYTES, ReplySchema } from "./channel_message.ts";
import { readLines, writeLine } from "./line_stream.ts";
import { visibleText } from "./visible_text.ts";

/**
 * Sends one order and gives the replies: one, or for `watch` as many as there are until `signal` aborts. Rejects with
 * `host_not_running`, `permission_missing`, `connection_lost`, or the host's own refusal.
 */
export async function* replies(
  address: ChannelAddress,
  order: ChannelOrder,
  signal?: AbortSignal,
): AsyncGenerator<ChannelReply> {
  const { conn, secret } = await connectToHost(address);
  const onAbort = () => conn.close();
  signal?.addEventListener("abort", onAbort, { once: true });
  let answered = false;
  try {
    if (signal?.aborted) return;
    await writeLine(conn, JSON.stringify({ ...order, secret }));
    for await (const line of readLines(conn, MAX_REPLY_BYTES)) {
      const reply = parseReply(line);
      if (reply.kind === "error") throw refusalOf(reply);
      answered = true;
      yield reply;
    }
  } catch (cause) {
    if (signal?.aborted) return;
    throw cause instanceof PalyraError ? cause : lost(cause);
  } finally {
    signal?.removeEventListener("abort", onAbort);
    if (!signal?.aborted) conn.close();
  }
  if (!answered && order.op !== "watch") throw lost();
}

/** Sends an order that has one reply, which must be of this kind. Rejects as {@linkcode replies} does. */
export async function replyTo<Kind extends ChannelReply["kind"]>(
  address: ChannelAddress,
  order: Exclude<ChannelOrder, { op: "watch" }>,
  kind: Kind,
): Promise<Extract<ChannelReply, { kind: Kind }>> {
  for await (const reply of replies(address, order)) {
    if (isOfKind(reply, kind)) return reply;
  }
  throw lost();
}

function isOfKind<Kind extends ChannelReply["kind"]>(
  reply: ChannelReply,
  kind: Kind,
): reply is Extract<ChannelReply, { kind: Kind }> {
  return reply.kind === kind;
}

function parseReply(line: string): ChannelReply {
  const parsed = v.safeParse(ReplySchema, JSON.parse(line));
  if (parsed.success) return parsed.output;
  throw new PalyraError(
    "protocol_mismatch",
    "The running palyra-node answered in a way that this one does not understand; make sure that both are of the same " +
      "version.",
  );
}

function refusalOf({ code, message }: { readonly code: string; readonly message: string }): PalyraError {
  return new PalyraError(isReasonCode(code) ? code : "internal", visibleText(message));
}

function lost(cause?: unknown): PalyraError {
  return new PalyraError("connection_lost", "The running palyra-node broke the connection off; try again.", { cause });
}
