import { assertTestedRuntime } from "../transport/grpc/deno_version.ts";
import { installHttp2Guard } from "../transport/grpc/http2_guard.ts";
import { runCli } from "../transport/program/run_cli.ts";
import { palyradCli } from "./cli/palyrad_cli.ts";

await runCli(async (args) => {
  assertTestedRuntime();
  installHttp2Guard();
  await palyradCli().parseAsync([...args], { from: "user" });
});
