import { resolve } from "node:path";
import { PalyraError } from "../../identity/palyra_error.ts";
import { stateError } from "../../identity/state_error.ts";
import { print, printJson } from "../../transport/program/cli_output.ts";
import { withAdmin } from "./admin_connection.ts";
import { daemonCommand } from "./daemon_command.ts";

/** `palyrad ca export` */
export function caExportCommand() {
  return daemonCommand("export", "Write the CA's certificate as PEM, for programs that are to trust the daemon.", [
    { command: "palyrad ca export ca.pem", explanation: "the CA that issues" },
    { command: "palyrad ca export --bundle | openssl storeutl -noout -text /dev/stdin", explanation: "all that count" },
  ])
    .argument("[file]", "a new file (default: standard output)")
    .option("--bundle", "every CA to trust, the one that issues first: while the CA changes there are several")
    .action(async (file, options) => {
      await withAdmin(options, async (admin) => {
        const { authorities } = await admin.getAuthority({});
        const current = authorities.filter(({ role }) => role === "current");
        const others = authorities.filter(({ role }) => role !== "current");
        const wanted = options.bundle ? [...current, ...others.toReversed()] : current;
        const pem = wanted.map(({ certificatePem }) => certificatePem).join("");
        const path = file && resolve(file);
        if (path !== undefined) await writeNew(path, pem);
        if (options.json) {
          const fingerprints = wanted.map(({ fingerprint }) => fingerprint);
          return printJson({ fingerprints, ...path === undefined ? { pem } : { file: path } });
        }
        print(path === undefined ? pem.trimEnd() : `Written to ${path}.`);
      });
    });
}

async function writeNew(path: string, text: string): Promise<void> {
  try {
    await Deno.writeTextFile(path, text, { createNew: true });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new PalyraError("invalid_argument", `${path} is there already; name a new file.`);
    }
    throw stateError(error, path);
  }
}
