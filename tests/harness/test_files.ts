import { fileURLToPath } from "node:url";
import * as v from "valibot";

/** The native addon of QUIC is loaded by this module. */
const ADDON_MODULE = new URL("../../transport/quic/quiche_addon.ts", import.meta.url).href;

const GraphSchema = v.object({
  modules: v.array(v.object({
    specifier: v.optional(v.string()),
    dependencies: v.optional(v.array(v.object({
      code: v.optional(v.object({ specifier: v.optional(v.string()) })),
    }))),
  })),
});

/** The test files, by whether they may load the native addon of QUIC. */
export interface TestFiles {
  readonly withAddon: readonly string[];
  readonly others: readonly string[];
}

/**
 * Every test file below `root`, in two lists. The addon keeps handles of the isolate that loaded it last, so two isolates
 * of one process that have it end the process; `deno test --parallel` gives each file an isolate.
 */
export async function testFiles(root: string): Promise<TestFiles> {
  const files: string[] = [];
  await collect(root, files);
  files.sort();
  const users = await importers(files, ADDON_MODULE);
  return { withAddon: files.filter((file) => users.has(file)), others: files.filter((file) => !users.has(file)) };
}

async function collect(folder: string, into: string[]): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory && name !== ".git" && name !== "dist") await collect(`${folder}/${name}`, into);
    else if (name.endsWith("_test.ts")) into.push(`${folder}/${name}`);
  }
}

/** Those of `files` that import `module`, through whatever else. */
async function importers(files: readonly string[], module: string): Promise<Set<string>> {
  const graph = await moduleGraph(files);
  const importersOf = new Map<string, string[]>();
  for (const { specifier, dependencies } of graph.modules) {
    for (const { code } of dependencies ?? []) {
      if (specifier === undefined || code?.specifier === undefined) continue;
      importersOf.set(code.specifier, [...importersOf.get(code.specifier) ?? [], specifier]);
    }
  }
  const found = new Set([module]);
  for (const next of found) for (const importer of importersOf.get(next) ?? []) found.add(importer);
  return new Set([...found].filter((url) => url.startsWith("file:")).map((url) => fileURLToPath(url)));
}

async function moduleGraph(files: readonly string[]): Promise<v.InferOutput<typeof GraphSchema>> {
  const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
  const list = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(list, files.map((file) => `import ${JSON.stringify(`file://${file}`)};\n`).join(""));
    const args = ["info", "--json", "--config", config, list];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    if (code !== 0) throw new Error(`the module graph cannot be read:\n${new TextDecoder().decode(stderr)}`);
    return v.parse(GraphSchema, JSON.parse(new TextDecoder().decode(stdout)));
  } finally {
    await Deno.remove(list);
  }
}
