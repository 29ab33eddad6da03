import { PalyraError } from "../../../identity/palyra_error.ts";
import { prepareStateFolder } from "../state_folder.ts";
import type { CommandRunner } from "./command_runner.ts";
import { askServiceStatus, readInstalledService, writeServiceFile } from "./installed_service.ts";
import { type ServiceDefinition, writableFolders } from "./service_definition.ts";
import type { ServiceFile, ServiceManager, ServiceStep } from "./service_manager.ts";
import { runSteps } from "./service_steps.ts";

/** What an installation would do. */
export interface InstallPlan {
  readonly definition: ServiceDefinition;
  readonly manager: ServiceManager;
  readonly file: ServiceFile;
  /** Makes the manager know the file. */
  readonly register: readonly ServiceStep[];
  /** Starts the service; empty when it shall not be started. */
  readonly start: readonly ServiceStep[];
  /** The file lies there already, word for word. */
  readonly unchanged: boolean;
}

/** How an installation shall go. */
export interface InstallChoices {
  /** Start the service as well. */
  readonly start: boolean;
  /** Replace another file that lies where this one belongs. */
  readonly force: boolean;
  /** Only tell what would be done, even where there is nothing to do it with. */
  readonly dryRun: boolean;
}

/**
 * Finds out what an installation would do; changes nothing.
 *
 * Rejects with `service_manager_unavailable` when the manager does not answer, and, unless `force`, with
 * `service_installed_differently` when another file lies where this one belongs. A dry run rejects with neither.
 */
export async function planInstallation(
  definition: ServiceDefinition,
  manager: ServiceManager,
  runner: CommandRunner,
  { start, force, dryRun }: InstallChoices,
): Promise<InstallPlan> {
  const { program } = definition;
  const file = manager.file(definition);
  const running = !dryRun && (await askServiceStatus({ manager }, program, runner)).running;
  const existing = await readInstalledService(manager, program);
  const unchanged = existing?.text === file.text;
  if (existing !== undefined && !unchanged && !force && !dryRun) {
    const other = manager.serves(existing.text, definition.stateRoot)
      ? `${program} is installed already, with other settings`
      : `${program} is installed already, for another state folder`;
    throw new PalyraError(
      "service_installed_differently",
      `${other}, in ${file.path}. See with --dry-run what would be installed, and add --force to replace it.`,
    );
  }
  // What runs as it should is not disturbed.
  const steps = unchanged && running ? manager.start(program) : manager.startRegistered(program);
  return { definition, manager, file, register: manager.register(definition), start: start ? steps : [], unchanged };
}

/**
 * Carries a plan out: makes the folders that it writes to, writes the file, makes the manager know it and starts the
 * service. Rejects with `permission_missing` when the file cannot be written, `service_command_failed` when a command of
 * the manager's fails; the file stays then, so that the cause can be looked for and the installation repeated.
 */
export async function carryOut(plan: InstallPlan, runner: CommandRunner): Promise<void> {
  const { definition, manager, file } = plan;
  // A service manager does not start what may write to a folder that is not there.
  for (const folder of writableFolders(definition)) {
    // deno-lint-ignore no-await-in-loop -- a few
    if (!await exists(folder)) await makeFolder(folder, definition);
  }
  if (!plan.unchanged) await writeServiceFile(file);
  await runSteps([...plan.register, ...plan.start], runner, manager.logs(definition));
}

/** For whoever is going to run the service, and nobody else. */
async function makeFolder(folder: string, { owner }: ServiceDefinition): Promise<void> {
  await prepareStateFolder(folder);
  if (owner !== undefined) await Deno.chown(folder, owner.uid, owner.gid);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
