import { statfs } from "node:fs/promises";
import type { OwnerCapability } from "../owner_capability.ts";

/** Any folder on the disk in question; the permission below has to name the same. */
const FOLDER = "/usr";

export default {
  name: "disk.usage",
  version: "1.0.0",
  description: `Tells how full the disk is that holds ${FOLDER}.`,
  inputSchema: {},
  outputSchema: {
    type: "object",
    properties: {
      folder: { type: "string" },
      total_bytes: { type: "integer", minimum: 0 },
      available_bytes: { type: "integer", minimum: 0 },
      used_percent: { type: "number", minimum: 0, maximum: 100 },
    },
    required: ["folder", "total_bytes", "available_bytes", "used_percent"],
    additionalProperties: false,
  },
  idempotent: true,
  mediation: false,
  permissions: [`read=${FOLDER}`, "sys=statfs"],
  async run() {
    const { bsize, blocks, bfree, bavail } = await statfs(FOLDER);
    // As df counts: what is kept for the system is neither used nor available.
    const used = blocks - bfree;
    return {
      folder: FOLDER,
      total_bytes: blocks * bsize,
      available_bytes: bavail * bsize,
      used_percent: used + bavail === 0 ? 0 : Math.round((used * 1_000) / (used + bavail)) / 10,
    };
  },
} satisfies OwnerCapability;
