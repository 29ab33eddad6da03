import type { ServerErrorResponse } from "@grpc/grpc-js";
import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../../identity/palyra_error.ts";
import { toServiceError } from "./grpc_status.ts";
import { isPrivateReason } from "../public_message.ts";

const logger = getLogger(["palyra", "transport", "grpc"]);

/** What a handler threw, as its caller gets it. What is no refusal is logged here, with its cause, and hidden there. */
export function failedCall(path: string, thrown: unknown): ServerErrorResponse {
  const error = PalyraError.from(thrown);
  if (isPrivateReason(error.code)) {
    // An `internal` made of any other value says nothing itself.
    const cause = error.code === "internal" ? error.cause ?? error : error;
    logger.error("The handler of {path} failed: {cause}", { path, cause });
  }
  return toServiceError(error);
}
