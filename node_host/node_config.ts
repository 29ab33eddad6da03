import { isAbsolute } from "node:path";
import * as v from "valibot";
import { MAX_DECLARED_TEXT_CHARACTERS } from "../identity/device_declaration.ts";
import {
  type ConfigEntry,
  defineSettings,
  type EnvironmentReader,
  locateConfigFile,
  LOG_FILE_SETTING,
  LOG_FORMATS,
  LOG_LEVELS,
  type LoggingOptions,
  readConfigFile,
  resolveConfig,
  stateFolder,
} from "../transport/program/mod.ts";
import {
  isOwnerPermission,
  MAX_OWNER_PERMISSIONS,
  type MediationRule,
  type OwnerAllowance,
  PERMISSION_NOTATION,
} from "./capabilities/mod.ts";
import { DEFAULT_MEDIATION_TIMEOUT_MS } from "./mediation/local_mediation.ts";
import { TRANSPORT_PREFERENCES, type TransportWish } from "./transport_choice.ts";

/** The most requests that a node may ask to run at once. */
const MAX_CONCURRENCY = 256;
const MAX_ROOTS = 64;
const MAX_DENIED = 64;
const MAX_MEDIATION_TIMEOUT_MS = 3_600_000;

const MEDIATION_RULES: readonly MediationRule[] = ["allow", "ask", "deny"];

/** Every setting of palyra-node. */
export const NODE_SETTINGS = defineSettings({
  "device_name": {
    schema: v.optional(
      v.pipe(v.string(), v.maxLength(MAX_DECLARED_TEXT_CHARACTERS), v.regex(/^[^\p{C}\p{Zl}\p{Zp}]+$/u)),
    ),
    default: undefined,
    env: "PALYRA_DEVICE_NAME",
    flag: "--name",
    expects: `1 to ${MAX_DECLARED_TEXT_CHARACTERS} printable characters`,
    description: "What people know this machine by; the host name when it is not set",
  },
  "state_root": {
    schema: v.optional(v.pipe(v.string(), v.minLength(1))),
    default: undefined,
    env: "PALYRA_STATE_ROOT",
    flag: "--state-root",
    description: "Where state is kept; the platform's convention when it is not set",
  },
  "transport": {
    schema: v.picklist(TRANSPORT_PREFERENCES),
    default: "auto",
    env: "PALYRA_TRANSPORT",
    flag: "--transport",
    description: "How to reach the daemon; auto is QUIC where UDP gets through, and gRPC where it does not",
  },
  "recovery": {
    schema: v.boolean(),
    default: true,
    env: "PALYRA_RECOVERY",
    flag: "--no-recovery",
    description: "Whether this machine gets another certificate by its device key when its own is of no use any more",
  },
  "log.level": {
    schema: v.picklist(LOG_LEVELS),
    default: "info",
    env: "PALYRA_LOG_LEVEL",
    description: "The least important level that is logged",
  },
  "log.format": {
    schema: v.picklist(LOG_FORMATS),
    default: "auto",
    env: "PALYRA_LOG_FORMAT",
    description: "How lines are logged; auto is pretty on a terminal and json elsewhere",
  },
  "log.file": LOG_FILE_SETTING,
  "open_path.roots": {
    schema: v.pipe(v.array(v.pipe(v.string(), v.check((path) => isAbsolute(path)))), v.maxLength(MAX_ROOTS)),
    default: [],
    env: "PALYRA_OPEN_PATH_ROOTS",
    expects: `at most ${MAX_ROOTS} absolute paths`,
    description: "Folders from which desktop.open_path may open things",
  },
  "opener": {
    schema: v.optional(v.pipe(v.string(), v.check((path) => isAbsolute(path)))),
    default: undefined,
    env: "PALYRA_OPENER",
    expects: "an absolute path",
    description: "Program that opens pages and files; the platform's own when it is not set",
  },
  "capabilities_folder": {
    schema: v.optional(v.pipe(v.string(), v.check((path) => isAbsolute(path)))),
    default: undefined,
    env: "PALYRA_CAPABILITIES",
    flag: "--capabilities",
    expects: "an absolute path",
    description: "Folder with capabilities of your own, one file each",
  },
  "deny": {
    schema: v.pipe(v.array(v.string()), v.maxLength(MAX_DENIED)),
    default: [],
    env: "PALYRA_DENY",
    expects: `at most ${MAX_DENIED} names of capabilities`,
    description: "Capabilities that are never run, whatever their mediation says",
  },
  "mediation.timeout_ms": {
    schema: v.pipe(v.number(), v.integer(), v.minValue(1_000), v.maxValue(MAX_MEDIATION_TIMEOUT_MS)),
    default: DEFAULT_MEDIATION_TIMEOUT_MS,
    env: "PALYRA_MEDIATION_TIMEOUT_MS",
    expects: `milliseconds, from 1000 to ${MAX_MEDIATION_TIMEOUT_MS}`,
    description: "How long you may take over a question; the request's own deadline holds in any case",
  },
  "mediation.ask_on_terminal": {
    schema: v.boolean(),
    default: true,
    env: "PALYRA_MEDIATION_ASK_ON_TERMINAL",
    description: "Whether `run` on a terminal asks there; `palyra-node requests` answers in any case",
  },
  "max_concurrency": {
    schema: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_CONCURRENCY)),
    default: 32,
    env: "PALYRA_MAX_CONCURRENCY",
    expects: `a whole number from 1 to ${MAX_CONCURRENCY}`,
    description: "How many requests run at once",
  },
}, {
  "capabilities.*.mediation": {
    schema: v.picklist(MEDIATION_RULES),
    description: "Whether a capability runs without asking, asks, or is denied",
  },
  "capabilities.*.permissions": {
    schema: v.pipe(
      v.array(v.pipe(v.string(), v.check((text) => isOwnerPermission(text)))),
      v.maxLength(MAX_OWNER_PERMISSIONS),
    ),
    expects: `at most ${MAX_OWNER_PERMISSIONS} permissions, each like ${PERMISSION_NOTATION}`,
    description: "What a capability of your own may use, of what it asks for",
  },
  "capabilities.*.unfenced": {
    schema: v.boolean(),
    description: "Whether a capability of your own may start the programs it asks for, which no permission limits",
  },
});

