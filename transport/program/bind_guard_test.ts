import assert from "node:assert/strict";
import { PalyraError } from "../../identity/palyra_error.ts";
import { type BindRequest, checkBindAddress } from "./bind_guard.ts";

function refusal(request: BindRequest): string {
  try {
    checkBindAddress(request);
    return "";
  } catch (error) {
    assert.ok(error instanceof PalyraError);
    assert.equal(error.code, "invalid_config");
    return error.message;
  }
}

const local = (hostname: string) => refusal({ hostname, allowRemote: false, serverNames: [hostname] });
const remote = (hostname: string, ...serverNames: string[]) => refusal({ hostname, allowRemote: true, serverNames });

Deno.test("checkBindAddress() lets loopback in, however it is written", () => {
  for (
    const hostname of [
      "127.0.0.1",
      "127.9.8.7",
      "::1",
      "0:0:0:0:0:0:0:1",
      "::ffff:127.0.0.1",
      "localhost",
      "LOCALHOST.",
    ]
  ) {
    assert.equal(local(hostname), "", hostname);
  }
});

Deno.test("checkBindAddress() refuses everything else without the explicit option, and names it", () => {
  for (const hostname of ["0.0.0.0", "::", "192.168.1.5", "fe80::1%eth0", "box.example", "0", "127.1", "128.0.0.1"]) {
    assert.match(local(hostname), /--allow-remote/, hostname);
  }
});

Deno.test("checkBindAddress() wants a server name that covers the address", () => {
  assert.match(remote("0.0.0.0"), /at least one server name/);
  assert.match(
    remote("::", "localhost", "127.0.0.1", "palyrad", "::1", "0.0.0.0"),
    /at least one server name/,
  );
  assert.match(remote("::ffff:0.0.0.0", "localhost"), /at least one server name/);
  assert.match(remote("192.168.1.5", "192.168.1.6"), /No server name covers/);
  assert.match(remote("box.example", "other.example", "192.168.1.5"), /No server name covers/);
});

Deno.test("checkBindAddress() accepts an address that is allowed and covered", () => {
  assert.equal(remote("0.0.0.0", "192.168.1.5"), "");
  assert.equal(remote("::", "box.example"), "");
  assert.equal(remote("192.168.1.5", "192.168.1.5"), "");
  assert.equal(remote("192.168.1.5", "box.example"), "");
  assert.equal(remote("FD00:0::5", "fd00::5"), "");
  assert.equal(remote("Box.Example", "box.example."), "");
});

Deno.test("checkBindAddress() refuses what is no address", () => {
  for (const hostname of ["", "  ", "[::1]"]) {
    assert.match(remote(hostname, "box.example"), /without brackets/);
  }
});
