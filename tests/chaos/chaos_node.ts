/**
 * A palyra-node for the chaos run: the real node host, with capabilities whose runs can be counted.
 *
 * Arguments: state folder, `quic`, `grpc` or `auto`, the file for the effects that must happen once, the file for the others.
 *
 * @module
 */
import { CapabilityRegistry, MediationPolicy } from "../../node_host/capabilities/mod.ts";
import { runNodeHost } from "../../node_host/node_host.ts";
import { NodeHostState } from "../../node_host/node_host_state.ts";
import { TRANSPORT_PREFERENCES } from "../../node_host/transport_choice.ts";
import { configureLogging } from "../../transport/program/logging.ts";
import { shutdownSignal } from "../../transport/program/shutdown_signals.ts";
import { chaosCapabilities } from "./chaos_capability.ts";

/** Requests that run at once. */
const CONCURRENCY = 16;

const [folder = "", transport = "", once = "", repeatable = ""] = Deno.args;
configureLogging({ format: "json" });
const preference = TRANSPORT_PREFERENCES.find((each) => each === transport);
if (preference === undefined) throw new Error(`there is no transport ${transport}`);
using shutdown = shutdownSignal();
using state = await NodeHostState.open(folder);
await runNodeHost({
  state,
  registry: new CapabilityRegistry(chaosCapabilities({ once, repeatable }), new MediationPolicy()),
  maxConcurrency: CONCURRENCY,
  transport: { preference, askedBy: "the chaos run" },
}, shutdown.signal);
