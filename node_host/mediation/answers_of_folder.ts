import { PalyraError } from "../../identity/palyra_error.ts";
import { StateLock } from "../../transport/program/mod.ts";
import { replyTo } from "./answer_client.ts";
import { channelAddress } from "./channel_address.ts";
import { type RememberedAnswer, RememberedAnswers } from "./remembered_answers.ts";

/** The remembered answers of a state folder: what the host that runs on it says, else what lies there. */
export async function answersOfFolder(stateFolder: string): Promise<readonly RememberedAnswer[]> {
  return await runningOrElse(
    async () => (await replyTo(channelAddress(stateFolder), { op: "remembered" }, "remembered")).answers,
    async () => (await RememberedAnswers.load(stateFolder)).all,
  );
}

/** Withdraws remembered answers, by the host that runs or in its place. Rejects as `RememberedAnswers.forget` does. */
export async function forgetAnswersOfFolder(
  stateFolder: string,
  ids: readonly string[],
): Promise<readonly RememberedAnswer[]> {
  return await runningOrElse(
    async () => (await replyTo(channelAddress(stateFolder), { op: "forget", ids: [...ids] }, "remembered")).answers,
    async () => {
      const seen = await RememberedAnswers.load(stateFolder);
      // Nothing to withdraw: then there may be no folder that could be locked.
      if (seen.all.length === 0) return await seen.forget(ids);
      using _ = StateLock.acquire(stateFolder);
      return await (await RememberedAnswers.load(stateFolder)).forget(ids);
    },
  );
}

async function runningOrElse<Value>(running: () => Promise<Value>, otherwise: () => Promise<Value>): Promise<Value> {
  try {
    return await running();
  } catch (error) {
    if (!(error instanceof PalyraError) || error.code !== "host_not_running") throw error;
    return await otherwise();
  }
}
