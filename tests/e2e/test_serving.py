"""Promise 1: it serves while it trains. Every answer is that of one whole, published version."""
import threading
import time

from harness import DIGITS, LONG, SLOW, XOR, XOR_ROWS, Case, digits, in_threads, main


class WhileTraining(Case):
    flags = ("--keep-versions", "1000000")

    def test_every_answer_is_exactly_one_published_versions(self):
        self.digits()
        at = self.model(DIGITS)
        rows = digits("test")[0][:40]
        job = self.ok(self.api.post(at + "/train", {
            "dataset": "digits-train", "epochs": LONG, "batch_size": 10, "publish_seconds": 0,
            "optimizer": {"name": "sgd", "learning_rate": 0.05}}), 202)
        until = time.monotonic() + 3 * min(SLOW, 3)
        answers = [[] for _ in range(4)]

        def client(i):
            api = self.daemon.client()
            k = i
            while time.monotonic() < until:
                k += 1
                row = k % len(rows)
                said = self.ok(api.post(at + "/predict", {"inputs": [rows[row]]}))
                self.assertEqual(said["model"], self.name())
                answers[i].append((said["version"], row, said["outputs"][0]))
            api.close()

        in_threads(len(answers), client)
        self.assertEqual(self.ok(self.api.get("/v1/jobs/" + job["id"]))["state"], "running")
        self.cancel(job)
        self.ended(job)
        for one in answers:  # a client never goes back to an older version
            self.assertEqual([a[0] for a in one], sorted(a[0] for a in one))
        seen = {}
        for version, row, outputs in sum(answers, []):
            self.assertEqual(seen.setdefault((version, row), outputs), outputs)
        versions = sorted({version for version, _ in seen})
        print("  %d answers from %d versions" % (sum(map(len, answers)), len(versions)))
        self.assertGreater(len(versions), 5)
        for version in versions:
            asked = [row for v, row in seen if v == version]
            said = self.ok(self.api.post(at + "/predict?version=%d" % version,
                                         {"inputs": [rows[row] for row in asked]}))
            self.assertEqual(said["version"], version)
            for row, outputs in zip(asked, said["outputs"]):
                self.assertEqual(seen[version, row], outputs)

    def test_two_jobs_and_a_hundred_clients(self):
        self.digits()
        ats = [self.model(DIGITS, name="pair-%d" % i, seed=i) for i in range(2)]
        rows = digits("test")[0]
        jobs = [self.ok(self.api.post(at + "/train", {"dataset": "digits-train", "epochs": LONG,
                                                      "batch_size": 10}), 202) for at in ats]
        self.until(lambda: [self.ok(self.api.get("/v1/jobs/" + job["id"]))["state"] for job in jobs],
                   lambda states: states == ["running"] * 2)
        ready = threading.Barrier(100)
        total = []

        def client(i):
            api = self.daemon.client()
            at = ats[i % 2]
            self.ok(api.get(at))
            ready.wait(60 * SLOW)
            for k in range(10):
                first = (i * 10 + k) % 300
                want = rows[first:first + 1 + k % 3 * 20]
                said = self.ok(api.post(at + "/predict", {"inputs": want}))
                self.assertEqual(len(said["outputs"]), len(want))
                for row in said["outputs"]:
                    self.assertAlmostEqual(sum(row), 1, places=5)
                total.append(len(want))
            api.close()

        in_threads(100, client)
        self.assertEqual(len(total), 1000)
        for job in jobs:
            self.assertEqual(self.ok(self.api.get("/v1/jobs/" + job["id"]))["state"], "running")
            self.cancel(job)
        for job in jobs:
            self.assertGreater(self.ended(job)["epoch"], 0)

    def test_models_come_and_go_while_they_are_asked(self):
        """Create, train, delete by force and predict, all at once; nothing but 2xx, 404 and 409."""
        stop = threading.Event()
        bad = []

        def keep(i):
            api = self.daemon.client()
            at = "/v1/models/churn-%d" % (i % 3)
            while not stop.is_set():
                for method, path, body in (
                    ("PUT", at, XOR), ("POST", at + "/train", dict(XOR_ROWS, epochs=LONG)),
                    ("POST", at + "/predict", {"inputs": [[1, 2]]}),
                    ("POST", at + "/learn", XOR_ROWS), ("GET", at, None), ("GET", "/v1/jobs", None),
                    ("GET", at + "/export", None), ("DELETE", at + "?force=true", None),
                ):
                    reply = api.ask(method, path, body)
                    if reply.status not in (200, 201, 202, 204, 404, 409):
                        bad.append((method, path, reply))
            api.close()

        timer = threading.Timer(2 * min(SLOW, 3), stop.set)
        timer.start()
        in_threads(6, keep)
        self.assertEqual(bad, [])
        for i in range(3):
            self.api.delete("/v1/models/churn-%d?force=true" % i)
        self.until(lambda: {job["state"] for job in self.ok(self.api.get("/v1/jobs"))["jobs"]},
                   lambda states: not states & {"queued", "running"})


if __name__ == "__main__":
    main()
