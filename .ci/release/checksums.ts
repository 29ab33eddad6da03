import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";

/** The name of the file with the checksums of a folder. */
export const CHECKSUM_FILE = "SHA256SUMS";

/** The SHA-256 of a file, in hexadecimal. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

/** Writes the checksums of everything in `folder` and below into its {@linkcode CHECKSUM_FILE}, as `sha256sum -c` reads it. */
export async function writeChecksums(folder: string): Promise<void> {
  const files = (await filesBelow(folder)).filter((file) => file !== CHECKSUM_FILE);
  const lines: string[] = [];
  // One after the other: they are large, and the disk is one.
  // deno-lint-ignore no-await-in-loop -- see above
  for (const file of files) lines.push(`${await sha256Of(join(folder, file))}  ${file}\n`);
  await Deno.writeTextFile(join(folder, CHECKSUM_FILE), lines.join(""));
}

/** The files below a folder, with `/`, sorted. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  const files = await Promise.all(entries.map(async ({ name, isDirectory }) => {
    if (!isDirectory) return [name];
    return (await filesBelow(join(folder, name))).map((file) => `${name}/${file}`);
  }));
  return files.flat().toSorted();
}
