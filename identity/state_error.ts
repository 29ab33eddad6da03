import { PalyraError } from "./palyra_error.ts";

const READ_ONLY_CODES = new Set(["EACCES", "EPERM", "EROFS"]);

/**
 * What a failed file operation means to whoever runs the program: `permission_missing` when Deno was started without
 * the permission, `state_read_only` when the system does not let it, else the error as it is.
 */
export function stateError(thrown: unknown, path: string): unknown {
  if (thrown instanceof Deno.errors.NotCapable) {
    return new PalyraError(
      "permission_missing",
      `Deno was not given access to ${path}; start with --allow-read and --allow-write for the state folder.`,
      { cause: thrown },
    );
  }
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  if (thrown instanceof Deno.errors.PermissionDenied || READ_ONLY_CODES.has(code)) {
    return new PalyraError(
      "state_read_only",
      `The system does not let this user use ${path}; make it belong to the user that runs the program, on a file ` +
        "system that can be written to.",
      { cause: thrown },
    );
  }
  return thrown;
}
