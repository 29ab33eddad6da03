import assert from "node:assert/strict";
import { managersToSearch } from "./service_scope.ts";

const NOTHING_SET = { get: () => undefined };
const scopes = (...how: Parameters<typeof managersToSearch>) => managersToSearch(...how).map(({ scope }) => scope);

Deno.test("managersToSearch() looks at the user's services, then at the machine's", () => {
  assert.deepEqual(scopes({}, Deno.env), ["user", "system"]);
  assert.deepEqual(scopes({ system: true }, Deno.env), ["system"]);
});

Deno.test({
  name: "managersToSearch() leaves out services that the environment does not lead to, unless they were asked for",
  ignore: Deno.build.os === "windows",
  fn() {
    assert.deepEqual(scopes({}, NOTHING_SET), ["system"]);
    assert.throws(() => scopes({ user: true }, NOTHING_SET), { code: "invalid_config" });
  },
});
