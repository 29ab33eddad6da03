import assert from "node:assert/strict";
import { listenError } from "./listen_error.ts";

Deno.test("listenError() names the cause and what to change", () => {
  const cases: [unknown, RegExp][] = [
    [{ code: "EADDRINUSE" }, /Port 7444 on ::1 is in use.*choose another port/],
    [{ code: "EACCES" }, /not allow this user to listen on \[::1\]:7444.*above 1023/],
    [{ code: "EADDRNOTAVAIL" }, /no address ::1/],
    [{ code: "ENOTFOUND" }, /does not resolve/],
    [new Deno.errors.NotCapable("Requires net access"), /--allow-net=\[::1\]:7444/],
    [new Error("whatever"), /Check the address and port/],
  ];
  for (const [cause, expected] of cases) {
    const error = listenError("::1", 7444, cause);
    assert.equal(error.code, "listen_failed");
    assert.equal(error.cause, cause);
    assert.match(error.message, expected);
  }
});
