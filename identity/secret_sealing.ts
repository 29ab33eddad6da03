import { join } from "node:path";
import { PalyraError } from "./palyra_error.ts";
import { isSealed, openSealedSecret, sealSecret, wrongSealingKey } from "./sealed_secret.ts";
import type { SealingKey, SealingKeySource } from "./sealing_key.ts";
import {
  markerKeyId,
  openMarker,
  readMarkerFile,
  SEALING_MARKER,
  type SealingState,
  writeMarker,
} from "./sealing_marker.ts";
import { systemClock } from "./unix_ms.ts";

/** Where the key of a sealed folder may come from, for messages. */
const GIVE_THE_KEY = "Give it as the systemd credential palyra-sealing-key (`LoadCredential=`), or name its file in " +
  "PALYRA_SEALING_KEY_FILE";

/** Which command goes on with what was interrupted. */
const GO_ON: Readonly<Record<Exclude<SealingState, "sealed">, string>> = {
  sealing: "seal",
  rekeying: "rekey --new-key-file FILE",
  unsealing: "unseal",
};

/**
 * How the secrets of one folder lie there: plain, or sealed with a key. A folder with a marker is sealed, and in it a plain
 * secret is refused. A key that is given means that the secrets are to be sealed: with one, a folder with plain secrets and
 * no marker is refused, and a folder without secrets is sealed from its first one on. So neither removing the marker nor
 * replacing files makes a program that has its key read or write plain text.
 */
export class SecretSealing {
  readonly #folder: string;
  readonly #key: SealingKey | undefined;
  #isMarked: boolean;

  private constructor(folder: string, key: SealingKey | undefined, isMarked: boolean) {
    this.#folder = folder;
    this.#key = key;
    this.#isMarked = isMarked;
  }

  /**
   * Looks at a folder and changes nothing. Rejects with `sealing_key_missing`, `sealing_key_wrong`, `sealing_unfinished`,
   * `secret_not_sealed` or `state_damaged`, and with what `keys` rejects with.
   *
   * @param holdsSecrets whether a secret lies in the folder.
   */
  static async of(folder: string, keys: SealingKeySource, holdsSecrets: boolean): Promise<SecretSealing> {
    const marker = await readMarkerFile(folder);
    const key = await keys();
    if (marker !== undefined) {
      await requireSealed(folder, marker, key);
    } else if (key !== undefined && holdsSecrets) {
      throw new PalyraError(
        "secret_not_sealed",
        `A sealing key was given, and the secrets in ${folder} are not sealed. Run ${
          command("seal")
        }, or take the key ` +
          "away; if they were sealed before, somebody has replaced them: restore a backup.",
      );
    }
    return new SecretSealing(folder, key, marker !== undefined);
  }

  /** The id of the key that secrets are sealed with; undefined where they lie there in plain. */
  get keyId(): string | undefined {
    return this.#key?.id;
  }

  /** A secret from what its file holds. Rejects with `secret_not_sealed`, `sealing_key_wrong` or `state_damaged`. */
  async open(name: string, content: Uint8Array): Promise<Uint8Array> {
    const path = join(this.#folder, name);
    if (isSealed(content)) {
      if (this.#key !== undefined) return await openSealedSecret(this.#key, name, content, path);
      throw sealedWithoutMarker(path);
    }
    if (this.#key === undefined) return content;
    throw new PalyraError(
      "secret_not_sealed",
      `${path} is not sealed, in a folder whose secrets are. Somebody has put it there: restore it from a backup, and ` +
        "find out who can write there.",
    );
  }

  /** What to write for a secret. In a folder to be sealed, the marker is written before the first one. */
  async seal(name: string, secret: Uint8Array): Promise<Uint8Array> {
    if (this.#key === undefined) return secret;
    if (!this.#isMarked) {
      await writeMarker(this.#folder, { state: "sealed", since: systemClock() }, this.#key);
      this.#isMarked = true;
    }
    return await sealSecret(this.#key, name, secret);
  }
}

async function requireSealed(folder: string, marker: Uint8Array, key: SealingKey | undefined): Promise<void> {
  const keyId = markerKeyId(folder, marker);
  if (key === undefined) throw sealingKeyMissing(folder, keyId);
  if (key.id !== keyId) throw wrongSealingKey(folder, keyId, key);
  const { state } = await openMarker(folder, marker, key);
  if (state !== "sealed") throw sealingUnfinished(folder, state);
}

/** What there is to say of a sealed folder whose key was not given. */
export function sealingKeyMissing(folder: string, keyId: string): PalyraError {
  return new PalyraError(
    "sealing_key_missing",
    `The secrets in ${folder} are sealed with the key ${keyId}, and no key was given. ${GIVE_THE_KEY}.`,
  );
}

/** What there is to say of a sealed file in a folder without a marker, to who has no key. */
export function sealedWithoutMarker(path: string): PalyraError {
  return new PalyraError(
    "sealing_key_missing",
    `${path} is sealed, and no sealing key was given. ${GIVE_THE_KEY}; ${SEALING_MARKER} is missing as well: restore it ` +
      "from a backup.",
  );
}

/** What there is to say of a folder in the middle of a change. */
export function sealingUnfinished(folder: string, state: Exclude<SealingState, "sealed">): PalyraError {
  return new PalyraError(
    "sealing_unfinished",
    `A change to how the secrets in ${folder} are sealed was interrupted. Run ${command(GO_ON[state])} again: it ` +
      "goes on where it was.",
  );
}

function command(verb: string): string {
  return `\`palyrad secrets ${verb}\` (on a node \`palyra-node secrets ${verb}\`)`;
}
