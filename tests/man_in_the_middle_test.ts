import assert from "node:assert/strict";
import { join } from "node:path";
import { parseEndpoint } from "../identity/endpoint.ts";
import { Fleet } from "./harness/fleet.ts";
import { attackersCertificate, TlsRelay } from "./harness/tls_relay.ts";

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

Deno.test("a man in the middle of a PIN pairing fails it on both sides after one guess, and learns nothing to use", async () => {
  await using fleet = await Fleet.create();
  const { enrolment } = await fleet.startDaemon();
  const { secret_text: pin, code } = await fleet.palyrad("pairing", "code", "--pin", "--approve");
  await using relay = await TlsRelay.start(parseEndpoint(enrolment), await attackersCertificate());

  const paired = await fleet.node("laptop", ["pair", "--daemon", relay.address], { input: `${pin}\n` });
  assert.equal(paired.code, 3, paired.stderr);
  assert.ok(!paired.stderr.includes(pin));
  assert.equal(await exists(join(fleet.nodeRoot("laptop"), "node-host", "secrets", "client-certificate.pem")), false);

  const { codes, requests } = await fleet.palyrad("pairing", "list");
  assert.deepEqual(requests, []);
  assert.equal(codes[0].code_id, code.code_id);
  assert.equal(codes[0].tries_left, 4, "exactly one guess was spent");
  assert.equal(codes[0].failed_tries.length, 1, "and the operator sees it");
  assert.equal(codes[0].state, "live");

  // What passed in clear does not hold the PIN, and replaying it is no second guess.
  const { fromClient, fromServer } = relay.recording;
  assert.ok(fromClient.length > 0 && fromServer.length > 0, "the relay did relay");
  for (const bytes of [fromClient, fromServer]) assert.ok(!new TextDecoder("latin1").decode(bytes).includes(pin));

  // The owner's code was not burnt: the same PIN pairs over the real listener.
  const again = await fleet.node("laptop", ["pair", "--daemon", enrolment], { input: `${pin}\n` });
  assert.equal(again.code, 0, again.stderr);
});

Deno.test("a man in the middle of a QR pairing is noticed before anything is said, and the code is untouched", async () => {
  await using fleet = await Fleet.create();
  const { enrolment } = await fleet.startDaemon();
  await using relay = await TlsRelay.start(parseEndpoint(enrolment), await attackersCertificate());
  const { secret_text: token } = await fleet.palyrad("pairing", "code", "--approve");
  const { encodeQrToken, parseQrToken } = await import("../identity/qr_token.ts");
  const parsed = parseQrToken(token);
  const { caFingerprint, codeId, secret, expiresAt, clientKind } = parsed;
  const diverted = encodeQrToken({ endpoints: [relay.address], caFingerprint, codeId, secret, expiresAt, clientKind });

  const paired = await fleet.node("laptop", ["pair", diverted]);
  assert.equal(paired.code, 3, paired.stderr);
  assert.equal(relay.recording.fromClient.length, 0, "nothing was said to the impostor");
  const { codes } = await fleet.palyrad("pairing", "list");
  assert.equal(codes[0].tries_left, 5);
});
