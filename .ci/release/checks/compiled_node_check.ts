/**
 * The compiled palyra-node with a daemon that the test scripts and certificates that it issues.
 *
 * @module
 */
import { CompiledPrograms } from "./compiled_programs.ts";
import { testBuiltNode } from "./built_node_tests.ts";

const programs = CompiledPrograms.here();

testBuiltNode({
  name: "compiled, over quic",
  transport: "quic",
  always: ["read", "sys"],
  clearEnv: true,
  command: async (withPermissions, { opener }) => [
    withPermissions ? await programs.nodeWithOpener(opener.command) : programs.path("palyra-node-headless", "adapted"),
  ],
});
