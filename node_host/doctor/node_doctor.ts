import { dirname, join } from "node:path";
import { SecretView } from "../../identity/secret_view.ts";
import { type Clock, systemClock } from "../../identity/unix_ms.ts";
import { attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { denoVersionCheck } from "../../transport/program/doctor/deno_version_check.ts";
import type { DoctorReport } from "../../transport/program/doctor/doctor_report.ts";
import { skippedFor } from "../../transport/program/doctor/finding.ts";
import { quicLibraryCheck } from "../../transport/program/doctor/quic_library_check.ts";
import { runChecks } from "../../transport/program/doctor/run_checks.ts";
import { behindSealing, sealingCheck } from "../../transport/program/doctor/sealing_check.ts";
import { serviceCheck } from "../../transport/program/doctor/service_check.ts";
import { stateFolderCheck } from "../../transport/program/doctor/state_folder_check.ts";
import { DOCTOR_LIMIT_MS, TimeLimit } from "../../transport/program/doctor/time_limit.ts";
import { locateConfigFile, stateFolder } from "../../transport/program/mod.ts";
import { quicAvailability } from "../../transport/quic/quiche_addon.ts";
import { readNodeHostRecord } from "../node_host_record.ts";
import { SECRETS_FOLDER } from "../node_secrets.ts";
import { capabilityFilesChecks } from "./capability_files_check.ts";
import { certificateCheck } from "./certificate_check.ts";
import { clockCheck } from "./clock_check.ts";
import { configurationCheck } from "./configuration_check.ts";
import { configuredNode } from "./configured_node.ts";
import { credentialsCheck } from "./credentials_check.ts";
import { type DaemonRoute, examineRoute, weighRoutes } from "./daemon_route.ts";
import { findHostProcess, processCheck } from "./host_process.ts";
import { openerCheck } from "./opener_check.ts";
import { pairingCheck } from "./pairing_check.ts";
import { readPairingFiles } from "./pairing_files.ts";
import { permissionsCheck } from "./permissions_check.ts";
import { requestsChannelCheck } from "./requests_channel_check.ts";

/** Which node host {@linkcode examineNode} looks at. */
export interface NodeDoctorOptions {
  /** The text of `--state-root`. */
  readonly stateRoot?: string | undefined;
  /** The text of `--config`. */
  readonly config?: string | undefined;
  readonly clock?: Clock;
}

/** In the place of the way to the daemon while nobody knows where that is. */
const NO_ROUTE: readonly Check[] = ["daemon_address", "daemon_identity", "admission", "quic"].map((name) => ({
  name,
  examine: () => skippedFor("pairing"),
}));

/**
 * Looks for everything that can keep this machine from its daemon, whether palyra-node runs or not. Changes nothing on the
 * disk and takes no lock; asks the daemon no more than whether it lets this machine in. Ends within
 * {@linkcode DOCTOR_LIMIT_MS}, and rejects only with `invalid_config` when nothing tells where state is kept.
 */
export async function examineNode(options: NodeDoctorOptions = {}): Promise<DoctorReport> {
  const { stateRoot, config: configFile, clock = systemClock } = options;
  using limit = new TimeLimit(DOCTOR_LIMIT_MS);
  const { signal } = limit;
  const usualFolder = stateFolder("node-host", { flag: stateRoot });
  const { path: configPath } = locateConfigFile({ flag: configFile, environment: Deno.env, stateFolder: usualFolder });
  const configured = await attempt(() => configuredNode({ stateRoot, config: configFile }, signal), signal);
  const folder = configured.value?.config.stateFolder ?? usualFolder;
  const preference = configured.value?.config.transport.preference ?? "auto";
  const secrets = new SecretView(join(folder, SECRETS_FOLDER));
  const [record, sealing, host] = await Promise.all([
    attempt(() => readNodeHostRecord(folder), signal),
    attempt(() => secrets.sealingKeyId(), signal),
    attempt(() => findHostProcess(folder), signal),
  ]);
  const paired = record.value?.pairedAt === undefined ? undefined : record.value;
  const files = paired && await attempt(() => readPairingFiles(secrets, paired), signal);
  const routes: DaemonRoute[] = files === undefined
    ? []
    : (paired?.nodeEndpoints ?? []).map((endpoint) =>
      examineRoute(endpoint, { files, preference, availability: quicAvailability, clock, signal })
    );
  const now = clock();
  const checks: readonly Check[] = [
    denoVersionCheck(),
    configurationCheck(configured, configPath),
    stateFolderCheck({ folder, makeIt: "Run `palyra-node pair`, or name another folder with `--state-root`." }),
    sealingCheck(sealing),
    paired === undefined ? behindSealing(sealing, pairingCheck(secrets, record)) : pairingCheck(secrets, record),
    behindSealing(sealing, credentialsCheck(files)),
    certificateCheck(files, host, now),
    clockCheck({ daemonTime: firstTime(routes), files, now }),
    ...(routes.length === 0 ? NO_ROUTE : routes.flatMap((route) => route.checks)),
    processCheck(host),
    requestsChannelCheck(folder, host, signal),
    permissionsCheck(configured),
    openerCheck(configured),
    ...capabilityFilesChecks(configured),
    quicLibraryCheck({
      offBy: preference === "grpc" ? "the setting `transport`" : undefined,
      availability: quicAvailability,
      without: 'Without it gRPC is used; `transport = "grpc"` asks for that.',
    }),
    serviceCheck({ program: "palyra-node", stateRoot: dirname(folder) }),
  ];
  return { program: "palyra-node", checks: weighRoutes(await runChecks(checks, signal)) };
}

/** What the daemon's clock said, by the first of the ways on which it said anything. */
async function firstTime(routes: readonly DaemonRoute[]) {
  const times = await Promise.all(routes.map(({ daemonTime }) => daemonTime));
  return times.find((time) => time !== undefined);
}
