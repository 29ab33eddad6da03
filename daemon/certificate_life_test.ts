import assert from "node:assert/strict";
import { CERTIFICATE_BACKDATE_MS } from "../identity/certificate_authority.ts";
import { unixMs } from "../identity/unix_ms.ts";
import { renewalIsDue } from "./certificate_life.ts";

const HOUR_MS = 3_600_000;
const ISSUED = unixMs(1_790_000_000_000);
const LIFE = { issuedAt: ISSUED, expiresAt: unixMs(ISSUED + 3 * HOUR_MS) };

Deno.test("renewalIsDue() when a third of the life is left, when none is, and when the clock was set far back", () => {
  const cases: [after: number, due: boolean][] = [
    [0, false],
    [2 * HOUR_MS - 1, false],
    [2 * HOUR_MS, true],
    [3 * HOUR_MS, true],
    [30 * HOUR_MS, true],
    [-CERTIFICATE_BACKDATE_MS, false],
    [-CERTIFICATE_BACKDATE_MS - 1, true],
  ];
  for (const [after, due] of cases) assert.equal(renewalIsDue(LIFE, unixMs(ISSUED + after)), due, String(after));
});
