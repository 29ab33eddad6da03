import assert from "node:assert/strict";
import { PalyraError } from "./palyra_error.ts";
import { stateError } from "./state_error.ts";

Deno.test("stateError() says state_read_only when the system refuses, whichever way it says so", () => {
  const readOnly = Object.assign(new Error("Read-only file system (os error 30)"), { code: "EROFS" });
  for (const thrown of [readOnly, new Deno.errors.PermissionDenied("no")]) {
    const told = stateError(thrown, "/state/x");
    assert.ok(told instanceof PalyraError);
    assert.equal(told.code, "state_read_only");
    assert.equal(told.cause, thrown);
    assert.match(told.message, /\/state\/x/);
  }
});

Deno.test("stateError() says permission_missing when Deno refuses, and passes on what it does not know", () => {
  const told = stateError(new Deno.errors.NotCapable("no"), "/state/x");
  assert.ok(told instanceof PalyraError);
  assert.equal(told.code, "permission_missing");
  const other = new Deno.errors.NotFound("gone");
  assert.equal(stateError(other, "/state/x"), other);
});
