#!/usr/bin/python3
"""Rows a second by each optimiser, sigmad's beside PyTorch's, on one core.

    make bench-optimizers       (PyTorch and wrk from Debian; five minutes)

Both train the same network on rows of float32, cross-entropy on sigmoid outputs, everything in a step
included: shuffled rows gathered, forward, cost, backward, update. sigmad's figure is a job's
samples_per_second, over HTTP. PyTorch's is the best of four ways to have it: gradients by autograd or,
without, by hand into tensors made beforehand; torch.optim's loop over parameters or its foreach. Rounds
take turns, and medians are quoted; each process is at nice 19, as sigmad's workers are.

Then calls to learn, one row each, of 64 clients at once (wrk): each is durable before it is answered.
"""
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import Daemon  # noqa: E402

ROUNDS = 5
SECONDS = 0.5  # of PyTorch's rounds
# what sigmad calls it, its settings there, PyTorch's class and settings
OPTIMIZERS = (
    ("sgd", {}, "SGD", {}),
    ("momentum", {"momentum": 0.9}, "SGD", {"momentum": 0.9}),
    ("nesterov", {"momentum": 0.9, "nesterov": True}, "SGD", {"momentum": 0.9, "nesterov": True}),
    ("rmsprop", {}, "RMSprop", {}),
    ("adam", {}, "Adam", {}),
    ("adamw", {}, "AdamW", {}),
    ("rprop", {}, "Rprop", {}),
)
# layers, batch, rows; rprop's batch is all of them
NETS = (((784, 30, 10), 10, 5000), ((784, 100, 10), 10, 5000), ((784, 512, 512, 10), 128, 5120))
RATE = 1e-4


def rows_of(net, rows):
    import numpy
    random = numpy.random.default_rng(1)
    x = random.random((rows, net[0]), dtype=numpy.float32)
    return x, random.integers(0, net[-1], rows)


class Torch:
    def __init__(self, net, batch, rows, kind, settings, by_hand, foreach):
        import torch
        self.torch, self.batch, self.rows = torch, batch, rows
        x, classes = rows_of(net, rows)
        self.x = torch.from_numpy(x)
        self.y = torch.nn.functional.one_hot(torch.from_numpy(classes), net[-1]).float()
        layers = []
        for into, out in zip(net, net[1:]):
            layers += [torch.nn.Linear(into, out), torch.nn.Sigmoid()]
        self.model = torch.nn.Sequential(*layers[:-1])
        self.linear = self.model[::2]
        self.loss = torch.nn.BCEWithLogitsLoss(reduction="sum")
        self.optimizer = getattr(torch.optim, kind)(self.model.parameters(), lr=RATE, foreach=foreach, **settings)
        self.step = self.step_by_hand if by_hand else self.step_eager
        for p in self.model.parameters():
            p.grad = torch.zeros_like(p)

    def step_eager(self, x, y):
        self.optimizer.zero_grad(set_to_none=True)
        (self.loss(self.model(x), y) / len(x)).backward()
        self.optimizer.step()

    def step_by_hand(self, x, y):
        torch = self.torch
        with torch.no_grad():
            seen = [x]
            for layer in self.linear:
                seen.append(torch.sigmoid_(torch.addmm(layer.bias, seen[-1], layer.weight.t())))
            delta = (seen[-1] - y).div_(len(x))
            for layer, a in zip(reversed(self.linear), reversed(seen[:-1])):
                torch.mm(delta.t(), a, out=layer.weight.grad)
                torch.sum(delta, 0, out=layer.bias.grad)
                if a is not x:
                    delta = torch.mm(delta, layer.weight).mul_(a).mul_(1 - a)
            self.optimizer.step()

    def rate(self, seconds):
        """Rows a second over whole epochs."""
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            order = self.torch.randperm(self.rows)
            for at in range(0, self.rows, self.batch):
                rows = order[at:at + self.batch]
                self.step(self.x[rows], self.y[rows])
                done += len(rows)
        return done / (time.perf_counter() - began)


def torch_main():
    """The other side: NET OPTIMIZER a line in, its best rate out."""
    import torch
    torch.set_num_threads(1)
    os.nice(19)
    ways = {}
    for line in sys.stdin:
        at, name = line.split()
        net, batch, rows = NETS[int(at)]
        batch = rows if name == "rprop" else batch
        _, _, kind, settings = next(one for one in OPTIMIZERS if one[0] == name)
        if (at, name) not in ways:
            ways.clear()
            ways[(at, name)] = [Torch(net, batch, rows, kind, settings, by_hand, foreach)
                                for by_hand in (False, True) for foreach in (False, True)]
            for way in ways[(at, name)]:
                way.rate(SECONDS / 5)
        print(max(way.rate(SECONDS / 2) for way in ways[(at, name)]), flush=True)


