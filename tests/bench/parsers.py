#!/usr/bin/python3
"""How fast data sets are read, and by what else their users have: a Markdown table, in MB of file a
second of one core's time. Medians of RUNS; each file is as its own format has the same values.

    tests/bench/parsers.py [--build DIR] [--megabytes N] [--runs N]

The peers are numpy.loadtxt, pandas.read_csv (where it is installed), Python's json into a numpy array, and
numpy.load. Times are of the processor, so that what else runs disturbs little; files are in memory.
"""
import argparse
import json
import os
import statistics
import struct
import subprocess
import tempfile
import time

import numpy

try:
    import pandas
except ImportError:
    pandas = None


def save_csv(path, rows, show):
    with open(path, "w") as file:
        for row in rows:
            file.write(",".join(map(show, row)) + "\n")


def save_json(path, rows, show):
    with open(path, "w") as file:
        file.write("[" + ",\n".join("[" + ", ".join(map(show, row)) + "]" for row in rows) + "]\n")


def save_lines(path, rows, show):
    with open(path, "w") as file:
        for row in rows:
            file.write("[" + ", ".join(map(show, row)) + "]\n")


def save_idx(path, rows):
    code = 8 if rows.dtype == numpy.uint8 else 0x0D
    with open(path, "wb") as file:
        file.write(bytes([0, 0, code, 2]) + struct.pack(">2I", *rows.shape))
        file.write(rows.astype(rows.dtype.newbyteorder(">")).tobytes())


def read_json(path):
    with open(path) as file:
        return numpy.array(json.load(file), "f4")


def read_lines(path):
    with open(path) as file:
        return numpy.array([json.loads(line) for line in file], "f4")


def read_npz(path):
    return numpy.load(path)["x"]


def read_csv(path):
    return pandas.read_csv(path, header=None, dtype="f4").to_numpy()


PEERS = {
    "csv": [("numpy.loadtxt", lambda path: numpy.loadtxt(path, "f4", delimiter=","))]
    + ([("pandas.read_csv", read_csv)] if pandas else []),
    "json": [("json.load", read_json)],
    "jsonl": [("json.loads", read_lines)],
    "npy": [("numpy.load", numpy.load)],
    "npz": [("numpy.load", read_npz)],
    "idx": [],
}


def peer(read, path, runs):
    took = []
    for _ in range(runs):
        begun = time.process_time()
        read(path)
        took.append(time.process_time() - begun)
    return os.path.getsize(path) / max(statistics.median(took), 1e-6) / 1e6


def files(folder, size):
    """name, format, path of each file, made one after the other."""
    random = numpy.random.default_rng(1)
    pixels = random.integers(0, 256, (max(size // 784, 1), 784), numpy.uint8)
    pixels *= random.integers(0, 5, pixels.shape, numpy.uint8) == 0  # four in five are 0, as in MNIST
    floats = random.standard_normal((max(size // 80, 1), 20), "f4")
    path = os.path.join(folder, "file")
    texts = (("784 pixels", pixels[:max(size // 2000, 1)].tolist(), str),
             ("4 floats like 5.1", floats[:size // 200, :4].tolist(), "%.1f".__mod__),
             ("20 floats of 6 decimals", floats[:size // 180].tolist(), "%.6f".__mod__),
             ("20 floats of 9 digits", floats[:size // 220].tolist(), "%.9g".__mod__),
             ("20 floats of 17 digits", floats[:size // 400].astype("f8").tolist(), "%.17g".__mod__))
    for kind, save in (("csv", save_csv), ("json", save_json), ("jsonl", save_lines)):
        for name, rows, show in texts:
            save(path, rows, show)
            yield name, kind, path
    for name, rows in (("uint8", pixels), ("float32", floats)):
        save_idx(path, rows)
        yield name, "idx", path
    for name, rows in (("uint8", pixels), ("float32", floats), ("float64", floats.astype("f8"))):
        with open(path, "wb") as file:
            numpy.save(file, rows)
        yield name, "npy", path
    for name, save, rows in (("float32, stored", numpy.savez, floats), ("uint8, deflated", numpy.savez_compressed, pixels)):
        with open(path, "wb") as file:
            save(file, x=rows)
        yield name, "npz", path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.environ.get("BUILD", "build"))
    parser.add_argument("--megabytes", type=float, default=32, help="about, of each file")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    print("| format | values | sigmad, MB/s | others, MB/s |\n|-|-|-|-|")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        for name, kind, path in files(folder, int(options.megabytes * 1e6)):
            ours = float(subprocess.run([os.path.join(options.build, "tests/bench/bench_parsers"), kind,
                                         str(options.runs), path], check=True, stdout=subprocess.PIPE).stdout)
            others = ", ".join("%s %.0f" % (who, peer(read, path, options.runs)) for who, read in PEERS[kind])
            print("| %s | %s | %.0f | %s |" % (kind, name, ours, others), flush=True)


if __name__ == "__main__":
    main()
