/** One value of a metric. */
export interface MetricSample {
  /** Never a device id, an address or a secret: each new value is a new time series for whoever collects it. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric with its values of the moment. */
export interface Metric {
  /** With its base unit as a suffix (`_seconds`, `_bytes`), and `_total` after that when it is a counter. */
  readonly name: string;
  readonly type: "counter" | "gauge";
  /** One sentence for people. */
  readonly help: string;
  /** May be empty: then the metric is announced and has no series. */
  readonly samples: readonly MetricSample[];
}

/** The content type of {@linkcode metricsText}. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Writes metrics in Prometheus' text format 0.0.4 (prometheus.io, "Exposition formats"). */
export function metricsText(metrics: readonly Metric[]): string {
  return metrics.map(metricText).join("");
}

function metricText({ name, type, help, samples }: Metric): string {
  const lines = [`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`];
  for (const { labels = {}, value } of samples) lines.push(`${name}${labelsText(labels)} ${valueText(value)}`);
  return lines.map((line) => `${line}\n`).join("");
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${escapeLabelValue(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

/** The format writes numbers as Go does: only infinity differs from JavaScript. */
function valueText(value: number): string {
  return String(value).replace(/^-?Infinity$/, value > 0 ? "+Inf" : "-Inf");
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabelValue(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
