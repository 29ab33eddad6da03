/** One answer of a list that goes by device ids. */
export interface DevicePage<T> {
  readonly entries: readonly T[];
  /** There are more behind the last of them. */
  readonly cut: boolean;
}

/** Asks for one page after the other until nothing is left. */
export async function everyPage<T extends { readonly deviceId: string }>(
  ask: (afterDeviceId: string) => Promise<DevicePage<T>>,
): Promise<T[]> {
  const all: T[] = [];
  for (;;) {
    // deno-lint-ignore no-await-in-loop -- a page begins behind the one before
    const { entries, cut } = await ask(all.at(-1)?.deviceId ?? "");
    all.push(...entries);
    if (!cut || entries.length === 0) return all;
  }
}
