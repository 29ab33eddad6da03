const ENTER: ReadonlySet<string> = new Set(["\r", "\n"]);
const ERASE: ReadonlySet<string> = new Set(["\x7f", "\b"]);
const CTRL_C = "\x03";
const CTRL_D = "\x04";
const CTRL_U = "\x15";
const ESCAPE = "\x1b";
const CONTROL = /^\p{Cc}$/u;
const SEQUENCE_END = /^[@-~]$/;

/** How far a line being typed has come. */
export type SecretLineState = "typing" | "entered" | "cancelled";

/** Edits one line of a raw terminal: Enter, Backspace, Ctrl-U, Ctrl-C, Ctrl-D; other keys that print nothing are ignored. */
export class SecretLine {
  readonly #maxLength: number;
  #characters: string[] = [];
  #state: SecretLineState = "typing";
  #tooLong = false;
  // Arrow keys and pasting send sequences: ESC, a letter, or ESC [ … with a letter at the end.
  #sequence: "none" | "started" | "parameters" = "none";

  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  /** Takes what was typed; what follows the end of the line is ignored. */
  type(text: string): SecretLineState {
    for (const character of text) {
      if (this.#state !== "typing") break;
      this.#take(character);
    }
    return this.#state;
  }

  /** The line; undefined when more characters were typed than may be. */
  get text(): string | undefined {
    return this.#tooLong ? undefined : this.#characters.join("");
  }

  #take(character: string): void {
    if (this.#sequence !== "none") {
      this.#continueSequence(character);
    } else if (ENTER.has(character)) {
      this.#state = "entered";
    } else if (character === CTRL_C || (character === CTRL_D && this.#characters.length === 0)) {
      this.#state = "cancelled";
    } else if (character === CTRL_D) {
      this.#state = "entered";
    } else if (ERASE.has(character)) {
      this.#characters.pop();
    } else if (character === CTRL_U) {
      this.#characters = [];
      this.#tooLong = false;
    } else if (character === ESCAPE) {
      this.#sequence = "started";
    } else if (CONTROL.test(character)) {
      return;
    } else if (this.#characters.length < this.#maxLength) {
      this.#characters.push(character);
    } else {
      this.#tooLong = true;
    }
  }

  #continueSequence(character: string): void {
    if (character === CTRL_C) {
      // A lone Escape must not swallow the way out.
      this.#state = "cancelled";
    } else if (this.#sequence === "started") {
      this.#sequence = character === "[" || character === "O" ? "parameters" : "none";
    } else if (SEQUENCE_END.test(character)) {
      this.#sequence = "none";
    }
  }
}
