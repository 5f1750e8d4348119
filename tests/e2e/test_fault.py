#!/usr/bin/python3
"""Every call with which something is saved fails once, or is the last one of the process: what was
acknowledged is there afterwards, the rest is as before or as it would have been, nothing is torn."""
import os
import signal
import subprocess
import time
import unittest

import harness
from faults import (DIE, DIE_TORN, EINTR, EIO, ENOSPC, FILES, NAMES, SHORT, Faulty)
from harness import XOR, XOR_ROWS

ROWS = "a,b\n" + "".join("%d,%d\n" % (i, i % 3) for i in range(200))


class Operation:
    """One thing to be saved. prepare makes what it needs, ask does it; seen is what is there of it,
    which must be before or after."""

    def __init__(self, case, at):
        self.case, self.api, self.at = case, lambda: case.api, at
        self.name = at.rsplit("/", 1)[1]

    def prepare(self):
        self.case.ok(self.api().put(self.at, XOR), 201)

    def seen(self):
        reply = self.api().get(self.at)
        if reply.status == 404:
            return None
        model = self.case.ok(reply)
        self.case.ok(self.api().post(self.at + "/predict", {"inputs": [[0.5, 1]]}))
        return model["version"], model["digest"]

    def leave(self):
        """What would go on for ever does not."""

    done = (200, 201, 202, 204)
    keyed = False  # a retry is answered as the first was


class Create(Operation):
    def prepare(self):
        pass

    def ask(self):
        return self.api().put(self.at, XOR)


class Learn(Operation):
    """Begins a log."""

    def ask(self):
        return self.api().post(self.at + "/learn", XOR_ROWS)


class LearnMore(Learn):
    """Appends to one."""

    def prepare(self):
        super().prepare()
        self.case.ok(self.ask())


class LearnWhole(Learn):
    """Is written whole, for the labels it brings."""

    spec = {"inputs": 2, "layers": [{"units": 2, "activation": "softmax"}], "cost": "log_likelihood"}

    def prepare(self):
        self.case.ok(self.api().put(self.at, self.spec), 201)

    def ask(self):
        return self.api().post(self.at + "/learn", {"inputs": [[0, 1], [1, 0]], "labels": ["a", "b"]})


class LearnKeyed(Learn):
    keyed = True

    def prepare(self):
        super().prepare()
        self.case.ok(super().ask())

    def ask(self):
        return self.api().ask("POST", self.at + "/learn", XOR_ROWS, {"Idempotency-Key": self.name})


class LearnKeyedWhole(LearnWhole):
    keyed = True

    def ask(self):
        return self.api().ask("POST", self.at + "/learn", {"inputs": [[0, 1], [1, 0]], "labels": ["a", "b"]},
                              {"Idempotency-Key": self.name})


class Forget(Operation):
    """The version of a keyed call is deleted, its log with it; the key is not."""

    def learn(self):
        return self.api().ask("POST", self.at + "/learn", XOR_ROWS, {"Idempotency-Key": "k"})

    def prepare(self):
        super().prepare()
        self.said = self.case.ok(self.learn())
        self.case.ok(self.api().post(self.at + "/promote", {"version": 1}))

    def ask(self):
        return self.api().delete(self.at + "/versions/2")

    def seen(self):
        self.case.assertEqual(self.case.ok(self.learn()), self.said)
        listed = self.case.ok(self.api().get(self.at + "/versions"))["versions"]
        return [version["version"] for version in listed], super().seen()


class Promote(Operation):
    def prepare(self):
        super().prepare()
        for _ in range(3):
            self.case.ok(self.api().post(self.at + "/learn", XOR_ROWS))

    def ask(self):
        return self.api().post(self.at + "/promote", {"version": 3})


class Delete(Operation):
    def prepare(self):
        super().prepare()
        self.case.ok(self.api().post(self.at + "/learn", XOR_ROWS))

    def ask(self):
        return self.api().delete(self.at)


