import assert from "node:assert/strict";
import { CapabilitySlots } from "./capability_slots.ts";

Deno.test("CapabilitySlots.take() refuses with queue_full beyond what a capability declares, and no other for it", () => {
  const slots = new CapabilitySlots();
  const printing = { name: "print", maxConcurrency: 2 };
  const first = slots.take(printing);
  slots.take(printing);
  assert.throws(() => slots.take(printing), { code: "queue_full", message: /^print runs 2 times .* ask again/ });
  slots.take({ name: "scan", maxConcurrency: 1 });
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  slots.take(printing);
  assert.throws(() => slots.take(printing), { code: "queue_full" });
});

Deno.test("CapabilitySlots.take() bounds nothing where nothing is declared", () => {
  const slots = new CapabilitySlots();
  for (let count = 0; count < 1_000; count++) slots.take({ name: "echo" });
});
