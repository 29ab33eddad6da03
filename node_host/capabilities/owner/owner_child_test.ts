import assert from "node:assert/strict";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { NODE_FACTS } from "../testdata/capability_context.ts";
import { type OwnerChildJob, runOwnerChild } from "./owner_child.ts";
import { capabilityFile, ownerSource } from "./testdata/owner_folder.ts";
import { Presence } from "./testdata/presence.ts";

const FACTS = { deviceId: "01J9ZK3V5W8Q2X4Y6T7R1M0N3P", requestedBy: "operator", node: NODE_FACTS };

/** Runs these statements in a real process. */
function run(statements: string, job: Partial<OwnerChildJob> = {}, input: unknown = null) {
  return runOwnerChild({
    source: ownerSource(capabilityFile({ run: statements })),
    flags: [],
    startsPrograms: false,
    task: { kind: "run", input, facts: FACTS },
    signal: new AbortController().signal,
    ...job,
  });
}

const failed = (message: RegExp) => (error: PalyraError) => {
  assert.equal(error.code, "execution_failed");
  assert.match(error.message, message);
  return true;
};

function isAlive(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGCONT");
    return true;
  } catch {
    return false;
  }
}

/** Waits for what never comes. */
const LINGER = "await new Promise(() => setInterval(() => {}, 1_000));";

Deno.test("runOwnerChild() gives the code its input and its facts, and returns its output", async () => {
  const said = await run(
    "const { signal, progress, ...facts } = context; return { input, facts, aborted: signal.aborted };",
    {},
    { a: [1], text: "\u00e9\n\u0001" },
  );
  assert.deepEqual(said, {
    kind: "output",
    output: { input: { a: [1], text: "\u00e9\n\u0001" }, facts: FACTS, aborted: false },
  });
});

Deno.test("runOwnerChild() reads a definition without running it, and keeps nothing from one use to the next", async () => {
  const source = ownerSource("let uses = 0; export default { name: 'x', uses: ++uses, run() { return ++uses; } };");
  const described = await run("", { source, task: { kind: "describe" } });
  assert.deepEqual(described, { kind: "definition", definition: { name: "x", uses: 1 } });
  assert.deepEqual(await run("", { source }), { kind: "output", output: 2 });
  assert.deepEqual(await run("", { source }), { kind: "output", output: 2 });
});

Deno.test("runOwnerChild() takes an input and an output of the largest size", async () => {
  const input = "x".repeat(1024 * 1024 - 2);
  assert.deepEqual(await run("return input", {}, input), { kind: "output", output: input });
});

Deno.test("runOwnerChild() passes on progress and whatever the code prints, in order", async () => {
  const heard: unknown[] = [];
  const said = await run(
    `context.progress({ percent: 1 });
     context.progress("too soon");
     console.log("a", { b: 1 });
     console.table([[1]]);
     Deno.stdout.writeSync(new TextEncoder().encode("no end"));
     try { context.progress("\u00e9".repeat(9_000)); } catch (error) { return String(error); }`,
    { onProgress: (payload) => heard.push(payload), onPrint: (line) => heard.push(line) },
  );
  assert.deepEqual(said, { kind: "output", output: "TypeError: a progress payload has at most 16384 bytes" });
  assert.deepEqual(heard.slice(0, 2), [{ percent: 1 }, "a { b: 1 }"]);
  assert.equal(heard.at(-1), "no end");
  const errors: string[] = [];
  await run('console.error("to stderr")', { onPrint: (line) => errors.push(line) });
  assert.deepEqual(errors, ["to stderr"]);
});