class Train(Operation):
    """From its record to its end; retried, with a key, by a client that has got no answer."""

    keyed = True

    def ask(self):
        reply = self.api().ask("POST", self.at + "/train", dict(XOR_ROWS, epochs=3, publish="end"),
                               {"Idempotency-Key": self.name, "Prefer": "wait=60"})
        self.state = reply.json.get("state")
        if self.state == "failed":  # to the client that is the same
            reply.status = reply.json["error"]["status"]
            reply.headers.replace_header("Content-Type", "application/problem+json")
            reply.body = harness.json.dumps(reply.json["error"]).encode()
        return reply

    def seen(self):
        for job in self.case.ok(self.api().get("/v1/jobs"))["jobs"]:
            if job["model"] == self.name:
                self.case.ended(job)
        return super().seen()


class Upload(Operation):
    def __init__(self, case, at):
        super().__init__(case, at.replace("models", "datasets"))

    def prepare(self):
        pass

    def ask(self):
        return self.api().put(self.at, ROWS, "text/csv")

    def seen(self):
        reply = self.api().get(self.at)
        return None if reply.status == 404 else self.case.ok(reply)["digest"]


class Replace(Upload):
    def prepare(self):
        self.case.ok(self.api().put(self.at, "a,b\n1,2\n", "text/csv"), 201)


class Discard(Upload):
    def prepare(self):
        self.case.ok(self.api().put(self.at, "a,b\n1,2\n", "text/csv"), 201)

    def ask(self):
        return self.api().delete(self.at)


OPERATIONS = (Create, Learn, LearnMore, LearnWhole, LearnKeyed, LearnKeyedWhole, Forget, Promote, Delete, Train, Upload, Replace, Discard)


class Faults(Faulty):
    """What is done with an operation."""

    flags = ("--checkpoint-seconds", "1")

    def operations(self, kind, action):
        """One a round, each with the next call failing, until none is met."""
        expected = kind(self, "/v1/models/%s-%d" % (kind.__name__, action))
        expected.prepare()
        self.before = expected.seen()
        self.assertIn(expected.ask().status, Operation.done)
        self.after = expected.seen()
        for n in range(1, 200):
            operation = kind(self, "/v1/models/%s-%d-%d" % (kind.__name__, action, n))
            operation.prepare()
            time.sleep(0.002)  # what is removed by the way is gone
            self.page.arm(FILES, action, n)
            reply = self.attempt(operation.ask)
            yield n, operation, reply
            if not self.hits:
                self.assertGreater(n, 2, "there was something to fail")
                return
        self.fail("there is no end to it")

    def clean(self):
        server = self.ok(self.api.get("/v1/server"))
        self.assertEqual(server["corrupt"] + server["newer"], [], self.daemon.said())

    def killed(self, kind, action):
        for n, operation, reply in self.operations(kind, action):
            what = "%s, %s at call %d" % (kind.__name__, NAMES[action], n)
            self.hits = self.page.hits
            self.restart(signal.SIGKILL)
            self.clean()
            self.assertEqual(os.listdir(self.folder + "/tmp"), [], what)
            seen = operation.seen()
            if reply is not None:
                self.assertIn(reply.status, Operation.done, what)
                self.assertEqual(seen, self.after, what)
            elif kind.keyed:
                self.assertIn(seen, (self.before, self.after), what)
                self.assertIn(operation.ask().status, Operation.done, what)
                self.assertEqual(operation.seen(), self.after, what)
            else:
                self.assertIn(seen, (self.before, self.after), what)
            operation.leave()
            yield operation

    def failed(self, kind, action):
        kept = []
        for n, operation, reply in self.operations(kind, action):
            what = "%s, %s at call %d" % (kind.__name__, NAMES[action], n)
            self.hits = self.page.disarm()
            self.assertIsNotNone(reply, what)
            seen = operation.seen()
            if reply.status in Operation.done:
                self.assertEqual(seen, self.after, what)
            else:
                full = action == ENOSPC
                self.problem(reply, 507 if full else 500, "full" if full else "io")
                self.assertEqual(seen, self.before, what)
                if kind is not Train:  # the daemon has recovered
                    self.assertIn(operation.ask().status, Operation.done, what)
                    # one more version number may have been given
                    seen = operation.seen()
                    self.assertEqual(seen and seen[-1], self.after and self.after[-1], what)
            kept.append((operation, seen, what))
        time.sleep(0.05)
        self.restart(signal.SIGKILL)
        self.clean()
        for operation, seen, what in kept:
            self.assertEqual(operation.seen(), seen, what)
        for operation, seen, what in kept:
            operation.leave()


