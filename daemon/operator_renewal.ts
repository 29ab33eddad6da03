import { getLogger } from "@logtape/logtape";
import { CHECK_EVERY_MS, PeriodicCheck } from "./periodic_check.ts";

const log = getLogger(["palyra", "daemon", "certificate"]);

/**
 * Keeps the local operator's certificate renewed while the daemon runs. Each look goes by the certificate and the wall
 * clock, so a daemon whose machine slept for days lets its owner in again within a minute.
 */
export class OperatorRenewal {
  readonly #check: PeriodicCheck;

  private constructor(check: PeriodicCheck) {
    this.#check = check;
  }

  /**
   * Calls `renewIfDue` at once, and rejects when that fails; afterwards every `everyMs` milliseconds (a minute by
   * default), with failures going to the log.
   */
  static async start(
    renewIfDue: () => Promise<unknown>,
    everyMs: number = CHECK_EVERY_MS,
  ): Promise<OperatorRenewal> {
    await renewIfDue();
    const check = async () => {
      try {
        await renewIfDue();
      } catch (cause) {
        log.error("The operator certificate could not be renewed; it is tried again in a minute.", { cause });
      }
    };
    return new OperatorRenewal(new PeriodicCheck(check, everyMs));
  }

  /** Ends the renewal; resolves when one under way is done. */
  async stop(): Promise<void> {
    await this.#check.stop();
  }
}
