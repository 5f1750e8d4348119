#!/usr/bin/python3
"""What sigmad serves, beside others on this machine in this run: `make bench-serve`.

Prints Markdown. wrk loads one server at a time: with two cores or more the server has one and the
client another. The peers are given the same network, and have to give the same answers first.
SECONDS (2) is what each figure is measured for, ROUNDS (3) how often; medians are shown.
"""
import contextlib
import http.client
import json
import os
import random
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
SIGMAD = os.path.join(BUILD, "sigmad")
NODE = os.path.join(os.environ["NODE_CACHE"], "node_modules")
SECONDS = float(os.environ.get("SECONDS", "2"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
CORES = sorted(os.sched_getaffinity(0))
SERVER, CLIENT = ([CORES[0]], [CORES[1]]) if len(CORES) > 1 else (CORES, CORES)
TICK = os.sysconf("SC_CLK_TCK")

NET = {"inputs": 784, "layers": [{"units": 30, "activation": "sigmoid"},
                                 {"units": 10, "activation": "sigmoid"}], "cost": "mse"}
WIDE = {"inputs": 784, "layers": [{"units": 512, "activation": "relu"},
                                  {"units": 512, "activation": "relu"},
                                  {"units": 10, "activation": "softmax"}],
        "cost": "log_likelihood", "init": "he"}
DEEP = {"inputs": 784, "layers": [{"units": 100, "activation": "sigmoid"},
                                  {"units": 10, "activation": "softmax"}], "cost": "log_likelihood"}
OCTETS = "application/octet-stream"


class Body:
    def __init__(self, data, kind="application/json", accept=None, **headers):
        self.data = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.headers = {"Content-Type": kind}
        if accept:
            self.headers["Accept"] = accept
        self.headers.update({k.replace("_", "-"): v for k, v in headers.items()})


random.seed(1)
ROWS = [["%.4f" % random.random() for _ in range(784)] for _ in range(64)]
VALUES = [[float(v) for v in row] for row in ROWS]
FLOATS = struct.pack("<784f", *VALUES[0])


def json_rows(rows):
    return ('{"inputs": [%s]}' % ", ".join("[%s]" % ", ".join(row) for row in rows)).encode()


def tensor(**more):
    return dict({"name": "input", "shape": [1, 784], "datatype": "FP32"}, **more)


def oip_binary():
    head = json.dumps({"inputs": [tensor(parameters={"binary_data_size": len(FLOATS)})],
                       "parameters": {"binary_data_output": True}}).encode()
    return Body(head + FLOATS, OCTETS, Inference_Header_Content_Length=str(len(head)))


JSON1, JSON64 = Body(json_rows(ROWS[:1])), Body(json_rows(ROWS))
RAW = Body(FLOATS, OCTETS, accept=OCTETS)


# ---- servers ----

def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def pss_mb(pid):
    with open("/proc/%d/smaps_rollup" % pid) as file:
        return int(re.search(r"^Pss: +(\d+)", file.read(), re.M)[1]) / 1024


def ask(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body.data if body else None, body.headers if body else {})
    reply = connection.getresponse()
    data = reply.read()
    connection.close()
    return reply.status, data


def free_port():
    import socket
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextlib.contextmanager
def server(command, port, cores, probe=("GET", "/", None), env=None):
    """A running server: (pid, seconds until it answered)."""
    began = time.monotonic()
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           env=dict(os.environ, **(env or {})),
                           preexec_fn=lambda: os.sched_setaffinity(0, cores))
    try:
        while True:
            try:
                ask(port, *probe)
                break
            except OSError:
                if run.poll() is not None or time.monotonic() > began + 60:
                    raise SystemExit("serve: %s does not start" % command[0]) from None
                time.sleep(0.001)
        yield run.pid, time.monotonic() - began
    finally:
        run.terminate()
        run.wait(60)


@contextlib.contextmanager
def sigmad(folder, cores=SERVER, *flags):
    port = free_port()
    command = [SIGMAD, "--listen", "127.0.0.1:%d" % port, "--state", folder, *flags]
    with server(command, port, cores, ("GET", "/v2/health/live", None)) as (pid, start):
        yield port, pid, start


# ---- load ----

class Figures:
    """Of one case: a round each."""

    def __init__(self):
        self.rate, self.p50, self.p99, self.cpu, self.pss = [], [], [], [], []

    def __str__(self):
        m = statistics.median
        return "%s | %.2f / %.2f | %.1f | %.1f" % (
            "{:,.0f}".format(m(self.rate)), m(self.p50), m(self.p99), m(self.cpu), m(self.pss))


def wrk(port, path, body, connections, folder, cores=CLIENT, seconds=SECONDS):
    """(requests a second, p50 ms, p99 ms); exits if anything but 200 comes."""
    data = os.path.join(folder, "body")
    script = os.path.join(folder, "wrk.lua")
    with open(data, "wb") as file:
        file.write(body.data)
    with open(script, "w") as file:
        file.write('wrk.method = "POST"\nwrk.body = io.open("%s", "rb"):read("*a")\n' % data)
        for name, value in body.headers.items():
            file.write('wrk.headers["%s"] = "%s"\n' % (name, value))
    said = subprocess.run(
        ["wrk", "-t1", "-c%d" % connections, "-d%gs" % seconds, "--latency", "-s", script,
         "http://127.0.0.1:%d%s" % (port, path)], capture_output=True, text=True, check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores)).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit("serve: %s:\n%s" % (path, said))
    unit = {"us": 1e-3, "ms": 1, "s": 1e3}
    percent = {p: float(v) * unit[u] for p, v, u in
               re.findall(r"^ +(50|99)% +([0-9.]+)(us|ms|s)", said, re.M)}
    return float(re.search(r"Requests/sec: +([0-9.]+)", said)[1]), percent["50"], percent["99"]


