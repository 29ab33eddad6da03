import assert from "node:assert/strict";
import { fromBinary } from "@bufbuild/protobuf";
import { type EnumDescriptorProto, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { enumerationName, REASON_PREFIX, withEveryReason } from "../.ci/reason_enumeration.ts";
import { palyradCli } from "../daemon/cli/palyrad_cli.ts";
import { REASON_CURES } from "../identity/reason_cure.ts";
import { REASON_CODES } from "../identity/reason_code.ts";
import { REASON_MEANINGS } from "../identity/reason_meaning.ts";
import { nodeCli } from "../node_host/cli/program.ts";
import { DESCRIPTOR_SET_BASE64 } from "../proto/gen/descriptor_set.ts";
import { type CommandOutline, outlineCommand } from "../transport/program/command_outline.ts";
import { reasonTable, withReasonTable } from "../transport/program/reasons/reason_page.ts";
import { runJson, runProgram } from "./harness/program.ts";

const RUN_THIS = "run `deno task reasons`, then `deno task gen`";

function enumeration(): EnumDescriptorProto {
  const { file } = fromBinary(FileDescriptorSetSchema, Uint8Array.fromBase64(DESCRIPTOR_SET_BASE64));
  const found = file.find(({ name }) => name === "reason.proto")?.enumType.find(({ name }) => name === "ReasonCode");
  if (found === undefined) throw new Error("the descriptor set has no ReasonCode");
  return found;
}

Deno.test("the reason codes and the enumeration in proto/reason.proto are the same set", () => {
  const names = enumeration().value.map(({ name }) => name);
  assert.equal(names[0], `${REASON_PREFIX}UNSPECIFIED`);
  assert.deepEqual(names.slice(1).sort(), REASON_CODES.map(enumerationName).sort(), RUN_THIS);
});

Deno.test("no number of the enumeration is free for a second use: each is taken or reserved", () => {
  const { value, reservedRange } = enumeration();
  const taken = value.map(({ number }) => number);
  const reserved = reservedRange.flatMap(({ start, end }) =>
    Array.from({ length: end - start + 1 }, (_, at) => start + at)
  );
  const all = [...taken, ...reserved].sort((left, right) => left - right);
  assert.deepEqual(all, Array.from({ length: all.length }, (_, at) => at), "reserve the number of what was removed");
});

Deno.test("withEveryReason() gives new codes fresh numbers, and does not let one go unreserved", () => {
  const text = "enum ReasonCode {\n  REASON_CODE_UNSPECIFIED = 0;\n  REASON_CODE_OLD = 1;\n  reserved 2, 5 to 7;\n}\n";
  assert.equal(
    withEveryReason(text, ["old", "new", "newer"]),
    text.replace("}\n", "  REASON_CODE_NEW = 8;\n  REASON_CODE_NEWER = 9;\n}\n"),
  );
  assert.equal(withEveryReason(text, ["old"]), text);
  assert.throws(() => withEveryReason(text, ["new"]), /REASON_CODE_OLD.*reserved/);
});

Deno.test("every reason code has a meaning and a cure, each a sentence of its own", () => {
  assert.deepEqual(Object.keys(REASON_MEANINGS).sort(), [...REASON_CODES].sort());
  assert.deepEqual(Object.keys(REASON_CURES).sort(), [...REASON_CODES].sort());
  for (const text of [...Object.values(REASON_MEANINGS), ...Object.values(REASON_CURES)]) {
    assert.match(text, /^(?:[A-Z`]|palyra-node).{10,118}\.$/, text);
  }
  const meanings = Object.values(REASON_MEANINGS);
  assert.equal(new Set(meanings).size, meanings.length, "two codes that say the same are one");
});

/** The commands that stand in a text: `palyrad devices list` as its words. */
function commandsIn(text: string): string[][] {
  const quoted = [...text.matchAll(/`([^`]+)`/g)].map(([, command = ""]) => command.split(" "));
  return quoted.filter(([program]) => program === "palyrad" || program === "palyra-node");
}

/** Why a command line cannot be; undefined for one that may. */
function faultOf(root: CommandOutline, [, ...words]: readonly string[]): string | undefined {
  let command = root;
  for (const word of words) {
    const below = command.commands.find(({ name }) => name === word);
    if (below !== undefined) command = below;
    else if (word.startsWith("--")) {
      if (!command.options.some(({ names }) => names.includes(word))) return `${command.name} has no ${word}`;
    } else if (command.commands.length > 0 || (command.arguments.length === 0 && word !== word.toUpperCase())) {
      return `${command.name} has no ${word}`;
    }
  }
  return undefined;
}

Deno.test("every command that a cure names exists, with its options", () => {
  const roots = [outlineCommand(palyradCli(() => {}), {}), outlineCommand(nodeCli(() => {}), {})];
  const faults = Object.entries(REASON_CURES).flatMap(([code, cure]) =>
    commandsIn(cure).flatMap((words) => {
      const root = roots.find(({ name }) => name === words[0]);
      const fault = root === undefined ? "no such program" : faultOf(root, words);
      return fault === undefined ? [] : [`${code}: \`${words.join(" ")}\`: ${fault}`];
    })
  );
  assert.deepEqual(faults, []);
});

Deno.test("the README's table of reason codes is up to date", async () => {
  const page = await Deno.readTextFile(new URL("../README.md", import.meta.url));
  const written = withReasonTable(page);
  assert.ok(written !== undefined, "README.md has the marks between which the table stands");
  assert.equal(page, written, RUN_THIS);
  for (const code of REASON_CODES) assert.ok(reasonTable().includes(`\n| \`${code}\` | `), code);
});

for (const program of ["palyrad", "palyra-node"] as const) {
  Deno.test(`${program} reasons tells all codes and one, and what was meant by a name that is none`, async () => {
    const nowhere = { stateRoot: "/nonexistent" };
    const { reasons } = await runJson(program, ["reasons"], nowhere);
    assert.deepEqual(reasons.map(({ code }: { code: string }) => code), REASON_CODES);
    const one = await runJson(program, ["reasons", "certificate_expired"], nowhere);
    assert.deepEqual(one, {
      code: "certificate_expired",
      kind: "authentication",
      exit_code: 3,
      meaning: REASON_MEANINGS.certificate_expired,
      cure: REASON_CURES.certificate_expired,
    });
    const text = await runProgram(program, ["reasons", "REASON_CODE_CLOCK_OFF"], nowhere);
    assert.match(text.stdout, /^clock_off \(precondition, exit code 7\)\n.*\n→ Set the clock/);
    const wrong = await runProgram(program, ["reasons", "certificate_expird"], nowhere);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /Did you mean certificate_expired\?/);
  });
}
