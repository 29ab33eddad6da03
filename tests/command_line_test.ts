import assert from "node:assert/strict";
import { type ProgramName, runProgram } from "./harness/program.ts";

const PROGRAMS: readonly ProgramName[] = ["palyrad", "palyra-node"];

/** What a command prints; nothing of it touches a state folder. */
async function printed(program: ProgramName, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram(program, args, { stateRoot: "/nonexistent" });
  assert.deepEqual([code, stderr], [0, ""], args.join(" "));
  return stdout;
}

for (const program of PROGRAMS) {
  Deno.test(`${program} help explains every command, and suggests one for a name that is none`, async () => {
    const root = JSON.parse(await printed(program, "help", "--json"));
    const names: string[] = root.commands.map(({ name }: { name: string }) => name);
    for (const verb of ["run", "status", "install", "uninstall", "start", "stop", "restart", "completions", "config"]) {
      assert.ok(names.includes(verb), verb);
    }
    for (const name of names) {
      // deno-lint-ignore no-await-in-loop -- two cores: one process at a time
      const page = await printed(program, "help", name);
      assert.ok(page.startsWith(`NAME\n  ${program} ${name} - `), name);
      for (const title of ["USAGE", "OPTIONS", "FILES", "EXIT CODES"]) {
        assert.match(page, new RegExp(`^${title}$`, "m"));
      }
    }
    const show = await printed(program, "help", "config", "show");
    assert.match(show, /--state-root/);
    const wrong = await runProgram(program, ["help", "instal"], { stateRoot: "/nonexistent" });
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /Did you mean install\?/);
  });

  Deno.test(`${program} --version names its commit and Deno's version`, async () => {
    const version = JSON.parse(await printed(program, "--version", "--json"));
    assert.equal(version.program, program);
    const commit = version.commit?.slice(0, 7) ?? "unknown";
    assert.equal(
      await printed(program, "--version"),
      `${program} ${version.version} (${commit}, Deno ${Deno.version.deno})\n`,
    );
  });

  Deno.test(`${program} completions has bash offer every command`, async () => {
    const script = await printed(program, "completions", "bash");
    const ask = `${script}\nCOMP_WORDS=(${program} ""); COMP_CWORD=1; _${
      program.replace("-", "_")
    }; echo "\${COMPREPLY[@]}"`;
    const { stdout } = await new Deno.Command("bash", { args: ["--norc", "-c", ask], stdin: "null" }).output();
    const offered = new TextDecoder().decode(stdout).trim().split(" ");
    const { commands } = JSON.parse(await printed(program, "help", "--json"));
    for (const { name } of commands) assert.ok(offered.includes(name), name);
    for (const shell of ["zsh", "fish", "powershell"]) {
      // deno-lint-ignore no-await-in-loop -- two cores: one process at a time
      assert.match(await printed(program, "completions", shell), /uninstall/);
    }
    const wrong = await runProgram(program, ["completions", "tcsh"], { stateRoot: "/nonexistent" });
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /bash, zsh, fish, powershell/);
  });
}
