import { parseEndpoint } from "../../identity/endpoint.ts";
import type { TransportPreference } from "../../node_host/transport_choice.ts";
import type { AdminClient } from "../../daemon/admin_client.ts";
import { type CountedEcho, countedEcho } from "./counted_echo.ts";
import { Fleet } from "./fleet.ts";
import { InProcessNode } from "./in_process_node.ts";
import { NetworkRelay, type NetworkRelayOptions } from "./network_relay.ts";
import { operatorOf } from "./operator.ts";

/** A real daemon, and a real node that reaches it through a network that a test can break. */
export class RelayedNode implements AsyncDisposable {
  readonly name = "relayed";
  private constructor(
    readonly fleet: Fleet,
    readonly relay: NetworkRelay,
    readonly admin: AdminClient,
    readonly node: InProcessNode,
    readonly echo: CountedEcho,
    readonly stack: AsyncDisposableStack,
  ) {}

  /** Starts all of it; resolves when the node is welcomed. */
  static async start(transport: TransportPreference, network: NetworkRelayOptions = {}): Promise<RelayedNode> {
    await using stack = new AsyncDisposableStack();
    const fleet = stack.use(await Fleet.create());
    const folder = await Deno.makeTempDir({ prefix: "palyra-nodes-" });
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const [node] = await InProcessNode.enrol(fleet, folder, ["relayed"]);
    if (node === undefined) throw new Error("no node was enrolled");
    const { nodeRpc } = await fleet.startDaemon();
    const relay = stack.use(await NetworkRelay.start(parseEndpoint(nodeRpc), network));
    const admin = stack.use(await operatorOf(fleet, nodeRpc));
    stack.use(node);
    const echo = countedEcho();
    await node.start({ transport, endpoint: relay.endpoint, echo: echo.capability });
    return new RelayedNode(fleet, relay, admin, node, echo, stack.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
  }
}
