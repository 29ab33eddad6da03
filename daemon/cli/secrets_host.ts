import type { SecretsHost } from "../../transport/program/sealing/secrets_command.ts";
import { readDaemonConfig } from "../daemon_config.ts";
import { SECRETS_FOLDER } from "../daemon_state.ts";

/** Whose secrets `palyrad secrets …` is about. */
export const SECRETS_HOST: SecretsHost = {
  program: "palyrad",
  secretsFolder: SECRETS_FOLDER,
  stateFolder: async ({ stateRoot, config }) => {
    const { stateFolder } = await readDaemonConfig({ stateRoot, configFile: config, environment: Deno.env });
    return stateFolder;
  },
};
