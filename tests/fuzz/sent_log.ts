/** How many of the last things sent are kept. */
const KEPT = 512;

/** What was sent last, to be looked at when the daemon did not survive it. */
export class SentLog {
  readonly #lines: string[] = [];

  remember(kind: string, bytes: Uint8Array): void {
    this.#lines.push(`${kind} ${bytes.subarray(0, 2_000).toHex()}`);
    if (this.#lines.length > KEPT) this.#lines.shift();
  }

  /** Writes it to a file of its own, a line each, the newest last; returns its name. */
  async write(): Promise<string> {
    const file = await Deno.makeTempFile({ prefix: "palyra-fuzz-", suffix: ".txt" });
    await Deno.writeTextFile(file, `${this.#lines.join("\n")}\n`);
    return file;
  }
}
