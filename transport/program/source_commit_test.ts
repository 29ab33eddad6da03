import assert from "node:assert/strict";
import { join } from "node:path";
import { sourceCommit } from "./source_commit.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const OTHER = "fedcba9876543210fedcba9876543210fedcba98";

/** A folder with files at these paths. */
async function withFiles(files: Readonly<Record<string, string>>, body: (folder: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [path, text] of Object.entries(files)) {
      const full = join(folder, path);
      // deno-lint-ignore no-await-in-loop -- a few small files
      await Deno.mkdir(join(full, ".."), { recursive: true });
      // deno-lint-ignore no-await-in-loop -- a few small files
      await Deno.writeTextFile(full, text);
    }
    body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const cases: readonly [what: string, files: Readonly<Record<string, string>>, commit: string | undefined][] = [
  ["a branch", { ".git/HEAD": "ref: refs/heads/main\n", ".git/refs/heads/main": `${COMMIT}\n` }, COMMIT],
  ["a commit that is checked out by itself", { ".git/HEAD": `${COMMIT}\n` }, COMMIT],
  ["a packed branch", {
    ".git/HEAD": "ref: refs/heads/main\n",
    ".git/packed-refs": `# pack-refs with: peeled\n${OTHER} refs/heads/main2\n${COMMIT} refs/heads/main\n`,
  }, COMMIT],
  ["a loose branch before its packed self", {
    ".git/HEAD": "ref: refs/heads/main\n",
    ".git/refs/heads/main": COMMIT,
    ".git/packed-refs": `${OTHER} refs/heads/main\n`,
  }, COMMIT],
  ["a linked worktree", {
    ".git": "gitdir: elsewhere/.git/worktrees/w\n",
    "elsewhere/.git/worktrees/w/HEAD": "ref: refs/heads/w\n",
    "elsewhere/.git/worktrees/w/commondir": "../..\n",
    "elsewhere/.git/refs/heads/w": COMMIT,
  }, COMMIT],
  ["no checkout", { "README.md": "" }, undefined],
  ["a branch without a commit", { ".git/HEAD": "ref: refs/heads/main\n" }, undefined],
  ["a branch that leads out of git's folder", { ".git/HEAD": "ref: refs/../../secret\n", "secret": COMMIT }, undefined],
  ["branches that lead in a circle", { ".git/HEAD": "ref: refs/a\n", ".git/refs/a": "ref: refs/a" }, undefined],
  ["something else", { ".git/HEAD": "what is this" }, undefined],
];

for (const [what, files, commit] of cases) {
  Deno.test(`sourceCommit() finds the commit of ${what}, or that there is none`, async () => {
    await withFiles(files, (folder) => assert.equal(sourceCommit(folder), commit));
  });
}
