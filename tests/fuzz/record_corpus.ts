/**
 * Records `corpus/handshakes.txt` anew: real palyrad, and as its clients a real palyra-node and Deno's own QUIC. The
 * certificates in it are of a daemon that lives no longer than this takes.
 *
 * @module
 */
import { parseEndpoint } from "../../identity/endpoint.ts";
import { Fleet } from "../harness/fleet.ts";
import { identityOf } from "../harness/paired_device.ts";
import { CORPUS_FILE, formatCorpus, type RecordedConversation } from "./datagram_corpus.ts";
import { LiveTap } from "./live_tap.ts";
import { Intruder } from "./intruder.ts";

/** Of each conversation so much is kept, from its beginning. */
const KEPT_DATAGRAMS = 12;

function conversations(title: string, tap: LiveTap): RecordedConversation[] {
  return (["daemon", "node"] as const).map((receiver) => ({
    title: `${title}, to the ${receiver === "daemon" ? "daemon" : "client"}`,
    datagrams: tap.recent(receiver).slice(0, KEPT_DATAGRAMS),
  }));
}

async function recordNode(fleet: Fleet, daemon: Deno.NetAddr): Promise<RecordedConversation[]> {
  await using tap = LiveTap.start(daemon);
  await fleet.divert("laptop", tap.endpoint);
  const node = await fleet.connect("laptop", ["--transport", "quic"]);
  const recorded = conversations("palyra-node and its session", tap);
  await node.stop();
  return recorded;
}

async function recordDeno(fleet: Fleet, daemon: Deno.NetAddr): Promise<RecordedConversation[]> {
  await using tap = LiveTap.start(daemon);
  await using client = await Intruder.connect(parseEndpoint(tap.endpoint), await identityOf(fleet, "laptop"));
  if (!await client.isServed()) throw new Error("the daemon did not let the client in");
  return conversations("Deno's QUIC and node.health", tap);
}

await using fleet = await Fleet.create();
const { nodeRpc } = await fleet.startDaemon();
await fleet.pair("laptop");
const { host, port } = parseEndpoint(nodeRpc);
const daemon: Deno.NetAddr = { transport: "udp", hostname: host, port };
const recorded = [...await recordNode(fleet, daemon), ...await recordDeno(fleet, daemon)];
await Deno.writeTextFile(CORPUS_FILE, formatCorpus(recorded));
