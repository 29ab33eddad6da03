import type { Capability } from "./capability.ts";

/** Returns its input. Shows that a node is reachable and executes. */
export const echo: Capability = {
  name: "echo",
  version: "1.0.0",
  description: "Returns its input and the device id.",
  inputSchema: {},
  outputSchema: {
    type: "object",
    properties: { echo: {}, device_id: { type: "string" } },
    required: ["echo", "device_id"],
    additionalProperties: false,
  },
  idempotent: true,
  mediation: false,
  permissions: [],
  run: (input, context) => Promise.resolve({ echo: input, device_id: context.deviceId }),
};
