import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SYSTEMCTL = fileURLToPath(new URL("stand_in_systemctl.ts", import.meta.url));
const FILTER = fileURLToPath(new URL("../clients/under_unit_filter.py", import.meta.url));
const PYTHON = "/usr/bin/python3";
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** A `systemctl --user` that starts services for real, in a folder of its own; disposing it stops them. */
export class StandInSystemd implements AsyncDisposable {
  readonly #folder: string;
  readonly #filters: boolean;

  private constructor(folder: string, filters: boolean) {
    this.#folder = folder;
    this.#filters = filters;
  }

  /** Whether this machine has what it takes to run programs under a unit's system call filter. */
  static async canFilter(): Promise<boolean> {
    try {
      const unit = await Deno.makeTempFile();
      const args = [FILTER, unit, "/bin/true"];
      await Deno.writeTextFile(unit, "SystemCallFilter=@system-service\n");
      const { success } = await new Deno.Command(PYTHON, { args, stdin: "null", stdout: "null", stderr: "null" })
        .output();
      await Deno.remove(unit);
      return success;
    } catch {
      return false;
    }
  }

  /** With `filters`, services run under the system call filter of their units. */
  static async create({ filters = false }: { readonly filters?: boolean } = {}): Promise<StandInSystemd> {
    const folder = await Deno.makeTempDir({ prefix: "palyra-systemd-" });
    await Deno.mkdir(join(folder, "bin"));
    const deno = [Deno.execPath(), "run", "--quiet", "--no-prompt", "-A", "--config", CONFIG, SYSTEMCTL];
    const script = `#!/bin/sh\nexec ${deno.map((word) => `'${word}'`).join(" ")} "$@"\n`;
    await Deno.writeTextFile(join(folder, "bin", "systemctl"), script, { mode: 0o755 });
    return new StandInSystemd(folder, filters);
  }

  /** The environment in which the programs find it. */
  get env(): Readonly<Record<string, string>> {
    return {
      PATH: `${join(this.#folder, "bin")}:/usr/bin:/bin`,
      STAND_IN_SYSTEMD: this.#folder,
      XDG_CONFIG_HOME: join(this.#folder, "config"),
      ...(this.#filters && { STAND_IN_FILTER: FILTER }),
    };
  }

  /** Where a unit's file lies. */
  unitPath(unit: string): string {
    return join(this.#folder, "config", "systemd", "user", unit);
  }

  /** Every command line that changes something, in order. */
  async changes(): Promise<string[]> {
    const calls = (await this.#read("calls")).trimEnd().split("\n");
    return calls.filter((call) => !/^--user (show|is-active) /.test(call) && call !== "");
  }

  /** What a service wrote. */
  async log(unit: string): Promise<string> {
    return await this.#read(`${unit}.log`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const unit of ["palyrad.service", "palyra-node.service"]) {
      const args = ["--user", "stop", unit];
      // deno-lint-ignore no-await-in-loop -- two at most
      await new Deno.Command(join(this.#folder, "bin", "systemctl"), { args, env: { ...this.env }, stdin: "null" })
        .output();
    }
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #read(name: string): Promise<string> {
    try {
      return await Deno.readTextFile(join(this.#folder, name));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
  }
}
