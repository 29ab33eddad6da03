import assert from "node:assert/strict";
import { generationFolders } from "./generation_folders.ts";

const home = (more: Readonly<Record<string, string>> = {}) => ({
  get: (name: string) => ({ HOME: "/home/ada", ...more })[name],
});

Deno.test("generationFolders() lie beside the state folder, and for the usual one in the cache too, however it was named", () => {
  const usual = "/home/ada/.local/state/palyra/palyrad";
  const both = ["/home/ada/.local/state/palyra/generations", "/home/ada/.cache/palyra/generations"];
  assert.deepEqual(generationFolders(usual, home(), "linux"), both);
  const named = home({ PALYRA_STATE_ROOT: "/home/ada/.local/state/palyra" });
  assert.deepEqual(generationFolders(usual, named, "linux"), both);
  assert.deepEqual(generationFolders("/srv/palyra/palyrad", home(), "linux"), ["/srv/palyra/generations"]);
  assert.deepEqual(
    generationFolders(usual, home({ XDG_CACHE_HOME: "/cache" }), "linux")[1],
    "/cache/palyra/generations",
  );
  assert.deepEqual(generationFolders("/srv/palyra/palyrad", { get: () => undefined }, "linux"), [
    "/srv/palyra/generations",
  ]);
});
