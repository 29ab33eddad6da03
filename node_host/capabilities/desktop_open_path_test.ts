import assert from "node:assert/strict";
import { join } from "node:path";
import type { PalyraError } from "../../identity/palyra_error.ts";
import { JsonSchemaCheck } from "../../transport/program/json_schema_check.ts";
import { desktopOpenPath } from "./desktop_open_path.ts";
import { SystemOpener } from "./opener.ts";
import { capabilityContext } from "./testdata/capability_context.ts";
import { createHostileFolder } from "./testdata/hostile_folder.ts";
import { StandInOpener } from "./testdata/stand_in_opener.ts";

function openPath(standIn: StandInOpener, ...roots: string[]) {
  return desktopOpenPath(new SystemOpener({ command: standIn.command }), { roots });
}

async function refusalOf(work: Promise<unknown> | undefined, what: string): Promise<PalyraError> {
  const refusal = Promise.withResolvers<PalyraError>();
  await assert.rejects(Promise.resolve(work), (thrown: PalyraError) => {
    refusal.resolve(thrown);
    return true;
  }, what);
  return await refusal.promise;
}

Deno.test("desktopOpenPath() opens files and folders under a root by their canonical path", async () => {
  await using folder = await createHostileFolder();
  await using standIn = await StandInOpener.create();
  // The root itself may be named through a link.
  const linkedRoot = join(standIn.folder, "link-to-root");
  await Deno.symlink(folder.root, linkedRoot);
  await Deno.symlink("plain.txt", join(folder.root, "to-plain.txt"));
  const capability = openPath(standIn, linkedRoot, join(standIn.folder, "missing-root"));
  const plain = join(folder.root, "plain.txt");
  const cases = [
    [plain, plain, "file"],
    [join(linkedRoot, "plain.txt"), plain, "file"],
    [join(folder.root, "to-plain.txt"), plain, "file"],
    [join(folder.root, "folder"), join(folder.root, "folder"), "directory"],
    [`${folder.root}/folder/`, join(folder.root, "folder"), "directory"],
    [linkedRoot, folder.root, "directory"],
  ] as const;
  const outputCheck = new JsonSchemaCheck(capability.outputSchema, "output");
  await Promise.all(cases.map(async ([given, path, kind]) => {
    const prepared = await capability.prepare?.({ path: given });
    assert.deepEqual(prepared, {
      input: { path },
      summary: `open the ${kind} ${path}`,
      scope: { kind: "folder", value: kind === "file" ? folder.root : path },
    });
    const output = await capability.run(prepared?.input, capabilityContext());
    assert.deepEqual(output, { opened: true, path, kind });
    assert.equal(outputCheck.firstError(output), undefined);
  }));
  assert.deepEqual((await standIn.opened()).sort(), cases.map(([, path]) => `1:${path}`).sort());
});

Deno.test("desktopOpenPath() hands no hostile input to the opener", async () => {
  await using folder = await createHostileFolder();
  await using standIn = await StandInOpener.create();
  const capability = openPath(standIn, folder.root);
  const inputs: [string, unknown][] = folder.paths.map(([what, path]) => [what, { path }]);
  const path = join(folder.root, "plain.txt");
  inputs.push(["null", null], ["text", path], ["number", { path: 1 }], ["list", { path: [path] }], ["nothing", {}]);
  inputs.push(["an extra property", { path, args: ["--x"] }], ["bytes", { path: { 0: 47 } }]);
  assert.ok(inputs.length >= 60);
  await Promise.all(inputs.map(async ([what, input]) => {
    const refusals = [await refusalOf(capability.run(input, capabilityContext()), what)];
    refusals.push(await refusalOf(capability.prepare?.(input), what));
    for (const refusal of refusals) {
      assert.ok(["invalid_input", "capability_denied"].includes(refusal.code), `${what}: ${refusal.code}`);
      assert.ok(!refusal.message.includes(folder.outside), `${what}: the message names a private folder`);
    }
  }));
  assert.deepEqual(await standIn.opened(), []);
});

Deno.test("desktopOpenPath() does not tell whether something exists outside its roots", async () => {
  await using folder = await createHostileFolder();
  await using standIn = await StandInOpener.create();
  const capability = openPath(standIn, folder.root);
  const names = [["secret.txt", "there"], ["missing.txt", "missing"], ["secret.txt/x", "no folder"]] as const;
  const refusals = await Promise.all(
    names.map(([name, what]) => refusalOf(capability.prepare?.({ path: join(folder.outside, name) }), what)),
  );
  for (const { code } of refusals) assert.equal(code, "capability_denied");
  assert.equal(new Set(refusals.map(({ message }) => message)).size, 1);
});

Deno.test("desktopOpenPath() checks again right before the opener starts", async () => {
  await using folder = await createHostileFolder();
  await using standIn = await StandInOpener.create();
  const capability = openPath(standIn, folder.root);
  const swaps: [string, (path: string) => Promise<void>][] = [
    ["link-out", (path) => Deno.symlink(join(folder.outside, "secret.txt"), path)],
    ["link-within", (path) => Deno.symlink(join(folder.root, "plain.txt"), path)],
    ["program", async (path) => {
      await Deno.writeTextFile(path, "text");
      await Deno.chmod(path, 0o700);
    }],
    ["gone", () => Promise.resolve()],
  ];
  await Promise.all(swaps.map(async ([what, swap]) => {
    const path = join(folder.root, `swapped-${what}.txt`);
    await Deno.writeTextFile(path, "text");
    const prepared = await capability.prepare?.({ path });
    await Deno.remove(path);
    await swap(path);
    await refusalOf(capability.run(prepared?.input, capabilityContext()), what);
  }));
  assert.deepEqual(await standIn.opened(), []);
});

Deno.test("desktopOpenPath() allows nothing until the owner names a folder that exists", async () => {
  await using standIn = await StandInOpener.create();
  await using folder = await createHostileFolder();
  const path = join(folder.root, "plain.txt");
  const withoutRoots = openPath(standIn);
  assert.match(await withoutRoots.obstacle?.() ?? "", /roots = \["\/absolute\/path"\]/);
  assert.equal((await refusalOf(withoutRoots.prepare?.({ path }), "no roots")).code, "capability_denied");
  const missing = openPath(standIn, join(folder.root, "missing"));
  assert.match(await missing.obstacle?.() ?? "", /None of the folders/);
  assert.equal((await refusalOf(missing.prepare?.({ path }), "missing root")).code, "capability_denied");
  assert.equal(await openPath(standIn, folder.root).obstacle?.(), undefined);
});

Deno.test("desktopOpenPath() refuses a root that is no plain absolute path", async () => {
  await using standIn = await StandInOpener.create();
  for (const root of ["", "Documents", "~/Documents", "/home/../etc", "//server/share", "/a\u0000"]) {
    assert.throws(() => openPath(standIn, root), { code: "invalid_config" }, JSON.stringify(root));
  }
});
