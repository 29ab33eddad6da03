import assert from "node:assert/strict";
import { metricsText } from "./metrics_text.ts";

Deno.test("metricsText() announces each metric and writes a line for each value", () => {
  const text = metricsText([
    { name: "palyrad_uptime_seconds", type: "gauge", help: "Since the start.", samples: [{ value: 1.5 }] },
    {
      name: "palyrad_things_total",
      type: "counter",
      help: "Things.",
      samples: [{ labels: { kind: "good", size: "small" }, value: 3 }, { labels: { kind: "bad" }, value: 0 }],
    },
    { name: "palyrad_absent_total", type: "counter", help: "None yet.", samples: [] },
  ]);
  assert.equal(
    text,
    `# HELP palyrad_uptime_seconds Since the start.
# TYPE palyrad_uptime_seconds gauge
palyrad_uptime_seconds 1.5
# HELP palyrad_things_total Things.
# TYPE palyrad_things_total counter
palyrad_things_total{kind="good",size="small"} 3
palyrad_things_total{kind="bad"} 0
# HELP palyrad_absent_total None yet.
# TYPE palyrad_absent_total counter
`,
  );
});

Deno.test("metricsText() escapes what would end a label's value or a line", () => {
  const text = metricsText([{
    name: "palyrad_info",
    type: "gauge",
    help: 'A "quoted" \\ and\na new line.',
    samples: [{ labels: { version: 'a"} 1\nfake_total 9\\' }, value: 1 }],
  }]);
  assert.deepEqual(text.split("\n"), [
    '# HELP palyrad_info A "quoted" \\\\ and\\na new line.',
    "# TYPE palyrad_info gauge",
    'palyrad_info{version="a\\"} 1\\nfake_total 9\\\\"} 1',
    "",
  ]);
});

Deno.test("metricsText() writes numbers as the format has them", () => {
  const samples = [1e21, 0.1, -2, Infinity, -Infinity, NaN].map((value) => ({ value }));
  const text = metricsText([{ name: "palyrad_x", type: "gauge", help: "X.", samples }]);
  const values = text.split("\n").filter((line) => line.startsWith("palyrad_x ")).map((line) => line.split(" ")[1]);
  assert.deepEqual(values, ["1e+21", "0.1", "-2", "+Inf", "-Inf", "NaN"]);
});
