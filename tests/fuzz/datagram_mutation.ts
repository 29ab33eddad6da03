import { concat, extend, flipBits, moveBytes, splice, truncate } from "./byte_mutation.ts";
import type { Chance } from "../harness/chance.ts";
import type { Conversation } from "./datagram_corpus.ts";
import { LONG_TYPE, type LongHeader, readLongHeader, varint } from "./long_header.ts";

/** Longest datagram that fits into UDP over IPv4. */
const MAX_DATAGRAM_BYTES = 65_507;

/** What is sent instead of what was recorded: one datagram or a few, to be sent in order. */
export interface Mutation {
  readonly kind: MutationKind;
  readonly datagrams: readonly Uint8Array[];
}

type Mutate = (chance: Chance, corpus: readonly Conversation[]) => Uint8Array[];

/** A datagram of `corpus`, more often one with a long header. */
function any(chance: Chance, corpus: readonly Conversation[]): Uint8Array {
  return chance.one(chance.one(corpus));
}

/** Changes a datagram with a long header; undefined from `change`, or without such a header, flips bits instead. */
function withHeader(
  change: (chance: Chance, datagram: Uint8Array, header: LongHeader) => Uint8Array | undefined,
): Mutate {
  return (chance, corpus) => {
    for (let tries = 0; tries < 8; tries++) {
      const datagram = any(chance, corpus);
      const header = readLongHeader(datagram);
      const changed = header && change(chance, datagram, header);
      if (changed !== undefined) return [changed];
    }
    return [flipBits(chance, any(chance, corpus))];
  };
}

const MUTATIONS = {
  flipped: (chance, corpus) => [flipBits(chance, any(chance, corpus))],
  truncated: (chance, corpus) => [truncate(chance, any(chance, corpus))],
  extended: (chance, corpus) => [extend(chance, any(chance, corpus), chance.oneIn(50) ? 60_000 : 300)],
  spliced: (chance, corpus) => [splice(chance, any(chance, corpus), any(chance, corpus))],
  moved: (chance, corpus) => [moveBytes(chance, any(chance, corpus))],
  coalesced: (chance, corpus) => [
    concat(...Array.from({ length: chance.between(2, 8) }, () => any(chance, corpus))),
  ],
  duplicated: (chance, corpus) => new Array<Uint8Array>(chance.between(2, 5)).fill(any(chance, corpus)),
  reordered: (chance, corpus) => {
    const conversation = chance.one(corpus);
    const from = chance.below(conversation.length);
    return chance.shuffled(conversation.slice(from, from + 6));
  },
  length: withHeader((chance, datagram, { length }) => {
    if (length === undefined) return undefined;
    const lie = varint(chance.one([0, 1, 3, 19, 20, 63, 16_383, 2 ** 30 - 1, 2 ** 52, chance.below(2_000)]));
    return concat(datagram.subarray(0, length.at), lie, datagram.subarray(length.at + length.bytes.length));
  }),
  version: withHeader((chance, datagram) => {
    const changed = datagram.slice();
    // Version Negotiation, 2, a draft, one that is reserved to exercise negotiation, any.
    const version = chance.one([0, 0x6b3343cf, 0xff00001d, 0x1a2a3a4a, chance.below(2 ** 32)]);
    new DataView(changed.buffer).setUint32(1, version);
    return changed;
  }),
  type: withHeader((chance, datagram) => {
    const changed = datagram.slice();
    changed[0] = 0x80 | chance.below(128);
    return changed;
  }),
  zeroRtt: withHeader((_, datagram, { type, restAt, token }) => {
    if (type !== LONG_TYPE.initial || token === undefined) return undefined;
    const lengthAt = token.at + token.bytes.length;
    const early = concat(
      datagram.subarray(0, token.at - 1),
      datagram.subarray(lengthAt, restAt),
      datagram.subarray(restAt),
    );
    early[0] = ((early[0] ?? 0) & 0xcf) | (LONG_TYPE.zeroRtt << 4);
    return early;
  }),
  ids: withHeader((chance, datagram, { destinationId, sourceId }) => {
    const id = () =>
      chance.oneIn(3) ? chance.one([destinationId.bytes, sourceId.bytes]) : chance.bytes(chance.below(24));
    const [first, second] = [id(), id()];
    // Now and then a length that is not true.
    const told = (bytes: Uint8Array) => Uint8Array.of(chance.oneIn(5) ? chance.one([0, 20, 21, 255]) : bytes.length);
    const rest = datagram.subarray(sourceId.at + sourceId.bytes.length);
    return concat(datagram.subarray(0, 5), told(first), first, told(second), second, rest);
  }),
  token: withHeader((chance, datagram, { type, sourceId, token }) => {
    if (type !== LONG_TYPE.initial || token === undefined) return undefined;
    const other = chance.oneIn(2) ? flipBits(chance, token.bytes) : chance.bytes(chance.one([0, 1, 24, 25, 44, 200]));
    const told = chance.oneIn(4) ? chance.one([0, 63, 1_000, 16_383, 2 ** 30 - 1, 2 ** 52]) : other.length;
    return concat(
      datagram.subarray(0, sourceId.at + sourceId.bytes.length),
      varint(told),
      other,
      datagram.subarray(token.at + token.bytes.length),
    );
  }),
  // A packet with a short header for a connection id that was in use: key update, migration, stateless reset.
  shortHeader: withHeader((chance, _, { destinationId, sourceId }) =>
    concat(
      Uint8Array.of(chance.oneIn(4) ? chance.below(128) : 0x40 | chance.below(64)),
      chance.one([destinationId.bytes, sourceId.bytes]),
      chance.bytes(chance.below(1_300)),
    )
  ),
  noise: (chance) => [chance.bytes(chance.one([0, 1, 4, 6, 7, 20, 21, 26, 40, 1_199, 1_200, chance.below(1_500)]))],
  replayed: (chance, corpus) => [any(chance, corpus)],
} satisfies Record<string, Mutate>;

/** What is done to a datagram. */
export type MutationKind = keyof typeof MUTATIONS;

/** Every kind of mutation. */
export const MUTATION_KINDS = Object.keys(MUTATIONS) as readonly MutationKind[];

/** The next thing to send; the same for the same seed and corpus. */
export function mutate(
  chance: Chance,
  corpus: readonly Conversation[],
  kind: MutationKind = chance.one(MUTATION_KINDS),
): Mutation {
  const datagrams = MUTATIONS[kind](chance, corpus).map((datagram) => datagram.subarray(0, MAX_DATAGRAM_BYTES));
  return { kind, datagrams };
}
