import assert from "node:assert/strict";
import { Chance } from "../harness/chance.ts";
import { type Conversation, readCorpus } from "./datagram_corpus.ts";
import { mutate, MUTATION_KINDS } from "./datagram_mutation.ts";
import { LONG_TYPE, readLongHeader } from "./long_header.ts";

const corpus = await readCorpus();

function hexOf(seed: number, from: readonly Conversation[], count: number): string[] {
  const chance = new Chance(seed);
  return Array.from({ length: count }, () => mutate(chance, from))
    .flatMap(({ kind, datagrams }) => datagrams.map((datagram) => `${kind} ${datagram.toHex()}`));
}

Deno.test("readCorpus() has whole handshakes with a Retry, and requests behind them", () => {
  const types = corpus.flatMap((conversation) =>
    conversation.map((datagram) => readLongHeader(datagram)?.type ?? "short")
  );
  for (const type of [LONG_TYPE.initial, LONG_TYPE.handshake, LONG_TYPE.retry, "short"] as const) {
    assert.ok(types.includes(type), `${type}`);
  }
});

Deno.test("mutate() does the same for the same seed and something else for another", () => {
  assert.deepEqual(hexOf(7, corpus, 200), hexOf(7, corpus, 200));
  assert.notDeepEqual(hexOf(7, corpus, 200), hexOf(8, corpus, 200));
});

Deno.test("mutate() makes what was not in the corpus, for each kind but those that only repeat", () => {
  const known = new Set(corpus.flat().map((datagram) => datagram.toHex()));
  const chance = new Chance(1);
  for (const kind of MUTATION_KINDS) {
    const sent = Array.from({ length: 50 }, () => mutate(chance, corpus, kind).datagrams).flat();
    assert.ok(sent.length >= 50);
    const repeats = ["replayed", "duplicated", "reordered"].includes(kind);
    const changed = sent.filter((datagram) => !known.has(datagram.toHex())).length;
    assert.ok(repeats ? changed === 0 : changed > 25, `${kind}: ${changed}`);
  }
});

Deno.test("mutate() keeps the header readable where it changes one field of it only", () => {
  const chance = new Chance(2);
  const versions = Array.from({ length: 50 }, () => mutate(chance, corpus, "version").datagrams[0] ?? assert.fail());
  assert.ok(new Set(versions.map((datagram) => readLongHeader(datagram)?.version)).size > 5);
  const early = Array.from({ length: 50 }, () => mutate(chance, corpus, "zeroRtt").datagrams[0] ?? assert.fail());
  const zeroRtt = early.filter((datagram) => readLongHeader(datagram)?.type === LONG_TYPE.zeroRtt);
  assert.ok(zeroRtt.length > 25, `${zeroRtt.length}`);
});
