#!/usr/bin/python3
"""Jobs that are paused and go on: their states, what waits meanwhile, and that their bits are the same."""
import glob
import http.client
import os
import signal
import time
import unittest

import harness
from faults import sanitized
from harness import DIGITS, LONG, SLOW, XOR_ROWS, digits, in_threads
from test_events import events_of, listening
from test_queue import Queueing

BOTH = (signal.SIGTERM, signal.SIGKILL)


class Pausing(Queueing):
    def change(self, job, verb, status=200):
        return self.ok(self.api.post("/v1/jobs/%s/%s" % (job["id"], verb)), status)

    def pause(self, job):
        said = self.change(job, "pause")
        self.assertEqual(said["state"], "paused", said)
        self.assertNotIn("position", said)
        return said

    def resume(self, job):
        said = self.change(job, "resume")
        self.assertIn(said["state"], ("queued", "running"), said)
        return said

    def priority(self, job, priority):
        said = self.ok(self.api.ask("PATCH", "/v1/jobs/" + job["id"], {"priority": priority}))
        self.assertEqual(said["priority"], priority)
        return said

    def running(self, name="m", **body):
        job = self.submit(name, **dict(dict(epochs=LONG), **body))
        self.runs(job)
        return job


class Pause(Pausing):
    flags = ("--workers", "1")

    def test_a_running_job_stops_where_it_is_and_goes_on(self):
        job = self.running()
        self.until(lambda: self.record(job)["epoch"], lambda epoch: epoch > 0)
        paused = self.pause(job)
        time.sleep(0.2)
        self.assertEqual(self.record(job), paused)
        self.assertEqual(self.pause(job), paused)  # once more is no error, and changes nothing
        self.resume(job)
        self.runs(job)
        self.until(lambda: self.record(job)["epoch"], lambda epoch: epoch > paused["epoch"])
        self.assertEqual(self.resume(job)["state"], "running")
        self.assertEqual(self.record(job)["started"], paused["started"])

    def test_it_gives_up_its_worker_and_keeps_its_model(self):
        job = self.running()
        same, other = self.submit("m", epochs=2), self.submit("o", epochs=2)
        self.pause(job)
        self.assertEqual(self.ended(other)["state"], "succeeded")
        self.assertEqual(self.state_of(same), "queued")
        self.assertEqual(self.ok(self.api.get("/v1/models/m"))["job"], job["id"])
        self.problem(self.api.post("/v1/models/m/learn", XOR_ROWS), 409, "busy", "name", job["id"])
        self.assertEqual(self.positions([job, same]), [None, 1])
        self.cancel(job)
        self.assertEqual(self.ended(same)["state"], "succeeded")

    def test_a_queued_job_is_held(self):
        """And holds up nobody: it has not begun."""
        job = self.running("o")
        first, second = self.submit("m", epochs=2), self.submit("m", epochs=2)
        self.assertEqual(self.positions([first, second]), [1, 2])
        self.pause(first)
        self.assertEqual(self.positions([first, second]), [None, 1])
        self.cancel(job)
        self.assertEqual(self.ended(second)["state"], "succeeded")
        self.assertEqual(self.state_of(first), "paused")
        self.assertIsNone(self.ok(self.api.get("/v1/models/m"))["job"])
        self.assertGreater(self.ok(self.api.post("/v1/models/m/learn", XOR_ROWS))["version"], 1)
        self.resume(first)
        self.assertEqual(self.ended(first)["state"], "succeeded")

    def test_it_takes_its_place_again(self):
        job = self.running("o")
        jobs = [self.submit("m%d" % i, epochs=200) for i in range(3)]
        for one in jobs:
            self.pause(one)
        for one in reversed(jobs):
            self.resume(one)
        self.assertEqual(self.positions(jobs), [1, 2, 3])
        self.priority(jobs[2], 1)
        self.pause(jobs[0])
        self.priority(jobs[0], 2)
        self.resume(jobs[0])
        self.assertEqual(self.positions(jobs), [1, 3, 2])
        self.cancel(job)
        self.assertEqual(self.started_in_order(jobs), [0, 2, 1])

    def test_it_is_cancelled(self):
        begun, held = self.running(), self.submit("m", epochs=LONG)
        for job in (held, begun):
            self.pause(job)
        for job in (begun, held):
            said = self.ok(self.api.delete("/v1/jobs/" + job["id"]))
            self.assertEqual(said["state"], "cancelled")
        self.assertIsNone(self.ok(self.api.get("/v1/models/m"))["job"])
        self.assertEqual(self.ended(self.submit("m"))["state"], "succeeded")
        self.until(lambda: [path for path in glob.glob(self.state + "/jobs/*/*") if not path.endswith(".json")],
                   lambda left: left == [])

    def test_its_model_is_not_deleted_but_by_force(self):
        begun, held = self.running(), self.submit("h", epochs=LONG)
        for job in (held, begun):
            self.pause(job)
        for job, name in ((begun, "m"), (held, "h")):
            at = "/v1/models/" + name
            self.problem(self.api.delete(at), 409, "busy", "name", job["id"])
            self.ok(self.api.delete(at + "?force=true"), 204)
            self.assertEqual(self.ended(job)["state"], "cancelled")
        self.assertEqual(self.ended(self.submit("m"))["state"], "succeeded")

    def test_what_it_reads_stays(self):
        self.ok(self.api.put("/v1/datasets/d", dict(XOR_ROWS)), 201)
        self.model(name="m")
        job = self.ok(self.api.post("/v1/models/m/train", {"dataset": "d", "epochs": LONG, "publish": "end"}), 202)
        self.runs(job)
        self.pause(job)
        self.problem(self.api.delete("/v1/datasets/d"), 409, "busy", "name", job["id"])

    def test_the_version_it_began_with_stays(self):
        job = self.running(publish="end", promote=False)
        self.pause(job)
        self.problem(self.api.delete("/v1/models/m/versions/1"), 409, "busy")

    def test_what_cannot_be_changed(self):
        done = self.ended(self.submit("m"))
        cancelled = self.submit("m", epochs=LONG)
        self.cancel(cancelled)
        with self.unchanged():
            for job, state in ((done, "succeeded"), (cancelled, "cancelled")):
                at = "/v1/jobs/" + job["id"]
                for verb in ("pause", "resume"):
                    self.problem(self.api.post(at + "/" + verb), 409, "busy", "id", "has ended: it is " + state)
                self.problem(self.api.ask("PATCH", at, {"priority": 1}), 409, "busy", "id", "has ended")
        runs = self.running()
        at = "/v1/jobs/" + runs["id"]
        self.problem(self.api.ask("PATCH", at, {"priority": 1}), 409, "busy", "id", "is running")
        for wrong, field, why in (
                ({"priority": 101}, "priority", "must be -100 to 100, is 101"),
                ({"priority": -101}, "priority", "must be -100 to 100, is -101"),
                ({"priority": "1"}, "priority", "must be a whole number"), ({}, "priority", "is missing"),
                ({"priority": 1, "state": "paused"}, "state", "its field is priority")):
            self.problem(self.api.ask("PATCH", at, wrong), 422, "field", field, why)
        self.problem(self.api.ask("PATCH", at, "{"), 400, "syntax", "body")
        self.problem(self.api.ask("PATCH", at), 400, "syntax", "body")
        self.problem(self.api.ask("PATCH", at, {"priority": 1}, {"Content-Type": "text/plain"}), 415, "type")
        for path in ("/v1/jobs/999", "/v1/jobs/x"):
            self.problem(self.api.post(path + "/pause"), 404, "not-found", "id")
            self.problem(self.api.post(path + "/resume"), 404, "not-found", "id")
            self.problem(self.api.ask("PATCH", path, {"priority": 1}), 404, "not-found", "id")
        for verb in ("pause", "resume"):
            self.problem(self.api.get(at + "/" + verb), 405, "method", None, "POST")
            self.problem(self.api.post(at + "/" + verb + "?now=true"), 422, "field", "query")
        self.assertEqual(self.record(runs)["priority"], 0)

    def test_paused_jobs_are_counted(self):
        jobs = [self.running("a"), self.submit("b", epochs=LONG)]
        for job in jobs:
            self.pause(job)
        listed = self.ok(self.api.get("/v1/jobs?state=paused"))["jobs"]
        self.assertEqual([job["id"] for job in listed], [job["id"] for job in jobs])
        self.assertIn('sigmad_jobs{state="paused"} 2\n', self.api.get("/metrics").body.decode())
        self.again(signal.SIGKILL, "--max-jobs", "2")
        self.problem(self.api.post("/v1/models/a/train", XOR_ROWS), 429, "queue", "jobs")

    def test_a_client_that_waits_for_the_end_goes_on_waiting(self):
        job = self.running()
        self.pause(job)
        self.model(name="n")
        begun = time.monotonic()
        held = self.submit("m", epochs=2)
        self.pause(held)
        key = {"Idempotency-Key": "k", "Prefer": "wait=0.5"}
        reply = self.api.ask("POST", "/v1/models/m/train", dict(XOR_ROWS, epochs=3), key)
        self.assertEqual(self.ok(reply, 202)["state"], "queued")
        self.pause(reply.json)
        again = self.api.ask("POST", "/v1/models/m/train", dict(XOR_ROWS, epochs=3), key)
        self.assertEqual(self.ok(again, 202)["state"], "paused")
        self.assertGreaterEqual(time.monotonic() - begun, 1.0)
        self.assertEqual(again.json["id"], reply.json["id"])

    def test_paused_time_is_not_training(self):
        job = self.running(max_seconds=2 * SLOW)
        self.pause(job)
        time.sleep(2.2 * SLOW)
        self.assertEqual(self.state_of(job), "paused")
        self.resume(job)
        ended = self.ended(job)
        self.assertEqual(ended["state"], "succeeded", ended)
        self.assertLess(sum(epoch["seconds"] for epoch in ended["history"]), 2.5 * SLOW)
        held = self.submit("m", epochs=LONG, max_seconds=0.3 * SLOW)
        for _ in range(3):
            self.pause(held)
            self.resume(held)
        self.assertEqual(self.ended(held)["state"], "succeeded")

    def test_it_is_told_to_who_listens(self):
        job = self.running()
        with listening(self.daemon.port, "/v1/jobs/%s/events" % job["id"]) as reply, \
                listening(self.daemon.port, "/v1/jobs/%s/events" % job["id"], Accept="text/plain") as lines:
            events = (event["data"]["state"] for event in events_of(reply) if event["event"] in ("state", "end"))
            self.assertEqual(next(events), "running")
            for _ in range(2):
                self.pause(job)
                self.assertEqual(next(events), "paused")
                time.sleep(0.3)
                self.resume(job)
                seen = next(events)
                self.assertEqual(next(events) if seen == "queued" else seen, "running")
            time.sleep(0.3)
            self.cancel(job)
            self.assertEqual(list(events), ["cancelled"] * 2)
            told = [line.rsplit("\r", 1)[-1].rstrip() for line in lines.read().decode().split("\n")]
        told = [line for line in told if line.startswith("job ") and "queued" not in line]
        name = "job %s " % job["id"]
        # a listener is told how things stand when it can be: two pauses that lie close may be one to it
        self.assertIn(told[:-1], ([name + "is paused", name + "goes on"] * n for n in (1, 2)))
        self.assertTrue(told[-1].startswith(name + "has been cancelled"), told)

    def test_many_change_one_job_at_once(self):
        job = self.running()

        def work(i):
            api = self.daemon.client()
            for n in range(20):
                verb = ("pause", "resume")[(i + n) % 2]
                said = self.ok(api.post("/v1/jobs/%s/%s" % (job["id"], verb)))
                self.assertIn(said["state"], ("paused",) if verb == "pause" else ("queued", "running"))
            api.close()

        in_threads(8, work)
        self.pause(job)
        self.resume(job)
        self.runs(job)

    def test_many_wait_when_the_job_is_cancelled(self):
        for _ in range(10):
            job = self.running()

            def work(i, job=job):
                api = self.daemon.client()
                if i == 0:
                    self.cancel(job)
                else:
                    reply = api.post("/v1/jobs/%s/%s" % (job["id"], ("pause", "resume")[i % 2]))
                    self.assertIn(reply.status, (200, 409), reply)
                api.close()

            in_threads(8, work)
            self.assertEqual(self.ended(job)["state"], "cancelled")


