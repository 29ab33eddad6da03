import assert from "node:assert/strict";
import { Chance } from "../harness/chance.ts";
import { DisasterPace } from "./disaster_pace.ts";

/** Makes requests one after the other as fast as it is let; the numbers that were made. */
function makeRequests(pace: DisasterPace, count: number): number[] {
  const made: number[] = [];
  void (async () => {
    for (let number = 0; number < count; number++) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      await pace.mayMake(number);
      made.push(number);
    }
  })();
  return made;
}

const turn = () => new Promise<void>((resolve) => setTimeout(resolve));

Deno.test("DisasterPace holds requests back until their share of disasters has begun, and lets the rest go at the end", async () => {
  const pace = new DisasterPace(100, 4, new Chance(1));
  const made = makeRequests(pace, 100);
  for (let number = 0; number < 4; number++) {
    // deno-lint-ignore no-await-in-loop -- one disaster after the other
    await turn();
    assert.equal(made.length, 20 * (number + 1));
    // deno-lint-ignore no-await-in-loop -- one disaster after the other
    await pace.due(number);
    pace.begun(number);
  }
  await turn();
  assert.equal(made.length, 100);
});

Deno.test("DisasterPace goes on when one disaster counts for two", async () => {
  const pace = new DisasterPace(100, 4, new Chance(1));
  const made = makeRequests(pace, 100);
  await pace.due(0);
  pace.begun(0);
  await pace.due(2);
  pace.begun(2);
  pace.over();
  await turn();
  assert.equal(made.length, 100);
});

Deno.test("DisasterPace makes a disaster wait for the requests before it", async () => {
  const pace = new DisasterPace(100, 1, new Chance(1));
  let due = false;
  void pace.due(0).then(() => due = true);
  await turn();
  // Chance 1 puts it behind some request of the first half.
  assert.equal(due, false);
  makeRequests(pace, 50);
  await turn();
  assert.equal(due, true);
});
