import assert from "node:assert/strict";
import { unixMs } from "../../identity/unix_ms.ts";
import { type MediationRequest, PolicyMediator } from "./mediator.ts";

const REQUEST: Omit<MediationRequest, "rule"> = {
  capability: "desktop.open_url",
  summary: "open https://example.com/",
  scope: { kind: "origin", value: "https://example.com" },
  requestedBy: "operator",
  deadline: unixMs(1_700_000_000_000),
  signal: new AbortController().signal,
  awaiting: () => assert.fail("nobody is asked"),
};

Deno.test("PolicyMediator.consent() passes what is allowed", async () => {
  await new PolicyMediator().consent({ ...REQUEST, rule: "allow" });
});

Deno.test("PolicyMediator.consent() refuses what would have to be asked, with the cure", async () => {
  await assert.rejects(new PolicyMediator().consent({ ...REQUEST, rule: "ask" }), {
    code: "mediation_required",
    message:
      "desktop.open_url needs the consent of the node's owner, and nobody can be asked here; to allow it always, " +
      'set mediation = "allow" under [capabilities."desktop.open_url"] in palyra-node\'s config.',
  });
});
