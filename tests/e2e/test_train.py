"""Training: jobs, their life, what they publish, and that it learns."""
import math
import time

from harness import DIGITS, LONG, XOR, XOR_ROWS, Case, digits, main

JOB = {"id", "model", "state", "epoch", "epochs", "dataset", "validation", "batch_size", "optimizer",
       "l2", "seed", "publish", "samples_per_second", "workers", "created", "started", "finished",
       "history", "version", "promote", "promoted", "promoted_version", "promotion"}


class Train(Case):
    flags = ("--keep-versions", "100000")

    def test_xor_is_learned(self):
        at = self.model(XOR)
        job = self.train(at, epochs=2000, batch_size=4,
                         optimizer={"name": "sgd", "learning_rate": 1.0}, publish="end", **XOR_ROWS)
        self.assertEqual(job["epoch"], 2000)
        self.assertLess(job["history"][-1]["loss"], 0.05)
        outputs = self.ok(self.api.post(at + "/predict", {"inputs": XOR_ROWS["inputs"]}))["outputs"]
        self.assertEqual([[round(v) for v in row] for row in outputs], XOR_ROWS["targets"])
        self.assertEqual(self.ok(self.api.post(at + "/evaluate", XOR_ROWS))["accuracy"], 1)

    def test_digits_reach_96_percent(self):
        self.digits()
        at = self.model(DIGITS, normalize="standard")
        job = self.train(at, dataset="digits-train", validation={"dataset": "digits-test"}, epochs=30,
                         batch_size=10, optimizer={"name": "sgd", "learning_rate": 0.1})
        self.assertGreaterEqual(job["history"][-1]["validation_accuracy"], 0.94)
        self.assertLess(job["history"][-1]["loss"], job["history"][0]["loss"] / 5)
        said = self.ok(self.api.post(at + "/evaluate", {"dataset": "digits-test"}))
        self.assertAlmostEqual(said["accuracy"], job["history"][-1]["validation_accuracy"], places=9)
        self.assertAlmostEqual(said["loss"], job["history"][-1]["validation_loss"], places=6)
        self.assertEqual(self.ok(self.api.get(at))["labels"], [str(i) for i in range(10)])

    def test_a_job_tells_its_life(self):
        self.digits()
        at = self.model(DIGITS)
        plan = {"dataset": "digits-train", "validation": {"dataset": "digits-test"}, "epochs": 4,
                "batch_size": 16, "optimizer": {"name": "sgd", "learning_rate": 0.25, "momentum": 0.5,
                                                "nesterov": True}, "l2": 0.125, "seed": 9,
                "publish": "epoch", "publish_seconds": 0}
        reply = self.api.post(at + "/train", plan)
        begun = self.ok(reply, 202)
        self.assertEqual(reply.headers["Location"], "/v1/jobs/" + begun["id"])
        self.assertLessEqual(JOB, set(begun))
        self.assertIn(begun["state"], ("queued", "running"))
        job = self.ended(begun)
        self.assertEqual(job["state"], "succeeded")
        self.assertNotIn("error", job)
        for key in ("epochs", "batch_size", "l2", "seed", "publish", "dataset"):
            self.assertEqual(job[key], plan[key], key)
        self.assertEqual(job["optimizer"], plan["optimizer"])
        self.assertIn("digits-test", str(job["validation"]))
        self.assertEqual(job["model"], self.name())
        self.assertEqual([e["epoch"] for e in job["history"]], [1, 2, 3, 4])
        for epoch in job["history"]:
            self.assertGreater(epoch["loss"], 0)
            self.assertGreater(epoch["seconds"], 0)
            self.assertTrue(0 <= epoch["accuracy"] <= 1 and 0 <= epoch["validation_accuracy"] <= 1)
            self.assertGreater(epoch["validation_loss"], 0)
        self.assertGreater(job["samples_per_second"], 0)
        self.assertGreaterEqual(job["workers"], 1)
        self.assertTrue(job["created"] <= job["started"] <= job["finished"])
        self.assertEqual(job["version"], 5)  # one an epoch, after the first
        listed = self.ok(self.api.get("/v1/jobs"))["jobs"]
        self.assertIn(job["id"], [one["id"] for one in listed])
        self.assertIsNone(self.ok(self.api.get(at))["job"])

    def test_a_regression_has_no_accuracy(self):
        at = self.model({"inputs": 1, "cost": "mse", "layers": [{"units": 1, "activation": "linear"}]})
        rows = {"inputs": [[0], [1], [2]], "targets": [[1], [3], [5]]}
        job = self.train(at, epochs=3, validation=rows, **rows)
        for epoch in job["history"]:
            self.assertEqual((epoch["accuracy"], epoch["validation_accuracy"]), (None, None))
            self.assertGreater(epoch["validation_loss"], 0)
        lines = self.api.get("/v1/jobs/%s/events" % job["id"], Accept="text/plain").body
        self.assertIn(b" validation loss ", lines)
        self.assertNotIn(b" accuracy ", lines)
        self.assertIsNone(self.ok(self.api.get(at))["accuracy"])
        self.assertNotIn("accuracy", self.ok(self.api.post(at + "/evaluate", rows)))

    def test_every_optimizer_learns_and_says_its_settings(self):
        self.digits()
        rows = len(digits("train")[0])
        adam = {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
        for name, own in (("sgd", {"learning_rate": 0.1, "momentum": 0, "nesterov": False}),
                          ("rmsprop", {"learning_rate": 0.01, "momentum": 0, "alpha": 0.99, "epsilon": 1e-8}),
                          ("adam", adam), ("adamw", dict(adam, weight_decay=0.01)), ("rprop", {"learning_rate": 0.01})):
            with self.subTest(name=name):
                at = self.model(DIGITS, name=name)
                job = self.train(at, dataset="digits-train", validation={"dataset": "digits-test"}, seed=1,
                                 optimizer={"name": name}, epochs=100 if name == "rprop" else 20,
                                 batch_size=rows if name == "rprop" else 32)
                self.assertEqual(job["optimizer"], dict(own, name=name))
                self.assertGreater(job["history"][-1]["validation_accuracy"], 0.85, name)
                settings = {key: value / 2 if value else value for key, value in own.items()}
                job = self.train(at, dataset="digits-train", batch_size=rows, optimizer=dict(settings, name=name))
                self.assertEqual(job["optimizer"], dict(settings, name=name))

    def test_what_a_job_says_can_be_asked_for_again(self):
        """With the nulls in it: its plan is a request."""
        at = self.model(XOR)
        job = self.train(at, **dict(XOR_ROWS, epochs=2, dropout=0.25, optimizer={"name": "adam"}))
        again = {key: job[key] for key in (
            "epochs", "batch_size", "optimizer", "l2", "dropout", "seed", "precision", "publish", "publish_seconds",
            "promote", "early_stopping", "schedule", "class_weights", "max_seconds", "priority", "sweep")}
        self.assertIn(None, again.values())
        other = self.train(self.model(XOR, name="other"), **dict(XOR_ROWS, **again))
        self.assertEqual({key: other[key] for key in again}, again)

    def test_settings_of_other_optimizers_are_refused(self):
        self.digits()
        at = self.model(DIGITS)
        own = {"sgd": ("momentum", "nesterov", "weight_decay"), "rmsprop": ("momentum", "alpha", "epsilon", "weight_decay"),
               "adam": ("beta1", "beta2", "epsilon", "weight_decay"), "adamw": ("beta1", "beta2", "epsilon", "weight_decay"), "rprop": ()}
        values = {"momentum": 0.5, "nesterov": True, "alpha": 0.5, "beta1": 0.5, "beta2": 0.5, "epsilon": 1e-7,
                  "weight_decay": 0.5}
        for name, has in own.items():
            for field in set(values) - set(has):
                self.problem(self.api.post(at + "/train", {"dataset": "digits-train", "batch_size": 65536,
                                                           "optimizer": {field: values[field], "name": name}}),
                             422, "field", "optimizer." + field, name)
        for field, wrong in (("alpha", 1), ("beta1", 1), ("beta2", -0.1), ("epsilon", 0), ("weight_decay", -1)):
            name = next(name for name in own if field in own[name])
            self.problem(self.api.post(at + "/train", {"dataset": "digits-train",
                                                       "optimizer": {"name": name, field: wrong}}),
                         422, "field", "optimizer." + field)
        self.problem(self.api.post(at + "/train", {"dataset": "digits-train", "optimizer": {"name": "rprop"}}), 422,
                     "field", "batch_size", "rprop")
        # nor is it for learn, whose calls bring other rows; all others are
        row = {"inputs": [[0.5] * 64], "labels": ["3"]}
        self.problem(self.api.post(at + "/learn", dict(row, optimizer={"name": "rprop"})), 422, "field",
                     "optimizer.name", "rprop")
        self.train(at, dataset="digits-train", batch_size=65536, optimizer={"name": "rprop"})
        self.problem(self.api.post(at + "/learn", row), 422, "field", "optimizer", "rprop")
        for name in ("sgd", "rmsprop", "adam", "adamw"):
            self.ok(self.api.post(at + "/learn", dict(row, optimizer={"name": name})))
            self.ok(self.api.post(at + "/learn", row))

    LINE = {"inputs": 1, "cost": "mse", "layers": [{"units": 1, "activation": "linear", "weights": [[1]], "biases": [0]}]}

    def scheduled(self, eta, epochs, **schedule):
        """A job of one row, which a step's error e of w + b makes e (1 - 2 eta)."""
        at = self.model(self.LINE, name="rates-%d" % self.taken)
        type(self).taken += 1
        job = self.train(at, inputs=[[1]], targets=[[0]], epochs=epochs, schedule=schedule,
                         optimizer={"name": "sgd", "learning_rate": eta})
        self.assertEqual({key: job["schedule"][key] for key in schedule}, schedule)
        return job, [epoch["loss"] for epoch in job["history"]]

    taken = 0

    def test_schedules(self):
        for schedule, rate in (
            ({"name": "constant"}, lambda e: 1),
            ({"name": "constant", "warmup": 4}, lambda e: min(1, e / 5)),
            ({"name": "step", "every": 3, "factor": 0.5}, lambda e: 0.5 ** ((e - 1) // 3)),
            ({"name": "exponential", "factor": 0.8}, lambda e: 0.8 ** (e - 1)),
            ({"name": "cosine", "minimum": 0.2}, lambda e: 0.2 + 0.8 * (1 + math.cos(math.pi * (e - 1) / 12)) / 2),
        ):
            with self.subTest(schedule=schedule):
                _, losses = self.scheduled(0.1, 12, **schedule)
                self.assertEqual(len(losses), 12)
                for e, (before, after) in enumerate(zip(losses, losses[1:]), 1):
                    got = (1 - (after / before) ** 0.5) / 2
                    self.assertAlmostEqual(got, 0.1 * rate(e), places=5, msg="epoch %d" % e)

    def test_a_plateau_halves_the_rate_and_ends_the_job(self):
        # at eta 1 the error only changes its sign; at 1/2 it is gone at once, and no epoch is better after that
        job, losses = self.scheduled(1.0, 1000, name="plateau", monitor="loss", patience=2, factor=0.5, minimum=0.25)
        self.assertEqual(losses, [0.5] * 4 + [0] * 5)
        self.assertEqual((job["state"], job["epoch"]), ("succeeded", 9))

    def stops_at(self, job, monitor, patience, min_delta=0.0):
        """The epoch after which it has to end, by its history; and the best one."""
        best, at, key = None, 0, monitor.replace(".", "_")
        for epoch in job["history"]:
            value = epoch[key] if monitor.endswith("accuracy") else -epoch[key]
            if best is None or value > best + min_delta:
                best, at = value, epoch["epoch"]
            elif epoch["epoch"] - at >= patience:
                return epoch["epoch"], at
        return job["epochs"], at

    def test_early_stopping(self):
        self.digits()
        body = {"dataset": "digits-train", "validation": {"dataset": "digits-test"}, "epochs": 2000, "batch_size": 10,
                "optimizer": {"name": "sgd", "learning_rate": 0.3}, "seed": 1}
        for monitor, patience, min_delta in ((None, 3, None), ("validation.accuracy", 8, None), ("loss", 2, 0.01),
                                             ("accuracy", 5, 0.001)):
            with self.subTest(monitor=monitor):
                at = self.model(DIGITS, name="%s-%s" % (self.name(), monitor))
                asked = {"patience": patience}
                asked.update({"monitor": monitor} if monitor else {})
                asked.update({"min_delta": min_delta} if min_delta else {})
                job = self.train(at, **dict(body, early_stopping=asked))
                monitor = monitor or "validation.loss"
                self.assertEqual(job["early_stopping"], {"monitor": monitor, "patience": patience,
                                                         "min_delta": min_delta or 0})
                end, best = self.stops_at(job, monitor, patience, min_delta or 0.0)
                self.assertEqual((job["state"], job["epoch"], job["progress"]), ("succeeded", end, 1))
                self.assertLess(end, 2000)
                self.assertEqual(job["publish"], "best")  # which is what is published
                version = self.ok(self.api.get(at + "/versions/%d" % job["version"]))
                if not min_delta:
                    self.assertEqual(version["epoch"], best)
        at = self.model(DIGITS, name="patient")
        job = self.train(at, **dict(body, epochs=5, early_stopping={"patience": 100}, publish="end"))
        self.assertEqual((job["epoch"], job["publish"]), (5, "end"))
        self.assertIsNone(self.train(at, **dict(body, epochs=1))["early_stopping"])
        line = self.model({"inputs": 1, "layers": [{"units": 1, "activation": "linear"}], "cost": "mse"}, name="line")
        self.problem(self.api.post(line + "/train", {"inputs": [[1]], "targets": [[2]],
                                                     "early_stopping": {"monitor": "accuracy", "patience": 1}}),
                     422, "field", "early_stopping.monitor", "use a loss")

    def test_max_seconds(self):
        self.digits()
        at = self.model(DIGITS)
        job = self.train(at, dataset="digits-train", validation={"dataset": "digits-test"}, epochs=LONG, batch_size=10,
                         max_seconds=0.5)
        self.assertEqual((job["state"], job["max_seconds"], job["progress"]), ("succeeded", 0.5, 1))
        self.assertTrue(0 < job["epoch"] < LONG)
        last = job["history"][-1]
        self.assertEqual((last["epoch"], last["version"]), (job["epoch"], job["version"]))
        self.assertGreater(last["validation_accuracy"], 0.8)
        # all of the time that it may, which the history adds up to as long as it has every epoch
        at = self.model(XOR, name=self.name() + "-all")
        job = self.train(at, inputs=XOR_ROWS["inputs"] * 500, targets=XOR_ROWS["targets"] * 500, epochs=9999,
                         batch_size=1, max_seconds=0.25)
        self.assertLess(job["epoch"], 9999)
        self.assertEqual(len(job["history"]), job["epoch"])
        self.assertGreaterEqual(sum(epoch["seconds"] for epoch in job["history"]), 0.25)
        # within one epoch: it ends early, and counts
        rows = {"inputs": [[0.5] * 64] * 20000, "labels": [str(i % 10) for i in range(20000)]}
        wide = dict(DIGITS, layers=[{"units": 2000, "activation": "tanh"}, DIGITS["layers"][-1]])
        at = self.model(wide, name=self.name() + "-wide")
        job = self.train(at, epochs=LONG, batch_size=1, max_seconds=0.3, **rows)
        self.assertEqual((job["state"], job["epoch"], len(job["history"])), ("succeeded", 1, 1))
        self.assertIsNone(self.train(at, epochs=1, batch_size=10000, **rows)["max_seconds"])

    def test_precision(self):
        self.digits()
        body = {"dataset": "digits-train", "validation": {"dataset": "digits-test"}, "epochs": 20, "batch_size": 10,
                "optimizer": {"name": "sgd", "learning_rate": 0.5}, "seed": 1}
        jobs, digests = {}, {}
        for name, precision in (("default", None), ("float32", "float32"), ("bf16", "bf16"), ("again", "bf16")):
            at = self.model(DIGITS, name=name)
            jobs[name] = self.train(at, **dict(body, **({"precision": precision} if precision else {})))
            self.assertEqual(jobs[name]["precision"], precision or "float32")
            digests[name] = self.ok(self.api.get(at))["digest"]
        self.assertEqual(digests["default"], digests["float32"])
        self.assertNotEqual(digests["bf16"], digests["float32"])
        self.assertEqual(digests["bf16"], digests["again"])
        accuracy = {name: job["history"][-1]["validation_accuracy"] for name, job in jobs.items()}
        self.assertGreater(accuracy["float32"], 0.8)
        self.assertAlmostEqual(accuracy["bf16"], accuracy["float32"], delta=0.02)
        # steps of learn are float32's, whatever the last job was
        both = [self.ok(self.api.post("/v1/models/%s/learn" % name, {"inputs": [[1] * 64], "labels": ["3"]}))
                for name in ("bf16", "again")]
        self.assertEqual(both[0]["loss"], both[1]["loss"])
        for wrong in ("fp16", 16, None):
            self.problem(self.api.post("/v1/models/bf16/train", dict(body, precision=wrong)), 422, "field",
                         "precision")
        self.problem(self.api.post("/v1/models/bf16/learn", {"precision": "bf16"}), 422, "field", "precision")
        self.assertIn(self.ok(self.api.get("/v1/server"))["bf16"], ("amx", "emulated"))

    def test_prefer_wait_answers_the_finished_job(self):
        at = self.model(XOR)
        reply = self.api.post(at + "/train", dict(XOR_ROWS, epochs=5), Prefer="wait=60")
        job = self.ok(reply, 200)
        self.assertEqual((job["state"], job["epoch"], job["version"]), ("succeeded", 5, job["version"]))
        self.assertEqual(self.ok(self.api.get(at))["version"], job["version"])

    def test_prefer_wait_gives_up_in_time(self):
        self.digits()
        at = self.model(DIGITS)
        began = time.monotonic()
        reply = self.api.post(at + "/train", {"dataset": "digits-train", "epochs": LONG}, Prefer="wait=1")
        job = self.ok(reply, 202)
        self.assertGreaterEqual(time.monotonic() - began, 0.9)
        self.assertEqual(job["state"], "running")
        self.cancel(job)
        self.assertEqual(self.ended(job)["state"], "cancelled")

    def test_cancel_keeps_what_was_published(self):
        self.digits()
        at = self.model(DIGITS)
        job = self.ok(self.api.post(at + "/train", {"dataset": "digits-train", "epochs": LONG,
                                                    "publish_seconds": 0}), 202)
        self.until(lambda: self.ok(self.api.get(at))["version"], lambda version: version > 2)
        self.cancel(job)
        job = self.ended(job)
        self.assertEqual(job["state"], "cancelled")
        model = self.ok(self.api.get(at))
        self.assertIsNone(model["job"])
        self.assertEqual(model["version"], job["version"])
        self.assertIsNotNone(job["finished"])
        self.problem(self.api.delete("/v1/jobs/" + job["id"]), 409, "busy")
        self.train(at, dataset="digits-train")  # the model is free again

    def test_cancelling_a_queued_job(self):
        at = self.model(XOR)
        first = self.ok(self.api.post(at + "/train", dict(XOR_ROWS, epochs=LONG)), 202)
        second = self.ok(self.api.post(at + "/train", dict(XOR_ROWS, epochs=1)), 202)
        third = self.ok(self.api.post(at + "/train", dict(XOR_ROWS, epochs=1)), 202)
        self.assertEqual(self.ok(self.api.get("/v1/jobs/" + second["id"]))["state"], "queued")
        self.cancel(second)
        self.assertEqual(self.ended(second)["state"], "cancelled")
        self.cancel(first)
        self.assertEqual(self.ended(third)["state"], "succeeded")
        self.assertEqual(self.ended(first)["state"], "cancelled")

    def test_jobs_of_one_model_take_turns_in_order(self):
        at = self.model(XOR)
        jobs = [self.ok(self.api.post(at + "/train", dict(XOR_ROWS, epochs=20, publish="end")), 202)
                for _ in range(5)]
        ended = [self.ended(job) for job in jobs]
        self.assertEqual([job["state"] for job in ended], ["succeeded"] * 5)
        self.assertEqual([job["version"] for job in ended], [2, 3, 4, 5, 6])
        for before, after in zip(ended, ended[1:]):
            self.assertLessEqual(before["finished"], after["started"])

    def test_publish_end_makes_one_version(self):
        self.digits()
        at = self.model(DIGITS)
        job = self.train(at, dataset="digits-train", epochs=5, publish="end")
        versions = self.ok(self.api.get(at + "/versions"))["versions"]
        self.assertEqual(sorted(v["version"] for v in versions), [1, 2])
        self.assertEqual((job["version"], job["epoch"]), (2, 5))

    def test_publish_best_serves_the_best_epoch(self):
        self.digits()
        at = self.model(DIGITS)
        job = self.train(at, dataset="digits-train", validation={"dataset": "digits-test"}, epochs=12,
                         batch_size=10, optimizer={"name": "sgd", "learning_rate": 1.5},
                         publish="best")
        best = max(epoch["validation_accuracy"] for epoch in job["history"])
        said = self.ok(self.api.post(at + "/evaluate", {"dataset": "digits-test"}))
        self.assertAlmostEqual(said["accuracy"], best, places=9)
        served = [v for v in self.ok(self.api.get(at + "/versions"))["versions"] if v["served"]][0]
        self.assertAlmostEqual(job["history"][served["epoch"] - 1]["validation_accuracy"], best,
                               places=9)

    def test_publish_is_held_to_once_a_second(self):
        self.digits()
        at = self.model(DIGITS)
        job = self.train(at, dataset="digits-train", epochs=40)
        took = sum(epoch["seconds"] for epoch in job["history"])
        made = len(self.ok(self.api.get(at + "/versions"))["versions"]) - 1
        self.assertLessEqual(made, took + 3)
        self.assertEqual(self.ok(self.api.get(at))["version"], job["version"])

    def test_targets_or_labels_inline(self):
        spec = {"inputs": 2, "layers": [{"units": 2, "activation": "softmax"}],
                "cost": "log_likelihood", "seed": 1}
        rows = [[0, 1], [1, 0], [0, 2], [2, 0]]
        plan = {"inputs": rows, "epochs": 3, "publish": "end"}
        digest = set()
        for i, right in enumerate(({"targets": [[1, 0], [0, 1], [1, 0], [0, 1]]},
                                   {"labels": [0, 1, 0, 1]}, {"labels": ["x", "y", "x", "y"]})):
            at = self.model(spec, name=self.name() + str(i), labels=["x", "y"])
            self.train(at, **dict(plan, **right))
            digest.add(self.ok(self.api.get(at))["digest"])
        self.assertEqual(len(digest), 1)

    def test_training_goes_on_from_where_it_was(self):
        at = self.model(XOR)
        losses = []
        for _ in range(3):
            job = self.train(at, epochs=100, batch_size=4, publish="end",
                             optimizer={"name": "sgd", "learning_rate": 0.5}, **XOR_ROWS)
            losses += [job["history"][0]["loss"], job["history"][-1]["loss"]]
        self.assertEqual(losses, sorted(losses, reverse=True))

    def test_l2_makes_weights_smaller_and_leaves_biases(self):
        weights, biases = [], []
        for l2 in (0, 8):
            at = self.model({"inputs": 1, "cost": "mse", "bias_init": "normal", "layers": [
                {"units": 1, "activation": "linear", "weights": [[1]], "biases": [0.5]}]},
                name="%s-%d" % (self.name(), l2))
            # at the optimum of the cost itself: only l2 moves the weight, by eta lambda/n w a step
            self.train(at, inputs=[[0], [0]], targets=[[0.5], [0.5]], batch_size=2, l2=l2,
                       optimizer={"name": "sgd", "learning_rate": 0.125}, publish="end")
            layer = self.ok(self.api.get(at + "/export"))["layers"][0]
            weights.append(layer["weights"][0][0])
            biases.append(layer["biases"][0])
        self.assertEqual(weights, [1, 1 - 0.125 * 8 / 2])
        self.assertEqual(biases, [0.5, 0.5])

    def test_one_step_is_the_equations(self):
        """w' = w - eta dC/dw, averaged over the batch: (a - y) x, by hand."""
        at = self.model({"inputs": 2, "cost": "mse", "layers": [
            {"units": 1, "activation": "linear", "weights": [[0.5, -1]], "biases": [0.25]}]})
        # a = 0.5 - 2 + 0.25 = -1.25 and 1 + 1 + 0.25 = 2.25; y = 0.75, 0.25; a - y = -2, 2
        job = self.train(at, inputs=[[1, 2], [2, -1]], targets=[[0.75], [0.25]], batch_size=2,
                         optimizer={"name": "sgd", "learning_rate": 0.5}, publish="end")
        layer = self.ok(self.api.get(at + "/export"))["layers"][0]
        # dC/dw1 = (-2 * 1 + 2 * 2) / 2 = 1; dC/dw2 = (-2 * 2 + 2 * -1) / 2 = -3; dC/db = 0
        self.assertEqual(layer["weights"], [[0.5 - 0.5 * 1, -1 + 0.5 * 3]])
        self.assertEqual(layer["biases"], [0.25])
        self.assertAlmostEqual(job["history"][0]["loss"], (4 + 4) / (2 * 2), places=6)

    def test_divergence_fails_the_job_and_leaves_the_served_version(self):
        at = self.model({"inputs": 1, "cost": "mse", "layers": [
            {"units": 1, "activation": "linear"}]})
        self.train(at, inputs=[[1]], targets=[[1]], publish="end")
        before = self.ok(self.api.get(at))
        job = self.ok(self.api.post(at + "/train", {
            "inputs": [[1000], [2000]], "targets": [[1], [2]], "batch_size": 1, "epochs": 1000,
            "optimizer": {"name": "sgd", "learning_rate": 10}, "publish": "end"}), 202)
        job = self.ended(job)
        self.assertEqual(job["state"], "failed")
        self.assertEqual(job["error"]["type"], "urn:sigmad:problem:number")
        self.assertRegex(job["error"]["detail"], r"loss .*epoch \d+.*batch \d+|loss .*batch \d+.*epoch \d+")
        self.assertEqual(self.ok(self.api.get(at)), before)
        self.ok(self.api.post(at + "/predict", {"inputs": [[1]]}))
        self.train(at, inputs=[[1]], targets=[[1]])


class BadPlans(Case):
    def test_each_is_refused_before_a_job_is_made(self):
        self.digits()
        xor = self.model(XOR)
        named = self.model(DIGITS, name="named", labels=[str(i) for i in range(10)])
        sums = self.model(DIGITS, name="sums")
        self.ok(self.api.put("/v1/datasets/pair", {"inputs": [[1, 2], [3, 4]], "labels": ["x", "y"]}), 201)
        ones = [[1] * 64]
        sgd = {"name": "sgd", "learning_rate": 0.1}
        with_sgd = lambda **more: dict(XOR_ROWS, optimizer=dict(sgd, **more))  # noqa: E731
        for at, body, status, kind, field in (
            (xor, {}, 422, "field", None),
            (xor, dict(XOR_ROWS, dataset="pair"), 422, "field", None),
            (xor, {"dataset": "nowhere"}, 404, "not-found", "dataset"),
            (xor, {"dataset": "../pair"}, 422, "field", "dataset"),
            (xor, {"dataset": 7}, 422, "field", "dataset"),
            (xor, dict(XOR_ROWS, validation={"dataset": "nowhere"}), 404, "not-found",
             "validation.dataset"),
            (xor, dict(XOR_ROWS, validation={}), 422, "field", None),
            (xor, dict(XOR_ROWS, validation={"inputs": [[1]], "targets": [[1]]}), 422, "field", None),
            (xor, {"dataset": "digits-train"}, 422, "field", None),
            (xor, {"dataset": "pair"}, 422, "field", None),
            (xor, dict(XOR_ROWS, epochs=0), 422, "field", "epochs"),
            (xor, dict(XOR_ROWS, epochs=1000001), 422, "field", "epochs"),
            (xor, dict(XOR_ROWS, epochs=1.5), 422, "field", "epochs"),
            (xor, dict(XOR_ROWS, epochs="3"), 422, "field", "epochs"),
            (xor, dict(XOR_ROWS, batch_size=0), 422, "field", "batch_size"),
            (xor, dict(XOR_ROWS, batch_size=65537), 422, "field", "batch_size"),
            (xor, dict(XOR_ROWS, l2=-1), 422, "field", "l2"),
            (xor, dict(XOR_ROWS, seed=-1), 422, "field", "seed"),
            (xor, dict(XOR_ROWS, publish="sometimes"), 422, "field", "publish"),
            (xor, dict(XOR_ROWS, publish_seconds=-1), 422, "field", "publish_seconds"),
            (xor, dict(XOR_ROWS, publish_seconds=86401), 422, "field", "publish_seconds"),
            (xor, dict(XOR_ROWS, optimizer="sgd"), 422, "field", "optimizer"),
            (xor, with_sgd(name="sgdd"), 422, "field", "optimizer.name"),
            (xor, with_sgd(learning_rate=0), 422, "field", "optimizer.learning_rate"),
            (xor, with_sgd(learning_rate=-1), 422, "field", "optimizer.learning_rate"),
            (xor, with_sgd(learning_rate=1e39), 422, None, "optimizer.learning_rate"),
            (xor, with_sgd(momentum=1), 422, "field", "optimizer.momentum"),
            (xor, with_sgd(momentum=-0.1), 422, "field", "optimizer.momentum"),
            (xor, with_sgd(nesterov="yes"), 422, "field", "optimizer.nesterov"),
            (xor, with_sgd(lr=0.1), 422, "field", "optimizer.lr"),
            (xor, dict(XOR_ROWS, learning_rate=1), 422, "field", "learning_rate"),
            (xor, {"inputs": [[1, 2]], "targets": [[1, 2]]}, 422, "field", "targets[0]"),
            (xor, {"inputs": [[1, 2]], "targets": [[1], [0]]}, 422, "field", "targets"),
            (xor, {"inputs": [[1, 2]], "targets": [[1.5]]}, 422, "range", "targets[0][0]"),
            (xor, {"inputs": [[1, 2], [1, 2]], "targets": [[1], [-0.1]]}, 422, "range",
             "targets[1][0]"),
            (xor, {"inputs": [[1, 2]], "labels": [0], "targets": [[1]]}, 422, "field", None),
            (named, {"inputs": ones, "labels": ["ten"]}, 422, "field", "labels[0]"),
            (named, {"inputs": ones * 2, "labels": ["3", 10]}, 422, "field", "labels[1]"),
            (named, {"inputs": ones, "labels": [-1]}, 422, "field", "labels[0]"),
            (named, {"inputs": ones, "labels": [None]}, 422, "field", "labels[0]"),
            (sums, {"inputs": ones, "targets": [[0.5] * 10]}, 422, "range", "targets[0]"),
            (sums, {"inputs": ones, "targets": [[-1, 2] + [0] * 8]}, 422, "range", "targets[0][0]"),
        ):
            with self.subTest(body=body), self.unchanged():
                reply = self.api.post(at + "/train", body)
                self.problem(reply, status, kind or reply.json["type"].rsplit(":", 1)[1], field)
        self.problem(self.api.post("/v1/models/nobody/train", XOR_ROWS), 404, "not-found", "name")


if __name__ == "__main__":
    main()
