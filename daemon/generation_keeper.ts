import { getLogger } from "@logtape/logtape";
import { newUlid } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { Clock } from "../identity/unix_ms.ts";
import { DAEMON_ACTOR } from "./audit/audit_act.ts";
import { type NotedGeneration, readGenerationFile, writeGenerationFile } from "./generation_file.ts";
import { generationFiles, type GenerationPlaces } from "./generation_places.ts";
import { GENERATION_FACT, STATE_ID_FACT } from "./store/fact_table.ts";
import type { Store } from "./store/store.ts";

const log = getLogger(["palyra", "daemon", "generation"]);

/** What {@linkcode GenerationKeeper} needs. */
export interface GenerationKeeperOptions {
  readonly store: Pick<Store, "transaction" | "onGeneration">;
  readonly places: GenerationPlaces;
  /** The operator knows that the state is older than it was, and wants it served. */
  readonly acceptRestored: boolean;
  readonly clock: Clock;
}

/**
 * Notices a state folder that was restored from a backup: each act that must not be undone raises a number in the
 * database, and the number is noted outside of the folder after its commit. A database that is behind what was noted has
 * forgotten acts, so that who was revoked since would be let in again; then the daemon does not start.
 */
export class GenerationKeeper {
  readonly #files: readonly string[];
  readonly #unsubscribe: () => void;
  #noted: NotedGeneration;
  #latest: NotedGeneration;
  #writing: Promise<void> | undefined;
  #failing = false;

  private constructor(files: readonly string[], noted: NotedGeneration, store: GenerationKeeperOptions["store"]) {
    this.#files = files;
    this.#noted = this.#latest = noted;
    this.#unsubscribe = store.onGeneration((generation) => {
      this.#latest = { stateId: noted.stateId, generation: Math.max(generation, this.#latest.generation) };
      this.#writing ??= this.#write();
    });
  }

  /**
   * Compares the database with what was noted, and notes what it says. Rejects with `state_restored` when it is behind;
   * when that is accepted, the audit has it and the database goes on from what was noted. What cannot be read or written
   * outside of the state folder is a warning.
   */
  static async open(options: GenerationKeeperOptions): Promise<GenerationKeeper> {
    const { store, places, acceptRestored, clock } = options;
    const known = await store.transaction(async (tx) => {
      const storedId = await tx.facts.get(STATE_ID_FACT);
      const stateId = storedId ?? newUlid();
      if (storedId === undefined) await tx.facts.put(STATE_ID_FACT, stateId);
      return { stateId, generation: Number(await tx.facts.get(GENERATION_FACT) ?? 0) };
    });
    const files = generationFiles(places, known.stateId);
    const highest = await highestNoted(files, known.stateId);
    let { generation } = known;
    if (highest.generation > generation) {
      if (!acceptRestored) throw restored(highest.generation - generation, highest.file);
      const details = { expected_generation: highest.generation, found_generation: generation };
      await store.transaction(async (tx) => {
        await tx.facts.put(GENERATION_FACT, String(highest.generation));
        const act = { kind: "state.restored", actor: DAEMON_ACTOR, subject: known.stateId, details } as const;
        await tx.audit.append(act, clock());
      });
      log.warn("The state was restored from a backup, and is served because its operator accepts that.", details);
      generation = highest.generation;
    }
    const keeper = new GenerationKeeper(files, { stateId: known.stateId, generation }, store);
    await (keeper.#writing = keeper.#write());
    return keeper;
  }

  /**
   * Rejects with `state_restored` as {@linkcode open} does, and changes nothing: to be asked before anything else looks at
   * the state, and repairs what is no damage but age.
   */
  static async refuseRestored({ store, places }: Pick<GenerationKeeperOptions, "store" | "places">): Promise<void> {
    const { stateId, generation } = await store.transaction(async (tx) => ({
      stateId: await tx.facts.get(STATE_ID_FACT),
      generation: Number(await tx.facts.get(GENERATION_FACT) ?? 0),
    }));
    if (stateId === undefined) return;
    const highest = await highestNoted(generationFiles(places, stateId), stateId);
    if (highest.generation > generation) throw restored(highest.generation - generation, highest.file);
  }

  /** Ends it when everything is noted. */
  async close(): Promise<void> {
    this.#unsubscribe();
    // deno-lint-ignore no-await-in-loop -- one may have begun as the one before it ended
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Until what is noted is the latest; never rejects. */
  async #write(): Promise<void> {
    do {
      const noting = this.#latest;
      // deno-lint-ignore no-await-in-loop -- one after the other, so that an older one never comes last
      const failures = await Promise.all(this.#files.map((file) => failureOf(writeGenerationFile(file, noting))));
      this.#noted = noting;
      this.#tell(failures);
    } while (this.#noted !== this.#latest);
    // In the same turn: what is raised from here on is for another writing to note.
    this.#writing = undefined;
  }

  /** One place is enough. Once, however long it lasts. */
  #tell(failures: readonly unknown[]): void {
    const isNoted = failures.some((failure) => failure === undefined);
    if (!isNoted && !this.#failing) {
      log.warn(
        "The generation of the state cannot be noted outside of it, so a restored backup would not be noticed. Make one " +
          "of these files writable, or name another one by the setting state.generation_file.",
        { files: this.#files, cause: failures[0] },
      );
    }
    this.#failing = !isNoted;
  }
}

/** A file with the generation that it says. */
interface NotedIn {
  readonly file: string;
  readonly generation: number;
}

async function highestNoted(files: readonly string[], stateId: string): Promise<NotedIn> {
  const found = await Promise.all(files.map((file) => readNoted(file, stateId)));
  return found.reduce((left, right) => right.generation > left.generation ? right : left, { file: "", generation: 0 });
}

async function readNoted(file: string, stateId: string): Promise<NotedIn> {
  const nothing = { file, generation: 0 };
  try {
    const noted = await readGenerationFile(file);
    if (noted === undefined) return nothing;
    if (noted === "damaged") {
      log.warn("The noted generation of the state cannot be understood; it is noted anew.", { file });
      return nothing;
    }
    // It was named for another state folder before.
    return noted.stateId === stateId ? { file, generation: noted.generation } : nothing;
  } catch (cause) {
    log.warn("The noted generation of the state cannot be read.", { file, cause });
    return nothing;
  }
}

async function failureOf(writing: Promise<void>): Promise<unknown> {
  try {
    await writing;
    return undefined;
  } catch (cause) {
    return cause;
  }
}

function restored(missing: number, file: string): PalyraError {
  return new PalyraError(
    "state_restored",
    `The state is older than it was: it lacks the last ${missing} changes of who is let in, going by ${file}. It was ` +
      "restored from a backup, and whoever was revoked since would be let in again. Restore a newer backup; or run " +
      "`palyrad run --accept-restored-state` once, and revoke again what was revoked since.",
  );
}
