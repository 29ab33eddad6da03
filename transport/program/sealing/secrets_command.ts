import { join } from "node:path";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { processSealingKey } from "../../../identity/process_sealing_key.ts";
import { resealSecrets, type SealingChange, sealSecrets, unsealSecrets } from "../../../identity/sealing_change.ts";
import type { SealingKey } from "../../../identity/sealing_key.ts";
import { type SealingStatus, sealingStatus } from "../../../identity/sealing_status.ts";
import { type CliCommand, type CliExample, newCommand } from "../cli_command.ts";
import { print, printJson, reportLine } from "../cli_output.ts";
import { StateLock } from "../state_lock.ts";
import { tableLines } from "../terminal_table.ts";
import { readSealingKeyFile, SEALING_CREDENTIAL, SEALING_KEY_FILE_VARIABLE } from "./given_sealing_key.ts";

/** What tells a program where its state is. */
export interface SecretsCommandOptions {
  readonly stateRoot?: string | undefined;
  readonly config?: string | undefined;
}

/** The program whose secrets `secrets …` is about. */
export interface SecretsHost {
  readonly program: "palyrad" | "palyra-node";
  /** The folder of the secrets in the state folder. */
  readonly secretsFolder: string;
  /** Rejects with `invalid_config`. */
  readonly stateFolder: (options: SecretsCommandOptions) => Promise<string>;
}

/** `palyrad secrets …` and `palyra-node secrets …` */
export function secretsCommand(host: SecretsHost): CliCommand {
  return newCommand(
    "secrets",
    "How the private keys lie on the disk: in plain, or sealed with a key that lies elsewhere.",
  )
    .addCommand(statusCommand(host))
    .addCommand(sealCommand(host))
    .addCommand(rekeyCommand(host))
    .addCommand(unsealCommand(host));
}

function statusCommand(host: SecretsHost): CliCommand {
  const { program } = host;
  const command = verb("status", "Show whether the secrets are sealed, and with which key.", [
    { command: `${program} secrets status`, explanation: "while it runs, too; needs no key" },
  ]);
  command.action(async (options) => {
    const stateFolder = await host.stateFolder(options);
    const folder = await secretsOf(host, stateFolder);
    const given = await processSealingKey();
    const status = await sealingStatus(folder, given);
    if (options.json === true) printJson(statusJson(folder, status, given));
    else for (const line of statusLines(folder, status, given)) print(line);
  });
  return command;
}

function sealCommand(host: SecretsHost): CliCommand {
  const { program } = host;
  const command = verb("seal", "Seal every secret with the key that is given; to be repeated when it is interrupted.", [
    {
      command: "head -c 32 /dev/urandom | base64 | sudo install -m 600 /dev/stdin /etc/palyra-sealing-key",
      explanation: "make a key; keep a copy elsewhere",
    },
    {
      command: `sudo ${SEALING_KEY_FILE_VARIABLE}=/etc/palyra-sealing-key ${program} secrets seal`,
      explanation: `seal with it, while ${program} is stopped`,
    },
  ]);
  command.action(async (options) => {
    const key = await givenKey();
    await change(
      host,
      "seal",
      options,
      (folder) => sealSecrets(key, { folder }),
      () => `sealed with the key ${key.id}`,
    );
  });
  return command;
}

function rekeyCommand(host: SecretsHost): CliCommand {
  const { program } = host;
  const command = verb("rekey", "Seal every secret with another key; to be repeated when it is interrupted.", [
    {
      command: `${program} secrets rekey --new-key-file /etc/palyra-sealing-key.new`,
      explanation: "with the key in use given as ever; afterwards, give the new one",
    },
  ]);
  command.requiredOption("--new-key-file <file>", "file with the key to change to").action(async (options) => {
    const [key, nextKey] = await Promise.all([givenKey(), readSealingKeyFile(options.newKeyFile)]);
    await change(
      host,
      "rekey",
      options,
      (folder) => resealSecrets(key, nextKey, { folder }),
      () => `sealed with the key ${nextKey.id}. From now on, give ${program} that one`,
    );
  });
  return command;
}

