import assert from "node:assert/strict";
import { parseDeviceDeclaration } from "./device_declaration.ts";
import { PalyraError } from "./palyra_error.ts";

const GOOD = {
  platform: "linux-x86_64",
  deviceName: "Jo's böx 🦊",
  requestedCapabilities: ["echo", "desktop.open_url"],
};

Deno.test("parseDeviceDeclaration() accepts printable text of any script and empty text when within the bounds", () => {
  assert.deepEqual(parseDeviceDeclaration(GOOD), GOOD);
  const limits = { platform: "", deviceName: "🦊".repeat(64), requestedCapabilities: Array(64).fill("a.b") };
  assert.deepEqual(parseDeviceDeclaration(limits), limits);
});

Deno.test("parseDeviceDeclaration() refuses when text is unprintable or long, or a capability is no name", () => {
  const texts = ["a\nb", "\u001b[31m", "\u202egpj.exe", "a\u0000", "\ud800", "\u2028", "\u200b", "x".repeat(65)];
  const capabilities = ["", "Echo", "a..b", ".a", "a.", "a-b", "9a", "a b", "a".repeat(65)];
  const bad = [
    ...texts.flatMap((text) => [{ ...GOOD, platform: text }, { ...GOOD, deviceName: text }]),
    ...capabilities.map((name) => ({ ...GOOD, requestedCapabilities: [name] })),
    { ...GOOD, requestedCapabilities: Array(65).fill("echo") },
  ];
  for (const declaration of bad) {
    assert.throws(
      () => parseDeviceDeclaration(declaration),
      (error) => error instanceof PalyraError && error.code === "invalid_argument",
      JSON.stringify(declaration),
    );
  }
});
