import assert from "node:assert/strict";
import { WaitingLine } from "./waiting_line.ts";

Deno.test("WaitingLine keeps its order when some join in front and others leave from anywhere", () => {
  const [a, b, c, d] = [{ name: "a" }, { name: "b" }, { name: "c" }, { name: "d" }];
  const line = new WaitingLine<{ name: string }>();
  const names = () => [...line].map(({ name }) => name).join("");
  line.join(a, 1);
  line.join(b, 2);
  line.join(c, 3);
  line.joinFront(d, 0);
  assert.equal(names(), "dabc");
  assert.deepEqual([line.first?.item, line.first?.order, line.length], [d, 0, 4]);
  assert.equal(line.leave(b), true);
  assert.equal(line.leave(b), false);
  assert.equal(names(), "dac");
  line.leave(c);
  line.join(b, 4);
  assert.equal(names(), "dab");
  for (const each of [d, a, b]) line.leave(each);
  assert.deepEqual([names(), line.first, line.length], ["", undefined, 0]);
  line.joinFront(c, -1);
  assert.equal(names(), "c");
});
