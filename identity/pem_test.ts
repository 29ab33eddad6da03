import assert from "node:assert/strict";
import { inspect } from "node:util";
import fc from "fast-check";
import { PalyraError } from "./palyra_error.ts";
import { certificateChainToPem, derToPem, pemToDer, pemToDers } from "./pem.ts";

const invalid = (error: unknown): boolean => error instanceof PalyraError && error.code === "invalid_argument";

Deno.test("pemToDers() gives back the chain when given certificateChainToPem()", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 4 }), (chain) => {
      const pem = certificateChainToPem(chain);
      assert.deepEqual(pemToDers(pem).map((der) => der.toHex()), chain.map((der) => der.toHex()));
      assert.deepEqual(pemToDers(pem.replaceAll("\n", "\r\n")).length, chain.length);
      assert.ok(pem.split("\n").every((line) => line.length <= 64));
    }),
  );
});

Deno.test("pemToDer() passes over other text and labels when looking for one label", () => {
  const pem = `subject=x\n${derToPem(Uint8Array.of(1), "PRIVATE KEY")}noise\n${
    derToPem(Uint8Array.of(2), "CERTIFICATE")
  }`;
  assert.deepEqual(pemToDer(pem), Uint8Array.of(2));
  assert.deepEqual(pemToDer(pem, "PRIVATE KEY"), Uint8Array.of(1));
});

Deno.test("pemToDer() refuses when there is no block, bad base64, or too much text", () => {
  const key = derToPem(Uint8Array.of(1, 2, 3, 4), "PRIVATE KEY");
  assert.throws(() => pemToDer(""), invalid);
  assert.throws(() => pemToDer(key), invalid);
  assert.throws(() => pemToDer(key + " ".repeat(70_000), "PRIVATE KEY"), invalid);
  const broken = key.replace("AQIDBA", "AQID=BA");
  assert.throws(() => pemToDer(broken, "PRIVATE KEY"), (error) => invalid(error) && !inspect(error).includes("AQID"));
});
