#!/usr/bin/python3
"""Sweeps: what is tried, what comes of it, and that it is what training each trial by hand gives."""
import itertools
import signal
import time

import harness
from harness import DIGITS, LONG, XOR, XOR_ROWS, Case, digits, main
from test_events import events_of, listening

DATA = {"dataset": "digits-train", "validation": {"dataset": "digits-test"}}
NUMBERS = ("loss", "accuracy", "validation_loss", "validation_accuracy")


def plain(table):
    """Without what differs from run to run."""
    return [{key: value for key, value in trial.items() if key != "seconds"} for trial in table]


class Sweeping(Case):
    flags = ("--max-layers", "4", "--max-units", "1500", "--max-parameters", "2400000")

    def setUp(self):
        super().setUp()
        self.digits()

    def sweep(self, at, sweep, **body):
        job = self.train(at, **dict(DATA, **body), sweep=sweep)
        self.assertEqual([t["trial"] for t in job["sweep"]["trials"]],
                         list(range(1, len(job["sweep"]["trials"]) + 1)))
        return job, job["sweep"]["trials"]

    def digest(self, at):
        return self.ok(self.api.get(at))["digest"]

    def by_hand(self, name, trial, monitor="validation.loss", spec=DIGITS, **body):
        """A model made for it, trained by those settings: its digest, and what its job says of the epoch
        that it has published."""
        body = dict(DATA, **body)
        for key in ("batch_size", "l2"):
            body[key] = trial.get(key, body.get(key, 32 if key == "batch_size" else 0))
        if "learning_rate" in trial:
            body["optimizer"] = {"name": "sgd", "learning_rate": trial["learning_rate"]}
        if "layers" in trial:
            hidden = [{"units": n, "activation": "sigmoid"} for n in trial["layers"]]
            spec = dict(spec, layers=hidden + spec["layers"][-1:])
        body.setdefault("publish", "best")
        if body["publish"] == "best":
            body.setdefault("early_stopping", {"monitor": monitor, "patience": 1000000})
        at = self.model(spec, name=name)
        job = self.train(at, **body)
        version = self.ok(self.api.get(at + "/versions"))["versions"][-1]
        return self.digest(at), job["history"][version["epoch"] - 1]


