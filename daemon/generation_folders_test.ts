import assert from "node:assert/strict";
import { stateFolder } from "../transport/program/state_folder.ts";
import { generationFolders, installableFolders } from "./generation_folders.ts";

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
  // Who restores a service's /var/lib/palyra restores what lies beside the state as well.
  assert.deepEqual(generationFolders("/var/lib/palyra/palyrad", home(), "linux"), [
    "/var/lib/palyra/generations",
    "/var/cache/palyra-generations",
  ]);
  assert.deepEqual(
    generationFolders(usual, home({ XDG_CACHE_HOME: "/cache" }), "linux")[1],
    "/cache/palyra/generations",
  );
  assert.deepEqual(generationFolders("/srv/palyra/palyrad", { get: () => undefined }, "linux"), [
    "/srv/palyra/generations",
  ]);
});

Deno.test("generationFolders() asks for no variable that a released program may not read on Windows", () => {
  const allowed = new Map([["LOCALAPPDATA", "C:\\Users\\ada\\AppData\\Local"]]);
  const environment = {
    get(name: string) {
      if (name.startsWith("PALYRA_") || allowed.has(name)) return allowed.get(name);
      throw new Deno.errors.NotCapable(`Requires env access to "${name}"`);
    },
  };
  const usual = stateFolder("palyrad", { environment, platform: "windows" });
  assert.equal(generationFolders(usual, environment, "windows").length, 1);
});

Deno.test("installableFolders() leaves the machine's cache to root, whose alone it is to write to", () => {
  const folders = generationFolders("/var/lib/palyra/palyrad", home(), "linux");
  assert.deepEqual(installableFolders(folders, 0), folders);
  assert.deepEqual(installableFolders(folders, 1_000), ["/var/lib/palyra/generations"]);
});
