import { join } from "node:path";
import { Client, Metadata, type ServiceError } from "@grpc/grpc-js";
import { CertificateAuthority } from "../../identity/certificate_authority.ts";
import { parseEndpoint } from "../../identity/endpoint.ts";
import { systemClock } from "../../identity/unix_ms.ts";
import { channelOptions, channelTarget } from "../../transport/grpc/grpc_channel.ts";
import { credentialsOf, forge } from "../harness/paired_device.ts";
import { ECHO_METHOD } from "./echo_method.ts";
import type { Scenario } from "./scenario.ts";

const PAYLOAD = new Uint8Array(100).fill(0x61);

/** The yardstick: a unary call of 100 bytes over mutual TLS to another process, and nothing else. */
export async function rawEcho(): Promise<Scenario> {
  const folder = await Deno.makeTempDir({ prefix: "palyra-bench-" });
  const ca = await CertificateAuthority.create({ clock: systemClock });
  const issued = await ca.issueServerCertificate({ names: [], addresses: [], validityMs: 3_600_000 });
  const files = ["ca.pem", "chain.pem", "key.pem"].map((name) => join(folder, name));
  const contents = [ca.certificatePem, `${issued.certificatePem}${ca.certificatePem}`, issued.privateKeyPem];
  await Promise.all(files.map((file, index) => Deno.writeTextFile(file, contents[index] ?? "", { mode: 0o600 })));

  const server = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "-A", new URL("echo_server.ts", import.meta.url).href, ...files],
    stdout: "piped",
  }).spawn();
  const reader = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await reader.read();
  const identity = await forge(ca, ca.certificatePem);
  const client = new Client(channelTarget(parseEndpoint(value.trim())), credentialsOf(identity), channelOptions());

  return {
    name: "raw unary echo",
    once: () =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          ECHO_METHOD.path,
          ECHO_METHOD.requestSerialize,
          ECHO_METHOD.responseDeserialize,
          PAYLOAD,
          new Metadata(),
          { deadline: Date.now() + 10_000 },
          (error: ServiceError | null, response?: Uint8Array) => error === null ? resolve(response) : reject(error),
        );
      }),
    [Symbol.asyncDispose]: async () => {
      client.close();
      server.kill("SIGKILL");
      await reader.cancel();
      await server.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}
