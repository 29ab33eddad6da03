import assert from "node:assert/strict";
import { executablePlatform, executablePlatformOf } from "./executable_format.ts";

/** Zeros, but for some bytes at some places. */
function head(bytes: Readonly<Record<number, readonly number[]>>): Uint8Array {
  const block = new Uint8Array(256);
  for (const [at, values] of Object.entries(bytes)) block.set(values, Number(at));
  return block;
}

Deno.test("executablePlatform() reads the platform from the head of each format", () => {
  const elf = [0x7f, 0x45, 0x4c, 0x46];
  const machO = [0xcf, 0xfa, 0xed, 0xfe];
  const pe = { 0: [0x4d, 0x5a], 0x3c: [0x80], 0x80: [0x50, 0x45, 0, 0, 0x64, 0x86] };
  assert.deepEqual(executablePlatform(head({ 0: elf, 18: [0x3e] })), { os: "linux", arch: "x86_64" });
  assert.deepEqual(executablePlatform(head({ 0: elf, 18: [0xb7] })), { os: "linux", arch: "aarch64" });
  assert.deepEqual(executablePlatform(head({ 0: machO, 4: [0x0c, 0, 0, 1] })), { os: "darwin", arch: "aarch64" });
  assert.deepEqual(executablePlatform(head({ 0: machO, 4: [0x07, 0, 0, 1] })), { os: "darwin", arch: "x86_64" });
  assert.deepEqual(executablePlatform(head(pe)), { os: "windows", arch: "x86_64" });
});

Deno.test("executablePlatform() knows nothing of other files, other machines and headers that point outside", () => {
  const others = [
    new Uint8Array(0),
    new TextEncoder().encode("#!/bin/sh\n".repeat(20)),
    head({ 0: [0x7f, 0x45, 0x4c, 0x46], 18: [0xf3] }),
    head({ 0: [0x4d, 0x5a], 0x3c: [0xff, 0xff, 0xff, 0xff] }),
  ];
  for (const other of others) assert.equal(executablePlatform(other), undefined);
});

Deno.test("executablePlatformOf() tells what this Deno is made for", async () => {
  const { os, arch } = Deno.build;
  assert.deepEqual(await executablePlatformOf(Deno.execPath()), { os, arch });
});
