/** In the place of a record of the audit there is something that cannot be one. */
export class UnreadableRecordError extends Error {
  constructor(message: string, options?: { readonly cause: unknown }) {
    super(message, options);
    this.name = "UnreadableRecordError";
  }
}