/** Where the settings of a node host may come from, beside their defaults. */
export interface NodeConfigSources {
  /** The text of `--state-root`. */
  readonly stateRoot?: string | undefined;
  /** The text of `--config`. */
  readonly config?: string | undefined;
  /** The text of `--name`. */
  readonly deviceName?: string | undefined;
  /** The text of `--transport`. */
  readonly transport?: string | undefined;
  /** False for `--no-recovery`. */
  readonly recovery?: false | undefined;
  /** The text of `--log-file`, an absolute path. */
  readonly logFile?: string | undefined;
  /** The text of `--capabilities`, an absolute path. */
  readonly capabilities?: string | undefined;
  /** `Deno.env` by default. */
  readonly environment?: EnvironmentReader;
}

/** The settings of a node host. */
export interface NodeConfig {
  /** Where this program keeps its state: `node-host` in the state root. */
  readonly stateFolder: string;
  /** The configuration file, which may be absent. */
  readonly configFile: string;
  /** Undefined: the host name. */
  readonly deviceName: string | undefined;
  readonly transport: TransportWish;
  /** Whether another certificate is got by the device key when the daemon will not have the one there is. */
  readonly recovery: boolean;
  readonly logging: Pick<LoggingOptions, "level" | "format" | "file">;
  readonly openPathRoots: readonly string[];
  /** Undefined: the platform's own. */
  readonly opener: string | undefined;
  /** Where capabilities of the owner's own lie. */
  readonly capabilitiesFolder: string | undefined;
  /** What the owner has allowed those, by name. */
  readonly allowances: ReadonlyMap<string, OwnerAllowance>;
  readonly denied: readonly string[];
  readonly mediationRules: Readonly<Record<string, MediationRule>>;
  readonly mediationTimeoutMs: number;
  readonly askOnTerminal: boolean;
  readonly maxConcurrency: number;
  /** Every value with its source; what `config show` prints. */
  readonly entries: readonly ConfigEntry[];
}

/**
 * Reads the settings: flags before environment before `palyra.toml` before defaults. The file is `--config`, else
 * `PALYRA_CONFIG`, else `palyra.toml` in this program's state folder, so that a daemon on the same machine has its own.
 *
 * @throws {PalyraError} `invalid_config`, naming the source and the cure.
 */
export async function loadNodeConfig(sources: NodeConfigSources = {}): Promise<NodeConfig> {
  const environment = sources.environment ?? Deno.env;
  const location = locateConfigFile({
    flag: sources.config,
    environment,
    stateFolder: stateFolder("node-host", { flag: sources.stateRoot, environment }),
  });
  const { values, named, entries } = resolveConfig(NODE_SETTINGS, {
    flags: {
      "device_name": sources.deviceName,
      "state_root": sources.stateRoot,
      "transport": sources.transport,
      "recovery": sources.recovery,
      "log.file": sources.logFile,
      "capabilities_folder": sources.capabilities,
    },
    environment,
    file: await readConfigFile(location),
  });
  return {
    stateFolder: stateFolder("node-host", { flag: values["state_root"], environment }),
    configFile: location.path,
    deviceName: values["device_name"],
    transport: {
      preference: values["transport"],
      askedBy: entries.find(({ key }) => key === "transport")?.source.name ?? "",
    },
    recovery: values["recovery"],
    logging: { level: values["log.level"], format: values["log.format"], file: values["log.file"] },
    openPathRoots: values["open_path.roots"],
    opener: values["opener"],
    capabilitiesFolder: values["capabilities_folder"],
    allowances: allowancesOf(named["capabilities.*.permissions"], named["capabilities.*.unfenced"]),
    denied: values["deny"],
    mediationRules: Object.fromEntries(named["capabilities.*.mediation"]),
    mediationTimeoutMs: values["mediation.timeout_ms"],
    askOnTerminal: values["mediation.ask_on_terminal"],
    maxConcurrency: values["max_concurrency"],
    entries,
  };
}

function allowancesOf(
  permissions: ReadonlyMap<string, readonly string[]>,
  unfenced: ReadonlyMap<string, boolean>,
): ReadonlyMap<string, OwnerAllowance> {
  const names = new Set([...permissions.keys(), ...unfenced.keys()]);
  return new Map([...names].map((name) => [
    name,
    { permissions: permissions.get(name) ?? [], unfenced: unfenced.get(name) ?? false },
  ]));
}
