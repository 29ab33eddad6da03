import { type Clock, systemClock } from "../../identity/unix_ms.ts";
import type { Capability } from "./capability.ts";
import { desktopOpenPath } from "./desktop_open_path.ts";
import { desktopOpenUrl } from "./desktop_open_url.ts";
import { echo } from "./echo.ts";
import { type Opener, SystemOpener } from "./opener.ts";
import { systemHealth } from "./system_health.ts";
import { systemIdentity } from "./system_identity.ts";

/** What the built-in capabilities take from the configuration. */
export interface BuiltinCapabilitiesOptions {
  /** Default: the platform's opener. */
  readonly opener?: Opener;
  /** Folders that `desktop.open_path` may open things from, absolute. Default: none. */
  readonly openPathRoots?: readonly string[];
  readonly clock?: Clock;
}

/** The capabilities that every node has (design section 6). Throws `invalid_config` for a root that is no absolute path. */
export function builtinCapabilities(options: BuiltinCapabilitiesOptions = {}): readonly Capability[] {
  const opener = options.opener ?? new SystemOpener();
  return [
    echo,
    systemHealth(options.clock ?? systemClock),
    systemIdentity,
    desktopOpenUrl(opener),
    desktopOpenPath(opener, { roots: options.openPathRoots ?? [] }),
  ];
}
