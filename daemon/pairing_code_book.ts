import type { ClientKind } from "../identity/client_kind.ts";
import type { CanonicalUlid, DeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import { strangerActor } from "./audit/audit_act.ts";
import { isNameOf } from "./operator_name.ts";
import type { PairingCodeRecord } from "./store/pairing_record.ts";
import type { StoreTransaction } from "./store/store.ts";

/** A code that may be tried: its key is still there. */
export type LivePairingCode = PairingCodeRecord & { readonly key: Uint8Array };

/** Which code a device says it holds; a PIN names none, as only one is live at a time. */
export type HeldCode = { readonly method: "qr"; readonly codeId: CanonicalUlid } | { readonly method: "pin" };

/** Who tries a code: nothing of it has been verified. */
export interface CodeTrier {
  readonly remoteAddress: string;
  readonly claimedDeviceId: string;
}

/** Why a code may not be tried now, with the cure; undefined when it may. */
function refusal(code: PairingCodeRecord | undefined, now: UnixMs): PalyraError | undefined {
  if (code === undefined) return unknownCode();
  const isPin = code.method === "pin";
  const the = isPin ? "The newest PIN" : "This pairing code";
  const mintAnother = `Ask for a new one: \`palyrad pairing code${isPin ? " --pin" : ""}\`.`;
  const expired = () => new PalyraError("pairing_code_expired", `${the} has expired. ${mintAnother}`);
  const dead = () =>
    new PalyraError(
      "pairing_code_dead",
      `${the} was tried wrongly too often and is dead; \`palyrad pairing list\` shows who tried. ${mintAnother}`,
    );
  switch (code.state) {
    case "spent":
      return new PalyraError("pairing_code_spent", `${the} has been used already. ${mintAnother}`);
    case "dead":
      return dead();
    case "replaced":
      return new PalyraError("pairing_code_unknown", `A newer PIN has taken this one's place. ${mintAnother}`);
    case "expired":
      return expired();
    case "live":
      if (code.expiresAt <= now) return expired();
      return code.triesLeft < 1 ? dead() : undefined;
  }
}

function unknownCode(): PalyraError {
  return new PalyraError(
    "pairing_code_unknown",
    "This daemon has no such pairing code. Ask for a new one: `palyrad pairing code`.",
  );
}

function live(code: PairingCodeRecord | undefined, now: UnixMs): LivePairingCode {
  const refused = refusal(code, now);
  if (refused !== undefined) throw refused;
  if (code?.key === undefined) throw new PalyraError("state_damaged", "A live pairing code has lost its key.");
  return { ...code, key: code.key };
}

/** Stores a fresh code; `replaced` is the PIN that it ends. */
export async function enterCode(
  tx: StoreTransaction,
  code: PairingCodeRecord,
  replaced: PairingCodeRecord | undefined,
): Promise<void> {
  const { codeId, method, clientKind, approve, issuedBy: actor, createdAt, expiresAt } = code;
  if (replaced !== undefined) {
    await tx.pairing.endCode(replaced.codeId, "replaced");
    const details = { by_code_id: codeId };
    await tx.audit.append({ kind: "pairing_code.replaced", actor, subject: replaced.codeId, details }, createdAt);
  }
  await tx.pairing.insertCode(code);
  const details = { method, client_kind: clientKind, approve, expires_at_unix_ms: expiresAt };
  await tx.audit.append({ kind: "pairing_code.minted", actor, subject: codeId, details }, createdAt);
}

/** The code a device holds, if it may be tried now for `clientKind`; throws the reason why not. */
export async function findLiveCode(
  tx: StoreTransaction,
  held: HeldCode,
  clientKind: ClientKind,
  now: UnixMs,
): Promise<LivePairingCode> {
  const record = held.method === "qr" ? await tx.pairing.getCode(held.codeId) : await tx.pairing.newestPin();
  if (held.method === "pin" && record === undefined) {
    throw new PalyraError("pairing_code_unknown", "There is no PIN yet. Ask for one: `palyrad pairing code --pin`.");
  }
  if (record?.method !== held.method) throw unknownCode();
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
 * free. With its last try a code dies at once; {@linkcode consumeCode} takes it all the same if that try is right. The
 * answer is whether it was the last. Throws the reason when none may be made.
 */
export async function spendTry(
  tx: StoreTransaction,
  codeId: CanonicalUlid,
  { remoteAddress, claimedDeviceId }: CodeTrier,
  now: UnixMs,
): Promise<boolean> {
  const { triesLeft } = live(await tx.pairing.getCode(codeId), now);
  await tx.pairing.setTriesLeft(codeId, triesLeft - 1);
  const deed = { actor: strangerActor(remoteAddress), subject: codeId } as const;
  const details = { claimed_device_id: claimedDeviceId, tries_left: triesLeft - 1 };
  await tx.audit.append({ ...deed, kind: "pairing_code.tried", details }, now);
  if (triesLeft > 1) return false;
  await tx.pairing.endCode(codeId, "dead");
  await tx.audit.append({ ...deed, kind: "pairing_code.locked", details: {} }, now);
  return true;
}

/**
 * Uses a code up for a try that {@linkcode spendTry} granted; throws when another pairing was faster, or its time ran
 * out.
 */
export async function consumeCode(
  tx: StoreTransaction,
  codeId: CanonicalUlid,
  now: UnixMs,
): Promise<PairingCodeRecord> {
  const code = await tx.pairing.getCode(codeId);
  if (code === undefined) throw unknownCode();
  // Dead by the last of its tries, and this may be the one.
  const refused = refusal(code.state === "dead" ? { ...code, state: "live", triesLeft: 1 } : code, now);
  if (refused !== undefined) throw refused;
  await tx.pairing.spendCode(codeId);
  return code;
}

/** Ends the codes whose time is over; returns those still live. */
export async function sweepCodes(tx: StoreTransaction, now: UnixMs): Promise<PairingCodeRecord[]> {
  const codes = await tx.pairing.listLiveCodes();
  const over = codes.filter((code) => code.expiresAt <= now);
  await Promise.all(over.map((code) => tx.pairing.endCode(code.codeId, "expired")));
  return codes.filter((code) => code.expiresAt > now);
}

/**
 * Ends the live codes that a device has made as an operator, for it is let in no more: by a code that approves in advance
 * it could let itself in again. Returns how many there were.
 */
export async function endCodesOf(tx: StoreTransaction, operator: DeviceId): Promise<number> {
  const codes = (await tx.pairing.listLiveCodes()).filter(({ issuedBy }) => isNameOf(issuedBy, operator));
  await Promise.all(codes.map((code) => tx.pairing.endCode(code.codeId, "expired")));
  return codes.length;
}
