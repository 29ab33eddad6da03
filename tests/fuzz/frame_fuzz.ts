import type { DenoQuicStream } from "../../transport/quic/testing/deno_quic_client.ts";
import { Chance } from "../harness/chance.ts";
import type { FireOptions, FuzzBench } from "./fuzz_bench.ts";
import { type Intruder, saidBy } from "./intruder.ts";
import type { MemoryReport } from "./memory_samples.ts";
import type { SentLog } from "./sent_log.ts";
import { sessionMessages } from "./session_messages.ts";
import { requestScript, sessionScript, type Step, type StreamScript } from "./stream_script.ts";

/** Streams of one connection: fewer than a peer may have open at once, so that those which stay open harm nobody. */
const STREAMS = 24;

/** How long an answer may take, in milliseconds. */
const ANSWER_MS = 10_000;

/** How long the intruder tries to be let in again, in milliseconds. */
const CONNECT_MS = 20_000;

/** What a run did. */
export interface FrameReport {
  readonly frames: number;
  readonly streams: number;
  readonly connections: number;
  /** Connections that the daemon ended before the client did, as it may when a session goes wrong. */
  readonly cut: number;
  /** Answers that were checked against what had to come. */
  readonly checked: number;
  readonly kinds: number;
  readonly seconds: number;
  readonly memory: MemoryReport;
}

/**
 * Sends `count` hostile frames from a device that is let in, while the daemon's node works; throws when either suffers, or
 * when an answer is not the one that has to come.
 */
export async function fuzzFrames(
  bench: FuzzBench,
  { seed, count, log }: FireOptions,
): Promise<FrameReport> {
  const chance = new Chance(seed);
  const messages = sessionMessages(bench.intruder.deviceId);
  const from = performance.now();
  const done = { frames: 0, streams: 0, connections: 0, cut: 0, checked: 0 };
  const kinds = new Set<string>();
  while (done.frames < count) {
    // A session that goes wrong may take its connection along; requests have one of their own, which has to last.
    const isSession = chance.oneIn(4);
    const scripts = Array.from(
      { length: STREAMS },
      () => isSession ? sessionScript(chance, messages) : requestScript(chance),
    );
    // deno-lint-ignore no-await-in-loop -- one connection after the other
    await using client = await bench.connectIntruder(CONNECT_MS);
    done.connections++;
    // deno-lint-ignore no-await-in-loop -- one connection after the other
    const checked = await Promise.all(scripts.map((script) => play(client, script, log)));
    for (const { kind, frames } of scripts) {
      kinds.add(kind);
      done.frames += frames;
      done.streams++;
    }
    done.checked += checked.filter((each) => each).length;
    if (client.ending !== undefined) {
      if (!isSession) throw new Error(`the daemon cut a connection because of a request on it: ${client.ending}`);
      done.cut++;
    }
    bench.assertServing();
  }
  return { ...done, kinds: kinds.size, seconds: (performance.now() - from) / 1_000, memory: bench.memory.report(from) };
}

/** Does what `script` says; true when there was an answer to check, and it was right. */
async function play(client: Intruder, script: StreamScript, log: SentLog): Promise<boolean> {
  const { kind, steps, expect, oneWay = false } = script;
  const stream = await client.open({ oneWay }).catch((error) => {
    // The daemon has cut the connection because of another stream.
    if (client.ending !== undefined) return undefined;
    throw error;
  });
  if (stream === undefined) return false;
  for (const step of steps) {
    if (step.do === "write") log.remember(kind, step.bytes);
    // deno-lint-ignore no-await-in-loop -- in order
    await inTime(client, kind, act(stream, step));
  }
  if (expect.kind === "anything") return false;
  const said = saidBy(await inTime(client, kind, stream.nextJson()));
  if (said === undefined && client.ending !== undefined) return false;
  const wanted = expect.kind === "error" ? expect.code : expect.kind;
  if (said !== wanted) throw new Error(`${kind}: the daemon answered ${said ?? "nothing"} instead of ${wanted}`);
  return true;
}

async function act(stream: DenoQuicStream, step: Step): Promise<void> {
  switch (step.do) {
    case "write":
      return await stream.write(step.bytes);
    case "awaitSession":
      await stream.nextJson();
      return;
    default:
      return await stream[step.do]();
  }
}

/** `work`; undefined when the daemon does not let it be done, and an error when it leaves the client waiting. */
async function inTime<T>(client: Intruder, kind: string, work: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${kind}: nothing came in ${ANSWER_MS} ms`)), ANSWER_MS);
  });
  try {
    return await Promise.race([work.catch(() => undefined), late, client.closed.then(() => undefined)]);
  } finally {
    clearTimeout(timer);
  }
}
