/**
 * How much time has passed, in milliseconds from any beginning: a clock that nobody can set. Deadlines go by it while
 * the process lives.
 */
export type ElapsedTime = () => number;

/** How often the time that the machine slept is looked for, in milliseconds. */
const LOOK_EVERY_MS = 1_000;

/** `Deno.osUptime()` counts whole seconds, so a smaller difference means nothing, in milliseconds. */
const UPTIME_GRAIN_MS = 2_000;

/**
 * The time since the process started, sleep of the machine included where Deno may tell it (`--allow-sys=osUptime`):
 * `performance.now()` stands still then. An hour set on the wall clock, either way, changes nothing.
 */
export function elapsedTime(
  awake: () => number = () => performance.now(),
  uptimeSeconds: (() => number) | undefined = uptimeOfMachine(),
): ElapsedTime {
  if (uptimeSeconds === undefined) return awake;
  const ahead = () => uptimeSeconds() * 1_000 - awake();
  const atStart = ahead();
  let lookedAt = awake();
  let sleptMs = 0;
  return () => {
    const now = awake();
    if (now - lookedAt >= LOOK_EVERY_MS) {
      lookedAt = now;
      const found = ahead() - atStart;
      if (found - sleptMs > UPTIME_GRAIN_MS) sleptMs = found;
    }
    return now + sleptMs;
  };
}

function uptimeOfMachine(): (() => number) | undefined {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "osUptime" });
  return state === "granted" ? () => Deno.osUptime() : undefined;
}
