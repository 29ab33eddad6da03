import type { QuicAvailability } from "../../quic/quiche_addon.ts";
import type { Check } from "./check.ts";
import { type Finding, ok, skipped, warning } from "./finding.ts";

/** What {@linkcode quicLibraryCheck} goes by. */
export interface QuicLibraryCheckOptions {
  /** The setting that switches QUIC off; undefined when it is wanted. */
  readonly offBy: string | undefined;
  /** Asked only when QUIC is wanted, for it loads the library. */
  readonly availability: () => QuicAvailability;
  /** How to do without. */
  readonly without: string;
}

/** Whether this machine can speak QUIC. Without it the programs use gRPC, so that is no failure. */
export function quicLibraryCheck({ offBy, availability, without }: QuicLibraryCheckOptions): Check {
  const examine = (): Finding => {
    if (offBy !== undefined) return skipped(`QUIC is switched off by ${offBy}.`, "Change that setting to use QUIC.");
    const found = availability();
    if (found.available) return ok("QUIC's native library is there and can be loaded.");
    const [reason = "", ...cure] = found.reason.split(/(?<=\.) /);
    return warning("unsupported", reason, [...cure, without].join(" "));
  };
  return { name: "quic_library", examine };
}
