const SECRET_WORDS: ReadonlySet<string> = new Set([
  "authorization",
  "cookie",
  "credential",
  "credentials",
  "isk",
  "key",
  "keys",
  "otp",
  "passphrase",
  "password",
  "passwords",
  "passwd",
  "pin",
  "pins",
  "private",
  "secret",
  "secrets",
  "token",
  "tokens",
]);

// A key's or a token's id, name, fingerprint or the like tells the secret from others without being it.
const HARMLESS_LAST_WORDS: ReadonlySet<string> = new Set([
  "algorithm",
  "count",
  "expires",
  "fingerprint",
  "id",
  "kind",
  "length",
  "name",
  "path",
  "type",
]);

/**
 * Whether a property of this name is taken for a secret by its name: any word of it (`pin`, `token`, `key`, `private`, …)
 * counts, in camelCase, snake_case or kebab-case. A public key, a key's id and the like are none; a pairing code is one.
 */
export function isSecretName(name: string): boolean {
  const words = name
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replaceAll(/([A-Z])([A-Z][a-z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "");
  const last = words.at(-1) ?? "";
  if (words.includes("public") || HARMLESS_LAST_WORDS.has(last)) return false;
  if (words.includes("idempotency")) return false;
  return words.some((word) => SECRET_WORDS.has(word)) || (last === "code" && words.includes("pairing"));
}
