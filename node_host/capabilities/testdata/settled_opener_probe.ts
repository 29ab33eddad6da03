import { SystemOpener } from "../opener.ts";

// Run as a child: opens with an opener that does not end by itself. Prints once the opener counts as settled, then must
// be able to exit although the opener still runs. Argument: the opener.
const [command = ""] = Deno.args;
await new SystemOpener({ command, settleMs: 1 }).open("https://example.com/", new AbortController().signal);
await Deno.stdout.write(new TextEncoder().encode("settled"));
