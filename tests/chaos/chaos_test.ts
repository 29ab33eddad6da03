import { CHANNEL_LEFTOVERS } from "../../transport/grpc/testing/channel_leftovers.ts";
import { say } from "../harness/say.ts";
import { freshSeed } from "../harness/seeded_numbers.ts";
import { runChaos } from "./chaos_run.ts";

const seed = Number(Deno.env.get("PALYRA_SEED") ?? freshSeed());

Deno.test(
  "no request is lost, forgotten or run twice while daemon, nodes and links are destroyed and repaired",
  CHANNEL_LEFTOVERS,
  () => runChaos({ requests: 300, kills: 6, seed, minutes: 2 }, say),
);
