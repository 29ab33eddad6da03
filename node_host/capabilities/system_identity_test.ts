import assert from "node:assert/strict";
import { hostPlatform } from "../host_platform.ts";
import { JsonSchemaCheck } from "../../transport/program/json_schema_check.ts";
import { systemIdentity } from "./system_identity.ts";
import { capabilityContext, DEVICE_ID, NODE_FACTS } from "./testdata/capability_context.ts";

Deno.test("systemIdentity tells who the node is, as its output schema promises", async () => {
  const output = await systemIdentity.run(null, capabilityContext());
  assert.deepEqual(output, {
    device_id: DEVICE_ID,
    identity_fingerprint: NODE_FACTS.identityFingerprint,
    paired_at_unix_ms: NODE_FACTS.pairedAt,
    software_version: NODE_FACTS.softwareVersion,
    platform: hostPlatform(),
    deno_version: Deno.version.deno,
    daemon_endpoints: ["daemon.example:7444"],
  });
  assert.equal(new JsonSchemaCheck(systemIdentity.outputSchema, "output").firstError(output), undefined);
});
