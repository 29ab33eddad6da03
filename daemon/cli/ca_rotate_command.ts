import { PalyraError } from "../../identity/palyra_error.ts";
import type { AuthorityView } from "../../proto/gen/admin.ts";
import { print } from "../../transport/program/cli_output.ts";
import type { AdminClient } from "../admin_client.ts";
import { withAdmin } from "./admin_connection.ts";
import { printAuthority } from "./ca_show_command.ts";
import { daemonCommand } from "./daemon_command.ts";
import { printView } from "./print_view.ts";

/** `palyrad ca rotate` */
export function caRotateCommand() {
  return daemonCommand(
    "rotate",
    "Change the CA in two steps, and lose no request by it: first every node is told to trust another one, then that one " +
      "issues and the earlier one goes by itself. Pairings that are not finished before the second step are made anew.",
    [
      { command: "palyrad ca rotate", explanation: "first step: make another CA, and have the nodes trust it" },
      { command: "palyrad ca show", explanation: "who trusts it already" },
      { command: "palyrad ca rotate --complete", explanation: "second step: it issues; nodes renew at once" },
      { command: "palyrad ca rotate --abort", explanation: "instead of the second step: give it up" },
    ],
  )
    .option("--complete", "take the second step; refused while connected nodes do not trust the new CA yet")
    .option("--force", "with --complete: take it all the same; such nodes come back by themselves")
    .option("--abort", "give the rotation up; only before the second step")
    .action(async (options) => {
      const { complete = false, force = false, abort = false } = options;
      if (complete && abort) {
        throw new PalyraError("invalid_argument", "Give either --complete or --abort.");
      }
      if (force && !complete) throw new PalyraError("invalid_argument", "--force goes with --complete.");
      await withAdmin(options, async (admin) => {
        const authority = await step(admin, { complete, force, abort });
        if (options.json) return printView(authority);
        print(done({ complete, abort }));
        print("");
        printAuthority(authority);
      });
    });
}

function step(
  admin: AdminClient,
  { complete, force, abort }: { readonly complete: boolean; readonly force: boolean; readonly abort: boolean },
): Promise<AuthorityView> {
  if (complete) return admin.completeAuthorityRotation({ force });
  return abort ? admin.abortAuthorityRotation({}) : admin.beginAuthorityRotation({});
}

function done({ complete, abort }: { readonly complete: boolean; readonly abort: boolean }): string {
  if (complete) return "The new CA issues from now on. Connected nodes renew their certificates now.";
  return abort ? "The rotation was given up." : "Another CA was made. Connected nodes are being told to trust it.";
}
