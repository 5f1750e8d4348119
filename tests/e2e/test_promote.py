"""Guarded promotion: a job's version is served only if it earns it."""
import signal

from harness import DIGITS, LARGEST, LONG, XOR, XOR_ROWS, Case, Restarting, main

# One step moves w from 1 to 1 - rate * (a - y) x; the loss before it is known, and that after it.
LINE = {"inputs": 1, "cost": "mse", "layers": [{"units": 1, "activation": "linear",
                                                "weights": [[1]], "biases": [0]}]}
STEP = {"inputs": [[1]], "targets": [[0]], "epochs": 1, "batch_size": 1, "publish": "end",
        "validation": {"inputs": [[1]], "targets": [[0]]}}
GOOD = {"name": "sgd", "learning_rate": 0.25}  # w, b = 0.75, -0.25: a = 0.5, C = 1/8
BAD = {"name": "sgd", "learning_rate": 4}  # w, b = -3, -4: a = -7, C = 49/2


class Promote(Case):
    flags = ("--keep-versions", "1000")

    def served(self, at):
        return self.ok(self.api.get(at))["version"]

    def judged(self, at, promote, **body):
        job = self.train(at, promote=promote, **dict(STEP, **body))
        self.assertEqual(job["promote"], promote)
        self.assertEqual(self.ok(self.api.get("/v1/jobs/" + job["id"])), job)
        self.assertEqual(job["promoted"], job["promoted_version"] == job["version"])
        return job["promoted"], job["promotion"]

    def test_without_a_word_each_is_served(self):
        at = self.model(LINE)
        job = self.train(at, **STEP)
        self.assertEqual((job["promote"], job["promoted"], job["promotion"]), (True, True, None))
        self.assertEqual((job["version"], self.served(at)), (2, 2))

    def test_never(self):
        at = self.model(LINE)
        before = self.ok(self.api.get(at))
        self.assertEqual(self.judged(at, False), (False, "promote is false"))
        self.assertEqual(self.served(at), 1)
        listed = self.ok(self.api.get(at + "/versions"))
        self.assertEqual([(v["version"], v["served"]) for v in listed["versions"]], [(1, True), (2, False)])
        self.assertEqual(self.ok(self.api.get(at))["updated"], before["updated"])
        self.assertEqual(self.ok(self.api.post(at + "/predict", {"inputs": [[3]]}))["outputs"], [[3]])
        self.ok(self.api.post(at + "/promote", {"version": 2}))
        self.assertEqual(self.served(at), 2)

    def test_by_a_bound(self):
        at = self.model(LINE)
        for metric, bound, yes in (("validation.loss", 0.5, True), ("validation.loss", 0.12, False),
                                   ("loss", 0.5, True), ("loss", 0.49, False),
                                   ("validation.loss", 0.125, True)):
            self.ok(self.api.post(at + "/promote", {"version": 1}))
            promoted, why = self.judged(at, {"if": metric, "at_most": bound}, optimizer=GOOD)
            self.assertEqual(promoted, yes, why)
            self.assertTrue(why.startswith(metric + " is "), why)
            self.assertEqual(self.served(at) > 1, yes)

    def test_by_accuracy(self):
        at = self.model(LARGEST)
        right = {"inputs": [[9, 0, 0], [0, 9, 0], [0, 0, 9], [0, 9, 0]], "labels": ["ant", "bee", "cow", "cow"]}
        tiny = {"name": "sgd", "learning_rate": 1e-6}
        for metric in ("accuracy", "validation.accuracy"):
            for bound, yes in ((0.75, True), (0.7501, False), (0, True), (1, False)):
                before = self.served(at)
                job = self.train(at, promote={"if": metric, "at_least": bound}, validation=right,
                                 publish="end", optimizer=tiny, **right)
                self.assertEqual(job["promoted"], yes, job["promotion"])
                self.assertEqual(self.served(at) > before, yes)

    def test_if_better(self):
        at = self.model(LINE)
        self.assertEqual(self.judged(at, "if_better", optimizer=BAD),
                         (False, "validation.loss is 24.5, not better than that of version 1, 0.5"))
        self.assertEqual(self.served(at), 1)
        self.assertEqual(self.judged(at, "if_better", optimizer=GOOD),
                         (True, "validation.loss is 0.125, better than that of version 1, 0.5"))
        self.assertEqual(self.served(at), 3)
        self.assertEqual(self.judged(at, "if_better", optimizer=dict(GOOD, learning_rate=1e-30))[0], False)
        self.assertEqual(self.served(at), 3)

    def test_the_served_one_is_measured_by_what_it_is_compared_on(self):
        # It has learned other rows to perfection; what its own record says does not count.
        at = self.model(LINE)
        self.train(at, **dict(STEP, targets=[[1]], validation={"inputs": [[1]], "targets": [[1]]}))
        self.assertEqual(self.ok(self.api.get(at))["loss"], 0)
        self.assertEqual(self.judged(at, "if_better", optimizer=GOOD)[0], True)

    def test_each_publication_is_judged(self):
        at = self.model(LINE)
        job = self.train(at, promote="if_better", **dict(
            STEP, publish="epoch", publish_seconds=0, epochs=6,
            optimizer={"name": "sgd", "learning_rate": 0.75}))  # a -> -a / 2 each epoch
        self.assertEqual(job["promoted_version"], 7)
        at = self.model(LINE, name="shrinks-and-grows")
        job = self.train(at, promote={"if": "validation.loss", "at_most": 1}, **dict(
            STEP, publish="epoch", publish_seconds=0, epochs=4,
            optimizer={"name": "sgd", "learning_rate": 1.125}))  # a -> -1.25 a: C = 0.78, 1.2, 1.9
        self.assertEqual((job["version"], job["promoted"], job["promoted_version"]), (5, False, 2))
        self.assertEqual(self.served(at), 2)
        self.assertEqual([e["version"] for e in job["history"]], [2, 3, 4, 5])

    def test_best_is_judged_by_the_epoch_it_is_of(self):
        at = self.model(LINE)
        job = self.train(at, promote={"if": "loss", "at_most": 0.5}, **dict(
            STEP, publish="best", epochs=4, optimizer={"name": "sgd", "learning_rate": 1.125}))
        self.assertEqual((job["promoted"], job["promotion"]), (True, "loss is 0.5, as asked at most 0.5"))

    def test_a_promotion_by_hand_meanwhile_is_what_counts(self):
        self.digits()
        at = self.model(DIGITS)
        job = self.ok(self.api.post(at + "/train", {
            "dataset": "digits-train", "validation": {"dataset": "digits-test"}, "epochs": LONG,
            "publish_seconds": 0, "promote": "if_better"}), 202)
        look = "/v1/jobs/" + job["id"]
        self.until(lambda: self.ok(self.api.get(look)), lambda job: (job["promoted_version"] or 0) > 2)
        self.ok(self.api.post(at + "/promote", {"version": 1}))
        self.until(lambda: self.served(at), lambda version: version > 1)
        self.cancel(job)
        self.ended(job)

    def test_learning_goes_on_from_the_served_one(self):
        at = self.model(LINE)
        self.judged(at, False, optimizer=BAD)
        self.ok(self.api.post(at + "/learn", {"inputs": [[1]], "targets": [[0]], "optimizer": GOOD}))
        self.assertEqual(self.ok(self.api.post(at + "/predict", {"inputs": [[1]]})),
                         {"model": self.name(), "version": 3, "outputs": [[0.5]]})

    def test_what_cannot_be_asked(self):
        at = self.model(XOR)
        numbers = self.model(LINE, name="numbers")
        bad = (
            ("sometimes", "promote"), (1, "promote"), (None, "promote"), ([], "promote"),
            ({}, "promote.if"), ({"if": "f1", "at_least": 1}, "promote.if"),
            ({"if": "loss"}, "promote.at_most"), ({"if": "accuracy"}, "promote.at_least"),
            ({"if": "loss", "at_least": 1}, "promote.at_least"),
            ({"if": "accuracy", "at_most": 1}, "promote.at_most"),
            ({"if": "accuracy", "at_least": 1.01}, "promote.at_least"),
            ({"if": "accuracy", "at_least": -0.1}, "promote.at_least"),
            ({"if": "accuracy", "at_least": "1"}, "promote.at_least"),
            ({"if": "loss", "at_most": -1}, "promote.at_most"),
            ({"if": "loss", "at_most": 1, "at_least": 1}, "promote.at_least"),
            ({"if": "loss", "at_most": 1, "else": 1}, "promote.else"),
            ("if_better", "promote"), ({"if": "validation.loss", "at_most": 1}, "promote.if"),
        )
        with self.unchanged():
            for promote, field in bad:
                body = dict(XOR_ROWS, promote=promote)
                self.problem(self.api.post(at + "/train", body), 422, "field", field)
            for metric in ("accuracy", "validation.accuracy"):
                body = dict(STEP, promote={"if": metric, "at_least": 0.5})
                self.problem(self.api.post(numbers + "/train", body), 422, "field", "promote.if")


