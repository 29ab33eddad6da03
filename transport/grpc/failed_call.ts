import type { ServerErrorResponse } from "@grpc/grpc-js";
import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../../identity/palyra_error.ts";
import { toServiceError } from "./grpc_status.ts";

const logger = getLogger(["palyra", "transport", "grpc"]);

/** What a handler threw, as its caller gets it. What is not a refusal is logged here with its cause and hidden there. */
export function failedCall(path: string, thrown: unknown): ServerErrorResponse {
  const error = PalyraError.from(thrown);
  if (error.code === "internal") {
    logger.error("The handler of {path} failed: {cause}", { path, cause: error.cause ?? error });
  }
  return toServiceError(error);
}
