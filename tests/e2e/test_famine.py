#!/usr/bin/python3
"""Memory fails at each allocation of each operation, in turn: no crash, a 503, nothing leaked, and
the daemon works afterwards. Runs with a library before the daemon: see tests/fault/fault.c."""
import os
import subprocess
import time

import harness
from faults import ALL_MEMORY, EIO, MEMORY, Faulty
from harness import LARGEST, SIGMAD, WAIT, XOR, XOR_ROWS, Daemon

ROWS = "a,b\n" + "".join("%d,%d\n" % (i, i % 3) for i in range(50))
FIRST = 200  # of an operation's allocations each fails; beyond that a sample does
SAMPLE = 37


def numbers():
    n = 1
    while True:
        yield n
        n += 1 if n < FIRST else SAMPLE


class Famine(Faulty):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        api = cls.daemon.client()
        api.put("/v1/models/m", XOR)
        api.put("/v1/models/named", LARGEST)
        api.put("/v1/datasets/d", ROWS, "text/csv")
        api.close()
        cls.brought = cls.bundle()

    @classmethod
    def bundle(cls):
        """What another daemon has, but for records: they cannot be removed."""
        daemon = Daemon(state="none")
        api = daemon.client()
        api.put("/v1/models/b", dict(LARGEST))
        api.post("/v1/models/b/learn", {"inputs": [[1, 2, 3]], "labels": ["cow"]})
        api.post("/v1/models/b/promote", {"version": 1})
        api.put("/v1/datasets/b", ROWS, "text/csv")
        body = api.get("/v1/export").body
        api.close()
        daemon.end()
        return body

    def forget(self, *paths):
        """Removes them; the last reply."""
        for path in paths:
            reply = self.api.delete(path)
            if reply.status not in (204, 404):
                break
        return reply

    def operations(self):
        """Name, what is asked for, what undoes it, the status it has in the end."""
        api = lambda: self.api  # noqa: E731 # it changes when a connection is lost
        m = "/v1/models/m"
        train = dict(XOR_ROWS, epochs=2, publish="end")
        wait = {"Prefer": "wait=60"}
        return (
            ("create", lambda: api().put("/v1/models/c", XOR),
             lambda: api().delete("/v1/models/c"), 201),
            ("predict", lambda: api().post(m + "/predict", {"inputs": [[0, 1]] * 3}), None, 200),
            ("labels", lambda: api().post("/v1/models/named/predict", {"inputs": [[1, 2, 3]]}),
             None, 200),
            ("learn", lambda: api().post(m + "/learn", XOR_ROWS), None, 200),
            ("train", lambda: api().ask("POST", m + "/train", train, wait), None, 200),
            ("evaluate", lambda: api().post(m + "/evaluate", XOR_ROWS), None, 200),
            ("export", lambda: api().get(m + "/export"), None, 200),
            ("bundle", lambda: api().get("/v1/export"), None, 200),
            ("import", lambda: api().put("/v1/import", self.brought, "application/x-tar"),
             lambda: self.forget("/v1/models/b", "/v1/datasets/b"), 201),
            ("promote", lambda: api().post(m + "/promote", {"version": self.served}), None, 200),
            ("upload", lambda: api().put("/v1/datasets/u", ROWS, "text/csv"),
             lambda: api().delete("/v1/datasets/u"), 201),
            ("list", lambda: api().get("/v1/models"), None, 200),
            ("jobs", lambda: api().get("/v1/jobs"), None, 200),
            ("server", lambda: api().get("/v1/server"), None, 200),
            ("metrics", lambda: api().get("/metrics"), None, 200),
        )

    def alive(self, what):
        self.assertIsNone(self.daemon.process.poll(), what + "\n" + self.daemon.said())
        self.ok(self.api.post("/v1/models/m/predict", {"inputs": [[0, 1]]}))

    def starve(self, name, ask, undo, status, scope):
        refused = 0
        for n in numbers():
            what = "%s, allocation %d" % (name, n)
            self.page.arm(scope, EIO, n)
            reply = self.attempt(ask)
            hits = self.page.disarm()
            self.alive(what)
            if reply is not None and reply.status == 200 and name == "train":
                job = reply.json  # the job may be what had no memory
                if job["state"] == "failed":
                    self.assertEqual(job["error"]["status"], 503, what)
            elif reply is not None and reply.status != status:
                self.assertEqual(reply.status, 503, "%s: %r" % (what, reply))
                refused += 1
            if undo is not None:
                self.assertIn(undo().status, (204, 404, 503), what)
            if not hits:
                self.assertIsNotNone(reply, what)
                self.assertEqual(reply.status, status, what)
                return refused
        return refused

    def test_each_operation(self):
        for name, ask, undo, status in self.operations():
            self.served = self.ok(self.api.get("/v1/models/m"))["version"]
            refused = self.starve(name, ask, undo, status, MEMORY)
            self.assertGreater(refused + (name in ("train",)), 0, name)

    def test_a_data_set_that_finds_no_place(self):
        """The table of 16 is full: of a 17th, or another generation of one, nothing stays when it is refused."""
        rows = {"inputs": [[0, 1]] * 10, "targets": [[1]] * 10}
        there = len(self.ok(self.api.get("/v1/datasets"))["datasets"])
        for i in range(there, 16):
            self.ok(self.api.put("/v1/datasets/t%d" % i, rows), 201)
        before = self.everything()
        for n in range(1, FIRST):
            for name, more in (("new", rows), ("t15", dict(rows, inputs=[[1, 1]] * 10))):
                self.page.arm(MEMORY, EIO, n)
                reply = self.attempt(lambda name=name, more=more: self.api.put("/v1/datasets/" + name, more))
                hits = self.page.disarm()
                self.assertEqual(self.metric('sigmad_quota_used_bytes{kind="datasets"}'), self.metric("sigmad_datasets_bytes"))
                if reply is not None and reply.status == 503:
                    self.assertEqual(self.everything(), before, n)
                else:  # without memory for the answer there is none
                    self.api.delete("/v1/datasets/new")
                    self.ok(self.api.put("/v1/datasets/t15", rows))
                    before = self.everything()
            if not hits:
                break
        else:
            self.fail("there is no end to it")
        self.restart()
        self.assertEqual(self.everything(), before)
        self.assertEqual(self.metric('sigmad_quota_used_bytes{kind="datasets"}'), self.metric("sigmad_datasets_bytes"))
        for i in range(there, 16):
            self.ok(self.api.delete("/v1/datasets/t%d" % i), 204)

    def test_nothing_leaks(self):
        """The second time round, blocks that are not freed are not more than what is kept longer:
        versions and jobs, and what libraries keep for the next time."""
        for name, ask, undo, status in self.operations():
            if name in ("learn", "train", "promote"):
                continue  # each makes something that stays
            self.starve(name, ask, undo, status, MEMORY)
            time.sleep(0.02)
            before = self.page.live
            self.starve(name, ask, undo, status, MEMORY)
            time.sleep(0.02)
            self.assertLess(self.page.live - before, 20, name)

    def test_libraries_too(self):
        """Allocations of libmicrohttpd, GnuTLS and libc: the connection may be lost, no more."""
        for name, ask, undo, status in self.operations():
            self.served = self.ok(self.api.get("/v1/models/m"))["version"]
            for n in [*range(1, 12), *range(12, 200, SAMPLE)]:
                self.page.arm(ALL_MEMORY, EIO, n)
                self.attempt(ask)
                hits = self.page.disarm()
                self.alive("%s, allocation %d" % (name, n))
                if undo is not None:
                    undo()
                if not hits:
                    break

    def test_start(self):
        """It starts, or says why it does not; nothing of the state is lost either way."""
        self.ok(self.api.post("/v1/models/m/learn", XOR_ROWS))
        before = self.everything()
        cls = type(self)
        self.api.close()
        self.assertEqual(cls.daemon.end(), 0)
        refused = 0
        for n in [*range(1, 80), *range(80, 2000, SAMPLE)]:
            self.page.arm(MEMORY, EIO, n)
            child = subprocess.Popen([SIGMAD, "--listen", "127.0.0.1:0", "--state", self.folder],
                                     stderr=subprocess.PIPE, env=dict(os.environ, **self.environment()))
            said = child.stderr.readline()
            while b"listening" not in said and said:
                last, said = said, child.stderr.readline()
            hits = self.page.disarm()
            if said:
                child.terminate()
                self.assertEqual(child.wait(WAIT), 0)
            else:
                refused += 1
                self.assertIn(child.wait(WAIT), (1, 2), last)
                self.assertIn(b"memory", last)
            child.stderr.close()
            if not hits:
                break
        self.assertGreater(refused, 20)
        cls.begin()
        self.api = self.daemon.client()
        self.assertEqual(self.everything(), before)
        aside = [name for path, folders, files in os.walk(self.folder) for name in folders + files
                 if name.endswith(".corrupt")]
        self.assertEqual(aside, [], "want of memory is no fault of a file")


if __name__ == "__main__":
    harness.main()
