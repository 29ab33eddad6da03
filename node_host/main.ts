import { setProcessSealingKey } from "../identity/process_sealing_key.ts";
import { assertTestedRuntime } from "../transport/grpc/deno_version.ts";
import { installHttp2Guard } from "../transport/grpc/http2_guard.ts";
import { runCli } from "../transport/program/mod.ts";
import { takeSealingKey } from "../transport/program/sealing/given_sealing_key.ts";
import { runProgram } from "./cli/program.ts";

setProcessSealingKey(takeSealingKey(Deno.env));

await runCli(async (args) => {
  assertTestedRuntime();
  installHttp2Guard();
  return await runProgram(args);
});
