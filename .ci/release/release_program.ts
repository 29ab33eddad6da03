import { fileURLToPath } from "node:url";

/** Where the project's files lie. */
export const PROJECT_FOLDER = fileURLToPath(new URL("../../", import.meta.url));

/** What the user can start. */
export type ReleaseProgramName = "palyrad" | "palyra-node" | "palyra-node-headless";

/** The bundles; two programs can share one and differ in what they may do. */
export type BundleName = "palyrad" | "palyra-node";

/** One of the programs that a release holds. */
export interface ReleaseProgram {
  readonly name: ReleaseProgramName;
  readonly bundle: BundleName;
}

/** Every program of a release. */
export const RELEASE_PROGRAMS: readonly ReleaseProgram[] = [
  { name: "palyrad", bundle: "palyrad" },
  { name: "palyra-node", bundle: "palyra-node" },
  { name: "palyra-node-headless", bundle: "palyra-node" },
];

/** The module that each bundle starts with, from the project's folder. */
export const BUNDLE_ENTRIES: Readonly<Record<BundleName, string>> = {
  palyrad: "daemon/main.ts",
  "palyra-node": "node_host/main.ts",
};

/** Each bundle's file in a stage and in a package's `lib`. */
export function bundleFile(bundle: BundleName): string {
  return `${bundle}.js`;
}
