import { Buffer } from "node:buffer";
import { BinaryWriter } from "@bufbuild/protobuf/wire";

/** A writer that has grown beyond this is not kept, in bytes. */
const MAX_KEPT_BYTES: number = 64 * 1024;

/** A message type of the generated code. */
export interface MessageEncoder<Message> {
  encode(message: Message, writer: BinaryWriter): BinaryWriter;
}

let kept = new BinaryWriter();

/** Encodes a message. With a writer that is kept: to make one costs more than most messages do. */
export function messageBytes<Message>(type: MessageEncoder<Message>, message: Message): Buffer {
  const writer = kept;
  try {
    const bytes = type.encode(message, writer).finish();
    if (bytes.length > MAX_KEPT_BYTES) kept = new BinaryWriter();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  } catch (failure) {
    // Half a message may be in it.
    kept = new BinaryWriter();
    throw failure;
  }
}
