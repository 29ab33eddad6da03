import { isAbsolute } from "node:path";
import * as v from "valibot";
import type { Setting } from "./setting.ts";

/** The setting `log.file`, the same in both programs. */
export const LOG_FILE_SETTING = {
  schema: v.optional(v.pipe(v.string(), v.check((path) => isAbsolute(path)))),
  default: undefined,
  env: "PALYRA_LOG_FILE",
  flag: "--log-file",
  expects: "an absolute path",
  description: "File that is logged to instead of standard error; put aside at 10 MiB, five files at most",
} as const satisfies Setting;
