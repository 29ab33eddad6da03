/**
 * A real palyrad under a flood of PIN guesses from many addresses; run by `pin_guessing_test.ts` in a network namespace of
 * its own, where all of 10.77.0.0/16 is this machine.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { describeMemory, isLevel, MemorySamples } from "./fuzz/memory_samples.ts";
import { Fleet } from "./harness/fleet.ts";
import { type FloodOptions, GuessingFlood } from "./harness/guessing_flood.ts";
import { say } from "./harness/say.ts";
import { within } from "./harness/within.ts";

/** Where the daemon listens. The owner's own node comes from the same machine, which counts as one address. */
const DAEMON = "10.77.0.1";

/** Attackers with an address each; what is said of one holds for each of them. */
const ATTACKERS = 24;

/** Attackers that take ever new addresses. */
const ROVERS = 8;

/** How long each flood lasts before and after the owner pairs, in milliseconds. */
const HALF_FLOOD_MS = 5_000;

/** How long each step may take, in milliseconds; far more than it does. */
const PATIENCE_MS = 60_000;

const MILLION_PER_HOUR = 1_000_000;

await using fleet = await Fleet.create();
const { enrolment } = await fleet.startDaemon(["--host", DAEMON, "--server-name", DAEMON], {
  PALYRA_ALLOW_REMOTE: "true",
});

/** The PIN of the moment; what attackers guess is never it. */
let livePin = "";
const guess = () => {
  const number = Math.floor(Math.random() * 1_000_000).toString().padStart(6, "0");
  return number === livePin ? "000000" : number;
};

// deno-lint-ignore no-explicit-any -- what the command printed
async function mintPin(): Promise<any> {
  const minted = await fleet.palyrad("pairing", "code", "--pin", "--approve");
  livePin = minted.secret_text;
  return minted;
}

// deno-lint-ignore no-explicit-any -- what the command printed
async function codeOf(codeId: string): Promise<any> {
  const { codes } = await fleet.palyrad("pairing", "list");
  return codes.find((code: { code_id: string }) => code.code_id === codeId) ?? assert.fail();
}

/** The owner's node pairs by a real command; resolves with how long that took, in milliseconds. */
async function ownerPairs(name: string, args: readonly string[], input?: string): Promise<number> {
  const began = performance.now();
  const paired = fleet.node(name, ["pair", ...args, "--name", name], input === undefined ? {} : { input });
  const { code, stderr } = await within(PATIENCE_MS, "the owner's pairing", paired);
  assert.equal(code, 0, stderr);
  return performance.now() - began;
}

const flood: FloodOptions = {
  target: enrolment,
  guess,
  attackers: ATTACKERS,
  addressOf: (attacker) => `10.77.1.${attacker + 1}`,
  everNew: false,
};

/** Five tries, all wrong, and no more; shown to the operator with where they came from. */
async function assertDead(codeId: string): Promise<void> {
  const code = await codeOf(codeId);
  assert.deepEqual([code.state, code.failed_tries.length], ["dead", 5]);
  for (const { remote_address: from, reason } of code.failed_tries) {
    assert.match(from, /^10\.77\.[12]\./);
    assert.equal(reason, "pairing_proof_failed");
  }
}

function outcomesOf({ outcomes }: GuessingFlood): string {
  return [...outcomes].sort().map(([code, count]) => `${code} ${count}`).join(", ");
}

// A node that pairs with nobody guessing, for comparison.
const calmMs = await ownerPairs("calm", ["--daemon", enrolment], `${(await mintPin()).secret_text}\n`);

{
  const { code: attacked } = await mintPin();
  const began = performance.now();
  await using guessing = GuessingFlood.start(flood);
  await within(PATIENCE_MS, "turning every attacker away", guessing.allTurnedAway());
  await assertDead(attacked.code_id);
  await using memory = MemorySamples.start(fleet.daemon.pid);
  const sampledFrom = performance.now();
  await sleep(HALF_FLOOD_MS);
  // The owner's next PIN does not die of the same attackers, who go on guessing.
  const minted = await mintPin();
  const pairedMs = await ownerPairs("owner", ["--daemon", enrolment], `${minted.secret_text}\n`);
  const used = await codeOf(minted.code.code_id);
  assert.deepEqual([used.state, used.failed_tries], ["spent", []]);
  await sleep(HALF_FLOOD_MS);
  const seconds = (performance.now() - began) / 1_000;
  const rate = guessing.guesses / seconds;
  const report = memory.report(sampledFrom);
  say(
    `${guessing.guesses} guesses from ${ATTACKERS} addresses in ${seconds.toFixed(0)} s: ${
      rate.toFixed(0)
    } a second, at ` +
      `which rate an hour has ${(rate * 3_600 / MILLION_PER_HOUR).toFixed(1)} million (${outcomesOf(guessing)}); ` +
      `the owner's node paired by a new PIN in ${pairedMs.toFixed(0)} ms (${calmMs.toFixed(0)} ms in calm); ` +
      `${describeMemory(report)}`,
  );
  assert.equal(guessing.outcomes.get("pairing_proof_failed"), 5, "five guesses were looked at, and no more");
  assert.equal(guessing.outcomes.get("let in"), undefined);
  assert.ok(guessing.guesses > 1_000, "that was a flood");
  assert.ok(isLevel(report), describeMemory(report));
}

{
  const { code: attacked } = await mintPin();
  let next = 0;
  const addressOf = () => {
    next++;
    return `10.77.${2 + (Math.floor(next / 250) % 200)}.${1 + next % 250}`;
  };
  await using memory = MemorySamples.start(fleet.daemon.pid);
  const began = performance.now();
  await using guessing = GuessingFlood.start({ ...flood, attackers: ROVERS, addressOf, everNew: true });
  await sleep(HALF_FLOOD_MS);
  const { state, failed_tries: tries } = await codeOf(attacked.code_id);
  assert.deepEqual([state, tries.length], ["dead", 5]);
  // Whoever has ever new addresses can kill PINs. A QR token they cannot even name.
  const { secret_text: token, code: qr } = await fleet.palyrad("pairing", "code", "--approve");
  const pairedMs = await ownerPairs("owner-qr", [token]);
  const used = await codeOf(qr.code_id);
  assert.deepEqual([used.state, used.failed_tries], ["spent", []]);
  await sleep(HALF_FLOOD_MS);
  const seconds = (performance.now() - began) / 1_000;
  const report = memory.report(began);
  say(
    `${guessing.guesses} guesses from ${next} addresses in ${seconds.toFixed(0)} s (${
      outcomesOf(guessing)
    }); the owner's ` +
      `node paired by a QR token in ${pairedMs.toFixed(0)} ms; ${describeMemory(report)}`,
  );
  assert.equal(guessing.outcomes.get("pairing_proof_failed"), 5);
  assert.equal(guessing.outcomes.get("let in"), undefined);
  assert.ok(isLevel(report), describeMemory(report));
}