class Fault(Faults):
    def test_killed(self):
        for kind in OPERATIONS:
            for _ in self.killed(kind, DIE):
                pass

    def test_killed_amid_a_write(self):
        for kind in (Create, Learn, LearnMore, Promote, Upload):
            for _ in self.killed(kind, DIE_TORN):
                pass

    def test_killed_while_it_starts(self):
        """Starting repairs; being killed at that does no harm."""
        at = "/v1/models/starts"
        self.ok(self.api.put(at, XOR), 201)
        for _ in range(3):
            version = self.ok(self.api.post(at + "/learn", XOR_ROWS))["version"]
        digest = self.ok(self.api.get(at))["digest"]
        cls = type(self)
        for n in range(1, 100):
            cls.daemon.end(signal.SIGKILL)
            (log,) = [os.path.join(path, name) for path, _, names in os.walk(self.folder)
                      for name in names if name.startswith("learn-") and "starts@" in path]
            with open(log, "ab") as file:
                file.write(b"SGL1\0")  # an entry that has been cut
            open(self.folder + "/tmp/left", "w").close()
            hits = self.start_that_meets(DIE, n)
            self.clean()
            self.assertEqual(self.ok(self.api.get(at))["version"], version)
            self.assertEqual(self.ok(self.api.get(at))["digest"], digest)
            if not hits:
                self.assertGreater(n, 2)
                return
        self.fail("there is no end to it")

    def test_eio(self):
        for kind in OPERATIONS:
            self.failed(kind, EIO)

    def test_enospc(self):
        for kind in (Create, LearnMore, LearnWhole, Promote, Train, Upload):
            self.failed(kind, ENOSPC)

    def test_eintr(self):
        for kind in (Create, Learn, Promote, Upload):
            self.failed(kind, EINTR)

    def test_short_writes_change_nothing(self):
        for kind in (Create, Learn, LearnMore, LearnWhole, Promote, Upload):
            for n, operation, reply in self.operations(kind, SHORT):
                self.hits = self.page.disarm()
                self.assertIn(reply.status, Operation.done)
                self.assertEqual(operation.seen(), self.after, "%s %d" % (kind.__name__, n))

    def test_a_disk_that_fails_for_long(self):
        """Whatever is asked of it is refused, what there is is served, and it recovers."""
        at = "/v1/models/long"
        self.ok(self.api.put(at, XOR), 201)
        for action, status, kind in ((EIO, 500, "io"), (ENOSPC, 507, "full")):
            self.ok(self.api.post(at + "/learn", XOR_ROWS))
            before = self.ok(self.api.get(at))
            self.page.arm(FILES, action, 1, sticky=1)
            for _ in range(3):
                self.problem(self.api.put("/v1/models/refused", XOR), status, kind)
                self.problem(self.api.post(at + "/learn", XOR_ROWS), status, kind)
                self.problem(self.api.post(at + "/promote", {"version": 1}), status, kind)
                self.problem(self.api.delete(at), status, kind)
                self.problem(self.api.put("/v1/datasets/refused", ROWS, "text/csv"), status, kind)
                self.problem(self.api.post(at + "/train", XOR_ROWS), status, kind)
                self.assertEqual(self.ok(self.api.get(at)), before)
            self.page.disarm()
            self.ok(self.api.post(at + "/learn", XOR_ROWS))
        before = self.everything()
        self.restart()
        self.clean()
        self.assertEqual(self.everything(), before)

    def test_a_job_whose_end_could_not_be_written(self):
        """It has ended for those who ask, and is written when the disk is well again."""
        at = "/v1/models/ends"
        self.ok(self.api.put(at, XOR), 201)
        job = self.ok(self.api.post(at + "/train", dict(XOR_ROWS, epochs=harness.LONG,
                                                        publish="end")), 202)
        self.until(lambda: self.ok(self.api.get("/v1/jobs/" + job["id"])),
                   lambda job: job["epoch"] > 0)
        self.page.arm(FILES, ENOSPC, 1, sticky=1)
        self.problem(self.api.delete("/v1/jobs/" + job["id"]), 507, "full")
        self.assertEqual(self.ended(job)["state"], "cancelled")
        self.page.disarm()
        path = "%s/jobs/%s/job.json" % (self.folder, job["id"])
        self.until(lambda: harness.read_text(path), lambda text: '"cancelled"' in text)
        self.restart()
        self.assertEqual(self.ok(self.api.get("/v1/jobs/" + job["id"]))["state"], "cancelled")

    def test_the_loop_thread_never_waits_for_the_disk(self):
        """Nothing that changes a file is called on it after the start."""
        self.restart(signal.SIGTERM)
        self.page.set(main_calls=0)
        for kind in OPERATIONS:
            operation = kind(self, "/v1/models/thread-" + kind.__name__)
            operation.prepare()
            self.assertIn(operation.ask().status, Operation.done)
        self.problem(self.api.put("/v1/datasets/wrong", "a,b\n1,x\n1\n", "text/csv"), 400, "syntax")
        at = "/v1/models/thread-Create"
        job = self.ok(self.api.post(at + "/train", dict(XOR_ROWS, epochs=harness.LONG,
                                                        publish_seconds=0)), 202)
        self.until(lambda: self.ok(self.api.get(at)), lambda model: model["version"] > 20)
        self.cancel(job)
        self.ended(job)
        self.assertEqual(self.page.main_calls, 0)


