import assert from "node:assert/strict";
import { join } from "node:path";
import { type PermissionTableSubject, testPermissionTable } from "../../../node_host/testing/permission_table_tests.ts";
import { type RunningHost, ScriptedHost } from "../../../node_host/testing/scripted_host.ts";

const URL_TO_OPEN = "https://example.com/asked";
const ASK = '[capabilities."desktop.open_url"]\nmediation = "ask"\n[mediation]\ntimeout_ms = ';
const ALLOW = '[capabilities."desktop.open_url"]\nmediation = "allow"';

// Until it is let go, which it must be. By its path: a program with an empty environment hands on no PATH.
const OPENER_WAITS = `i=0
while [ ! -e "\${0%/*}/go" ]; do
  [ $i -lt 400 ] && /bin/sleep 0.05 || exit 1
  i=$((i + 1))
done`;

/** Registers what a palyra-node that was built must show: the permission table, consent, and how it stops. */
export function testBuiltNode(subject: PermissionTableSubject): void {
  testPermissionTable(subject);
  testConsent(subject);
  testSignals(subject);
}

function testConsent(subject: PermissionTableSubject): void {
  const { name, transport, clearEnv } = subject;
  Deno.test(`palyra-node ${name}: its owner is asked through its socket, and the answer decides`, async () => {
    await using host = await ScriptedHost.start(transport, `${ASK}60_000`, { clearEnv });
    const program = await subject.command(true, host);
    await using running = await host.run([...program, "run"]);
    const socket = await Deno.stat(join(host.stateRoot, "node-host", "requests.sock"));
    assert.equal((socket.mode ?? 0) & 0o777, 0o600);

    // deno-lint-ignore no-explicit-any -- whatever the command's JSON holds
    const requests = async (...args: readonly string[]): Promise<any> => {
      const { code, stdout, stderr } = await host.output([...program, "requests", ...args, "--json"]);
      assert.equal(code, 0, stderr);
      return JSON.parse(stdout);
    };
    const answered = async (...answer: readonly [verb: string, ...options: string[]]) => {
      const request = await ask(running);
      const { questions: [question, ...others] } = await requests("list");
      assert.deepEqual([question.capability, others], ["desktop.open_url", []]);
      assert.ok(JSON.stringify(question).includes(URL_TO_OPEN));
      const [verb, ...options] = answer;
      await requests(verb, question.id, ...options);
      return await request.result();
    };

    assert.equal((await answered("deny")).errorCode, "mediation_denied");
    assert.deepEqual(await host.opener.opened(), []);
    assert.equal((await answered("approve")).errorCode, "");
    assert.equal((await answered("approve", "--remember", "session")).errorCode, "");
    assert.equal((await running.invoke("desktop.open_url", { url: URL_TO_OPEN })).errorCode, "");
    assert.deepEqual(await host.opener.opened(), Array(3).fill(`1:${URL_TO_OPEN}`));

    assert.equal((await requests("forget", "--all")).answers.length, 1);
    assert.equal((await answered("deny")).errorCode, "mediation_denied");
    const none = await host.output([...program, "requests", "approve", "aaaaaa"]);
    assert.equal(none.code, 8, none.stderr);
  });

  Deno.test(`palyra-node ${name}: nobody's answer is a no`, async () => {
    await using host = await ScriptedHost.start(transport, `${ASK}1_000`, { clearEnv });
    await using running = await host.run([...await subject.command(true, host), "run"]);
    const result = await (await ask(running)).result();
    assert.equal(result.errorCode, "mediation_timed_out");
    assert.deepEqual(await host.opener.opened(), []);
  });
}

async function ask(running: RunningHost) {
  const request = running.submit("desktop.open_url", { url: URL_TO_OPEN });
  await running.next("awaitingLocalMediation");
  return request;
}

function testSignals(subject: PermissionTableSubject): void {
  const { name, transport, clearEnv } = subject;
  const startHost = () => ScriptedHost.start(transport, ALLOW, { openerThen: OPENER_WAITS, clearEnv });

  Deno.test(`palyra-node ${name}: SIGTERM lets running work finish`, async () => {
    await using host = await startHost();
    await using running = await host.run([...await subject.command(true, host), "run"]);
    const request = running.submit("desktop.open_url", { url: URL_TO_OPEN });
    await running.next("accepted");
    running.kill("SIGTERM");
    await running.next("draining");
    await Deno.writeTextFile(join(host.opener.folder, "go"), "");
    assert.equal((await request.result()).errorCode, "");
    const { code, logged } = await running.ended();
    assert.equal(code, 0, logged);
  });

  Deno.test(`palyra-node ${name}: a second signal ends it at once`, async () => {
    await using host = await startHost();
    await using running = await host.run([...await subject.command(true, host), "run"]);
    running.submit("desktop.open_url", { url: URL_TO_OPEN });
    await running.next("accepted");
    running.kill("SIGTERM");
    await running.next("draining");
    running.kill("SIGINT");
    const { code, logged } = await running.ended();
    assert.equal(code, 130, logged);
    await Deno.writeTextFile(join(host.opener.folder, "go"), "");
  });

  Deno.test(`palyra-node ${name}: \`stop\` ends the one that runs, and no other`, async () => {
    await using host = await ScriptedHost.start(transport, ALLOW, { clearEnv });
    const program = await subject.command(true, host);
    await using running = await host.run([...program, "run"]);
    const stopped = await host.output([...program, "stop", "--json"]);
    assert.equal(stopped.code, 0, stopped.stderr);
    assert.equal(JSON.parse(stopped.stdout).pid, running.pid);
    assert.equal((await running.ended()).code, 0);
    const again = await host.output([...program, "stop", "--json"]);
    assert.deepEqual([again.code, JSON.parse(again.stdout).pid], [0, null], again.stderr);
  });
}
