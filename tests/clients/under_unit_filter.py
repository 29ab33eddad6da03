"""Runs a command under the system call filter of a systemd unit, as systemd would set it up.

usage: under_unit_filter.py UNIT COMMAND [ARG...]

SystemCallFilter= and RestrictAddressFamilies= of the unit are obeyed. The groups (@system-service) are systemd's own, as
`systemd-analyze syscall-filter` lists them; libseccomp, which systemd uses too, makes the filter.
"""

import ctypes
import errno
import os
import socket
import subprocess
import sys

ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EPERM
EQUAL = 4


class Comparison(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def values(unit, name):
    return [line.split("=", 1)[1].strip() for line in unit.splitlines() if line.startswith(name + "=")]


def groups():
    listed = subprocess.run(["systemd-analyze", "syscall-filter"], env={"SYSTEMD_COLORS": "0", "PATH": "/usr/bin:/bin"},
                            capture_output=True, text=True, check=True).stdout
    found, current = {}, None
    for line in listed.splitlines():
        word = line.strip()
        if line.startswith("@"):
            current = found.setdefault(word, [])
        elif current is not None and word and not word.startswith("#"):
            current.append(word)
    return found


def expand(word, known):
    if not word.startswith("@"):
        return {word}
    return set().union(*(expand(each, known) for each in known[word]))


def allowed_calls(unit):
    known, allowed = groups(), set()
    for value in values(unit, "SystemCallFilter"):
        refused = value.startswith("~")
        for word in value.lstrip("~").split():
            allowed = allowed - expand(word, known) if refused else allowed | expand(word, known)
    # systemd always allows what it needs to start the program.
    return allowed | {"execve", "exit", "exit_group", "getrlimit", "rt_sigreturn", "sigreturn"}


def load_filter(unit):
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
    context = library.seccomp_init(REFUSE)
    families = [getattr(socket, name) for value in values(unit, "RestrictAddressFamilies") for name in value.split()]
    for name in allowed_calls(unit):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            continue  # A call of another architecture.
        rules = [Comparison(0, EQUAL, int(family), 0) for family in families] if name == "socket" else [None]
        for rule in rules:
            pointer = ctypes.byref(rule) if rule is not None else None
            if library.seccomp_rule_add_array(context, ALLOW, number, 0 if rule is None else 1, pointer) != 0:
                sys.exit(f"the rule for {name} was not taken")
    if library.seccomp_load(context) != 0:
        sys.exit("the filter could not be loaded")


with open(sys.argv[1], encoding="utf-8") as file:
    load_filter(file.read())
os.execvp(sys.argv[2], sys.argv[2:])
