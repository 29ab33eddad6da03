import assert from "node:assert/strict";
import { programLaunch, START_SCRIPT_VARIABLE } from "./program_launch.ts";

const noVariables = { get: () => undefined };

Deno.test("programLaunch() starts a compiled executable as itself", () => {
  const environment = { get: () => "/opt/palyra/palyrad" };
  assert.deepEqual(
    programLaunch({ standalone: true, executable: "/usr/local/bin/palyrad", environment }),
    { kind: "compiled", executable: "/usr/local/bin/palyrad", args: [] },
  );
});

Deno.test("programLaunch() starts a package by the script that names itself", () => {
  const environment = { get: (name: string) => name === START_SCRIPT_VARIABLE ? "/opt/palyra/palyrad" : undefined };
  assert.deepEqual(
    programLaunch({ standalone: false, executable: "/opt/palyra/lib/deno", environment }),
    { kind: "script", executable: "/opt/palyra/palyrad", args: [] },
  );
  const relative = { get: () => "./palyrad" };
  assert.throws(() => programLaunch({ standalone: false, environment: relative }), { code: "invalid_argument" });
});

Deno.test("programLaunch() starts source files by the Deno that runs them, with their own configuration", () => {
  const launch = programLaunch({
    standalone: false,
    executable: "/usr/bin/deno",
    mainModule: "file:///src/pal%20yra/daemon/main.ts",
    environment: noVariables,
  });
  assert.equal(launch.kind, "source");
  assert.equal(launch.executable, "/usr/bin/deno");
  assert.deepEqual(launch.args.slice(-3), ["--config", "/src/pal yra/deno.json", "/src/pal yra/daemon/main.ts"]);
  const remote = { standalone: false, mainModule: "https://example.com/main.ts", environment: noVariables };
  assert.throws(() => programLaunch(remote), { code: "invalid_argument" });
});
