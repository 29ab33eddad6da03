import * as tls from "node:tls";
import { once } from "node:events";
import { CertificateAuthority } from "../../identity/certificate_authority.ts";
import { systemClock } from "../../identity/unix_ms.ts";

/** The certificate a relay shows to those who connect to it. */
export interface RelayCertificate {
  /** Leaf first, then its CA. */
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** What a relay saw in clear. */
export interface Recording {
  readonly fromClient: Uint8Array;
  readonly fromServer: Uint8Array;
}

/** A man in the middle: ends TLS on both sides, passes every byte on, and keeps a copy. */
export class TlsRelay implements AsyncDisposable {
  readonly #server: tls.Server;
  readonly #sockets = new Set<tls.TLSSocket>();
  readonly #fromClient: Uint8Array[] = [];
  readonly #fromServer: Uint8Array[] = [];

  private constructor(server: tls.Server) {
    this.#server = server;
  }

  /** Listens on a free port and relays to `target`, showing `certificate`. */
  static async start(target: { host: string; port: number }, certificate: RelayCertificate): Promise<TlsRelay> {
    const server = tls.createServer({
      cert: certificate.certificatePem,
      key: certificate.keyPem,
      ALPNProtocols: ["h2"],
      minVersion: "TLSv1.3",
    });
    const relay = new TlsRelay(server);
    server.on("secureConnection", (client) => relay.#connect(client, target));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return relay;
  }

  /** `host:port` of the relay. */
  get address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the relay does not listen");
    return `127.0.0.1:${address.port}`;
  }

  /** Everything that passed so far. */
  get recording(): Recording {
    return { fromClient: concat(this.#fromClient), fromServer: concat(this.#fromServer) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #connect(client: tls.TLSSocket, target: { host: string; port: number }): void {
    const server = tls.connect({
      ...target,
      servername: "palyrad",
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"],
      minVersion: "TLSv1.3",
    });
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    client.on("data", (bytes: Uint8Array) => {
      this.#fromClient.push(Uint8Array.from(bytes));
      server.write(bytes);
    });
    server.on("data", (bytes: Uint8Array) => {
      this.#fromServer.push(Uint8Array.from(bytes));
      client.write(bytes);
    });
  }
}

/** A server certificate from a CA of the attacker's own, with the daemon's names. */
export async function attackersCertificate(): Promise<RelayCertificate> {
  const ca = await CertificateAuthority.create({ clock: systemClock });
  const issued = await ca.issueServerCertificate({ names: [], addresses: [], validityMs: 3_600_000 });
  return { certificatePem: `${issued.certificatePem}${ca.certificatePem}`, keyPem: issued.privateKeyPem };
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((total, chunk) => total + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
