/** What a node can do for its daemon, and the gates before it. */
export * from "./builtin_capabilities.ts";
export * from "./capability.ts";
export * from "./capability_registry.ts";
export * from "./capability_runner.ts";
export * from "./consent_scope.ts";
export * from "./local_capability_result.ts";
export * from "./mediation_policy.ts";
export * from "./mediator.ts";
export * from "./opener.ts";
export * from "./owner/mod.ts";
export * from "./permission_gate.ts";
