import assert from "node:assert/strict";
import type { LogRecord } from "@logtape/logtape";
import { lineSink } from "./log_sink.ts";

function record(text: string): LogRecord {
  return { category: [], level: "info", message: [text], rawMessage: text, timestamp: 0, properties: {} };
}

const text = (given: LogRecord) => given.message.join("");
const lostText = (lines: number) => `(${lines} lost)`;

/** A stream that takes as many bytes as it has room for, as a non-blocking pipe does. */
class NarrowStream {
  room = Infinity;
  largestWrite = Infinity;
  closed = false;
  written = "";

  writeSync(bytes: Uint8Array): number {
    if (this.closed) throw new Deno.errors.BrokenPipe("closed");
    if (this.room === 0) throw new Deno.errors.WouldBlock("full");
    const count = Math.min(bytes.length, this.largestWrite, this.room);
    this.room -= count;
    this.written += new TextDecoder().decode(bytes.subarray(0, count));
    return count;
  }
}

Deno.test("lineSink() writes whole lines however little the stream takes at once", () => {
  const stream = new NarrowStream();
  stream.largestWrite = 3;
  const sink = lineSink(stream, text, lostText);
  sink(record("a long line"));
  sink(record("another"));
  assert.equal(stream.written, "a long line\nanother\n");
});

Deno.test("lineSink() finishes a started line, and says how many were left out, when the stream has room again", () => {
  const stream = new NarrowStream();
  stream.room = 4;
  const sink = lineSink(stream, text, lostText);
  sink(record("started"));
  sink(record("two"));
  sink(record("three"));
  assert.equal(stream.written, "star");
  stream.room = Infinity;
  sink(record("four"));
  assert.equal(stream.written, "started\n(2 lost)\nfour\n");
  sink(record("five"));
  assert.equal(stream.written, "started\n(2 lost)\nfour\nfive\n");
});

Deno.test("lineSink() gives a closed stream up without throwing", () => {
  const stream = new NarrowStream();
  const sink = lineSink(stream, text, lostText);
  stream.closed = true;
  sink(record("lost"));
  stream.closed = false;
  sink(record("given up"));
  assert.equal(stream.written, "");
});
