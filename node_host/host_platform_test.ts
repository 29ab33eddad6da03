import assert from "node:assert/strict";
import { probePermissions } from "./capabilities/testdata/probe_permissions.ts";
import { hostPlatform } from "./host_platform.ts";

Deno.test("hostPlatform() names systems and processors as the original does", () => {
  assert.equal(hostPlatform({ os: "linux", arch: "x86_64" }), "linux-x86_64");
  assert.equal(hostPlatform({ os: "darwin", arch: "aarch64" }), "macos-aarch64");
  assert.equal(hostPlatform({ os: "windows", arch: "x86_64" }), "windows-x86_64");
  assert.match(hostPlatform(), /^[a-z]+-[a-z0-9_]+$/);
});

Deno.test("defaultDeviceName() is the host name when that is permitted, else the platform", async () => {
  const without = await probePermissions([]);
  const granted = await probePermissions(["--allow-sys=hostname"]);
  assert.match(without.deviceName, /^(linux|macos|windows)-(x86_64|aarch64)$/);
  assert.equal(granted.deviceName, Deno.hostname());
});
