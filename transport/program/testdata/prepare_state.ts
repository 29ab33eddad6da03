// Says how preparing the state folder given failed, by code.
import { PalyraError } from "../../../identity/palyra_error.ts";
import { print } from "../cli_output.ts";
import { prepareStateFolder } from "../state_folder.ts";

try {
  await prepareStateFolder(Deno.args[0] ?? "");
  print("ready");
} catch (error) {
  print(PalyraError.from(error).code);
}
