import { printableText } from "../../transport/program/printable_text.ts";
import { truncateToWidth } from "../../transport/program/display_width.ts";
import { writeBytes } from "../../transport/program/sync_writer.ts";

const REFRESH_MS = 120;
const SPINNER = [..."⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"];
const CLEAR_LINE = "\r\x1b[K";
const utf8 = new TextEncoder();

/** How a request stands, in one line: state, time since it was asked for, and the last that its node said. */
export function statusText(state: string, elapsedMs: number, progress: string, width: number): string {
  const seconds = elapsedMs / 1_000;
  const elapsed = seconds < 60
    ? `${seconds.toFixed(1)} s`
    : `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  const parts = [state.replaceAll("_", " "), elapsed, ...(progress === "" ? [] : [printableText(progress)])];
  return truncateToWidth(parts.join(" · "), width);
}

/** A line on standard error that shows how a request stands while it is waited for; nothing where that is no terminal. */
export class RequestStatusLine implements Disposable {
  readonly #startedAt = performance.now();
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #state = "";
  #progress = "";
  #frame = 0;

  /** `shown` is false where nobody wants it. */
  constructor(shown: boolean) {
    if (shown && Deno.stderr.isTerminal()) this.#timer = setInterval(() => this.#paint(), REFRESH_MS);
  }

  /** Whether there is a line. */
  get isLive(): boolean {
    return this.#timer !== undefined;
  }

  /** The request has changed. */
  set state(state: string) {
    this.#state = state;
    this.#paint();
  }

  /** The node has said something. */
  set progress(progress: string) {
    this.#progress = progress;
    this.#paint();
  }

  /** Makes room for other output; the line comes again by itself. */
  clear(): void {
    if (this.isLive) write(CLEAR_LINE);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.clear();
  }

  #paint(): void {
    if (!this.isLive || this.#state === "") return;
    this.#frame = (this.#frame + 1) % SPINNER.length;
    const text = statusText(this.#state, performance.now() - this.#startedAt, this.#progress, columns() - 3);
    write(`${CLEAR_LINE}${SPINNER[this.#frame]} ${text}`);
  }
}

function columns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}

function write(text: string): void {
  try {
    writeBytes(Deno.stderr, utf8.encode(text));
  } catch {
    // Nobody looks.
  }
}
