import assert from "node:assert/strict";
import { join } from "node:path";
import type { PalyraError } from "../../../identity/palyra_error.ts";
import { programUrl } from "./child_command.ts";
import { MAX_SOURCE_BYTES, ownerFiles, readOwnerSource, withFileName } from "./owner_source.ts";
import { OwnerFolder } from "./testdata/owner_folder.ts";

const invalid = (message: RegExp) => (error: PalyraError) =>
  error.code === "invalid_config" && message.test(error.message);

/** The text that a worker would be given. */
async function textOf(folder: OwnerFolder, file: string): Promise<string> {
  const { moduleUrl } = await readOwnerSource(folder.path, file);
  return await (await fetch(moduleUrl)).text();
}

Deno.test("ownerFiles() lists programs, and neither tests nor declarations nor anything else", async () => {
  await using folder = await OwnerFolder.create(Object.fromEntries(
    ["b.ts", "a.js", "a_test.ts", "a.test.js", "types.d.ts", ".hidden.ts", "notes.md", "c.tsx", ".ts"].map(
      (name) => [name, ""],
    ),
  ));
  await Deno.mkdir(join(folder.path, "folder.ts"));
  assert.deepEqual(await ownerFiles(folder.path), ["a.js", "b.ts"]);
});

Deno.test("ownerFiles() refuses a folder that is not there, is none, or that everybody may write to", async () => {
  await using folder = await OwnerFolder.create({ "a.ts": "" });
  await assert.rejects(ownerFiles(join(folder.path, "absent")), invalid(/cannot be read/));
  await assert.rejects(ownerFiles(join(folder.path, "a.ts")), invalid(/cannot be read/));
  if (Deno.build.os === "windows") return;
  await Deno.chmod(folder.path, 0o777);
  await assert.rejects(ownerFiles(folder.path), invalid(/written by everybody.*chmod o-w/));
});

Deno.test("readOwnerSource() takes types away and leaves JavaScript as it is", async () => {
  await using folder = await OwnerFolder.create({
    "typed.ts": 'import type { A } from "./absent.ts";\nconst ä: A = "é" as A;\nexport default ä satisfies A;\n',
    "plain.js": '// "é"\nexport default 1;\n',
  });
  assert.match(await textOf(folder, "typed.ts"), /^ +\nconst ä {3} = "é" {5};\nexport default ä {12};\n$/);
  assert.equal(await textOf(folder, "plain.js"), '// "é"\nexport default 1;\n');
});

Deno.test("readOwnerSource() refuses what cannot be a capability", async () => {
  await using folder = await OwnerFolder.create({
    "broken.ts": "export default {",
    "enum.ts": "enum A { b }",
    "large.js": "/".repeat(MAX_SOURCE_BYTES + 1),
    "full.js": "/".repeat(MAX_SOURCE_BYTES),
  });
  await Deno.writeFile(join(folder.path, "latin1.js"), Uint8Array.of(0x22, 0xe9, 0x22));
  const cases: [string, RegExp][] = [
    ["broken.ts", /types can be taken away/],
    ["enum.ts", /enum is not supported/],
    ["large.js", /more than 262144 bytes/],
    ["latin1.js", /not UTF-8/],
  ];
  await Promise.all(
    cases.map(([file, message]) => assert.rejects(readOwnerSource(folder.path, file), invalid(message))),
  );
  assert.equal((await textOf(folder, "full.js")).length, MAX_SOURCE_BYTES);
});

Deno.test({
  name: "readOwnerSource() refuses links, and files that everybody may write",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using folder = await OwnerFolder.create({ "open.js": "" });
    await Deno.chmod(join(folder.path, "open.js"), 0o666);
    await Deno.symlink("/etc/hostname", join(folder.path, "link.js"));
    await assert.rejects(readOwnerSource(folder.path, "open.js"), invalid(/written by everybody/));
    await assert.rejects(readOwnerSource(folder.path, "link.js"), invalid(/no plain file/));
  },
});

Deno.test("withFileName() names the file where the module's URL stood, in full or shortened, and no other program", async () => {
  await using folder = await OwnerFolder.create({ "a.js": "export default 1" });
  const { moduleUrl } = await readOwnerSource(folder.path, "a.js");
  const start = moduleUrl.slice(0, 50);
  const program = programUrl("(function program() {})();");
  const text = `at run (${moduleUrl}:1:2)\nat ${start}......QgMQ==:3:4\nat perform (${program}:5:6)`;
  assert.equal(withFileName(text, "a.js"), "at run (a.js:1:2)\nat a.js:3:4\nat perform (palyra-node:5:6)");
});
