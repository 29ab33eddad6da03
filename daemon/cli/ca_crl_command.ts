import { resolve } from "node:path";
import { writeFileAtomically } from "../../identity/atomic_file.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { pemToDer } from "../../identity/pem.ts";
import type { RevocationListView } from "../../proto/gen/admin.ts";
import { print } from "../../transport/program/cli_output.ts";
import { withAdmin } from "./admin_connection.ts";
import { daemonCommand } from "./daemon_command.ts";
import { printView } from "./print_view.ts";

/** `palyrad ca crl` */
export function caCrlCommand() {
  return daemonCommand(
    "crl",
    "Write the X.509 list of revoked certificates, for other programs that check them. It holds for seven days.",
    [
      { command: "palyrad ca crl --out palyra.crl.pem", explanation: "one list for each CA in use" },
      { command: "palyrad ca crl | openssl crl -noout -text", explanation: "look at it" },
    ],
  )
    .option("--out <file>", "write it to this file, replacing what is there (default: standard output)")
    .option("--der", "as DER instead of PEM: of the CA that issues, as a file has room for one")
    .action(async ({ out, der, json, ...options }) => {
      if (der && out === undefined) {
        throw new PalyraError("invalid_argument", "DER is no text: name a file for it with --out.");
      }
      await withAdmin(options, async (admin) => {
        const { lists } = await admin.getRevocationList({});
        const path = out === undefined ? undefined : resolve(out);
        if (path !== undefined) await writeFileAtomically(path, der ? derOf(lists) : pemOf(lists));
        if (json) {
          return printView(
            path === undefined ? { lists } : {
              file: path,
              lists: lists.map(({ caFingerprint, entries }) => ({ caFingerprint, entries })),
            },
          );
        }
        if (path === undefined) return print(lists.map(({ pem }) => pem).join("").trimEnd());
        const entries = lists.reduce((total, list) => total + list.entries, 0);
        print(`Written to ${path}: ${entries} revoked certificates, good for seven days.`);
      });
    });
}

function pemOf(lists: readonly RevocationListView[]): Uint8Array {
  return new TextEncoder().encode(lists.map(({ pem }) => pem).join(""));
}

function derOf([current]: readonly RevocationListView[]): Uint8Array {
  if (current === undefined) throw new PalyraError("internal", "The daemon has no CA.");
  return pemToDer(current.pem, "X509 CRL");
}
