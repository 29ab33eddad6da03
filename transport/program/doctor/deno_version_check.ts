import { PalyraError } from "../../../identity/palyra_error.ts";
import { assertTestedRuntime } from "../../grpc/deno_version.ts";
import type { Check } from "./check.ts";
import { type Finding, findingOf, ok } from "./finding.ts";

/** Whether the program is tested on the Deno that it runs on. `version` is given in tests only. */
export function denoVersionCheck(version: string = Deno.version.deno): Check {
  return { name: "deno_version", examine: () => examine(version) };
}

function examine(version: string): Finding {
  try {
    assertTestedRuntime(version);
    return ok(`This is Deno ${version}, on which the program is tested.`);
  } catch (thrown) {
    return findingOf("failed", PalyraError.from(thrown));
  }
}
