/** A source of numbers from 0 (included) to 1 (excluded). */
export type Numbers = () => number;

/** Numbers that look random and are the same for the same seed (a 32-bit counter, mixed). For tests, never for secrets. */
export function seededNumbers(seed: number): Numbers {
  let counter = seed | 0;
  return () => {
    counter = (counter + 0x9e3779b9) | 0;
    let mixed = counter;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** A seed that no run has had before; print it, so that a failure can be repeated. */
export function freshSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}
