import { PalyraError } from "../../identity/palyra_error.ts";
import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { type Finding, findingOf, ok, skippedFor, warning } from "../../transport/program/doctor/finding.ts";
import { NETWORK_LIMIT_MS, TimeLimit } from "../../transport/program/doctor/time_limit.ts";
import { replies } from "../mediation/answer_client.ts";
import { channelAddress } from "../mediation/channel_address.ts";
import type { HostProcess } from "./host_process.ts";

/** Whether `palyra-node requests` reaches the process that runs. */
export function requestsChannelCheck(stateFolder: string, host: Attempt<HostProcess>, signal: AbortSignal): Check {
  const examine = async (): Promise<Finding> => {
    if (host.value?.running !== true) return skippedFor("process");
    using limit = new TimeLimit(NETWORK_LIMIT_MS, signal);
    try {
      for await (const reply of replies(channelAddress(stateFolder), { op: "list" }, limit.signal)) {
        if (reply.kind !== "questions") continue;
        const { length } = reply.questions;
        return ok(
          `\`palyra-node requests\` reaches the process; ${length === 0 ? "nothing waits" : `${length} wait`}.`,
        );
      }
      return warning(
        "deadline_exceeded",
        "The process does not answer `palyra-node requests`.",
        "Run `palyra-node restart`, or stop it and run it again.",
      );
    } catch (thrown) {
      return findingOf("warning", PalyraError.from(thrown));
    }
  };
  return { name: "requests_channel", examine };
}
