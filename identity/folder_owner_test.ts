import assert from "node:assert/strict";
import { join } from "node:path";
import { giveToFolderOwner } from "./folder_owner.ts";
import { resealSecrets, sealSecrets, unsealSecrets } from "./sealing_change.ts";
import { inSecretsFolder, sealingKey } from "./sealing_test_support.ts";

/** Only root can give files away. */
const ignore = Deno.build.os === "windows" || Deno.uid() !== 0;
const OWNER = 12_345;

async function owners(folder: string): Promise<(number | null)[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  return await Promise.all(entries.map(async ({ name }) => (await Deno.lstat(join(folder, name))).uid));
}

Deno.test({
  name: "secrets that root seals, reseals and unseals stay their owner's, who runs the service",
  ignore,
  async fn() {
    await inSecretsFolder(async (folder) => {
      const [key, next] = await Promise.all([sealingKey(1), sealingKey(2)]);
      for (const name of ["ca-key.pem", "audit-key"]) {
        // deno-lint-ignore no-await-in-loop -- two
        await Deno.writeTextFile(join(folder, name), "key", { mode: 0o600 });
        // deno-lint-ignore no-await-in-loop -- two
        await Deno.chown(join(folder, name), OWNER, OWNER);
      }
      await Deno.chown(folder, OWNER, OWNER);
      await sealSecrets(key, { folder });
      assert.deepEqual(await owners(folder), [OWNER, OWNER, OWNER]);
      await resealSecrets(key, next, { folder });
      assert.deepEqual(await owners(folder), [OWNER, OWNER, OWNER]);
      await unsealSecrets(next, { folder });
      assert.deepEqual(await owners(folder), [OWNER, OWNER]);
    });
  },
});

Deno.test({
  name: "giveToFolderOwner() gives away nothing through a link or a second name, and misses nothing that is not there",
  ignore,
  async fn() {
    await inSecretsFolder(async (elsewhere) => {
      await inSecretsFolder(async (folder) => {
        const mine = join(elsewhere, "mine");
        await Deno.writeTextFile(mine, "root's");
        await Deno.symlink(mine, join(folder, "link"));
        await Deno.link(mine, join(folder, "name"));
        await Deno.chown(folder, OWNER, OWNER);
        await giveToFolderOwner(folder, ["link", "name", "none"]);
        assert.equal((await Deno.stat(mine)).uid, 0);
      });
    });
  },
});
