import assert from "node:assert/strict";
import { exactInputScope, sameScope } from "./consent_scope.ts";

Deno.test("exactInputScope() tells inputs apart", () => {
  const scope = exactInputScope({ a: 1 });
  assert.match(scope.value, /^[0-9a-f]{64}$/);
  assert.ok(sameScope(scope, exactInputScope({ a: 1 })));
  for (const other of [{ a: 2 }, { a: "1" }, {}, null, undefined, [], ""]) {
    assert.ok(!sameScope(scope, exactInputScope(other)), JSON.stringify(other));
  }
});

Deno.test("sameScope() needs kind and value to agree", () => {
  assert.ok(sameScope({ kind: "folder", value: "/a" }, { kind: "folder", value: "/a" }));
  assert.ok(!sameScope({ kind: "folder", value: "/a" }, { kind: "origin", value: "/a" }));
  assert.ok(!sameScope({ kind: "folder", value: "/a" }, { kind: "folder", value: "/a/b" }));
});
