import type { ConnectionStatus } from "./connection_status.ts";

/** How the host stands, in a line for its service manager (`systemctl status`). */
export function connectionNotice({ state, daemonEndpoint, choice, lastFailure }: ConnectionStatus): string {
  if (state === "connected") {
    const over = choice === undefined ? "" : ` over ${choice.transport}`;
    return `Connected to ${daemonEndpoint ?? "the daemon"}${over}.`;
  }
  if (state === "recovering") return "Getting another certificate by the device key.";
  return lastFailure === undefined ? "Not connected yet." : `Not connected: ${lastFailure.message}`;
}
