/** For tests: tells when a process that has connected to it is gone, whatever ended it. */
export class Presence implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });

  /** Where to connect to, on 127.0.0.1. */
  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** The next process that connects. */
  async next(): Promise<PresentProcess> {
    return new PresentProcess(await this.#listener.accept());
  }

  [Symbol.dispose](): void {
    this.#listener.close();
  }
}

/** A process that is there. */
export class PresentProcess {
  /** Resolves once it is not. */
  readonly gone: Promise<void>;

  constructor(connection: Deno.Conn) {
    // Killed, it may leave a reset behind.
    this.gone = connection.readable.pipeTo(new WritableStream()).catch(() => {});
  }
}
