import { verifyIssuedBy } from "../../identity/certificate_facts.ts";
import type { Endpoint } from "../../identity/endpoint.ts";
import { fingerprintOf, shortFingerprint } from "../../identity/fingerprint.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { pemToDers } from "../../identity/pem.ts";
import type { Clock } from "../../identity/unix_ms.ts";
import { probeServerChain, type ServerChain } from "../../transport/grpc/server_probe.ts";
import { failed, type Finding, findingOf, ok } from "../../transport/program/doctor/finding.ts";
import type { ServerHandshake } from "../../transport/program/doctor/server_handshake.ts";
import { NETWORK_LIMIT_MS } from "../../transport/program/doctor/time_limit.ts";
import type { NodeCredentials } from "../node_credentials.ts";

/** What {@linkcode examineIdentity} goes by. */
export interface IdentityExamination {
  readonly endpoint: Endpoint;
  /** With that endpoint, under way. */
  readonly handshake: ServerHandshake;
  readonly credentials: NodeCredentials;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Whether what answers at the address is the daemon that this machine is paired with, and if not, who it may be. */
export async function examineIdentity(examination: IdentityExamination): Promise<Finding> {
  try {
    await examination.handshake.believed;
    return ok("What answers shows a certificate of the pinned CA: it is this machine's daemon.");
  } catch (thrown) {
    const error = PalyraError.from(thrown);
    return error.code === "daemon_untrusted" ? await whoAnswers(examination) : findingOf("failed", error);
  }
}

/** Looks at the certificates of what was not believed; shows nothing and says nothing there. */
async function whoAnswers({ endpoint, credentials, clock, signal }: IdentityExamination): Promise<Finding> {
  const { trustedCaPem } = credentials;
  let chain: ServerChain;
  try {
    chain = await probeServerChain(endpoint, { timeoutMs: NETWORK_LIMIT_MS, signal });
  } catch (thrown) {
    const error = PalyraError.from(thrown);
    if (error.code !== "daemon_untrusted") return findingOf("failed", error);
    return failed("daemon_untrusted", "What answers speaks TLS and is no palyrad.", "Check host and port.");
  }
  const shown = fingerprintOf(chain.caDer);
  const authorities = pemToDers(trustedCaPem);
  const pinned = authorities.find((der) => fingerprintOf(der) === shown);
  if (pinned === undefined) {
    const own = authorities.map((der) => shortFingerprint(fingerprintOf(der))).join(", ");
    return failed(
      "daemon_untrusted",
      `Another daemon answers, or somebody between: its CA is ${
        shortFingerprint(shown)
      }, and the pinned one is ${own}.`,
      "Check the address; if the daemon was set up anew, run `palyra-node pair --force` with a new token.",
    );
  }
  const now = clock();
  const refusal = await verifyIssuedBy(chain.leafDer, pinned, now, "server");
  switch (refusal?.code) {
    case "certificate_not_yet_valid":
    case "certificate_expired":
      return failed(
        "clock_off",
        `The daemon's certificate is not valid at this machine's time, ${new Date(now).toISOString()}.`,
        "Set the clocks of both machines, for example by `timedatectl set-ntp true`; if they are right, restart palyrad.",
      );
    default:
      return failed(
        "daemon_untrusted",
        "What answers shows the pinned CA without a daemon's certificate from it: somebody stands between.",
        "Check the network between this machine and its daemon; nothing was said to what answers.",
      );
  }
}
