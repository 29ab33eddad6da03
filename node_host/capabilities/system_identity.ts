import { hostPlatform } from "../host_platform.ts";
import type { Capability } from "./capability.ts";

/** Tells who this node is: what the daemon's records can be compared with. */
export const systemIdentity: Capability = {
  name: "system.identity",
  version: "1.0.0",
  description: "Tells the node's device id, identity fingerprint, software and platform.",
  inputSchema: {},
  outputSchema: {
    type: "object",
    properties: {
      device_id: { type: "string" },
      identity_fingerprint: { type: "string", pattern: "^[0-9a-f]{64}$" },
      paired_at_unix_ms: { type: "integer", minimum: 0 },
      software_version: { type: "string" },
      platform: { type: "string" },
      deno_version: { type: "string" },
      daemon_endpoints: { type: "array", items: { type: "string" } },
    },
    required: [
      "device_id",
      "identity_fingerprint",
      "paired_at_unix_ms",
      "software_version",
      "platform",
      "deno_version",
      "daemon_endpoints",
    ],
    additionalProperties: false,
  },
  idempotent: true,
  mediation: false,
  permissions: [],
  run: (_input, { deviceId, node }) =>
    Promise.resolve({
      device_id: deviceId,
      identity_fingerprint: node.identityFingerprint,
      paired_at_unix_ms: node.pairedAt,
      software_version: node.softwareVersion,
      platform: hostPlatform(),
      deno_version: Deno.version.deno,
      daemon_endpoints: [...node.daemonEndpoints],
    }),
};
