#!/usr/bin/python3
"""What /openapi.json says of a disk that fails or is full, and of memory that does not suffice, is so: of each route."""
import json

import harness
from faults import EIO, ENOSPC, FILES, MEMORY, Faulty
from harness import LONG, Daemon, main
from openapi import Contract

MOST = 100  # allocations of a request, each of which fails once
HURT = {"name": "hurt"}  # a model and a data set that are there, but for the request that removes them
NEW = {"putModel", "putDataset", "putFeatures", "putTargets"}


class Accidents(Faulty):
    flags = ("--max-jobs", "100000", "--keep-jobs", "100000", "--keep-versions", "1000")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.contract = Contract()
        cls.bundle = cls.other()

    @classmethod
    def other(cls):
        """What another daemon has."""
        daemon = Daemon("--state", "none")
        api = daemon.client()
        api.put("/v1/models/brought", harness.XOR)
        api.put("/v1/datasets/brought", {"inputs": [[1]], "labels": ["a"]})
        body = api.get("/v1/export").body
        api.close()
        daemon.end()
        return body

    def example(self, id, name):
        return next(value for kind, one, value in self.contract[id].examples() if one == name)

    def there(self, operation):
        """What the request is about is there, or, of what it makes, is not; the parameters that name it."""
        model, dataset = "/v1/models/hurt", "/v1/datasets/hurt"
        if operation.id == "importAll":
            for path in ("/v1/models/brought", "/v1/datasets/brought"):
                self.api.delete(path)
        elif operation.id in NEW:
            path = operation.at({"name": "new"}).replace("/features", "").replace("/targets", "")
            self.api.delete(path)
            return {"name": "new"}
        elif operation.path.startswith("/v1/datasets/"):
            if self.api.get(dataset).status == 404:
                self.ok(self.api.put(dataset, self.example("putDataset", "json")), 201)
        elif operation.path.startswith("/v1/jobs/"):
            return {"id": self.job(operation.id)}
        else:
            if self.api.get(model).status == 404:
                self.ok(self.api.put(model, self.example("putModel", "xor")), 201)
            if operation.id in ("deleteVersion", "promote") and self.api.get(model + "/versions/1").json.get("served") is not False:
                self.ok(self.api.post(model + "/learn", self.example("learn", "rows")))
        return dict(HURT, version="1")

    def job(self, id):
        """A job in the state that the request is for."""
        busy = "/v1/models/busy"
        if self.api.get(busy).status == 404:
            self.ok(self.api.put(busy, self.example("putModel", "xor")), 201)
        body = dict(self.example("train", "rows"), epochs=1 if id in ("getJob", "watchJob") else LONG)
        job = self.ok(self.api.post(busy + "/train", body), 202)["id"]
        over = id in ("getJob", "watchJob")
        self.until(lambda: self.ok(self.api.get("/v1/jobs/" + job)), lambda job: job["state"] == "succeeded" if over else job["epoch"] > 0)
        if id in ("resumeJob", "changeJob"):
            self.ok(self.api.post("/v1/jobs/%s/pause" % job, {}))
        return job

    def rid(self, params):
        """Jobs go, so that the next one is the only one."""
        if "id" in params:
            self.attempt(lambda: self.api.delete("/v1/jobs/" + params["id"]))

    def send(self, operation, params):
        kind = body = None
        if operation.id == "importAll":
            kind, body = "application/x-tar", self.bundle
        elif operation.body.get("required"):
            kind, _, body = operation.examples()[0]
            body = json.dumps(body) if kind == "application/json" else body
        return self.api.ask(operation.method, operation.at(params), body, {"Content-Type": kind} if kind else {})

    def test_disks(self):
        """Of each route that may answer so."""
        for action, status in ((ENOSPC, 507), (EIO, 500)):
            for operation in self.contract.operations:
                if 507 not in operation.responses:
                    continue
                with self.subTest(operation=operation, status=status):
                    params = self.there(operation)
                    self.page.arm(FILES, action, 1, sticky=1)
                    reply = self.attempt(lambda o=operation, p=params: self.send(o, p))
                    self.page.disarm()
                    self.rid(params)
                    self.contract.check(operation, reply)
                    self.assertEqual(reply.status, status, reply)

    def test_memory(self):
        for operation in self.contract.operations:
            with self.subTest(operation=operation):
                self.assertIn(503, self.starved(operation))

    def starved(self, operation):
        """The statuses that come when its allocations fail, one after the other."""
        seen = set()
        for n in range(1, MOST):
            params = self.there(operation)
            self.page.arm(MEMORY, EIO, n)
            reply = self.attempt(lambda p=params: self.send(operation, p))
            hits = self.page.disarm()
            self.rid(params)
            if reply is not None:
                self.contract.check(operation, reply)
                seen.add(reply.status)
            if not hits:
                break
        return seen


if __name__ == "__main__":
    main()
