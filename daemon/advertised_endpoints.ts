import { formatEndpoint } from "../identity/endpoint.ts";

/** Where others reach a listener: under each server name, or where it listens when there are none. At most 8. */
export function advertisedEndpoints(
  serverNames: readonly string[],
  listening: { readonly hostname: string; readonly port: number },
): string[] {
  const names = serverNames.length > 0 ? serverNames : [listening.hostname];
  return names.slice(0, 8).map((name) => formatEndpoint({ host: name, port: listening.port }));
}
