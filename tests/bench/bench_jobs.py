#!/usr/bin/python3
"""Training as clients see it: samples_per_second of whole jobs over HTTP, for daemons of one and of
two workers, with rows of float32 and of bytes. Medians of rounds that take turns.

    tests/bench/bench_jobs.py [ROUNDS]          SIGMAD names the binary, BUILD the build folder
"""
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import Daemon  # noqa: E402

WRITE = os.path.join(os.environ.get("BUILD", "build"), "tests", "bench", "peer_sigmad")
NETS = [  # units, batch, rows used, epochs a job, learning rate
    ([784, 30, 10], 10, 60000, 10, 0.5),
    ([784, 100, 10], 10, 60000, 5, 0.2),
    ([784, 512, 512, 10], 128, 60000, 1, 0.05),
    ([1024, 4096, 4096, 1000], 256, 2560, 1, 0.005),
]


def idx(dims, values):
    """Bytes as an IDX file."""
    return struct.pack(">HBB%dI" % len(dims), 0, 8, len(dims), *dims) + values


def ok(reply, *statuses):
    if reply.status not in statuses:
        sys.exit("bench_jobs: %r" % reply)
    return reply.json if reply.body else None


def part(folder, name, size):
    with open(os.path.join(folder, name), "rb") as file:
        return file.read(size)


def upload(api, folder, units, rows):
    """The same rows as data sets f32 and u8."""
    labels = struct.unpack("%dI" % rows, part(folder, "y", 4 * rows))
    targets = b"".join(struct.pack(">i", label) for label in labels)
    targets = struct.pack(">HBBI", 0, 0x0c, 1, rows) + targets
    for name, features, kind, query in (
            ("f32", part(folder, "x", 4 * rows * units[0]), "application/octet-stream",
             "?shape=%d,%d" % (rows, units[0])),
            ("u8", idx((rows, units[0]), part(folder, "bytes", rows * units[0])), "application/x-idx", "")):
        at = "/v1/datasets/" + name
        ok(api.delete(at), 204, 404)
        ok(api.put(at + "/features" + query, features, kind), 200, 201)
        ok(api.put(at + "/targets", targets, "application/x-idx"), 200, 201)


def job(api, name, units, batch, epochs, eta):
    """Trains a new model; what its job says of its speed, and how many workers it used."""
    at = "/v1/models/" + name
    layers = [{"units": n, "activation": "sigmoid"} for n in units[1:]]
    ok(api.ask("PUT", at, {"inputs": units[0], "layers": layers, "cost": "cross_entropy", "seed": 7,
                           "normalize": "unit" if name == "u8" else "none"}), 201)
    said = ok(api.post(at + "/train", {"dataset": name, "epochs": epochs, "batch_size": batch, "seed": 1,
                                       "optimizer": {"name": "sgd", "learning_rate": eta},
                                       "publish": "end"}, Prefer="wait=600"), 200)
    if said["state"] != "succeeded":
        sys.exit("bench_jobs: %r" % said)
    ok(api.delete(at), 204)
    return said["samples_per_second"], said["workers"]


def measure(daemons, units, batch, rows, epochs, eta, rounds):
    rates = {}
    workers = 1
    for turn in range(rounds):
        for dtype in ("f32", "u8"):
            for n, daemon in daemons.items():
                api = daemon.client()
                api.connection.timeout = 600
                rate, used = job(api, dtype, units, batch, epochs, eta)
                api.close()
                rates.setdefault((dtype, n), []).append(rate)
                workers = max(workers, used)
    print("| %s | %d | %s | %d |" % (
        "-".join(map(str, units)), batch,
        " | ".join("%.0f" % statistics.median(rates[key]) for key in rates), workers), flush=True)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    folder = tempfile.mkdtemp(prefix="sigmad-bench-")
    daemons = {}
    try:
        for n in (1, 2):
            daemons[n] = Daemon("--workers", str(n))
        print("Jobs over HTTP, rows/s as they say, medians of %d rounds:\n\n"
              "| network | batch | f32, 1 worker | 2 workers | u8, 1 worker | 2 workers | used of 2 |\n"
              "|-|-|-|-|-|-|-|" % rounds, flush=True)
        for units, batch, rows, epochs, eta in NETS:
            subprocess.run([WRITE, "write", folder, "-".join(map(str, units))], check=True)
            for daemon in daemons.values():
                api = daemon.client()
                upload(api, folder, units, rows)
                api.close()
            measure(daemons, units, batch, rows, epochs, eta, rounds)
    finally:
        for daemon in daemons.values():
            daemon.end()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
