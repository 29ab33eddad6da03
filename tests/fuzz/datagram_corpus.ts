/** The datagrams that one side of a connection sent, in order. */
export type Conversation = readonly Uint8Array[];

/** A conversation and what it was. */
export interface RecordedConversation {
  readonly title: string;
  readonly datagrams: Conversation;
}

/** Where the recorded conversations are. */
export const CORPUS_FILE: URL = new URL("./corpus/handshakes.txt", import.meta.url);

/**
 * What the fuzzer starts from: datagrams of real handshakes and requests, recorded by `record_corpus.ts`. In the file
 * each line that is neither empty nor a comment is a datagram in hexadecimal; an empty line ends a conversation.
 */
export async function readCorpus(file: URL = CORPUS_FILE): Promise<Conversation[]> {
  const text = await Deno.readTextFile(file);
  return text.split(/\n\n+/)
    .map((block) => block.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map(Uint8Array.fromHex))
    .filter((conversation) => conversation.length > 0);
}

/** The text of a corpus file. */
export function formatCorpus(conversations: readonly RecordedConversation[]): string {
  return conversations
    .map(({ title, datagrams }) => [`# ${title}`, ...datagrams.map((datagram) => datagram.toHex()), ""].join("\n"))
    .join("\n");
}
