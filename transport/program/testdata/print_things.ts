// Prints by the functions of cli_output.ts what the test asks for.
import { PalyraError } from "../../../identity/palyra_error.ts";
import { print, printJson, reportError } from "../cli_output.ts";

const taken = new PalyraError("device_id_taken", "The name \x1b[2J is taken.");
switch (Deno.args[0]) {
  case "large":
    print("x".repeat(1_000_000));
    Deno.exit(0);
    break;
  case "json":
    printJson({ z: 1, a: 18_446_744_073_709_551_615n, list: [] });
    break;
  case "report": {
    const codes = [
      reportError(taken, { json: false }),
      reportError(taken, { json: true }),
      reportError(new Error("private detail"), { json: true }),
    ];
    print(codes.join(" "));
    break;
  }
}