function unsealCommand(host: SecretsHost): CliCommand {
  const { program } = host;
  const command = verb("unseal", "Write every secret back in plain; to be repeated when it is interrupted.", [
    { command: `${program} secrets unseal`, explanation: "afterwards, give it no key any more" },
  ]);
  command.action(async (options) => {
    const key = await givenKey();
    await change(
      host,
      "unseal",
      options,
      (folder) => unsealSecrets(key, { folder }),
      () => `in plain. Take the sealing key away from ${program}, which refuses them as long as it is given one`,
    );
  });
  return command;
}

function verb(name: string, description: string, examples: readonly CliExample[]) {
  return newCommand(name, description, examples)
    .option("--state-root <folder>", "where state is kept (PALYRA_STATE_ROOT)")
    .option("--config <file>", "configuration file (PALYRA_CONFIG; default palyra.toml in the state folder)");
}

/** Does a change while no process of the program has the folder. */
async function change(
  host: SecretsHost,
  action: "seal" | "rekey" | "unseal",
  options: SecretsCommandOptions & { readonly json?: true | undefined },
  act: (folder: string) => Promise<SealingChange>,
  outcome: () => string,
): Promise<void> {
  const stateFolder = await host.stateFolder(options);
  const folder = await secretsOf(host, stateFolder);
  using _lock = StateLock.acquire(stateFolder);
  const { secrets, changed } = await act(folder);
  const { keyId, others } = await sealingStatus(folder, undefined);
  if (options.json === true) {
    return printJson({ action, folder, key_id: keyId ?? null, secrets, changed, left_alone: others });
  }
  print(`The ${secrets} secrets in ${folder} are ${outcome()}.`);
  if (changed < secrets) print(`${changed} of them were written; the others had been before.`);
  if (others.length > 0) {
    reportLine(`note: this is no secret of ${host.program} and was left alone: ${others.join(", ")}.`);
  }
}

async function secretsOf({ program, secretsFolder }: SecretsHost, stateFolder: string): Promise<string> {
  const folder = join(stateFolder, secretsFolder);
  try {
    if ((await Deno.stat(folder)).isDirectory) return folder;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  throw new PalyraError(
    "state_not_initialised",
    `There is no state of ${program} in ${stateFolder}. Name its folder with --state-root; where it never ran, give it ` +
      "the sealing key at its first start, and nothing is ever written in plain.",
  );
}

async function givenKey(): Promise<SealingKey> {
  const key = await processSealingKey();
  if (key !== undefined) return key;
  throw new PalyraError(
    "sealing_key_missing",
    `No sealing key was given. Name its file in ${SEALING_KEY_FILE_VARIABLE} (or let systemd give it as the credential ` +
      `${SEALING_CREDENTIAL}).`,
  );
}

function statusJson(folder: string, status: SealingStatus, given: SealingKey | undefined) {
  return {
    folder,
    state: status.state,
    key_id: status.keyId ?? null,
    next_key_id: status.nextKeyId ?? null,
    given_key_id: given?.id ?? null,
    secrets: status.secrets.map(({ name, keyId }) => ({ name, sealed: keyId !== undefined, key_id: keyId ?? null })),
    left_alone: status.others,
  };
}

const STATE_TEXTS: Readonly<Record<SealingStatus["state"], string>> = {
  plain: "in plain: whoever reads the disk, or a backup of it, has them",
  unknown: "sealed; without the key and the marker it cannot be told whether a change was interrupted",
  sealed: "sealed",
  sealing: "being sealed, or that was interrupted; run `secrets seal` again",
  rekeying: "being sealed with another key, or that was interrupted; run `secrets rekey` again",
  unsealing: "being written in plain, or that was interrupted; run `secrets unseal` again",
};

function statusLines(folder: string, status: SealingStatus, given: SealingKey | undefined): string[] {
  const { state, keyId, nextKeyId, secrets, others } = status;
  const facts = [["secrets", STATE_TEXTS[state]], ["folder", folder]];
  if (keyId !== undefined) facts.push(["key", keyId]);
  if (nextKeyId !== undefined) facts.push(["next key", nextKeyId]);
  facts.push(["key given", given === undefined ? "none" : given.id]);
  if (others.length > 0) facts.push(["left alone", others.join(", ")]);
  const rows = secrets.map((secret) => [secret.name, secret.keyId ?? "in plain"]);
  return [
    ...tableLines({ columns: [{ title: "" }, { title: "" }], rows: facts }),
    "",
    ...tableLines({ columns: [{ title: "SECRET" }, { title: "SEALED WITH" }], rows }),
  ];
}
