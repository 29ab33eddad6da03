import assert from "node:assert/strict";
import { Recorder } from "./testing/recorder.ts";
import { UdpSocket } from "./udp_socket.ts";

interface Received {
  readonly bytes: readonly number[];
  readonly port: number;
}

/** A socket that keeps what comes. */
function bindRecording(): { readonly socket: UdpSocket; readonly received: Recorder<Received> } {
  const received = new Recorder<Received>();
  const socket = UdpSocket.bind("127.0.0.1", 0, (datagram, { port }) => received.add({ bytes: [...datagram], port }));
  return { socket, received };
}

function send(socket: UdpSocket, bytes: readonly number[], port: number): void {
  const buffer = socket.takeBuffer();
  buffer.set(bytes);
  socket.send(buffer, bytes.length, { host: "127.0.0.1", port });
}

Deno.test("UdpSocket brings datagrams to another with the address they came from, and counts them", async () => {
  const one = bindRecording();
  const other = bindRecording();
  const { port } = one.socket.local;
  send(one.socket, [1, 2, 3], other.socket.local.port);
  assert.deepEqual(await other.received.at(0), { bytes: [1, 2, 3], port });
  send(one.socket, [], other.socket.local.port);
  assert.deepEqual(await other.received.at(1), { bytes: [], port });
  await Promise.all([one.socket.close(), other.socket.close()]);
  assert.deepEqual(one.socket.counters, { received: 0, sent: 2, dropped: 0 });
  assert.deepEqual(other.socket.counters, { received: 2, sent: 0, dropped: 0 });
});

Deno.test("UdpSocket takes the next datagram after one whose handler threw", async () => {
  const received = new Recorder<number>();
  const socket = UdpSocket.bind("127.0.0.1", 0, (datagram) => {
    if (datagram[0] === 1) throw new Error("a fault of the handler");
    received.add(datagram[0] ?? 0);
  });
  send(socket, [1], socket.local.port);
  send(socket, [2], socket.local.port);
  assert.equal(await received.at(0), 2);
  await socket.close();
});

Deno.test("UdpSocket drops what the system does not send, and goes on", async () => {
  const { socket, received } = bindRecording();
  // Port 0 cannot be sent to.
  send(socket, [1], 0);
  send(socket, [2], socket.local.port);
  assert.deepEqual((await received.at(0)).bytes, [2]);
  await socket.close();
  assert.deepEqual(socket.counters, { received: 1, sent: 1, dropped: 1 });
});

Deno.test("UdpSocket goes on when nobody listens where it has sent to", async () => {
  const gone = bindRecording();
  await gone.socket.close();
  const { socket, received } = bindRecording();
  for (let count = 0; count < 10; count++) send(socket, [1], gone.socket.local.port);
  send(socket, [2], socket.local.port);
  assert.deepEqual((await received.at(0)).bytes, [2]);
  await socket.close();
});

Deno.test("UdpSocket holds 4,096 datagrams that the system has not taken and drops what comes on top", async () => {
  const { socket } = bindRecording();
  for (let count = 0; count < 4_100; count++) send(socket, [1], socket.local.port);
  assert.equal(socket.counters.dropped, 4);
  await socket.close();
  assert.equal(socket.counters.sent, 4_096);
});

Deno.test("UdpSocket.close() lets what was sent leave, frees the port, and can be called again", async () => {
  const other = bindRecording();
  const one = bindRecording();
  for (let count = 0; count < 20; count++) send(one.socket, [count], other.socket.local.port);
  await Promise.all([one.socket.close(), one.socket.close()]);
  assert.equal((await other.received.first(20)).length, 20);
  const again = UdpSocket.bind("127.0.0.1", one.socket.local.port, () => {});
  send(one.socket, [1], again.local.port);
  assert.equal(one.socket.counters.dropped, 1);
  await Promise.all([again.close(), other.socket.close()]);
});

Deno.test("UdpSocket.bind() throws listen_failed, with the address, when the port is in use", async () => {
  const { socket } = bindRecording();
  const { port } = socket.local;
  assert.throws(() => UdpSocket.bind("127.0.0.1", port, () => {}), ({ code, message }) => {
    assert.equal(code, "listen_failed");
    assert.ok(message.startsWith(`Port ${port} on 127.0.0.1 is in use`), message);
    return true;
  });
  await socket.close();
});
