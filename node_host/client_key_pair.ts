import { getLogger } from "@logtape/logtape";
import { certificateChainToPem, pemToDers } from "../identity/pem.ts";
import type { SecretStore } from "../identity/secret_store.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { isCertificateOfKey } from "./node_credentials.ts";
import { SECRET_NAMES } from "./node_secrets.ts";

const logger = getLogger(["palyra", "node_host", "certificate"]);

/** A client certificate with the key that it certifies. Prints without the key. */
export interface ClientKeyPair {
  readonly tlsKey: TlsKey;
  readonly certificatePem: string;
}

/** The pair's text, as the files hold it. */
interface KeyPairText {
  readonly keyPem: string;
  readonly certificatePem: string;
  /** CAs that are to be trusted together with it; undefined where those that are trusted stay. */
  readonly trustedCaPem: string | undefined;
}

/** In the one file, between the certificate and the CAs. PEM readers pass it over. */
const TRUSTED_CAS = "Trusted CAs:\n";

/** What a {@linkcode ClientKeyPairStore} needs of a {@linkcode SecretStore}. */
export type SecretFiles = Pick<SecretStore, "read" | "write" | "delete">;

/**
 * Key and client certificate, in two files that are replaced together. A new pair is first written into one file, as a
 * whole; that write is the switch. Afterwards it is put into its two places, and the one file goes. Whoever reads finds
 * that file after a crash and does the rest, so at every moment there is one matching pair: the old or the new. CAs that
 * are to be trusted from then on may be replaced in the same step.
 */
export class ClientKeyPairStore {
  readonly #files: SecretFiles;

  constructor(files: SecretFiles) {
    this.#files = files;
  }

  /**
   * The pair, after a switch that a crash has cut short was finished; undefined when a file is missing. Rejects with
   * `state_damaged` when the key is none. Whether the two belong together is for `NodeCredentials.of` to say.
   */
  async read(): Promise<ClientKeyPair | undefined> {
    await this.#finishSwitch();
    const [keyPem, certificatePem] = await Promise.all([
      this.#readText(SECRET_NAMES.tlsKey),
      this.#readText(SECRET_NAMES.clientCertificate),
    ]);
    if (keyPem === undefined || certificatePem === undefined) return undefined;
    return { tlsKey: await TlsKey.fromPem(keyPem), certificatePem };
  }

  /**
   * Replaces the pair, and with it the trusted CAs where `trustedCaPem` is given; the new ones are on the disk when this
   * resolves. After a rejection all are the old or all the new.
   */
  async replace({ tlsKey, certificatePem }: ClientKeyPair, trustedCaPem?: string): Promise<void> {
    const pair: KeyPairText = { keyPem: await tlsKey.toPem(), certificatePem, trustedCaPem };
    const trusted = trustedCaPem === undefined ? "" : TRUSTED_CAS + trustedCaPem;
    await this.#writeText(SECRET_NAMES.nextKeyPair, pair.keyPem + pair.certificatePem + trusted);
    await this.#putInPlace(pair);
  }

  async #finishSwitch(): Promise<void> {
    const text = await this.#readText(SECRET_NAMES.nextKeyPair);
    if (text === undefined) return;
    const pair = await parsePair(text);
    if (pair !== undefined) return await this.#putInPlace(pair);
    // Not from a crash, for it was written as a whole. What lies in the two places may still be good.
    logger.warning(
      "{file} is damaged and was removed: the certificate that it held is lost. If the earlier one is refused, pair " +
        "this machine again with `palyra-node pair --force`.",
      { file: SECRET_NAMES.nextKeyPair },
    );
    await this.#files.delete(SECRET_NAMES.nextKeyPair);
  }

  async #putInPlace({ keyPem, certificatePem, trustedCaPem }: KeyPairText): Promise<void> {
    await this.#writeText(SECRET_NAMES.tlsKey, keyPem);
    await this.#writeText(SECRET_NAMES.clientCertificate, certificatePem);
    if (trustedCaPem !== undefined) await this.#writeText(SECRET_NAMES.trustedCa, trustedCaPem);
    await this.#files.delete(SECRET_NAMES.nextKeyPair);
  }

  async #readText(name: string): Promise<string | undefined> {
    const bytes = await this.#files.read(name);
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
  }

  async #writeText(name: string, text: string): Promise<void> {
    await this.#files.write(name, new TextEncoder().encode(text));
  }
}

/** What the one file of a switch holds: the pair, and the CAs to trust with it, where there are any. */
export function splitSwitchFile(text: string): { readonly pairText: string; readonly trustedText: string | undefined } {
  const [pairText = "", trustedText] = text.split(TRUSTED_CAS);
  return { pairText, trustedText };
}

/** Undefined when the text is not a key followed by its own certificate. */
async function parsePair(text: string): Promise<KeyPairText | undefined> {
  try {
    const { pairText, trustedText } = splitSwitchFile(text);
    const tlsKey = await TlsKey.fromPem(pairText);
    const certificatePem = certificateChainToPem(pemToDers(pairText));
    const trustedCaPem = trustedText && certificateChainToPem(pemToDers(trustedText));
    if (!isCertificateOfKey(certificatePem, tlsKey)) return undefined;
    return { keyPem: await tlsKey.toPem(), certificatePem, trustedCaPem };
  } catch {
    return undefined;
  }
}
