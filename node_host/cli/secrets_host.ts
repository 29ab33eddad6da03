import type { SecretsHost } from "../../transport/program/sealing/secrets_command.ts";
import { SECRETS_FOLDER } from "../node_secrets.ts";
import { configForShortVerb } from "./shared_options.ts";

/** Whose secrets `palyra-node secrets …` is about. */
export const SECRETS_HOST: SecretsHost = {
  program: "palyra-node",
  secretsFolder: SECRETS_FOLDER,
  stateFolder: async (options) => (await configForShortVerb(options)).stateFolder,
};
