import { timingSafeEqual } from "node:crypto";

/** Whether both hold the same bytes, without a timing side channel on their content (their lengths are public). */
export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}
