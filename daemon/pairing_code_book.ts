import type { ClientKind } from "../identity/client_kind.ts";
import type { CanonicalUlid } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import type { PairingCodeRecord, PairingTryRecord } from "./store/pairing_record.ts";
import type { StoreTransaction } from "./store/store.ts";

/** A code that may be tried: its key is still there. */
export type LivePairingCode = PairingCodeRecord & { readonly key: Uint8Array };

/** Which code a device says it holds; a PIN names none, as only one is live at a time. */
export type HeldCode = { readonly method: "qr"; readonly codeId: CanonicalUlid } | { readonly method: "pin" };

const MINT_ANOTHER = "Ask for a new one: `palyrad pairing code`.";

function refusal(code: PairingCodeRecord | undefined, now: UnixMs): PalyraError | undefined {
  if (code === undefined) {
    return new PalyraError("pairing_code_unknown", `This daemon has no such pairing code. ${MINT_ANOTHER}`);
  }
  switch (code.state) {
    case "spent":
      return new PalyraError("pairing_code_spent", `This pairing code has been used already. ${MINT_ANOTHER}`);
    case "dead":
      return new PalyraError("pairing_code_dead", `This pairing code was tried wrongly too often. ${MINT_ANOTHER}`);
    case "replaced":
      return new PalyraError("pairing_code_unknown", `A newer PIN has taken this one's place. ${MINT_ANOTHER}`);
    case "expired":
      return new PalyraError("pairing_code_expired", `This pairing code has expired. ${MINT_ANOTHER}`);
    case "live":
      if (code.expiresAt <= now) {
        return new PalyraError("pairing_code_expired", `This pairing code has expired. ${MINT_ANOTHER}`);
      }
      if (code.triesLeft === 0) {
        return new PalyraError("pairing_code_dead", `This pairing code was tried wrongly too often. ${MINT_ANOTHER}`);
      }
      return undefined;
  }
}

function live(code: PairingCodeRecord | undefined, now: UnixMs): LivePairingCode {
  const refused = refusal(code, now);
  if (refused !== undefined) throw refused;
  if (code?.key === undefined) throw new PalyraError("state_damaged", "A live pairing code has lost its key.");
  return { ...code, key: code.key };
}

/** The code a device holds, if it may be tried now for `clientKind`; throws the reason why not. */
export async function findLiveCode(
  tx: StoreTransaction,
  held: HeldCode,
  clientKind: ClientKind,
  now: UnixMs,
): Promise<LivePairingCode> {
  const record = held.method === "qr"
    ? await tx.pairing.getCode(held.codeId)
    : (await tx.pairing.listLiveCodes()).find((code) => code.method === "pin");
  if (held.method === "pin" && record === undefined) {
    throw new PalyraError("pairing_code_unknown", "No PIN is live. Ask for one: `palyrad pairing code --pin`.");
  }
  if (record !== undefined && record.method !== held.method) {
    throw new PalyraError("pairing_code_unknown", `This daemon has no such pairing code. ${MINT_ANOTHER}`);
  }
  const code = live(record, now);
  if (code.clientKind !== clientKind) {
    throw new PalyraError(
      "invalid_argument",
      `This pairing code admits a ${code.clientKind}, not a ${clientKind}. Mint one with --kind ${clientKind}.`,
    );
  }
  return code;
}

/**
 * Takes one try off a code before anything is verified, so that no crash and no parallel session gives a guess for
 * free. Throws the reason when none may be made.
 */
export async function spendTry(tx: StoreTransaction, codeId: CanonicalUlid, now: UnixMs): Promise<void> {
  const code = live(await tx.pairing.getCode(codeId), now);
  await tx.pairing.setTriesLeft(codeId, code.triesLeft - 1);
}

/** Writes a failed try down for the operator; the last one ends the code, and the answer is true. */
export async function recordFailedTry(tx: StoreTransaction, failed: PairingTryRecord): Promise<boolean> {
  await tx.pairing.insertTry(failed);
  const code = await tx.pairing.getCode(failed.codeId);
  if (code?.state !== "live" || code.triesLeft > 0) return false;
  await tx.pairing.endCode(failed.codeId, "dead");
  return true;
}

/** Uses a code up; throws when another pairing was faster, or its time ran out. */
export async function consumeCode(
  tx: StoreTransaction,
  codeId: CanonicalUlid,
  now: UnixMs,
): Promise<PairingCodeRecord> {
  const code = await tx.pairing.getCode(codeId);
  // The try that is being answered has been taken off already, so none left is no reason to refuse it.
  const refused = refusal(code && { ...code, triesLeft: Math.max(1, code.triesLeft) }, now);
  if (refused !== undefined) throw refused;
  if (code === undefined) throw new PalyraError("pairing_code_unknown", "The pairing code is gone.");
  await tx.pairing.endCode(codeId, "spent");
  return code;
}

/** Ends the codes whose time is over; returns those still live. */
export async function sweepCodes(tx: StoreTransaction, now: UnixMs): Promise<PairingCodeRecord[]> {
  const codes = await tx.pairing.listLiveCodes();
  const over = codes.filter((code) => code.expiresAt <= now);
  await Promise.all(over.map((code) => tx.pairing.endCode(code.codeId, "expired")));
  return codes.filter((code) => code.expiresAt > now);
}
