import assert from "node:assert/strict";
import { newDeviceId } from "../identity/device_id.ts";
import type { DeviceEventView } from "../proto/gen/admin.ts";
import { AdminEventFace, MAX_NOTICE_BYTES } from "./admin_event_face.ts";
import { DaemonBench } from "./testing/daemon_bench.ts";
import { isError } from "./testing/pairing_bench.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (content: Uint8Array) => new TextDecoder().decode(content);
const shown = ({ sequence, name, payloadJson }: DeviceEventView) => [sequence, name, text(payloadJson)];

const NEVER = new AbortController().signal;

async function opened() {
  const bench = await DaemonBench.open();
  const { deviceId } = await bench.pairedNode("laptop");
  const face = new AdminEventFace({ devices: bench.pairing.devices, events: bench.events });
  const notify = (notice: string, payload = "") =>
    face.notifyDevice({ deviceId: "laptop", notice, payloadJson: bytes(payload) });
  return { bench, deviceId, face, notify, [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose]() };
}

Deno.test("AdminEventFace.readEvents() gives a node's kept events by its name, and goes on when asked to follow", async () => {
  await using test = await opened();
  const { face, notify } = test;
  const told = await notify("backup.due", `{"by": "18:00"}`);
  assert.deepEqual(shown(told), [3, "notice.backup.due", `{"by":"18:00"}`]);
  assert.equal(told.atUnixMs, test.bench.pairing.now);
  const kept = await Array.fromAsync(
    face.readEvents({ deviceId: "LAPTOP", afterSequence: undefined, follow: false }, NEVER),
  );
  assert.deepEqual(kept.map((event) => event.name), ["device.paired", "certificate.issued", "notice.backup.due"]);
  assert.deepEqual(kept.at(-1), told);

  const stopped = new AbortController();
  const reader = face.readEvents({ deviceId: test.deviceId, afterSequence: 3, follow: true }, stopped.signal);
  const next = reader.next();
  await notify("empty");
  const { value } = await next;
  assert.deepEqual(value && shown(value), [4, "notice.empty", "{}"]);
  stopped.abort();
  assert.equal((await reader.next()).done, true);
});

Deno.test("AdminEventFace refuses a node that is none", async () => {
  await using test = await opened();
  const request = { deviceId: newDeviceId(), afterSequence: undefined, follow: false };
  await assert.rejects(test.face.readEvents(request, NEVER).next(), isError("node_not_found"));
  await assert.rejects(
    test.face.notifyDevice({ deviceId: "server", notice: "any", payloadJson: bytes("") }),
    isError("node_not_found"),
  );
});

Deno.test("AdminEventFace.notifyDevice() refuses what it cannot log, and logs nothing then", async () => {
  await using test = await opened();
  const { bench, deviceId, face, notify } = test;
  for (const name of ["", "Backup", "backup due", "backup.", ".due", "1st", "ä", "a".repeat(65), "a\nb"]) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await assert.rejects(notify(name), isError("invalid_argument", /backup\.due/), name);
  }
  const large = JSON.stringify({ text: "x".repeat(MAX_NOTICE_BYTES) });
  for (const payload of ["[]", "1", "null", "{", " ", large, `{"a":${"[".repeat(64)}${"]".repeat(64)}}`]) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await assert.rejects(notify("any", payload), isError("invalid_argument", /JSON object/), payload.slice(0, 20));
  }
  const notUtf8 = new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]);
  await assert.rejects(
    face.notifyDevice({ deviceId, notice: "any", payloadJson: notUtf8 }),
    isError("invalid_argument", /UTF-8/),
  );
  await bench.administration.revoke(deviceId, "stolen", "owner");
  await assert.rejects(
    face.notifyDevice({ deviceId, notice: "any", payloadJson: bytes("") }),
    isError("device_revoked"),
  );
  const names = (await Array.fromAsync(bench.events.kept(deviceId, 0))).map(({ name }) => name);
  assert.deepEqual(names, ["device.paired", "certificate.issued", "device.revoked"]);
});

Deno.test("AdminEventFace.notifyDevice() takes the largest payload there may be", async () => {
  await using test = await opened();
  const largest = JSON.stringify({ text: "x".repeat(MAX_NOTICE_BYTES - `{"text":""}`.length) });
  const { payloadJson } = await test.notify("a".repeat(64), largest);
  assert.equal(text(payloadJson), largest);
});
