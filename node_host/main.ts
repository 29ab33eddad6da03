import { assertTestedRuntime } from "../transport/grpc/deno_version.ts";
import { installHttp2Guard } from "../transport/grpc/http2_guard.ts";
import { runCli } from "../transport/program/mod.ts";
import { runProgram } from "./cli/program.ts";

await runCli(async (args) => {
  assertTestedRuntime();
  installHttp2Guard();
  return await runProgram(args);
});
