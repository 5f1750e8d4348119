#!/usr/bin/python3
"""The queue: its order, by priority and arrival, and what runs at once."""
import signal

import harness
from harness import LONG, XOR, XOR_ROWS


class Queueing(harness.Restarting):
    """Each job is on a model of its own unless said otherwise."""

    def submit(self, name, status=202, **body):
        at = "/v1/models/" + name
        if self.api.get(at).status == 404:
            self.ok(self.api.put(at, XOR), 201)
        return self.ok(self.api.post(at + "/train", dict(XOR_ROWS, **body)), status)

    def record(self, job):
        return self.ok(self.api.get("/v1/jobs/" + job["id"]))

    def state_of(self, job):
        return self.record(job)["state"]

    def runs(self, *jobs):
        for job in jobs:
            self.until(lambda job=job: self.state_of(job), lambda state: state == "running")

    def positions(self, jobs):
        listed = {job["id"]: job for job in self.ok(self.api.get("/v1/jobs"))["jobs"]}
        said = [self.record(job).get("position") for job in jobs]
        self.assertEqual(said, [listed[job["id"]].get("position") for job in jobs])
        return said

    def started_in_order(self, jobs):
        ended = [self.ended(job) for job in jobs]
        self.assertEqual({job["state"] for job in ended}, {"succeeded"}, ended)
        return sorted(range(len(jobs)), key=lambda i: ended[i]["started"])


class OneWorker(Queueing):
    flags = ("--workers", "1")

    def queue(self, **first):
        """A job that runs, and four that wait; their places are 3, 1, 4, 2."""
        long = self.submit("long", epochs=LONG, **first)
        self.runs(long)
        return long, [self.submit("m%d" % i, epochs=200, priority=priority)
                      for i, priority in enumerate((0, 7, -100, 7))]

    def test_higher_priority_first_and_equal_ones_as_they_came(self):
        long, jobs = self.queue()
        self.assertEqual([job["priority"] for job in [long] + jobs], [0, 0, 7, -100, 7])
        self.assertEqual(self.positions([long] + jobs), [None, 3, 1, 4, 2])
        self.cancel(long)
        self.assertEqual(self.started_in_order(jobs), [1, 3, 0, 2])
        self.assertEqual(self.positions(jobs), [None] * 4)

    def test_the_order_is_kept_over_restarts(self):
        """And one that was under way is not overtaken, whatever its priority."""
        long, jobs = self.queue(priority=-100)
        for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            self.again(how)
            self.assertEqual([self.record(job)["priority"] for job in jobs], [0, 7, -100, 7])
            self.assertEqual(self.positions(jobs), [3, 1, 4, 2])
            self.runs(long)
        self.cancel(long)
        self.assertEqual(self.started_in_order(jobs), [1, 3, 0, 2])

    def test_jobs_of_one_model_go_by_priority_too(self):
        long = self.submit("m", epochs=LONG)
        self.runs(long)
        jobs = [self.submit("m", epochs=200, priority=priority) for priority in (-1, 0, 1)]
        self.assertEqual(self.positions(jobs), [3, 2, 1])
        self.cancel(long)
        self.assertEqual(self.started_in_order(jobs), [2, 1, 0])

    def test_what_no_priority_can_be(self):
        self.model(name="m")
        for wrong, why in ((101, "-100 to 100, is 101"), (-101, "-100 to 100, is -101"),
                           (1.5, "a whole number"), ("1", "a whole number"), (None, "a whole number")):
            with self.unchanged():
                self.problem(self.api.post("/v1/models/m/train", dict(XOR_ROWS, priority=wrong)),
                             422, "field", "priority", why)


class TwoWorkers(Queueing):
    flags = ("--workers", "2")

    def test_two_models_are_trained_at_once(self):
        jobs = [self.submit(name, epochs=LONG) for name in ("a", "b")]
        self.runs(*jobs)
        first = [self.record(job)["epoch"] for job in jobs]
        for job, epoch in zip(jobs, first):
            self.until(lambda job=job: self.record(job)["epoch"], lambda now, was=epoch: now > was)
        self.assertEqual([self.state_of(job) for job in jobs], ["running"] * 2)

    def test_one_model_leaves_a_worker_to_others(self):
        """Jobs that wait for their model hold up nobody who does not, even of lower priority."""
        first = self.submit("a", epochs=LONG)
        waits = [self.submit("a", epochs=LONG, priority=50) for _ in range(3)]
        other = self.submit("b", epochs=LONG, priority=-50)
        self.runs(first, other)
        self.assertEqual(self.positions(waits), [1, 2, 3])

    def test_a_free_worker_takes_the_highest(self):
        running = [self.submit(name, epochs=LONG) for name in ("a", "b")]
        self.runs(*running)
        low, high = self.submit("c", epochs=LONG), self.submit("d", epochs=LONG, priority=1)
        self.assertEqual(self.positions([low, high]), [2, 1])
        self.cancel(running[0])
        self.runs(high)
        self.assertEqual(self.positions([low, high]), [1, None])
        self.cancel(running[1])
        self.runs(low)


if __name__ == "__main__":
    harness.main()
