/** What outlives the process of a node: attempts of capabilities that must not run twice. */
export * from "./attempt_journal.ts";
export { DAMAGED_JOURNAL_FILE, JOURNAL_FILE, removeJournal } from "./journal_file.ts";
export { JOURNAL_MARK_FILE } from "./journal_mark.ts";
export * from "./journal_rows.ts";
export * from "./journal_summary.ts";
