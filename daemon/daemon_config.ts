import { isAbsolute } from "node:path";
import * as v from "valibot";
import { checkBindAddress } from "../transport/program/bind_guard.ts";
import { locateConfigFile, readConfigFile } from "../transport/program/config_file.ts";
import type { EnvironmentReader } from "../transport/program/environment.ts";
import { type ConfigEntry, resolveConfig } from "../transport/program/layered_config.ts";
import { LOG_FILE_SETTING } from "../transport/program/log_file_setting.ts";
import { LOG_FORMATS, LOG_LEVELS } from "../transport/program/logging.ts";
import { defineSettings, type SettingInput } from "../transport/program/setting.ts";
import { stateFolder } from "../transport/program/state_folder.ts";
import { DEFAULT_CERTIFICATE_VALIDITY_MS } from "../identity/certificate_authority.ts";
import { generationFolders } from "./generation_folders.ts";
import type { GenerationPlaces } from "./generation_places.ts";
import { DEFAULT_RETENTION_DAYS } from "./history_retention.ts";
import { DEFAULT_QUEUE_BOUND } from "./request_book.ts";
import { DEFAULT_EVENTS_KEPT } from "./store/device_event_record.ts";

const port = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535));
const PORT_EXPECTED = "a port from 1 to 65535, or 0 for any free one";
const host = v.pipe(v.string(), v.minLength(1), v.maxLength(253));

/** Every setting of palyrad. */
export const DAEMON_SETTINGS = defineSettings({
  "node_rpc.host": {
    schema: host,
    default: "127.0.0.1",
    env: "PALYRA_NODE_RPC_HOST",
    flag: "--host",
    description: "Address on which nodes and operators connect (mutual TLS)",
  },
  "node_rpc.port": {
    schema: port,
    default: 7444,
    env: "PALYRA_NODE_RPC_PORT",
    flag: "--port",
    expects: PORT_EXPECTED,
    description: "TCP port on which nodes and operators connect; with QUIC also the UDP port",
  },
  "quic.enabled": {
    schema: v.boolean(),
    default: true,
    env: "PALYRA_QUIC_ENABLED",
    flag: "--no-quic",
    description: "Whether nodes can connect by QUIC too, on UDP",
  },
  "enrolment.enabled": {
    schema: v.boolean(),
    default: true,
    env: "PALYRA_ENROLMENT_ENABLED",
    flag: "--no-enrolment",
    description: "Whether devices can pair",
  },
  "enrolment.recovery": {
    schema: v.boolean(),
    default: true,
    env: "PALYRA_ENROLMENT_RECOVERY",
    flag: "--no-recovery",
    description: "Whether a paired device whose certificate is of no use any more gets another one by its device key",
  },
  "enrolment.port": {
    schema: port,
    default: 7445,
    env: "PALYRA_ENROLMENT_PORT",
    flag: "--enrolment-port",
    expects: PORT_EXPECTED,
    description: "TCP port on which devices pair (TLS, no client certificate)",
  },
  "allow_remote": {
    schema: v.boolean(),
    default: false,
    env: "PALYRA_ALLOW_REMOTE",
    description: "Permit listening beyond this machine",
  },
  "server_names": {
    schema: v.pipe(v.array(host), v.maxLength(16)),
    default: [],
    env: "PALYRA_SERVER_NAMES",
    flag: "--server-name",
    description: "Names and addresses under which nodes reach this daemon; the certificate carries them",
  },
  "trust_domain": {
    schema: v.pipe(v.string(), v.regex(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/)),
    default: "palyra",
    env: "PALYRA_TRUST_DOMAIN",
    expects: "a lower-case name such as home.example",
    description: "SPIFFE trust domain in the certificates",
  },
  "certificates.validity_ms": {
    schema: v.pipe(v.number(), v.integer(), v.minValue(1_000), v.maxValue(90 * 24 * 3_600_000)),
    default: DEFAULT_CERTIFICATE_VALIDITY_MS,
    env: "PALYRA_CERTIFICATE_VALIDITY_MS",
    description: "Life of a client certificate in milliseconds",
  },
  "queue.bound": {
    schema: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100_000)),
    default: DEFAULT_QUEUE_BOUND,
    env: "PALYRA_QUEUE_BOUND",
    description: "Unfinished requests one node may have",
  },
  "retention.requests": {
    schema: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(3_650)),
    default: DEFAULT_RETENTION_DAYS,
    env: "PALYRA_RETENTION_REQUESTS",
    expects: "a number of days from 1 to 3650",
    description: "Days for which ended requests, expired certificates and decided pairings are kept",
  },
  "events.kept": {
    schema: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100_000)),
    default: DEFAULT_EVENTS_KEPT,
    env: "PALYRA_EVENTS_KEPT",
    description: "Events of one device that are kept for its readers",
  },
  "state.generation_file": {
    schema: v.optional(v.pipe(v.string(), v.check((path) => isAbsolute(path)))),
    default: undefined,
    env: "PALYRA_STATE_GENERATION_FILE",
    expects: "an absolute path",
    description: "File outside the state folder by which a restored backup is noticed; best where no backup reaches",
  },
  "operations.port": {
    schema: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535))),
    default: undefined,
    env: "PALYRA_OPERATIONS_PORT",
    flag: "--operations-port",
    expects: PORT_EXPECTED,
    description: "TCP port on 127.0.0.1 of /metrics, /healthz and /readyz; none when it is not set",
  },
  "log.level": {
    schema: v.picklist(LOG_LEVELS),
    default: "info",
    env: "PALYRA_LOG_LEVEL",
    flag: "--log-level",
    description: "Least important log level that is written",
  },
  "log.format": {
    schema: v.picklist(LOG_FORMATS),
    default: "auto",
    env: "PALYRA_LOG_FORMAT",
    flag: "--log-format",
    description: "Log lines for people (pretty) or programs (json)",
  },
  "log.file": LOG_FILE_SETTING,
}, {});

