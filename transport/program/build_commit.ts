/**
 * The commit that an executable or package was built from: the build writes this file anew in its own copy of the source.
 * Empty in the source itself, where `source_commit.ts` looks.
 */
export const BUILD_COMMIT = "" as string;
