#!/usr/bin/python3
"""From exec to the first answer's being possible, and what an idle daemon holds.

    tests/bench/bench_start.py [MODELS]      100 of 784-30-10 by default; medians of 11 starts
"""
import os
import shutil
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import Daemon  # noqa: E402

SPEC = {"inputs": 784, "cost": "log_likelihood",
        "layers": [{"units": 30, "activation": "sigmoid"}, {"units": 10, "activation": "softmax"}]}


def started(state):
    begun = time.monotonic()
    daemon = Daemon(state=state)
    seconds = time.monotonic() - begun
    with open("/proc/%d/smaps_rollup" % daemon.process.pid) as file:
        pss = next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    daemon.end()
    return seconds, pss


def main():
    models = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    state = tempfile.mkdtemp(prefix="sigmad-bench-")
    try:
        print("| stored models | start, ms | PSS, MB |\n|-|-|-|")
        for count in (0, models):
            daemon = Daemon(state=state)
            api = daemon.client()
            for i in range(count):
                if api.put("/v1/models/m%d" % i, dict(SPEC, seed=i)).status != 201:
                    sys.exit("bench_start: a model could not be made")
            api.close()
            daemon.end()
            runs = [started(state) for _ in range(11)]
            print("| %d | %.0f | %.1f |" % (count, 1000 * statistics.median(r[0] for r in runs),
                                           statistics.median(r[1] for r in runs) / 1000), flush=True)
    finally:
        shutil.rmtree(state, ignore_errors=True)


if __name__ == "__main__":
    main()
