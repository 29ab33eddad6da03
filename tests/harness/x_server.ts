import { existsSync } from "node:fs";

const XVFB = "/usr/bin/Xvfb";

/** Whether a real window system can be had here: Debian's package `xvfb`. */
export const HAS_X_SERVER: boolean = existsSync(XVFB);

/** A real X server without a screen. */
export class XServer implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  /** What programs find in `$DISPLAY`. */
  readonly display: string;

  private constructor(child: Deno.ChildProcess, display: string) {
    this.#child = child;
    this.display = display;
  }

  /** Starts one on a free display; resolves when it takes connections. */
  static async start(): Promise<XServer> {
    const child = new Deno.Command(XVFB, {
      // It writes its display's number to standard output once it is ready.
      args: ["-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp"],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    let number = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      number += text;
      if (number.includes("\n")) break;
    }
    if (!/^\d+\n/.test(number)) throw new Error("Xvfb did not start");
    return new XServer(child, `:${number.trim()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.status;
  }
}
