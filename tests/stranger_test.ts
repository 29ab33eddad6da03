import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Fleet } from "./harness/fleet.ts";

const PYTHON = "/usr/bin/python3";
const CLIENT = fileURLToPath(new URL("clients/stranger.py", import.meta.url));

async function hasGrpcio(): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(PYTHON, { args: ["-c", "import grpc, google.protobuf"], stderr: "null" })
      .output();
    return success;
  } catch {
    return false;
  }
}

/** What the client printed. */
interface Answer {
  // deno-lint-ignore no-explicit-any -- whatever the daemon answered
  readonly ok?: any;
  readonly status?: string;
  readonly reason?: string;
}

async function call(target: string, files: readonly string[], method: string, request: unknown): Promise<Answer> {
  const { stdout, stderr } = await new Deno.Command(PYTHON, {
    args: [CLIENT, target, ...files, method, JSON.stringify(request)],
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert.ok(text !== "", new TextDecoder().decode(stderr));
  return JSON.parse(text);
}

Deno.test({
  name:
    "Python's grpcio finds the services by reflection, lists nodes and executes; without the right certificate it may not",
  ignore: !await hasGrpcio(),
  fn: async () => {
    await using fleet = await Fleet.create();
    const { nodeRpc } = await fleet.startDaemon();
    await fleet.pair("laptop");
    await fleet.connect("laptop");

    const secrets = join(fleet.daemonRoot, "palyrad", "secrets");
    const ca = join(secrets, "ca-certificate.pem");
    const operator = [ca, join(secrets, "operator-certificate.pem"), join(secrets, "operator-key.pem")];
    const listed = await call(nodeRpc, operator, "palyra.admin.v1.AdminService.ListNodes", {});
    assert.equal(listed.ok?.nodes.length, 1, JSON.stringify(listed));
    assert.equal(listed.ok.nodes[0].device_name, "laptop");
    assert.equal(listed.ok.nodes[0].connected, true);

    const executed = await call(nodeRpc, operator, "palyra.admin.v1.AdminService.Execute", {
      device_id: "laptop",
      capability: "echo",
      input_json: btoa('{"from":"python"}'),
    });
    assert.equal(executed.ok?.state, "succeeded", JSON.stringify(executed));
    assert.deepEqual(JSON.parse(atob(executed.ok.output_json)).echo, { from: "python" });

    const healthy = await call(nodeRpc, operator, "grpc.health.v1.Health.Check", {});
    assert.equal(healthy.ok?.status, "SERVING", JSON.stringify(healthy));

    const nodeSecrets = join(fleet.nodeRoot("laptop"), "node-host", "secrets");
    const node = [ca, join(nodeSecrets, "client-certificate.pem"), join(nodeSecrets, "tls-key.pem")];
    for (const method of ["ListNodes", "Execute", "MintPairingCode", "RevokeDevice"]) {
      // deno-lint-ignore no-await-in-loop -- one call after the other
      const refused = await call(nodeRpc, node, `palyra.admin.v1.AdminService.${method}`, {});
      assert.equal(refused.status, "PERMISSION_DENIED", `${method}: ${JSON.stringify(refused)}`);
      assert.equal(refused.reason, "not_an_operator");
    }

    const nobody = await call(nodeRpc, [ca], "palyra.admin.v1.AdminService.ListNodes", {});
    assert.equal(nobody.status, "UNAVAILABLE", JSON.stringify(nobody));
  },
});
