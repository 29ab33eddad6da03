import assert from "node:assert/strict";
import { formatEndpoint } from "../identity/endpoint.ts";
import type { PalyraError } from "../identity/palyra_error.ts";
import type { QuicAvailability } from "../transport/quic/quiche_addon.ts";
import { type DialTarget, dialTargets } from "./dial_targets.ts";
import { ScriptedDialer } from "./testing/scripted_dialer.ts";
import { choiceText, type TransportPreference } from "./transport_choice.ts";

const ENDPOINTS = ["daemon.example:7444", "[2001:db8::7]:7444"];
const NO_QUIC: QuicAvailability = { available: false, reason: "QUIC is not available on plan9-mips." };
const never = new AbortController().signal;

interface Fixture {
  readonly targets: DialTarget[];
  /** What dialers were made: transport and endpoint. */
  readonly made: string[];
  /** How often it was asked whether there is QUIC. */
  readonly asked: number;
}

function targetsFor(preference: TransportPreference, quic: QuicAvailability): Fixture {
  const made: string[] = [];
  let asked = 0;
  const maker = (transport: "quic" | "grpc") => (endpoint: { host: string; port: number }) => {
    made.push(`${transport} ${formatEndpoint(endpoint)}`);
    return new ScriptedDialer(transport, () => {});
  };
  const targets = dialTargets(ENDPOINTS, { preference, askedBy: "--transport" }, {
    grpc: maker("grpc"),
    quic: maker("quic"),
    quicAvailability: () => {
      asked += 1;
      return quic;
    },
  });
  return { targets, made, asked };
}

async function choicesOf({ targets }: Fixture): Promise<string[]> {
  return await Promise.all(targets.map(async ({ dialer }) => choiceText((await dialer.dial(never)).choice)));
}

Deno.test("dialTargets() dials each endpoint over both transports where there is QUIC", async () => {
  const fixture = targetsFor("auto", { available: true });
  assert.deepEqual(fixture.targets.map(({ endpoint }) => endpoint), ENDPOINTS);
  assert.deepEqual(fixture.made, ENDPOINTS.flatMap((endpoint) => [`quic ${endpoint}`, `grpc ${endpoint}`]));
  assert.deepEqual(await choicesOf(fixture), ["quic (preferred)", "quic (preferred)"]);
});

Deno.test("dialTargets() takes gRPC where there is no QUIC, and says why", async () => {
  const fixture = targetsFor("auto", NO_QUIC);
  assert.deepEqual(fixture.made, ENDPOINTS.map((endpoint) => `grpc ${endpoint}`));
  const text = "grpc (QUIC is not available on plan9-mips)";
  assert.deepEqual(await choicesOf(fixture), [text, text]);
});

Deno.test("dialTargets() dials over the one transport that was asked for", async () => {
  const quic = targetsFor("quic", { available: true });
  assert.deepEqual(quic.made, ENDPOINTS.map((endpoint) => `quic ${endpoint}`));
  const [overQuic] = await choicesOf(quic);
  assert.equal(overQuic, "quic (asked for by --transport)");
  const grpc = targetsFor("grpc", { available: true });
  assert.deepEqual(grpc.made, ENDPOINTS.map((endpoint) => `grpc ${endpoint}`));
  assert.equal(grpc.asked, 0);
  const [overGrpc] = await choicesOf(grpc);
  assert.equal(overGrpc, "grpc (asked for by --transport)");
});

Deno.test("dialTargets() refuses QUIC alone where there is none, and names cause and cure", () => {
  assert.throws(() => targetsFor("quic", NO_QUIC), (error: PalyraError) => {
    assert.equal(error.code, "unsupported");
    assert.match(error.message, /--transport.*not available on plan9-mips.*`auto` or `grpc`/);
    return true;
  });
});
