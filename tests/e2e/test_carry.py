"""What the optimiser of learn carries from call to call: with restarts of any kind between them, calls
have the bits that they have at a daemon that nobody ends."""
import glob
import os
import random
import signal

import harness
from harness import SLOW, XOR, XOR_ROWS, Restarting, main

BOTH = (signal.SIGTERM, signal.SIGKILL)
ADAM = {"name": "adam", "learning_rate": 0.0625}
OPTIMIZERS = (ADAM, {"name": "adamw", "weight_decay": 0.1}, {"name": "rmsprop"},
              {"name": "rmsprop", "momentum": 0.5}, {"name": "sgd", "momentum": 0.9},
              {"name": "sgd", "momentum": 0.9, "nesterov": True}, {"name": "sgd"})
NAMED = dict(XOR, layers=[{"units": 2, "activation": "softmax"}], cost="log_likelihood")


def rows(i):
    return {"inputs": [[i % 7 / 4, i % 5 / 2], [1, i % 3]], "targets": [[1], [0]]}


class Carry(Restarting):
    """Everything is done at two daemons: the test's, which it ends, and one that it does not."""

    flags = ("--keep-versions", "4")

    def setUp(self):
        super().setUp()
        self.calm = harness.Daemon(*self.flags, "--durability", "process")
        self.addCleanup(self.calm.end, signal.SIGKILL)
        self.calm_api = self.calm.client()
        self.addCleanup(self.calm_api.close)
        self.calls = 0

    def both(self, method, path, body=None, status=200, **headers):
        """One request at both; the answers are the same, but for times."""
        said = [self.ok(api.ask(method, path, body, headers), status) for api in (self.api, self.calm_api)]
        for reply in said:
            for time in ("created", "updated", "started", "finished") if isinstance(reply, dict) else ():
                reply.pop(time, None)
        return said

    def create(self, at="/v1/models/m", spec=XOR):
        self.both("PUT", at, spec, 201)
        return at

    def learn(self, at, n=1, **more):
        for _ in range(n):
            self.calls += 1
            ended, calm = self.both("POST", at + "/learn", dict(rows(self.calls), **more))
            self.assertEqual(ended, calm, self.calls)
        return ended["version"]

    def same(self, at):
        digests = [self.ok(api.get(at))["digest"] for api in (self.api, self.calm_api)]
        self.assertEqual(digests[0], digests[1], self.calls)
        return digests[0]

    def files(self, at):
        (found,) = glob.glob(os.path.join(self.state, "models", at.rsplit("/", 1)[1] + "@*"))
        return sorted(os.listdir(found))

    def nothing_aside(self):
        server = self.ok(self.api.get("/v1/server"))
        self.assertEqual((server["corrupt"], server["newer"]), ([], []))

    def test_every_optimizer_between_any_two_calls(self):
        for i, optimizer in enumerate(OPTIMIZERS):
            at = self.create("/v1/models/m%d" % i)
            self.learn(at, optimizer=optimizer)
        for how in BOTH + BOTH:
            self.again(how)
            for i in range(len(OPTIMIZERS)):
                self.learn("/v1/models/m%d" % i, 2)
                self.same("/v1/models/m%d" % i)
        self.nothing_aside()

    def test_a_log_that_another_follows(self):
        """Where a log is full the version is written whole, and what is carried with it."""
        at = self.create()
        self.learn(at, 1000, optimizer=ADAM)
        self.again()
        self.assertEqual(self.learn(at), 1002)  # the first after a long log
        self.until(lambda: self.files(at), lambda names: "1002.safetensors" in names)
        self.again()
        self.learn(at, 2)
        self.until(lambda: self.files(at), lambda names: "learn-1002-1003" in names)
        for how in BOTH:
            self.again(how)
            self.learn(at, 2)
            self.same(at)
        self.nothing_aside()

    def test_a_version_that_brings_labels_is_written_whole(self):
        at = self.create(spec=NAMED)
        for how in (None,) + BOTH:
            if how is not None:
                self.again(how)
            for _ in range(2):
                ended, calm = self.both("POST", at + "/learn", {
                    "inputs": [[1, 0.5], [0, 1]], "labels": ["a", "b"], "optimizer": ADAM})
                self.assertEqual(ended, calm)
            self.same(at)
        self.assertIn("2.safetensors", self.files(at))

    def test_settings_that_go_on_and_that_begin_anew(self):
        """learning_rate goes on; another beta, or another optimiser in between, does not."""
        spec = dict(XOR, seed=3)
        said = {}
        for name, second in (("same", ADAM), ("rate", dict(ADAM, learning_rate=0.25)), ("epsilon", dict(ADAM, epsilon=0.5)),
                             ("beta", dict(ADAM, beta1=0.5)), ("other", {"name": "rmsprop", "learning_rate": 0.0625})):
            at = self.create("/v1/models/" + name, spec)
            for i in range(3):
                self.ok(self.api.post(at + "/learn", dict(rows(i), optimizer=ADAM)))
                self.ok(self.calm_api.post(at + "/learn", dict(rows(i), optimizer=ADAM)))
            self.again()
            for i in range(3, 6):
                self.ok(self.api.post(at + "/learn", dict(rows(i), optimizer=second)))
                self.ok(self.calm_api.post(at + "/learn", dict(rows(i), optimizer=second)))
                self.again()
            said[name] = self.same(at)
        self.assertEqual(len(set(said.values())), 5)
        # anew is as if the first steps had been another's: an import of what they led to, and the rest
        for name, second in (("rate", dict(ADAM, learning_rate=0.25)), ("beta", dict(ADAM, beta1=0.5))):
            self.ok(self.api.put("/v1/models/%s-imported" % name,
                                 self.ok(self.api.get("/v1/models/%s/export?version=4" % name))), 201)
            for i in range(3, 6):
                self.ok(self.api.post("/v1/models/%s-imported/learn" % name, dict(rows(i), optimizer=second)))
            digest = self.ok(self.api.get("/v1/models/%s-imported" % name))["digest"]
            self.assertEqual(digest == said[name], name == "beta")

    def test_another_choice_begins_anew(self):
        """Promotions, also of the version that is served; jobs, also when what they make is not served."""
        at = self.create()
        last = self.learn(at, 3, optimizer=ADAM)

        def promote(version):
            self.both("POST", at + "/promote", {"version": version})

        def train(**more):
            self.both("POST", at + "/train", dict(XOR_ROWS, epochs=2, optimizer=ADAM, **more), **{"Prefer": "wait=600"})

        steps = (lambda: promote(last), lambda: (promote(last - 1), promote(last)), train,
                 lambda: train(promote=False))
        for step in steps:
            for n in range(2):
                step()
                if n == 1:
                    self.again()
                last = self.learn(at, 2)
                self.same(at)
                self.again(signal.SIGTERM)
                last = self.learn(at)
                self.same(at)
        # a promotion of what is served: the same as a model that is imported there
        promote(last)
        self.again()
        self.ok(self.api.put("/v1/models/other", self.ok(self.api.get(at + "/export"))), 201)
        body = dict(XOR_ROWS, optimizer=ADAM, l2=0)
        for _ in range(2):
            for where in (at, "/v1/models/other"):
                self.ok(self.api.post(where + "/learn", body))
        self.assertEqual(self.ok(self.api.get(at))["digest"], self.ok(self.api.get("/v1/models/other"))["digest"])
        self.nothing_aside()

    def test_a_job_that_changes_nothing(self):
        """One that starts from a version that learn made, which gets a file by that, and is cancelled."""
        at = self.create()
        self.learn(at, 3, optimizer=ADAM)
        self.again()
        jobs = self.both("POST", at + "/train", dict(XOR_ROWS, epochs=harness.LONG, publish="end"), 202)
        for job, api in zip(jobs, (self.api, self.calm_api)):
            path = "/v1/jobs/" + job["id"]
            self.until(lambda: self.ok(api.get(path))["state"], lambda state: state == "running")
            api.delete(path)
            self.until(lambda: self.ok(api.get(path))["state"], lambda state: state == "cancelled")
        self.assertIn("4.safetensors", self.files(at))
        self.assertEqual(self.ok(self.api.get(at))["version"], 4)
        for how in BOTH:
            self.again(how)
            self.learn(at, 2, optimizer=ADAM)
            self.same(at)

    def test_unloading_in_between(self):
        at = self.create(spec=NAMED)
        body = {"inputs": [[1, 0.5], [0, 1]], "labels": ["a", "b"], "optimizer": ADAM}
        self.both("POST", at + "/learn", body)  # whole
        for path in ("unload", "load"):
            self.ok(self.api.post("/v2/repository/models/m/" + path, {}))
        self.both("POST", at + "/learn", body)
        self.same(at)

    def test_any_pattern(self):
        seed = random.randrange(1 << 30)
        chance = random.Random(seed)
        at = self.create()
        try:
            for _ in range(int(120 / SLOW)):
                what = chance.random()
                if what < 0.15:
                    self.again(chance.choice(BOTH))
                    if chance.random() < 0.5:  # read by somebody else first
                        self.ok(self.api.post(at + "/predict", {"inputs": [[0, 1]]}))
                elif what < 0.2:
                    versions = [v["version"] for v in self.ok(self.api.get(at + "/versions"))["versions"]]
                    self.both("POST", at + "/promote", {"version": chance.choice(versions)})
                elif what < 0.25:
                    self.both("POST", at + "/train", dict(
                        XOR_ROWS, epochs=2, batch_size=2, optimizer=chance.choice(OPTIMIZERS),
                        promote=chance.choice((True, False))), **{"Prefer": "wait=600"})
                elif what < 0.45:
                    self.learn(at, optimizer=chance.choice(OPTIMIZERS))
                else:
                    self.learn(at)
                self.same(at)
            self.nothing_aside()
        except BaseException:
            print("seed", seed)
            raise

    def test_memory_is_counted(self):
        at = self.create()
        used = []
        for optimizer in ({"name": "sgd"}, {"name": "sgd", "momentum": 0.5}, ADAM):
            version = self.learn(at, optimizer=optimizer)
            said = self.ok(self.api.get("/v2/models/m/versions/%d/stats" % version))
            used.append(said["model_stats"][0]["memory_usage"][0]["byte_size"])
        self.assertEqual(used, [used[0], 2 * used[0], 3 * used[0]])
        # what it goes on from carries nothing any more
        said = self.ok(self.api.get("/v2/models/m/versions/%d/stats" % (version - 1)))
        self.assertEqual(said["model_stats"][0]["memory_usage"][0]["byte_size"], used[0])


if __name__ == "__main__":
    main()
