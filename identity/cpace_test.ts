import assert from "node:assert/strict";
import { ristretto255 } from "@noble/curves/ed25519.js";
import { cpaceGenerator, CpaceParty, type CpaceRole, cpaceSharedPoint } from "./cpace.ts";
import { PalyraError } from "./palyra_error.ts";

// draft-irtf-cfrg-cpace, test vectors, group ristretto255 with SHA-512.
const VECTOR = {
  PRS: "50617373776F7264",
  CI: "0B415F696E69746961746F720B425F726573706F6E646572",
  sid: "7E4B4791D6A8EF019B936C79FB7F2C57",
  g: "222B6B195FE84B1652BADB6F6A3AE3D24341E7306967F0B8115B40D5698C7E56",
  ya: "DA3D23700A9E5699258AEF94DC060DFDA5EBB61F02A5EA77FAD53F4FF0976D08",
  ADa: "414461",
  Ya: "D6BAC480F2C386C394EFC7C47ADB9925DCD2630B64F240C50F8D0EEC482B9157",
  yb: "D2316B454718C35362D83D69DF6320F38578ED5984651435E2949762D900B80D",
  ADb: "414462",
  Yb: "3EA7E0B19560D7C0B0F5734F63B955286DFA8232B5EBE63324E2D9E7433F7258",
  K: "80B69A8A76457AB6A4D7F887A4BF6B55A2F80AC19C333F917A05FC9887C8B40F",
  ISK: "B69EFFBF61B51D56401C0F65601ABE428DE8206FEAAF0E32198896DCAE7B35CD" +
    "2B38950A39DFD5D4A79164614C2984F7DAA460B588C1E80C3FA2068AF7900447",
};
const POINTS = {
  s: "7CD0E075FA7955BA52C02759A6C90DBBFC10E6D40AEA8D283E407D88CF538A05",
  X: "2C3C6B8C4F3800E7AEF6864025B4ED79BD599117E427C41BD47D93D654B4A51C",
  product: "7C13645FE790A468F62C39BEB7388E541D8405D1ADE69D1778C5FE3E7F6B600E",
  notEncoding: "2B3C6B8C4F3800E7AEF6864025B4ED79BD599117E427C41BD47D93D654B4A51C",
  identity: "0000000000000000000000000000000000000000000000000000000000000000",
};

const bytes = (hex: string): Uint8Array => Uint8Array.fromHex(hex);
const scalar = (hex: string): bigint => BigInt(`0x${bytes(hex).reverse().toHex()}`);
const upper = (value: Uint8Array): string => value.toHex().toUpperCase();

/** A party whose scalar is the vector's: the sampling adds one, modulo the order less one. */
function party(role: CpaceRole, scalarHex: string, password: string, associatedData: string): CpaceParty {
  const wide = bytes((scalar(scalarHex) - 1n).toString(16).padStart(128, "0")).reverse();
  return CpaceParty.start({
    role,
    password: bytes(password),
    channel: bytes(VECTOR.CI),
    sessionId: bytes(VECTOR.sid),
    associatedData: bytes(associatedData),
    random: () => wide,
  });
}

function refusesShare(run: () => unknown): void {
  assert.throws(run, (error) => error instanceof PalyraError && error.code === "invalid_pairing_message");
}

Deno.test("cpaceGenerator() and cpaceSharedPoint() match the draft when given its vector", () => {
  assert.equal(upper(cpaceGenerator(bytes(VECTOR.PRS), bytes(VECTOR.CI), bytes(VECTOR.sid))), VECTOR.g);
  assert.equal(upper(cpaceSharedPoint(scalar(VECTOR.ya), bytes(VECTOR.Yb))), VECTOR.K);
  assert.equal(upper(cpaceSharedPoint(scalar(VECTOR.yb), bytes(VECTOR.Ya))), VECTOR.K);
  assert.equal(upper(cpaceSharedPoint(scalar(POINTS.s), bytes(POINTS.X))), POINTS.product);
});

Deno.test("CpaceParty.finish() gives both sides the draft's session key when they hold its inputs", () => {
  const initiator = party("initiator", VECTOR.ya, VECTOR.PRS, VECTOR.ADa);
  const responder = party("responder", VECTOR.yb, VECTOR.PRS, VECTOR.ADb);
  assert.equal(upper(initiator.share), VECTOR.Ya);
  assert.equal(upper(responder.share), VECTOR.Yb);
  const a = initiator.finish(responder.share, bytes(VECTOR.ADb));
  const b = responder.finish(initiator.share, bytes(VECTOR.ADa));
  assert.equal(upper(a.sessionKey), VECTOR.ISK);
  assert.equal(upper(b.sessionKey), VECTOR.ISK);
  assert.deepEqual(a.ownTag, b.expectedPeerTag);
  assert.deepEqual(b.ownTag, a.expectedPeerTag);
  assert.notDeepEqual(a.ownTag, b.ownTag);
  assert.throws(() => initiator.finish(responder.share, bytes(VECTOR.ADb)), /once/);
});

Deno.test("CpaceParty.finish() gives tags that do not match when password or associated data differ", () => {
  const run = (password: string, seenByInitiator: string): boolean => {
    const initiator = party("initiator", VECTOR.ya, VECTOR.PRS, VECTOR.ADa);
    const responder = party("responder", VECTOR.yb, password, VECTOR.ADb);
    const a = initiator.finish(responder.share, bytes(seenByInitiator));
    const b = responder.finish(initiator.share, bytes(VECTOR.ADa));
    return b.ownTag.toHex() === a.expectedPeerTag.toHex() || a.ownTag.toHex() === b.expectedPeerTag.toHex();
  };
  assert.ok(run(VECTOR.PRS, VECTOR.ADb));
  assert.ok(!run("50617373776F7265", VECTOR.ADb));
  assert.ok(!run(VECTOR.PRS, "414463"));
});

Deno.test("CpaceParty.finish() refuses when the share is no encoding, the identity, short, or reflected", () => {
  for (const share of [POINTS.notEncoding, POINTS.identity, "00", "", "FF".repeat(32)]) {
    refusesShare(() => cpaceSharedPoint(scalar(POINTS.s), bytes(share)));
    refusesShare(() => party("initiator", VECTOR.ya, VECTOR.PRS, VECTOR.ADa).finish(bytes(share), bytes(VECTOR.ADb)));
  }
  const party1 = party("initiator", VECTOR.ya, VECTOR.PRS, VECTOR.ADa);
  refusesShare(() => party1.finish(party1.share, bytes(VECTOR.ADb)));
});

Deno.test("CpaceParty.start() keeps the scalar in range when the randomness is extreme", () => {
  for (const byte of [0x00, 0xff]) {
    const extreme = CpaceParty.start({
      role: "initiator",
      password: bytes(VECTOR.PRS),
      channel: new Uint8Array(0),
      sessionId: new Uint8Array(0),
      associatedData: new Uint8Array(0),
      random: (length) => new Uint8Array(length).fill(byte),
    });
    assert.ok(!ristretto255.Point.fromBytes(extreme.share).is0());
  }
});
