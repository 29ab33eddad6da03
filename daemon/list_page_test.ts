import assert from "node:assert/strict";
import { ListNodesResponse, NodeView } from "../proto/gen/admin.ts";
import { MAX_LIST_BYTES, pageOf } from "./list_page.ts";

const ten = () => 10;

Deno.test("pageOf() takes what fits, says whether something was left, and reads no further", () => {
  let read = 0;
  function* counted() {
    for (; read < 100; read++) yield read;
  }
  assert.deepEqual(pageOf(counted(), ten, 48), { entries: [0, 1, 2], cut: true });
  assert.equal(read, 3);
  assert.deepEqual(pageOf([1, 2, 3], ten, 48), { entries: [1, 2, 3], cut: false });
  assert.deepEqual(pageOf([], ten, 48), { entries: [], cut: false });
});

Deno.test("pageOf() takes the first entry however large it is", () => {
  assert.deepEqual(pageOf([1, 2], ten, 5), { entries: [1], cut: true });
});

Deno.test("pageOf() keeps an encoded answer below 1 MiB", () => {
  const nodes = Array.from({ length: 2_000 }, () => NodeView.create({ deviceName: "n".repeat(1_000) }));
  const { entries, cut } = pageOf(nodes, (node) => NodeView.encode(node).finish().length);
  assert.ok(cut);
  const { length } = ListNodesResponse.encode(ListNodesResponse.create({ nodes: entries, cut })).finish();
  assert.ok(length <= MAX_LIST_BYTES && length > MAX_LIST_BYTES * 0.99, String(length));
});
