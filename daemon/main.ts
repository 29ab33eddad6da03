import { assertTestedRuntime } from "../transport/grpc/deno_version.ts";
import { installHttp2Guard } from "../transport/grpc/http2_guard.ts";
import { EXIT_OK } from "../transport/program/exit_code.ts";
import { runCli } from "../transport/program/run_cli.ts";
import { palyradCli } from "./cli/palyrad_cli.ts";

await runCli(async (args) => {
  assertTestedRuntime();
  installHttp2Guard();
  let exitCode = EXIT_OK;
  await palyradCli((code) => exitCode = code).parseAsync([...args], { from: "user" });
  return exitCode;
});
