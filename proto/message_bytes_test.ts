import assert from "node:assert/strict";
import { RequestView } from "./gen/admin.ts";
import { messageBytes } from "./message_bytes.ts";

const view = (changes: Partial<RequestView>) => RequestView.create({ requestId: "r", capability: "echo", ...changes });

Deno.test("messageBytes() encodes as the generated code does, small and large, one after the other", () => {
  const messages = [view({}), view({ outputJson: new Uint8Array(300_000).fill(7) }), view({ attempt: 3 })];
  const encoded = messages.map((message) => messageBytes(RequestView, message));
  for (const [index, message] of messages.entries()) {
    assert.deepEqual(new Uint8Array(encoded[index] ?? []), RequestView.encode(message).finish());
  }
});

Deno.test("messageBytes() leaves nothing behind of a message that cannot be encoded", () => {
  assert.throws(() => messageBytes(RequestView, view({ attempt: -1 })));
  assert.deepEqual(RequestView.decode(messageBytes(RequestView, view({ attempt: 3 }))), view({ attempt: 3 }));
});