Deno.test("runOwnerChild() tells failures of the code apart", async () => {
  const cases: [string, string, RegExp][] = [
    ["throw new Error('why')", "other", /^why$/],
    ["throw null", "other", /^null$/],
    ["throw Object.assign(new Error('Not that one.'), { code: 'invalid_input' })", "invalid_input", /^Not that one\.$/],
    ["throw Object.assign(new Error('x'), { code: 'capability_denied' })", "other", /^x$/],
    ["const f = () => f() + 1; return f();", "other", /call stack/],
    ["return 1n", "invalid_output", /BigInt/],
    ["return () => 1", "invalid_output", /JSON/],
    ["const a = {}; a.a = a; return a", "invalid_output", /circular/],
    ["return 'x'.repeat(1024 * 1024)", "output_too_large", /^1048578$/],
    ["process.kill(process.ppid, 0)", "not_capable", /run access/],
    ["Deno.kill(Deno.ppid, 'SIGKILL')", "not_capable", /run access/],
    ["Deno.kill(0, 'SIGKILL')", "not_capable", /run access/],
    ["await import('https://deno.land/std/version.ts')", "other", /--no-remote/],
    ["await import('npm:valibot@1.5.0')", "other", /--no-npm/],
    ["await import('./helper.ts')", "other", /relative URL/],
    ["await import('lodash')", "other", /lodash/],
    ["return await import('file:///etc/hostname')", "other", /read access/],
  ];
  await Promise.all(cases.map(async ([statements, code, message]) => {
    const said = await run(statements);
    assert.ok(said.kind === "failed", `${statements}: ${Deno.inspect(said)}`);
    assert.equal(said.code, code, `${statements}: ${said.message}`);
    assert.match(said.message, message, statements);
  }));
});

Deno.test("runOwnerChild() fails at once when the process ends, however it does", async () => {
  const ends: [string, RegExp][] = [
    ["Deno.exit(3)", /exit code 3/],
    ["process.exit(0)", /exit code 0/],
    ["process.abort()", /by SIGABRT/],
    ["Deno.kill(Deno.pid, 'SIGTERM')", /by SIGTERM/],
    [`setTimeout(() => { throw new Error('late'); }, 1); ${LINGER}`, /exit code 1/],
    [`Promise.reject(new Error('unhandled')); ${LINGER}`, /exit code 1/],
  ];
  await Promise.all(ends.map(([statements, how]) => assert.rejects(run(statements), failed(how), statements)));
  const printed: string[] = [];
  const source = ownerSource(
    capabilityFile({ run: `setTimeout(() => { throw new Error('late'); }); ${LINGER}` }),
    "own.js",
  );
  await assert.rejects(run("", { source, onPrint: (line) => printed.push(line) }), failed(/exit code 1/));
  assert.ok(printed.some((line) => line.includes("Uncaught Error: late")), printed.join("\n"));
});

Deno.test("runOwnerChild() bounds memory, in the heap and outside it", async () => {
  const fills = [
    "const kept = []; for (;;) kept.push(new Array(1_000).fill(Math.random()));",
    "const kept = []; for (;;) { kept.push(new Array(1_000).fill(Math.random())); await 0; }",
    "const kept = []; for (;;) kept.push(new Uint8Array(10_000_000).fill(1));",
    `new Worker("data:text/javascript,const k=[];for(;;)k.push(new Uint8Array(1e7).fill(1))", { type: "module" }); ${LINGER}`,
  ];
  for (const statements of fills) {
    // deno-lint-ignore no-await-in-loop -- each takes the memory that it may
    await assert.rejects(run(statements), failed(/more memory than it may/), statements);
  }
});

Deno.test("runOwnerChild() cuts code that floods, or writes what its program never would", async () => {
  const print = (text: string) => `Deno.stdout.writeSync(new TextEncoder().encode(${text}));`;
  const floods = [
    "for (;;) console.log('x');",
    "for (;;) console.error('x'.repeat(10_000));",
    `for (;;) ${print("'x'.repeat(100_000)")}`,
    `for (;;) ${print(String.raw`'\n\u0001{"kind":"progress","payload":1}\n'`)}`,
  ];
  await Promise.all(floods.map((statements) => assert.rejects(run(statements), failed(/printed more/), statements)));
  const bogus = [
    `{"kind":"output"`,
    `{"kind":"ended"}`,
    `{"kind":"output"}`,
    `{"kind":"failed","code":"internal","message":"","stack":""}`,
    `{"kind":"failed","code":"other","message":"${"x".repeat(4_001)}","stack":""}`,
  ];
  await Promise.all(bogus.map((message) => {
    const statements = `${print(JSON.stringify(`\n\u0001${message}\n`))} ${LINGER}`;
    return assert.rejects(run(statements), failed(/wrote what no capability writes/), message);
  }));
});

