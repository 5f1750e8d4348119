#!/usr/bin/python3
"""As test_fault, for what clients change of a job: pause, resume, priority."""
import unittest

import harness
import test_fault
from faults import DIE, DIE_TORN, EIO, ENOSPC, FILES
from harness import XOR_ROWS


class Paused(test_fault.Operation):
    """A job is paused amid training. Those of one daemon must not keep its workers from each other."""

    def prepare(self):
        super().prepare()
        body = dict(XOR_ROWS, epochs=harness.LONG, publish="end")
        self.jobs = [self.case.ok(self.api().post(self.at + "/train", body), 202) for _ in range(2)]
        self.case.until(lambda: self.record(0)["state"], lambda state: state == "running")

    def record(self, i):
        return self.case.ok(self.api().get("/v1/jobs/" + self.jobs[i]["id"]))

    def change(self, i, verb):
        return self.api().post("/v1/jobs/%s/%s" % (self.jobs[i]["id"], verb))

    def ask(self):
        return self.change(0, "pause")

    def seen(self):
        return (self.record(0)["state"] == "paused",)

    def leave(self):
        for job in reversed(self.jobs):
            self.case.cancel(job)
            self.case.ended(job)


class Resumed(Paused):
    """One that waited, and waits again."""

    def prepare(self):
        super().prepare()
        for i in (0, 1):
            self.case.ok(self.change(i, "pause"))

    def ask(self):
        return self.change(1, "resume")

    def seen(self):
        return (self.record(1)["state"],)


class Preferred(Paused):
    """One that waits."""

    def prepare(self):
        super().prepare()
        self.case.ok(self.change(0, "pause"))

    def ask(self):
        return self.api().ask("PATCH", "/v1/jobs/" + self.jobs[1]["id"], {"priority": 7})

    def seen(self):
        return (self.record(1)["priority"],)


class Cancelled(Paused):
    """One that runs."""

    which = 0

    def ask(self):
        return self.api().delete("/v1/jobs/" + self.jobs[self.which]["id"])

    def seen(self):
        return (self.record(self.which)["state"] == "cancelled",)

    def leave(self):
        for job in reversed(self.jobs):
            if self.case.ended_or_cancelled(job):
                self.case.ended(job)


class CancelledWaiting(Cancelled):
    """One that waits."""

    which = 1


OPERATIONS = (Paused, Resumed, Preferred)


class Changes(test_fault.Faults):
    def ended_or_cancelled(self, job):
        return self.api.delete("/v1/jobs/" + job["id"]).status in (200, 409)

    def test_killed(self):
        for kind in (*OPERATIONS, Cancelled, CancelledWaiting):
            for _ in self.killed(kind, DIE):
                pass

    def test_killed_amid_a_write(self):
        for _ in self.killed(Paused, DIE_TORN):
            pass

    def test_eio(self):
        for kind in OPERATIONS:
            self.failed(kind, EIO)

    def test_enospc(self):
        self.failed(Paused, ENOSPC)

    def test_a_disk_that_fails_for_long(self):
        """What is asked of it is refused, and the job goes on."""
        operation = Paused(self, "/v1/models/long")
        operation.prepare()
        for action, status, kind in ((EIO, 500, "io"), (ENOSPC, 507, "full")):
            self.page.arm(FILES, action, 1, sticky=1)
            for _ in range(3):
                for i in (0, 1):
                    self.problem(operation.change(i, "pause"), status, kind)
                self.problem(self.api.ask("PATCH", "/v1/jobs/" + operation.jobs[1]["id"], {"priority": 1}),
                             status, kind)
                first, second = (operation.record(i) for i in (0, 1))
                self.assertEqual((first["state"], second["state"], second["priority"]), ("running", "queued", 0))
            self.page.disarm()
            self.until(lambda was=first: operation.record(0)["epoch"], lambda now, was=first: now > was["epoch"])
        self.assertIn(operation.ask().status, operation.done)
        self.page.arm(FILES, EIO, 1, sticky=1)
        self.problem(operation.change(0, "resume"), 500, "io")
        self.page.disarm()
        self.restart()
        self.assertEqual(operation.record(0)["state"], "paused")
        operation.leave()

    def test_a_cancel_that_is_not_on_disk(self):
        """Who cancels is told so, again too: after a crash the job would go on."""
        for kind in (Cancelled, CancelledWaiting):
            operation = kind(self, "/v1/models/" + kind.__name__)
            operation.prepare()
            self.page.arm(FILES, ENOSPC, 1, sticky=1)
            self.problem(operation.ask(), 507, "full")
            self.assertEqual(operation.seen(), (True,))
            self.problem(operation.ask(), 500, "io", "id")
            self.restart()
            self.assertEqual(operation.seen(), (False,))
            self.until(lambda op=operation: op.record(0)["epoch"], bool)
            self.page.arm(FILES, EIO, 1, sticky=1)
            self.problem(operation.ask(), 500, "io")
            self.page.disarm()
            self.until(operation.ask, lambda reply: reply.status == 409)  # the end has been written since
            self.restart()
            self.assertEqual(operation.seen(), (True,))
            operation.leave()

    def test_a_cancel_that_is_not_on_disk_is_not_pruned(self):
        """The oldest of more records than are kept, until its end is written."""
        self.restart()
        cls = type(self)
        self.assertEqual(cls.daemon.end(9), -9)
        self.api.close()
        cls.daemon = harness.Daemon(*self.flags, "--keep-jobs", "2", state=self.folder, env=self.environment())
        self.api = cls.daemon.client()
        for name in ("oldest", "others"):
            self.ok(self.api.put("/v1/models/" + name, harness.XOR), 201)
        at = "/v1/jobs/" + self.ok(self.api.post("/v1/models/oldest/train", dict(XOR_ROWS, epochs=harness.LONG)), 202)["id"]
        self.until(lambda: self.ok(self.api.get(at))["epoch"], bool)
        for _ in range(3):
            self.train("/v1/models/others", **XOR_ROWS, epochs=1)
        self.page.arm(FILES, EIO, 1, sticky=1)
        self.problem(self.api.delete(at), 500, "io")
        self.problem(self.api.delete(at), 500, "io", "id")
        self.page.disarm()
        self.until(lambda: self.api.delete(at).status, lambda status: status == 409)
        self.restart()
        self.assertEqual(self.ok(self.api.get(at))["state"], "cancelled")

    def test_the_loop_thread_never_waits_for_the_disk(self):
        self.page.set(main_calls=0)
        for kind in OPERATIONS:
            operation = kind(self, "/v1/models/thread-" + kind.__name__)
            operation.prepare()
            self.assertIn(operation.ask().status, operation.done)
            operation.leave()
        self.assertEqual(self.page.main_calls, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
