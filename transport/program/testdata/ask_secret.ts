// Asks for as many PINs as told and prints each one's length and last character, never more. On a terminal it says its
// process id first, and how the terminal is set afterwards: Deno itself restores one only when the process exits.
import { print } from "../cli_output.ts";
import { readSecret } from "../read_secret.ts";
import { runCli } from "../run_cli.ts";

await runCli(async ([times = "1"]) => {
  if (Deno.stdin.isTerminal()) print(`pid ${Deno.pid}.`);
  try {
    for (let asked = 0; asked < Number(times); asked++) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      const pin = await readSecret("PIN");
      print(`got ${pin.length} characters, the last one ${pin.at(-1)}`);
    }
  } finally {
    if (Deno.stdin.isTerminal()) {
      await new Deno.Command("stty", { args: ["-a"], stdin: "inherit", stdout: "inherit" }).spawn().status;
    }
  }
});
