import assert from "node:assert/strict";
import { join } from "node:path";
import { TestFolder } from "../../testing/test_folder.ts";
import { parseOwnerPermission } from "./owner_permission.ts";
import { denialFlags, type ProtectedPlaces, trespassing, withRealPaths } from "./protected_places.ts";

/** Those of the permissions that open a protected place. */
async function trespasses(places: ProtectedPlaces, ...texts: string[]): Promise<string[]> {
  return (await trespassing(texts.map(parseOwnerPermission), places)).map(({ text }) => text);
}

const PLACES: ProtectedPlaces = { secret: ["/home/me/state"], vital: ["/home/me/own", "/opt/palyra"] };

Deno.test("trespassing() finds what reads a secret, and lets read around it", async () => {
  const found = await trespasses(
    PLACES,
    "read",
    "read=/home/me",
    "read=/home/me/state",
    "read=/home/me/state/secrets",
    "read=/home/me/state2",
    "read=/opt/palyra",
  );
  assert.deepEqual(found, ["read=/home/me/state", "read=/home/me/state/secrets"]);
});

Deno.test("trespassing() finds what writes to a protected place, inside it, and around it", async () => {
  const found = await trespasses(
    PLACES,
    "write=/",
    "write=/home",
    "write=/home/me/state",
    "write=/home/me/own/a.ts",
    "write=/opt/palyra",
    "write=/home/me/documents",
    "write=/home/me/state2",
  );
  assert.deepEqual(found, [
    "write=/",
    "write=/home",
    "write=/home/me/state",
    "write=/home/me/own/a.ts",
    "write=/opt/palyra",
  ]);
});

Deno.test({
  name: "trespassing() follows links, those of the place and those of the permission",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using folder = await TestFolder.create();
    const path = (name: string) => join(folder.path, name);
    await Promise.all(["state", "own", "free"].map((name) => Deno.mkdir(path(name))));
    await Deno.symlink(path("state"), path("to_state"));
    await Deno.symlink(path("own"), path("to_own"));
    const places = await withRealPaths({ secret: [path("state")], vital: [path("to_own")] });
    const permissions = ["to_state", "free"].map((name) => `read=${path(name)}`);
    permissions.push(...["own", "to_own", "to_state", "free"].map((name) => `write=${path(name)}`));
    const found = await trespasses(places, ...permissions);
    const expected = [`read=${path("to_state")}`];
    expected.push(...["own", "to_own", "to_state"].map((name) => `write=${path(name)}`));
    assert.deepEqual(found, expected);
  },
});

Deno.test("denialFlags() denies secrets to whoever may read, and a secret that no flag can name is trespassed on", async () => {
  assert.deepEqual(await denialFlags([parseOwnerPermission("net")], PLACES), []);
  assert.deepEqual(await denialFlags([parseOwnerPermission("read=/srv")], PLACES), ["--deny-read=/home/me/state"]);
  const comma: ProtectedPlaces = { secret: ["/home/me,you/state"], vital: [] };
  assert.deepEqual(await denialFlags([parseOwnerPermission("read")], comma), []);
  assert.deepEqual(await trespasses(comma, "read", "read=/home", "read=/srv"), ["read", "read=/home"]);
});

Deno.test({
  name: "denialFlags() denies a secret by each of its paths behind a link that is to be read, or lies in what is",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using folder = await TestFolder.create();
    const path = (name: string) => join(folder.path, name);
    await Deno.mkdir(path("data/me/state"), { recursive: true });
    await Deno.writeTextFile(path("data/me/state/key.pem"), "");
    await Deno.symlink(path("data"), path("home"));
    await Deno.symlink("/nowhere", path("broken"));
    const places = await withRealPaths({ secret: [path("data/me/state")], vital: [] });
    const denied = [path("data/me/state"), path("home/me/state")];
    for (const scope of [folder.path, path("home")]) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      const [flag, ...others] = await denialFlags([parseOwnerPermission(`read=${scope}`)], places);
      assert.deepEqual([flag, others], [`--deny-read=${denied.join(",")}`, []], scope);
    }
    await Deno.mkdir(path("desk"));
    await Deno.symlink(path("home/me/state/key.pem"), path("desk/key"));
    const [flag] = await denialFlags([parseOwnerPermission(`read=${path("desk")}`)], places);
    assert.equal(flag, `--deny-read=${path("data/me/state")},${path("desk/key")}`);
  },
});
