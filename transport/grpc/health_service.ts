import { type Server, status } from "@grpc/grpc-js";
import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
  type HealthServer,
  HealthService,
} from "../../proto/gen/health.ts";
import type { Authorize } from "../session.ts";
import { authorizedPeer } from "./authorized_peer.ts";
import { callSignal } from "./call_signal.ts";
import { failedCall } from "./failed_call.ts";

/** Whether a program serves; starts as "not serving". Every service of a listener has the state of the whole. */
export class HealthState {
  readonly #watchers = new Set<() => void>();
  #serving = false;

  /** Whether it serves now. */
  get serving(): boolean {
    return this.#serving;
  }

  /** Everything is up. */
  setServing(): void {
    this.#set(true);
  }

  /** It is stopping, or not up yet. */
  setNotServing(): void {
    this.#set(false);
  }

  /** Calls `onChange` at each change; the returned function ends that. */
  watch(onChange: () => void): () => void {
    this.#watchers.add(onChange);
    return () => this.#watchers.delete(onChange);
  }

  #set(serving: boolean): void {
    if (serving === this.#serving) return;
    this.#serving = serving;
    for (const onChange of [...this.#watchers]) onChange();
  }
}

/**
 * Registers the standard health service (grpc.health.v1) for `services`, by full name. An empty name asks about the
 * server as a whole; an unknown one is NOT_FOUND for Check and SERVICE_UNKNOWN for Watch, as the protocol has it.
 *
 * @param authorize Asked at each call, on a listener with client certificates; without it everybody is answered.
 */
export function addHealthService(
  server: Server,
  state: HealthState,
  services: readonly string[],
  authorize?: Authorize,
): void {
  const known = new Set(["", ...services]);
  const answer = ({ service }: HealthCheckRequest): HealthCheckResponse => {
    if (!known.has(service)) return { status: ServingStatus.SERVICE_UNKNOWN };
    return { status: state.serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING };
  };
  const implementation: HealthServer = {
    check: (call, callback) => {
      try {
        if (authorize !== undefined) authorizedPeer(call, authorize);
      } catch (error) {
        callback(failedCall(call.getPath(), error));
        return;
      }
      if (known.has(call.request.service)) callback(null, answer(call.request));
      else callback({ code: status.NOT_FOUND, details: "There is no such service." });
    },
    watch: (call) => {
      try {
        if (authorize !== undefined) authorizedPeer(call, authorize);
      } catch (error) {
        call.emit("error", failedCall(call.getPath(), error));
        return;
      }
      const send = () => call.write(answer(call.request));
      const unwatch = state.watch(send);
      callSignal(call).addEventListener("abort", unwatch, { once: true });
      send();
    },
  };
  server.addService(HealthService, { ...implementation });
}
