#!/usr/bin/python3
"""Memory that models and data sets may take: what is over a quota is refused and leaves nothing, what is there goes on."""
import glob
import os
import signal

import harness
from faults import sanitized
from harness import XOR_ROWS, main

KIB = 1024
WIDE = {"inputs": 256, "layers": [{"units": 16, "activation": "sigmoid"}, {"units": 1, "activation": "sigmoid"}], "cost": "mse",
        "seed": 1}  # 16 KiB of weights, and little else
ROWS = {"inputs": [[i, 1] for i in range(1000)], "targets": [[0]] * 1000}


class Quotas(harness.Restarting):
    def used(self, kind):
        return int(self.metric('sigmad_quota_used_bytes{kind="%s"}' % kind))

    def at_once(self, count, path, body):
        """The statuses of as many that are put at once, in order."""
        def put(i):
            api = self.daemon.client()
            got.append(api.put("%s%d" % (path, i), body).status)
            api.close()

        got = []
        harness.in_threads(count, put)
        return sorted(got)

    def folders(self, kind):
        return sorted(os.path.basename(path) for path in glob.glob(os.path.join(self.state, kind, "*")))


class Models(Quotas):
    flags = ("--max-model-memory", "50k")

    def refused(self):
        before = self.folders("models")
        with self.unchanged():
            said = self.problem(self.api.put("/v1/models/over", WIDE), 503, "limit", "models", "51200", "--max-model-memory")
        self.assertEqual(self.folders("models"), before)
        return said

    def test_no_more_than_fit(self):
        for name in ("a", "b"):
            self.model(WIDE, name=name)
        used = self.used("models")
        self.assertGreater(used, 2 * 256 * 16 * 4)
        self.assertLess(used, 50 * KIB)
        self.refused()
        self.model(name="small")
        self.again(signal.SIGKILL)
        self.assertGreater(self.used("models"), used)  # small came, though nothing is loaded
        self.refused()
        self.ok(self.api.delete("/v1/models/small"), 204)
        self.assertEqual(self.used("models"), used)
        self.ok(self.api.delete("/v1/models/a"), 204)
        self.model(WIDE, name="over")
        self.assertEqual(self.used("models"), used)
        for name in ("b", "over"):
            self.ok(self.api.delete("/v1/models/" + name), 204)
        self.assertEqual(self.used("models"), 0)

    def test_many_at_once_get_what_there_is(self):
        self.assertEqual(self.at_once(12, "/v1/models/m", WIDE), [201, 201] + [503] * 10)
        self.again(signal.SIGKILL)
        self.assertEqual(len(self.ok(self.api.get("/v1/models"))["models"]), 2)

    def test_training_goes_on_and_versions_are_read_again(self):
        """Of ten versions of 16 KiB three fit: the others are on disk alone until they are asked."""
        at = self.model(WIDE, name="m")
        row = {"inputs": [[1] * 256]}
        rows = {"inputs": [[0] * 256, [1] * 256], "targets": [[0], [1]]}
        answers = {1: self.ok(self.api.post(at + "/predict", row))["outputs"]}
        for n in range(2, 11):
            self.train(at, **rows, epochs=1)
            answers[n] = self.ok(self.api.post(at + "/predict", row))["outputs"]
        self.assertLessEqual(self.metric("sigmad_models_memory_bytes"), 50 * KIB)
        for n, outputs in answers.items():
            self.assertEqual(self.ok(self.api.post(at + "/predict?version=%d" % n, row))["outputs"], outputs)
        self.assertLessEqual(self.metric("sigmad_models_memory_bytes"), 50 * KIB)
        self.assertEqual(self.used("models") // (16 * KIB), 1)

    def test_versions_of_learn_are_read_again(self):
        """Which have no files of their own, but a log."""
        at = self.model(WIDE, name="m")
        row = {"inputs": [[1] * 256]}
        answers = {}
        for _ in range(8):
            n = self.ok(self.api.post(at + "/learn", {"inputs": [[0] * 256, [1] * 256], "targets": [[0], [1]]}))["version"]
            answers[n] = self.ok(self.api.post(at + "/predict", row))["outputs"]
        for how in (None, signal.SIGKILL):
            if how:
                self.again(how)
            for n, outputs in answers.items():
                self.assertLessEqual(self.metric("sigmad_models_memory_bytes"), 50 * KIB)
                self.assertEqual(self.ok(self.api.post(at + "/predict?version=%d" % n, row))["outputs"], outputs)
        self.ok(self.api.post(at + "/learn", {"inputs": [[0] * 256], "targets": [[0]]}))

    def test_what_many_have_asked_at_once_is_given_back(self):
        at = self.model(WIDE, name="m")
        for _ in range(9):
            self.train(at, inputs=[[0] * 256, [1] * 256], targets=[[0], [1]], epochs=1)

        def ask(i):
            api = self.daemon.client()
            for n in range(20):
                self.ok(api.post(at + "/evaluate?version=%d" % ((i + n) % 10 + 1), {"inputs": [[1] * 256] * 50, "targets": [[1]] * 50}))
            api.close()

        harness.in_threads(8, ask)
        self.until(lambda: self.metric("sigmad_models_memory_bytes"), lambda bytes: bytes <= 50 * KIB)

    def test_what_is_too_large_is_never_made(self):
        spec = dict(WIDE, inputs=4096, layers=[{"units": 10000, "activation": "sigmoid"}] + WIDE["layers"][1:])  # 160 MB
        self.problem(self.api.put("/v1/models/m", spec), 503, "limit", "models")
        with open("/proc/%d/status" % self.daemon.process.pid) as file:
            (peak,) = [int(line.split()[1]) for line in file if line.startswith("VmHWM:")]
        self.assertLess(peak, (400 if sanitized() else 60) * KIB)

    def test_what_is_there_stays_under_a_smaller_quota(self):
        self.model(WIDE, name="a")
        self.again(signal.SIGTERM, "--max-model-memory", "1k")
        self.problem(self.api.put("/v1/models/b", harness.XOR), 503, "limit", "models", "1024")
        self.train("/v1/models/a", inputs=[[0] * 256], targets=[[1]], epochs=1)
        self.again(signal.SIGKILL, "--max-model-memory", "1k")
        self.assertEqual(self.ok(self.api.get("/v1/models/a"))["version"], 2)
        self.ok(self.api.delete("/v1/models/a"), 204)
        self.assertEqual(self.used("models"), 0)

    def test_a_sweep_that_grows_a_model_counts(self):
        at = self.model(name="m")
        used = self.used("models")
        self.train(at, **XOR_ROWS, epochs=1, validation={"fraction": 0.5},
                   sweep={"method": "grid", "over": {"layers": [[200]]}, "monitor": "loss"})
        self.assertGreater(self.used("models"), used)
        grown = self.used("models")
        self.again(signal.SIGKILL)
        self.assertEqual(self.used("models"), grown)
        self.ok(self.api.post(at + "/promote", {"version": 1}))
        self.assertEqual(self.used("models"), used)


class Datasets(Quotas):
    flags = ("--max-dataset-memory", "20k")  # ROWS take 12,000 bytes

    def refused(self, send, *texts):
        there = len(self.ok(self.api.get("/v1/datasets"))["datasets"])
        before = self.until(lambda: self.folders("datasets"), lambda names: len(names) == there)  # replaced ones go by the way
        self.until(lambda: self.folders("tmp"), lambda names: not names)
        with self.unchanged():
            self.problem(send(), 503, "limit", "datasets", "20480", "--max-dataset-memory", *texts)
        self.assertEqual(self.folders("datasets"), before)
        self.assertEqual(self.folders("tmp"), [])

    def test_no_more_than_fit(self):
        self.ok(self.api.put("/v1/datasets/a", ROWS), 201)
        self.assertEqual(self.used("datasets"), 12000)
        self.refused(lambda: self.api.put("/v1/datasets/b", ROWS), "12000")
        self.refused(lambda: self.api.post("/v1/datasets/a/rows", ROWS))
        self.ok(self.api.put("/v1/datasets/a", ROWS))  # in place of itself
        for again in (signal.SIGKILL, signal.SIGTERM):
            self.again(again)
            self.assertEqual(self.used("datasets"), 12000)
        few = {key: rows[:500] for key, rows in ROWS.items()}
        self.ok(self.api.post("/v1/datasets/a/rows", few))
        self.assertEqual(self.used("datasets"), 18000)
        self.refused(lambda: self.api.put("/v1/datasets/b", few))
        self.ok(self.api.put("/v1/datasets/a", few))
        self.ok(self.api.put("/v1/datasets/b", ROWS), 201)
        for name in "ab":
            self.ok(self.api.delete("/v1/datasets/" + name), 204)
        self.assertEqual(self.used("datasets"), 0)

    def test_parts_count_together(self):
        columns = b"\n".join(b"1,2" for _ in range(1500))
        self.ok(self.api.put("/v1/datasets/a/features", columns, "text/csv"), 201)
        self.assertEqual(self.used("datasets"), 12000)
        self.ok(self.api.put("/v1/datasets/a/targets", b"\n".join(b"1" for _ in range(1500)), "text/csv"))
        self.assertEqual(self.used("datasets"), 18000)

    def test_what_is_not_a_data_set_takes_nothing(self):
        self.problem(self.api.put("/v1/datasets/a", b"1,2\n3\n", "text/csv"), 400, "syntax")
        self.assertEqual(self.used("datasets"), 0)

    def test_many_at_once_get_what_there_is(self):
        self.assertEqual(self.at_once(8, "/v1/datasets/d", ROWS), [201] + [503] * 7)
        self.assertEqual(self.used("datasets"), 12000)


class Bundles(Quotas):
    """An import of everything is refused whole."""

    def test_what_does_not_fit(self):
        for name in ("a", "b"):
            self.model(WIDE, name=name)
        self.ok(self.api.put("/v1/datasets/rows", ROWS), 201)
        tar = self.api.get("/v1/export").body
        used = {kind: self.used(kind) for kind in ("models", "datasets")}
        for flags, kind in ((("--max-model-memory", "30k"), "models"), (("--max-dataset-memory", "11k"), "datasets")):
            with self.another_daemon(*flags):
                with self.unchanged():
                    self.problem(self.api.put("/v1/import", tar, "application/x-tar"), 503, "limit", kind, "--max-")
                self.assertEqual({kind: self.used(kind) for kind in used}, {"models": 0, "datasets": 0})
        for more in ((), ("--state", "none")):
            with self.another_daemon("--max-model-memory", "50k", "--max-dataset-memory", "12000", *more):
                self.ok(self.api.put("/v1/import", tar, "application/x-tar"), 201)
                self.assertEqual({kind: self.used(kind) for kind in used}, used)


if __name__ == "__main__":
    main()
