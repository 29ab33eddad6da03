import assert from "node:assert/strict";
import { inspect } from "node:util";
import fc from "fast-check";
import * as v from "valibot";
import { PalyraError } from "../../identity/palyra_error.ts";
import { type ConfigSources, resolveConfig, sourceText } from "./layered_config.ts";
import { defineSettings } from "./setting.ts";

const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));

const table = defineSettings({
  "node_rpc.port": { schema: port, env: "PALYRA_NODE_RPC_PORT", flag: "--port", default: 7444, description: "Port." },
  "node_rpc.allow_remote": {
    schema: v.boolean(),
    env: "PALYRA_ALLOW_REMOTE",
    default: false,
    description: "Listen beyond loopback.",
  },
  "server_names": { schema: v.array(v.string()), env: "PALYRA_SERVER_NAMES", default: [], description: "Names." },
  "store.password": {
    schema: v.optional(v.pipe(v.string(), v.minLength(8))),
    env: "PALYRA_STORE_PASSWORD",
    default: undefined,
    description: "Password.",
    secret: true,
  },
}, {
  "capabilities.*.mediation": { schema: v.picklist(["allow", "ask", "deny"]), description: "Consent." },
});

type Sources = ConfigSources<typeof table.settings>;

const file = (text: string) => ({ path: "/etc/palyra.toml", text });
const environment = (variables: Record<string, string>) => new Map(Object.entries(variables));

function refusal(sources: Sources): string {
  try {
    resolveConfig(table, sources);
  } catch (error) {
    assert.ok(error instanceof PalyraError);
    assert.equal(error.code, "invalid_config");
    return error.message;
  }
  return assert.fail("accepted");
}

Deno.test("resolveConfig() types its values", () => {
  const config = resolveConfig(table, {});
  const typed: number = config.values["node_rpc.port"];
  const names: readonly string[] = config.values.server_names;
  const password: string | undefined = config.values["store.password"];
  const consent: ReadonlyMap<string, "allow" | "ask" | "deny"> = config.named["capabilities.*.mediation"];
  assert.deepEqual([typed, names, password, consent], [7444, [], undefined, new Map()]);
});

Deno.test("resolveConfig() takes flags before environment before file before defaults, and tells which", () => {
  const flags = { "node_rpc.port": "1" };
  const variables = environment({ PALYRA_NODE_RPC_PORT: "2" });
  const inFile = file("[node_rpc]\nport = 3");
  const expected: readonly [Sources, number, string][] = [
    [{ flags, environment: variables, file: inFile }, 1, "the flag --port"],
    [{ environment: variables, file: inFile }, 2, "the variable PALYRA_NODE_RPC_PORT"],
    [{ flags: { "node_rpc.port": undefined }, file: inFile }, 3, "/etc/palyra.toml"],
    [{ environment: environment({ PALYRA_NODE_RPC_PORT: "" }) }, 7444, "the default"],
  ];
  for (const [sources, value, source] of expected) {
    const config = resolveConfig(table, sources);
    assert.equal(config.values["node_rpc.port"], value);
    const entry = config.entries.find(({ key }) => key === "node_rpc.port");
    assert.ok(entry);
    assert.equal(entry.value, value);
    assert.equal(sourceText(entry.source), source);
  }
});

Deno.test("resolveConfig() reads text by the declared type", () => {
  const config = resolveConfig(table, {
    environment: environment({ PALYRA_ALLOW_REMOTE: "Yes", PALYRA_SERVER_NAMES: " a.example , 10.0.0.1,, " }),
    flags: { "node_rpc.port": " 99 " },
  });
  assert.ok(config.values["node_rpc.allow_remote"]);
  assert.deepEqual(config.values.server_names, ["a.example", "10.0.0.1"]);
  assert.equal(config.values["node_rpc.port"], 99);
  assert.deepEqual(resolveConfig(table, { flags: { server_names: ["x,y", "z"] } }).values.server_names, ["x,y", "z"]);
});

Deno.test("resolveConfig() takes a named setting for each name, dots included", () => {
  const config = resolveConfig(table, {
    file: file(`
      [capabilities."desktop.open_url"]
      mediation = "allow"
      [capabilities.echo]
      mediation = "deny"
      [capabilities."system.health"]
    `),
  });
  assert.deepEqual(
    config.named["capabilities.*.mediation"],
    new Map([["desktop.open_url", "allow"], ["echo", "deny"]]),
  );
  assert.deepEqual(config.entries.filter(({ key }) => key.startsWith("capabilities")).map(({ key }) => key), [
    'capabilities."desktop.open_url".mediation',
    "capabilities.echo.mediation",
  ]);
});

