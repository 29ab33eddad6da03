import { PalyraError } from "../identity/palyra_error.ts";

/** Why listening failed, as `listen_failed` with what to change. */
export function listenError(hostname: string, port: number, cause: unknown): PalyraError {
  return new PalyraError("listen_failed", reason(hostname, port, cause), { cause });
}

function reason(hostname: string, port: number, cause: unknown): string {
  const where = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  if (cause instanceof Deno.errors.NotCapable) {
    return `Deno was not allowed to listen on ${where}. Start it with \`--allow-net=${where}\`.`;
  }
  switch (errorCode(cause)) {
    case "EADDRINUSE":
      return `Port ${port} on ${hostname} is in use, perhaps by another palyrad. ` +
        "Stop that program, or choose another port in the configuration.";
    case "EACCES":
    case "EPERM":
      return `The system does not allow this user to listen on ${where}. ` +
        "Choose a port above 1023, or give the service the right to bind low ports.";
    case "EADDRNOTAVAIL":
    case "EINVAL": // what Deno's node:net makes of it
      return `This machine has no address ${hostname}. Choose one of its own addresses, or 127.0.0.1.`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `The name ${hostname} does not resolve to an address. Give an address, or correct the name.`;
    default:
      return `Listening on ${where} failed. Check the address and port in the configuration; the log has the cause.`;
  }
}

function errorCode(cause: unknown): unknown {
  return typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;
}
