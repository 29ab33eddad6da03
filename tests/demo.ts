/**
 * `deno task demo`: a real palyrad and two real palyra-nodes in temporary folders, from pairing to revocation, a line a
 * step. Leaves nothing behind.
 *
 * @module
 */
import { quicAvailability } from "../transport/quic/quiche_addon.ts";
import { Fleet } from "./harness/fleet.ts";

const started = performance.now();

function say(text: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(2).padStart(6);
  Deno.stdout.writeSync(new TextEncoder().encode(`${seconds} s  ${text}\n`));
}

function expect(holds: boolean, what: string): void {
  if (!holds) throw new Error(`the demo expected that ${what}`);
}

async function pairByToken(fleet: Fleet): Promise<void> {
  const code = await fleet.palyrad("pairing", "code");
  say(`minted a QR token (${code.secret_text.length} characters, works once, 10 minutes)`);
  const pairing = await fleet.startNode("laptop", ["pair", code.secret_text, "--name", "laptop"]);
  const deadline = performance.now() + 30_000;
  let request;
  while (request === undefined && performance.now() < deadline) {
    // deno-lint-ignore no-await-in-loop -- asks again until the node has shown up
    const { requests } = await fleet.palyrad("pairing", "list", "--state", "pending_approval");
    request = requests[0];
  }
  expect(request !== undefined, "the laptop shows up for approval");
  say(`laptop proved the token and waits: fingerprint ${request.short_fingerprint}, ${request.platform}`);
  const { short_fingerprint: fingerprint } = request;
  await pairing.line((line) => line.includes(fingerprint));
  say("laptop shows the same fingerprint to its own user");
  await fleet.palyrad("pairing", "approve", request.request_id.slice(-6), "--reason", "demo");
  const { code: exit } = await pairing.ended;
  expect(exit === 0, `pairing the laptop succeeds:\n${pairing.output}`);
  say("approved by hand; laptop has its certificate");
}

async function pairByPin(fleet: Fleet, enrolment: string): Promise<void> {
  const code = await fleet.palyrad("pairing", "code", "--pin", "--approve");
  say("minted a PIN that approves in advance");
  const input = `${code.secret_text}\n`;
  const paired = await fleet.node("server", ["pair", "--daemon", enrolment, "--name", "server"], { input });
  expect(paired.code === 0, `pairing the server succeeds:\n${paired.stderr}`);
  say("server typed the PIN; the PAKE proved it both ways and it has its certificate");
}

await using fleet = await Fleet.create();
const { nodeRpc, enrolment } = await fleet.startDaemon();
const quic = quicAvailability();
const transports = quic.available ? "QUIC on UDP and gRPC on TCP" : "gRPC on TCP";
say(`palyrad listens for nodes on ${nodeRpc} (${transports}, mutual TLS) and for pairing on ${enrolment}`);
if (!quic.available) say(`no QUIC here: ${quic.reason}`);

await pairByToken(fleet);
await pairByPin(fleet, enrolment);

const transportOf: Record<string, string> = { laptop: quic.available ? "quic" : "grpc", server: "grpc" };
const transport = (name: string) => ["--transport", transportOf[name] ?? "auto"];
await fleet.connect("laptop", transport("laptop"));
const server = await fleet.connect("server", transport("server"));
const { nodes } = await fleet.palyrad("nodes", "list");
for (const node of nodes) say(`${node.device_name} is connected over ${node.transport}, epoch ${node.epoch}`);
expect(nodes.length === 2, "two nodes are connected");
for (const { device_name, transport } of nodes) {
  expect(transport === transportOf[device_name], `${device_name} uses the transport that was asked for`);
}

for (const name of ["laptop", "server"]) {
  for (const capability of ["echo", "system.health", "system.identity"]) {
    const input = capability === "echo" ? ["--input-json", '{"hello":"world"}'] : [];
    // deno-lint-ignore no-await-in-loop -- one step after the other, to be read
    const request = await fleet.palyrad("nodes", "invoke", name, capability, ...input);
    expect(request.state === "succeeded", `${capability} succeeds on ${name}`);
    const took = request.completed_at_unix_ms - request.created_at_unix_ms;
    say(
      `${name} (${transportOf[name]}) ran ${capability} in ${took} ms: ${JSON.stringify(request.output).slice(0, 72)}`,
    );
  }
}

const refused = await fleet.tryPalyrad(
  "nodes",
  "invoke",
  "laptop",
  "desktop.open_url",
  "--input-json",
  '{"url":"https://example.com/"}',
);
expect(refused.code === 6, `the desktop call is refused by policy:\n${refused.stderr}`);
say(`laptop refused desktop.open_url: ${refused.stderr.trim().slice(0, 160)}`);

const target = nodes.find((node: { device_name: string }) => node.device_name === "server").device_id;
await fleet.palyrad("devices", "revoke", target, "--reason", "demo");
const end = await server.ended;
say(
  `revoked server; its host stopped with exit code ${end.code}: ${end.stderr.trim().split("\n").at(-1)?.slice(0, 140)}`,
);
const after = await fleet.tryPalyrad("nodes", "invoke", "server", "echo");
expect(after.code !== 0, "a revoked node runs nothing");
say("and asking it again is refused");

await fleet.daemon.stop();
say("palyrad stopped; done");