def measure(figures, port, pid, path, body, connections, folder):
    before, began = cpu_seconds(pid), time.monotonic()
    rate, p50, p99 = wrk(port, path, body, connections, folder)
    spent = (cpu_seconds(pid) - before) / (time.monotonic() - began)
    figures.rate.append(rate)
    figures.p50.append(p50)
    figures.p99.append(p99)
    figures.cpu.append(spent / max(rate, 1e-3) * 1e6)
    figures.pss.append(pss_mb(pid))


def onnx_model(exported, path):
    import onnx
    from onnx import TensorProto, helper
    nodes, weights, at = [], [], "x"
    for i, layer in enumerate(exported["layers"]):
        flat = [v for row in layer["weights"] for v in row]
        weights.append(helper.make_tensor("w%d" % i, TensorProto.FLOAT,
                                          [len(layer["weights"]), len(layer["weights"][0])], flat))
        weights.append(helper.make_tensor("b%d" % i, TensorProto.FLOAT, [len(layer["biases"])],
                                          layer["biases"]))
        out = "y" if i == len(exported["layers"]) - 1 else "a%d" % i
        nodes.append(helper.make_node("Gemm", [at, "w%d" % i, "b%d" % i], ["z%d" % i], transB=1))
        nodes.append(helper.make_node("Sigmoid", ["z%d" % i], [out]))
        at = out
    io = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, w])
          for n, w in (("x", exported["inputs"]), ("y", len(exported["layers"][-1]["biases"])))]
    graph = helper.make_graph(nodes, "net", [io[0]], [io[1]], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)


def same(name, got, want):
    worst = max(abs(a - b) for a, b in zip(got, want))
    if len(got) != len(want) or worst > 1e-4:
        raise SystemExit("serve: %s answers something else, by %g" % (name, worst))