def ours(api, at, net, batch, rows, name, settings):
    kind = name if name in ("rmsprop", "adam", "adamw", "rprop") else "sgd"
    batch = rows if name == "rprop" else batch
    job = api.post(at + "/train", {
        "dataset": at.replace("/v1/models/net", "rows"), "epochs": 1 if name == "rprop" else max(1, 400000000 // (rows * net[1] * net[0])),
        "batch_size": min(batch, 65536), "publish": "end", "promote": False,
        "optimizer": dict(settings, name=kind, learning_rate=RATE)}, Prefer="wait=600").json
    if job["state"] != "succeeded":
        sys.exit("optimizers: %r" % job)
    return job["samples_per_second"]


def learning(api, port, seconds=5):
    """Calls a second, by the optimiser."""
    layers = [{"units": n, "activation": "sigmoid"} for n in (30, 10)]
    print("\n| 784-30-10, one row a call | learn, calls a second | p50 / p99 |\n|-|-|-|")
    for name, settings, _, _ in OPTIMIZERS[:-1]:
        kind = name if name in ("rmsprop", "adam", "adamw") else "sgd"
        at = "/v1/models/learn-" + name
        api.put(at, {"inputs": 784, "layers": layers, "cost": "cross_entropy", "seed": 1})
        body = {"inputs": [[round(i % 7 / 7, 2) for i in range(784)]], "labels": [3],
                "optimizer": dict(settings, name=kind, learning_rate=RATE)}
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write("wrk.method = 'POST'\nwrk.body = [==[%s]==]\n" % json.dumps(body))
            script.flush()
            said = subprocess.run(["wrk", "-t1", "-c64", "-d%d" % seconds, "--latency", "-s", script.name,
                                   "http://127.0.0.1:%d%s/learn" % (port, at)], capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in said:
            sys.exit("optimizers: " + said)
        figure = {key: re.search(pattern, said)[1] for key, pattern in (
            ("rate", r"Requests/sec:\s+([0-9.]+)"), ("p50", r"50%\s+(\S+)"), ("p99", r"99%\s+(\S+)"))}
        print("| %s | %.0f | %s / %s |" % (name, float(figure["rate"]), figure["p50"], figure["p99"]), flush=True)


def main():
    import numpy
    peer = subprocess.Popen(["/usr/bin/python3", os.path.abspath(__file__), "--torch"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    daemon = Daemon("--workers", "1")
    api = daemon.client()
    api.connection.timeout = 600
    try:
        print("| network | batch | optimiser | sigmad, rows a second | PyTorch's best | ratio |\n|-|-|-|-|-|-|")
        for at, (net, batch, rows) in enumerate(NETS):
            x, classes = rows_of(net, rows)
            npy = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
            for part, array in (("features", x), ("targets", classes.astype(numpy.uint8))):
                head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (
                    array.dtype.str, str(array.shape))
                body = npy + head.ljust(117).encode() + b"\n" + array.tobytes()
                reply = api.put("/v1/datasets/rows%d/%s" % (at, part), body, "application/x-npy")
                if reply.status not in (200, 201):
                    sys.exit("optimizers: %r" % reply)
            layers = [{"units": n, "activation": "sigmoid"} for n in net[1:]]
            path = "/v1/models/net%d" % at
            api.put(path, {"inputs": net[0], "layers": layers, "cost": "cross_entropy", "seed": 1})
            for name, settings, _, _ in OPTIMIZERS:
                mine, its = [], []
                for _ in range(ROUNDS):
                    mine.append(ours(api, path, net, batch, rows, name, settings))
                    peer.stdin.write("%d %s\n" % (at, name))
                    peer.stdin.flush()
                    its.append(float(peer.stdout.readline()))
                a, b = statistics.median(mine), statistics.median(its)
                print("| %s | %s | %s | %.0f | %.0f | %.1fx |" % ("-".join(map(str, net)), "all" if name == "rprop" else batch,
                                                                name, a, b, a / b), flush=True)
        learning(api, daemon.port)
    finally:
        peer.stdin.close()
        peer.wait()
        api.close()
        daemon.end()


if __name__ == "__main__":
    torch_main() if "--torch" in sys.argv else main()
