import assert from "node:assert/strict";
import { isLoopbackHost } from "./loopback_host.ts";

for (const host of ["localhost", "LOCALHOST:9464", "127.0.0.1", "127.0.0.1:9464", "127.8.9.1", "[::1]", "[::1]:80"]) {
  Deno.test(`isLoopbackHost() takes ${host}`, () => assert.equal(isLoopbackHost(host), true));
}

const OTHERS = [
  "",
  "evil.example",
  "evil.example:9464",
  "localhost.evil.example",
  "127.0.0.1.evil.example",
  "127.evil.example",
  "evil.example#127.0.0.1",
  "user@localhost",
  "localhost, evil.example",
  "localhost:evil",
  "192.0.2.1",
  "0.0.0.0",
  "128.0.0.1",
  "127.0.0.256",
  "[::]",
  "[::2]:80",
  "::1",
  "[::1",
];
for (const host of OTHERS) {
  Deno.test(`isLoopbackHost() refuses ${JSON.stringify(host)}`, () => assert.equal(isLoopbackHost(host), false));
}
