/** The owner's consent: who is asked, where, and what is remembered. */
export * from "./answer_client.ts";
export * from "./answers_of_folder.ts";
export * from "./channel_address.ts";
export * from "./channel_message.ts";
export * from "./local_mediation.ts";
export * from "./own_terminal.ts";
export * from "./question.ts";
export * from "./question_lines.ts";
export * from "./remembered_answers.ts";
export * from "./short_id.ts";
export * from "./visible_text.ts";
