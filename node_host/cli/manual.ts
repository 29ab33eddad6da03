import type { Manual } from "../../transport/program/manual_page.ts";
import { NODE_SETTINGS } from "../node_config.ts";

/** What `palyra-node help` says beside what the commands say of themselves. */
export const MANUAL: Manual = {
  settings: NODE_SETTINGS.settings,
  files: [
    [
      "STATE",
      "The folder `node-host` in --state-root, else in PALYRA_STATE_ROOT, else in the platform's usual place for state; " +
      "`palyra-node config show --json` names it. Its owner alone can read it.",
    ],
    ["STATE/palyra.toml", "The configuration, unless --config or PALYRA_CONFIG names another file."],
    ["STATE/node-host.json", "Which device this is, and where its daemon is reached."],
    ["STATE/remembered-answers.json", "The answers that you wanted remembered; `palyra-node requests remembered`."],
    [
      "STATE/requests.sock",
      "Where `palyra-node requests` reaches the process that runs; nobody else can open it. On Windows, and where the " +
      "folder's path is too long for a socket, requests-endpoint.json with a loopback port and a secret.",
    ],
    ["STATE/secrets/", "This device's keys and certificate. Whoever has them is this device."],
    ["STATE/node-host-process.json", "The process that runs."],
    ["STATE/node-host-status.json", "How it stands to its daemon; what `palyra-node status` reads."],
  ],
  variables: [
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
