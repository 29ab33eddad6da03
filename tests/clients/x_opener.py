#!/usr/bin/python3
"""Stands in for the platform's opener: opens an X window named after what it is given, and notes that it did.

It speaks the X11 protocol (version 11, release 6) by itself, so that it needs nothing but Python. For each start it appends a
line to the file `opened` beside it: a JSON object with its arguments, its display, and the window's state as the X
server tells it.
"""

import json
import os
import socket
import struct
import sys

CREATE_WINDOW, GET_WINDOW_ATTRIBUTES, MAP_WINDOW, CHANGE_PROPERTY = 1, 3, 8, 18
WM_NAME, STRING = 39, 31
VIEWABLE = 2


def receive(connection, length):
    data = b""
    while len(data) < length:
        part = connection.recv(length - len(data))
        if not part:
            raise EOFError("the X server closed the connection")
        data += part
    return data


def padded(data):
    return data + b"\0" * (-len(data) % 4)


def connect(display):
    number = display.rpartition(":")[2].partition(".")[0]
    connection = socket.socket(socket.AF_UNIX)
    path = f"/tmp/.X11-unix/X{number}"
    try:
        connection.connect(path)
    except FileNotFoundError:
        # A server that may not make that folder listens on the abstract socket alone.
        connection.connect("\0" + path)
    connection.sendall(struct.pack("<BxHHHHxx", ord("l"), 11, 0, 0, 0))
    accepted, extra = struct.unpack("<BxxxxxH", receive(connection, 8))
    setup = receive(connection, extra * 4)
    if accepted != 1:
        raise PermissionError("the X server refused the connection")
    return connection, setup


def open_window(display, name):
    connection, setup = connect(display)
    resource_base, = struct.unpack_from("<I", setup, 4)
    vendor_length, = struct.unpack_from("<H", setup, 16)
    formats = setup[21]
    first_screen = 32 + len(padded(b"x" * vendor_length)) + 8 * formats
    root, = struct.unpack_from("<I", setup, first_screen)
    window = resource_base
    title = name.encode("utf-8", "surrogateescape")
    connection.sendall(
        struct.pack("<BBHIIhhHHHHII", CREATE_WINDOW, 0, 8, window, root, 0, 0, 320, 200, 0, 0, 0, 0)
        + struct.pack("<BBHIIIBxxxI", CHANGE_PROPERTY, 0, 6 + len(padded(title)) // 4, window, WM_NAME, STRING, 8, len(title))
        + padded(title)
        + struct.pack("<BxHI", MAP_WINDOW, 2, window)
        + struct.pack("<BxHI", GET_WINDOW_ATTRIBUTES, 2, window)
    )
    while True:
        message = receive(connection, 32)
        if message[0] == 0:
            raise RuntimeError(f"the X server reports error {message[1]}")
        if message[0] == 1:
            attributes = message + receive(connection, struct.unpack_from("<I", message, 4)[0] * 4)
            return "viewable" if attributes[26] == VIEWABLE else "not viewable"


def main():
    arguments = sys.argv[1:]
    display = os.environ.get("DISPLAY", "")
    window = open_window(display, arguments[0])
    line = json.dumps({"arguments": arguments, "display": display, "window": window})
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "opened"), "a", encoding="utf-8") as opened:
        opened.write(line + "\n")


main()
