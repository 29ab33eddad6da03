/** The DER tags that Palyra writes itself. */
export const DER_TAG = {
  bitString: 0x03,
  utf8String: 0x0c,
  printableString: 0x13,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One DER element (X.690): tag, definite length, contents one after another. Throws RangeError from 64 KiB. */
export function derElement(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((total, part) => total + part.length, 0);
  if (length > 0xffff) throw new RangeError("longer than any DER that is made here");
  const header = length < 0x80
    ? [tag, length]
    : length < 0x100
    ? [tag, 0x81, length]
    : [tag, 0x82, length >> 8, length & 0xff];
  const element = new Uint8Array(header.length + length);
  element.set(header);
  let at = header.length;
  for (const part of contents) {
    element.set(part, at);
    at += part.length;
  }
  return element;
}
