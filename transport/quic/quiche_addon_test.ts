import assert from "node:assert/strict";
import { load, quicAvailability, quiche, quicheAddonFile } from "./quiche_addon.ts";

Deno.test("load() says why there is no QUIC on a platform without a prebuilt library", () => {
  assert.deepEqual(load("haiku-riscv64"), {
    reason: "QUIC is not available on haiku-riscv64: its native library is not built for it.",
  });
});

Deno.test("quicAvailability() and quiche() agree on this platform", () => {
  assert.deepEqual(quicAvailability(), { available: true });
  assert.equal(quiche().versionIsSupported(1), true);
  assert.equal(quiche().versionIsSupported(0x0a1a2a3a), false);
});

Deno.test("quicheAddonFile() is all that Deno must let be loaded", async () => {
  const program = `
    import { quicAvailability } from ${JSON.stringify(import.meta.resolve("./quiche_addon.ts"))};
    console.log(JSON.stringify(quicAvailability()));
  `;
  const file = quicheAddonFile();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--allow-read", "--allow-env", `--allow-ffi=${file}`, "--ext=ts", "-"],
    cwd: new URL("../../", import.meta.url),
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(program));
  await writer.close();
  const { stdout } = await child.output();
  assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), { available: true });
});

Deno.test("quicAvailability() names the cure, and quiche() refuses with it, when Deno may not load libraries", async () => {
  const program = `
    import { quicAvailability, quiche } from ${JSON.stringify(import.meta.resolve("./quiche_addon.ts"))};
    const refusal = () => { try { quiche(); } catch ({ code, message }) { return { code, message }; } };
    console.log(JSON.stringify({ availability: quicAvailability(), refusal: refusal() }));
  `;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--allow-read", "--allow-env", "--ext=ts", "-"],
    cwd: new URL("../../", import.meta.url),
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(program));
  await writer.close();
  const { stdout } = await child.output();
  const reason = "Deno was not allowed to load QUIC's native library. Start it with `--allow-ffi`.";
  assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), {
    availability: { available: false, reason },
    refusal: { code: "unsupported", message: `${reason} Use gRPC, which needs nothing of the kind.` },
  });
});
