import { join } from "node:path";

/** Copies a folder with all that is in it, modes included, into one that is there. */
export async function copyFolder(from: string, to: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    const [source, target] = [join(from, name), join(to, name)];
    if (isDirectory) {
      const { mode } = await Deno.stat(source);
      await Deno.mkdir(target, mode === null ? {} : { mode });
      await copyFolder(source, target);
    } else {
      await Deno.copyFile(source, target);
    }
  }
}
