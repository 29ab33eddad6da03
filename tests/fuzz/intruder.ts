import type { Endpoint } from "../../identity/endpoint.ts";
import { encodeFrame } from "../../transport/quic/frame_writer.ts";
import { encodeRequest } from "../../transport/quic/request_envelope.ts";
import { DenoQuicClient, type DenoQuicStream } from "../../transport/quic/testing/deno_quic_client.ts";
import type { TestIdentity } from "../harness/paired_device.ts";

/** The connection of a device that is let in and has nothing good in mind, by Deno's own QUIC. */
export class Intruder implements AsyncDisposable {
  readonly #client: DenoQuicClient;
  #ending: string | undefined;
  /** Settles when the connection is over, whoever ended it. */
  readonly closed: Promise<void>;

  private constructor(client: DenoQuicClient) {
    this.#client = client;
    this.closed = client.closed.then((ending) => {
      this.#ending = ending;
    });
  }

  /** Connects. The daemon may still refuse the certificate: {@linkcode Intruder.isServed} tells. */
  static async connect(daemon: Endpoint, { caPem, certificatePem, keyPem }: TestIdentity): Promise<Intruder> {
    return new Intruder(await DenoQuicClient.connect(daemon, { caPem: [caPem], certificatePem, keyPem }));
  }

  /** How the connection ended; undefined while it is open. */
  get ending(): string | undefined {
    return this.#ending;
  }

  /** Opens a stream; rejects when the connection is over. */
  async open({ oneWay }: { readonly oneWay: boolean }): Promise<DenoQuicStream> {
    return await (oneWay ? this.#client.openOneWay() : this.#client.openStream());
  }

  /** Whether the daemon has let this device in: asks `node.health`. */
  async isServed(): Promise<boolean> {
    try {
      const stream = await this.open({ oneWay: false });
      await stream.write(encodeFrame(encodeRequest("node.health")));
      return saidBy(await stream.nextJson()) === "health";
    } catch {
      // The connection ended, which is an answer too.
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }
}

/** What an answer says: its kind, or the code of its error; undefined when there is none. */
export function saidBy(answer: unknown): string | undefined {
  if (typeof answer !== "object" || answer === null || !("kind" in answer)) return undefined;
  return String(answer.kind === "error" && "error" in answer ? answer.error : answer.kind);
}
