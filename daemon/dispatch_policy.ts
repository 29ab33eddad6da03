import type { DeviceId } from "../identity/device_id.ts";
import type { PalyraError } from "../identity/palyra_error.ts";

/** The input and output schemas of a capability as its node declared them. */
export interface CapabilitySchemas {
  /** What is wrong with an input, as a sentence that names the place; undefined when nothing is. */
  inputError(inputJson: Uint8Array): string | undefined;
  /** The same for an output. */
  outputError(outputJson: Uint8Array): string | undefined;
}

/** A capability that may run now. */
export interface DispatchPermit {
  /** Repeating it does no harm. */
  readonly idempotent: boolean;
  /** Absent when nothing is known of them. */
  readonly schemas?: CapabilitySchemas;
}

/**
 * What may run: declared by the node and granted by the operator, who may also deny it. Asked when a request is accepted
 * and again when it is dispatched (design section 3).
 */
export interface DispatchPolicy {
  /** Why `capability` must not run on the device now, or what is to be known of it. */
  check(deviceId: DeviceId, capability: string): PalyraError | DispatchPermit;
}
