import { setProcessSealingKey } from "../identity/process_sealing_key.ts";
import { assertTestedRuntime } from "../transport/grpc/deno_version.ts";
import { installHttp2Guard } from "../transport/grpc/http2_guard.ts";
import { EXIT_OK } from "../transport/program/exit_code.ts";
import { runCli } from "../transport/program/run_cli.ts";
import { takeSealingKey } from "../transport/program/sealing/given_sealing_key.ts";
import { palyradCli } from "./cli/palyrad_cli.ts";

setProcessSealingKey(takeSealingKey(Deno.env));

await runCli(async (args) => {
  assertTestedRuntime();
  installHttp2Guard();
  let exitCode = EXIT_OK;
  await palyradCli((code) => exitCode = code).parseAsync([...args], { from: "user" });
  return exitCode;
});
