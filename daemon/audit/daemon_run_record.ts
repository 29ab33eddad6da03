import type { UnixMs } from "../../identity/unix_ms.ts";
import { PROJECT_VERSION } from "../../transport/program/version.ts";
import type { Store } from "../store/store.ts";
import { DAEMON_ACTOR } from "./audit_act.ts";

const DEED = { actor: DAEMON_ACTOR, subject: PROJECT_VERSION } as const;

/** The daemon runs; resolves when that is on disk. */
export async function recordDaemonStart(store: Store, at: UnixMs): Promise<void> {
  const details = { deno_version: Deno.version.deno, pid: Deno.pid };
  await store.transaction((tx) => tx.audit.append({ ...DEED, kind: "daemon.started", details }, at));
}

/** The daemon stops in order; resolves when that is on disk. */
export async function recordDaemonStop(store: Store, at: UnixMs): Promise<void> {
  await store.transaction((tx) => tx.audit.append({ ...DEED, kind: "daemon.stopped", details: { pid: Deno.pid } }, at));
}
