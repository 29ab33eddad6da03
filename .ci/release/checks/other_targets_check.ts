/**
 * Releases for other platforms than this one: as far as they get without what only a network has, and what they say then.
 *
 * @module
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { executablePlatformOf } from "../executable_format.ts";
import { denoFolder } from "../deno_folder.ts";
import { packedDeno } from "../deno_binary.ts";
import { PROJECT_FOLDER } from "../release_program.ts";
import { RELEASE_TARGETS, type ReleaseTarget, releaseTarget } from "../release_target.ts";
import { cachedStub, STUB_VARIABLE } from "../runtime_stub.ts";
import { CompiledPrograms } from "./compiled_programs.ts";
import { untestedRuntimeIn } from "./untested_runtime.ts";

const denoVersion = Deno.version.deno;
const sources = { environment: { get: () => undefined }, denoFolder: await denoFolder(), denoVersion };

/** Nothing answers there, so that no download succeeds, wherever this runs. */
const NO_NETWORK = { HTTPS_PROXY: "http://127.0.0.1:9", HTTP_PROXY: "http://127.0.0.1:9", npm_config_offline: "true" };

const { [STUB_VARIABLE]: _stub, ...withoutStub } = Deno.env.toObject();

async function release(
  tool: "compile" | "package",
  target: ReleaseTarget,
  output: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; said: string }> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `.ci/release/${tool}.ts`, "--target", target.name, "--output", output],
    cwd: PROJECT_FOLDER,
    clearEnv: true,
    env: { ...withoutStub, ...NO_NETWORK, NO_COLOR: "1", ...env },
  });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, said: decoder.decode(stdout) + decoder.decode(stderr) };
}

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "palyra-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function filesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
}

function assertSays(said: string, parts: readonly string[]): void {
  for (const part of parts) assert.ok(said.includes(part), `${part} is not in: ${said}`);
}

const WITHOUT_QUIC = "without QUIC, whose native library is not built for it";

for (const target of RELEASE_TARGETS.filter(({ name }) => name !== releaseTarget().name)) {
  const { name, triple, denoPackage } = target;
  const stub = cachedStub(target, sources);
  Deno.test({
    name: `compile for ${name} says what to fetch and where to put it, and leaves nothing`,
    ignore: existsSync(stub),
    fn: () =>
      withFolder(async (folder) => {
        const { code, said } = await release("compile", target, folder);
        assert.equal(code, 7, said);
        const wanted = [
          WITHOUT_QUIC,
          "Deno's own download",
          `denort-${triple}.zip`,
          `v${denoVersion}`,
          stub,
          STUB_VARIABLE,
        ];
        assertSays(said, [...wanted, "`deno task package` needs none", "[runtime_unsupported]"]);
        assert.deepEqual(await filesIn(join(folder, name)), []);
      }),
  });

  const packed = packedDeno(target, denoVersion, sources);
  Deno.test({
    name: `package for ${name} says what to fetch and where to put it, and leaves nothing`,
    ignore: existsSync(packed),
    fn: () =>
      withFolder(async (folder) => {
        const { code, said } = await release("package", target, folder, { npm_config_cache: join(folder, "cache") });
        assert.equal(code, 5, said);
        assertSays(said, [WITHOUT_QUIC, `npm pack ${denoPackage}@${denoVersion}`, packed, "[unsupported]"]);
        assert.deepEqual(await filesIn(join(folder, name)), []);
      }),
  });
}

Deno.test("compile for a platform that QUIC is not built for makes programs that may load no library", () =>
  withFolder(async (folder) => {
    const target = releaseTarget("linux-arm64");
    const stub = join(folder, "denort");
    await writeForeignStub(stub);
    const { code, said } = await release("compile", target, folder, { [STUB_VARIABLE]: stub });
    assert.equal(code, 0, said);
    assertSays(said, [WITHOUT_QUIC, `${stub} (${STUB_VARIABLE})`, "SHA-256"]);
    assert.doesNotMatch(said, /--allow-ffi/);
    const made = (await filesIn(join(folder, target.name))).toSorted();
    assert.deepEqual(made, ["palyra-node", "palyra-node-headless", "palyrad", "sbom.cdx.json"]);
    const platform = await executablePlatformOf(join(folder, target.name, "palyrad"));
    assert.deepEqual(platform, { os: target.os, arch: target.arch });
    assert.doesNotMatch(await Deno.readTextFile(join(folder, target.name, "sbom.cdx.json")), /quic-linux/);
  }));

/** A stub that says of itself that it is for 64-bit ARM (ELF: `e_machine`); it would not run there. */
async function writeForeignStub(path: string): Promise<void> {
  const { stub } = untestedRuntimeIn(join(CompiledPrograms.here().folder, "runtime"));
  const bytes = await Deno.readFile(stub);
  new DataView(bytes.buffer).setUint16(18, 0xb7, true);
  await Deno.writeFile(path, bytes);
}
