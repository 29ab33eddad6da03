import { join } from "node:path";

/** Where the generation of a state is to be kept. */
export interface GenerationPlaces {
  /** The one file that an operator has named. */
  readonly file: string | undefined;
  /** The folders for it otherwise, the most important first. */
  readonly folders: readonly string[];
}

/** The files for the state of this id. */
export function generationFiles({ file, folders }: GenerationPlaces, stateId: string): readonly string[] {
  return file === undefined ? folders.map((folder) => join(folder, `${stateId}.json`)) : [file];
}
