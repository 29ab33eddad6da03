import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CanonicalUlid } from "../identity/device_id.ts";
import type { AttemptRef, CapabilityResult } from "../proto/gen/node.ts";
import { asSeenBy, CAN_MOUNT, onSmallDisk } from "./testing/small_disk.ts";
import { type RunningHost, ScriptedHost } from "./testing/scripted_host.ts";
import { newRequestId } from "./testing/test_node.ts";

const MAIN = fileURLToPath(import.meta.resolve("./main.ts"));
const PROGRAM = [Deno.execPath(), "run", "--quiet", "--no-prompt", "-A", MAIN];
const RUN = [...PROGRAM, "run"];
const DISK_BYTES = 2 * 1024 * 1024;
const MAX_TRIES = 100;

const utf8 = new TextEncoder();

/** Has the opener do this after it has noted what it opens. */
async function openerDoes(host: ScriptedHost, then: string): Promise<void> {
  const { command } = host.opener;
  const [interpreter = "", note = ""] = (await Deno.readTextFile(command)).split("\n");
  await Deno.writeTextFile(command, [interpreter, note, then, ""].join("\n"));
}

/** Resolves once the opener was started this often. */
async function untilOpened(host: ScriptedHost, count: number): Promise<void> {
  // deno-lint-ignore no-await-in-loop -- looks until the program has written
  while ((await host.opener.opened()).length < count) await new Promise<void>((resolve) => setTimeout(resolve, 5));
}

function dispatchOpening({ daemon }: RunningHost, requestId = newRequestId()): CanonicalUlid {
  const inputJson = utf8.encode(JSON.stringify({ url: `https://example.com/${requestId}` }));
  daemon.dispatch({ requestId, attempt: 1, capability: "desktop.open_url", inputJson });
  return requestId;
}

const ids = (attempts: readonly AttemptRef[]) => attempts.map(({ requestId }) => requestId?.ulid);

function accountOf({ hello: { inFlight, finished, interrupted } }: RunningHost) {
  return { inFlight: ids(inFlight), finished: ids(finished), interrupted: ids(interrupted) };
}

/** Everything that `palyra-node status` says of the journal. */
async function journalStatus(host: ScriptedHost): Promise<unknown> {
  return JSON.parse((await host.output([...PROGRAM, "status", "--json"])).stdout).journal;
}

Deno.test("palyra-node that is killed while a capability runs names it as interrupted until the daemon has settled it", async () => {
  await using host = await ScriptedHost.start("grpc");
  // Until the folder is gone.
  await openerDoes(host, 'while [ -e "$0" ]; do sleep 0.05; done');
  const first = await host.run(RUN);
  assert.notEqual(first.hello.journalId, "");
  const requestId = dispatchOpening(first);
  await first.daemon.take("accepted");
  await untilOpened(host, 1);
  await first.stop("SIGKILL");
  assert.deepEqual(await journalStatus(host), { attempts: 1, unacknowledged_results: 0, damaged_set_aside: null });

  const second = await host.run(RUN);
  assert.equal(second.hello.journalId, first.hello.journalId);
  assert.notEqual(second.hello.instanceId, first.hello.instanceId);
  assert.deepEqual(accountOf(second), { inFlight: [], finished: [], interrupted: [requestId] });
  dispatchOpening(second, requestId);
  await second.invoke("echo", null);
  await second.stop("SIGKILL");

  const third = await host.run(RUN);
  assert.deepEqual(accountOf(third).interrupted, [requestId]);
  third.daemon.acknowledge(requestId, 1);
  await third.invoke("echo", null);
  await third.stop();
  await using fourth = await host.run(RUN);
  assert.deepEqual(accountOf(fourth), { inFlight: [], finished: [], interrupted: [] });
  assert.equal(fourth.hello.journalId, first.hello.journalId);
  assert.equal((await host.opener.opened()).length, 1, "it ran once");
});

Deno.test("palyra-node that is killed before its result was acknowledged sends it again until it is", async () => {
  await using host = await ScriptedHost.start("grpc");
  const first = await host.run(RUN);
  const requestId = dispatchOpening(first);
  await first.daemon.take("accepted");
  const sent = await first.daemon.take("result");
  // The result is written in the turn after it was sent; what comes later is answered after that.
  await first.invoke("echo", null);
  await first.stop("SIGKILL");

  const second = await host.run(RUN);
  assert.deepEqual(accountOf(second), { inFlight: [], finished: [requestId], interrupted: [] });
  assert.deepEqual(await second.daemon.take("result"), sent);
  dispatchOpening(second, requestId);
  await second.invoke("echo", null);
  await second.stop("SIGKILL");

  const third = await host.run(RUN);
  assert.deepEqual(await third.daemon.take("result"), sent);
  third.daemon.acknowledge(requestId, 1);
  await third.invoke("echo", null);
  await third.stop();
  assert.deepEqual(await journalStatus(host), { attempts: 0, unacknowledged_results: 0, damaged_set_aside: null });
  await using fourth = await host.run(RUN);
  assert.deepEqual(accountOf(fourth), { inFlight: [], finished: [], interrupted: [] });
  assert.equal((await host.opener.opened()).length, 1);
});

Deno.test("palyra-node that is killed while its owner is asked says nothing of it: under the same journal it never started", async () => {
  await using host = await ScriptedHost.start("grpc", "");
  const first = await host.run(RUN);
  dispatchOpening(first);
  await first.daemon.take("awaitingLocalMediation");
  await first.stop("SIGKILL");
  await using second = await host.run(RUN);
  assert.equal(second.hello.journalId, first.hello.journalId);
  assert.deepEqual(accountOf(second), { inFlight: [], finished: [], interrupted: [] });
  assert.deepEqual(await host.opener.opened(), []);
});

Deno.test({
  name:
    "palyra-node on a full disk refuses what must not run twice, goes on with the rest, and takes it when there is room",
  ignore: !CAN_MOUNT,
  fn: async () => {
    await using host = await ScriptedHost.start("grpc");
    const folder = join(host.stateRoot, "node-host");
    await using running = await host.run(onSmallDisk(folder, DISK_BYTES, RUN));
    const { daemon } = running;
    const open = async (): Promise<CapabilityResult> => {
      const requestId = dispatchOpening(running);
      const result = await daemon.takeResult();
      daemon.acknowledge(requestId, 1);
      return result;
    };
    let opened = 0;
    const openUntil = async (success: boolean): Promise<CapabilityResult> => {
      for (let tries = 0; tries < MAX_TRIES; tries++) {
        // deno-lint-ignore no-await-in-loop -- one after the other
        const result = await open();
        if (result.success) opened++;
        if (result.success === success) return result;
      }
      throw new Error("the disk made no difference");
    };
    assert.ok((await open()).success);
    opened++;

    const ballast = join(asSeenBy(running.pid, folder), "ballast");
    await fill(ballast);
    const refusal = await openUntil(false);
    assert.equal(refusal.errorCode, "state_read_only");
    assert.match(refusal.error, /disk is full.*nothing was run\. Free some space/);
    assert.equal((await running.invoke("echo", 1)).success, true);
    assert.equal((await host.opener.opened()).length, opened);

    await Deno.remove(ballast);
    await openUntil(true);
    assert.equal((await host.opener.opened()).length, opened);
  },
});

async function fill(path: string): Promise<void> {
  const block = new Uint8Array(4_096);
  using file = await Deno.open(path, { write: true, create: true });
  try {
    // deno-lint-ignore no-await-in-loop -- until there is no room
    for (;;) await file.write(block);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
  }
}