Deno.test("resolveConfig() refuses an unknown key and names it, the file and the nearest known key", () => {
  const expected: readonly [string, string][] = [
    ["[node_rpc]\nprot = 1", "Unknown key node_rpc.prot in /etc/palyra.toml: the nearest known key is node_rpc.port."],
    ['"node_rpc.port" = 1', 'Unknown key "node_rpc.port" in /etc/palyra.toml: the nearest known key is node_rpc.port.'],
    [
      '[capabilities."desktop.open_url"]\nmediaton = "deny"',
      'Unknown key capabilities."desktop.open_url".mediaton in /etc/palyra.toml: the nearest known key is ' +
      'capabilities."desktop.open_url".mediation.',
    ],
    ["[node_rcp]", "Unknown key node_rcp in /etc/palyra.toml: the nearest known key is node_rpc.port."],
    [
      "[node_rpc.port]\nx = 1",
      "Unknown key node_rpc.port.x in /etc/palyra.toml: the nearest known key is node_rpc.port.",
    ],
    ["server_nmes = []", "Unknown key server_nmes in /etc/palyra.toml: the nearest known key is server_names."],
    ["[node_rpc.port]", "Unknown key node_rpc.port in /etc/palyra.toml: the nearest known key is node_rpc.port."],
  ];
  for (const [text, message] of expected) assert.equal(refusal({ file: file(text) }), message);
  assert.match(refusal({ file: file("__proto__ = { port = 1 }") }), /Unknown key __proto__\.port/);
  assert.match(refusal({ file: file(`${"a.".repeat(50_000)}b = 1`) }), /Unknown key a\.a\./);
});

Deno.test("resolveConfig() refuses a bad value and names its source, the key, the value and what is expected", () => {
  const expected: readonly [Sources, string][] = [
    [
      { flags: { "node_rpc.port": "abc" } },
      'The value "abc" of node_rpc.port from the flag --port is not valid: expected a number.',
    ],
    [
      { environment: environment({ PALYRA_NODE_RPC_PORT: "70000" }) },
      "The value 70000 of node_rpc.port from the variable PALYRA_NODE_RPC_PORT is not valid: expected at most 65535.",
    ],
    [
      { file: file("[node_rpc]\nport = 1.5") },
      "The value 1.5 of node_rpc.port from /etc/palyra.toml is not valid: expected a whole number.",
    ],
    [
      { environment: environment({ PALYRA_ALLOW_REMOTE: "maybe" }) },
      'The value "maybe" of node_rpc.allow_remote from the variable PALYRA_ALLOW_REMOTE is not valid: ' +
      "expected true or false.",
    ],
    [
      { file: file('[capabilities.echo]\nmediation = "never"') },
      'The value "never" of capabilities.echo.mediation from /etc/palyra.toml is not valid: ' +
      'expected one of "allow", "ask", "deny".',
    ],
    [
      { file: file("server_names = 1979-05-27") },
      'The value "1979-05-27" of server_names from /etc/palyra.toml is not valid: expected a list.',
    ],
  ];
  for (const [sources, message] of expected) assert.equal(refusal(sources), message);
});

Deno.test("resolveConfig() refuses a bad value even when a stronger source hides it", () => {
  assert.match(refusal({ flags: { "node_rpc.port": 1 }, file: file("[node_rpc]\nport = 0") }), /at least 1/);
});

Deno.test("resolveConfig() never shows a secret", () => {
  const secret = "hunter2-hunter2";
  const config = resolveConfig(table, { environment: environment({ PALYRA_STORE_PASSWORD: secret }) });
  assert.equal(config.values["store.password"], secret);
  assert.equal(config.entries.find(({ key }) => key === "store.password")?.value, "(hidden)");
  assert.ok(!JSON.stringify(config.entries).includes(secret));
  assert.ok(!(inspect(config, { depth: null, showHidden: true }) + JSON.stringify(config)).includes(secret));
  assert.equal(
    refusal({ environment: environment({ PALYRA_STORE_PASSWORD: "hunter2" }) }),
    "The value of store.password from the variable PALYRA_STORE_PASSWORD is not valid: expected a length of at least 8.",
  );
  const broken = refusal({ file: file(`[store]\npassword = "${secret}" oops`) });
  assert.match(broken, /\/etc\/palyra\.toml is not valid TOML at line 2, column \d+: /);
  assert.ok(!broken.includes(secret));
});

Deno.test("resolveConfig() answers any text with values or invalid_config", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      resolveConfig(table, { file: file(text) });
    } catch (error) {
      assert.ok(error instanceof PalyraError && error.code === "invalid_config", inspect(error));
    }
  }));
});
