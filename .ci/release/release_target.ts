import { PalyraError } from "../../identity/palyra_error.ts";
import { PREBUILDS } from "../../transport/quic/quiche_addon.ts";

/** A platform that releases are made for. */
export interface ReleaseTarget {
  /** As Deno names it: `x86_64-unknown-linux-gnu`. */
  readonly triple: string;
  /** As archives are named: `linux-x64`. */
  readonly name: string;
  readonly os: "linux" | "darwin" | "windows";
  readonly arch: "x86_64" | "aarch64";
  /** The npm package that holds Deno's executable for it. */
  readonly denoPackage: string;
  /** The npm package that holds QUIC's native addon for it; undefined where there is none, and gRPC serves alone. */
  readonly addonPackage: string | undefined;
  /** What an executable's name ends in. */
  readonly executableSuffix: "" | ".exe";
}

type TargetFacts = Pick<ReleaseTarget, "triple" | "name" | "os" | "arch" | "denoPackage">;

const TARGET_FACTS: readonly TargetFacts[] = [
  {
    triple: "x86_64-unknown-linux-gnu",
    name: "linux-x64",
    os: "linux",
    arch: "x86_64",
    denoPackage: "@deno/linux-x64-glibc",
  },
  {
    triple: "aarch64-unknown-linux-gnu",
    name: "linux-arm64",
    os: "linux",
    arch: "aarch64",
    denoPackage: "@deno/linux-arm64-glibc",
  },
  {
    triple: "aarch64-apple-darwin",
    name: "macos-arm64",
    os: "darwin",
    arch: "aarch64",
    denoPackage: "@deno/darwin-arm64",
  },
  { triple: "x86_64-apple-darwin", name: "macos-x64", os: "darwin", arch: "x86_64", denoPackage: "@deno/darwin-x64" },
  {
    triple: "x86_64-pc-windows-msvc",
    name: "windows-x64",
    os: "windows",
    arch: "x86_64",
    denoPackage: "@deno/win32-x64",
  },
];

/** Every platform that releases are made for. */
export const RELEASE_TARGETS: readonly ReleaseTarget[] = TARGET_FACTS.map((facts) => ({
  ...facts,
  addonPackage: PREBUILDS[`${facts.os}-${facts.arch}`],
  executableSuffix: facts.os === "windows" ? ".exe" : "",
}));

/**
 * The target of that triple or name, `darwin` being macOS too; by default the platform that this runs on.
 *
 * @throws {PalyraError} `unsupported`, naming those that there are.
 */
export function releaseTarget(named: string = Deno.build.target): ReleaseTarget {
  const wanted = named.replace(/^darwin-/, "macos-");
  const target = RELEASE_TARGETS.find(({ triple, name }) => wanted === triple || wanted === name);
  if (target !== undefined) return target;
  const known = RELEASE_TARGETS.map(({ name }) => name).join(", ");
  throw new PalyraError("unsupported", `No release is made for ${named}. There are: ${known}.`);
}

/** Whether programs for this target can be started here. */
export function isHost(target: ReleaseTarget): boolean {
  return target.triple === Deno.build.target;
}
