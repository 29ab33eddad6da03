import { dirname, join } from "node:path";
import { SecretView } from "../../identity/secret_view.ts";
import { type Clock, systemClock } from "../../identity/unix_ms.ts";
import { locateConfigFile } from "../../transport/program/config_file.ts";
import { type Attempt, attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { denoVersionCheck } from "../../transport/program/doctor/deno_version_check.ts";
import type { DoctorReport } from "../../transport/program/doctor/doctor_report.ts";
import { type Finding, findingOf, ok } from "../../transport/program/doctor/finding.ts";
import { quicLibraryCheck } from "../../transport/program/doctor/quic_library_check.ts";
import { runChecks } from "../../transport/program/doctor/run_checks.ts";
import { behindSealing, sealingCheck } from "../../transport/program/doctor/sealing_check.ts";
import { serviceCheck } from "../../transport/program/doctor/service_check.ts";
import { stateFolderCheck } from "../../transport/program/doctor/state_folder_check.ts";
import { DOCTOR_LIMIT_MS, TimeLimit } from "../../transport/program/doctor/time_limit.ts";
import { stateFolder } from "../../transport/program/state_folder.ts";
import { quicAvailability } from "../../transport/quic/quiche_addon.ts";
import { type DaemonConfig, readDaemonConfig } from "../daemon_config.ts";
import { findDaemonProcess } from "../daemon_process_file.ts";
import { DATABASE_FILE, SECRETS_FOLDER } from "../daemon_state.ts";
import { readOperatorCredentials } from "../operator_credentials.ts";
import { caCheck, readAuthority } from "./ca_check.ts";
import { clockCheck } from "./clock_check.ts";
import { databaseCheck } from "./database_check.ts";
import { devicesCheck } from "./devices_check.ts";
import { diskSpaceCheck } from "./disk_space_check.ts";
import { generationCheck } from "./generation_check.ts";
import { operatorCheck } from "./operator_check.ts";
import { permissionsCheck } from "./permissions_check.ts";
import { portChecks } from "./port_checks.ts";
import { askForStatus, findTrace, processCheck } from "./running_daemon.ts";
import { selfCheck } from "./self_check.ts";
import { serverCertificateCheck } from "./server_certificate_check.ts";
import { examineDatabase } from "./state_database.ts";

/** Which daemon {@linkcode examineDaemon} looks at. */
export interface DaemonDoctorOptions {
  /** The text of `--state-root`. */
  readonly stateRoot?: string | undefined;
  /** The text of `--config`. */
  readonly config?: string | undefined;
  readonly clock?: Clock;
}

/**
 * Looks for everything that can keep the daemon of this state folder from its work, whether it runs or not. Changes
 * nothing in the folder and takes no lock. Ends within {@linkcode DOCTOR_LIMIT_MS}, and rejects only with
 * `invalid_config` when nothing tells where state is kept.
 */
export async function examineDaemon(options: DaemonDoctorOptions = {}): Promise<DoctorReport> {
  const { stateRoot, config: configFile, clock = systemClock } = options;
  using limit = new TimeLimit(DOCTOR_LIMIT_MS);
  const { signal } = limit;
  const environment = Deno.env;
  const folder = stateFolder("palyrad", { flag: stateRoot, environment });
  const { path: configPath } = locateConfigFile({ flag: configFile, environment, stateFolder: folder });
  const secrets = new SecretView(join(folder, SECRETS_FOLDER));
  const [config, trace, sealing, credentials] = await Promise.all([
    attempt(() => readDaemonConfig({ stateRoot, configFile, environment }), signal),
    attempt(() => findTrace(folder), signal),
    attempt(() => secrets.sealingKeyId(), signal),
    attempt(() => readOperatorCredentials(secrets), signal),
  ]);
  const running = trace.value?.running;
  const databasePath = join(folder, DATABASE_FILE);
  const isOpen = async () => await findDaemonProcess(folder) !== undefined;
  // Before the network is asked: SQLite keeps this thread to itself meanwhile.
  const database = await attempt(() => examineDatabase({ path: databasePath, isOpen, signal }), signal);
  const authority = await attempt(() => readAuthority(secrets, database.value?.caFingerprint), signal);
  const status = running === undefined || credentials.value === undefined
    ? Promise.resolve(undefined)
    : attempt(() => askForStatus(running, credentials.value, signal), signal);
  const now = clock();
  const isThereState = authority.value !== undefined || database.value !== undefined;
  const checks: readonly Check[] = [
    denoVersionCheck(),
    configurationCheck(config, configPath),
    selfCheck(),
    permissionsCheck(folder, config),
    stateFolderCheck({ folder, makeIt: "Run `palyrad run`, or name another folder with `--state-root`." }),
    sealingCheck(sealing),
    databaseCheck(database, databasePath),
    generationCheck(database, config, running !== undefined),
    diskSpaceCheck(folder),
    behindSealing(sealing, caCheck(authority, database, now)),
    clockCheck({ database, authority, now }),
    processCheck(trace, status),
    behindSealing(sealing, operatorCheck({ credentials, status, isThereState, now })),
    ...portChecks({ config, running, status, signal }),
    serverCertificateCheck({ config, authority, operator: credentials, running, now, signal }),
    quicLibraryCheck({
      offBy: config.value?.quic.enabled === false ? "the setting `quic.enabled`" : undefined,
      availability: quicAvailability,
      without: "Without it nodes connect by gRPC; `quic.enabled = false` asks for that.",
    }),
    devicesCheck(database, now),
    serviceCheck({ program: "palyrad", stateRoot: dirname(folder) }),
  ];
  return { program: "palyrad", checks: await runChecks(checks, signal) };
}

function configurationCheck(config: Attempt<DaemonConfig>, path: string): Check {
  const examine = (): Finding => {
    if (config.failure !== undefined) {
      return findingOf("failed", config.failure, `Correct ${path}; \`palyrad config show\` tells what there is.`);
    }
    const fromFile = config.value.entries.some(({ source }) => source.kind === "file");
    return ok(fromFile ? `${path} can be read, and holds nothing unknown.` : "No setting comes from a file.");
  };
  return { name: "configuration", examine };
}