Deno.test("runOwnerChild() tells the code of the cancellation, and rejects with its reason", async () => {
  const canceller = new AbortController();
  const heard: string[] = [];
  const running = run(
    `console.log("started");
     await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
     console.log("cleaned up: " + context.signal.reason.name);
     return "too late";`,
    {
      signal: canceller.signal,
      onPrint: (line) => {
        heard.push(line);
        if (line === "started") canceller.abort(new PalyraError("cancelled", "Enough."));
      },
    },
  );
  await assert.rejects(running, (error: PalyraError) => error.code === "cancelled");
  assert.deepEqual(heard, ["started", "cleaned up: AbortError"]);
  const never = run("", { signal: canceller.signal });
  await assert.rejects(never, (error: PalyraError) => error.code === "cancelled");
});

Deno.test("runOwnerChild() ends code that does not heed its cancellation: idle, busy, deaf to TERM, or stopped", async () => {
  const stubborn = [
    LINGER,
    "for (;;);",
    `Deno.addSignalListener("SIGTERM", () => {}); ${LINGER}`,
    "Deno.kill(Deno.pid, 'SIGSTOP'); for (;;);",
  ];
  await Promise.all(stubborn.map(async (statements) => {
    const canceller = new AbortController();
    let pid = 0;
    const running = run(`console.log(Deno.pid); ${statements}`, {
      signal: canceller.signal,
      onPrint: (line) => {
        pid = Number(line);
        canceller.abort(new PalyraError("deadline_exceeded", "Over."));
      },
    });
    await assert.rejects(running, (error: PalyraError) => error.code === "deadline_exceeded", statements);
    assert.equal(isAlive(pid), false, statements);
  }));
});

Deno.test("runOwnerChild() leaves nothing of what the code has begun when it returns", async () => {
  const said = await run(
    "setInterval(() => {}, 1_000); new Worker('data:text/javascript,for(;;);', { type: 'module' }); return Deno.pid;",
  );
  assert.ok(said.kind === "output");
  assert.equal(isAlive(Number(said.output)), false);
});

Deno.test({
  name: "runOwnerChild() ends the programs that the code has started, deaf ones too, however it ends itself",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const ends = ["return 1;", "Deno.exit(0);", "throw new Error('x');", "for (;;);"];
    await Promise.all(ends.map(async (statements) => {
      using presence = new Presence();
      const deaf = `Deno.addSignalListener("SIGTERM", () => {}); setInterval(() => {}, 1_000);
        await Deno.connect({ hostname: "127.0.0.1", port: ${presence.port} }); console.log("here");`;
      const canceller = new AbortController();
      const running = run(
        `const started = new Deno.Command(${JSON.stringify(Deno.execPath())}, {
           args: ["eval", ${JSON.stringify(deaf)}], stdin: "null", stdout: "piped", stderr: "null",
         }).spawn();
         await started.stdout.getReader().read();
         context.progress("started");
         ${statements}`,
        {
          flags: [`--allow-run=${Deno.execPath()}`],
          startsPrograms: true,
          signal: canceller.signal,
          onProgress: () => {
            if (statements === "for (;;);") canceller.abort();
          },
        },
      );
      const [program] = await Promise.all([presence.next(), running.catch(() => {})]);
      await program.gone;
    }));
  },
});

