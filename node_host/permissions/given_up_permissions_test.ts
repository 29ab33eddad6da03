import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { capabilityFile, OwnerFolder } from "../capabilities/owner/testdata/owner_folder.ts";
import { TestFolder } from "../testing/test_folder.ts";

const MAIN = fileURLToPath(import.meta.resolve("../main.ts"));
const DENY_DESKTOP = ["--deny", "desktop.open_url", "desktop.open_path"];

interface Row {
  readonly used_by: string | null;
  readonly flag: string;
  readonly required: boolean;
  readonly state: "granted" | "given_up" | "missing";
  readonly source: string | null;
}

/** What `palyra-node permissions` says with these flags of Deno: each row as `user flag state`. */
async function permissions(
  folder: TestFolder,
  flags: readonly string[],
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly rows: readonly Row[]; of(flag: string): string[] }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", ...flags, MAIN, "permissions", "--json", ...args],
    env: { PALYRA_STATE_ROOT: folder.path, ...env },
    stdin: "null",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const rows: readonly Row[] = JSON.parse(new TextDecoder().decode(stdout)).permissions;
  return { rows, of: (flag) => rows.filter((row) => row.flag === flag).map(({ state }) => state) };
}

Deno.test("giveUpPermissions() keeps what capabilities need that are not denied", async () => {
  await using folder = await TestFolder.create();
  const { of, rows } = await permissions(folder, ["--allow-all"]);
  assert.deepEqual(of("--allow-run=/usr/bin/xdg-open"), ["granted", "granted"]);
  assert.deepEqual(of("--allow-import"), ["given_up"]);
  assert.deepEqual(of("--allow-sys=hostname"), ["granted"]);
  assert.ok(rows.every(({ state, source }) => (state === "granted") === (source === "flag")));
});

Deno.test("giveUpPermissions() gives up whole kinds that nothing needs, whatever was granted", async () => {
  await using folder = await TestFolder.create();
  const args = [...DENY_DESKTOP, "system.health"];
  const { of, rows } = await permissions(folder, ["--allow-all"], args, { PALYRA_TRANSPORT: "grpc" });
  const unused = rows.filter((row) => row.used_by === null).map(({ flag, state }) => [flag, state]);
  assert.deepEqual(unused, ["run", "ffi", "sys", "import"].map((kind) => [`--allow-${kind}`, "given_up"]));
  assert.deepEqual(of("--allow-run=/usr/bin/xdg-open"), ["given_up", "given_up"]);
  assert.deepEqual(of(`--allow-read=${join(folder.path, "node-host")}`), ["granted"]);
});

Deno.test("giveUpPermissions() gives up single programs, and keeps the opener as long as one capability needs it", async () => {
  await using folder = await TestFolder.create();
  const flags = [
    "--allow-env",
    `--allow-read=${folder.path}`,
    "--allow-run=/usr/bin/xdg-open,/usr/bin/systemctl",
    "--allow-sys=hostname,uid",
  ];
  const one = await permissions(folder, flags, ["--deny", "desktop.open_url"]);
  assert.deepEqual(one.of("--allow-run=/usr/bin/xdg-open"), ["granted", "granted"]);
  assert.deepEqual(one.of("--allow-run=/usr/bin/systemctl"), ["given_up"]);
  assert.deepEqual(one.of("--allow-sys=uid"), ["given_up"]);
  assert.deepEqual(one.of("--allow-sys=hostname"), ["granted"]);
  assert.deepEqual(one.of("--allow-sys=loadavg"), ["missing"]);
  const both = await permissions(folder, flags, DENY_DESKTOP);
  assert.deepEqual(both.of("--allow-run=/usr/bin/xdg-open"), ["given_up", "given_up"]);
});

Deno.test("giveUpPermissions() keeps Deno for capabilities of the owner's own, and gives it up where there are none", async () => {
  await using folder = await TestFolder.create();
  await using own = await OwnerFolder.create({ "own.js": capabilityFile({ run: "return 1" }) });
  const startDeno = `--allow-run=${Deno.execPath()}`;
  const flags = ["--allow-env", `--allow-read=${folder.path},${own.path}`, `${startDeno},/usr/bin/xdg-open`];
  const none = await permissions(folder, flags);
  assert.deepEqual(none.of(startDeno), ["given_up"]);
  const some = await permissions(folder, flags, ["--capabilities", own.path]);
  assert.deepEqual(some.rows.filter(({ flag }) => flag === startDeno).map(({ used_by, state }) => [used_by, state]), [
    ["own.test", "granted"],
  ]);
  assert.deepEqual(some.of(`--allow-read=${own.path}`), ["granted"]);
  const denied = await permissions(folder, flags, ["--capabilities", own.path, "--deny", "own.test"]);
  assert.deepEqual(denied.of(startDeno), ["given_up"]);
});

Deno.test("giveUpPermissions() gives up the folders of a denied capability, unless something in use would go with them", async () => {
  await using folder = await TestFolder.create();
  await using apart = await TestFolder.create();
  const within = join(folder.path, "shared");
  const state = join(folder.path, "node-host");
  const flags = ["--allow-env", ...[folder.path, within, apart.path].map((path) => `--allow-read=${path}`)];
  const roots = [folder.path, within, apart.path];
  const { of } = await permissions(folder, flags, DENY_DESKTOP, { PALYRA_OPEN_PATH_ROOTS: roots.join(",") });
  assert.deepEqual(of(`--allow-read=${apart.path}`), ["given_up"]);
  for (const path of [folder.path, within, state]) assert.deepEqual(of(`--allow-read=${path}`), ["granted"], path);
});
