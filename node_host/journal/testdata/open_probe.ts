/** Opens the journal of a folder and says what came of it. */
import { PalyraError } from "../../../identity/palyra_error.ts";
import { print } from "../../../transport/program/cli_output.ts";
import { AttemptJournal } from "../attempt_journal.ts";

const [folder = ""] = Deno.args;
try {
  await using journal = await AttemptJournal.open(folder);
  print(journal.id);
} catch (error) {
  const { code, message } = PalyraError.from(error);
  print(`${code}: ${message}`);
}
