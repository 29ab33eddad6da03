import { unixMs } from "../../identity/unix_ms.ts";
import { ReconnectBackoff } from "../../transport/program/reconnect_backoff.ts";
import type { ConnectionStatus } from "../connection_status.ts";
import { ConnectionSupervisor, type ConnectionSupervisorOptions } from "../connection_supervisor.ts";
import type { DialTarget } from "../dial_targets.ts";
import { FixedDialer } from "../fixed_dialer.ts";
import { requested } from "../transport_choice.ts";
import type { WorkDesk } from "../work_desk.ts";
import { type DialAnswer, ScriptedDialer } from "./scripted_dialer.ts";
import { SELF, testDesk } from "./test_node.ts";

export const GRPC_REQUESTED = requested("grpc", { preference: "grpc", askedBy: "--transport" });

/** For tests: a supervisor that runs, and what it told. */
export interface Supervision {
  readonly supervisor: ConnectionSupervisor;
  readonly running: Promise<void>;
  readonly stop: AbortController;
  readonly statuses: ConnectionStatus[];
  /** Resolves with the first status of this state that was not waited for yet. */
  until(state: ConnectionStatus["state"]): Promise<ConnectionStatus>;
}

/** For tests: runs a supervisor on these targets. */
export function superviseTargets(
  targets: readonly DialTarget[],
  changes: Partial<ConnectionSupervisorOptions> = {},
  desk: WorkDesk = testDesk(),
): Supervision {
  const stop = new AbortController();
  const statuses: ConnectionStatus[] = [];
  let seen = 0;
  let changed = Promise.withResolvers<void>();
  const supervisor = new ConnectionSupervisor({
    targets,
    desk,
    describe: () => Promise.resolve(SELF),
    certificateExpiresAt: () => unixMs(Date.now() + 3_600_000),
    onStatus: (status) => {
      statuses.push(status);
      changed.resolve();
      changed = Promise.withResolvers();
    },
    backoff: new ReconnectBackoff({ baseMs: 1, maxMs: 1 }),
    ...changes,
  });
  const running = supervisor.run(stop.signal);
  running.catch(() => {});
  const until = async (state: ConnectionStatus["state"]): Promise<ConnectionStatus> => {
    for (;;) {
      const status = statuses[seen];
      if (status === undefined) {
        // deno-lint-ignore no-await-in-loop -- waits for one status after the other
        await changed.promise;
      } else {
        seen += 1;
        if (status.state === state) return status;
      }
    }
  };
  return { supervisor, running, stop, statuses, until };
}

/** For tests: runs a supervisor on one target over gRPC for each list of answers, and tells which one was dialled when. */
export function supervise(
  answersByTarget: readonly DialAnswer[][],
  changes: Partial<ConnectionSupervisorOptions> = {},
  desk: WorkDesk = testDesk(),
): Supervision & { readonly dials: readonly string[] } {
  const dials: string[] = [];
  const targets = answersByTarget.map((answers, at) => {
    const dialer = new ScriptedDialer("grpc", ...answers);
    dialer.onDial = () => dials.push(`daemon-${at}`);
    return { endpoint: `daemon-${at}:7444`, dialer: new FixedDialer(dialer, GRPC_REQUESTED) };
  });
  return { ...superviseTargets(targets, changes, desk), dials };
}
