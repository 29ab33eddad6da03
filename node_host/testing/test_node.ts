import { newUlid, parseDeviceId } from "../../identity/device_id.ts";
import { parseFingerprint } from "../../identity/fingerprint.ts";
import { unixMs } from "../../identity/unix_ms.ts";
import {
  type Capability,
  CapabilityRegistry,
  CapabilityRunner,
  MediationPolicy,
  type Mediator,
} from "../capabilities/mod.ts";
import { echo } from "../capabilities/echo.ts";
import type { AttemptJournal } from "../journal/mod.ts";
import type { NodeSelfDescription } from "../session_worker.ts";
import { WorkDesk } from "../work_desk.ts";

export const DEVICE_ID = parseDeviceId("01J9ZK3V5W8Q2X4Y6T7R1M0N3P");

export const SELF: NodeSelfDescription = {
  deviceId: DEVICE_ID,
  platform: "linux-x86_64",
  deviceName: "box",
  softwareVersion: "0.1.0",
  instanceId: "instance-1",
  maxConcurrency: 32,
  capabilities: [],
};

/** Runs of a capability that end when the test says so. */
export class HeldCapability {
  readonly capability: Capability;
  /** How often it was started. */
  starts = 0;
  readonly #runs: PromiseWithResolvers<unknown>[] = [];
  #started = Promise.withResolvers<void>();
  signal: AbortSignal | undefined;

  constructor(name: string, idempotent: boolean) {
    this.capability = {
      name,
      version: "1.0.0",
      description: "Waits until it is told to end.",
      inputSchema: {},
      outputSchema: {},
      idempotent,
      mediation: false,
      permissions: [],
      run: (_input, context) => {
        this.starts += 1;
        this.signal = context.signal;
        const run = Promise.withResolvers<unknown>();
        this.#runs.push(run);
        context.progress({ started: this.starts });
        this.#started.resolve();
        this.#started = Promise.withResolvers();
        return run.promise;
      },
    };
  }

  /** Resolves once it was started this often. */
  async untilStarted(starts: number): Promise<void> {
    // deno-lint-ignore no-await-in-loop -- waits for one start after the other
    while (this.starts < starts) await this.#started.promise;
  }

  /** Ends the oldest run. */
  finish(output: unknown): void {
    this.#runs.shift()?.resolve(output);
  }
}

/** A desk that runs echo and the given capabilities for real. */
export function testDesk(...held: readonly HeldCapability[]): WorkDesk {
  return deskWith(held);
}

/** The same, with a journal; where there is a mediator, it is asked about everything but echo. */
export function deskWith(
  held: readonly HeldCapability[],
  { journal, mediator }: { readonly journal?: AttemptJournal; readonly mediator?: Mediator } = {},
): WorkDesk {
  const rules = Object.fromEntries(held.map(({ capability: { name } }) => [name, "ask"] as const));
  const registry = new CapabilityRegistry(
    [echo, ...held.map(({ capability }) => capability)],
    new MediationPolicy(mediator && { rules }),
  );
  const runner = new CapabilityRunner({
    registry,
    deviceId: DEVICE_ID,
    node: {
      identityFingerprint: parseFingerprint("ab".repeat(32)),
      pairedAt: unixMs(1_700_000_000_000),
      softwareVersion: "0.1.0",
      daemonEndpoints: ["daemon.example:7444"],
    },
    ...(mediator && { mediator }),
  });
  return new WorkDesk({
    runner,
    isIdempotent: (name) => registry.find(name)?.definition.idempotent ?? false,
    journal,
  });
}

/** A fresh request id. */
export const newRequestId = newUlid;
