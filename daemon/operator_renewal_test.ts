import assert from "node:assert/strict";
import { OperatorRenewal } from "./operator_renewal.ts";

Deno.test("OperatorRenewal.start() renews at once and rejects when that fails", async () => {
  let renewals = 0;
  const renewal = await OperatorRenewal.start(() => Promise.resolve(renewals++));
  assert.equal(renewals, 1);
  await renewal.stop();
  await assert.rejects(OperatorRenewal.start(() => Promise.reject(new Error("no room"))), /no room/);
});

Deno.test("OperatorRenewal looks again and again, also after a failure, until it is stopped", async () => {
  let looks = 0;
  const lookedAgain = Promise.withResolvers<void>();
  const renewal = await OperatorRenewal.start(() => {
    looks += 1;
    if (looks === 2) return Promise.reject(new Error("no room for the moment"));
    if (looks === 4) lookedAgain.resolve();
    return Promise.resolve();
  }, 1);
  await lookedAgain.promise;
  await renewal.stop();
});
