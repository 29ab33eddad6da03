import { isIP } from "node:net";
import * as tls from "node:tls";
import { ChannelCredentials, type ClientOptions } from "@grpc/grpc-js";
import type { Endpoint } from "../../identity/endpoint.ts";
import { assertKeyBelongs, type ClientTlsMaterial, DAEMON_SERVER_NAME } from "../client_tls_material.ts";
import { KEEP_ALIVE_MS, MAX_MESSAGE_BYTES } from "../transport_limits.ts";
import { installHttp2Guard } from "./http2_guard.ts";

/** Credentials of a paired device (mutual TLS). Throws `state_damaged` when certificate and key do not go together. */
export function mutualCredentials(material: ClientTlsMaterial): ChannelCredentials {
  const { caPem, certificatePem, keyPem } = material;
  assertKeyBelongs(material);
  return credentialsFrom({ ca: [...caPem], cert: certificatePem, key: keyPem });
}

/** Credentials of a device that shows no certificate and believes these CAs only. */
export function pinnedCaCredentials(caPem: readonly string[]): ChannelCredentials {
  return credentialsFrom({ ca: [...caPem] });
}

/** An endpoint as grpc-js takes it. */
export function channelTarget({ host, port }: Endpoint): string {
  switch (isIP(host)) {
    case 4:
      return `ipv4:${host}:${port}`;
    case 6:
      return `ipv6:[${host}]:${port}`;
    default:
      return `dns:${host}:${port}`;
  }
}

/**
 * The options of every channel to a daemon: its own connection, directly (no proxy is ever asked), the daemon's name,
 * messages up to 4 MiB, dead connections noticed, and no retries behind the caller's back.
 */
export function channelOptions(): ClientOptions {
  return {
    "grpc.ssl_target_name_override": DAEMON_SERVER_NAME,
    "grpc.default_authority": DAEMON_SERVER_NAME,
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
    "grpc.enable_http_proxy": 0,
    "grpc.enable_retries": 0,
    "grpc.service_config_disable_resolution": 1,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.keepalive_time_ms": KEEP_ALIVE_MS,
    "grpc.keepalive_timeout_ms": KEEP_ALIVE_MS,
    "grpc.initial_reconnect_backoff_ms": 500,
    "grpc.max_reconnect_backoff_ms": 30_000,
  };
}

/** Credentials of a secure context, TLS 1.3 only. */
export function credentialsFrom(
  context: tls.SecureContextOptions,
  checkServerIdentity?: (hostname: string, certificate: tls.PeerCertificate) => Error | undefined,
): ChannelCredentials {
  installHttp2Guard();
  const secureContext = tls.createSecureContext({ ...context, minVersion: "TLSv1.3" });
  return ChannelCredentials.createFromSecureContext(
    secureContext,
    checkServerIdentity === undefined ? {} : { checkServerIdentity },
  );
}
