import assert from "node:assert/strict";
import { join, relative } from "node:path";
import { TestFolder } from "../../testing/test_folder.ts";
import { reachableLinks } from "./reachable_links.ts";

const WITH_LINKS = { ignore: Deno.build.os === "windows" };

Deno.test("reachableLinks() finds links in every folder that can be reached, each once", WITH_LINKS, async () => {
  await using folder = await TestFolder.create();
  const path = (name: string) => join(folder.path, name);
  await Promise.all(["here/deep/er", "there/far"].map((name) => Deno.mkdir(path(name), { recursive: true })));
  await Deno.symlink(path("there"), path("here/deep/er/out"));
  await Deno.symlink(path("here"), path("there/far/back"));
  await Deno.symlink(path("nowhere"), path("here/broken"));
  await Deno.symlink(path("here"), path("start"));
  const shown = (text: string) => relative(folder.path, text);
  const links = await reachableLinks([path("start"), path("missing")], 100);
  assert.deepEqual(links.map(({ path, real }) => [shown(path), shown(real)]).sort(), [
    ["here/deep/er/out", "there"],
    ["start", "here"],
    ["there/far/back", "here"],
  ]);
});

Deno.test("reachableLinks() looks at so many entries and no more, the upper ones first", WITH_LINKS, async () => {
  await using folder = await TestFolder.create();
  await Deno.mkdir(join(folder.path, "down/under"), { recursive: true });
  await Deno.symlink("/", join(folder.path, "down/middle"));
  await Deno.symlink("/", join(folder.path, "down/under/low"));
  const found = async (most: number) => {
    const links = await reachableLinks([folder.path], most);
    return links.map(({ path }) => relative(folder.path, path)).filter((path) => !path.startsWith(".."));
  };
  assert.deepEqual([await found(1), await found(3)], [[], ["down/middle"]]);
});
