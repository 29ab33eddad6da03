import { dirname } from "node:path";
import { writeFileAtomically } from "../../../identity/atomic_file.ts";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { stateError } from "../../../identity/state_error.ts";
import type { CommandRunner } from "./command_runner.ts";
import type { ServiceProgram } from "./service_definition.ts";
import type { ServiceFile, ServiceManager, ServiceStatus } from "./service_manager.ts";

/** Larger than any file that is made here. */
const MAX_FILE_BYTES = 64 * 1024;

/** The file of a service that is installed. */
export interface InstalledService {
  readonly manager: ServiceManager;
  readonly path: string;
  readonly text: string;
}

/** The service of a program in one manager, whatever state root it serves; undefined when there is none. */
export async function readInstalledService(
  manager: ServiceManager,
  program: ServiceProgram,
): Promise<InstalledService | undefined> {
  const path = manager.path(program);
  try {
    const { size } = await Deno.stat(path);
    if (size > MAX_FILE_BYTES) {
      throw new PalyraError("service_installed_differently", `${path} is no file of this program's: move it away.`);
    }
    return { manager, path, text: decoded(await Deno.readFile(path)) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw stateError(error, path);
  }
}

/** The first service of a program on this state root; undefined when it is not installed in any of the managers. */
export async function findInstalledService(
  managers: readonly ServiceManager[],
  program: ServiceProgram,
  stateRoot: string,
): Promise<InstalledService | undefined> {
  const found = await Promise.all(managers.map((manager) => readInstalledService(manager, program)));
  return found.find((service) => service?.manager.serves(service.text, stateRoot));
}

/** What the manager says of the service. Rejects with `service_manager_unavailable` when it cannot be asked. */
export async function askServiceStatus(
  { manager }: Pick<InstalledService, "manager">,
  program: ServiceProgram,
  runner: CommandRunner,
): Promise<ServiceStatus> {
  return manager.status(await runner.run(manager.query(program)));
}

/** Writes a service's file where its manager looks for it, as a whole, readable by all: managers complain otherwise. */
export async function writeServiceFile(file: ServiceFile): Promise<void> {
  try {
    await Deno.mkdir(dirname(file.path), { recursive: true });
    await writeFileAtomically(file.path, encoded(file));
    if (Deno.build.os !== "windows") await Deno.chmod(file.path, 0o644);
  } catch (error) {
    const known = stateError(error, file.path);
    if (!(known instanceof PalyraError) || known.code !== "state_read_only") throw known;
    throw new PalyraError(
      "permission_missing",
      `${file.path} cannot be written: use sudo for a system service, or add --user.`,
      { cause: error },
    );
  }
}

const BYTE_ORDER_MARK = "\ufeff";

function encoded({ text, encoding }: ServiceFile): Uint8Array {
  if (encoding === "utf-8") return new TextEncoder().encode(text);
  const marked = BYTE_ORDER_MARK + text;
  const bytes = new DataView(new ArrayBuffer(marked.length * 2));
  for (let at = 0; at < marked.length; at++) bytes.setUint16(at * 2, marked.charCodeAt(at), true);
  return new Uint8Array(bytes.buffer);
}

function decoded(bytes: Uint8Array): string {
  const wide = bytes[0] === 0xff && bytes[1] === 0xfe;
  return new TextDecoder(wide ? "utf-16le" : "utf-8").decode(bytes);
}
