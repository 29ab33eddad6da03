import { join } from "node:path";
import { readStateText } from "../../transport/program/doctor/state_text.ts";
import { SECRETS_FOLDER } from "../daemon_state.ts";
import type { SecretReader } from "../operator_credentials.ts";

/** The daemon's secrets as they lie there. Opening the secret store would tighten and tidy their folder. */
export function secretView(stateFolder: string): SecretReader {
  const folder = join(stateFolder, SECRETS_FOLDER);
  return {
    folder,
    async read(name) {
      const text = await readStateText(join(folder, name));
      return text === undefined ? undefined : new TextEncoder().encode(text);
    },
  };
}
