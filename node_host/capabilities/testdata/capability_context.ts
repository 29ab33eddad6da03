import { parseDeviceId } from "../../../identity/device_id.ts";
import { parseFingerprint } from "../../../identity/fingerprint.ts";
import { unixMs } from "../../../identity/unix_ms.ts";
import type { CapabilityContext, NodeFacts } from "../capability.ts";

export const DEVICE_ID = parseDeviceId("01J9ZK3V5W8Q2X4Y6T7R1M0N3P");

export const NODE_FACTS: NodeFacts = {
  identityFingerprint: parseFingerprint("ab".repeat(32)),
  pairedAt: unixMs(1_700_000_000_000),
  softwareVersion: "0.1.0",
  daemonEndpoints: ["daemon.example:7444"],
};

/** What a run is given, with whatever a test wants different. */
export function capabilityContext(overrides: Partial<CapabilityContext> = {}): CapabilityContext {
  return {
    signal: new AbortController().signal,
    deviceId: DEVICE_ID,
    requestedBy: "operator",
    node: NODE_FACTS,
    progress: () => {},
    ...overrides,
  };
}
