import { dirname } from "node:path";
import { syncFolder } from "../../identity/atomic_file.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { stateError } from "../../identity/state_error.ts";
import type { AuditRecord } from "../store/audit_record.ts";
import { auditLine } from "./audit_file.ts";

const BUFFER_CHARACTERS: number = 64 * 1024;

/** Writes records into a new file, one JSON object a line, that its owner alone can read. */
export class AuditFileWriter {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  #buffer = "";

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /** Makes the file; throws `invalid_argument` when there is one already, which it never writes over. */
  static async create(path: string): Promise<AuditFileWriter> {
    try {
      return new AuditFileWriter(path, await Deno.open(path, { write: true, createNew: true, mode: 0o600 }));
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) {
        throw new PalyraError("invalid_argument", `There is a file ${path} already; name another one.`);
      }
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
        throw new PalyraError("invalid_argument", `The folder of ${path} does not exist.`, { cause: error });
      }
      throw stateError(error, path);
    }
  }

  /** Writes a record, sooner or later. */
  async write(record: AuditRecord): Promise<void> {
    this.#buffer += `${JSON.stringify(auditLine(record))}\n`;
    if (this.#buffer.length >= BUFFER_CHARACTERS) await this.#flush();
  }

  /** Writes what is left; the file is on the disk when this resolves. */
  async finish(): Promise<void> {
    await this.#flush();
    await this.#file.sync();
    this.#file.close();
    await syncFolder(dirname(this.#path));
  }

  /** Takes the file away again. */
  async discard(): Promise<void> {
    try {
      this.#file.close();
    } catch {
      // It was closed by finish().
    }
    await Deno.remove(this.#path);
  }

  async #flush(): Promise<void> {
    const bytes = new TextEncoder().encode(this.#buffer);
    this.#buffer = "";
    let written = 0;
    while (written < bytes.length) {
      // deno-lint-ignore no-await-in-loop -- each write begins where the last one ended
      written += await this.#file.write(bytes.subarray(written));
    }
  }
}
