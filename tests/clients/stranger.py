"""A client that knows nothing of this project: it learns the services by reflection and calls them.

usage: stranger.py TARGET CA [CERTIFICATE KEY] METHOD REQUEST-JSON
prints one JSON object: {"ok": response} or {"status": "...", "reason": "...", "details": "..."}
"""
import json
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory


def fields(data):
    """The length-delimited fields of a protobuf message, as (number, bytes)."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = varint()
        if tag & 7 == 2:
            size = varint()
            yield tag >> 3, data[at : at + size]
            at += size
        elif tag & 7 == 0:
            varint()
        else:
            raise ValueError("unexpected wire type")


def describe(channel, symbol):
    """A descriptor pool with the file that declares `symbol` and all it imports."""
    stream = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
    name = symbol.encode()
    answer = next(stream(iter([bytes([4 << 3 | 2, len(name)]) + name]), timeout=10))
    (found,) = [value for number, value in fields(answer) if number == 4]
    files = [descriptor_pb2.FileDescriptorProto.FromString(value) for number, value in fields(found) if number == 1]
    pool = descriptor_pool.DescriptorPool()
    waiting = {file.name: file for file in files}
    while waiting:
        # A file can be added once all that it imports has been.
        ready = [file for file in waiting.values() if not any(name in waiting for name in file.dependency)]
        for file in ready:
            pool.Add(file)
            del waiting[file.name]
    return pool


def main():
    target, ca, *rest = sys.argv[1:]
    *credentials, method, request_json = rest
    certificate, key = (open(path, "rb").read() for path in credentials) if credentials else (None, None)
    channel = grpc.secure_channel(
        target,
        grpc.ssl_channel_credentials(open(ca, "rb").read(), key, certificate),
        [("grpc.ssl_target_name_override", "palyrad")],
    )
    service, name = method.rsplit(".", 1)
    try:
        pool = describe(channel, service)
        descriptor = pool.FindServiceByName(service).FindMethodByName(name)
        factory = message_factory.MessageFactory(pool)
        request = factory.GetPrototype(descriptor.input_type)()
        json_format.Parse(request_json, request)
        call = channel.unary_unary(
            f"/{service}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=factory.GetPrototype(descriptor.output_type).FromString,
        )
        response = call(request, timeout=20)
        print(json.dumps({"ok": json_format.MessageToDict(response, preserving_proto_field_name=True)}))
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata() or ())
        print(json.dumps({
            "status": error.code().name,
            "reason": trailers.get("palyra-reason", ""),
            "details": error.details(),
        }))


main()
