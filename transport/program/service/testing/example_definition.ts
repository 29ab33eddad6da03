import type { ServiceDefinition } from "../service_definition.ts";

/** For tests: a definition of palyrad as an executable of the machine's, with changes. */
export function exampleDefinition(changes: Partial<ServiceDefinition> = {}): ServiceDefinition {
  return {
    program: "palyrad",
    description: "Palyra daemon",
    launch: { kind: "compiled", executable: "/usr/bin/env", args: [] },
    stateRoot: "/var/lib/palyra",
    stateFolder: "/var/lib/palyra/palyrad",
    configFile: undefined,
    logFile: undefined,
    readFolders: [],
    owner: { uid: 990, gid: 990 },
    startsPrograms: false,
    desktopSession: false,
    denoFolder: undefined,
    ...changes,
  };
}

/** For tests: a path with everything in it that some service file must escape. */
export const AWKWARD_PATH = `/srv/a b/$HOME %h/"q" 'q' & <c> \\ ünï`;
