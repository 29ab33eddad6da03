import assert from "node:assert/strict";
import { operatorName } from "./operator_name.ts";
import { admit } from "./pairing_admission.ts";
import type { PairingRequestRecord } from "./store/pairing_record.ts";
import { PairingBench } from "./testing/pairing_bench.ts";
import { aCode, aDevice, aPairing, NOW } from "./testing/store_records.ts";

Deno.test("admit() ends the pairing codes of the operator whose device id goes to another key", async () => {
  await using bench = await PairingBench.open();
  const operator = { ...aDevice(), clientKind: "cli" } as const;
  const own = aCode({ issuedBy: operatorName(operator), approve: true });
  const other = aCode({ issuedBy: operatorName(aDevice()) });
  const request: PairingRequestRecord = { ...aPairing(operator, other.codeId), clientKind: "cli", decidedBy: "owner" };
  const decision = { approve: true, reason: "", operator: "owner", replace: true };
  const liveAfter = async (devicePublicKey: Uint8Array) =>
    await bench.store.transaction(async (tx) => {
      await admit(tx, { ...request, devicePublicKey }, decision, operator, NOW);
      return (await tx.pairing.listLiveCodes()).map(({ codeId }) => codeId).sort();
    });
  await bench.store.transaction(async (tx) => {
    await tx.devices.put(operator);
    await tx.pairing.insertCode(own);
    await tx.pairing.insertCode(other);
  });
  assert.deepEqual(await liveAfter(operator.publicKey), [own.codeId, other.codeId].sort(), "it is the same device");
  assert.deepEqual(await liveAfter(new Uint8Array(32)), [other.codeId]);
});
