import assert from "node:assert/strict";
import type { PalyraError } from "../../../identity/palyra_error.ts";
import {
  isOwnerPermission,
  parseOwnerPermission,
  permissionFlags,
  permissionsNotAllowed,
  unfencedPermissions,
} from "./owner_permission.ts";

const parsed = (...texts: string[]) => texts.map(parseOwnerPermission);

Deno.test("parseOwnerPermission() reads each kind, with a scope and without", () => {
  const cases: [string, string, string | undefined][] = [
    ["read=/srv/a=b", "read", "/srv/a=b"],
    ["write=/srv", "write", "/srv"],
    ["net=example.com:443", "net", "example.com:443"],
    ["net=127.0.0.1", "net", "127.0.0.1"],
    ["net=[::1]:80", "net", "[::1]:80"],
    ["sys=loadavg", "sys", "loadavg"],
    ["run=/usr/bin/df", "run", "/usr/bin/df"],
    ["read", "read", undefined],
    ["net", "net", undefined],
    ["sys", "sys", undefined],
  ];
  for (const [text, kind, scope] of cases) {
    assert.deepEqual(parseOwnerPermission(text), { text, kind, scope });
    assert.equal(isOwnerPermission(text), true);
  }
});

Deno.test("parseOwnerPermission() refuses what is no permission, what no fence holds, and paths that hide where they lead", () => {
  const refused = [
    "",
    "all",
    "READ=/srv",
    "--allow-read=/srv",
    "import=example.com",
    "import",
    "ffi=/lib/a.so",
    "ffi",
    "env=HOME",
    "env",
    "write",
    "run",
    "hasOwnProperty=x",
    "read=",
    "read=srv",
    "read=./srv",
    "read=/srv/../etc",
    "read=/srv//a",
    "read=/srv,/etc",
    "read=/srv\n/etc",
    "read=/s\u202erv",
    `read=/${"a".repeat(1_000)}`,
    "run=df",
    "net=a b",
    "net=a,b",
    "net=a:b:c",
    "net=::1",
    "net=a:65536",
    "net=https://a",
    "net=unix:/run/a.sock",
    "sys=loadAverage",
  ];
  for (const text of refused) {
    assert.throws(() => parseOwnerPermission(text), (error: PalyraError) => error.code === "invalid_config", text);
    assert.equal(isOwnerPermission(text), false);
  }
});

Deno.test("permissionsNotAllowed() allows exactly what an entry says", () => {
  const declared = parsed("read=/srv/a", "sys=loadavg");
  const left = (...allowed: string[]) => permissionsNotAllowed(declared, allowed).map(({ text }) => text);
  assert.deepEqual(left(), ["read=/srv/a", "sys=loadavg"]);
  assert.deepEqual(left("read=/srv", "read=/srv/a/b", "sys=uid"), ["read=/srv/a", "sys=loadavg"]);
  assert.deepEqual(left("read=/srv/a"), ["sys=loadavg"]);
  assert.deepEqual(left("read", "sys=loadavg", "net"), []);
  assert.deepEqual(permissionsNotAllowed(parsed("read"), ["read=/"]).map(({ text }) => text), ["read"]);
});

Deno.test("unfencedPermissions() finds what starts programs", () => {
  const unfenced = unfencedPermissions(parsed("read", "write=/srv", "run=/usr/bin/df", "net", "sys"));
  assert.deepEqual(unfenced.map(({ text }) => text), ["run=/usr/bin/df"]);
});

Deno.test("permissionFlags() grants what is listed and nothing else", () => {
  assert.deepEqual(permissionFlags([]), []);
  assert.deepEqual(permissionFlags(parsed("read=/a", "write=/c", "read=/b", "net", "net=x:1", "sys=uid")), [
    "--allow-read=/a,/b",
    "--allow-write=/c",
    "--allow-net",
    "--allow-sys=uid",
  ]);
});