class Kept(Pausing):
    """What was answered is so in the next process, and every one after it."""

    flags = ("--workers", "1", "--checkpoint-seconds", "1")

    def test_it_stays_paused(self):
        begun = self.running(publish="end")
        held, waits = self.submit("m", epochs=2), self.submit("m", epochs=2)
        before = self.pause(begun), self.pause(held)
        for how in BOTH + BOTH:
            self.again(how)
            self.assertEqual((self.record(begun), self.record(held)), before)
            self.assertEqual(self.ok(self.api.get("/v1/models/m"))["job"], begun["id"])
            self.assertEqual(self.positions([waits]), [1])
        for job in (held, begun):
            self.resume(job)
            self.again(signal.SIGKILL)
            self.assertIn(self.state_of(job), ("queued", "running"))
        self.runs(begun)
        self.cancel(begun)
        self.assertEqual(self.started_in_order([held, waits]), [0, 1])

    def test_priority_is_kept(self):
        self.running()
        jobs = [self.submit("m") for _ in range(3)]
        for how, order in ((signal.SIGKILL, (0, 1, 2)), (signal.SIGTERM, (5, 9, 7)), (signal.SIGKILL, (0, 0, 0))):
            for job, priority in zip(jobs, order):
                self.priority(job, priority)
            self.again(how)
            self.assertEqual([self.record(job)["priority"] for job in jobs], list(order))
        self.assertEqual(self.positions(jobs), [1, 2, 3])

    def test_sigterm_while_it_is_being_paused(self):
        for i in range(5):
            job = self.running("m%d" % i)
            reply = []

            def ask(job=job, reply=reply):
                api = self.daemon.client()
                try:
                    reply.append(api.post("/v1/jobs/%s/pause" % job["id"]))
                except (OSError, http.client.HTTPException):
                    pass
                api.close()

            def both(i, ask=ask):
                if i == 0:
                    ask()
                else:
                    time.sleep(0.001)
                    self.daemon.process.send_signal(signal.SIGTERM)

            in_threads(2, both)
            self.daemon.wait(signal.SIGTERM)
            self.again(signal.SIGTERM)
            if reply and reply[0].status == 200:
                self.assertEqual(self.state_of(job), "paused")
            else:
                self.assertIn(self.state_of(job), ("queued", "running"))
            self.cancel(job)

    def test_the_same_bits(self):
        """Paused at many points, within epochs and between them, restarted or not."""
        rows, labels = digits("train")
        test, test_labels = digits("test")
        body = {"inputs": rows[:900], "labels": labels[:900], "epochs": int(300 / SLOW), "batch_size": 7, "seed": 11,
                "validation": {"inputs": test[:50], "labels": test_labels[:50]}}
        plans = {"adam": {"publish": "end", "optimizer": {"name": "adam"}},
                 "best": {"publish": "best", "l2": 1.0, "optimizer": {"name": "sgd", "momentum": 0.9}},
                 "noisy": {"publish": "end", "dropout": 0.3, "input_noise": 0.1, "l1": 0.1, "clip_norm": 1.0,
                           "validation": {"fraction": 0.1, "stratified": True}, "class_weights": "balanced"},
                 "sweep": {"epochs": int(100 / SLOW), "sweep": {
                     "method": "grid", "halving": {"factor": 2, "min_epochs": max(1, int(10 / SLOW))},
                     "over": {"learning_rate": [0.05, 0.2, 0.5], "batch_size": [7, 10]}}}}
        spec = dict(DIGITS, normalize="standard")
        self.pauses = 0
        for name, plan in plans.items():
            whole = self.train(self.model(spec, name="whole-" + name), **dict(body, **plan))
            at = self.model(spec, name="cut-" + name)
            job = self.ok(self.api.post(at + "/train", dict(body, **plan)), 202)
            seen = []
            for n in range(12):
                time.sleep(0.005 * n)
                reply = self.api.post("/v1/jobs/%s/pause" % job["id"])
                if reply.status == 409:
                    break
                seen.append(self.ok(reply)["progress"])
                if n % 3 == 1:
                    self.again(BOTH[n % 2])
                self.resume(job)
            self.assertGreater(len(set(seen)), 2, seen)
            self.assertTrue(any(p * body["epochs"] % 1 > 1e-6 for p in seen), "one was amid an epoch")
            job = self.ended(job)
            self.assertEqual(job["state"], "succeeded", job)
            facts = [[{k: v for k, v in epoch.items() if k not in ("seconds", "version")}
                      for epoch in one["history"]] for one in (job, whole)]
            self.assertEqual(facts[0], facts[1])
            tables = [[{k: v for k, v in trial.items() if k != "seconds"} for trial in one["sweep"]["trials"]]
                      for one in (job, whole) if one["sweep"] is not None]
            self.assertEqual(tables[:1], tables[1:])
            self.assertEqual(*(self.ok(self.api.get("/v1/models/" + which + name))["digest"]
                               for which in ("cut-", "whole-")))

    @unittest.skipIf(sanitized(), "a sanitizer keeps what is freed")
    def test_memory_is_given_back(self):
        """What a big network trains with is on disk while it is paused."""
        layers = [{"units": 1000, "activation": "relu"}] * 4 + [{"units": 10, "activation": "softmax"}]
        rows, labels = digits("train")
        self.model(dict(DIGITS, layers=layers), name="big")
        body = {"inputs": rows[:100], "labels": labels[:100], "epochs": LONG, "batch_size": 10,
                "optimizer": {"name": "adam"}, "publish": "end"}
        job = self.ok(self.api.post("/v1/models/big/train", body), 202)
        self.runs(job)
        self.until(lambda: self.record(job)["progress"], lambda progress: progress > 0)
        before = self.daemon.memory()
        self.pause(job)
        size = 4 * self.ok(self.api.get("/v1/models/big"))["parameters"]  # 12 MB, and two moments
        self.until(self.daemon.memory, lambda now: now < before - 2 * size)
        self.assertGreater(os.path.getsize(self.state + "/jobs/%s/checkpoint" % job["id"]), 3 * size)


class InMemory(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.daemon = harness.Daemon("--workers", "1", state="none")

    def test_all_of_it(self):
        digest = []
        for name in ("whole", "cut"):
            at = self.model(name=name)
            job = self.ok(self.api.post(at + "/train", dict(XOR_ROWS, epochs=20000, publish="end")), 202)
            for verb, states in (("pause", ("paused",)), ("resume", ("queued", "running"))) * 5:
                reply = self.api.post("/v1/jobs/%s/%s" % (job["id"], verb))
                if name == "cut" and reply.status != 409:
                    self.assertIn(self.ok(reply)["state"], states)
            self.assertEqual(self.ended(job)["state"], "succeeded")
            digest.append(self.ok(self.api.get(at))["digest"])
        self.assertEqual(*digest)

    def test_sigterm(self):
        daemon = harness.Daemon(state="none")
        api = daemon.client()
        self.ok(api.put("/v1/models/m", harness.XOR), 201)
        for _ in range(2):
            job = self.ok(api.post("/v1/models/m/train", dict(XOR_ROWS, epochs=LONG)), 202)
            self.assertEqual(self.ok(api.post("/v1/jobs/%s/pause" % job["id"]))["state"], "paused")
        api.close()
        self.assertEqual(daemon.end(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
