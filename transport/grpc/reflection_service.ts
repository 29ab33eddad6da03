import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { type handleBidiStreamingCall, type Server, type ServiceDefinition, status } from "@grpc/grpc-js";
import { DESCRIPTOR_SET_BASE64 } from "../../proto/gen/descriptor_set.ts";
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionService,
} from "../../proto/gen/reflection.ts";
import type { Authorize } from "../session.ts";
import { authorizedPeer } from "./authorized_peer.ts";
import { failedCall } from "./failed_call.ts";

type ReflectionAnswer = NonNullable<ServerReflectionResponse["messageResponse"]>;

/** What the committed descriptors say: which file declares what. */
class DescriptorIndex {
  readonly #files = new Map<string, FileDescriptorProto>();
  readonly #fileBySymbol = new Map<string, string>();

  constructor() {
    const set = fromBinary(FileDescriptorSetSchema, Uint8Array.fromBase64(DESCRIPTOR_SET_BASE64));
    for (const file of set.file) {
      this.#files.set(file.name, file);
      for (const symbol of symbolsOf(file)) this.#fileBySymbol.set(symbol, file.name);
    }
  }

  /** The file and all it imports, serialised; undefined when there is none of that name. */
  file(name: string): Uint8Array[] | undefined {
    if (!this.#files.has(name)) return undefined;
    const wanted = new Set([name]);
    // A set grows while it is walked: this visits every import once.
    for (const each of wanted) for (const imported of this.#files.get(each)?.dependency ?? []) wanted.add(imported);
    return [...wanted].flatMap((each) => {
      const file = this.#files.get(each);
      return file === undefined ? [] : [toBinary(FileDescriptorProtoSchema, file)];
    });
  }

  /** The same for the file that declares `symbol`, a fully qualified name. */
  fileOfSymbol(symbol: string): Uint8Array[] | undefined {
    const name = this.#fileBySymbol.get(symbol);
    return name === undefined ? undefined : this.file(name);
  }
}

function* symbolsOf(file: FileDescriptorProto): Generator<string> {
  const scope = file.package === "" ? "" : `${file.package}.`;
  for (const message of file.messageType) yield* symbolsOfMessage(scope, message);
  for (const each of file.enumType) yield scope + each.name;
  for (const service of file.service) {
    yield scope + service.name;
    for (const method of service.method) yield `${scope}${service.name}.${method.name}`;
  }
}

function* symbolsOfMessage(scope: string, message: DescriptorProto): Generator<string> {
  const name = scope + message.name;
  yield name;
  for (const field of message.field) yield `${name}.${field.name}`;
  for (const each of message.enumType) yield `${name}.${each.name}`;
  for (const nested of message.nestedType) yield* symbolsOfMessage(`${name}.`, nested);
}

/** Old clients ask for the service under this name; the messages are the same. */
const ALPHA_NAME = "grpc.reflection.v1alpha.ServerReflection";
const NAME = "grpc.reflection.v1.ServerReflection";

function underAlphaName(): ServiceDefinition {
  const { serverReflectionInfo } = ServerReflectionService;
  return { serverReflectionInfo: { ...serverReflectionInfo, path: `/${ALPHA_NAME}/ServerReflectionInfo` } };
}

/**
 * Registers server reflection (v1 and v1alpha) that tells of `services`, by full name, and of itself.
 *
 * @param authorize Asked at each call, on a listener with client certificates; without it everybody is answered.
 */
export function addReflectionService(server: Server, services: readonly string[], authorize?: Authorize): void {
  const index = new DescriptorIndex();
  const names = [...services, NAME, ALPHA_NAME].sort();

  const answer = (request: ServerReflectionRequest): ReflectionAnswer => {
    const asked = request.messageRequest;
    switch (asked?.$case) {
      case "listServices":
        return { $case: "listServicesResponse", value: { service: names.map((name) => ({ name })) } };
      case "fileByFilename":
        return files(index.file(asked.value));
      case "fileContainingSymbol":
        return files(index.fileOfSymbol(asked.value));
      case "allExtensionNumbersOfType":
        if (index.fileOfSymbol(asked.value) === undefined) return files(undefined);
        return {
          $case: "allExtensionNumbersResponse",
          value: { baseTypeName: asked.value, extensionNumber: [] },
        };
      case "fileContainingExtension":
        return refusal(status.NOT_FOUND, "There are no extensions.");
      case undefined:
        return refusal(status.INVALID_ARGUMENT, "The request asks for nothing.");
    }
  };

  const serverReflectionInfo: handleBidiStreamingCall<ServerReflectionRequest, ServerReflectionResponse> = (call) => {
    try {
      if (authorize !== undefined) authorizedPeer(call, authorize);
    } catch (error) {
      call.emit("error", failedCall(call.getPath(), error));
      return;
    }
    call.on("data", (request: ServerReflectionRequest) => {
      const response = { validHost: request.host, originalRequest: request, messageResponse: answer(request) };
      // Answers are larger than questions: a caller that does not read them is not asked for more.
      if (!call.write(response)) call.pause();
    });
    call.on("drain", () => call.resume());
    call.on("error", () => {
      // The caller is gone; there is nothing to clean up.
    });
    call.on("end", () => call.end());
  };
  server.addService(ServerReflectionService, { serverReflectionInfo });
  server.addService(underAlphaName(), { serverReflectionInfo });
}

function files(found: Uint8Array[] | undefined): ReflectionAnswer {
  if (found === undefined) return refusal(status.NOT_FOUND, "There is no such file or symbol.");
  return { $case: "fileDescriptorResponse", value: { fileDescriptorProto: found } };
}

function refusal(errorCode: number, errorMessage: string): ReflectionAnswer {
  return { $case: "errorResponse", value: { errorCode, errorMessage } };
}
