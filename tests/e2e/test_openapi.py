#!/usr/bin/python3
"""The interface is as openapi.json has it: every example is sent, in every type of body, with every parameter; every answer that it
describes is had, but for those of a broken disk or an accident of timing; and each is held against its schema."""
import io
import json
import os
import re
import subprocess
import tempfile
import unittest

import jsonschema
import numpy

import npm
from harness import LONG, SLOW, WAIT, Case, Daemon, Reply, main, read_reply
from openapi import PATH, Contract, settled
from test_access import line, token_of

LINTERS = npm.Packages("openapi-lint", "@redocly/cli@1.34.5", "@stoplight/spectral-cli@6.16.3")
# Of a disk that fails, and of full memory (test_openapi_faults.py); of a daemon that goes down (test_draining.py).
ACCIDENTS = {500, 503, 507}
# What changed meanwhile: two requests have to meet.
RACES = {("train", 409), ("putDataset", 409), ("putFeatures", 409), ("putTargets", 409), ("addRows", 409)}
# Known to every upload, and of use to others only.
IDLE = {("putDataset", "shape"), ("addRows", "shape"), ("putFeatures", "target"), ("putTargets", "features")}


class Document(Case):
    flags = ("--state", "none")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.contract = Contract()

    def test_it_is_served(self):
        reply = self.api.get("/openapi.json")
        self.contract.check(self.contract["getOpenApi"], reply)
        with open(PATH, "rb") as file:
            self.assertEqual(reply.body, file.read())
        self.assertEqual(reply.json["info"]["version"], self.ok(self.api.get("/v1/server"))["version"])
        self.assertEqual(self.api.get("/openapi.json", If_None_Match=reply.headers["ETag"]).status, 304)

    def test_its_methods_are_those_allowed(self):
        for path in self.contract.document["paths"]:
            reply = self.api.ask("TRACE", re.sub(r"\{\w+\}", "1", path))
            self.problem(reply, 405, "method", "method")
            self.assertEqual(set(reply.headers["Allow"].split(", ")), self.contract.methods(path), path)

    def test_its_schemas_and_examples_are_valid(self):
        def media(content):
            for kind, entry in content.items():
                for name, example in entry.get("examples", {}).items():
                    yield kind, name, entry["schema"], self.contract.resolved(example)["value"]
                if "example" in entry:
                    yield kind, "", entry["schema"], entry["example"]

        n = 0
        for schema in self.contract.document["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(schema)
        for operation in self.contract.operations:
            for answer in (operation.body, *operation.responses.values()):
                for kind, name, schema, value in media(answer.get("content", {})):
                    self.assertIsNone(self.contract.wrong(schema, value), (operation, kind, name))
                    n += 1
            for parameter in operation.parameters:
                if "example" in parameter:
                    self.assertIsNone(self.contract.wrong(parameter["schema"], parameter["example"]), parameter)
        self.assertGreater(n, 400)

    def test_what_is_not_described_is_noticed(self):
        live = self.contract["oipLive"]
        kind = {"Content-Type": "application/json"}
        self.contract.check(live, Reply(200, kind, b'{"live": true}'))
        for status, headers, body in ((200, kind, b'{"live": true, "x": 1}'), (200, kind, b"{}"), (204, {"Content-Type": None}, b""),
                                      (200, {"Content-Type": "text/plain"}, b"live"), (200, dict(kind, ETag='"1"'), b'{"live": true}'),
                                      (400, {"Content-Type": "application/problem+json"}, b'{"status": 400}')):
            with self.assertRaises(AssertionError):
                self.contract.check(live, Reply(status, headers, body))

    @unittest.skipIf(SLOW > 1, "the document is the same in every build")
    def test_linters_find_nothing(self):
        why = LINTERS.missing()
        if why:
            self.skipTest(why)
        with tempfile.TemporaryDirectory(prefix="sigmad-test-") as folder:
            rules = os.path.join(folder, "rules.yaml")
            with open(rules, "w") as file:
                file.write('extends: ["spectral:oas"]\n')
            for command in (["redocly", "lint", "--extends", "recommended-strict", PATH],
                            ["spectral", "lint", "--fail-severity", "hint", "--ruleset", rules, PATH]):
                command[0] = os.path.join(LINTERS.modules, ".bin", command[0])
                done = subprocess.run(command, env=dict(os.environ, REDOCLY_TELEMETRY="off"), cwd=folder,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=4 * WAIT)
                self.assertEqual(done.returncode, 0, done.stdout.decode("utf-8", "replace"))


def npz(**arrays):
    file = io.BytesIO()
    numpy.savez(file, **arrays)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    numpy.save(file, array)
    return file.getvalue()


class Walk(Case):
    """One conversation. What is sent and what comes is noted, and compared with the document at its end."""

    def setUp(self):
        super().setUp()
        self.contract = Contract()
        self.sent = set()  # (operationId, content type, example's name), of bodies
        self.said = set()  # (operationId, parameter's name), of what was not refused

    def params(self, operation, **changes):
        of = {"name": "flowers" if operation.path.startswith("/v1/datasets") else "xor", "version": "1", "id": "1"}
        return dict(of, **changes)

    def send(self, id, /, status=200, body=None, kind=None, query=None, headers=None, **params):
        """The answer, which has that status and is as described. kind: the body's."""
        operation = self.contract[id]
        headers = dict(headers or {})
        if kind is not None:
            headers["Content-Type"] = kind
        reply = self.api.ask(operation.method, operation.at(self.params(operation, **params), query), body, headers)
        self.contract.check(operation, reply, body)
        self.assertEqual(reply.status, status, (operation, reply))
        if status < 400:
            self.sent.add((id, kind and kind.split(";")[0], None))
            self.said |= {(id, name) for name in (*(query or {}), *headers)}
        return reply

    def example(self, id, which, /, status=200, kind="application/json", change=None, **more):
        """Sends that example of a body, as it is, or with other values in it."""
        value = next(v for k, n, v in self.contract[id].examples() if (k, n) == (kind, which))
        value = {**value, **change} if change else value
        reply = self.send(id, status, json.dumps(value) if kind == "application/json" else value, kind, **more)
        self.sent.add((id, kind, which))
        return reply

    def first(self, operation):
        """Content type and bytes of a body that it takes."""
        if operation.id == "importAll":
            return next(iter(operation.types)), self.bundle
        kind, _, value = operation.examples()[0]
        return kind, json.dumps(value) if kind == "application/json" else value

    def test_examples_and_answers(self):
        for part in (self.models, self.uploads, self.data, self.training, self.answers, self.jobs, self.protocol, self.server,
                     self.conditions, self.conflicts, self.refusals, self.access, self.full, self.ends, self.compare):
            part()

    # ---- what is right ----

    def models(self):
        for name in ("xor", "flowers", "import"):
            self.example("putModel", name, 201, name=name)
        self.send("listModels")
        self.send("getModel")
        for kind, form in (("application/x-safetensors", "safetensors"), ("application/x-npz", "npz"), ("application/zip", "npz"),
                           ("application/onnx", "onnx"), ("application/x-onnx", "onnx"), ("application/octet-stream", "npz")):
            file = self.send("exportModel", query={"format": form}).body
            self.send("putModel", 201, file, kind, {"format": form}, name=kind[12:])
        spec = json.dumps(self.contract.document["components"]["examples"]["xor"]["value"])
        weights = npz(**{"0.weight": numpy.ones((4, 2)), "0.bias": numpy.ones(4), "1.weight": numpy.ones((1, 4)), "1.bias": numpy.ones(1)})
        self.send("putModel", 201, weights, "application/x-npz", {"spec": spec}, name="weights")
        form = b"".join(b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % part
                        for part in ((b"spec", spec.encode()), (b"weights", weights))) + b"--x--\r\n"
        self.send("putModel", 201, form, "multipart/form-data; boundary=x", name="form")
        self.send("deleteModel", 204, query={"force": "false"}, name="form")

    def uploads(self):
        of_csv = {"header": "present", "target": "label", "kind": "labels", "delimiter": ",", "missing": "mean"}
        whole = npz(x=numpy.float32([[1, 2], [3, 4]]), y=numpy.array([0, 1]))
        both = npz(x_train=numpy.float32([[1, 2], [3, 4]]), y_train=numpy.array([0, 1]), x_test=numpy.float32([[1, 2]]))
        lines = self.contract["putDataset"].types["application/jsonl"]["examples"]["jsonl"]["value"]
        for id, status in (("putDataset", 201), ("addRows", 200)):
            self.example(id, "csv", status, "text/csv", query=of_csv)
            self.example(id, "json", status, name="flowers" if status == 200 else "json")
            self.example(id, "jsonl", status, "application/jsonl", name="jsonl")
            self.send(id, status, lines, "application/x-ndjson", name="ndjson")
            self.send(id, status, whole, "application/x-npz", name="npz")
            self.send(id, status, both, "application/zip", {"features": "x_train", "target": "y_train"}, name="zip")
        self.example("putDataset", "json", 200, name="json")
        for id, array in (("putFeatures", numpy.uint8([[1, 2], [3, 4]])), ("putTargets", numpy.uint8([0, 1]))):
            chosen = {"features": "a"} if id == "putFeatures" else {"target": "a"}
            idx = bytes([0, 0, 8, array.ndim]) + numpy.array(array.shape, ">u4").tobytes() + array.tobytes()
            status = 201 if id == "putFeatures" else 200
            self.example(id, "csv", status, "text/csv", name="parts",
                         query={"header": "absent", "delimiter": ",", "missing": "refuse", "kind": "labels"})
            self.example(id, "json", name="parts")
            self.example(id, "jsonl", kind="application/jsonl", name="parts")
            self.send(id, 200, "[1, 2]\n[3, 4]\n" if array.ndim == 2 else '"a"\n"b"\n', "application/x-ndjson", name="parts")
            self.send(id, 200, npz(a=array, b=array), "application/x-npz", chosen, name="parts")
            self.send(id, 200, npz(a=array), "application/zip", name="parts")
            self.send(id, 200, idx, "application/x-idx", name="parts")
            self.send(id, 200, npy(array), "application/x-npy", name="parts")
            self.send(id, 200, array.astype("<f4").tobytes(), "application/octet-stream",
                      {"shape": ",".join(map(str, array.shape))}, name="parts")
        for id in ("putFeatures", "putTargets"):
            self.example(id, "json", 201, name="only-" + id)

    def data(self):
        self.send("listDatasets")
        self.send("getDataset")
        for id in ("getRows", "getFeatures", "getTargets"):
            self.send(id, query={"format": "csv"})
        self.send("getFeatures", headers={"Accept": "application/x-npy"})
        self.send("getTargets", headers={"Accept": "application/x-npy"}, name="parts")

    def training(self):
        wait = {"Prefer": "wait=%d" % WAIT}
        job = self.example("train", "rows", headers=dict(wait, **{"Idempotency-Key": "a-key"})).json
        self.assertEqual(job["id"], "1")
        for name, model in (("settings", "xor"), ("dataset", "flowers"), ("sweep", "flowers")):
            job = self.example("train", name, headers=wait, name=model).json
            self.assertEqual(job["state"], "succeeded", job)
        self.assertTrue(job["sweep"]["trials"])
        job = self.example("train", "rows", 202, change={"epochs": LONG}).json
        self.until(lambda: self.send("getJob", id=job["id"]).json, lambda job: job["state"] == "running")
        self.events(self.contract["watchJob"].at({"id": job["id"]}))
        self.example("putModel", "xor", 201, name="diverges", change={"cost": "mse", "layers": [{"units": 1, "activation": "linear"}]})
        failed = self.ended(self.example("train", "rows", 202, name="diverges", change={
            "inputs": [[1e3, 0], [0, 1e3]], "targets": [[1], [2]], "epochs": 1000, "batch_size": 1}).json)
        self.assertEqual(failed["state"], "failed", failed)
        self.send("getJob", id=failed["id"])
        self.running = job["id"]

    def answers(self):
        rows = numpy.float32([[0, 1], [1, 1]])
        self.example("predict", "rows", query={"version": 1})
        self.example("predict", "rows", name="import", query={"top": 1})
        for kind, body in (("application/octet-stream", rows.tobytes()), ("application/x-npy", npy(rows))):
            self.send("predict", 200, body, kind, headers={"Accept": kind})
        self.send("predict", query={"dataset": "flowers"}, headers={"Accept": "text/csv"}, name="flowers")
        learner = {"name": "zip"}  # which no job trains
        told = self.example("predict", "remember", **learner).json
        self.example("learn", "rows", headers={"Idempotency-Key": "another"}, **learner)
        self.example("learn", "prediction", change={"prediction": told["prediction"]}, **learner)
        self.example("evaluate", "dataset", name="flowers")
        self.example("evaluate", "rows", query={"version": 1})
        self.example("evaluate", "rows", change={"targets": [[1]]})
        for kind in self.contract["exportModel"].responses[200]["content"]:
            self.send("exportModel", headers={"Accept": kind})
        self.send("exportModel", query={"format": "onnx", "part": "logits", "version": 1})
        self.send("exportModel", query={"format": "c", "precision": "int8", "calibrate": "flowers"}, name="flowers")
        self.send("listVersions", **learner)
        self.send("getVersion", **learner)
        self.example("promote", "first", **learner)
        self.send("deleteVersion", 204, version="2", **learner)

    # ---- jobs ----

    def events(self, path):
        """Their data are what the document has for what they tell."""
        with self.daemon.connect() as sock:
            sock.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode())
            said = b""
            while said.count(b"data: ") < 2:
                said += sock.recv(65536)
        for event, data in re.findall(r"^event: (\w+)\ndata: (.*)\n\n", said.decode(), re.M):
            self.event(event, json.loads(data))

    def event(self, event, data):
        schema = {"epoch": "Epoch", "trial": "Trial", "end": "Job"}.get(event)
        if schema:
            self.assertIsNone(self.contract.wrong(self.contract.schema(schema), data), event)
        elif event == "state":
            self.assertTrue(self.contract.valid(self.contract.schema("JobState"), data["state"]), data)
        else:
            self.assertEqual(event, "progress")

    def jobs(self):
        for query in ({}, {"limit": 1, "after": 0}, {"state": "succeeded", "model": "xor"}):
            self.send("listJobs", query=query)
        said = self.send("watchJob", headers={"Last-Event-ID": "0"}).body.decode()
        told = re.findall(r"^event: (\w+)\ndata: (.*)$", said, re.M)
        self.assertEqual(told[-1][0], "end", said)
        for event, data in told:
            self.event(event, json.loads(data))
        self.send("watchJob", headers={"Accept": "text/plain"})
        self.send("watchJob", 204, headers={"Last-Event-ID": "end"})
        self.send("pauseJob", id=self.running)
        self.example("changeJob", "five", id=self.running)
        self.send("resumeJob", id=self.running)
        self.send("cancelJob", id=self.running)

    # ---- the protocol, the server ----

    def protocol(self):
        for id in ("oipLive", "oipReady", "oipServer", "oipStats"):
            self.send(id)
        header = "Inference-Header-Content-Length"
        for of in ("", "Version"):
            for id in ("oipModel", "oipModelReady", "oipConfig", "oipModelStats"):
                self.send(id + of)
            self.example("oipInfer" + of, "rows")
            self.example("oipInfer" + of, "classes")
            self.send("oipInfer" + of, 200, numpy.float32([0, 1]).tobytes(), "application/octet-stream", headers={header: "0"})
        self.example("oipIndex", "ready")
        self.example("oipUnload", "nothing")
        self.send("oipModelReady", 503)
        self.send("oipIndex")
        self.example("oipLoad", "nothing")
        for id in ("oipUnload", "oipLoad"):
            self.send(id)

    def server(self):
        for id in ("getServer", "getMetrics", "getOpenApi"):
            self.send(id)
        self.bundles()

    def bundles(self):
        """Into a daemon that has nothing yet, one for each type."""
        self.bundle = self.send("exportAll").body
        for kind in self.contract["importAll"].types:
            with self.another_daemon() as other:
                self.assertIn("xor", self.send("importAll", 201, self.bundle, kind).json["models"])
                self.send("importAll", 409, self.bundle, kind)
                settled(self, other)

    # ---- preconditions, refusals ----

    def conditions(self):
        """412 of all that may be changed, 304 of all that may be read, and both headers where they hold."""
        for operation in self.contract.operations:
            if 412 not in operation.responses:
                continue
            name = {"putModel": "new", "train": "xor", "learn": "zip"}.get(operation.id)
            params = {"name": name} if name else {}
            body = {}
            if operation.body:
                body["kind"], body["body"] = self.first(operation)
            if operation.id in ("getTargets", "getFeatures"):
                params["name"] = "parts"
            if operation.id == "deleteVersion":
                params["version"] = "2"  # one of a few
            self.send(operation.id, 412, headers={"If-Match": '"0-1"'}, **body, **params)
            if 304 in operation.responses:
                self.send(operation.id, 304, headers={"If-None-Match": "*"}, **params)
                self.send(operation.id, headers={"If-Match": "*", "If-None-Match": '"0-0"'}, **params)
        self.example("train", "rows", 202, headers={"If-Match": "*", "If-None-Match": '"0-0"'}, name="x-npz")
        self.hold()

    def hold(self):
        """Both headers on what changes something."""
        both = {"If-Match": "*", "If-None-Match": '"0-0"'}
        self.example("putModel", "xor", 201, name="held", headers={"If-None-Match": "*"})
        self.said.add(("putModel", "If-Match"))  # which never holds of what is not there
        self.example("learn", "rows", name="held", headers=both)
        self.example("promote", "first", name="held", headers=both)
        self.send("deleteVersion", 204, name="held", version="2", headers=both)
        self.send("deleteModel", 204, name="held", headers=both)
        for id in ("putDataset", "addRows"):
            self.example(id, "json", 200, headers=both, name="json")
        for id in ("putFeatures", "putTargets"):
            self.example(id, "json", 200, headers=both, name="parts")
        self.send("deleteDataset", 204, headers=both, name="json")

    def conflicts(self):
        job = self.example("train", "dataset", 202, change={"epochs": LONG}, name="flowers").json["id"]
        self.example("putModel", "xor", 409)
        self.send("deleteModel", 409, name="flowers")
        self.example("learn", "rows", 409, change={"targets": [[1, 0]]}, name="flowers")
        self.send("deleteVersion", 409, name="import")
        self.send("deleteDataset", 409)
        self.send("cancelJob", id=job)
        for id in ("pauseJob", "resumeJob", "cancelJob"):
            self.send(id, 409, id=job)
        self.example("changeJob", "five", 409, id=job)

    def refusals(self):
        """What any route answers to what is wrong, of each."""
        for operation in self.contract.operations:
            kind, body = self.first(operation) if operation.body.get("required") else (None, None)
            wrong = 400 if operation.path.startswith("/v2") else 422
            self.send(operation.id, wrong, body, kind, query={"nobody": "1"})
            self.send(operation.id, min(wrong, 415), "x", kind, headers={"Content-Encoding": "br"})
            if 404 in operation.responses:
                self.send(operation.id, 404, body, kind, name="nobody", id="999999")
            if 406 in operation.responses:
                self.send(operation.id, 406, body, kind, headers={"Accept": "image/png"})
            at = "%s %s HTTP/1.1\r\nHost: localhost\r\n" % (operation.method, operation.at(self.params(operation)))
            for status, head in ((400, "Content-Length: 1\r\nContent-Length: 2\r\n"), (413, "Content-Length: 99999999999999\r\n"),
                                 (431, "X: %s\r\n" % ("x" * 100000))):
                with self.daemon.connect() as sock:
                    sock.sendall((at + head + "\r\n").encode())
                    reply = described(read_reply(sock))
                self.contract.check(operation, reply)
                self.assertEqual(reply.status, status, (operation, reply))
        self.late()

    def access(self):
        """Of a daemon that knows who may ask what, and of pages elsewhere."""
        with tempfile.NamedTemporaryFile("w") as tokens:
            tokens.write("\n".join((line("all", "admin"), line("few", "read", "models=nobody"), line("once", "admin", "rate=1"))) + "\n")
            tokens.flush()
            with self.another_daemon("--tokens", tokens.name, "--state", "none"):
                known = {"Authorization": "Bearer " + token_of("all")}
                self.example("putModel", "xor", 201, headers=known)
                self.example("train", "rows", 202, headers=known)
                for operation in self.contract.operations:
                    self.stranger(operation)

    def stranger(self, operation):
        """Whoever may not ask."""
        kind, body = self.first(operation) if operation.body.get("required") else (None, None)
        self.send(operation.id, 421, body, kind, headers={"Host": "elsewhere.example"})
        if 401 in operation.responses:
            self.send(operation.id, 401, body, kind)
            reply = self.until(lambda: self.known(operation, "once", body, kind), lambda reply: reply.status == 429)
            self.contract.check(operation, reply)
        if 403 in operation.responses and operation.method == "GET":
            self.send(operation.id, 403, body, kind, headers={"Authorization": "Bearer " + token_of("few")})
        elif 403 in operation.responses:
            self.send(operation.id, 403, body, kind, headers={"Origin": "http://elsewhere.example"})

    def known(self, operation, name, body, kind):
        headers = {"Authorization": "Bearer " + token_of(name), **({"Content-Type": kind} if kind else {})}
        return self.api.ask(operation.method, operation.at(self.params(operation)), body, headers)

    def full(self):
        """A queue of one."""
        with self.another_daemon("--max-jobs", "1", "--state", "none"):
            self.example("putModel", "xor", 201)
            self.example("train", "rows", 202, change={"epochs": LONG})
            self.assertEqual(self.example("train", "rows", 429).json["type"], "urn:sigmad:problem:queue")

    def late(self):
        """All at once, of a daemon that waits a second."""
        daemon = Daemon("--request-timeout", "1", "--min-rate", "1g", "--state", "none")
        try:
            socks = []
            for operation in self.contract.operations:
                socks.append(daemon.connect())
                socks[-1].sendall(("%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n" %
                                   (operation.method, operation.at(self.params(operation)))).encode())
            for operation, sock in zip(self.contract.operations, socks, strict=True):
                with sock:
                    reply = described(read_reply(sock))
                self.contract.check(operation, reply)
                self.assertEqual(reply.status, 408, (operation, reply))
        finally:
            self.assertEqual(daemon.end(), 0, daemon.said())

    def ends(self):
        self.send("deleteModel", 204, query={"force": "true"}, headers={"If-None-Match": '"0-0"'})
        self.send("deleteDataset", 204)
        settled(self, self.daemon)

    # ---- the end of it ----

    def compare(self):
        """Nothing that the document has was left out."""
        answers, bodies, parameters = set(), set(), set()
        for operation in self.contract.operations:
            bodies |= {(operation.id, kind, name) for kind, name, _ in operation.examples()}
            bodies |= {(operation.id, kind, None) for kind in operation.types}
            parameters |= {(operation.id, p["name"]) for where in ("query", "header") for p in operation.takes(where)}
            for status, answer in operation.responses.items():
                if status not in ACCIDENTS and (operation.id, status) not in RACES:
                    answers |= {(operation.id, status, kind) for kind in answer.get("content", {None: 0})}
        self.assertEqual(answers - self.contract.seen, set())
        self.assertEqual(bodies - self.sent, set())
        self.assertEqual(parameters - self.said, IDLE)


def described(reply):
    """With headers as http.client has them."""
    headers = {name.title(): value for name, value in reply.headers.items()}
    return Reply(reply.status, {"Content-Type": None, **headers}, reply.body)


if __name__ == "__main__":
    main()
