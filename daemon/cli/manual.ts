import type { Manual } from "../../transport/program/manual_page.ts";
import { DAEMON_SETTINGS } from "../daemon_config.ts";

/** What `palyrad help` says beside what the commands say of themselves. */
export const MANUAL: Manual = {
  settings: DAEMON_SETTINGS.settings,
  files: [
    [
      "STATE",
      "The folder `palyrad` in --state-root, else in PALYRA_STATE_ROOT, else in the platform's usual place for state; " +
      "`palyrad config show --json` names it. Its owner alone can read it.",
    ],
    ["STATE/palyra.toml", "The configuration, unless --config or PALYRA_CONFIG names another file."],
    ["STATE/palyrad.sqlite", "Devices, requests and their ends, and the audit."],
    ["STATE/audit-head.json", "Up to where the audit is complete, signed: what `palyrad audit verify` goes by."],
    ["STATE/secrets/", "The CA and the certificate of this machine's operator. Whoever has them is the daemon."],
    [
      "STATE/../generations/",
      "How new the state is, by which a restored backup is noticed; `state.generation_file` names another place.",
    ],
    ["STATE/palyrad-process.json", "The process that runs, and where it listens."],
  ],
  variables: [
    ["PALYRA_STATE_ROOT", "As --state-root."],
    ["PALYRA_CONFIG", "As --config."],
    ["PALYRA_SEALING_KEY_FILE", "A file with the key that the secrets are sealed with; `secrets --help`."],
    [
      "PALYRA_SEALING_KEY",
      "That key itself, in base64 or hex. The program takes it out of its environment; a file is the better place.",
    ],
    [
      "PALYRA_SEALING_CREDENTIAL",
      "Name of the systemd credential with that key, where neither is set; `palyra-sealing-key` by default.",
    ],
    ["NO_COLOR", "Set to anything, it keeps colours off."],
  ],
};