class Full(harness.Case):
    """A small disk that is really full."""

    @classmethod
    def setUpClass(cls):
        cls.folder = harness.tempfile.mkdtemp(prefix="sigmad-test-")
        mount = ["unshare", "-m", "sh", "-c",
                 'mount -t tmpfs -o size=400k none "$0" && exec "$@"', cls.folder]
        if subprocess.run([*mount, "true"], capture_output=True).returncode != 0:
            os.rmdir(cls.folder)
            raise unittest.SkipTest("no mount namespace may be made here")
        cls.daemon = harness.Daemon(state=cls.folder, before=mount)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        os.rmdir(cls.folder)

    def test_full(self):
        at = self.model()
        made = []
        for i in range(1000):
            name = "/v1/models/m%d" % i
            reply = self.api.put(name, {"inputs": 100, "layers": [{"units": 50, "activation": "tanh"}],
                                        "cost": "mse"})
            if reply.status != 201:
                break
            made.append(name)
        self.assertGreater(len(made), 5)
        self.problem(reply, 507, "full", "disk")
        while self.api.post(at + "/learn", XOR_ROWS).status == 200:
            self.assertLess(self.ok(self.api.get(at))["version"], 5000)
        before = self.everything()
        self.problem(self.api.post(at + "/learn", XOR_ROWS), 507, "full")
        self.problem(self.api.put("/v1/datasets/d", ROWS * 100, "text/csv"), 507, "full")
        self.problem(self.api.post(at + "/train", XOR_ROWS), 507, "full")
        self.assertEqual(self.everything(), before)
        self.ok(self.api.post(at + "/predict", {"inputs": [[0, 1]]}))
        for name in made[:3]:  # to delete takes no room
            self.ok(self.api.delete(name), 204)
        self.ok(self.api.post(at + "/learn", XOR_ROWS))
        self.train(at, **XOR_ROWS)


if __name__ == "__main__":
    harness.main()
