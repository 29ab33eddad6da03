import assert from "node:assert/strict";
import { permissionFlags } from "./permission_list.ts";
import { RELEASE_PROGRAMS } from "./release_program.ts";
import { releaseTarget } from "./release_target.ts";
import { startScript, startScriptName } from "./start_script.ts";

Deno.test("startScript() gives each program its own permissions and bundle, on every platform", () => {
  for (const name of ["linux-x64", "macos-arm64", "windows-x64"]) {
    const target = releaseTarget(name);
    for (const program of RELEASE_PROGRAMS) {
      const script = startScript(program, target);
      for (const flag of permissionFlags(program.name, target, { addonPath: undefined })) {
        assert.ok(script.includes(flag), `${name} ${program.name}: ${flag}`);
      }
      assert.ok(script.includes(`${program.bundle}.js`));
      assert.ok(!script.includes("--allow-all"));
    }
  }
});

Deno.test("startScript() for a shell becomes the program and allows the addon where the package lies", () => {
  const script = startScript({ name: "palyrad", bundle: "palyrad" }, releaseTarget("linux-x64"));
  assert.match(script, /^#!\/bin\/sh\n/);
  assert.match(script, /^exec "\$here\/lib\/deno" run /m);
  assert.match(
    script,
    /"--allow-ffi=\$here\/lib\/node_modules\/@matrixai\/quic-linux-x64\/node\.napi\.node"/,
  );
  assert.match(script, /^export PALYRA_START_SCRIPT="\$here\/palyrad"$/m);
});

Deno.test("startScript() lets palyra-node alone start Deno, for its owner's own capabilities", () => {
  for (const [name, deno] of [["linux-x64", "$here/lib/deno"], ["windows-x64", "%~dp0lib\\deno.exe"]] as const) {
    for (const program of RELEASE_PROGRAMS) {
      const runs = startScript(program, releaseTarget(name)).match(/--allow-run=[^"\n]*/)?.[0].split(",") ?? [];
      assert.equal(runs.includes(deno), program.name === "palyra-node", `${name} ${program.name}: ${runs}`);
    }
  }
});

Deno.test("startScript() for Windows has its line ends, passes the arguments on and keeps the exit code", () => {
  const program = { name: "palyra-node", bundle: "palyra-node" } as const;
  const target = releaseTarget("windows-x64");
  assert.equal(startScriptName(program, target), "palyra-node.cmd");
  const script = startScript(program, target);
  assert.doesNotMatch(script, /(?<!\r)\n/);
  assert.match(script, /"%~dp0lib\\palyra-node\.js" %\*\r\nexit \/b %ERRORLEVEL%\r\n$/);
});
