import { parseEndpoint } from "../identity/endpoint.ts";
import {
  AdminServiceClient,
  type AuditRecordView,
  type AuthorityView,
  type CancelRequest,
  type CompleteAuthorityRotationRequest,
  type DecidePairingRequest,
  type DeviceEventView,
  type DeviceView,
  ExecuteRequest,
  type ForgetArchivedAuditRequest,
  type ForgetArchivedAuditResponse,
  type GetDeviceRequest,
  type GetNodeRequest,
  type GetRequestRequest,
  type GetRevocationListResponse,
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
  type NodeView,
  type NotifyDeviceRequest,
  type PairingRequestView,
  type ReadAuditRequest,
  type ReadEventsRequest,
  type RemoveDeviceRequest,
  type RemoveDeviceResponse,
  type RequestEvent,
  type RequestView,
  type RevokeCertificateRequest,
  type RevokeDeviceRequest,
  type RotateDeviceRequest,
  type RotateDeviceResponse,
  type SetCapabilityGrantRequest,
  type SetDeviceRecoveryRequest,
  type StatusView,
  WatchRequest,
} from "../proto/gen/admin.ts";
import { channelOptions, channelTarget, mutualCredentials } from "../transport/grpc/grpc_channel.ts";
import { callServerStream } from "../transport/grpc/server_stream_call.ts";
import { callUnary, type UnaryMethod } from "../transport/grpc/unary_call.ts";
import { DEFAULT_EXECUTE_TIMEOUT_MS } from "./capability_order.ts";
import type { OperatorCredentials } from "./operator_credentials.ts";

/** What the way there and back may take beyond the life of a request, in milliseconds. */
const EXECUTE_MARGIN_MS = 5_000;

/** What deleting as many records of the audit as are deleted at once may take, in milliseconds. */
const FORGET_AUDIT_MS = 60_000;

/** A request as its caller words it; what is not given takes the default that `proto/admin.proto` names. */
export type RequestOrder = Pick<ExecuteRequest, "deviceId" | "capability"> & Partial<ExecuteRequest>;

/** An operator's connection to a daemon. Each method is the call of the same name in `proto/admin.proto`. */
export class AdminClient implements Disposable {
  readonly #client: AdminServiceClient;

  /** Connects at the first call. `endpoint` is `host:port`. */
  constructor(endpoint: string, { caPem, certificatePem, keyPem }: OperatorCredentials) {
    const credentials = mutualCredentials({ caPem: [caPem], certificatePem, keyPem });
    this.#client = new AdminServiceClient(channelTarget(parseEndpoint(endpoint)), credentials, channelOptions());
  }

