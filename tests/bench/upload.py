#!/usr/bin/python3
"""How fast data sets are taken in: MB/s of the body, from the first byte sent to the answer.

usage: tests/bench/upload.py [--build DIR] [--megabytes N] [--state DIR] [--repeat N] [FLAG...]

Starts a daemon of its own, sends N megabytes of pixels as IDX, and of float32 as NPY and raw, to
it on the loopback, each to .../features, and prints the best of the repeats. What a plain write of
as many bytes to the same folder takes, with an fsync, is printed beside, and what the daemon used of
the processor, which a busy machine does not change. FLAGs go to the daemon.
"""
import argparse
import os
import struct
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))


def bodies(size):
    """What is sent: a name, a content type, a query, a head; the rest is the same bytes over again."""
    rows = size // 784
    yield "IDX uint8", "application/x-idx", "", bytes([0, 0, 8, 2]) + struct.pack(">2I", rows, 784), rows * 784
    rows = size // (784 * 4)
    said = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 784), }" % rows
    head = said.encode() + b" " * (-(len(said) + 11) % 64) + b"\n"
    yield ("NPY float32", "application/x-npy", "",
           b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head, rows * 784 * 4)
    yield "raw float32", "application/octet-stream", "?shape=%d,784" % rows, b"", rows * 784 * 4


def send(daemon, name, kind, query, head, length):
    block = struct.pack("<1024f", *(i / 1024 for i in range(1024))) * 256
    with daemon.connect() as sock:
        begun = time.monotonic()
        sock.sendall(("PUT /v1/datasets/%s/features%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                      "Content-Type: %s\r\nContent-Length: %d\r\n\r\n"
                      % (name, query, kind, len(head) + length)).encode() + head)
        while length > 0:
            part = block[:length]
            sock.sendall(part)
            length -= len(part)
        answer = sock.recv(65536)
        took = time.monotonic() - begun
    if not answer.startswith(b"HTTP/1.1 20"):
        raise SystemExit("upload.py: %r" % answer)
    return took


def plain(folder, length):
    """Seconds that writing as many bytes takes, synced."""
    block = b"x" * (1 << 20)
    path = os.path.join(folder, "plain")
    begun = time.monotonic()
    with open(path, "wb", buffering=0) as file:
        for _ in range(length >> 20):
            file.write(block)
        os.fsync(file.fileno())
    took = time.monotonic() - begun
    os.unlink(path)
    return took


def processor(daemon):
    """Seconds of processor that it has used."""
    with open("/proc/%d/stat" % daemon.process.pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--state", help="folder to make the state folder in")
    args, flags = parser.parse_known_args()
    os.environ["SIGMAD"] = os.path.join(args.build, "sigmad")
    from harness import Daemon

    with tempfile.TemporaryDirectory(prefix="sigmad-bench-", dir=args.state) as state:
        daemon = Daemon("--max-upload", "64g", *flags, state=state)
        try:
            best = min(plain(state, args.megabytes << 20) for _ in range(args.repeat))
            print("%-12s %6.0f MB/s" % ("plain write", (args.megabytes << 20) / 1e6 / best))
            for name, kind, query, head, length in bodies(args.megabytes << 20):
                used = processor(daemon)
                took = min(send(daemon, "bench", kind, query, head, length) for _ in range(args.repeat))
                used = (processor(daemon) - used) / args.repeat
                print("%-12s %6.0f MB/s, %6.0f MB a second of processor"
                      % (name, length / 1e6 / took, length / 1e6 / used))
                sys.stdout.flush()
        finally:
            daemon.end()


if __name__ == "__main__":
    main()
