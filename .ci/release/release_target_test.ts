import assert from "node:assert/strict";
import { isHost, RELEASE_TARGETS, releaseTarget } from "./release_target.ts";

Deno.test("releaseTarget() finds a platform by either of its names, and this one by default", () => {
  assert.equal(releaseTarget("linux-arm64").triple, "aarch64-unknown-linux-gnu");
  assert.equal(releaseTarget("aarch64-apple-darwin").name, "macos-arm64");
  assert.equal(releaseTarget("darwin-x64").name, "macos-x64");
  assert.ok(isHost(releaseTarget()));
});

Deno.test("releaseTarget() names the platforms there are when it knows none of that name", () => {
  assert.throws(() => releaseTarget("amiga"), {
    code: "unsupported",
    message: "No release is made for amiga. There are: linux-x64, linux-arm64, macos-arm64, macos-x64, windows-x64.",
  });
});

Deno.test("RELEASE_TARGETS have QUIC's addon where it is built for the platform", () => {
  const withAddon = RELEASE_TARGETS.filter(({ addonPackage }) => addonPackage !== undefined);
  assert.deepEqual(withAddon.map(({ name }) => name), ["linux-x64"]);
});
