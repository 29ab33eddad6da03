import assert from "node:assert/strict";
import { formatEndpoint, parseEndpoint } from "./endpoint.ts";
import { PalyraError } from "./palyra_error.ts";

Deno.test("parseEndpoint() reads host and port when given a name, an IPv4 or a bracketed IPv6 address", () => {
  assert.deepEqual(parseEndpoint("gateway.example.org:7445"), { host: "gateway.example.org", port: 7445 });
  assert.deepEqual(parseEndpoint("192.0.2.7:1"), { host: "192.0.2.7", port: 1 });
  assert.deepEqual(parseEndpoint("[2001:db8::7]:65535"), { host: "2001:db8::7", port: 65_535 });
  for (const text of ["localhost:7445", "192.0.2.7:80", "[::1]:7445", "[::ffff:192.0.2.7]:7445"]) {
    assert.equal(formatEndpoint(parseEndpoint(text)), text);
  }
});

Deno.test("parseEndpoint() refuses when host or port is missing, out of range or malformed", () => {
  const hosts = [
    "",
    "::1",
    "[::1",
    "[192.0.2.7]",
    "192.0.2.256",
    "1.2.3",
    "a_b",
    "-a",
    "a-",
    "a..b",
    "a b",
    "[fe80::1%1]",
  ];
  const texts = hosts.map((host) => `${host}:80`);
  for (
    const text of [...texts, "host", "host:", "host:0", "host:65536", "host:-1", "host:80 ", "host:8e1", "http://h:80"]
  ) {
    assert.throws(
      () => parseEndpoint(text),
      (error) => error instanceof PalyraError && error.code === "invalid_argument",
      text,
    );
  }
  assert.throws(() => parseEndpoint(`${"a.".repeat(150)}b:80`));
});
