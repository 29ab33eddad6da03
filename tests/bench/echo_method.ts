import type { MethodDefinition } from "@grpc/grpc-js";

/** A unary method that carries bytes as they are. */
export const ECHO_METHOD: MethodDefinition<Uint8Array, Uint8Array> = {
  path: "/palyra.bench.Echo/Echo",
  requestStream: false,
  responseStream: false,
  requestSerialize: (bytes) => Buffer.from(bytes),
  requestDeserialize: (bytes) => bytes,
  responseSerialize: (bytes) => Buffer.from(bytes),
  responseDeserialize: (bytes) => bytes,
};
