import assert from "node:assert/strict";
import { echo } from "./echo.ts";
import { capabilityContext, DEVICE_ID } from "./testdata/capability_context.ts";

Deno.test("echo returns its input and the device id", async () => {
  const inputs = [null, 1, "ü", [1, { a: null }], { echo: true }];
  const outputs = await Promise.all(inputs.map((input) => echo.run(input, capabilityContext())));
  assert.deepEqual(outputs, inputs.map((input) => ({ echo: input, device_id: DEVICE_ID })));
});
