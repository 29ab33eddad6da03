import assert from "node:assert/strict";
import { everyPage } from "./every_page.ts";

Deno.test("everyPage() goes on behind the last entry until nothing is left", async () => {
  const devices = ["A", "B", "C", "D", "E"].map((deviceId) => ({ deviceId }));
  const asked: string[] = [];
  const all = await everyPage((after) => {
    asked.push(after);
    const rest = devices.filter((device) => device.deviceId > after);
    return Promise.resolve({ entries: rest.slice(0, 2), cut: rest.length > 2 });
  });
  assert.deepEqual(all, devices);
  assert.deepEqual(asked, ["", "B", "D"]);
});

Deno.test("everyPage() ends when a page that should go on is empty", async () => {
  assert.deepEqual(await everyPage(() => Promise.resolve({ entries: [], cut: true })), []);
});
