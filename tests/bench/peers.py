#!/usr/bin/python3
"""Trains the same networks by sigmad and by what else does it, and prints Markdown tables.

    make bench-peers            or, once that has built what it needs:
    tests/bench/peers.py [--rounds N] [--seconds S] [--quiet S] [--net NAME]... [--cores N]...

Everybody gets the same rows, first weights, batches and learning rate, shuffles, gathers, goes
forward and backward and takes the step, in float32 (the book's code: float64). That they learn the
same function is checked first: after the same mini-batches in the same order, each weight's
difference from sigmad's is held against how far the weights have moved. A peer that fails this
fails the run. Then rounds take turns, A B C A B C, and medians are compared. Everybody runs at nice
19, as sigmad's workers do, with as many threads as there are cores to the comparison, whatever the
library calls that. "of others" is what processes that are not ours took of the machine meanwhile.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(os.environ.get("BUILD", "build"), "tests", "bench")
NETS = ["784-30-10", "784-100-10", "784-512-512-10", "1024-4096-4096-1000"]
TWO_CORES = NETS[2:]  # a second core gains nobody anything with the small ones
HUGE = NETS[3]
SAME = 1e-3  # of how far the weights have moved


def c(name):
    return lambda folder, net, cores: [os.path.join(BUILD, "peer_" + name), folder, str(cores)]


def python(name, *args):
    return lambda folder, net, cores: ["/usr/bin/python3", os.path.join(HERE, "peer_%s.py" % name),
                                       folder, str(cores), *args]


def ours(dtype):
    return lambda folder, net, cores: [os.path.join(BUILD, "peer_sigmad"), "train", folder, net,
                                       str(cores), dtype]


US = "sigmad"
# Name, command, which weights it is checked against, nets it is too slow for. FANN is checked by one
# step: its sigma' takes an output for 0.01 at least, and a few steps on there are smaller ones.
PEERS = [
    (US, ours("f32"), None, ()),
    ("sigmad, rows of bytes", ours("u8"), None, ()),
    ("PyTorch, eager", python("torch", "eager"), "after", ()),
    ("PyTorch, without autograd", python("torch", "hand"), "after", ()),
    ("OpenBLAS, in C", c("openblas"), "after", ()),
    ("oneDNN, in C", c("onednn"), "after", ()),
    ("scikit-learn", python("sklearn"), "after", ()),
    ("numpy, a product a mini-batch", python("numpy", "matrix"), "after", ()),
    ("numpy, row by row (the book's)", python("numpy", "rows"), "after", (HUGE,)),
    ("FANN", c("fann"), "after-mse", (HUGE,)),
]
ONE_CORE_ONLY = ("numpy, row by row (the book's)", "FANN")


class Peer:
    def __init__(self, name, command, cores):
        env = {k: v for k, v in os.environ.items()
               if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}  # it is to choose for itself
        env.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(cores)))
        self.name, self.rates, self.cpu, self.wall, self.moved = name, [], 0.0, 0.0, None
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env,
                                        text=True, preexec_fn=lambda: os.nice(19 - os.nice(0)))
        self.about = self.answer()

    def answer(self):
        line = self.process.stdout.readline().strip()
        if not line:
            sys.exit("peers: %s ended with %s" % (self.name, self.process.wait()))
        return line

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def cpu_now(self):
        with open("/proc/%d/stat" % self.process.pid) as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def check(self, folder, against):
        path = os.path.join(folder, "checked")
        self.ask("check %d %s" % (1 if against == "after-mse" else 1000, path))
        was, ours, theirs = (numpy.fromfile(f, numpy.float32)
                             for f in (os.path.join(folder, "weights"), os.path.join(folder, against), path))
        self.moved = float(numpy.abs(theirs - ours).max() / numpy.abs(ours - was).max())
        if not self.moved < SAME:
            sys.exit("peers: %s does not learn what sigmad learns: its weights differ by %g of what "
                     "they moved" % (self.name, self.moved))

    def run(self, seconds, counts):
        time.sleep(0.1)  # some libraries' threads spin for a while after their work
        before = self.cpu_now()
        rows, took = self.ask("run %g" % seconds).split()
        if counts:
            self.rates.append(int(rows) / float(took))
            self.cpu += self.cpu_now() - before
            self.wall += float(took)

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def busy():
    """Processor seconds that the machine has spent on anything."""
    with open("/proc/stat") as file:
        user, nice, system, _idle, _wait, irq, soft, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def wait_for_quiet(seconds):
    """Until others have left nine tenths of the machine alone for a second, or that long."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        begun, then = time.monotonic(), busy()
        time.sleep(1)
        if (busy() - then) / (time.monotonic() - begun) / os.cpu_count() < 0.1:
            break


