import assert from "node:assert/strict";
import { join, relative } from "node:path";
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
    await Deno.symlink(path("home/me/state/key.pem"), path("desk,key"));
    await assert.rejects(denialFlags([parseOwnerPermission(`read=${folder.path}`)], places), {
      code: "capability_unavailable",
      message: /comma/,
    });
    await Deno.mkdir(path("desk"));
    await Deno.symlink(path("home/me/state/key.pem"), path("desk/key"));
    const [flag] = await denialFlags([parseOwnerPermission(`read=${path("desk")}`)], places);
    assert.equal(flag, `--deny-read=${path("data/me/state")},${path("desk/key")}`);
  },
});

Deno.test({
  name: "denialFlags() denies a secret behind links that lie deep, lead to links, or lead back",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using folder = await TestFolder.create();
    const path = (name: string) => join(folder.path, name);
    const denials = async (name: string) => {
      const [flag = ""] = await denialFlags([parseOwnerPermission(`read=${path(name)}`)], places);
      return flag.replace("--deny-read=", "").split(",").map((denied) => relative(folder.path, denied)).sort();
    };
    await Promise.all(
      ["me/state", "me/wine/drives", "srv/a/b", "else/c"].map((name) => Deno.mkdir(path(name), { recursive: true })),
    );
    const places: ProtectedPlaces = { secret: [path("me/state")], vital: [] };
    assert.deepEqual(await denials("srv"), ["me/state"]);
    await Deno.symlink(path("me/state"), path("srv/a/b/deep"));
    assert.deepEqual(await denials("srv"), ["me/state", "srv/a/b/deep"]);
    await Deno.symlink(path("me"), path("else/c/home"));
    await Deno.symlink(path("else"), path("srv/a/other"));
    assert.deepEqual(await denials("srv"), [
      "else/c/home/state",
      "me/state",
      "srv/a/b/deep",
      "srv/a/other/c/home/state",
    ]);
    await Deno.symlink(path("me"), path("me/wine/drives/z"));
    assert.deepEqual(await denials("me"), ["me/state", "me/wine/drives/z"]);
  },
});

Deno.test({
  name: "denialFlags() does not give in when there is no end of paths to a secret",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using folder = await TestFolder.create();
    const path = (name: string) => join(folder.path, name);
    await Promise.all(["a/state", "b"].map((name) => Deno.mkdir(path(name), { recursive: true })));
    await Deno.symlink(path("b"), path("a/to_b"));
    await Deno.symlink(path("a"), path("b/to_a"));
    const denying = denialFlags([parseOwnerPermission(`read=${path("a")}`)], { secret: [path("a/state")], vital: [] });
    await assert.rejects(denying, { code: "capability_unavailable" });
  },
});
