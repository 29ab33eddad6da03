import assert from "node:assert/strict";
import { join } from "node:path";
import { bundledPackages, requireComplete, withCommit, withoutMachinePaths } from "./program_bundle.ts";
import { PROJECT_FOLDER } from "./release_program.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";

Deno.test("withoutMachinePaths() labels packages alike wherever a machine keeps them", () => {
  const near = join(PROJECT_FOLDER, "cache", "npm", "host");
  const far = join(PROJECT_FOLDER, "..", "elsewhere", "npm", "host");
  assert.equal(withoutMachinePaths("// cache/npm/host/ulid/3.0.2/x.js", near), "// npm/ulid/3.0.2/x.js");
  assert.equal(withoutMachinePaths("// ../elsewhere/npm/host/ulid/3.0.2/x.js", far), "// npm/ulid/3.0.2/x.js");
});

Deno.test("withoutMachinePaths() refuses a bundle that still names a folder of this machine", () => {
  const cache = join(PROJECT_FOLDER, "..", "elsewhere");
  for (const folder of [cache, PROJECT_FOLDER]) {
    assert.throws(() => withoutMachinePaths(`const where = "${folder}";`, cache), { code: "execution_failed" });
  }
});

Deno.test("bundledPackages() reads names and versions from the labels, each once, sorted", () => {
  const text = `// npm/ulid/3.0.2/dist/a.js
  // npm/@grpc/grpc-js/1.14.7/build/b.js
// npm/ulid/3.0.2/dist/c.js
// npm/tslib/1.14.1/tslib.js
// npm/tslib/2.9.1/tslib.js
const text = "// npm/not/1.0.0/a/label";
`;
  assert.deepEqual(bundledPackages(text).map(({ name, version }) => `${name}@${version}`), [
    "@grpc/grpc-js@1.14.7",
    "tslib@1.14.1",
    "tslib@2.9.1",
    "ulid@3.0.2",
  ]);
});

Deno.test("requireComplete() finds a file that the bundle would look for beside itself", () => {
  for (const reference of ['new URL("./worker.ts", import.meta.url)', 'import.meta.resolve("../data.json")']) {
    assert.throws(() => requireComplete(`start(${reference});`, "palyra-node"), { code: "execution_failed" });
  }
});

Deno.test("requireComplete() lets pass what is no file beside the bundle", () => {
  for (
    const harmless of [
      'new URL("../../", import.meta.url)',
      'new URL("../deno.json", main)',
      'import.meta.resolve("@matrixai/quic")',
    ]
  ) requireComplete(harmless, "palyrad");
});

Deno.test("withCommit() fills in the commit, and none for changed files", () => {
  const revision = { commit: COMMIT, modified: false, seconds: 0 };
  const text = 'a;\nvar BUILD_COMMIT = "";\nb;';
  assert.equal(withCommit(text, revision), `a;\nvar BUILD_COMMIT = "${COMMIT}";\nb;`);
  assert.equal(withCommit(text, { ...revision, modified: true }), text);
});

Deno.test("withCommit() refuses a bundle that does not have the place, or has it twice", () => {
  const revision = { commit: COMMIT, modified: false, seconds: 0 };
  for (const text of ["a;", 'var BUILD_COMMIT = "";'.repeat(2)]) {
    assert.throws(() => withCommit(text, revision), { code: "execution_failed" });
  }
});