type DaemonSettingKey = keyof typeof DAEMON_SETTINGS.settings;

/** Values of flags by setting. */
export type DaemonFlags = { readonly [Key in DaemonSettingKey]?: SettingInput };

/** Where palyrad's configuration is looked for. */
export interface DaemonConfigSources {
  readonly stateRoot?: string | undefined;
  readonly configFile?: string | undefined;
  readonly flags?: DaemonFlags;
  readonly environment: EnvironmentReader;
}

/** palyrad's configuration, resolved and checked. */
export interface DaemonConfig {
  readonly stateFolder: string;
  readonly nodeRpc: { readonly hostname: string; readonly port: number };
  /** At the address and port number of {@linkcode nodeRpc}. */
  readonly quic: { readonly enabled: boolean };
  /** Undefined: nobody listens. */
  readonly operationsPort: number | undefined;
  readonly enrolment: { readonly enabled: boolean; readonly port: number; readonly recovery: boolean };
  readonly serverNames: readonly string[];
  readonly trustDomain: string;
  readonly certificateValidityMs: number;
  /** Where it is noted outside of the state folder how new the state is. */
  readonly generationPlaces: GenerationPlaces;
  /** Serve a state that was restored from a backup; false by default. */
  readonly acceptRestoredState?: boolean;
  readonly queueBound: number;
  /** Days for which what has ended is kept. */
  readonly retentionDays: number;
  readonly eventsKept: number;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  readonly logFormat: (typeof LOG_FORMATS)[number];
  /** Undefined: standard error. */
  readonly logFile: string | undefined;
  /** Each value with where it came from. */
  readonly entries: readonly ConfigEntry[];
}

/** Reads flags, environment and `palyra.toml`; throws `invalid_config` with the cure. */
export async function readDaemonConfig(sources: DaemonConfigSources): Promise<DaemonConfig> {
  const { environment } = sources;
  const folder = stateFolder("palyrad", { flag: sources.stateRoot, environment });
  const location = locateConfigFile({ flag: sources.configFile, environment, stateFolder: folder });
  const file = await readConfigFile(location);
  const { values, entries } = resolveConfig(DAEMON_SETTINGS, { flags: sources.flags ?? {}, environment, file });
  checkBindAddress({
    hostname: values["node_rpc.host"],
    allowRemote: values["allow_remote"],
    serverNames: values["server_names"],
  });
  return {
    stateFolder: folder,
    nodeRpc: { hostname: values["node_rpc.host"], port: values["node_rpc.port"] },
    quic: { enabled: values["quic.enabled"] },
    operationsPort: values["operations.port"],
    enrolment: {
      enabled: values["enrolment.enabled"],
      port: values["enrolment.port"],
      recovery: values["enrolment.recovery"],
    },
    serverNames: values["server_names"],
    trustDomain: values["trust_domain"],
    certificateValidityMs: values["certificates.validity_ms"],
    generationPlaces: {
      file: values["state.generation_file"],
      folders: generationFolders(folder, environment),
    },
    queueBound: values["queue.bound"],
    retentionDays: values["retention.requests"],
    eventsKept: values["events.kept"],
    logLevel: values["log.level"],
    logFormat: values["log.format"],
    logFile: values["log.file"],
    entries,
  };
}
