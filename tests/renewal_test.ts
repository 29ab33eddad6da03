import assert from "node:assert/strict";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { PLANNED_END, runRenewals } from "./renewal_run.ts";

for (const transport of ["quic", "grpc"] as const) {
  Deno.test(
    `a node renews certificates of 8 s over ${transport} while it works: no request fails, and each is one reconnect`,
    CHANNEL_LEFTOVERS,
    async () => {
      const report = await runRenewals({ transport, lifeMs: 8_000, renewals: 3, durationMs: 0 });
      assert.deepEqual(report.failures, []);
      assert.ok(report.requests > 100, `${report.requests} requests`);
      assert.ok(report.renewals >= 3);
      assert.equal(report.sessions, report.renewals + 1, "no reconnect but the planned ones");
      assert.deepEqual(new Set(report.ends), new Set([PLANNED_END]));
      assert.equal(report.recoveries, 0);
      assert.equal(report.validCertificates, 1, "those before it are superseded");
    },
  );
}
