import { secureRandomBytes } from "../../identity/random_bytes.ts";

// Crockford's base32 in lower case: nothing in it is taken for another character.
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH = 6;

/** What {@linkcode newShortId} makes. */
export const SHORT_ID = /^[0-9a-hjkmnp-tv-z]{6}$/;

/** A random name of six characters, for people to type, that is not `taken`. Nobody else can choose or foretell it. */
export function newShortId(taken: (id: string) => boolean): string {
  for (;;) {
    const id = Array.from(secureRandomBytes(LENGTH), (byte) => ALPHABET[byte % ALPHABET.length]).join("");
    if (!taken(id)) return id;
  }
}
