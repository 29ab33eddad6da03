import { type CertificateFacts, parseCertificateFacts, verifyIssuedBy } from "../../identity/certificate_facts.ts";
import { DeviceIdentity } from "../../identity/device_identity.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { certificateChainToPem, pemToDers } from "../../identity/pem.ts";
import type { SecretView } from "../../identity/secret_view.ts";
import { TlsKey } from "../../identity/tls_key.ts";
import type { UnixMs } from "../../identity/unix_ms.ts";
import { splitSwitchFile } from "../client_key_pair.ts";
import { NodeCredentials } from "../node_credentials.ts";
import type { NodeHostRecord } from "../node_host_record.ts";
import { SECRET_NAMES } from "../node_secrets.ts";

/** What a finished pairing has left in the state folder, read without changing anything there. */
export interface PairingFiles {
  readonly credentials: NodeCredentials;
  readonly facts: CertificateFacts;
}

const PAIR_AGAIN = "pair this machine again with `palyra-node pair --force`, or restore the folder from a backup";

/**
 * Reads keys, certificate and CAs, and holds them against each other. The CA that was pinned when the machine was paired may
 * be gone since: a daemon changes its CA. Rejects with `state_damaged`, `state_read_only` or `permission_missing`.
 */
export async function readPairingFiles(secrets: SecretView, record: NodeHostRecord): Promise<PairingFiles> {
  const text = (name: string) => secrets.readText(name);
  const [identityText, pair, trustedText] = await Promise.all([
    text(SECRET_NAMES.deviceIdentity),
    readKeyPair(text),
    text(SECRET_NAMES.trustedCa),
  ]);
  const trustedCaPem = pair?.trustedCaPem ?? trustedText;
  if (identityText === undefined || pair === undefined || trustedCaPem === undefined) {
    const missing = [
      identityText === undefined ? SECRET_NAMES.deviceIdentity : [],
      pair === undefined ? `${SECRET_NAMES.tlsKey} or ${SECRET_NAMES.clientCertificate}` : [],
      trustedCaPem === undefined ? SECRET_NAMES.trustedCa : [],
    ].flat();
    throw damaged(`In ${secrets.folder}, ${missing.join(" and ")} is missing`);
  }
  const identity = DeviceIdentity.fromStored(parseJson(identityText));
  if (identity.deviceId !== record.deviceId) {
    throw damaged("The device's key is another device's than the record names");
  }
  const tlsKey = await TlsKey.fromPem(pair.keyPem);
  const credentials = await NodeCredentials.of({
    identity,
    tlsKey,
    certificatePem: pair.certificatePem,
    trustedCaPem,
  });
  const facts = parseCertificateFacts(pair.certificatePem);
  await requireTrustedIssuer(credentials, facts.notBefore);
  return { credentials, facts };
}

interface KeyPairText {
  readonly keyPem: string;
  readonly certificatePem: string;
  /** What is to be trusted together with it, in place of what is now. */
  readonly trustedCaPem?: string | undefined;
}

/** The new pair, where a crash has cut a renewal short: the next start takes it. */
async function readKeyPair(text: (name: string) => Promise<string | undefined>): Promise<KeyPairText | undefined> {
  const [next, keyPem, certificatePem] = await Promise.all([
    text(SECRET_NAMES.nextKeyPair),
    text(SECRET_NAMES.tlsKey),
    text(SECRET_NAMES.clientCertificate),
  ]);
  const pair = next === undefined ? undefined : parsePair(next);
  if (pair !== undefined) return pair;
  return keyPem === undefined || certificatePem === undefined ? undefined : { keyPem, certificatePem };
}

/** Undefined for what the next start would throw away. */
function parsePair(text: string): KeyPairText | undefined {
  try {
    const { pairText, trustedText } = splitSwitchFile(text);
    return { keyPem: pairText, certificatePem: certificateChainToPem(pemToDers(pairText)), trustedCaPem: trustedText };
  } catch {
    return undefined;
  }
}

async function requireTrustedIssuer(
  { certificatePem, trustedCaPem }: NodeCredentials,
  validFrom: UnixMs,
): Promise<void> {
  const authorities = dersOf(trustedCaPem);
  const [leaf = new Uint8Array()] = dersOf(certificatePem);
  const judged = await Promise.all(authorities.map((der) => verifyIssuedBy(leaf, der, validFrom, "client")));
  // When it is valid is for another check to say.
  if (judged.every((refusal) => refusal?.code === "certificate_untrusted")) {
    throw damaged(`The certificate was not issued by a CA of ${SECRET_NAMES.trustedCa}`);
  }
}

function dersOf(pem: string): Uint8Array[] {
  try {
    return pemToDers(pem);
  } catch {
    throw damaged(`${SECRET_NAMES.trustedCa} cannot be read as certificates`);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message may quote a private key.
    return undefined;
  }
}

function damaged(what: string): PalyraError {
  return new PalyraError("state_damaged", `${what}; ${PAIR_AGAIN}.`);
}
