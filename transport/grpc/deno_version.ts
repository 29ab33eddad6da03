import { PalyraError } from "../../identity/palyra_error.ts";

/** The Deno releases on which the whole test suite, the regression tests of its HTTP/2 and TLS faults included, passes. */
export const TESTED_DENO_VERSIONS: readonly string[] = ["2.9.6"];

/**
 * Throws `runtime_unsupported` unless this is a Deno release that the program is tested on.
 *
 * Two faults of Deno's HTTP/2 and TLS lie under the transports, and the ways round them reach into its internals: on
 * another release they may silently do nothing, so the program does not start there.
 *
 * @param version Deno's version; undefined when this is not Deno. Given in tests only.
 */
export function assertTestedRuntime(version: string | undefined = globalThis.Deno?.version.deno): void {
  if (version !== undefined && TESTED_DENO_VERSIONS.includes(version)) return;
  const [newest] = TESTED_DENO_VERSIONS;
  throw new PalyraError(
    "runtime_unsupported",
    `This is ${version === undefined ? "not Deno" : `Deno ${version}`}, on which this program is not tested. ` +
      `Use Deno ${TESTED_DENO_VERSIONS.join(" or ")}: \`npx -y deno@${newest} …\` runs it, ` +
      `\`deno upgrade --version ${newest}\` installs it.`,
  );
}
