import { quicAvailability } from "../../transport/quic/quiche_addon.ts";
import { runFuzz } from "./fuzz_run.ts";

Deno.test({
  name: "palyrad and its node serve on under hostile datagrams and frames",
  ignore: !quicAvailability().available,
  fn: () =>
    runFuzz({ seed: 1, datagrams: 4_000, frames: 4_000, warmUp: false }, (line) => {
      Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
    }),
});
