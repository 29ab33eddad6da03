import { setTimeout as sleep } from "node:timers/promises";
import type { Chance } from "../harness/chance.ts";
import { type ChaosSite, LINK_BREAKS } from "./chaos_site.ts";

/** What a {@linkcode Saboteur} has done: processes killed (`kill -9`), by what they were, and links broken. */
export interface Sabotage {
  readonly daemonKills: number;
  readonly nodeKills: number;
  readonly linkBreaks: number;
}

/** Says when the next disaster is due, and that the load may go on after it. */
export interface Pace {
  /** Resolves when disaster `number` is due, counted from 0. */
  due(number: number): Promise<void>;
  /** Disaster `number` has begun. */
  begun(number: number): void;
}

/** Longer than a keep-alive, so that both sides find their session dead; in milliseconds. */
const LONG_BREAK_MS = { least: 5_500, most: 7_000 };

/** Kills processes and breaks links, and repairs all of it. */
export class Saboteur {
  readonly #site: ChaosSite;
  readonly #chance: Chance;
  readonly #done: Record<keyof Sabotage, number> = { daemonKills: 0, nodeKills: 0, linkBreaks: 0 };
  readonly #repairs = new Set<Promise<void>>();
  readonly #broken = new Set<string>();
  readonly #down = new Set<string>();

  constructor(site: ChaosSite, chance: Chance) {
    this.#site = site;
    this.#chance = chance;
  }

  /** Kills `kills` times, at the pace, with broken links in between. Rejects when something does not come back. */
  async run(kills: number, pace: Pace): Promise<Sabotage> {
    for (let number = 0; number < kills; number = this.#done.daemonKills + this.#done.nodeKills) {
      // deno-lint-ignore no-await-in-loop -- one disaster after the other
      await pace.due(number);
      pace.begun(number);
      if (this.#chance.oneIn(2)) this.#inPassing(this.#breakLink());
      // deno-lint-ignore no-await-in-loop -- one disaster after the other
      await this.#kill(kills - number);
    }
    await Promise.all(this.#repairs);
    return this.#done;
  }

  async #kill(left: number): Promise<void> {
    const what = this.#chance.below(10);
    if (what === 0 && left > 1) return await this.#killDaemonTwice();
    if (what < 4) return await this.#killDaemon();
    if (what === 4 && left > 1) {
      await Promise.all([this.#killNode(), this.#killDaemon()]);
      return;
    }
    this.#inPassing(this.#killNode());
    // One is left alone, lest there be none to kill.
    if (this.#down.size >= this.#site.nodeNames.length - 1) await Promise.race(this.#repairs);
  }

  async #killDaemon(): Promise<void> {
    const downMs = this.#chance.below(800);
    this.#done.daemonKills++;
    await this.#site.killDaemon();
    await sleep(downMs);
    await this.#site.startDaemon();
  }

  /** The second time while it starts. */
  async #killDaemonTwice(): Promise<void> {
    const downMs = this.#chance.below(800);
    const startingMs = this.#chance.below(1_200);
    this.#done.daemonKills++;
    await this.#site.killDaemon();
    await sleep(downMs);
    const starting = this.#site.startDaemon().catch(() => {});
    await sleep(startingMs);
    await Promise.all([this.#killDaemon(), starting]);
  }

  async #killNode(): Promise<void> {
    const name = this.#chance.one(this.#site.nodeNames.filter((each) => !this.#down.has(each)));
    const downMs = this.#chance.below(1_500);
    this.#down.add(name);
    this.#done.nodeKills++;
    await this.#site.killNode(name);
    await sleep(downMs);
    this.#site.startNode(name);
    this.#down.delete(name);
  }

  async #breakLink(): Promise<void> {
    const name = this.#chance.one(this.#site.nodeNames);
    const how = this.#chance.one(LINK_BREAKS);
    const isLong = this.#chance.oneIn(4);
    const ms = isLong ? this.#chance.between(LONG_BREAK_MS.least, LONG_BREAK_MS.most) : this.#chance.between(50, 2_000);
    if (this.#broken.has(name)) return;
    this.#broken.add(name);
    this.#done.linkBreaks++;
    const repair = this.#site.breakLink(name, how);
    await sleep(ms);
    repair();
    this.#broken.delete(name);
  }

  /** Goes on meanwhile; `run` waits for it at its end. */
  #inPassing(repair: Promise<void>): void {
    const kept = repair.finally(() => this.#repairs.delete(kept));
    this.#repairs.add(kept);
    // Heard of at the end; till then it is not unhandled.
    kept.catch(() => {});
  }
}
