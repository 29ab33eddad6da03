import assert from "node:assert/strict";
import { unixMs } from "../../identity/unix_ms.ts";
import { JsonSchemaCheck } from "../../transport/program/json_schema_check.ts";
import { systemHealth } from "./system_health.ts";
import { capabilityContext, DEVICE_ID } from "./testdata/capability_context.ts";
import { probePermissions, type ProbeReport } from "./testdata/probe_permissions.ts";

Deno.test("systemHealth() tells what its output schema promises, at the clock's time", async () => {
  const capability = systemHealth(() => unixMs(1_234));
  const output = await capability.run(null, capabilityContext());
  assert.equal(new JsonSchemaCheck(capability.outputSchema, "output").firstError(output), undefined);
  assert.ok(typeof output === "object" && output !== null);
  assert.partialDeepStrictEqual(output, { status: "ok", device_id: DEVICE_ID, generated_at_unix_ms: 1_234 });
});

Deno.test("systemHealth() leaves out each part that --allow-sys does not cover", async () => {
  const parts = ["hostname", "load_average", "memory", "os_release", "os_uptime_seconds"];
  const none = await probePermissions([]);
  const some = await probePermissions(["--allow-sys=hostname,osUptime"]);
  const all = await probePermissions(["--allow-sys"]);
  const present = ({ health }: ProbeReport) => parts.filter((part) => Object.hasOwn(health.output ?? {}, part));
  assert.equal(none.health.output?.["status"], "ok");
  assert.deepEqual(present(none), []);
  assert.deepEqual(present(some), ["hostname", "os_uptime_seconds"]);
  assert.deepEqual(present(all), Deno.build.os === "windows" ? parts.filter((part) => part !== "load_average") : parts);
});
