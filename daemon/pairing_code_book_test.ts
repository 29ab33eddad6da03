import assert from "node:assert/strict";
import { isError, PairingBench } from "./testing/pairing_bench.ts";
import { consumeCode, findLiveCode, spendTry } from "./pairing_code_book.ts";
import { unixMs } from "../identity/unix_ms.ts";

const TRIER = { remoteAddress: "192.0.2.7:50000", claimedDeviceId: "" };

Deno.test("spendTry() ends the code with its last try, before anything is verified, and that try may still be right", async () => {
  await using bench = await PairingBench.open();
  const { code } = await bench.mint({ method: "pin" });
  const spend = () => bench.store.transaction((tx) => spendTry(tx, code.codeId, TRIER, bench.now));
  const lasts: boolean[] = [];
  for (let tried = 0; tried < 5; tried++) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    lasts.push(await spend());
  }
  assert.deepEqual(lasts, [false, false, false, false, true]);
  const left = await bench.store.transaction((tx) => tx.pairing.getCode(code.codeId));
  assert.equal(left?.state, "dead");
  assert.equal(left?.triesLeft, 0);
  assert.equal(left?.key, undefined);
  await assert.rejects(spend(), isError("pairing_code_dead"));

  await bench.store.transaction((tx) => consumeCode(tx, code.codeId, bench.now));
  assert.equal((await bench.store.transaction((tx) => tx.pairing.getCode(code.codeId)))?.state, "spent");
  const consume = () => bench.store.transaction((tx) => consumeCode(tx, code.codeId, bench.now));
  await assert.rejects(consume(), isError("pairing_code_spent"));
});

Deno.test("consumeCode() refuses the last try when the code's time is over", async () => {
  await using bench = await PairingBench.open();
  const { code } = await bench.mint({ method: "pin" });
  await bench.store.transaction((tx) => tx.pairing.endCode(code.codeId, "dead"));
  const consume = () => bench.store.transaction((tx) => consumeCode(tx, code.codeId, code.expiresAt));
  await assert.rejects(consume(), isError("pairing_code_expired"));
});

Deno.test("findLiveCode() says what became of the newest PIN, and how to get another", async () => {
  await using bench = await PairingBench.open();
  const find = () => bench.store.transaction((tx) => findLiveCode(tx, { method: "pin" }, "node", bench.now));
  const end = (codeId: Parameters<typeof consumeCode>[1], state: "dead" | "spent" | "replaced" | "expired") =>
    bench.store.transaction((tx) => tx.pairing.endCode(codeId, state));
  const mint = async () => (await bench.mint({ method: "pin" })).code;

  await assert.rejects(find(), isError("pairing_code_unknown", /no PIN yet.*--pin/));
  await end((await mint()).codeId, "dead");
  await assert.rejects(find(), isError("pairing_code_dead", /newest PIN was tried wrongly.*pairing list.*--pin/));
  await end((await mint()).codeId, "spent");
  await assert.rejects(find(), isError("pairing_code_spent", /newest PIN has been used.*--pin/));
  await end((await mint()).codeId, "replaced");
  await assert.rejects(find(), isError("pairing_code_unknown", /newer PIN.*--pin/));
  await end((await mint()).codeId, "expired");
  await assert.rejects(find(), isError("pairing_code_expired", /newest PIN has expired.*--pin/));
  const live = await mint();
  assert.equal((await find()).codeId, live.codeId);
  bench.now = unixMs(live.expiresAt);
  await assert.rejects(find(), isError("pairing_code_expired", /newest PIN has expired.*--pin/));
});

Deno.test("findLiveCode() tells nobody by a QR code's id that it is a PIN's", async () => {
  await using bench = await PairingBench.open();
  const { code } = await bench.mint({ method: "pin" });
  const held = { method: "qr", codeId: code.codeId } as const;
  await assert.rejects(
    bench.store.transaction((tx) => findLiveCode(tx, held, "node", bench.now)),
    isError("pairing_code_unknown", /no such pairing code/),
  );
});
