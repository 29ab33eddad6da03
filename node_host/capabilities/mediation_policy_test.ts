import assert from "node:assert/strict";
import { MediationPolicy } from "./mediation_policy.ts";

const OPEN_URL = { name: "desktop.open_url", mediation: true };
const ECHO = { name: "echo", mediation: false };

Deno.test("MediationPolicy.ruleFor() asks for mediated capabilities and allows the rest by default", () => {
  const policy = new MediationPolicy();
  assert.equal(policy.ruleFor(OPEN_URL), "ask");
  assert.equal(policy.ruleFor(ECHO), "allow");
});

Deno.test("MediationPolicy.ruleFor() takes the configured rule, and --deny over it", () => {
  const rules = { "desktop.open_url": "allow", "echo": "ask" } as const;
  assert.equal(new MediationPolicy({ rules }).ruleFor(OPEN_URL), "allow");
  assert.equal(new MediationPolicy({ rules }).ruleFor(ECHO), "ask");
  assert.equal(new MediationPolicy({ rules, denied: ["desktop.open_url"] }).ruleFor(OPEN_URL), "deny");
});

Deno.test("MediationPolicy.ruleFor() is not fooled by names that every object has", () => {
  for (const name of ["constructor", "__proto__", "toString"]) {
    assert.equal(new MediationPolicy({ rules: {} }).ruleFor({ name, mediation: true }), "ask");
  }
});

Deno.test("MediationPolicy.requireKnownNames() refuses a rule or a --deny for no known capability", () => {
  const known = ["echo", "desktop.open_url"];
  new MediationPolicy({ rules: { echo: "deny" }, denied: ["desktop.open_url"] }).requireKnownNames(known);
  for (const policy of [{ rules: { "desktop.open_ulr": "deny" } as const }, { denied: ["desktop.open_ulr"] }]) {
    assert.throws(() => new MediationPolicy(policy).requireKnownNames(known), {
      code: "invalid_config",
      message: 'There is no capability named "desktop.open_ulr"; correct it to one of echo, desktop.open_url.',
    });
  }
});
