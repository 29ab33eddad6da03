import assert from "node:assert/strict";
import { newDeviceId, newUlid } from "../identity/device_id.ts";
import { DeviceIdentity } from "../identity/device_identity.ts";
import { MAX_PAIRING_STARTS_PER_SOURCE } from "../identity/identity_manager.ts";
import { parseQrToken } from "../identity/qr_token.ts";
import { unixMs } from "../identity/unix_ms.ts";
import { limitedAddress, MAX_PIN_FAILURES_PER_SOURCE, PIN_FAILURE_WINDOW_MS } from "./pairing_door.ts";
import { isError, PairingBench, wrongPin } from "./testing/pairing_bench.ts";

const GUESSER = "198.51.100.7:40000";

/** One guess from one address, whatever it leads to; returns the reason code. */
async function guess(bench: PairingBench, pin: string): Promise<string> {
  try {
    const challenge = await bench.desk.begin({ method: "pin" }, "node", GUESSER);
    const { completion } = await bench.answer(challenge, wrongPin(pin), DeviceIdentity.generate(newDeviceId()));
    await bench.desk.complete(completion, GUESSER);
    return "let in";
  } catch (thrown) {
    return Error.isError(thrown) && "code" in thrown ? String(thrown.code) : assert.fail(`${thrown}`);
  }
}

Deno.test("PairingDoor turns an address away that guesses PINs, so that the owner's next PIN lives", async () => {
  await using bench = await PairingBench.open();
  const first = await bench.mint({ method: "pin" });
  const codes: string[] = [];
  for (let tries = 0; tries < MAX_PIN_FAILURES_PER_SOURCE + 3; tries++) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    codes.push(await guess(bench, first.secretText));
  }
  assert.deepEqual(codes, [
    ...Array(5).fill("pairing_proof_failed"),
    ...Array(MAX_PIN_FAILURES_PER_SOURCE - 5).fill("pairing_code_dead"),
    ...Array(3).fill("rate_limited"),
  ]);
  const second = await bench.mint({ method: "pin" });
  assert.equal(await guess(bench, second.secretText), "rate_limited");
  const [listed] = await bench.desk.listCodes(1);
  assert.equal(listed?.code.triesLeft, 5, "the new PIN has not been touched");
  assert.equal((await bench.pair(second.secretText)).request.state, "pending_approval");

  bench.now = unixMs(bench.now + PIN_FAILURE_WINDOW_MS);
  const third = await bench.mint({ method: "pin" });
  assert.equal(await guess(bench, third.secretText), "pairing_proof_failed", "and not for ever");
});

Deno.test("PairingDoor lets in who names a live QR code, however much is begun from the same address", async () => {
  await using bench = await PairingBench.open();
  const begin = (codeId: ReturnType<typeof newUlid>) => bench.desk.begin({ method: "qr", codeId }, "node", GUESSER);
  for (let start = 0; start < MAX_PAIRING_STARTS_PER_SOURCE; start++) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await assert.rejects(begin(newUlid()), isError("pairing_code_unknown"));
  }
  await assert.rejects(begin(newUlid()), isError("rate_limited"));
  const { secretText } = await bench.mint();
  const { codeId } = parseQrToken(secretText);
  const challenge = await begin(codeId);
  const { completion } = await bench.answer(challenge, secretText, DeviceIdentity.generate(newDeviceId()));
  assert.equal((await bench.desk.complete(completion, GUESSER)).request.state, "pending_approval");
  // Spent, it is as good as any other number.
  await assert.rejects(begin(codeId), isError("rate_limited"));
});

Deno.test("limitedAddress() has no port, and one address for all of loopback", () => {
  const addresses = ["192.0.2.7:50000", "[2001:db8::1]:443", "127.0.0.1:1", "127.3.2.1:65535", "[::1]:9"];
  const loopback = "127.0.0.1";
  assert.deepEqual(addresses.map(limitedAddress), ["192.0.2.7", "[2001:db8::1]", loopback, loopback, loopback]);
});
