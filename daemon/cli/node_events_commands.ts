import type { DeviceEventView } from "../../proto/gen/admin.ts";
import { print } from "../../transport/program/cli_output.ts";
import { withAdmin } from "./admin_connection.ts";
import { parseCount } from "./count.ts";
import { daemonCommand } from "./daemon_command.ts";
import { printForeign, printView } from "./print_view.ts";

const utf8 = new TextDecoder();

/** Room for `certificate.revoked`, the longest name of the daemon's own. */
const NAME_WIDTH = 19;

/** `palyrad nodes events` */
export function eventsCommand() {
  return daemonCommand("events", "Show what happened to a node: sessions, certificates, notices.", [
    { command: "palyrad nodes events laptop --follow", explanation: "what is kept, then what happens, until Ctrl-C" },
    { command: "palyrad nodes events laptop --after 41 --json", explanation: "for programs: one JSON object a line" },
  ])
    .argument("<node>", "device id or name")
    .option("--after <number>", "only events after this one (default: all that are kept)")
    .option("--follow", "go on with each new event")
    .action(async (deviceId, options) => {
      const afterSequence = options.after === undefined
        ? undefined
        : parseCount(options.after, "--after", Number.MAX_SAFE_INTEGER, 0);
      const follow = options.follow ?? false;
      await withAdmin(options, async (admin) => {
        let shown = 0;
        for await (const event of admin.readEvents({ deviceId, afterSequence, follow })) {
          if (options.json) printView(event);
          else printForeign(eventLine(event));
          shown++;
        }
        if (shown === 0 && !options.json) print("No events.");
      });
    });
}

/** `palyrad nodes notify` */
export function notifyCommand() {
  return daemonCommand("notify", "Tell a node something: an event for it and for whoever reads its log.", [
    {
      command: `palyrad nodes notify laptop backup.due --payload-json '{"by":"18:00"}'`,
      explanation: "logged as notice.backup.due",
    },
  ])
    .argument("<node>", "device id or name")
    .argument("<event>", "what it is about, like backup.due")
    .option("--payload-json <json>", "a JSON object of at most 4 KiB")
    .action(async (deviceId, notice, options) => {
      const payloadJson = new TextEncoder().encode(options.payloadJson ?? "");
      await withAdmin(options, async (admin) => {
        const event = await admin.notifyDevice({ deviceId, notice, payloadJson });
        if (options.json) return printView(event);
        printForeign(eventLine(event));
      });
    });
}

function eventLine({ sequence, name, payloadJson, atUnixMs }: DeviceEventView): string {
  const at = new Date(atUnixMs).toISOString();
  return `${String(sequence).padStart(5)}  ${at}  ${name.padEnd(NAME_WIDTH)}  ${utf8.decode(payloadJson)}`;
}
