import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { HealthCheckResponse, HealthCheckResponse_ServingStatus } from "../../proto/gen/health.ts";
import { ServerReflectionResponse } from "../../proto/gen/reflection.ts";
import { addHealthService, HealthState } from "./health_service.ts";
import { addReflectionService } from "./reflection_service.ts";
import { startListener } from "./testing/listener_fixture.ts";
import { testMaterial } from "../testing/test_material.ts";

const CLIENT = fileURLToPath(new URL("./testing/foreign_client.py", import.meta.url));
const PYTHON = "/usr/bin/python3";
const SERVICES = ["palyra.node.v1.NodeService", "grpc.health.v1.Health"];

async function pythonHasGrpc(): Promise<boolean> {
  try {
    return (await new Deno.Command(PYTHON, { args: ["-c", "import grpc"], stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}

Deno.test({
  name: "Health and reflection serve a client of another make (Python's grpcio)",
  ignore: !(await pythonHasGrpc()),
  async fn() {
    const { ca, clientIdentity } = await testMaterial();
    const health = new HealthState();
    health.setServing();
    await using fixture = await startListener({
      services: (server) => {
        addHealthService(server, health, SERVICES);
        addReflectionService(server, SERVICES);
      },
    });
    const folder = await Deno.makeTempDir({ prefix: "palyra-python-" });
    const files = { ca: ca.certificatePem, key: clientIdentity.keyPem, certificate: clientIdentity.certificatePem };
    await Promise.all(Object.entries(files).map(([name, text]) => Deno.writeTextFile(join(folder, name), text)));
    const { stdout, stderr } = await new Deno.Command(PYTHON, {
      args: [CLIENT, String(fixture.port), ...Object.keys(files).map((name) => join(folder, name))],
      env: { GRPC_VERBOSITY: "NONE" },
    }).output();
    await Deno.remove(folder, { recursive: true });
    const lines = new TextDecoder().decode(stdout).trim().split("\n").map((line) => line.split(" "));
    const errors = new TextDecoder().decode(stderr);

    const serving = HealthCheckResponse.encode({ status: HealthCheckResponse_ServingStatus.SERVING }).finish().toHex();
    assert.deepEqual(lines.slice(0, 4), [
      ["check", serving],
      ["check-known", serving],
      ["check-unknown", "NOT_FOUND"],
      ["watch", serving],
    ], errors);
    assert.equal(lines.length, 12, errors);
    for (const version of ["v1", "v1alpha"]) {
      const answers = new Map(
        lines.filter(([first]) => first === version).map(([, name = "", hex = ""]) =>
          [name, ServerReflectionResponse.decode(Uint8Array.fromHex(hex)).messageResponse] as const
        ),
      );
      const services = answers.get("services");
      assert.ok(services?.$case === "listServicesResponse");
      assert.deepEqual(services.value.service.map(({ name }) => name), [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "palyra.node.v1.NodeService",
      ]);
      assert.deepEqual(fileNames(answers.get("symbol")), ["node.proto", "common.proto"]);
      assert.deepEqual(fileNames(answers.get("file")), ["health.proto"]);
      const missing = answers.get("missing");
      assert.ok(missing?.$case === "errorResponse");
      assert.equal(missing.value.errorCode, 5);
    }
  },
});

function fileNames(answer: ServerReflectionResponse["messageResponse"]): string[] {
  assert.ok(answer?.$case === "fileDescriptorResponse");
  return answer.value.fileDescriptorProto.map((file) => fromBinary(FileDescriptorProtoSchema, file).name);
}
