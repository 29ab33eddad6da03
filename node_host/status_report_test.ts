import assert from "node:assert/strict";
import { join } from "node:path";
import { CertificateAuthority } from "../identity/certificate_authority.ts";
import { systemClock } from "../identity/unix_ms.ts";
import { NodeHostState } from "./node_host_state.ts";
import { SECRET_NAMES, SECRETS_FOLDER } from "./node_secrets.ts";
import { readStatusReport } from "./status_report.ts";
import { pairState } from "./testing/paired_state.ts";
import { TestFolder } from "./testing/test_folder.ts";

const HOUR_MS = 3_600_000;

Deno.test("readStatusReport() tells of the certificate that the next start uses, and leaves the finishing to it", async () => {
  await using folder = await TestFolder.create();
  using state = await NodeHostState.open(folder.path);
  const ca = await CertificateAuthority.create({ clock: systemClock });
  const later = await pairState(state, ca, 2 * HOUR_MS);
  const { expiresAt, renewsAt } = await state.credentials();
  await pairState(state, ca, HOUR_MS);
  const earlier = await readStatusReport(folder.path);
  assert.ok(earlier.certificateExpiresAt !== undefined && earlier.certificateExpiresAt < expiresAt);

  // What a crash right after the switch leaves.
  const path = join(folder.path, SECRETS_FOLDER, SECRET_NAMES.nextKeyPair);
  await Deno.writeTextFile(path, await later.tlsKey.toPem() + later.certificatePem, { mode: 0o600 });
  const { certificateExpiresAt, certificateRenewsAt } = await readStatusReport(folder.path);
  assert.deepEqual([certificateExpiresAt, certificateRenewsAt], [expiresAt, renewsAt]);
  assert.ok((await Deno.stat(path)).isFile);
  assert.equal((await state.credentials()).certificatePem, later.certificatePem);
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});
