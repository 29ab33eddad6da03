import { type OutputUnit, Validator } from "@cfworker/json-schema";

/** A JSON Schema, draft 2020-12. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** The longest sentence {@linkcode JsonSchemaCheck.firstError} returns, in characters. */
export const MAX_SCHEMA_ERROR_CHARACTERS = 300;

// These only say that something below them is wrong, and the validator lists them before that something.
const WRAPPERS = new Set([
  "$ref",
  "allOf",
  "dependentSchemas",
  "additionalProperties",
  "unevaluatedProperties",
  "patternProperties",
  "properties",
  "propertyNames",
  "prefixItems",
  "items",
  "unevaluatedItems",
  "if",
  "then",
  "else",
]);

/** What becomes of values when the schema itself turns out to be at fault. */
export interface JsonSchemaCheckOptions {
  /** Let them pass, since somebody else judges them. Default: nothing passes a schema that cannot be applied. */
  readonly passIfInapplicable?: boolean;
}

/** A JSON Schema (draft 2020-12), prepared once and then applied to each value. */
export class JsonSchemaCheck {
  readonly #validator: Validator;
  readonly #subject: string;
  readonly #passIfInapplicable: boolean;

  /**
   * `subject` is what the checked value is called in sentences: `input`, `output`. Throws TypeError when the schema
   * cannot be prepared.
   */
  constructor(schema: JsonSchema, subject: string, { passIfInapplicable = false }: JsonSchemaCheckOptions = {}) {
    this.#subject = subject;
    this.#passIfInapplicable = passIfInapplicable;
    try {
      // The validator marks the schema objects it is given; the definition's own may be frozen and stay untouched.
      this.#validator = new Validator(structuredClone(schema), "2020-12");
    } catch (cause) {
      throw new TypeError(`the ${subject} schema cannot be used`, { cause });
    }
  }

  /** What is wrong with `value`, as one sentence (`input.url: is required`), or undefined when it matches. */
  firstError(value: unknown): string | undefined {
    let errors: readonly OutputUnit[];
    try {
      const outcome = this.#validator.validate(value);
      if (outcome.valid) return undefined;
      errors = outcome.errors;
    } catch {
      // An unresolved or endless $ref shows only here.
      if (this.#passIfInapplicable) return undefined;
      return `${this.#subject}: the capability's ${this.#subject} schema cannot be applied`;
    }
    const error = errors.find(({ keyword }) => !WRAPPERS.has(keyword)) ?? errors[0];
    if (error === undefined) return `${this.#subject}: does not match the schema`;
    const sentence = `${this.#subject}${readableLocation(error.instanceLocation)}: ${readableComplaint(error)}`;
    return shown(sentence, MAX_SCHEMA_ERROR_CHARACTERS);
  }
}

/** What a person may safely be shown of a text that came from elsewhere. */
function shown(text: string, maxCharacters: number): string {
  // Cut first, so that a megabyte is not scanned for the sake of a few characters.
  const head = Array.from(text.slice(0, maxCharacters * 2 + 2));
  const kept = head.length > maxCharacters ? [...head.slice(0, maxCharacters - 1), "…"] : head;
  return kept.join("").replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
}

// `#/list/0/some~1name` -> `.list[0]["some/name"]`
function readableLocation(pointer: string): string {
  return pointer.split("/").slice(1).map((token) => {
    const name = decodeToken(token);
    if (/^\d{1,9}$/.test(name)) return `[${name}]`;
    return /^[A-Za-z_]\w{0,63}$/.test(name) ? `.${name}` : `[${JSON.stringify(shown(name, 64))}]`;
  }).join("");
}

function decodeToken(token: string): string {
  const unescaped = token.replaceAll("~1", "/").replaceAll("~0", "~");
  try {
    return decodeURI(unescaped);
  } catch {
    return unescaped;
  }
}

function readableComplaint({ keyword, error }: OutputUnit): string {
  if (keyword === "false") return "is not allowed here";
  if (keyword === "type") {
    const types = /^Instance type "(\w+)" is invalid\. Expected "(.+)"\.$/.exec(error);
    if (types !== null) return `must be of type ${types[2]?.replaceAll('", "', " or ")}, not ${types[1]}`;
  }
  if (keyword === "required") {
    const property = /required property "(.+)"\.$/s.exec(error);
    if (property !== null) return `the property "${property[1]}" is required`;
  }
  const complaint = error.replace(/^Instance /, "").replace(/\.$/, "");
  return complaint.charAt(0).toLowerCase() + complaint.slice(1);
}
