// Tells what sealing key its child programs inherit before and after it has taken its own.
import { printJson } from "../cli_output.ts";
import { takeSealingKey } from "../sealing/given_sealing_key.ts";

async function inherited(): Promise<string> {
  const args = ["eval", "--no-config", "console.log(Deno.env.get('PALYRA_SEALING_KEY') ?? 'none')"];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args, stdin: "null" }).output();
  return new TextDecoder().decode(stdout).trim();
}

const inheritedBefore = await inherited();
const source = takeSealingKey(Deno.env);
const inheritedAfter = await inherited();
printJson({ inheritedBefore, inheritedAfter, keyId: (await source())?.id });
