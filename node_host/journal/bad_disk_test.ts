import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CAN_MOUNT, onSmallDisk } from "../testing/small_disk.ts";
import { TestFolder } from "../testing/test_folder.ts";
import { AttemptJournal } from "./attempt_journal.ts";
import { JOURNAL_FILE } from "./journal_file.ts";

const probe = (name: string) => fileURLToPath(import.meta.resolve(`./testdata/${name}`));
const DISK_BYTES = 1024 * 1024;

async function outputOf([program = "", ...args]: readonly string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  assert.ok(stdout.length > 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

const run = (script: string, folder: string) => [Deno.execPath(), "run", "-q", "-A", probe(script), folder];

Deno.test({
  name: "AttemptJournal refuses starts on a full disk, loses nothing it has promised, and recovers when there is room",
  ignore: !CAN_MOUNT,
  fn: async () => {
    await using folder = await TestFolder.create();
    const said = JSON.parse(
      await outputOf(onSmallDisk(folder.path, DISK_BYTES, run("full_disk_probe.ts", folder.path))),
    );
    assert.deepEqual(said.refusals.map(({ code }: { code: string }) => code), Array(3).fill("state_read_only"));
    assert.equal(said.sameId, true);
    assert.deepEqual(said.interrupted, said.started);
    assert.deepEqual(said.finished, said.expectedFinished);
    assert.equal(said.outputBytes, said.sentBytes);
  },
});

Deno.test({
  name: "AttemptJournal.open() refuses a journal that may not be written, says so, and leaves it as it is",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using folder = await TestFolder.create();
    const journal = await AttemptJournal.open(folder.path);
    await journal.close();
    const path = join(folder.path, JOURNAL_FILE);
    const before = await Deno.readFile(path);
    await Deno.chmod(path, 0o400);
    // For root a mode means nothing, unless it gives that up.
    const bound = Deno.uid() === 0 ? ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] : [];
    const said = await outputOf([...bound, ...run("open_probe.ts", folder.path)]);
    assert.match(said, /^state_read_only: .*journal\.sqlite.* belong to the user that runs/);
    assert.deepEqual(await Deno.readFile(path), before);
  },
});