class Sweep(Sweeping):
    def test_a_grid_is_every_combination_trained_by_hand(self):
        over = {"learning_rate": [0.5, 0.05], "batch_size": [10, 100], "l2": [0, 3], "layers": [[10], [], [12, 8]]}
        at = self.model(DIGITS)
        job, table = self.sweep(at, {"method": "grid", "over": over}, epochs=3)
        self.assertEqual([[trial[key] for key in over] for trial in table],
                         [list(values) for values in itertools.product(*over.values())])
        self.assertEqual({trial["epochs"] for trial in table}, {3})
        best = min(table, key=lambda trial: trial["validation_loss"])
        self.assertEqual((job["sweep"]["best"], best["state"], job["publish"]), (best["trial"], "best", "best"))
        self.assertEqual({trial["state"] for trial in table if trial is not best}, {"done"})
        for trial in [best] + [table[i] for i in (5, 13, 22) if table[i] is not best]:
            digest, epoch = self.by_hand("%s-%d" % (self.name(), trial["trial"]), trial, epochs=3)
            self.assertEqual([trial[key] for key in ("epoch",) + NUMBERS],
                             [epoch[key] for key in ("epoch",) + NUMBERS])
            if trial is best:
                self.assertEqual(self.digest(at), digest)
        (version,) = [v for v in self.ok(self.api.get(at + "/versions"))["versions"] if v["served"]]
        self.assertEqual((version["version"], version["job"], version["epoch"], version["loss"]),
                         (2, job["id"], best["epoch"], best["validation_loss"]))
        listed = [j for j in self.ok(self.api.get("/v1/jobs"))["jobs"] if j["id"] == job["id"]][0]["sweep"]
        self.assertNotIn("trials", listed)
        self.assertEqual(listed["best"], best["trial"])

    def test_hidden_layers_are_the_version_s(self):
        at = self.model(dict(DIGITS, normalize="standard"))
        first = self.ok(self.api.get(at))
        self.sweep(at, {"method": "grid", "over": {"layers": [[20, 15]]}}, epochs=2)
        second = self.ok(self.api.get(at))
        self.assertEqual([layer["units"] for layer in second["layers"]], [20, 15, 10])
        self.assertEqual(second["parameters"], 64 * 20 + 20 + 20 * 15 + 15 + 15 * 10 + 10)
        exported = self.ok(self.api.get(at + "/export"))
        self.ok(self.api.put(at + "-twin", exported), 201)
        self.assertEqual(self.digest(at + "-twin"), second["digest"])
        # it learns, trains and answers as any other
        row = {"inputs": [[1.0] * 64]}
        self.ok(self.api.post(at + "/learn", dict(row, labels=["3"])))
        self.assertEqual(len(self.ok(self.api.get(at))["layers"]), 3)
        self.train(at, **DATA)
        self.assertEqual(len(self.ok(self.api.get(at))["layers"]), 3)
        answers = {v: self.ok(self.api.post(at + "/predict?version=%d" % v, row)) for v in (1, 2, 3, 4)}
        self.ok(self.api.post(at + "/promote", {"version": 1}))
        self.assertEqual(self.ok(self.api.get(at))["layers"], first["layers"])
        self.assertEqual(self.ok(self.api.get(at))["digest"], first["digest"])
        for v, answer in answers.items():
            self.assertEqual(self.ok(self.api.post(at + "/predict?version=%d" % v, row)), answer)
        # and a model without hidden layers can have no others
        self.ok(self.api.post(at + "/promote", {"version": 2}))
        self.sweep(at, {"method": "grid", "over": {"layers": [[]]}})
        self.problem(self.api.post(at + "/train", dict(DATA, sweep={"method": "grid", "over": {"layers": [[], [5]]}})),
                     422, "field", "sweep.over.layers", "hidden layer")

    def test_random_trials_come_from_the_seed(self):
        over = {"learning_rate": {"from": 0.01, "to": 1, "scale": "log"}, "batch_size": {"from": 5, "to": 50},
                "l2": [0, 1, 2], "layers": [[5], [6]]}
        tables = []
        for i, seed in enumerate((0, 0, 1)):
            at = self.model(DIGITS, name="%s-%d" % (self.name(), i))
            sweep = {"method": "random", "trials": 8, "over": over}
            tables.append(self.sweep(at, dict(sweep, seed=seed) if seed else sweep)[1])
        self.assertEqual(plain(tables[0]), plain(tables[1]))
        self.assertNotEqual([t["learning_rate"] for t in tables[0]], [t["learning_rate"] for t in tables[2]])
        for trial in tables[0] + tables[2]:
            self.assertTrue(0.01 <= trial["learning_rate"] <= 1 and 5 <= trial["batch_size"] <= 50, trial)
            self.assertIn(trial["l2"], (0, 1, 2))
            self.assertIn(trial["layers"], ([5], [6]))
        trial = tables[0][3]
        _, epoch = self.by_hand(self.name() + "-hand", trial)
        self.assertEqual([trial[key] for key in NUMBERS], [epoch[key] for key in NUMBERS])

    def test_random_without_number_of_trials(self):
        at = self.model(DIGITS)
        job, table = self.sweep(at, {"method": "random", "over": {"l2": [0, 1], "batch_size": [10, 20]}})
        self.assertEqual(sorted((t["l2"], t["batch_size"]) for t in table), [(0, 10), (0, 20), (1, 10), (1, 20)])
        job, table = self.sweep(at, {"method": "random", "over": {"l2": {"from": 0, "to": 1}}})
        self.assertEqual((len(table), job["sweep"]["seed"]), (20, 0))

    def test_halving(self):
        """12 at 1 epoch, 6 at 2, 3 at 4, 2 at 7; those that went on are as if they had never waited."""
        over = {"learning_rate": [0.01, 0.03, 0.1, 0.3, 1, 3], "batch_size": [10, 40]}
        at = self.model(DIGITS)
        job, table = self.sweep(at, {"method": "grid", "over": over, "halving": {"factor": 2}}, epochs=7)
        self.assertEqual(job["sweep"]["halving"], {"factor": 2, "min_epochs": 1})
        self.assertEqual(sorted(trial["epochs"] for trial in table), [1] * 6 + [2] * 3 + [4] + [7] * 2)
        self.assertEqual([t["state"] for t in table if t["epochs"] < 7], ["halved"] * 10)
        whole, all_of_it = self.sweep(self.model(DIGITS, name=self.name() + "-whole"),
                                      {"method": "grid", "over": over}, epochs=7)
        for trial in table:
            if trial["epochs"] == 7:
                self.assertEqual([trial[key] for key in NUMBERS],
                                 [all_of_it[trial["trial"] - 1][key] for key in NUMBERS])
        best = table[job["sweep"]["best"] - 1]
        self.assertEqual(self.digest(at), self.by_hand(self.name() + "-hand", best, epochs=7)[0])

    def test_what_else_a_job_says_holds_for_its_trials(self):
        body = {"validation": {"fraction": 0.25, "stratified": True}, "class_weights": "balanced", "seed": 5, "l1": 0.01,
                "dropout": {"hidden": 0.2}, "optimizer": {"name": "adam", "learning_rate": 0.01}, "epochs": 4}
        at = self.model(DIGITS)
        job, table = self.sweep(at, {"method": "grid", "over": {"batch_size": [8, 16, 32]},
                                     "halving": {"factor": 2, "min_epochs": 2}}, **body)
        best = table[job["sweep"]["best"] - 1]
        digest, epoch = self.by_hand(self.name() + "-hand", best, **body)
        self.assertEqual(self.digest(at), digest)
        self.assertEqual([best[key] for key in NUMBERS], [epoch[key] for key in NUMBERS])

    def test_more_than_is_kept_between_rounds(self):
        """Four nets of 19 MB with their best go on: one of them is trained again from the start."""
        spec = dict(DIGITS, layers=[{"units": 1500, "activation": "sigmoid"}] * 2 + DIGITS["layers"][-1:])
        rows, labels = harness.digits("test")
        self.ok(self.api.put("/v1/datasets/few", {"inputs": rows[:60], "labels": labels[:60]}), 201)
        body = {"dataset": "few", "batch_size": 20, "epochs": 4}
        at = self.model(spec)
        job, table = self.sweep(at, {"method": "grid", "halving": {"factor": 2},
                                     "over": {"learning_rate": [0.001, 0.05, 0.002, 0.1, 0.003, 0.2, 0.004, 0.3]}}, **body)
        self.assertEqual(sorted(trial["epochs"] for trial in table), [1] * 4 + [2] * 2 + [4] * 2)
        for trial in table:
            if trial["epochs"] == 4:
                digest, epoch = self.by_hand("%s-%d" % (self.name(), trial["trial"]), trial, spec=spec,
                                             **body)
                self.assertEqual([trial[key] for key in NUMBERS], [epoch[key] for key in NUMBERS])
                if trial["state"] == "best":
                    self.assertEqual(self.digest(at), digest)

    def test_halving_with_early_stopping_and_schedule(self):
        body = {"epochs": 16, "early_stopping": {"patience": 2, "monitor": "validation.loss"},
                "schedule": {"name": "cosine", "warmup": 2}}
        at = self.model(DIGITS)
        job, table = self.sweep(at, {"method": "grid", "over": {"learning_rate": [2, 0.3, 6, 1]},
                                     "halving": {"factor": 2, "min_epochs": 4}}, **body)
        best = table[job["sweep"]["best"] - 1]
        digest, epoch = self.by_hand(self.name() + "-hand", best, **body)
        self.assertEqual(self.digest(at), digest)
        self.assertEqual([best[key] for key in NUMBERS], [epoch[key] for key in NUMBERS])

    def test_monitor_and_publish_end(self):
        over = {"learning_rate": [0.01, 0.2, 1.5]}
        for monitor, key, least in (("accuracy", "accuracy", False), ("loss", "loss", True),
                                    ("validation.accuracy", "validation_accuracy", False)):
            at = self.model(DIGITS, name=self.name() + "-" + monitor)
            sweep = {"method": "grid", "over": over, "monitor": monitor}
            job, table = self.sweep(at, sweep, epochs=4, publish="end")
            best = (min if least else max)(table, key=lambda trial: trial[key])
            self.assertEqual(job["sweep"]["best"], best["trial"])
            self.assertEqual({trial["epoch"] for trial in table}, {4})
            self.assertEqual(self.digest(at), self.by_hand("%s-%s-hand" % (self.name(), monitor), best, epochs=4,
                                                           publish="end")[0])

    def test_fresh_nets_whatever_is_served(self):
        """A model that has been trained, and one that has not: the same."""
        fresh, trained = self.model(DIGITS), self.model(DIGITS, name=self.name() + "-trained")
        self.train(trained, **DATA, epochs=2)
        sweep = {"method": "grid", "over": {"l2": [0, 1]}}
        self.assertEqual(plain(self.sweep(fresh, sweep)[1]), plain(self.sweep(trained, sweep)[1]))
        self.assertEqual(self.digest(fresh), self.digest(trained))

    def test_what_is_learned_from_the_data_is_learned_anew(self):
        for kind in ("unit", "standard", "minmax", "priors"):
            spec = dict(DIGITS, **{"bias_init": kind} if kind == "priors" else {"normalize": kind})
            at = self.model(spec, name=self.name() + "-" + kind)
            rows, labels = digits("test")
            self.train(at, inputs=rows[:100], labels=labels[:100])
            job, table = self.sweep(at, {"method": "grid", "over": {"learning_rate": [0.2, 0.1]}}, epochs=2)
            best = table[job["sweep"]["best"] - 1]
            digest, _ = self.by_hand("%s-%s-hand" % (self.name(), kind), best, spec=spec, epochs=2)
            self.assertEqual(self.digest(at), digest, kind)

    def test_normalised_targets(self):
        """Of every trial, not only of the first: each is what train alone would have made of it."""
        spec = {"inputs": 1, "layers": [{"units": 1, "activation": "linear"}], "cost": "mse", "seed": 2,
                "normalize_targets": "standard"}
        body = {"inputs": [[i] for i in range(20)], "targets": [[1000 + 7 * i] for i in range(20)], "epochs": 3,
                "validation": {"last": 5}, "publish": "end", "optimizer": {"name": "sgd", "learning_rate": 0.001}}
        at = self.model(spec)
        job = self.train(at, **dict(body, sweep={"method": "grid", "over": {"l2": [0, 5]}}))
        hand = self.model(spec, name="hand")
        best = job["sweep"]["best"]
        alone = self.train(hand, **dict(body, l2=job["sweep"]["trials"][best - 1]["l2"]))
        self.assertEqual(best, 2, job["sweep"])
        self.assertEqual(job["sweep"]["trials"][1]["validation_loss"], alone["history"][-1]["validation_loss"])
        self.assertEqual(self.digest(at), self.digest(hand))

    def test_paused_and_resumed(self):
        """A sweep that was paused ends with the table and the version that it would have had."""
        sweep = {"method": "grid", "over": {"l2": [0, 1, 5], "batch_size": [5, 8]}}
        whole = self.model(DIGITS, name="whole")
        want = self.sweep(whole, sweep, epochs=20)[1]
        cut = self.model(DIGITS, name="cut")
        job = self.ok(self.api.post(cut + "/train", dict(DATA, epochs=20, sweep=sweep)), 202)
        path = "/v1/jobs/" + job["id"]
        for _ in range(3):
            time.sleep(0.05)
            reply = self.api.post(path + "/pause")
            if reply.status == 409:  # it has ended
                break
            paused = self.ok(reply)
            self.assertEqual(paused["state"], "paused")
            self.assertNotIn("skipped", [trial["state"] for trial in paused["sweep"]["trials"]])
            self.ok(self.api.post(path + "/resume"))
        self.assertEqual(plain(self.ended(job)["sweep"]["trials"]), plain(want))
        self.assertEqual(self.digest(cut), self.digest(whole))

    def test_a_diverging_trial_fails_alone(self):
        spec = dict(XOR, layers=[{"units": 4, "activation": "relu"}, {"units": 1, "activation": "linear"}], cost="mse")
        at = self.model(spec)
        job = self.train(at, **XOR_ROWS, epochs=40, batch_size=4,
                         sweep={"method": "grid", "over": {"learning_rate": [1e30, 0.1, 1e20]}})
        self.assertEqual([t["state"] for t in job["sweep"]["trials"]], ["failed", "best", "failed"])
        self.assertEqual((job["sweep"]["best"], job["version"]), (2, 2))
        self.assertEqual(job["sweep"]["monitor"], "loss")
        job = self.ended(self.ok(self.api.post(at + "/train", dict(
            XOR_ROWS, epochs=40, sweep={"method": "grid", "over": {"learning_rate": [1e30, 1e20]}})), 202))
        self.assertEqual((job["state"], job["version"], job["sweep"]["best"]), ("failed", None, None))
        self.assertEqual((job["error"]["type"], job["error"]["field"]), ("urn:sigmad:problem:number", "sweep"))
        self.assertEqual(self.ok(self.api.get(at))["version"], 2)

    def test_cancelled(self):
        at = self.model(DIGITS)
        body = dict(DATA, epochs=LONG, sweep={"method": "grid", "over": {"l2": [0, 1, 2]}})
        job = self.ok(self.api.post(at + "/train", body), 202)
        self.assertEqual([t["state"] for t in job["sweep"]["trials"]], ["queued"] * 3)
        self.until(lambda: self.ok(self.api.get("/v1/jobs/" + job["id"])),
                   lambda job: job["sweep"]["trials"][0]["state"] == "running" and job["progress"] > 0)
        self.cancel(job)
        job = self.ended(job)
        self.assertEqual((job["state"], job["version"], job["sweep"]["best"]), ("cancelled", None, None))
        self.assertEqual([t["state"] for t in job["sweep"]["trials"]], ["skipped"] * 3)
        self.assertEqual(self.ok(self.api.get(at))["version"], 1)

    def test_max_seconds(self):
        at = self.model(DIGITS)
        body = dict(DATA, epochs=LONG, max_seconds=0.5)
        job = self.train(at, **body, sweep={"method": "grid", "over": {"l2": [0, 1, 2]}})
        self.assertEqual([t["state"] for t in job["sweep"]["trials"]], ["best", "skipped", "skipped"])
        self.assertEqual((job["sweep"]["best"], job["version"]), (1, 2))
        self.assertGreater(job["sweep"]["trials"][0]["epochs"], 0)
        job = self.train(at, **body, sweep={"method": "grid", "over": {"l2": [0, 1, 2]},
                                            "halving": {"min_epochs": 5}})
        self.assertIn("best", [t["state"] for t in job["sweep"]["trials"]])
        self.assertEqual(job["version"], 3)

    def test_promoted_if_better(self):
        at = self.model(DIGITS)
        self.train(at, **DATA, epochs=20, batch_size=5)
        sweep = {"method": "grid", "over": {"learning_rate": [1e-6, 1e-5]}}
        job, _ = self.sweep(at, sweep, promote="if_better")
        self.assertEqual((job["promoted"], self.ok(self.api.get(at))["version"]), (False, job["version"] - 1))
        job, table = self.sweep(at, sweep, promote={"if": "loss", "at_most": 100})
        self.assertEqual((job["promoted"], self.ok(self.api.get(at))["version"]), (True, job["version"]))

    def test_events(self):
        at = self.model(DIGITS)
        body = dict(DATA, epochs=8, batch_size=2, sweep={
            "method": "grid", "over": {"l2": [0, 1, 2, 3]}, "halving": {"factor": 2, "min_epochs": 2}})
        job = self.ok(self.api.post(at + "/train", body), 202)
        with listening(self.daemon.port, "/v1/jobs/%s/events" % job["id"]) as reply:
            events = list(events_of(reply))
        table = self.ended(job)["sweep"]["trials"]
        trials = [event for event in events if event["event"] == "trial"]
        ids = [int(event["id"]) for event in trials]
        self.assertEqual(ids, sorted(set(ids)))
        self.assertEqual(ids[-1], 4 + 2 + 2 + 1 + 1 + 1)  # ends, the halved, ends, the halved, the last, the best
        last = {event["data"]["trial"]: event["data"] for event in trials}
        self.assertEqual([last[i] for i in (1, 2, 3, 4)], table)
        self.assertEqual(trials[-1]["data"]["state"], "best")
        self.assertNotIn("trials", events[-1]["data"]["sweep"])
        self.assertLessEqual({event["event"] for event in events}, {"state", "trial", "progress", "end"})
        for event in events:
            if event["event"] == "progress":
                self.assertIn(event["data"]["trial"], (1, 2, 3, 4))
        path = "/v1/jobs/%s/events" % job["id"]
        with listening(self.daemon.port, path, Last_Event_ID=str(ids[-2])) as reply:
            self.assertEqual([event["event"] for event in events_of(reply)], ["trial", "state", "end"])
        lines = self.api.get(path, Accept="text/plain").body.decode().split("\n")
        self.assertRegex(lines[-3], r"^\rtrial %d/4  l2 \d  epochs 8  loss .*  best *$" % trials[-1]["data"]["trial"])
        self.assertIn("has succeeded: version 2", lines[-2])

    def test_progress_rises_to_one(self):
        at = self.model(DIGITS)
        job = self.ok(self.api.post(at + "/train", dict(DATA, epochs=9, batch_size=1, sweep={
            "method": "random", "trials": 9, "over": {"l2": {"from": 0, "to": 1}}, "halving": {}})), 202)
        seen = []
        while not seen or seen[-1] < 1:
            seen.append(self.ok(self.api.get("/v1/jobs/" + job["id"]))["progress"])
        self.assertLess(seen[0], 1)

    def test_what_cannot_be_swept(self):
        at = self.model(DIGITS)
        for layers, field, text in (
                ([[5], [1501]], "sweep.over.layers[1][0]", "must be 1 to 1500, is 1501"),
                ([[5, 5, 5, 5]], "sweep.over.layers[0]", "must have at most 3 layers, has 4"),
                ([[1500, 1500, 1500]], "sweep.over.layers[0]",
                 "must make at most 2400000 weights and biases, makes 4615510")):
            with self.unchanged():
                self.problem(self.api.post(at + "/train", dict(DATA, sweep={"method": "grid", "over": {"layers": layers}})),
                             422, "field", field, text)
        numbers = self.model(dict(XOR, cost="mse"), name=self.name() + "-numbers")
        body = dict(XOR_ROWS, sweep={"method": "grid", "over": {"l2": [0]}, "monitor": "accuracy"})
        with self.unchanged():
            self.problem(self.api.post(numbers + "/train", body), 422, "field", "sweep.monitor", "do not have")
        self.problem(self.api.post(at + "/learn", {"inputs": [[0] * 64], "labels": ["1"], "sweep": {}}), 422, "field",
                     "sweep", "is not a field of learn")


