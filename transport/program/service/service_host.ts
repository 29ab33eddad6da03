import type { ProcessMark } from "../process_mark.ts";
import type { ServiceProgram } from "./service_definition.ts";

/** The options by which every service verb finds the program's state, as commander hands them over. */
export interface StateOptions {
  readonly stateRoot?: string | undefined;
  readonly config?: string | undefined;
}

/** What a program says of itself before it becomes a service. Its configuration was read without a fault. */
export interface ServiceFacts {
  /** The program's state folder, an absolute path; the state root is the folder above it. */
  readonly stateFolder: string;
  /** The absolute path of the configuration file, when it is not the one in the state folder. */
  readonly configFile: string | undefined;
  /** The absolute path of the log file that is configured. */
  readonly logFile: string | undefined;
  /** Folders that it only reads, beside its own. */
  readonly readFolders: readonly string[];
  /** Folders that it writes to, beside its own and its log's. */
  readonly writtenFolders?: readonly string[];
  /** Variables that decide settings here and that a service would not have. */
  readonly variables: readonly string[];
}

/** How the pairing of a device ended when its service was removed. */
export interface PairingEnd {
  /** `none`: there was no pairing. `kept`: the daemon could not be told, so it stays. */
  readonly outcome: "none" | "ended" | "kept";
  /** Why the daemon could not be told. */
  readonly reason?: string | undefined;
}

/** What the service verbs need of the program that they belong to. */
export interface ServiceHost {
  readonly program: ServiceProgram;
  /** A few words for people and service managers. */
  readonly description: string;
  /** Reads the configuration. Rejects with `invalid_config`. */
  read(options: StateOptions): Promise<ServiceFacts>;
  /** Rejects with the reason why the program could not do its work as a service yet (`not_paired`, say). */
  requireFit(facts: ServiceFacts): Promise<void>;
  /** Whether it starts programs of the user's own, such as a browser. Rejects with `invalid_config`. */
  startsPrograms(options: StateOptions): Promise<boolean>;
  /** The process that runs on this state folder, as a service or not. */
  findProcess(stateFolder: string): Promise<ProcessMark | undefined>;
  /** Ends the pairing of this device, for a program that pairs. Nothing else uses the state folder then. */
  readonly endPairing?: (stateFolder: string, signal: AbortSignal) => Promise<PairingEnd>;
}
