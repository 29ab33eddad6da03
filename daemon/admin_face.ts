import { parseClientKind } from "../identity/client_kind.ts";
import { type CanonicalUlid, type DeviceId, isCanonicalUlid, parseDeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import {
  type CancelRequest,
  type DecidePairingRequest,
  DeviceView,
  type ExecuteRequest,
  type ListDevicesRequest,
  type ListDevicesResponse,
  type ListNodesRequest,
  type ListNodesResponse,
  type ListPairingsRequest,
  type ListPairingsResponse,
  type ListRequestsRequest,
  type ListRequestsResponse,
  type MintPairingCodeRequest,
  type MintPairingCodeResponse,
  NodeView,
  PairingCodeView,
  PairingRequestView,
  type RemoveDeviceResponse,
  type RequestEvent,
  RequestView,
  type StatusView,
  type WatchRequest,
} from "../proto/gen/admin.ts";
import {
  deviceView,
  listedDeviceView,
  listedNodeView,
  listedRequestView,
  nodeView,
  pairingCodeView,
  pairingRequestView,
  requestView,
} from "./admin_views.ts";
import {
  type CapabilityOrder,
  checkOrder,
  DEFAULT_EXECUTE_TIMEOUT_MS,
  DEFAULT_SUBMIT_TIMEOUT_MS,
} from "./capability_order.ts";
import type { CapabilityQueue } from "./capability_queue.ts";
import type { DeviceAdministration } from "./device_administration.ts";
import type { DeviceRegistry, KnownPeer } from "./device_registry.ts";
import { MAX_LIST_BYTES, MAX_LIST_ENTRIES, pageOf } from "./list_page.ts";
import { findNode } from "./node_lookup.ts";
import type { NodeRuntimeState } from "./node_runtime_state.ts";
import { operatorName } from "./operator_name.ts";
import type { PairingDesk } from "./pairing_desk.ts";
import { followRequest, requestNotFound } from "./request_following.ts";
import { hasEnded, isRequestState } from "./request_state.ts";
import { isPairingRequestState } from "./store/pairing_record.ts";
import type { Store } from "./store/store.ts";

/** What {@linkcode AdminFace} needs. */
export interface AdminFaceOptions {
  readonly store: Store;
  readonly devices: DeviceRegistry;
  readonly runtime: NodeRuntimeState;
  readonly queue: CapabilityQueue;
  readonly desk: PairingDesk;
  readonly administration: DeviceAdministration;
  /** Where the enrolment listener is reached, `host:port`, best first; empty when it is off. */
  readonly enrolmentEndpoints: () => readonly string[];
  readonly status: () => Promise<StatusView>;
}

/** AdminService: what an operator may do. The listener has established that the caller is one. */
export class AdminFace {
  readonly #options: AdminFaceOptions;

  constructor(options: AdminFaceOptions) {
    this.#options = options;
  }

  /** Makes a pairing code. */
  async mintPairingCode(request: MintPairingCodeRequest, operator: KnownPeer): Promise<MintPairingCodeResponse> {
    const { desk, enrolmentEndpoints } = this.#options;
    const endpoints = [...enrolmentEndpoints()];
    if (endpoints.length === 0) {
      throw new PalyraError(
        "wrong_listener",
        "The enrolment listener is off, so nobody could pair. Start palyrad with `enrolment.enabled = true`.",
      );
    }
    const method = request.method === "" ? "qr" : request.method;
    if (method !== "qr" && method !== "pin") {
      throw new PalyraError("invalid_argument", "The pairing method is `qr` or `pin`.");
    }
    const minted = await desk.mint({
      method,
      clientKind: parseClientKind(request.clientKind || "node"),
      ttlMs: request.ttlMs || undefined,
      approve: request.approve,
      issuedBy: operatorName(operator.device),
      endpoints,
    });
    return {
      code: pairingCodeView({ code: minted.code, failedTries: [] }),
      secretText: minted.secretText,
      replacedCodeId: minted.replacedCodeId ?? "",
      endpoints,
    };
  }

  /** Codes and requests, newest first; each of the two lists may take half of the answer. */
  async listPairings(request: ListPairingsRequest): Promise<ListPairingsResponse> {
    const { desk, devices } = this.#options;
    const limit = checkLimit(request.limit, 100);
    const { state, clientKind } = request;
    if (state !== "" && !isPairingRequestState(state)) {
      throw new PalyraError("invalid_argument", "There is no such pairing state; `pending_approval` is one.");
    }
    const filter = {
      limit,
      ...(state !== "" && { state }),
      ...(clientKind !== "" && { clientKind: parseClientKind(clientKind) }),
    };
    const [codes, requests] = await Promise.all([desk.listCodes(limit), desk.listRequests(filter)]);
    const codePage = pageOf(
      codes.values().map(pairingCodeView),
      (view) => PairingCodeView.encode(view).finish().length,
      MAX_LIST_BYTES / 2,
    );
    const requestPage = pageOf(
      requests.values().map((each) => pairingRequestView(each, devices)),
      (view) => PairingRequestView.encode(view).finish().length,
      MAX_LIST_BYTES / 2,
    );
    return { codes: codePage.entries, requests: requestPage.entries, cut: codePage.cut || requestPage.cut };
  }

  /** Approves or rejects a pairing request. */
  async decidePairing(
    request: DecidePairingRequest,
    approve: boolean,
    operator: KnownPeer,
  ): Promise<PairingRequestView> {
    const { desk, devices } = this.#options;
    const decided = await desk.decide(await this.#findPairing(request.requestId), {
      approve,
      reason: request.reason.slice(0, 256) || (approve ? "approved by the operator" : "rejected by the operator"),
      operator: operatorName(operator.device),
      replace: request.replace,
      only: request.only?.names,
    });
    return pairingRequestView(decided, devices);
  }

  /** The devices, in the order of their ids; revoked ones on request. */
  listDevices(request: ListDevicesRequest): ListDevicesResponse {
    const { devices, runtime } = this.#options;
    const listed = devices.list().filter((device) =>
      device.deviceId > request.afterDeviceId && (request.includeRevoked || device.status === "paired")
    );
    const views = listed.values().map((device) => listedDeviceView(device, devices, runtime));
    const { entries, cut } = pageOf(views, (view) => DeviceView.encode(view).finish().length);
    return { devices: entries, cut };
  }

  /** Ends a device's pairing for good. */
  async revokeDevice(deviceId: string, reason: string, operator: KnownPeer): Promise<DeviceView> {
    const { administration, devices, runtime } = this.#options;
    const target = this.#notOneself(deviceId, operator);
    return deviceView(await administration.revoke(target, reason, operatorName(operator.device)), devices, runtime);
  }

  /** Forgets a device. */
  async removeDevice(deviceId: string, reason: string, operator: KnownPeer): Promise<RemoveDeviceResponse> {
    const target = this.#notOneself(deviceId, operator);
    await this.#options.administration.remove(target, reason, operatorName(operator.device));
    return { deviceId: target };
  }

  /** The nodes that have registered, in the order of their ids. */
  listNodes(request: ListNodesRequest): ListNodesResponse {
    const { runtime } = this.#options;
    const listed = runtime.list().filter((node) => node.deviceId > request.afterDeviceId);
    const views = listed.values().map((node) => listedNodeView(node, this.#options));
    const { entries, cut } = pageOf(views, (view) => NodeView.encode(view).finish().length);
    return { nodes: entries, cut };
  }

  /** One node, by id or name, with the schemas of its capabilities. */
  getNode(text: string): NodeView {
    const { runtime } = this.#options;
    const node = runtime.get(this.#node(text));
    if (node === undefined) {
      throw new PalyraError(
        "node_not_registered",
        "The device is paired but has not connected yet. Start it there with `palyra-node run`.",
      );
    }
    return nodeView(node, this.#options);
  }

  /** Runs a capability and waits for its end. */
  async execute(request: ExecuteRequest, operator: KnownPeer, signal: AbortSignal): Promise<RequestView> {
    const order = this.#order(request, operator, DEFAULT_EXECUTE_TIMEOUT_MS);
    const { record, replayed } = await this.#options.queue.execute(order, signal);
    return requestView(record, replayed);
  }

  /** Stores a request. */
  async submit(request: ExecuteRequest, operator: KnownPeer): Promise<RequestView> {
    const order = this.#order(request, operator, DEFAULT_SUBMIT_TIMEOUT_MS);
    const { record, replayed } = await this.#options.queue.submit(order);
    return requestView(record, replayed);
  }

  /** The request now, then its progress behind what the caller has seen, then what happens, until it has ended. */
  async *watch(request: WatchRequest, signal: AbortSignal): AsyncGenerator<RequestEvent, void, void> {
    const id = parseRequestId(request.requestId);
    const after = { attempt: request.afterAttempt, sequence: request.afterSequence };
    for await (const event of followRequest(this.#options, id, after, signal)) {
      if (event.kind === "state") {
        yield { event: { $case: "state", value: requestView(event.record) } };
      } else {
        const attempt = { requestId: { ulid: id }, attempt: event.attempt };
        yield { event: { $case: "progress", value: { attempt, ...event.progress } } };
      }
    }
  }

  /** Ends a request. */
  async cancel(request: CancelRequest): Promise<RequestView> {
    const { queue } = this.#options;
    const id = parseRequestId(request.requestId);
    const reason = request.reason.slice(0, 256) || "cancelled by the operator";
    const cancelled = await queue.cancel(id, reason);
    const record = await queue.get(id);
    if (record === undefined) throw requestNotFound();
    if (!cancelled) {
      throw new PalyraError("request_ended", `The request has ended as ${record.state}; there is nothing to cancel.`);
    }
    return requestView(record);
  }

  /** Requests, newest first. */
  async listRequests(request: ListRequestsRequest): Promise<ListRequestsResponse> {
    const { store, queue } = this.#options;
    if (request.state !== "" && !isRequestState(request.state)) {
      throw new PalyraError("invalid_argument", "There is no such request state; `queued` and `succeeded` are two.");
    }
    const filter = {
      limit: checkLimit(request.limit, 50),
      ...(request.state !== "" && { state: request.state }),
      ...(request.deviceId !== "" && { deviceId: this.#node(request.deviceId) }),
    };
    const records = filter.state !== undefined && !hasEnded(filter.state)
      // Not every step of those is written down.
      ? queue.unfinished(filter)
      : await store.transaction((tx) => tx.requests.list(filter));
    const views = records.values().map((record) => listedRequestView(queue.current(record)));
    const { entries, cut } = pageOf(views, (view) => RequestView.encode(view).finish().length);
    return { requests: entries, cut };
  }

  /** One request with its output. */
  async getRequest(requestId: string): Promise<RequestView> {
    const record = await this.#options.queue.get(parseRequestId(requestId));
    if (record === undefined) throw requestNotFound();
    return requestView(record);
  }

  /** How the daemon stands. */
  getStatus(): Promise<StatusView> {
    return this.#options.status();
  }

  #node(text: string): DeviceId {
    return findNode(text, this.#options.devices);
  }

  #order(request: ExecuteRequest, operator: KnownPeer, defaultTimeoutMs: number): CapabilityOrder {
    const deviceId = this.#node(request.deviceId);
    return checkOrder({ ...request, deviceId, requestedBy: operatorName(operator.device) }, defaultTimeoutMs);
  }

  #notOneself(deviceId: string, operator: KnownPeer): DeviceId {
    const id = deviceId.trim().toUpperCase();
    const target = isCanonicalUlid(id) ? parseDeviceId(id) : findNode(deviceId, this.#options.devices);
    if (target === operator.device.deviceId) {
      throw new PalyraError("invalid_argument", "This is the operator you are working as; use another one to end it.");
    }
    return target;
  }

  async #findPairing(text: string): Promise<CanonicalUlid> {
    const wanted = text.trim().toUpperCase();
    if (isCanonicalUlid(wanted)) return wanted;
    if (!/^[0-9A-HJKMNP-TV-Z]{4,25}$/.test(wanted)) {
      throw new PalyraError(
        "invalid_argument",
        "Give the id of the pairing request, or at least its last 4 characters.",
      );
    }
    const found = await this.#options.desk.listRequests({ idEnd: wanted, limit: MOST_MATCHES });
    const pending = found.filter((request) => request.state === "pending_approval");
    // An old request that ends alike must not stand in the way of the one that waits.
    const matches = pending.length > 0 ? pending : found;
    const [only, another] = matches;
    if (only === undefined) {
      throw new PalyraError(
        "pairing_not_found",
        "There is no such pairing request. `palyrad pairing list` shows them.",
      );
    }
    if (another !== undefined) {
      throw new PalyraError(
        "invalid_argument",
        `${matches.length} pairing requests end like that; give more of the id.`,
      );
    }
    return only.requestId;
  }
}

/** Pairing requests that are looked at when only the end of an id is given. */
const MOST_MATCHES = 100;

function checkLimit(limit: number, fallback: number): number {
  if (limit > MAX_LIST_ENTRIES) {
    throw new PalyraError("invalid_argument", `A list has at most ${MAX_LIST_ENTRIES} entries.`);
  }
  return limit || fallback;
}

function parseRequestId(text: string): CanonicalUlid {
  const id = text.trim().toUpperCase();
  if (!isCanonicalUlid(id)) throw new PalyraError("invalid_argument", "A request id is a ULID of 26 characters.");
  return id;
}