def epochs(n):
    """As many as take some seconds here, in slower builds fewer."""
    return int(n / harness.SLOW ** 0.5)


class Interrupted(harness.Restarting):
    flags = ("--checkpoint-seconds", "1", "--workers", "2")
    SPEC = dict(DIGITS, normalize="standard")

    def setUp(self):
        super().setUp()
        self.digits()

    def begin(self, body, name):
        at = self.model(self.SPEC, name=name)
        return at, self.ok(self.api.post(at + "/train", dict(DATA, **body)), 202)

    def outcome(self, at, job):
        job = self.ended(job)
        self.assertEqual(job["state"], "succeeded", job)
        model = self.ok(self.api.get(at))
        return plain(job["sweep"]["trials"]), job["sweep"]["best"], job["epoch"], model["digest"], model["layers"]

    def same(self, body, flags=()):
        """Ends the daemon again and again while it sweeps, and compares with a sweep that was left alone."""
        at, job = self.begin(body, self.name())
        want = self.outcome(at, job)
        at, job = self.begin(body, self.name() + "-again")
        for i, part in enumerate((0.1, 0.25, 0.4, 0.7, 0.85, 1)):
            seen = self.until(lambda: self.ok(self.api.get("/v1/jobs/" + job["id"])),
                              lambda job: job["progress"] >= part or job["state"] == "succeeded")
            how = (signal.SIGTERM, signal.SIGKILL)[i % 2]
            self.assertTrue(seen["state"] == "running" or i > 1, seen)
            self.again(how, *(self.flags + tuple(flags)))
            if how == signal.SIGTERM:
                self.not_again(seen, self.ok(self.api.get("/v1/jobs/" + job["id"])), "halving" in body["sweep"])
        self.assertEqual(self.outcome(at, job), want)
        versions = self.ok(self.api.get(at + "/versions"))["versions"]
        self.assertEqual([v["version"] for v in versions], [1, 2])
        before = self.ok(self.api.get("/v1/jobs/" + job["id"]))
        self.again()
        self.assertEqual(self.ok(self.api.get("/v1/jobs/" + job["id"])), before)
        self.assertEqual(self.ok(self.api.get(at))["layers"], want[-1])

    def not_again(self, before, after, halving):
        """What was over is not trained anew: it took as long as it had. Between two rounds of halving,
        though, what waits is in memory, and its next round may already be under way, from the start."""
        for was, now in zip(before["sweep"]["trials"], after["sweep"]["trials"]):
            if was["state"] != "done" or (halving and now["state"] == "running"):
                continue
            self.assertNotEqual(now["state"], "running")
            if now["epochs"] == was["epochs"]:
                self.assertEqual(now["seconds"], was["seconds"])

    def test_a_grid(self):
        self.same({"epochs": epochs(40), "batch_size": 2, "sweep": {"method": "grid", "over": {
            "learning_rate": [0.3, 0.02], "layers": [[150], [30, 20], [80]]}}})

    def test_halving(self):
        self.same({"epochs": epochs(60), "batch_size": 3, "optimizer": {"name": "adam"}, "sweep": {
            "method": "random", "trials": 14, "seed": 3, "halving": {"factor": 2, "min_epochs": 6},
            "over": {"learning_rate": {"from": 0.0005, "to": 0.1, "scale": "log"},
                     "layers": [[100], [20], [60, 60]]}}}, ("--workers", "1"))

    def test_publish_end_with_early_stopping(self):
        self.same({"epochs": epochs(60), "batch_size": 2, "publish": "end",
                   "early_stopping": {"patience": 12, "monitor": "validation.loss"},
                   "sweep": {"method": "grid", "over": {"learning_rate": [1.5, 0.2, 0.05], "layers": [[150], [40]]},
                             "halving": {"factor": 2, "min_epochs": 15}}})


if __name__ == "__main__":
    main()
