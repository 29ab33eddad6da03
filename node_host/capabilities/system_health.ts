import { type Clock, systemClock } from "../../identity/unix_ms.ts";
import { hostPlatform } from "../host_platform.ts";
import type { Capability, CapabilityContext, JsonSchema } from "./capability.ts";
import { isGranted } from "./permission_gate.ts";

const BYTES: JsonSchema = { type: "integer", minimum: 0 };

const OUTPUT_SCHEMA: JsonSchema = {
  type: "object",
  properties: {
    status: { const: "ok" },
    device_id: { type: "string" },
    generated_at_unix_ms: { type: "integer", minimum: 0 },
    software_version: { type: "string" },
    platform: { type: "string" },
    daemon_endpoints: { type: "array", items: { type: "string" } },
    process_uptime_ms: { type: "integer", minimum: 0 },
    process_memory_bytes: BYTES,
    cpu_count: { type: "integer", minimum: 1 },
    hostname: { type: "string" },
    os_release: { type: "string" },
    os_uptime_seconds: { type: "integer", minimum: 0 },
    load_average: {
      description: "Over 1, 5 and 15 minutes.",
      type: "array",
      items: { type: "number", minimum: 0 },
      minItems: 3,
      maxItems: 3,
    },
    memory: {
      type: "object",
      properties: {
        total_bytes: BYTES,
        free_bytes: BYTES,
        available_bytes: BYTES,
        swap_total_bytes: BYTES,
        swap_free_bytes: BYTES,
      },
      required: ["total_bytes", "free_bytes", "available_bytes", "swap_total_bytes", "swap_free_bytes"],
      additionalProperties: false,
    },
  },
  required: [
    "status",
    "device_id",
    "generated_at_unix_ms",
    "software_version",
    "platform",
    "daemon_endpoints",
    "process_uptime_ms",
    "process_memory_bytes",
    "cpu_count",
  ],
  additionalProperties: false,
};

interface SystemPart {
  readonly field: string;
  readonly kind: NonNullable<Deno.SysPermissionDescriptor["kind"]>;
  /** The field's value; undefined where the platform does not tell. */
  read(): unknown;
}

const SYSTEM_PARTS: readonly SystemPart[] = [
  { field: "hostname", kind: "hostname", read: () => Deno.hostname() },
  { field: "os_release", kind: "osRelease", read: () => Deno.osRelease() },
  { field: "os_uptime_seconds", kind: "osUptime", read: () => Math.floor(Deno.osUptime()) },
  // Windows has no load average: Deno says 0, 0, 0 there, which would look like an idle machine.
  { field: "load_average", kind: "loadavg", read: () => Deno.build.os === "windows" ? undefined : Deno.loadavg() },
  { field: "memory", kind: "systemMemoryInfo", read: readMemory },
];

/**
 * Tells how the node and its machine are. Each part that `--allow-sys` does not cover is absent, which is not an error.
 */
export function systemHealth(clock: Clock = systemClock): Capability {
  return {
    name: "system.health",
    version: "1.0.0",
    description: "Tells how the node is: uptime, load, memory.",
    inputSchema: {},
    outputSchema: OUTPUT_SCHEMA,
    idempotent: true,
    mediation: false,
    permissions: SYSTEM_PARTS.map(({ kind }) => ({ descriptor: { name: "sys", kind }, required: false })),
    run: (_input, context) => readHealth(context, clock),
  };
}

async function readHealth({ deviceId, node }: CapabilityContext, clock: Clock): Promise<unknown> {
  const granted = await Promise.all(SYSTEM_PARTS.map(({ kind }) => isGranted({ name: "sys", kind })));
  const parts = SYSTEM_PARTS.filter((_, at) => granted[at]).map((part): [string, unknown] => [part.field, part.read()]);
  return {
    status: "ok",
    device_id: deviceId,
    generated_at_unix_ms: clock(),
    software_version: node.softwareVersion,
    platform: hostPlatform(),
    daemon_endpoints: [...node.daemonEndpoints],
    process_uptime_ms: Math.floor(performance.now()),
    process_memory_bytes: Deno.memoryUsage().rss,
    cpu_count: navigator.hardwareConcurrency,
    ...Object.fromEntries(parts),
  };
}

function readMemory(): unknown {
  const { total, free, available, swapTotal, swapFree } = Deno.systemMemoryInfo();
  return {
    total_bytes: total,
    free_bytes: free,
    available_bytes: available,
    swap_total_bytes: swapTotal,
    swap_free_bytes: swapFree,
  };
}
