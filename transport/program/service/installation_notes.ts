import { SEALING_CREDENTIAL } from "../sealing/given_sealing_key.ts";
import { type ServiceDefinition, type ServiceScope, visiblePaths } from "./service_definition.ts";

/** What somebody is told about a service beside its definition. */
export interface NotedFacts {
  /** Variables that decide settings here and that a service would not have. */
  readonly variables: readonly string[];
  /** It would start programs of the user's own, in a user's scope. */
  readonly startsPrograms: boolean;
  /** Its secrets are sealed, and it cannot start without the key. */
  readonly isSealed: boolean;
}

/** What somebody who installs a service should know, one sentence or two each; often nothing. */
export function installationNotes(definition: ServiceDefinition, facts: NotedFacts, scope: ServiceScope): string[] {
  const { program, launch, owner, desktopSession, startsPrograms } = definition;
  const notes: string[] = [];
  if (facts.variables.length > 0) {
    notes.push(
      `${facts.variables.join(", ")} ${
        facts.variables.length === 1 ? "is" : "are"
      } set here, and a service does not see ` +
        "that: put it into palyra.toml.",
    );
  }
  if (facts.isSealed) notes.push(sealingNote(program, scope));
  if (launch.kind === "source") {
    notes.push(
      "It runs from source with all of Deno's permissions; an executable or a package has only those it needs.",
    );
  }
  if (visiblePaths(definition).some((path) => /^\/(tmp|var\/tmp)\//.test(path))) {
    notes.push("It lies in a folder for temporary files, which the system may empty: name another with --state-root.");
  }
  if (scope === "system") {
    if (Deno.build.os !== "windows" && (owner === undefined || owner.uid === 0)) {
      notes.push(
        "It runs as root, without any of root's capabilities, because root owns its state folder. Give that folder to a " +
          `user of its own (chown -R USER: ${definition.stateFolder}), and it runs as that user after \`${program} install ` +
          "--force`; run the other commands as that user from then on.",
      );
    }
    if (facts.startsPrograms) {
      notes.push("A service of the machine has no desktop: what opens pages or files there needs --user.");
    }
  } else if (Deno.build.os === "linux" && desktopSession) {
    notes.push("It runs while this user is logged in at the desktop.");
  } else if (Deno.build.os === "linux") {
    notes.push(
      "It runs while this user is logged in; `loginctl enable-linger` has it run from the machine's start on." +
        (startsPrograms ? " Opening pages and files needs a desktop, which did not tell systemd of itself." : ""),
    );
  }
  return notes;
}

function sealingNote(program: string, scope: ServiceScope): string {
  if (Deno.build.os !== "linux") {
    return "Its secrets are sealed: set PALYRA_SEALING_KEY_FILE in the service's definition, or it cannot start.";
  }
  const edit = scope === "system" ? `systemctl edit ${program}` : `systemctl --user edit ${program}`;
  return `Its secrets are sealed: give the key to the service, or it cannot start. Run \`${edit}\`, and write there ` +
    `\`[Service]\` and \`LoadCredential=${SEALING_CREDENTIAL}:FILE\`.`;
}
