import { dirname } from "node:path";
import * as v from "valibot";
import { writeFileAtomically } from "../identity/atomic_file.ts";
import { isCanonicalUlid } from "../identity/device_id.ts";
import { stateError } from "../identity/state_error.ts";

/** What is kept of a state folder outside of it. */
export interface NotedGeneration {
  /** Which state it is of: a folder that was moved or restored is the same, a new one in its place is not. */
  readonly stateId: string;
  readonly generation: number;
}

const MAX_FILE_BYTES = 1_024;

const Noted = v.object({
  v: v.literal(1),
  state_id: v.pipe(v.string(), v.check(isCanonicalUlid)),
  generation: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
});

/** Reads what was noted; undefined when there is no file, `damaged` when it is not what this wrote. */
export async function readGenerationFile(path: string): Promise<NotedGeneration | "damaged" | undefined> {
  let bytes: Uint8Array;
  try {
    const { size } = await Deno.stat(path);
    if (size > MAX_FILE_BYTES) return "damaged";
    bytes = await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw stateError(error, path);
  }
  try {
    const { state_id: stateId, generation } = v.parse(Noted, JSON.parse(new TextDecoder().decode(bytes)));
    return { stateId, generation };
  } catch {
    return "damaged";
  }
}

/** Notes a generation, as a whole and on the disk; makes the folder (0700) when there is none. */
export async function writeGenerationFile(path: string, { stateId, generation }: NotedGeneration): Promise<void> {
  const text = JSON.stringify({ v: 1, state_id: stateId, generation });
  try {
    await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw stateError(error, path);
  }
  await writeFileAtomically(path, new TextEncoder().encode(`${text}\n`));
}