def measure(folder, net, cores, args):
    peers = []
    try:
        for name, command, against, too_slow in PEERS:
            if net in too_slow or (cores > 1 and name in ONE_CORE_ONLY):
                continue
            peers.append(Peer(name, command(folder, net, cores), cores))
            if against is not None:
                peers[-1].check(folder, against)
        for peer in peers:
            peer.run(args.seconds / 4, False)  # warms up
        wait_for_quiet(args.quiet)
        begun, busy_then = time.monotonic(), busy()
        cpu_then = sum(peer.cpu_now() for peer in peers)
        for _ in range(args.rounds):
            for peer in peers:
                peer.run(args.seconds, True)
        took = time.monotonic() - begun
        others = busy() - busy_then - sum(peer.cpu_now() for peer in peers) + cpu_then
    finally:
        for peer in peers:
            peer.end()
    report(net, cores, peers, others / took / os.cpu_count())
    return {peer.name: statistics.median(peer.rates) for peer in peers}


def report(net, cores, peers, others):
    us = statistics.median(peers[0].rates)
    print("\n%s, %d core%s (%.0f %% of others):\n" % (net, cores, "s" * (cores > 1), 100 * others))
    print("| | rows/s | least - most | sigmad is | cores busy | weights differ by | |\n|-|-|-|-|-|-|-|")
    for peer in peers:
        rate = statistics.median(peer.rates)
        print("| %s | %.0f | %.0f - %.0f | %.2fx | %.2f | %s | %s |" % (
            peer.name, rate, min(peer.rates), max(peer.rates), us / rate, peer.cpu / peer.wall,
            "%.0e" % peer.moved if peer.moved is not None else "", peer.about), flush=True)


def figure(rate):
    return "%.3gM" % (rate / 1e6) if rate >= 1e6 else "%.0fk" % (rate / 1e3) if rate >= 1e4 else "%.0f" % rate


def summary(results):
    """One column a net and number of cores: rows a second, and how many times that sigmad does."""
    print("\n| rows/s (sigmad is) | " + " | ".join(
        "%s, %d core%s" % (net, cores, "s" * (cores > 1)) for net, cores in results) + " |")
    print("|-|" + "-|" * len(results))
    for name, *_ in PEERS:
        cells = []
        for rates in results.values():
            if name not in rates:
                cells.append("")
            elif name == US:
                cells.append("**%s**" % figure(rates[name]))
            else:
                cells.append("%s (%.1fx)" % (figure(rates[name]), rates[US] / rates[name]))
        print("| %s | %s |" % (name, " | ".join(cells)))


def machine():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    compiler = subprocess.run([os.environ.get("CC", "gcc").split()[-1], "--version"], text=True,
                              stdout=subprocess.PIPE).stdout.split("\n")[0]
    return "%s, %d cores; %s; load %.2f %.2f %.2f" % (names[0], os.cpu_count(), compiler, *os.getloadavg())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--quiet", type=float, default=20,
                        help="seconds to wait for others to leave the machine alone, a table")
    parser.add_argument("--net", action="append", choices=NETS)
    parser.add_argument("--cores", action="append", type=int)
    args = parser.parse_args()
    began = time.monotonic()
    print("Whole training steps; medians of %d rounds of %g s that take turns.\n%s" % (
        args.rounds, args.seconds, machine()), flush=True)
    results = {}
    for net in args.net or NETS:
        folder = tempfile.mkdtemp(prefix="sigmad-peers-")
        try:
            subprocess.run([os.path.join(BUILD, "peer_sigmad"), "write", folder, net], check=True)
            for cores in args.cores or ((1, 2) if net in TWO_CORES and os.cpu_count() > 1 else (1,)):
                results[net, cores] = measure(folder, net, cores, args)
        finally:
            shutil.rmtree(folder)
    summary(results)
    print("\n%.0f s; %s" % (time.monotonic() - began, machine()))


if __name__ == "__main__":
    main()