def first_row(data, raw):
    return struct.unpack("<%df" % (len(data) // 4), data) if raw else json.loads(data)["outputs"][0]


# ---- the tables ----

def table_predict(folder):
    """Every server, every body: one table."""
    state = os.path.join(folder, "state")
    exported, onnx_path = os.path.join(folder, "net.json"), os.path.join(folder, "net.onnx")
    with sigmad(state) as (port, _, _):
        ask(port, "PUT", "/v1/models/m", Body(NET))
        data = ask(port, "GET", "/v1/models/m/export")[1]
        want = json.loads(ask(port, "POST", "/v1/models/m/predict", JSON1)[1])["outputs"][0]
    with open(exported, "wb") as file:
        file.write(data)
    onnx_model(json.loads(data), onnx_path)
    cases = {"JSON": ("json", JSON1, 64), "JSON, 64 rows": ("json", JSON64, 8),
             "raw float32": ("raw", RAW, 64)}
    ports = {name: free_port() for name in ("bare", "fastify", "fastapi")}
    peers = [
        ("bare epoll loop", [os.path.join(BUILD, "tests/bench/serve/bare"), str(ports["bare"]),
                             "784", "30", "10"], ports["bare"]),
        ("fastify + onnxruntime-node", ["node", os.path.join(HERE, "peer.js"),
                                        str(ports["fastify"]), onnx_path], ports["fastify"]),
        ("FastAPI + PyTorch", ["/usr/bin/python3", os.path.join(HERE, "peer.py"),
                               str(ports["fastapi"]), exported], ports["fastapi"]),
    ]
    figures, starts, skipped = {}, {}, set()

    def one(who, port, pid, case, path, body, connections):
        status, data = ask(port, "POST", path, body)
        if status in (404, 406, 415):
            skipped.add("%s: %s is not served (%d)" % (who, case, status))
            return
        if status != 200:
            raise SystemExit("serve: %s, %s: %d %r" % (who, case, status, data[:500]))
        if "protocol" not in case:
            same(who, first_row(data, case.startswith("raw")), want)
        measure(figures.setdefault((case, who), Figures()), port, pid, path, body, connections,
                folder)

    own = dict(cases)
    for case, body in (("protocol JSON", Body({"inputs": [tensor(data=VALUES[0])]})),
                       ("protocol binary", oip_binary())):
        own[case] = ("infer", body, 64)
    for _ in range(ROUNDS):
        with sigmad(state) as (port, pid, start):
            starts.setdefault("sigmad", []).append(start)
            for case, (what, body, connections) in own.items():
                path = "/v2/models/m/infer" if what == "infer" else "/v1/models/m/predict"
                one("sigmad", port, pid, case, path, body, connections)
        for who, command, port in peers:
            probe = ("POST", "/json", JSON1)
            with server(command, port, SERVER, probe, {"NODE_PATH": NODE}) as (pid, start):
                starts.setdefault(who, []).append(start)
                for case, (what, body, connections) in cases.items():
                    one(who, port, pid, case, "/" + what, body, connections)
    print("| 784-30-10, body | server | requests/s | p50 / p99 ms | server CPU us/request | PSS MB | sigmad is |")
    print("|-|-|-|-|-|-|-|")
    for case in own:
        for who in ["sigmad"] + [peer[0] for peer in peers]:
            if (case, who) in figures:
                ratio = (statistics.median(figures[case, "sigmad"].rate) /
                         max(statistics.median(figures[case, who].rate), 1e-3)
                         if (case, "sigmad") in figures else float("nan"))
                print("| %s | %s | %s | %s |" % (case, who, figures[case, who],
                                                 "" if who == "sigmad" else "%.2fx" % ratio))
    for line in sorted(skipped):
        print("\n" + line)
    print("\nStart to first answer: " + ", ".join(
        "%s %.0f ms" % (who, 1e3 * statistics.median(s)) for who, s in starts.items()) + ".\n")


def table_batching(folder):
    """One row a request, together and alone; server and client have all cores."""
    rates = {}
    state = os.path.join(folder, "wide")
    for _ in range(ROUNDS):
        for flag in ("64", "1"):
            with sigmad(state, CORES, "--max-batch", flag) as (port, _, _):
                ask(port, "PUT", "/v1/models/m", Body(WIDE))
                for kind, body in (("JSON", JSON1), ("raw float32", RAW)):
                    if ask(port, "POST", "/v1/models/m/predict", body)[0] == 200:
                        rates.setdefault((kind, flag), []).append(
                            wrk(port, "/v1/models/m/predict", body, 64, folder, CORES))
    print("| 784-512-512-10, one row a request, 64 connections | requests/s | p50 / p99 ms | |")
    print("|-|-|-|-|")
    for (kind, flag), seen in rates.items():
        rate, p50, p99 = (statistics.median(column) for column in zip(*seen))
        alone = statistics.median(s[0] for s in rates[kind, "1"])
        print("| %s, %s | %s | %.2f / %.2f | %s |" % (
            kind, "batched" if flag == "64" else "each alone (`--max-batch 1`)",
            "{:,.0f}".format(rate), p50, p99, "%.1fx" % (rate / alone) if flag == "64" else ""))
    print()


def table_training(folder):
    """An open-loop client, idle and while every core trains, in turn."""
    state, request = os.path.join(folder, "busy"), os.path.join(folder, "request")
    seen = {"idle": [], "every core trains": []}
    with sigmad(state, CORES) as (port, _, _):
        for name in ["m"] + ["t%d" % i for i in range(len(CORES))]:
            ask(port, "PUT", "/v1/models/" + name, Body(NET if name == "m" else DEEP))
        rows = Body({"inputs": VALUES * 20, "labels": [i % 10 for i in range(64)] * 20, "epochs": 1000000,
                     "batch_size": 10, "publish": "end"})
        head = "POST /v1/models/m/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" \
               "Content-Length: %d\r\n\r\n" % len(JSON1.data)
        with open(request, "wb") as file:
            file.write(head.encode() + JSON1.data)
        for _ in range(max(ROUNDS, 3)):
            for state_name in seen:
                jobs = []
                if state_name != "idle":
                    for i in range(len(CORES)):
                        status, data = ask(port, "POST", "/v1/models/t%d/train" % i, rows)
                        if status != 202:
                            raise SystemExit("serve: train: %d %r" % (status, data))
                        jobs.append(json.loads(data)["id"])
                    time.sleep(0.5)
                said = subprocess.run(
                    [os.path.join(BUILD, "tests/bench/serve/pace"), str(port), "1000",
                     "%g" % (2 * SECONDS), "16", request], capture_output=True, text=True,
                    check=True).stdout.split()
                if said[3] != said[4]:
                    raise SystemExit("serve: of %s requests %s were answered" % (said[3], said[4]))
                seen[state_name].append([float(v) for v in said[:3]])
                for job in jobs:
                    ask(port, "DELETE", "/v1/jobs/%s" % job)
                time.sleep(0.3 if jobs else 0)
    print("| 784-30-10, JSON, open loop, 1000 requests/s | p50 us | p99 us | p99.9 us |")
    print("|-|-|-|-|")
    medians = {name: [statistics.median(column) for column in zip(*rounds)]
               for name, rounds in seen.items()}
    for name, m in medians.items():
        print("| %s | %.0f | %.0f | %.0f |" % (name, *m))
    print("\np99 while every core trains, against idle: %.2fx\n" % (
        medians["every core trains"][1] / medians["idle"][1]))


def table_start(folder):
    """A hundred stored models."""
    state = os.path.join(folder, "hundred")
    with sigmad(state, CORES, "--durability", "process") as (port, _, _):
        for i in range(100):
            ask(port, "PUT", "/v1/models/m%d" % i, Body(dict(NET, seed=i)))
    starts, memory = [], []
    for _ in range(5):
        with sigmad(state, CORES) as (_, pid, start):
            starts.append(start)
            memory.append(pss_mb(pid))
    print("Start with 100 stored models of 784-30-10: %.0f ms to the first answer; %.1f MB (PSS) "
          "then.\n" % (1e3 * statistics.median(starts), statistics.median(memory)))


def versions():
    def said(*command):
        run = subprocess.run(command, capture_output=True, text=True)
        return (run.stdout + run.stderr).strip().split("\n")[0]

    def node_version(name):
        with open(os.path.join(NODE, name, "package.json")) as file:
            return json.load(file)["version"]

    with open("/proc/cpuinfo") as file:
        cpu = re.search(r"^model name\s*: (.*)", file.read(), re.M)
    return "%s, %d cores, load %.1f at the start; %s; node %s, fastify %s, onnxruntime-node %s; %s; %s" % (
        cpu[1] if cpu else os.uname().machine, len(CORES), os.getloadavg()[0],
        said(SIGMAD, "--version"), said("node", "--version"), node_version("fastify"),
        node_version("onnxruntime-node"),
        said("/usr/bin/python3", "-c", "import sys, torch, fastapi, uvicorn; print('Python %s, "
             "PyTorch %s, FastAPI %s, uvicorn %s' % (sys.version.split()[0], torch.__version__, "
             "fastapi.__version__, uvicorn.__version__))"), said("wrk", "-v").split(" Copyright")[0])


def main():
    folder = tempfile.mkdtemp(prefix="sigmad-bench-")
    print("`make bench-serve`: %s.\n" % versions(), flush=True)
    try:
        for table in (table_predict, table_batching, table_training, table_start):
            if len(sys.argv) < 2 or table.__name__ in sys.argv[1:]:
                table(folder)
                sys.stdout.flush()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
