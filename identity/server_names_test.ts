import assert from "node:assert/strict";
import { PalyraError } from "./palyra_error.ts";
import { MAX_SERVER_NAMES, serverAddresses, serverDnsNames } from "./server_names.ts";

const invalid = (error: unknown): boolean => error instanceof PalyraError && error.code === "invalid_argument";

Deno.test("serverDnsNames() puts its own first and each name once when they differ in case only", () => {
  assert.deepEqual(serverDnsNames([]), ["localhost", "palyrad"]);
  assert.deepEqual(serverDnsNames(["Gateway.Example.org", "gateway.example.ORG", "PALYRAD", "box-1"]), [
    "localhost",
    "palyrad",
    "gateway.example.org",
    "box-1",
  ]);
});

Deno.test("serverDnsNames() refuses when a name is no DNS host name", () => {
  const names = ["", "*.example.org", "a b", "a_b", "-a", "a-", "a..b", "10.0.0.1", "::1", "é.fr", "a".repeat(64)];
  for (const name of [...names, `${"a.".repeat(130)}a`, "host:80"]) {
    assert.throws(() => serverDnsNames([name]), invalid);
  }
  assert.throws(() => serverDnsNames(Array.from({ length: MAX_SERVER_NAMES + 1 }, (_, at) => `h${at}`)), invalid);
});

Deno.test("serverAddresses() puts loopback first and each address once when spelled differently", () => {
  assert.deepEqual(serverAddresses(["10.0.0.7", "2001:DB8:0:0::1", "2001:db8::1", "0:0:0:0:0:0:0:1", "10.0.0.7"]), [
    "127.0.0.1",
    "::1",
    "10.0.0.7",
    "2001:db8::1",
  ]);
});

Deno.test("serverAddresses() refuses when a text is no plain address", () => {
  for (const text of ["", "localhost", "10.0.0", "10.0.0.256", "10.0.0.0/8", "[::1]", "::1:80:", "fe80::1%eth0"]) {
    assert.throws(() => serverAddresses([text]), invalid);
  }
});
