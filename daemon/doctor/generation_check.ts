import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { failed, type Finding, ok, skippedFor, warning } from "../../transport/program/doctor/finding.ts";
import type { DaemonConfig } from "../daemon_config.ts";
import { readGenerationFile } from "../generation_file.ts";
import { generationFiles } from "../generation_places.ts";
import type { DatabaseContent } from "./state_database.ts";

/** Whether the state is as new as what is noted of it outside of its folder: an older one comes from a backup. */
export function generationCheck(
  database: Attempt<DatabaseContent | undefined>,
  config: Attempt<DaemonConfig>,
  isServed: boolean,
): Check {
  const examine = async (): Promise<Finding> => {
    const content = database.value;
    if (content === undefined) return skippedFor(database.failure === undefined ? "state_folder" : "database");
    if (config.value === undefined) return skippedFor("configuration");
    const { stateId, generation } = content;
    if (stateId === undefined) return ok("The daemon has not been started yet.");
    const files = generationFiles(config.value.generationPlaces, stateId);
    let isNoted = false;
    for (const file of files) {
      // deno-lint-ignore no-await-in-loop -- two at most
      const noted = await readGenerationFile(file).catch(() => undefined);
      if (noted === undefined || noted === "damaged" || noted.stateId !== stateId) continue;
      isNoted = true;
      // A daemon that runs has looked itself; it may have noted something since the database was read.
      if (isServed || noted.generation <= generation) continue;
      return failed(
        "state_restored",
        `The state was restored from a backup: it lacks the last ${
          noted.generation - generation
        } changes of who is let ` +
          `in, going by ${file}.`,
        "Restore a newer backup; or run `palyrad run --accept-restored-state` once, and revoke again what was revoked since.",
      );
    }
    if (isNoted) return ok("It is as new as what is noted of it outside of its folder.");
    return warning(
      "state_read_only",
      `How new the state is, is noted in none of ${files.join(", ")}: a restored backup would not be noticed.`,
      "Make one of them writable for palyrad, or name another file by the setting `state.generation_file`.",
    );
  };
  return { name: "generation", examine };
}
