import * as v from "valibot";
import { CAPABILITY_NAME, MAX_CAPABILITY_NAME_CHARACTERS } from "./capability_name.ts";
import { PalyraError } from "./palyra_error.ts";

/** The longest platform text and device name, in characters. */
export const MAX_DECLARED_TEXT_CHARACTERS = 64;

/** The most capabilities a device may ask for when it pairs. */
export const MAX_REQUESTED_CAPABILITIES = 64;

/** What a device says about itself when it pairs. The operator reads it; nothing trusts it. */
export interface DeviceDeclaration {
  /** For example `linux-x86_64`. */
  readonly platform: string;
  /** A name that people know the machine by; may be empty. */
  readonly deviceName: string;
  /** Names of the capabilities that the device asks to be granted. */
  readonly requestedCapabilities: readonly string[];
}

// Control, format (bidirectional overrides among them), surrogate, private and unassigned characters, and line breaks.
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;

// A character takes one or two UTF-16 units; the first bound keeps the second from counting a long text.
const PrintableText = v.pipe(
  v.string(),
  v.maxLength(MAX_DECLARED_TEXT_CHARACTERS * 2),
  v.check((text) => [...text].length <= MAX_DECLARED_TEXT_CHARACTERS && !UNPRINTABLE.test(text)),
);

/** What a device may say about itself: at most 64 printable characters, at most 64 capability names. */
export const DeviceDeclarationSchema = v.object({
  platform: PrintableText,
  deviceName: PrintableText,
  requestedCapabilities: v.pipe(
    v.array(v.pipe(v.string(), v.maxLength(MAX_CAPABILITY_NAME_CHARACTERS), v.regex(CAPABILITY_NAME))),
    v.maxLength(MAX_REQUESTED_CAPABILITIES),
  ),
});

/** Checks what a device says about itself; throws `invalid_argument` with the rule that was broken. */
export function parseDeviceDeclaration(declaration: DeviceDeclaration): DeviceDeclaration {
  const parsed = v.safeParse(DeviceDeclarationSchema, declaration);
  if (parsed.success) return parsed.output;
  throw new PalyraError(
    "invalid_argument",
    "Platform and device name take at most 64 printable characters each; at most 64 capabilities can be asked for, " +
      "each named like `system.health`.",
  );
}
