/**
 * Makes the static protobuf code in `proto/gen/` from the `.proto` files beside this file.
 *
 * Both compilers come from npm (`@bufbuild/buf` parses, `ts-proto` writes), so it needs no network beyond the npm
 * registry. Besides one module per `.proto` file it writes `descriptor_set.ts`, which server reflection serves.
 *
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const BUF = "npm:@bufbuild/buf@1.74.0";
const TS_PROTO = "npm:ts-proto@2.18.0/protoc-gen-ts_proto";
const BUF_CONFIG = JSON.stringify({ version: "v2" });
const PROTO_FOLDER = fileURLToPath(new URL(".", import.meta.url));

const TS_PROTO_OPTIONS = [
  "esModuleInterop=true",
  "forceLong=number",
  "importSuffix=.ts",
  "oneof=unions-value",
  "outputJsonMethods=false",
  "outputServices=grpc-js",
  "useExactTypes=false",
];

async function buf(...args: string[]): Promise<void> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-config", "--no-lock", "-A", BUF, ...args],
    cwd: PROTO_FOLDER,
    stdout: "inherit",
    stderr: "inherit",
  });
  const { success } = await command.output();
  if (!success) throw new Error(`buf ${args[0]} failed; its output above says why`);
}

/** Services encode with a writer that is kept (`message_bytes.ts`), where ts-proto has them make one for each message. */
function withKeptWriter(code: string): string {
  const encoded = code.replaceAll(/Buffer\.from\(([\w.]+)\.encode\(value\)\.finish\(\)\)/g, "messageBytes($1, value)");
  if (encoded === code) return code;
  return encoded.replace(/^import \{/m, 'import { messageBytes } from "../message_bytes.ts";\nimport {');
}

/** Writes all generated files into `outFolder`, which must exist. */
export async function generate(outFolder: string): Promise<void> {
  const plugin = ["run", "--quiet", "--no-config", "--no-lock", "-A", TS_PROTO];
  const template = {
    version: "v2",
    plugins: [{ local: [Deno.execPath(), ...plugin], out: outFolder, opt: TS_PROTO_OPTIONS }],
  };
  await buf("generate", "--config", BUF_CONFIG, "--template", JSON.stringify(template));

  for await (const { name } of Deno.readDir(outFolder)) {
    const path = join(outFolder, name);
    await Deno.writeTextFile(path, withKeptWriter(await Deno.readTextFile(path)));
  }

  const descriptorFile = await Deno.makeTempFile({ suffix: ".binpb" });
  try {
    await buf("build", "--config", BUF_CONFIG, "--exclude-source-info", "-o", descriptorFile);
    const descriptorSet = await Deno.readFile(descriptorFile);
    const lines = descriptorSet.toBase64().match(/.{1,110}/g) ?? [];
    await Deno.writeTextFile(
      join(outFolder, "descriptor_set.ts"),
      "// Made by `deno task gen`. DO NOT EDIT.\n\n" +
        "/** Base64 of the `google.protobuf.FileDescriptorSet` of every `.proto` file of this project. */\n" +
        `export const DESCRIPTOR_SET_BASE64: string =\n${lines.map((line) => `  "${line}"`).join(" +\n")};\n`,
    );
  } finally {
    await Deno.remove(descriptorFile);
  }
}

if (import.meta.main) await generate(join(PROTO_FOLDER, "gen"));