Deno.test("runOwnerChild() leaves no process behind when the one that started it is killed", async () => {
  using presence = new Presence();
  const connect = `await Deno.connect({ hostname: "127.0.0.1", port: ${presence.port} });`;
  const uses = [
    { statements: "for (;;);", flags: ["--allow-net=127.0.0.1"], startsPrograms: false },
    {
      statements: `new Deno.Command(${JSON.stringify(Deno.execPath())}, {
          args: ["eval", ${JSON.stringify(`${connect} for (;;);`)}],
        }).spawn();
        for (;;);`,
      flags: ["--allow-net=127.0.0.1", `--allow-run=${Deno.execPath()}`],
      startsPrograms: true,
    },
  ].map((use) => ({ ...use, source: ownerSource(capabilityFile({ run: `${connect} ${use.statements}` })) }));
  const host = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `import { runOwnerChild } from ${JSON.stringify(import.meta.resolve("./owner_child.ts"))};
       const { signal } = new AbortController();
       const task = { kind: "run", input: null, facts: {} };
       await Promise.all(${JSON.stringify(uses)}.map((use) => runOwnerChild({ ...use, task, signal })));`,
    ],
    cwd: new URL(".", import.meta.url),
    stdin: "null",
  }).spawn();
  const processes = [await presence.next(), await presence.next(), await presence.next()];
  host.kill("SIGKILL");
  await host.status;
  await Promise.all(processes.map(({ gone }) => gone));
});

Deno.test("runOwnerChild() gives the code the permissions of the job and no others", async () => {
  // This process may do anything, so whatever is refused is refused by the child's own permissions.
  const uses: Readonly<Record<string, string>> = {
    "--allow-read=/etc/hostname": "Deno.readTextFileSync('/etc/hostname')",
    "--allow-write=/dev/null": "Deno.writeTextFileSync('/dev/null', 'x')",
    "--allow-net=127.0.0.1": "Deno.listen({ hostname: '127.0.0.1', port: 0 }).close()",
    "--allow-sys=hostname": "Deno.hostname()",
    "--allow-run=/bin/true": "new Deno.Command('/bin/true').outputSync()",
  };
  const never = [
    "Deno.env.get('PATH')",
    "Deno.dlopen('/nonexistent.so', {})",
    "Deno.readTextFileSync('/proc/self/environ')",
    "Deno.connect({ transport: 'unix', path: '/run/a.sock' })",
  ];
  const flags = Object.keys(uses);
  const isRefused = async (use: string, granted: readonly string[]) => {
    const said = await run(`await ${use}; return "done";`, { flags: granted });
    assert.equal(said.kind === "failed" && said.code, "not_capable", `${use}: ${Deno.inspect(said)}`);
  };
  await Promise.all([
    ...flags.map(async (flag) => {
      const said = await run(`await ${uses[flag]}; return "done";`, { flags: [flag] });
      assert.deepEqual(said, { kind: "output", output: "done" }, flag);
    }),
    ...flags.map((flag) => isRefused(uses[flag] ?? "", flags.filter((other) => other !== flag))),
    ...never.map((use) => isRefused(use, flags)),
  ]);
});

Deno.test("runOwnerChild() leaves no way to more permissions, not by asking and not by a worker inside", async () => {
  const said = await run(`
    const states = {};
    for (const name of ["read", "write", "net", "env", "sys", "run", "ffi", "import"]) {
      states[name] = (await Deno.permissions.request({ name })).state === "granted";
    }
    const inner = new Worker("data:text/javascript," + encodeURIComponent(
      "try { Deno.readTextFileSync('/etc/hostname'); postMessage('read it') } catch (error) { postMessage(error.name) }"
    ), { type: "module" });
    states.inner = await new Promise((resolve) => inner.onmessage = ({ data }) => resolve(data));
    return states;
  `);
  const refused = Object.fromEntries(
    ["read", "write", "net", "env", "sys", "run", "ffi", "import"].map((name) => [name, false]),
  );
  assert.deepEqual(said, { kind: "output", output: { ...refused, inner: "NotCapable" } });
});
