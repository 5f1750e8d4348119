"""What a unit of systemd forbids by seccomp(2), without systemd: a program to put before the daemon.

    sandbox.py UNIT [--also NAME,...] COMMAND...   runs COMMAND under the filters that UNIT asks for

SystemCallFilter= with its groups as systemd-analyze lists them, MemoryDenyWriteExecute= and
RestrictAddressFamilies=, in a classic BPF program that stays over execve. --also forbids more.
"""
import ctypes
import os
import re
import struct
import subprocess
import sys

MACHINES = {"x86_64": (0xC000003E, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h")}
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
LOAD, EQUAL, ANY, AND, RETURN = 0x20, 0x15, 0x45, 0x54, 0x06
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
WRITE, EXEC, EPERM, EAFNOSUPPORT = 2, 4, 1, 97


def available():
    machine = MACHINES.get(os.uname().machine)
    return machine is not None and os.path.exists(machine[1])


def numbers():
    with open(MACHINES[os.uname().machine][1]) as file:
        return {name: int(n) for name, n in re.findall(r"#define __NR_(\w+) (\d+)", file.read())}


def members(group):
    """The system calls of a group, those of groups in it included."""
    text = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True,
                          check=True).stdout
    found = set()
    for name in re.findall(r"^    (@?[\w-]+)$", text, re.M):
        found |= members(name) if name[0] == "@" else {name}
    return found


def settings(unit, key):
    with open(unit) as file:
        return re.findall(r"^%s=(.*)$" % key, file.read(), re.M)


def allowed(unit):
    """systemd.exec(5): the first line makes a list of what is allowed; each one adds, or with ~ takes away."""
    names = members("@default")
    for line in settings(unit, "SystemCallFilter"):
        for word in line.lstrip("~").split():
            some = members(word) if word[0] == "@" else {word}
            names = names - some if line[0] == "~" else names | some
    return names


def program(unit, also):
    arch, _ = MACHINES[os.uname().machine]
    number = numbers()
    code = []

    def emit(op, k, yes=0, no=0):
        code.append(struct.pack("=HBBI", op, yes, no, k))

    def argument(i):
        emit(LOAD, 16 + 8 * i)

    emit(LOAD, 4)
    emit(EQUAL, arch, 1, 0)
    emit(RETURN, ERRNO | EPERM)
    if settings(unit, "MemoryDenyWriteExecute") == ["yes"]:
        emit(LOAD, 0)
        emit(EQUAL, number["mmap"], 0, 4)
        argument(2)
        emit(AND, WRITE | EXEC)
        emit(EQUAL, WRITE | EXEC, 0, 1)
        emit(RETURN, ERRNO | EPERM)
        emit(LOAD, 0)
        emit(EQUAL, number["mprotect"], 0, 3)
        argument(2)
        emit(ANY, EXEC, 0, 1)
        emit(RETURN, ERRNO | EPERM)
    for line in settings(unit, "RestrictAddressFamilies"):
        families = line.split()
        emit(LOAD, 0)
        emit(EQUAL, number["socket"], 0, len(families) + 2)
        argument(0)
        for i, family in enumerate(families):
            emit(EQUAL, FAMILIES[family], len(families) - i, 0)
        emit(RETURN, ERRNO | EAFNOSUPPORT)
    emit(LOAD, 0)
    for name in sorted(allowed(unit) - set(also)):
        if name in number:
            emit(EQUAL, number[name], 0, 1)
            emit(RETURN, ALLOW)
    emit(RETURN, ERRNO | EPERM)
    return code


def confine(code):
    class Program(ctypes.Structure):
        _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    text = ctypes.create_string_buffer(b"".join(code))
    filters = Program(len(code), ctypes.addressof(text))
    if libc.prctl(38, 1, 0, 0, 0) != 0:  # PR_SET_NO_NEW_PRIVS
        raise OSError(ctypes.get_errno(), "no_new_privs")
    if libc.prctl(22, 2, ctypes.byref(filters), 0, 0) != 0:  # PR_SET_SECCOMP, filter
        raise OSError(ctypes.get_errno(), "seccomp")


def main():
    unit, command, also = sys.argv[1], sys.argv[2:], []
    if command[0] == "--also":
        also, command = command[1].split(","), command[2:]
    confine(program(unit, also))
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
