interface Place<T> {
  readonly item: T;
  /** Grows along the line. */
  readonly order: number;
  before: Place<T> | undefined;
  behind: Place<T> | undefined;
}

/** First in, first out; whoever waits may leave from anywhere, at a cost that does not grow with the line. */
export class WaitingLine<T extends object> {
  readonly #places = new Map<T, Place<T>>();
  #first: Place<T> | undefined;
  #last: Place<T> | undefined;

  get length(): number {
    return this.#places.size;
  }

  /** Whose turn is next, with the number under which it joined; undefined when nobody waits. */
  get first(): { readonly item: T; readonly order: number } | undefined {
    return this.#first;
  }

  /** Joins at the end; `order` must be greater than that of all others. */
  join(item: T, order: number): void {
    const place: Place<T> = { item, order, before: this.#last, behind: undefined };
    this.#places.set(item, place);
    if (this.#last === undefined) this.#first = place;
    else this.#last.behind = place;
    this.#last = place;
  }

  /** Joins at the front; `order` must be less than that of all others. */
  joinFront(item: T, order: number): void {
    const place: Place<T> = { item, order, before: undefined, behind: this.#first };
    this.#places.set(item, place);
    if (this.#first === undefined) this.#last = place;
    else this.#first.before = place;
    this.#first = place;
  }

  /** Leaves; false when it was not in the line. */
  leave(item: T): boolean {
    const place = this.#places.get(item);
    if (place === undefined) return false;
    this.#places.delete(item);
    if (place.before === undefined) this.#first = place.behind;
    else place.before.behind = place.behind;
    if (place.behind === undefined) this.#last = place.before;
    else place.behind.before = place.before;
    return true;
  }

  /** From the first to the last. */
  *[Symbol.iterator](): Generator<T, void, void> {
    for (let place = this.#first; place !== undefined; place = place.behind) yield place.item;
  }
}
