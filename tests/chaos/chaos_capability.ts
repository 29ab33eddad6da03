import * as v from "valibot";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { Capability, JsonSchema } from "../../node_host/capabilities/capability.ts";

/** Running it twice does harm: each run leaves a line behind. */
export const ONCE = "chaos.once";
/** The same work, declared harmless to repeat. */
export const REPEATABLE = "chaos.repeatable";

/** What a request of the chaos run asks a node to do. */
export const ChaosWork = v.object({
  /** The request's own number: it names the line that the run leaves behind, and comes back in the output. */
  number: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  /** How long it takes, in milliseconds; the line is left behind half-way. */
  workMs: v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(60_000)),
  /** Whether it fails at its end. */
  fails: v.boolean(),
});

/** {@linkcode ChaosWork}, parsed. */
export type ChaosWork = v.InferOutput<typeof ChaosWork>;

/** What a request of the chaos run answers. */
export const ChaosAnswer = v.object({ number: v.number() });

/** Progress is told of so often in the course of a run. */
const STEPS = 4;

const INPUT_SCHEMA: JsonSchema = {
  type: "object",
  properties: {
    number: { type: "integer", minimum: 0 },
    workMs: { type: "integer", minimum: 0, maximum: 60_000 },
    fails: { type: "boolean" },
  },
  required: ["number", "workMs", "fails"],
  additionalProperties: false,
};

const OUTPUT_SCHEMA: JsonSchema = {
  type: "object",
  properties: { number: { type: "integer" } },
  required: ["number"],
  additionalProperties: false,
};

/** The two capabilities of a chaos node. Each run of either appends its number and the time to the file that it is given. */
export function chaosCapabilities(
  files: { readonly once: string; readonly repeatable: string },
): readonly Capability[] {
  return [
    { ...workOn(files.once), name: ONCE, description: "Leaves a line behind; must not run twice.", idempotent: false },
    { ...workOn(files.repeatable), name: REPEATABLE, description: "The same, but may run twice.", idempotent: true },
  ];
}

function workOn(file: string): Omit<Capability, "name" | "description" | "idempotent"> {
  return {
    version: "1.0.0",
    inputSchema: INPUT_SCHEMA,
    outputSchema: OUTPUT_SCHEMA,
    mediation: false,
    permissions: [],
    run: async (input, { signal, progress }) => {
      const { number, workMs, fails } = v.parse(ChaosWork, input);
      for (let step = 0; step < STEPS; step++) {
        // One append in one piece: the kernel keeps it, whatever becomes of this process.
        // deno-lint-ignore no-sync-fn-in-async-fn -- nothing may come between the effect and what follows it
        if (step === STEPS / 2) Deno.writeTextFileSync(file, effectLine(number, Date.now()), { append: true });
        // deno-lint-ignore no-await-in-loop -- one step after the other
        await rest(workMs / STEPS, signal);
        progress({ step });
      }
      if (fails) throw new PalyraError("execution_failed", "This request was asked to fail.");
      return { number };
    },
  };
}

/** One run of a request, as its side effect shows it. */
export interface Effect {
  readonly number: number;
  /** When, in milliseconds since 1970. */
  readonly at: number;
}

/** The line that a run leaves behind. */
function effectLine(number: number, at: number): string {
  return `${number} ${at}\n`;
}

/** What the runs have left behind in `file`. */
export async function readEffects(file: string): Promise<Effect[]> {
  const text = await Deno.readTextFile(file).catch((error) => {
    // No run has left anything yet.
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const [number, at] = line.split(" ").map(Number);
    if (number === undefined || at === undefined || Number.isNaN(number + at)) {
      throw new Error(`a line is not whole: ${line}`);
    }
    return { number, at };
  });
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (ms === 0) return;
  await new Promise<void>((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