class Kept(Restarting):
    def test_what_is_served_stays_so(self):
        for how in (signal.SIGKILL, signal.SIGTERM):
            at = self.model(LINE, name="m-%d" % how)
            self.train(at, promote=False, **dict(STEP, optimizer=BAD))
            self.train(at, promote="if_better", **dict(STEP, optimizer=GOOD))
            job = self.train(at, promote={"if": "loss", "at_most": 0.001}, **STEP)
            before = self.ok(self.api.get(at)), self.ok(self.api.get(at + "/versions"))
            self.assertEqual(before[1]["served"], 3)
            self.again(how)
            after = self.ok(self.api.get(at)), self.ok(self.api.get(at + "/versions"))
            self.assertEqual(after[1], before[1])
            self.assertEqual(after[0]["version"], 3)
            self.assertEqual(self.ok(self.api.get("/v1/jobs/" + job["id"])), job)
            self.ok(self.api.post(at + "/learn", {"inputs": [[1]], "targets": [[0]]}))
            self.again(how)
            self.assertEqual(self.ok(self.api.get(at))["version"], 5)

    def test_a_job_that_goes_on_serves_nothing_it_should_not(self):
        self.digits()
        at = self.model(DIGITS)
        job = self.ok(self.api.post(at + "/train", {
            "dataset": "digits-train", "validation": {"dataset": "digits-test"}, "epochs": LONG,
            "publish_seconds": 0, "promote": {"if": "validation.accuracy", "at_least": 1}}), 202)
        for _ in range(3):
            count = len(self.ok(self.api.get(at + "/versions"))["versions"])
            self.until(lambda: self.ok(self.api.get(at + "/versions"))["versions"],
                       lambda listed, count=count: len(listed) > min(count, 9))
            self.assertEqual(self.ok(self.api.get(at))["version"], 1)
            self.again()
            self.assertEqual(self.ok(self.api.get(at))["version"], 1)
            self.assertEqual(self.ok(self.api.get("/v1/jobs/" + job["id"]))["promote"], job["promote"])
        look = "/v1/jobs/" + job["id"]
        self.until(lambda: self.ok(self.api.get(look)), lambda job: job["version"])
        self.cancel(job)
        self.assertEqual((self.ended(job)["promoted"], self.ok(self.api.get(at))["version"]), (False, 1))


if __name__ == "__main__":
    main()
