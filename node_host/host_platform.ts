import { printableText } from "./capabilities/printable_text.ts";

// The original names operating systems as Rust does.
const OS_NAMES: Readonly<Record<string, string>> = { darwin: "macos" };

/** The longest device name a pairing request takes, in characters. */
const MAX_DEVICE_NAME_CHARACTERS = 64;

/** The platform as the original writes it, `<os>-<arch>`: `linux-x86_64`, `macos-aarch64`, `windows-x86_64`. */
export function hostPlatform(build: { readonly os: string; readonly arch: string } = Deno.build): string {
  return `${OS_NAMES[build.os] ?? build.os}-${build.arch}`;
}

/** What people know the machine by: its host name when `--allow-sys=hostname` is granted, else the platform. Never prompts. */
export async function defaultDeviceName(): Promise<string> {
  const { state } = await Deno.permissions.query({ name: "sys", kind: "hostname" });
  if (state !== "granted") return hostPlatform();
  const hostname = printableText(Deno.hostname().trim(), MAX_DEVICE_NAME_CHARACTERS);
  return hostname === "" ? hostPlatform() : hostname;
}
