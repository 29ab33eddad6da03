"""A client that shares no code with the project: health and reflection by hand-made protobuf over Debian's grpcio.

Usage: foreign_client.py PORT CA KEY CERTIFICATE; prints one line per finding.
"""

import sys

import grpc

port, ca, key, certificate = sys.argv[1:]


def read(path):
    with open(path, "rb") as file:
        return file.read()


def field(number, payload):
    assert len(payload) < 128
    return bytes([number << 3 | 2, len(payload)]) + payload


def show(name, call):
    try:
        print(name, call().hex())
    except grpc.RpcError as error:
        print(name, error.code().name)


channel = grpc.secure_channel(
    f"127.0.0.1:{port}",
    grpc.ssl_channel_credentials(read(ca), read(key), read(certificate)),
    options=[("grpc.ssl_target_name_override", "palyrad"), ("grpc.enable_http_proxy", 0)],
)

check = channel.unary_unary("/grpc.health.v1.Health/Check")
show("check", lambda: check(b"", timeout=10))
show("check-known", lambda: check(field(1, b"palyra.node.v1.NodeService"), timeout=10))
show("check-unknown", lambda: check(field(1, b"no.such.Service"), timeout=10))
watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=10)
show("watch", lambda: next(watch))
watch.cancel()

for version in ("v1", "v1alpha"):
    reflect = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
    requests = [
        field(7, b"*"),
        field(4, b"palyra.node.v1.NodeService"),
        field(3, b"health.proto"),
        field(4, b"no.such.Symbol"),
    ]
    for name, answer in zip(("services", "symbol", "file", "missing"), reflect(iter(requests), timeout=10)):
        print(version, name, answer.hex())

channel.close()
