import assert from "node:assert/strict";
import { join } from "node:path";
import { capabilityFile, OwnerFolder } from "../node_host/capabilities/owner/testdata/owner_folder.ts";
import { Presence } from "../node_host/capabilities/owner/testdata/presence.ts";
import { Fleet } from "./harness/fleet.ts";

const EXAMPLE = new URL("../node_host/capabilities/owner/examples/disk_usage.ts", import.meta.url);

/** A fleet whose node `laptop` is to have the capabilities of a folder, under these lines of its configuration. */
async function fleetWith(files: OwnerFolder, config = ""): Promise<Fleet> {
  const fleet = await Fleet.create();
  await fleet.startDaemon();
  const folder = join(fleet.nodeRoot("laptop"), "node-host");
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const text = `capabilities_folder = ${JSON.stringify(files.path)}\n${config}`;
  await Deno.writeTextFile(join(folder, "palyra.toml"), text, { mode: 0o600 });
  await fleet.pair("laptop");
  return fleet;
}

Deno.test("an operator uses a capability of the owner's own, as far as its owner allowed", async () => {
  await using files = await OwnerFolder.create({
    "disk_usage.ts": await Deno.readTextFile(EXAMPLE),
    "load.js": capabilityFile({ name: "own.load", permissions: ["sys=loadavg"], run: "return Deno.loadavg()" }),
    "reads.js": capabilityFile({ name: "own.reads", run: "return Deno.readTextFileSync('/etc/passwd')" }),
    "broken.ts": "export default {",
  });
  await using fleet = await fleetWith(
    files,
    '[capabilities."disk.usage"]\npermissions = ["read=/usr", "sys=statfs"]\n',
  );
  const node = await fleet.connect("laptop");
  await node.line((line) => line.includes("broken.ts") && line.includes("left out"));

  const used = await fleet.palyrad("nodes", "invoke", "laptop", "disk.usage");
  assert.equal(used.state, "succeeded");
  assert.equal(used.output.folder, "/usr");
  assert.ok(used.output.total_bytes > 0);

  const refused = await fleet.tryPalyrad("nodes", "invoke", "laptop", "own.load");
  assert.equal(refused.code, 6, refused.stderr);
  assert.match(refused.stderr, /set permissions = \["sys=loadavg"\] under \[capabilities\."own\.load"\]/);

  const fenced = await fleet.tryPalyrad("nodes", "invoke", "laptop", "own.reads");
  assert.equal(fenced.code, 6, fenced.stderr);
  assert.match(fenced.stderr, /used a permission that it does not declare/);
  assert.ok(!fenced.stderr.includes("/etc/passwd"));
  await node.line((line) => line.includes("own.reads") && line.includes("/etc/passwd"));
});

Deno.test("capabilities of the owner's own that hang, crash, flood and exit harm nobody else", async () => {
  const faulty: Readonly<Record<string, string>> = {
    hangs: "for (;;);",
    fills: "const all = []; for (;;) all.push({ at: Math.random() });",
    swells: "const all = []; for (;;) all.push(new Uint8Array(10_000_000).fill(1));",
    floods: "for (;;) console.log('x'.repeat(1_000));",
    exits: "process.exit(1);",
    kills: "process.kill(process.pid, 'SIGKILL');",
    forges: String.raw`Deno.stdout.writeSync(new TextEncoder().encode('\n\u0001{"kind":"nonsense"}\n')); for (;;);`,
    boasts: "return 'x'.repeat(5_000_000);",
  };
  const names = Object.keys(faulty);
  await using files = await OwnerFolder.create({
    "works.js": capabilityFile({ name: "own.works", run: "return 'worked'" }),
    ...Object.fromEntries(
      names.map((name) => [`${name}.js`, capabilityFile({ name: `own.${name}`, run: faulty[name] ?? "" })]),
    ),
  });
  await using fleet = await fleetWith(files);
  const node = await fleet.connect("laptop");
  const invoke = (name: string, ...more: string[]) => fleet.tryPalyrad("nodes", "invoke", "laptop", name, ...more);

  const ends = names.map((name) => invoke(`own.${name}`, ...(name === "hangs" ? ["--timeout", "4s"] : [])));
  assert.equal((await fleet.palyrad("nodes", "invoke", "laptop", "echo")).state, "succeeded");
  assert.equal((await fleet.palyrad("nodes", "invoke", "laptop", "own.works")).output, "worked");
  for (const [at, { code, stderr }] of (await Promise.all(ends)).entries()) {
    assert.ok(code !== 0, `${names[at]}: ${stderr}`);
    const expected = names[at] === "hangs" ? /deadline_exceeded/ : /execution_failed|output_too_large/;
    assert.match(stderr, expected);
  }
  assert.equal((await fleet.palyrad("nodes", "invoke", "laptop", "own.works")).output, "worked");
  const { code, stderr } = await node.stop();
  assert.equal(code, 0, stderr);
});

Deno.test("nothing of a capability of the owner's own is left when palyra-node is killed", async () => {
  using presence = new Presence();
  const connect = `await Deno.connect({ hostname: "127.0.0.1", port: ${presence.port} });`;
  await using files = await OwnerFolder.create({
    "busy.js": capabilityFile({ name: "own.busy", permissions: ["net=127.0.0.1"], run: `${connect} for (;;);` }),
  });
  await using fleet = await fleetWith(files, '[capabilities."own.busy"]\npermissions = ["net=127.0.0.1"]\n');
  const node = await fleet.connect("laptop");
  await fleet.palyrad("nodes", "invoke", "laptop", "own.busy", "--no-wait");
  const process = await presence.next();
  node.kill("SIGKILL");
  await node.ended;
  await process.gone;
});
