/** What is kept of a peer's sentence, in characters. */
const MAX_PEER_MESSAGE_CHARACTERS = 1_024;

/** A sentence from a peer, fit to be shown: bounded, and without characters that steer a terminal or the writing direction. */
export function peerMessage(text: string): string {
  return text.slice(0, MAX_PEER_MESSAGE_CHARACTERS).replaceAll(/\p{Cc}|\p{Bidi_Control}/gu, " ");
}
