import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { releaseTarget } from "./release_target.ts";
import { cachedStub, findStub, stubMissing, type StubSources, stubText } from "./runtime_stub.ts";

const HOST = releaseTarget();
const OTHER = releaseTarget(HOST.name === "macos-arm64" ? "linux-x64" : "macos-arm64");

async function withSources(work: (sources: StubSources) => Promise<void>, named?: string): Promise<void> {
  const denoFolder = await Deno.makeTempDir({ prefix: "palyra-" });
  const environment = { get: (name: string) => name === "DENORT_BIN" ? named : undefined };
  try {
    await work({ environment, denoFolder, denoVersion: "2.9.6" });
  } finally {
    await Deno.remove(denoFolder, { recursive: true });
  }
}

Deno.test("findStub() takes DENORT_BIN before Deno's cache, and the cache before a download", async () => {
  const fill = async (sources: StubSources) => {
    const path = cachedStub(HOST, sources);
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeFile(path, new Uint8Array(1));
    return path;
  };
  await withSources(async (sources) => {
    const path = join(sources.denoFolder, "dl", "release", "v2.9.6", `denort-${HOST.triple}.zip`);
    assert.deepEqual(await findStub(HOST, sources), { from: "download", path });
    assert.equal(await fill(sources), path);
    assert.deepEqual(await findStub(HOST, sources), { from: "cache", path });
    assert.equal((await findStub(OTHER, sources)).from, "download");
  });
  await withSources(async (sources) => {
    await fill(sources);
    assert.deepEqual(await findStub(HOST, sources), { from: "variable", path: Deno.execPath() });
  }, Deno.execPath());
});

Deno.test("findStub() refuses a DENORT_BIN for another platform, one that is no executable, and one that is not there", async () => {
  const refuses = (named: string, message: RegExp) =>
    withSources((sources) => assert.rejects(findStub(OTHER, sources), { code: "invalid_argument", message }), named);
  await refuses(Deno.execPath(), new RegExp(`one for ${HOST.os}-${HOST.arch}: name the stub for ${OTHER.name}`));
  await refuses(join(import.meta.dirname ?? "", "runtime_stub_test.ts"), /no executable/);
  await refuses("/no/such/file", /cannot be read/);
});

Deno.test("stubMissing() tells what to fetch and where to put it", async () => {
  await withSources((sources) => {
    const { code, message } = stubMissing(OTHER, sources, undefined);
    assert.equal(code, "runtime_unsupported");
    for (const part of [`denort-${OTHER.triple}.zip`, "v2.9.6", cachedStub(OTHER, sources), "DENORT_BIN"]) {
      assert.ok(message.includes(part), message);
    }
    return Promise.resolve();
  });
});

Deno.test("stubText() says which one it is", () => {
  assert.equal(stubText({ from: "variable", path: "/a" }), "/a (DENORT_BIN)");
  assert.equal(stubText({ from: "cache", path: "/a" }), "/a (Deno's cache)");
  assert.equal(stubText({ from: "download", path: "/a" }), "Deno's own download");
});
