#!/usr/bin/python3
"""What a client was told is there after a restart, by SIGTERM and by SIGKILL, and jobs go on."""
import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import harness
from harness import DIGITS, LARGEST, LONG, SIGMAD, SLOW, WAIT, XOR, XOR_ROWS, digits, in_threads

ROWS = [[0.25, 0.5], [1, 0], [0.1, 0.9]]
BOTH = (signal.SIGTERM, signal.SIGKILL)


class Restarting(harness.Case):
    """Tests that start their daemon again, on the same folder."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="sigmad-test-")
        cls.daemon = harness.Daemon(*cls.flags, state=cls.folder)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def restart(self, how=signal.SIGKILL, *flags):
        cls = type(self)
        code = cls.daemon.end(how)
        self.assertEqual(code, 0 if how == signal.SIGTERM else -how, cls.daemon.said())
        self.assertNotIn("Sanitizer", cls.daemon.said())
        self.api.close()
        cls.daemon = harness.Daemon(*(flags or cls.flags), state=self.folder)
        self.api = cls.daemon.client()
        self.heard = 0

    def seen(self):
        """All that must be the same: everything, and what models answer, bit for bit."""
        seen = self.everything()
        for model in seen["models"]:
            at = "/v1/models/" + model["name"]
            row = {"inputs": [[0.5] * model["inputs"], [0.25] * model["inputs"]]}
            for version in seen[at][1]["versions"]:
                which = "?version=%d" % version["version"]
                seen[at + which] = (self.ok(self.api.post(at + "/predict" + which, row)),
                                    self.ok(self.api.get(at + "/export" + which)))
        for job in seen["jobs"]:
            seen["job " + job["id"]] = self.ok(self.api.get("/v1/jobs/" + job["id"]))
        return seen

    def same_after(self, how):
        before = self.seen()
        self.restart(how)
        after = self.seen()
        self.assertEqual(set(after), set(before))
        for key in before:
            self.assertEqual(after[key], before[key], key)
        server = self.ok(self.api.get("/v1/server"))
        self.assertEqual((server["corrupt"], server["newer"]), ([], []))

    def folder_of(self, at):
        (found,) = glob.glob(os.path.join(self.folder, "models", at.rsplit("/", 1)[1] + "@*[0-9]"))
        return found

    def learn(self, at, n=1, **more):
        for i in range(n):
            said = self.ok(self.api.post(at + "/learn", dict(XOR_ROWS, **more)))
        return said["version"]


class Restart(Restarting):
    def test_everything_survives(self):
        """Created, imported, trained, learned, promoted, labelled, normalised: all as it was."""
        at = self.model()
        self.train(at, **XOR_ROWS, epochs=5, publish_seconds=0)
        self.learn(at, 3)
        self.model(LARGEST, name="imported")
        named = self.model(dict(DIGITS, normalize="standard"), name="named")
        rows, labels = digits("train")
        self.ok(self.api.put("/v1/datasets/set", "a,b\n1,2\n3,4\n", "text/csv"), 201)
        self.train(named, inputs=rows[:200], labels=labels[:200], epochs=2,
                   validation={"inputs": rows[200:250], "labels": labels[200:250]}, publish="best")
        promoted = self.model(name="promoted")
        self.learn(promoted, 4)
        self.ok(self.api.post(promoted + "/promote", {"version": 2}))
        for how in BOTH:
            self.same_after(how)
        self.assertEqual(self.ok(self.api.get(named))["labels"][3], "3")
        self.assertEqual(self.ok(self.api.get(promoted))["version"], 2)
        # and goes on from there: numbers rise, and what is newest serves
        self.assertEqual(self.learn(promoted), 6)
        self.assertEqual(self.ok(self.api.get(promoted))["version"], 6)
        self.same_after(signal.SIGKILL)

    def test_normalised_targets(self):
        at = self.model({"inputs": 1, "layers": [{"units": 1, "activation": "linear"}], "cost": "mse",
                         "normalize_targets": "standard"})
        rows = {"inputs": [[0], [1], [2]], "targets": [[100], [300], [500]]}
        self.train(at, epochs=50, **rows)
        digest = self.ok(self.api.get(at))["digest"]
        outputs = self.ok(self.api.post(at + "/predict", {"inputs": rows["inputs"]}))["outputs"]
        self.restart(signal.SIGKILL)
        self.assertEqual(self.ok(self.api.get(at))["digest"], digest)
        self.assertEqual(self.ok(self.api.post(at + "/predict", {"inputs": rows["inputs"]}))["outputs"], outputs)
        self.assertGreater(outputs[2][0], 300)

    def test_learned_versions_can_each_be_asked(self):
        """Versions of one log, of a log gone on with after a restart, and of two from one base."""
        at = self.model()
        self.learn(at, 2)
        self.same_after(signal.SIGKILL)
        self.learn(at, 2)
        self.assertEqual(len(glob.glob(self.folder_of(at) + "/learn-*")), 1)
        self.ok(self.api.post(at + "/promote", {"version": 1}))
        self.learn(at, 2)
        self.same_after(signal.SIGKILL)
        self.ok(self.api.post(at + "/promote", {"version": 1}))
        self.learn(at, 1)
        self.same_after(signal.SIGTERM)
        self.assertEqual(len(glob.glob(self.folder_of(at) + "/learn-*")), 3)

    def test_an_unpromoted_version_of_a_log_is_promoted(self):
        at = self.model()
        self.learn(at, 3)
        self.restart()
        before = self.ok(self.api.post(at + "/predict?version=3", {"inputs": ROWS}))
        self.ok(self.api.post(at + "/promote", {"version": 3}))
        self.same_after(signal.SIGKILL)
        self.assertEqual(self.ok(self.api.post(at + "/predict", {"inputs": ROWS})), before)
        self.learn(at)
        self.same_after(signal.SIGKILL)

    def test_settings_last_used(self):
        """learn goes on with the optimiser of the last train or learn."""
        steps = {}
        for name in ("restarted", "not"):
            at = self.model(name=name)
            self.learn(at, optimizer={"name": "sgd", "learning_rate": 0.7}, l2=0.25)
            if name == "restarted":
                self.restart()
            self.learn(at)
            # a first label-less whole version, then a job's settings
            self.train(at, **XOR_ROWS, optimizer={"name": "sgd", "learning_rate": 0.3})
            if name == "restarted":
                self.restart()
            self.learn(at)
            steps[name] = [v["digest"] for v in self.ok(self.api.get(at + "/versions"))["versions"]]
        self.assertEqual(steps["restarted"], steps["not"])

    def test_deleted_things_stay_deleted(self):
        at = self.model()
        self.learn(at)
        self.ok(self.api.put("/v1/datasets/gone", "a,b\n1,2\n3,4\n", "text/csv"), 201)
        self.ok(self.api.put("/v1/datasets/gone", "a,b\n1,2\n3,5\n", "text/csv"), 200)
        self.ok(self.api.delete(at), 204)
        self.ok(self.api.delete("/v1/datasets/gone"), 204)
        self.restart()
        self.problem(self.api.get(at), 404, "not-found")
        self.problem(self.api.get("/v1/datasets/gone"), 404, "not-found")
        self.assertEqual(glob.glob(self.folder + "/datasets/gone*"), [])
        # the same names again, and not what was there
        self.model()
        self.assertEqual(self.ok(self.api.get(at))["version"], 1)
        self.same_after(signal.SIGKILL)

    def test_replaced_data_with_a_reader_is_not_deleted_by_name(self):
        """A data set whose older generation a job still reads: it would be back after a restart."""
        at = self.model()
        rows = {"inputs": XOR_ROWS["inputs"] * 50, "targets": XOR_ROWS["targets"] * 50}
        self.ok(self.api.put("/v1/datasets/read", rows), 201)
        job = self.ok(self.api.post(at + "/train", {"dataset": "read", "epochs": LONG}), 202)
        self.ok(self.api.put("/v1/datasets/read", rows), 200)
        self.problem(self.api.delete("/v1/datasets/read"), 409, "busy", "name", job["id"])
        self.restart()
        self.assertEqual(self.ok(self.api.get("/v1/jobs/" + job["id"]))["dataset"], "read")
        self.cancel(job)
        self.ended(job)
        self.ok(self.api.delete("/v1/datasets/read"), 204)
        self.restart()
        self.problem(self.api.get("/v1/datasets/read"), 404, "not-found")

    def test_ids_are_not_used_again(self):
        at = self.model()
        job = self.train(at, **XOR_ROWS)
        last = self.learn(at)
        self.ok(self.api.put("/v1/datasets/d", "a,b\n1,2\n", "text/csv"), 201)
        first = self.ok(self.api.get("/v1/datasets/d"))["generation"]
        self.ok(self.api.post(at + "/promote", {"version": 1}))
        self.restart()
        self.assertGreater(int(self.train(at, **XOR_ROWS)["id"]), int(job["id"]))
        self.assertGreater(self.ok(self.api.get(at))["version"], last)
        self.ok(self.api.put("/v1/datasets/d", "a,b\n1,2\n", "text/csv"))
        self.assertGreater(self.ok(self.api.get("/v1/datasets/d"))["generation"], first)

    def test_idempotency_key(self):
        at = self.model()
        body = dict(XOR_ROWS, epochs=3)
        first = self.ok(self.api.ask("POST", at + "/train", body, {"Idempotency-Key": "k"}), 202)
        self.ended(first)
        for how in BOTH:
            self.restart(how)
            again = self.api.ask("POST", at + "/train", body, {"Idempotency-Key": "k"})
            self.assertIn(again.status, (200, 202), again)
            self.assertEqual(again.json["id"], first["id"])
            self.problem(self.api.ask("POST", at + "/train", dict(body, epochs=4),
                                      {"Idempotency-Key": "k"}), 422, "field", "Idempotency-Key")
        self.assertEqual(len([j for j in self.ok(self.api.get("/v1/jobs"))["jobs"]
                              if j["model"] == self.name()]), 1)

    def test_a_keyed_request_can_be_a_models_first_after_a_restart(self):
        at = self.model()
        for n, how in enumerate(BOTH):
            self.restart(how)
            key = {"Idempotency-Key": str(n)}
            job = self.ok(self.api.ask("POST", at + "/train", dict(XOR_ROWS, epochs=3), key), 202)
            self.ended(job)
            self.restart(how)
            self.ok(self.api.ask("POST", at + "/learn", XOR_ROWS, key))

    def keyed(self, at, key, body=XOR_ROWS):
        return self.ok(self.api.ask("POST", at + "/learn", body, {"Idempotency-Key": key}))

    def test_idempotency_keys_of_learn(self):
        """With the entries of a log, and with versions written whole: for the labels they bring, or
        since they go on from what has no file of its own."""
        at, named = self.model(), "/v1/models/" + self.name() + "-named"
        self.ok(self.api.put(named, dict(XOR, layers=[{"units": 2, "activation": "softmax"}],
                                         cost="log_likelihood")), 201)
        rows = {"inputs": [[1, 0], [0, 1]], "labels": ["a", "b"]}
        said = {}
        for i in range(3):
            said[at, i] = self.keyed(at, "k%d" % i)
            said[named, i] = self.keyed(named, "k%d" % i, rows)
        self.learn(at)
        self.ok(self.api.post(at + "/promote", {"version": 3}))
        said[at, 3] = self.keyed(at, "k3")
        for how in BOTH + BOTH:
            self.same_after(how)
            for (where, i), first in said.items():
                self.assertEqual(self.keyed(where, "k%d" % i, XOR_ROWS if where == at else rows), first)
            self.problem(self.api.ask("POST", at + "/learn", dict(XOR_ROWS, l2=1), {"Idempotency-Key": "k1"}),
                         422, "field", "Idempotency-Key")

    def test_an_idempotency_key_of_many_at_once_makes_one_job(self):
        at = self.model()
        body = {"inputs": XOR_ROWS["inputs"] * 20000, "targets": XOR_ROWS["targets"] * 20000, "epochs": 1}
        body = json.dumps(body).encode()  # decoded on the pool, one beside the other
        ids = set()

        def work(i):
            client = self.daemon.client()
            for attempt in range(1000):
                reply = client.ask("POST", at + "/train", body, {"Idempotency-Key": "many"})
                if reply.status != 409:  # the first of them is under way
                    break
            client.close()
            self.assertEqual(reply.status, 202, reply)
            ids.add(reply.json["id"])

        in_threads(6, work)
        self.assertEqual(len(ids), 1)
        self.ended(self.api.get("/v1/jobs/" + ids.pop()).json)
        self.assertEqual(len([j for j in self.ok(self.api.get("/v1/jobs"))["jobs"]
                              if j["model"] == self.name()]), 1)

    def test_lock(self):
        for _ in range(2):
            child = subprocess.run([SIGMAD, "--listen", "127.0.0.1:0", "--state", self.folder],
                                   stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT)
            self.assertEqual(child.returncode, 1)
            self.assertIn("--state %s is used by another sigmad" % self.folder,
                          child.stderr.decode())
        self.ok(self.api.get("/v1/server"))


class Kept(Restarting):
    flags = ("--keep-versions", "3")

    def numbers(self, at):
        return [v["version"] for v in self.ok(self.api.get(at + "/versions"))["versions"]]

    def test_pruned_versions_stay_away(self):
        """And what they left on disk goes, once nothing is made from it."""
        at = self.model()
        self.learn(at, 6)
        self.assertEqual(self.numbers(at), [5, 6, 7])
        self.same_after(signal.SIGKILL)
        self.assertEqual(self.numbers(at), [5, 6, 7])
        self.train(at, **XOR_ROWS, epochs=4, publish_seconds=0)
        self.assertEqual(self.numbers(at), [9, 10, 11])
        self.learn(at)
        self.same_after(signal.SIGTERM)
        self.assertEqual(self.numbers(at), [10, 11, 12])
        self.until(lambda: sorted(os.listdir(self.folder_of(at))),
                   lambda names: names == ["10.safetensors", "11.safetensors", "learn-11-12"])

    def test_a_long_log_is_followed_by_another(self):
        at = self.model()
        client = self.daemon.client()
        for _ in range(1003):
            version = self.ok(client.post(at + "/learn", XOR_ROWS))["version"]
        client.close()
        self.assertEqual(version, 1004)
        self.same_after(signal.SIGKILL)
        self.assertEqual(self.numbers(at), [1002, 1003, 1004])
        self.until(lambda: sorted(os.listdir(self.folder_of(at))),
                   lambda names: names == ["1002.safetensors", "learn-1002-1003"])

    def test_keys_outlive_their_log(self):
        at = self.model()
        client = self.daemon.client()

        def ask(i):
            return self.ok(client.ask("POST", at + "/learn", XOR_ROWS, {"Idempotency-Key": str(i)}))

        said = [ask(i) for i in range(1003)]
        files = ["1002.safetensors", "keys", "learn-1002-1003"]
        self.until(lambda: sorted(os.listdir(self.folder_of(at))), lambda names: names == files)
        for how in BOTH + BOTH:
            client.close()
            self.same_after(how)
            client = self.daemon.client()
            for i in (0, 1, 500, 998, 999, 1000, 1001, 1002):
                self.assertEqual(ask(i), said[i], i)
        # what has no file, nor log, of its own any more
        for i in range(3):
            self.train(at, **XOR_ROWS, epochs=1)
        self.until(lambda: sorted(os.listdir(self.folder_of(at))),
                   lambda names: names == ["1005.safetensors", "1006.safetensors", "1007.safetensors", "keys"])
        client.close()
        self.same_after(signal.SIGKILL)
        client = self.daemon.client()
        self.assertEqual([ask(i) for i in range(1003)], said)
        client.close()
        self.assertEqual(self.numbers(at), [1005, 1006, 1007])

    def test_a_job_can_begin_again_when_its_base_is_pruned(self):
        """Before its first checkpoint it has nothing else to begin from."""
        digest = {}
        for name in ("killed", "not"):
            at = self.model(name=name)
            self.learn(at)
            body = dict(XOR_ROWS, epochs=2000, publish_seconds=0)
            job = self.ok(self.api.post(at + "/train", body), 202)
            if name == "killed":
                self.until(lambda: self.numbers(at), lambda numbers: numbers[0] > 2)
                self.restart(signal.SIGKILL)
            self.assertEqual(self.ended(job)["state"], "succeeded")
            digest[name] = self.ok(self.api.get(at))["digest"]
        self.assertEqual(digest["killed"], digest["not"])


class Jobs(Restarting):
    """Interrupted at several points, a job ends with the bits and the history it would have had."""

    flags = ("--checkpoint-seconds", "1")
    plans = {
        "plain": {"publish": "epoch"},
        "momentum": {"publish": "end", "optimizer": {"name": "sgd", "learning_rate": 0.05,
                                                     "momentum": 0.9, "nesterov": True}},
        "bf16": {"publish": "epoch", "precision": "bf16"},
        "adam": {"publish": "epoch", "optimizer": {"name": "adamw", "weight_decay": 0.1}},
        "plateau": {"publish": "end", "schedule": {"name": "plateau", "patience": 20, "minimum": 0, "warmup": 5}},
        "rmsprop": {"publish": "epoch", "optimizer": {"name": "rmsprop", "momentum": 0.9, "learning_rate": 0.001}},
        "regular": {"publish": "epoch", "l1": 0.1, "clip_norm": 2, "dropout": {"inputs": 0.1, "hidden": 0.3},
                    "input_noise": 0.1, "label_smoothing": 0.1, "class_weights": "balanced",
                    "optimizer": {"name": "adam", "weight_decay": 0.001},
                    "validation": {"fraction": 0.2, "stratified": True}},
        "best": {"publish": "best", "l2": 1.0, "optimizer": {"name": "sgd", "learning_rate": 0.2}},
    }

    def body(self, epochs, **more):
        rows, labels = digits("train")
        test, test_labels = digits("test")
        return dict({"inputs": rows[:900], "labels": labels[:900], "epochs": epochs, "batch_size": 7,
                     "seed": 11, "validation": {"inputs": test[:50], "labels": test_labels[:50]}},
                    **more)

    def spec(self):
        return dict(DIGITS, normalize="standard")

    def facts(self, job):
        return [{k: v for k, v in epoch.items() if k not in ("seconds", "version")}
                for epoch in job["history"]]

    def test_early_stopping_goes_on_waiting(self):
        """Killed while it does, a job ends after the same epoch, with the same best version."""
        body = self.body(100000, early_stopping={"monitor": "validation.accuracy", "patience": int(15000 / SLOW ** 1.5)})
        whole = self.model(self.spec(), name="waits-whole")
        job = self.ended(self.ok(self.api.post(whole + "/train", body), 202))
        cut = self.model(self.spec(), name="waits-cut")
        other = self.ok(self.api.post(cut + "/train", body), 202)
        for _ in range(2):
            time.sleep(1.2)  # a checkpoint a second
            self.assertEqual(self.ok(self.api.get("/v1/jobs/" + other["id"]))["state"], "running")
            self.restart(signal.SIGKILL)
        other = self.ended(other)
        self.assertEqual(self.facts(other), self.facts(job))
        self.assertLess(other["epoch"], 100000)
        self.assertEqual(self.ok(self.api.get(cut))["digest"], self.ok(self.api.get(whole))["digest"])

    def test_the_same_bits(self):
        epochs = int(1800 / SLOW ** 1.5)  # some seconds
        jobs = {}
        for name, plan in self.plans.items():
            at = self.model(self.spec(), name="whole-" + name)
            jobs[name] = self.ok(self.api.post(at + "/train", self.body(epochs, **plan)), 202)
        jobs = {name: self.ended(job) for name, job in jobs.items()}
        cut = {}
        for name, plan in self.plans.items():
            at = self.model(self.spec(), name="cut-" + name)
            cut[name] = self.ok(self.api.post(at + "/train", self.body(epochs, **plan)), 202)
        queued = self.ok(self.api.post("/v1/models/cut-plain/train", self.body(2)), 202)
        under_way = []
        for pause, how in ((0.0, signal.SIGKILL), (0.2, signal.SIGTERM), (1.3, signal.SIGKILL),
                           (0.1, signal.SIGTERM), (0.2, signal.SIGKILL)):
            time.sleep(pause)
            self.restart(how)
            under_way += [job["id"] for job in self.ok(self.api.get("/v1/jobs"))["jobs"]
                          if 0 < job["epoch"] < epochs and job["state"] in ("queued", "running")]
        self.assertGreaterEqual(len(under_way), 2, "most of this was to be seen amid training")
        for name in self.plans:
            job = self.ended(cut[name])
            self.assertEqual(job["state"], "succeeded", job)
            self.assertEqual(self.facts(job), self.facts(jobs[name]), name)
            if name == "plain":
                continue
            self.assertEqual(self.ok(self.api.get("/v1/models/cut-" + name))["digest"],
                             self.ok(self.api.get("/v1/models/whole-" + name))["digest"], name)
        self.assertEqual(self.ended(queued)["state"], "succeeded")
        self.train("/v1/models/whole-plain", **self.body(2))
        self.assertEqual(self.ok(self.api.get("/v1/models/cut-plain"))["digest"],
                         self.ok(self.api.get("/v1/models/whole-plain"))["digest"])
        left = [path for path in glob.glob(self.folder + "/jobs/*/*") if not path.endswith(".json")]
        self.assertEqual(left, [], "ended jobs keep their record only")

    def test_a_named_data_set_that_is_replaced(self):
        """Goes on with the rows it began with, also in the next process."""
        rows, labels = digits("train")
        first = {"inputs": rows[:200], "labels": labels[:200]}
        self.ok(self.api.put("/v1/datasets/set", first), 201)
        whole = self.model(self.spec(), name="whole-set")
        self.train(whole, dataset="set", epochs=150)
        at = self.model(self.spec(), name="cut-set")
        job = self.ok(self.api.post(at + "/train", {"dataset": "set", "epochs": 150}), 202)
        self.ok(self.api.put("/v1/datasets/set",
                             {"inputs": rows[200:300], "labels": labels[200:300]}))
        self.restart(signal.SIGKILL)
        self.assertEqual(self.ended(job)["state"], "succeeded")
        self.assertEqual(self.ok(self.api.get(at))["digest"], self.ok(self.api.get(whole))["digest"])
        self.restart(signal.SIGKILL)
        self.assertEqual(len(glob.glob(self.folder + "/datasets/set@*")), 1)
        self.assertEqual(self.ok(self.api.get("/v1/datasets/set"))["rows"], 100)

    def test_cancelled_jobs_stay_cancelled(self):
        at = self.model()
        job = self.ok(self.api.post(at + "/train", dict(XOR_ROWS, epochs=LONG)), 202)
        waits = self.ok(self.api.post(at + "/train", dict(XOR_ROWS, epochs=LONG)), 202)
        for one in (waits, job):
            self.cancel(one)
        before = [self.ended(one) for one in (job, waits)]
        self.restart(signal.SIGKILL)
        self.assertEqual([self.ok(self.api.get("/v1/jobs/" + one["id"])) for one in (job, waits)],
                         before)

    def test_a_deleted_models_job_does_not_train_the_next_of_that_name(self):
        at = self.model()
        job = self.ok(self.api.post(at + "/train", dict(XOR_ROWS, epochs=LONG)), 202)
        self.ok(self.api.delete(at + "?force=true"), 204)
        self.restart(signal.SIGKILL)
        self.model()
        self.restart(signal.SIGKILL)
        self.assertEqual(self.ok(self.api.get("/v1/jobs/" + job["id"]))["state"], "cancelled")
        self.assertEqual(self.ok(self.api.get(at))["version"], 1)


class Process(Restart):
    """The same with the durability that outlives the process only."""

    flags = ("--durability", "process")

    def test_it_says_so(self):
        self.assertEqual(self.ok(self.api.get("/v1/server"))["durability"], "process")


def open_files(pid, suffix):
    """Those that end so. Others come and go meanwhile."""
    found = set()
    for fd in os.listdir("/proc/%d/fd" % pid):
        with contextlib.suppress(FileNotFoundError):
            path = os.readlink("/proc/%d/fd/%s" % (pid, fd))
            if path.endswith(suffix):
                found.add(path)
    return found


class InMemory(harness.Case):
    """--state none: everything works, nothing is kept, and it says so."""

    @classmethod
    def begin(cls):
        cls.work = tempfile.mkdtemp(prefix="sigmad-test-")
        cls.daemon = harness.Daemon(state="none", env={"HOME": cls.work, "TMPDIR": cls.work,
                                                       "XDG_STATE_HOME": cls.work})

    @classmethod
    def setUpClass(cls):
        cls.begin()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        assert os.listdir(cls.work) == [] and not os.path.exists("none")
        os.rmdir(cls.work)

    def test_all_of_it(self):
        self.assertIn("state in memory alone", self.daemon.said())
        server = self.ok(self.api.get("/v1/server"))
        self.assertIsNone(server["state"])
        self.assertEqual(server["durability"], "none")
        at = self.model()
        self.digits()
        named = self.model(DIGITS, name="digits")
        self.train(named, dataset="digits-train", validation={"dataset": "digits-test"}, epochs=3)
        self.train(at, **XOR_ROWS, epochs=2, publish_seconds=0)
        for version in (4, 5):
            self.assertEqual(self.ok(self.api.post(at + "/learn", XOR_ROWS))["version"], version)
        self.ok(self.api.post(at + "/promote", {"version": 2}))
        self.ok(self.api.post(at + "/predict?version=5", {"inputs": ROWS}))
        self.ok(self.api.put("/v1/datasets/digits-test", "a,b\n1,2\n", "text/csv"))
        self.ok(self.api.delete("/v1/datasets/digits-test"), 204)
        self.ok(self.api.delete(at), 204)

    def test_two_at_once_and_one_that_was_killed(self):
        other = harness.Daemon(state="none")
        api = other.client()
        self.ok(api.put("/v1/datasets/d", "a,b\n1,2\n", "text/csv"), 201)
        api.close()
        (lock,) = open_files(other.process.pid, "/lock")
        other.end(signal.SIGKILL)
        self.assertTrue(lock.startswith("/dev/shm/sigmad-none-"), lock)
        again = harness.Daemon(state="none")  # removes what the killed one left, but not ours
        api = again.client()
        self.assertEqual(self.ok(api.get("/v1/datasets"))["datasets"], [])
        api.close()
        self.assertEqual(again.end(), 0)
        self.assertFalse(os.path.exists(lock))
        self.ok(self.api.put("/v1/datasets/d", "a,b\n1,2\n", "text/csv"), 201)


class Copies(Restarting):
    """The folder may be copied while the daemon runs."""

    def test_a_copy_under_load(self):
        rows, labels = digits("train")
        self.ok(self.api.put("/v1/datasets/set", {"inputs": rows[:200], "labels": labels[:200]}), 201)
        before = self.model(name="before")
        self.learn(before, 3)
        settled = self.ok(self.api.get(before + "/versions"))
        busy = self.model(name="busy")
        self.model(DIGITS, name="training")
        job = self.ok(self.api.post("/v1/models/training/train",
                                    {"dataset": "set", "epochs": LONG, "publish_seconds": 0}), 202)
        stop = threading.Event()
        told = []

        def load():
            client = self.daemon.client()
            while not stop.is_set():
                told.append(self.ok(client.post(busy + "/learn", XOR_ROWS))["version"])
            client.close()

        thread = threading.Thread(target=load)
        thread.start()
        copies = []
        try:
            for i in range(5):
                known = told[-1] if told else 1
                copy = tempfile.mkdtemp(prefix="sigmad-test-")
                self.addCleanup(shutil.rmtree, copy, True)
                # a file that goes while it is copied is one that nobody needs
                subprocess.run(["cp", "-a", self.folder + "/.", copy], stderr=subprocess.DEVNULL)
                copies.append((copy, known))
        finally:
            stop.set()
            thread.join()
        self.cancel(job)
        for copy, known in copies:
            other = harness.Daemon(state=copy)
            try:
                api = other.client()
                self.assertEqual(self.ok(api.get("/v1/server"))["corrupt"], [], other.said())
                self.assertEqual(self.ok(api.get(before + "/versions")), settled)
                at = self.ok(api.get(busy))
                self.assertGreaterEqual(at["version"], known)
                for name in ("busy", "before", "training"):
                    model = self.ok(api.get("/v1/models/" + name))
                    self.ok(api.post("/v1/models/%s/predict" % name,
                                     {"inputs": [[0.5] * model["inputs"]]}))
                self.assertEqual(self.ok(api.get("/v1/datasets/set"))["rows"], 200)
                self.assertIn(self.ok(api.get("/v1/jobs/" + job["id"]))["state"],
                              ("queued", "running"))
                api.close()
            finally:
                self.assertEqual(other.end(), 0, other.said())


if __name__ == "__main__":
    harness.main()
