import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { installHttp2Guard } from "./http2_guard.ts";

const CHILD = fileURLToPath(new URL("./testing/http2_guard_child.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

interface Outcome {
  readonly signal: Deno.Signal | null;
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function meet(mode: "guarded" | "bare", scenario: string): Promise<Outcome> {
  const { signal, code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "-A", "--config", CONFIG, CHILD, mode, scenario],
    // Freed memory is overwritten, so that a use after free fails every time and not now and then.
    env: { MALLOC_PERTURB_: "165" },
  }).output();
  const decoder = new TextDecoder();
  return { signal, code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

for (const side of ["server", "client"]) {
  Deno.test(`installHttp2Guard() keeps a ${side} alive when its peer sends GOAWAY`, async () => {
    const outcome = await meet("guarded", `${side}_goaway`);
    assert.equal(outcome.stdout, "alive\n", outcome.stderr);
    assert.equal(outcome.code, 0);
  });

  Deno.test(`installHttp2Guard() is needed: without it a GOAWAY kills a ${side} by a signal`, async () => {
    const outcome = await meet("bare", `${side}_goaway`);
    assert.equal(outcome.stdout, "");
    assert.ok(outcome.signal === "SIGSEGV" || outcome.signal === "SIGABRT", `ended with ${JSON.stringify(outcome)}`);
  });
}

Deno.test("installHttp2Guard() keeps a server alive when a stream is reset before its answer", async () => {
  const outcome = await meet("guarded", "server_reset");
  assert.equal(outcome.stdout, "alive\n", outcome.stderr);
});

Deno.test("installHttp2Guard() is needed: without it a stream reset before its answer is an uncaught error", async () => {
  const outcome = await meet("bare", "server_reset");
  assert.equal(outcome.stdout, "");
  assert.equal(outcome.signal, null);
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /The stream has been destroyed/);
});

Deno.test("installHttp2Guard() does nothing more when it is called again", () => {
  installHttp2Guard();
  installHttp2Guard();
});

Deno.test("installHttp2Guard() throws runtime_unsupported when it does not know the runtime's internals", async () => {
  const outcome = await meet("guarded", "unknown_internals");
  assert.equal(outcome.stdout, "runtime_unsupported\n", outcome.stderr);
});