  mintPairingCode(request: MintPairingCodeRequest): Promise<MintPairingCodeResponse> {
    return this.#call(this.#client.mintPairingCode, request);
  }
  listPairings(request: ListPairingsRequest): Promise<ListPairingsResponse> {
    return this.#call(this.#client.listPairings, request);
  }
  approvePairing(request: DecidePairingRequest): Promise<PairingRequestView> {
    return this.#call(this.#client.approvePairing, request);
  }
  rejectPairing(request: DecidePairingRequest): Promise<PairingRequestView> {
    return this.#call(this.#client.rejectPairing, request);
  }
  listDevices(request: ListDevicesRequest): Promise<ListDevicesResponse> {
    return this.#call(this.#client.listDevices, request);
  }
  getDevice(request: GetDeviceRequest): Promise<DeviceView> {
    return this.#call(this.#client.getDevice, request);
  }
  revokeDevice(request: RevokeDeviceRequest): Promise<DeviceView> {
    return this.#call(this.#client.revokeDevice, request);
  }
  revokeCertificate(request: RevokeCertificateRequest): Promise<DeviceView> {
    return this.#call(this.#client.revokeCertificate, request);
  }
  getRevocationList(request: Record<string, never>): Promise<GetRevocationListResponse> {
    return this.#call(this.#client.getRevocationList, request);
  }
  removeDevice(request: RemoveDeviceRequest): Promise<RemoveDeviceResponse> {
    return this.#call(this.#client.removeDevice, request);
  }
  setCapabilityGrant(request: SetCapabilityGrantRequest): Promise<DeviceView> {
    return this.#call(this.#client.setCapabilityGrant, request);
  }
  rotateDevice(request: RotateDeviceRequest): Promise<RotateDeviceResponse> {
    return this.#call(this.#client.rotateDevice, request);
  }
  setDeviceRecovery(request: SetDeviceRecoveryRequest): Promise<DeviceView> {
    return this.#call(this.#client.setDeviceRecovery, request);
  }
  getAuthority(request: Record<string, never>): Promise<AuthorityView> {
    return this.#call(this.#client.getAuthority, request);
  }
  beginAuthorityRotation(request: Record<string, never>): Promise<AuthorityView> {
    return this.#call(this.#client.beginAuthorityRotation, request);
  }
  completeAuthorityRotation(request: CompleteAuthorityRotationRequest): Promise<AuthorityView> {
    return this.#call(this.#client.completeAuthorityRotation, request);
  }
  abortAuthorityRotation(request: Record<string, never>): Promise<AuthorityView> {
    return this.#call(this.#client.abortAuthorityRotation, request);
  }
  listNodes(request: ListNodesRequest): Promise<ListNodesResponse> {
    return this.#call(this.#client.listNodes, request);
  }
  getNode(request: GetNodeRequest): Promise<NodeView> {
    return this.#call(this.#client.getNode, request);
  }
  /** No faster than they are taken; with `follow` until the loop over them is left. */
  readEvents(request: ReadEventsRequest): AsyncGenerator<DeviceEventView, void> {
    return callServerStream(this.#client, this.#client.readEvents, request);
  }
  notifyDevice(request: NotifyDeviceRequest): Promise<DeviceEventView> {
    return this.#call(this.#client.notifyDevice, request);
  }
  /** Waits as long as the request may live. */
  execute(order: RequestOrder): Promise<RequestView> {
    const request = ExecuteRequest.create(order);
    const deadlineMs = (request.timeoutMs || DEFAULT_EXECUTE_TIMEOUT_MS) + EXECUTE_MARGIN_MS;
    return this.#call(this.#client.execute, request, deadlineMs);
  }
  submit(order: RequestOrder): Promise<RequestView> {
    return this.#call(this.#client.submit, ExecuteRequest.create(order));
  }
  /**
   * As it stands, then its progress behind what was seen, then what happens, until it has ended or the loop over them is
   * left; `signal` ends it with `cancelled`.
   */
  watch(
    request: Pick<WatchRequest, "requestId"> & Partial<WatchRequest>,
    signal?: AbortSignal,
  ): AsyncGenerator<RequestEvent, void> {
    const options = signal === undefined ? {} : { signal };
    return callServerStream(this.#client, this.#client.watch, WatchRequest.create(request), options);
  }
  cancel(request: CancelRequest): Promise<RequestView> {
    return this.#call(this.#client.cancel, request);
  }
  listRequests(request: ListRequestsRequest): Promise<ListRequestsResponse> {
    return this.#call(this.#client.listRequests, request);
  }
  getRequest(request: GetRequestRequest): Promise<RequestView> {
    return this.#call(this.#client.getRequest, request);
  }
  /** No faster than they are taken; with `follow` until the loop over them is left. */
  readAudit(request: ReadAuditRequest): AsyncGenerator<AuditRecordView, void> {
    return callServerStream(this.#client, this.#client.readAudit, request);
  }
  forgetArchivedAudit(request: ForgetArchivedAuditRequest): Promise<ForgetArchivedAuditResponse> {
    return this.#call(this.#client.forgetArchivedAudit, request, FORGET_AUDIT_MS);
  }
  getStatus(request: Record<string, never>): Promise<StatusView> {
    return this.#call(this.#client.getStatus, request);
  }

  /** Hangs up. */
  [Symbol.dispose](): void {
    this.#client.close();
  }

  #call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    deadlineMs?: number,
  ): Promise<Response> {
    return callUnary(this.#client, method, request, deadlineMs === undefined ? {} : { deadlineMs });
  }
}
