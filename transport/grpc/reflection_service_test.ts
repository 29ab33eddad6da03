import assert from "node:assert/strict";
import { once } from "node:events";
import { status, type StatusObject } from "@grpc/grpc-js";
import { PalyraError } from "../../identity/palyra_error.ts";
import {
  ServerReflectionClient,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from "../../proto/gen/reflection.ts";
import { channelOptions, channelTarget, mutualCredentials } from "./grpc_channel.ts";
import { addReflectionService } from "./reflection_service.ts";
import { startListener } from "./testing/listener_fixture.ts";
import { testMaterial } from "../testing/test_material.ts";

async function ask(...requests: ServerReflectionRequest["messageRequest"][]): Promise<ServerReflectionResponse[]> {
  const { client: material } = await testMaterial();
  await using fixture = await startListener({
    services: (server) => addReflectionService(server, ["palyra.admin.v1.AdminService"]),
  });
  const target = channelTarget(fixture.endpoint);
  const client = new ServerReflectionClient(target, mutualCredentials(material), channelOptions());
  const call = client.serverReflectionInfo();
  const answers: ServerReflectionResponse[] = [];
  call.on("data", (answer: ServerReflectionResponse) => answers.push(answer));
  for (const messageRequest of requests) call.write({ host: "h", messageRequest });
  call.end();
  await once(call, "end");
  client.close();
  return answers;
}

Deno.test("addReflectionService() finds the file of a service, a method, a message, a nested one and a field", async () => {
  const symbols = [
    "palyra.admin.v1.AdminService",
    "palyra.admin.v1.AdminService.Execute",
    "palyra.admin.v1.RequestView",
    "palyra.admin.v1.RequestView.state",
    "grpc.health.v1.HealthCheckResponse.ServingStatus",
  ];
  const answers = await ask(...symbols.map((value) => ({ $case: "fileContainingSymbol" as const, value })));
  const counts = answers.map(({ messageResponse }) =>
    messageResponse?.$case === "fileDescriptorResponse" ? messageResponse.value.fileDescriptorProto.length : 0
  );
  // admin.proto imports node.proto and common.proto; health.proto imports nothing.
  assert.deepEqual(counts, [3, 3, 3, 3, 1]);
  assert.deepEqual(answers[0]?.validHost, "h");
  assert.deepEqual(answers[0]?.originalRequest?.messageRequest, {
    $case: "fileContainingSymbol",
    value: "palyra.admin.v1.AdminService",
  });
});

Deno.test("addReflectionService() answers what it cannot find with an error and goes on", async () => {
  const answers = await ask(
    { $case: "fileByFilename", value: "../../etc/passwd" },
    { $case: "fileContainingSymbol", value: "constructor" },
    { $case: "fileContainingExtension", value: { containingType: "x", extensionNumber: 1 } },
    undefined,
    { $case: "allExtensionNumbersOfType", value: "palyra.admin.v1.RequestView" },
    { $case: "allExtensionNumbersOfType", value: "no.such.Type" },
  );
  assert.deepEqual(
    answers.map(({ messageResponse }) =>
      messageResponse?.$case === "errorResponse" ? messageResponse.value.errorCode : messageResponse?.$case
    ),
    [5, 5, 5, 3, "allExtensionNumbersResponse", 5],
  );
});

Deno.test("addReflectionService() answers a long row of questions in order", async () => {
  const value = "palyra.admin.v1.AdminService";
  const answers = await ask(
    ...Array.from({ length: 300 }, () => ({ $case: "fileContainingSymbol" as const, value })),
    { $case: "listServices", value: "" },
  );
  assert.equal(answers.length, 301);
  assert.equal(answers.at(-1)?.messageResponse?.$case, "listServicesResponse");
});

Deno.test("addReflectionService() asks authorize() at each call", async () => {
  const { client: material } = await testMaterial();
  const refusals: PalyraError[] = [];
  await using fixture = await startListener({
    services: (server) => addReflectionService(server, [], () => refusals[0]),
  });
  const target = channelTarget(fixture.endpoint);
  const client = new ServerReflectionClient(target, mutualCredentials(material), channelOptions());
  const listServices = async () => {
    const call = client.serverReflectionInfo();
    call.on("error", () => {});
    call.resume();
    call.end({ host: "h", messageRequest: { $case: "listServices", value: "" } });
    const { promise, resolve } = Promise.withResolvers<StatusObject>();
    call.once("status", resolve);
    return (await promise).code;
  };
  assert.equal(await listServices(), status.OK);
  refusals.push(new PalyraError("device_revoked", "This device was revoked."));
  assert.equal(await listServices(), status.UNAUTHENTICATED);
  client.close();
});
