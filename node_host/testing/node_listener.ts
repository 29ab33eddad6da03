import type { CertificateAuthority } from "../../identity/certificate_authority.ts";
import type { PalyraError } from "../../identity/palyra_error.ts";
import {
  NodeServiceService,
  type RevokeDevicePairingRequest,
  type RotateDeviceCertificateRequest,
} from "../../proto/gen/node.ts";
import { nodeStreamHandler } from "../../transport/grpc/grpc_daemon_session.ts";
import { GrpcListener } from "../../transport/grpc/grpc_listener.ts";
import { unaryHandler } from "../../transport/grpc/unary_handler.ts";
import { ScriptedDaemon } from "./scripted_daemon.ts";
import { ScriptedIssuer } from "./scripted_issuer.ts";

const HOUR_MS = 3_600_000;

/** For tests: a real node RPC listener with mutual TLS, whose sessions the test scripts. */
export class NodeListener implements AsyncDisposable {
  readonly #listener: GrpcListener;
  readonly #sessions: ScriptedDaemon[];
  readonly #waiting: ((daemon: ScriptedDaemon) => void)[];
  readonly revoked: string[];
  readonly issuer: ScriptedIssuer;

  private constructor(
    listener: GrpcListener,
    sessions: ScriptedDaemon[],
    waiting: ((daemon: ScriptedDaemon) => void)[],
    revoked: string[],
    issuer: ScriptedIssuer,
  ) {
    this.#listener = listener;
    this.#sessions = sessions;
    this.#waiting = waiting;
    this.revoked = revoked;
    this.issuer = issuer;
  }

  static async start(ca: CertificateAuthority, authorize: () => PalyraError | undefined = () => undefined) {
    const certificate = await ca.issueServerCertificate({ names: [], addresses: [], validityMs: HOUR_MS });
    const sessions: ScriptedDaemon[] = [];
    const waiting: ((daemon: ScriptedDaemon) => void)[] = [];
    const revoked: string[] = [];
    const issuer = new ScriptedIssuer(ca);
    const listener = await GrpcListener.start({
      hostname: "127.0.0.1",
      port: 0,
      mode: { kind: "mutual", authorize: () => undefined },
      tls: {
        certificatePem: certificate.certificatePem + ca.certificatePem,
        keyPem: certificate.privateKeyPem,
        clientCaPem: [ca.certificatePem],
      },
      services: (grpc, connections) =>
        grpc.addService(NodeServiceService, {
          streamNodeEvents: nodeStreamHandler(
            (session) => {
              const daemon = new ScriptedDaemon(session);
              const waiter = waiting.shift();
              if (waiter === undefined) sessions.push(daemon);
              else waiter(daemon);
            },
            authorize,
            connections,
          ),
          revokeDevicePairing: unaryHandler(authorize, (request: RevokeDevicePairingRequest) => {
            revoked.push(request.deviceId?.ulid ?? "");
            return { v: 1, revoked: true, reason: "revoked" };
          }),
          rotateDeviceCertificate: unaryHandler(
            authorize,
            (request: RotateDeviceCertificateRequest, { peer }) => issuer.rotate(request, peer.fingerprint),
          ),
        }),
      onRefused: () => {},
    });
    return new NodeListener(listener, sessions, waiting, revoked, issuer);
  }

  get endpoint(): string {
    return `127.0.0.1:${this.#listener.address.port}`;
  }

  /** The next session. */
  nextSession(): Promise<ScriptedDaemon> {
    const session = this.#sessions.shift();
    return session === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(session);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener.close({ graceMs: 0 });
  }
}
