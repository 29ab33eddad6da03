import type { ChildFailure } from "./child_message.ts";
import type { ChildStart } from "./child_start.ts";
import type { OwnerCapability } from "./owner_capability.ts";

/** What the program of every child has in common. */
export interface ChildProgramSettings {
  /** The watcher's program as a `data:` URL. */
  readonly watcherUrl: string;
  readonly messageMark: string;
  readonly maxOutputBytes: number;
  readonly maxProgressBytes: number;
  readonly progressIntervalMs: number;
  readonly maxFailureCharacters: number;
}

/**
 * The program of a child: the process in which the owner's code runs. The text of this function is what the process is
 * started with, so it uses nothing from outside itself.
 *
 * It keeps honest mistakes in order. What holds against ill will are Deno's permissions, the limits that the process is
 * started with, and its parent's eye on what it writes: code that runs beside this can undo all that is done here.
 */
export function childProgram(settings: ChildProgramSettings): void {
  const { parse, stringify } = JSON;
  const encoder = new TextEncoder();
  const canceller = new AbortController();
  let lastProgressAt = -Infinity;

  const readStart = () => {
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(65_536);
    let text = "";
    for (;;) {
      const count = Deno.stdin.readSync(buffer);
      // Whoever started this is gone.
      if (count === null) Deno.exit(1);
      const piece = decoder.decode(buffer.subarray(0, count), { stream: true });
      const end = piece.indexOf("\n");
      if (end >= 0) return { start: parse(text + piece.slice(0, end)) as ChildStart, order: piece.slice(end + 1) };
      text += piece;
    }
  };

  // On a line of its own, whatever the owner's code has printed before it.
  const send = (message: string) => {
    const bytes = encoder.encode(`\n${settings.messageMark}${message}\n`);
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  };

  const cancel = () => canceller.abort(new DOMException("The request was cancelled.", "AbortError"));

  const perform = async ({ moduleUrl, file, task }: ChildStart) => {
    const text = (value: unknown) => String(value).replaceAll(moduleUrl, file).slice(0, settings.maxFailureCharacters);
    const fail = (code: ChildFailure["code"], thrown: unknown) => {
      const { message, stack } = Object(thrown) as Partial<Error>;
      send(stringify({ kind: "failed", code, message: text(message ?? thrown), stack: text(stack ?? "") }));
    };
    const codeOf = (thrown: unknown): ChildFailure["code"] => {
      const { name, code } = Object(thrown) as { readonly name?: unknown; readonly code?: unknown };
      if (code === "invalid_input" || code === "execution_failed") return code;
      return name === "NotCapable" ? "not_capable" : "other";
    };

    const progress = (payload: unknown) => {
      const payloadJson = stringify(payload);
      if (payloadJson === undefined) throw new TypeError("a progress payload must be a JSON value");
      if (encoder.encode(payloadJson).byteLength > settings.maxProgressBytes) {
        throw new TypeError(`a progress payload has at most ${settings.maxProgressBytes} bytes`);
      }
      const now = performance.now();
      if (now - lastProgressAt < settings.progressIntervalMs) return;
      lastProgressAt = now;
      send(`{"kind":"progress","payload":${payloadJson}}`);
    };

    const sendOutput = (output: unknown) => {
      let outputJson: string | undefined;
      try {
        outputJson = stringify(output === undefined ? null : output);
      } catch (thrown) {
        return fail("invalid_output", thrown);
      }
      if (outputJson === undefined) return fail("invalid_output", "no JSON value");
      const { byteLength } = encoder.encode(outputJson);
      if (byteLength > settings.maxOutputBytes) return fail("output_too_large", byteLength);
      send(`{"kind":"output","output":${outputJson}}`);
    };

    try {
      const { default: capability }: { readonly default: OwnerCapability } = await import(moduleUrl);
      const { run, ...definition } = Object(capability) as OwnerCapability;
      if (typeof run !== "function") throw new TypeError("the default export must be an object with a run() method");
      if (task.kind === "describe") return send(stringify({ kind: "definition", definition }));
      sendOutput(await run.call(capability, task.input, { ...task.facts, signal: canceller.signal, progress }));
    } catch (thrown) {
      fail(codeOf(thrown), thrown);
    }
  };

  const { start, order } = readStart();
  if (order !== "") cancel();
  new Worker(settings.watcherUrl, { type: "module" }).addEventListener("message", cancel);
  void perform(start);
}
