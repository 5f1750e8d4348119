"""A job's progress as it goes on: Server-Sent Events, and lines for a terminal."""
import contextlib
import http.client
import json
import re
import shutil
import signal
import tempfile
import unittest

from harness import DIGITS, LONG, SLOW, WAIT, XOR, XOR_ROWS, Case, Daemon, digits, in_threads, main, read_all


STRIDE = LONG // 10000  # of the epochs that a history has


class Event(dict):
    """id, event and data as they came; data is JSON."""


def events_of(lines):
    """The events of a stream, one at a time; comments and retry are passed over."""
    event = Event()
    for line in lines:
        line = line.decode().rstrip("\n")
        if line == "":
            if "data" in event:
                event["data"] = json.loads(event["data"])
                yield event
            event = Event()
        elif not line.startswith(":"):
            name, value = line.split(": ", 1)
            event[name] = value


@contextlib.contextmanager
def listening(port, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
    try:
        connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        yield connection.getresponse()
    finally:
        connection.close()


class Events(Case):
    flags = ("--keep-jobs", "1000", "--request-timeout", "2" if SLOW == 1 else "20")

    def listen(self, job, **headers):
        return listening(self.daemon.port, "/v1/jobs/%s/events" % job["id"], **headers)

    def begin(self, at, **body):
        return self.ok(self.api.post(at + "/train", dict(XOR_ROWS, **body)), 202)

    def record(self, job):
        return self.ok(self.api.get("/v1/jobs/" + job["id"]))

    def test_all_of_a_job(self):
        self.digits_there()
        at = self.model(DIGITS)
        job = self.ok(self.api.post(at + "/train", {"dataset": "digits-train", "epochs": 60, "batch_size": 3,
                                                    "validation": {"dataset": "digits-test"}}), 202)
        with self.listen(job) as reply:
            self.assertEqual((reply.status, reply.headers["Content-Type"], reply.headers["Cache-Control"]),
                             (200, "text/event-stream", "no-store"))
            events = list(events_of(reply))
        record = self.record(job)
        epochs = [event for event in events if event["event"] == "epoch"]
        self.assertEqual([event["data"] for event in epochs], record["history"])
        self.assertEqual([event["id"] for event in epochs], [str(n) for n in range(1, 61)])
        self.assertEqual((events[-1]["event"], events[-1]["id"]), ("end", "end"))
        del record["history"]
        self.assertEqual(events[-1]["data"], record)
        states = [event["data"]["state"] for event in events if event["event"] == "state"]
        self.assertEqual(states[-1], "succeeded")
        shown = [event["data"]["progress"] for event in events if event["event"] == "progress"]
        self.assertEqual(shown, sorted(shown))
        self.assertLessEqual({event["event"] for event in events}, {"state", "epoch", "progress", "end"})

    def digits_there(self):
        for part in ("train", "test"):
            rows, labels = digits(part)
            self.api.put("/v1/datasets/digits-" + part, {"inputs": rows, "labels": labels})

    def test_progress_within_an_epoch(self):
        rows, labels = digits("train")
        spec = dict(DIGITS, layers=[{"units": 1000, "activation": "tanh"}, DIGITS["layers"][-1]])
        at = self.model(spec)
        job = self.ok(self.api.post(at + "/train", {"inputs": rows * 30, "labels": labels * 30, "epochs": LONG,
                                                    "batch_size": 1}), 202)
        seen = []
        with self.listen(job) as reply:
            for event in events_of(reply):
                if event["event"] == "progress":
                    seen.append(event["data"])
                if len(seen) == 3:
                    break
        self.assertTrue(seen[0]["progress"] < seen[1]["progress"] < seen[2]["progress"], seen)
        self.assertEqual(seen[0]["epochs"], LONG)
        self.cancel(job)
        self.ended(job)

    def test_who_comes_back_goes_on_where_he_was(self):
        at = self.model(XOR)
        job = self.begin(at, epochs=LONG)
        with self.listen(job) as reply:
            for event in events_of(reply):
                if event["event"] == "epoch":
                    last = event["id"]
                    break
        with self.listen(job, Last_Event_ID=last) as reply:
            first = next(event for event in events_of(reply) if event["event"] == "epoch")
        self.assertEqual(int(first["id"]), int(last) + STRIDE)
        self.cancel(job)
        self.ended(job)
        history = self.record(job)["history"]
        with self.listen(job, Last_Event_ID=str(history[-3]["epoch"])) as reply:
            events = list(events_of(reply))
        self.assertEqual([event["data"] for event in events if event["event"] == "epoch"], history[-2:])
        self.assertEqual(events[-1]["data"]["state"], "cancelled")
        with self.listen(job, Last_Event_ID="end") as reply:
            self.assertEqual((reply.status, reply.read()), (204, b""))  # which ends an EventSource
        with self.listen(job, Last_Event_ID="999999999") as reply:
            self.assertEqual([event["event"] for event in events_of(reply)], ["state", "end"])

    def test_a_queue_is_told_of(self):
        at = self.model(XOR)
        first, second, third = (self.begin(at, epochs=LONG) for _ in range(3))
        self.until(lambda: self.record(first)["state"], lambda state: state == "running")
        with self.listen(third) as reply:
            events = events_of(reply)
            event = next(events)
            self.assertEqual(event["data"]["state"], "queued")
            place = event["data"]["position"]
            self.cancel(second)
            self.assertEqual(next(events)["data"], {"state": "queued", "position": place - 1})
            self.cancel(first)
            self.assertEqual(next(events)["data"], {"state": "running"})
        self.cancel(third)
        for job in (first, second, third):
            self.ended(job)

    def test_lines_for_a_terminal(self):
        at = self.model(XOR)
        job = self.begin(at, epochs=5, validation=XOR_ROWS)
        with self.listen(job, Accept="text/plain") as reply:
            self.assertEqual(reply.headers["Content-Type"], "text/plain; charset=utf-8")
            text = reply.read().decode()
        lines = [line.rsplit("\r", 1)[-1].rstrip() for line in text.split("\n")]
        epochs = [line for line in lines if line.startswith("epoch")]
        self.assertEqual(len(epochs), 5, text)
        self.assertRegex(epochs[0], r"^epoch +1/5 \[####\.{16}\] +20 %  loss \d\.\d{4}  accuracy \d+\.\d\d %"
                                    r"  validation loss \d\.\d{4}  validation accuracy \d+\.\d\d %")
        self.assertTrue(epochs[4].startswith("epoch 5/5 [" + 20 * "#" + "] 100 %"), epochs[4])
        self.assertRegex(text, r"job %s has succeeded: version \d+ of %s\n$" % (job["id"], re.escape(self.name())))

    def test_a_failure_is_told(self):
        at = self.model({"inputs": 1, "layers": [{"units": 1, "activation": "linear"}], "cost": "mse"})
        job = self.ok(self.api.post(at + "/train", {"inputs": [[1e30]], "targets": [[-1e30]], "epochs": 50}), 202)
        with self.listen(job, Accept="text/plain") as reply:
            self.assertIn("job %s has failed: loss is not finite at epoch" % job["id"], reply.read().decode())
        with self.listen(job) as reply:
            end = list(events_of(reply))[-1]
        self.assertEqual((end["data"]["state"], end["data"]["error"]["type"]), ("failed", "urn:sigmad:problem:number"))

    def test_wrong_requests(self):
        at = self.model(XOR)
        job = self.begin(at, epochs=1)
        self.ended(job)
        path = "/v1/jobs/%s/events" % job["id"]
        for wrong in ("x", "-1", "1.5", "1 "):
            if wrong.strip() != wrong:
                continue
            self.problem(self.api.get(path, Last_Event_ID=wrong), 422, "field", "Last-Event-ID")
        self.problem(self.api.get(path, Accept="application/json"), 406, "accept", "Accept")
        self.problem(self.api.get("/v1/jobs/999999/events"), 404, "not-found", "id")
        self.problem(self.api.post(path), 405, "method")
        self.assertEqual(self.api.ask("HEAD", path).status, 200)

    def test_many_listeners_and_one_that_does_not_read(self):
        at = self.model(XOR)
        job = self.begin(at, epochs=LONG)
        ask = b"GET /v1/jobs/%s/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % job["id"].encode()
        gone = [self.daemon.connect() for _ in range(20)]
        for sock in gone:
            sock.sendall(ask)
        with self.daemon.connect() as deaf:
            deaf.sendall(ask)

            def listen(i):
                with self.listen(job) as reply:
                    events = events_of(reply)
                    ids = [next(event for event in events if event["event"] == "epoch")["id"] for _ in range(200)]
                    self.assertEqual(ids, [str(n * STRIDE) for n in range(1, 201)])
                    if i == 0:
                        self.cancel(job)
                    self.assertEqual(list(events)[-1]["event"], "end")

            for sock in gone[:10]:
                sock.close()
            try:
                in_threads(20, listen)
            finally:
                for sock in gone[10:]:
                    sock.close()
            self.ended(job)
            deaf.settimeout(WAIT)
            read_all(deaf)  # it has been cut off, or reads it all now: one or the other ends
        self.ok(self.api.get("/v1/server"))

    def test_a_record_that_goes_ends_the_stream(self):
        """With --keep-jobs 1 it goes when the next job ends."""
        daemon = Daemon("--keep-jobs", "1")
        try:
            api = daemon.client()
            self.ok(api.put("/v1/models/m", XOR), 201)
            for _ in range(30):
                job = self.ok(api.post("/v1/models/m/train", dict(XOR_ROWS, epochs=2)), 202)
                with listening(daemon.port, "/v1/jobs/%s/events" % job["id"]) as reply:
                    self.ok(api.post("/v1/models/m/train", dict(XOR_ROWS, epochs=1), Prefer="wait=60"))
                    reply.read()
            api.close()
        finally:
            self.assertEqual(daemon.end(), 0)


class Ends(unittest.TestCase):
    def test_a_listener_does_not_hold_up_the_end(self):
        daemon = Daemon()
        self.addCleanup(lambda: daemon.process.poll() is None and daemon.end(signal.SIGKILL))
        api = daemon.client()
        self.assertEqual(api.put("/v1/models/m", XOR).status, 201)
        job = api.post("/v1/models/m/train", dict(XOR_ROWS, epochs=LONG)).json
        with listening(daemon.port, "/v1/jobs/%s/events" % job["id"]) as reply:
            events = events_of(reply)
            next(events)
            daemon.process.send_signal(signal.SIGTERM)
            self.assertNotIn("end", [event["event"] for event in events])  # it goes on after the next start
        api.close()
        self.assertEqual(daemon.process.wait(WAIT), 0)
        daemon.end()

    def test_who_comes_back_after_a_restart_misses_no_epoch(self):
        state = tempfile.mkdtemp(prefix="sigmad-test-")
        self.addCleanup(shutil.rmtree, state)
        for how in (signal.SIGTERM, signal.SIGKILL):
            daemon = Daemon("--checkpoint-seconds", "1", state=state)
            self.addCleanup(lambda daemon=daemon: daemon.process.poll() is None and daemon.end(signal.SIGKILL))
            api = daemon.client()
            name = "m%d" % how
            self.assertEqual(api.put("/v1/models/" + name, XOR).status, 201)
            path = "/v1/jobs/%s/events" % api.post("/v1/models/%s/train" % name, dict(XOR_ROWS, epochs=LONG)).json["id"]
            with listening(daemon.port, path) as reply:
                epochs = (event for event in events_of(reply) if event["event"] == "epoch")
                last = [next(epochs)["id"] for _ in range(3)][-1]
            api.close()
            daemon.end(how)
            daemon = Daemon("--checkpoint-seconds", "1", state=state)
            with listening(daemon.port, path, Last_Event_ID=last) as reply:
                epochs = (event for event in events_of(reply) if event["event"] == "epoch")
                self.assertEqual([next(epochs)["id"] for _ in range(3)],
                                 [str(int(last) + n * STRIDE) for n in (1, 2, 3)])
            api = daemon.client()
            self.assertEqual(api.delete(path.removesuffix("/events")).status, 200)
            api.close()
            self.assertEqual(daemon.end(), 0)


if __name__ == "__main__":
    main()
