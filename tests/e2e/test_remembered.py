"""Predictions that are remembered, to be learned from once somebody knows what was right."""
import re
import signal
import struct

from harness import LARGEST, XOR, XOR_ROWS, Case, Restarting, in_threads, main

ROWS = XOR_ROWS["inputs"]
TARGETS = XOR_ROWS["targets"]


class Remembered(Case):
    flags = ("--keep-versions", "1000")

    def remember(self, at, rows=ROWS, query="", **more):
        said = self.ok(self.api.post(at + "/predict" + query, dict(inputs=rows, remember=True, **more)))
        self.assertRegex(said["prediction"], r"^[0-9a-f]{16}-[0-9]+$")
        return said["prediction"]

    def learn(self, at, prediction, **headers):
        return self.api.post(at + "/learn", {"prediction": prediction, "targets": TARGETS}, **headers)

    def gone(self, reply, prediction):
        self.problem(reply, 404, "not-found", "prediction", "'%s'" % prediction, "unknown", "another model's",
                     "learned from already", "older than 3600 s", "newer ones", "restart")

    def test_is_learned_from_as_if_its_rows_had_come_again(self):
        at, twin = self.model(name="remembered"), self.model(name="remembered-twin")
        for step in range(3):
            prediction = self.remember(at)
            plan = {"optimizer": {"name": "sgd", "learning_rate": 0.5}, "l2": 0.1} if step == 0 else {}
            got = self.ok(self.api.post(at + "/learn", dict(prediction=prediction, targets=TARGETS, **plan)))
            want = self.ok(self.api.post(twin + "/learn", dict(XOR_ROWS, **plan)))
            self.assertEqual(got, want)
            self.assertEqual(self.ok(self.api.get(at))["digest"], self.ok(self.api.get(twin))["digest"])

    def test_the_answer_is_the_same_but_for_the_id(self):
        at = self.model()
        plain = self.ok(self.api.post(at + "/predict", {"inputs": ROWS}))
        self.assertNotIn("prediction", plain)
        self.assertEqual(self.ok(self.api.post(at + "/predict", {"inputs": ROWS, "remember": False})), plain)
        said = self.ok(self.api.post(at + "/predict", {"inputs": ROWS, "remember": True}))
        ids = [said.pop("prediction"), self.remember(at)]
        self.assertEqual(said, plain)
        self.assertNotEqual(*ids)

    def test_labels_are_taken_by_name_and_by_index(self):
        rows = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
        at, twin = self.model(LARGEST, name="labels"), self.model(LARGEST, name="labels-twin")
        labels = ["bee", 1, "bee"]
        prediction = self.remember(at, rows, "?top=1")
        self.problem(self.api.post(at + "/learn", {"prediction": prediction, "labels": ["bee", 1, "wasp"]}), 422,
                     "field", "labels[2]", "'wasp'")
        got = self.ok(self.api.post(at + "/learn", {"prediction": prediction, "labels": labels}))
        self.assertEqual(got, self.ok(self.api.post(twin + "/learn", {"inputs": rows, "labels": labels})))

    def test_is_used_up_by_what_succeeds(self):
        at = self.model()
        prediction = self.remember(at)
        other = self.model(name=self.name() + "-other")
        with self.unchanged():  # what fails keeps it
            self.gone(self.learn(other, prediction), prediction)
            for body, field, text in (({"targets": TARGETS[:3]}, "targets", "has 3 rows, prediction has 4"),
                                      ({"labels": [0]}, "labels", "has 1 entries, prediction has 4 rows"),
                                      ({"targets": [[0, 1]] * 4}, "targets[0]", "expected 1"),
                                      ({}, "targets", "is missing"),
                                      ({"inputs": ROWS, "targets": TARGETS}, "prediction", "beside inputs")):
                self.problem(self.api.post(at + "/learn", dict(prediction=prediction, **body)), 422, "field", field,
                             text)
            self.problem(self.api.post(at + "/learn", {"prediction": prediction, "targets": [[2]] * 4}), 422, "range",
                         "targets[0][0]")
            self.problem(self.learn(at, prediction, **{"If-Match": '"nonsense"'}), 412,
                         "precondition")
        self.ok(self.learn(at, prediction))
        with self.unchanged():
            self.gone(self.learn(at, prediction), prediction)

    def test_a_retry_with_its_key_is_answered_again(self):
        at = self.model()
        prediction = self.remember(at)
        key = {"Idempotency-Key": "k1"}
        said = self.ok(self.learn(at, prediction, **key))
        with self.unchanged():
            self.assertEqual(self.ok(self.learn(at, prediction, **key)), said)
            self.gone(self.learn(at, prediction), prediction)
            self.gone(self.learn(at, prediction, **{"Idempotency-Key": "k2"}), prediction)

    def test_of_many_who_learn_from_it_one_does(self):
        at = self.model()
        for _ in range(5):
            prediction = self.remember(at)
            got = []

            def client(_):
                api = self.daemon.client()
                got.append(api.post(at + "/learn", {"prediction": prediction, "targets": TARGETS}))
                api.close()

            before = self.ok(self.api.get(at))["version"]
            in_threads(8, client)
            self.assertEqual(sorted(reply.status for reply in got)[0], 200)
            for reply in got:
                if reply.status == 409:
                    self.problem(reply, 409, "busy", "prediction", "another request")
                elif reply.status != 200:
                    self.gone(reply, prediction)
            self.assertEqual(sum(reply.status == 200 for reply in got), 1)
            self.assertEqual(self.ok(self.api.get(at))["version"], before + 1)

    def test_a_model_s_go_with_it(self):
        at = self.model()
        prediction = self.remember(at)
        self.assertEqual(self.api.delete(at).status, 204)
        self.problem(self.learn(at, prediction), 404, "not-found", "name")
        self.model()
        self.gone(self.learn(at, prediction), prediction)
        self.ok(self.learn(at, self.remember(at)))

    def test_rows_of_any_size_and_many_at_once(self):
        at = self.model({"inputs": 700, "layers": [{"units": 2, "activation": "softmax"}], "cost": "log_likelihood"})
        rows = [[(i * j) % 7 / 8 for j in range(700)] for i in range(64)]
        ids = []

        def client(_):
            api = self.daemon.client()
            for _ in range(5):
                ids.append(self.ok(api.post(at + "/predict", {"inputs": rows, "remember": True}))["prediction"])
            api.close()

        in_threads(6, client)
        self.assertEqual(len(set(ids)), 30)
        for prediction in ids[::7]:
            self.ok(self.api.post(at + "/learn", {"prediction": prediction, "labels": [i % 2 for i in range(64)]}))

    def test_what_cannot_be_is_refused(self):
        at = self.model()
        with self.unchanged():
            for value in (1, "true", None, [True]):
                self.problem(self.api.post(at + "/predict", {"inputs": ROWS, "remember": value}), 422, "field",
                             "remember", "true or false")
            for accept in ("application/octet-stream", "application/x-npy"):
                self.problem(self.api.post(at + "/predict", {"inputs": ROWS, "remember": True}, Accept=accept), 422,
                             "field", "remember", "application/json only")
            for value, text in (("", "1 to 64 bytes"), ("x" * 65, "at most 64 bytes long, is 65"), (7, "string")):
                self.problem(self.learn(at, value), 422, "field", "prediction", text)
            for value in ("x", "-", "0-0", "0" * 16 + "-1", "'\"<>"):
                self.problem(self.learn(at, value), 404, "not-found", "prediction")
            self.problem(self.api.post(at + "/train", {"prediction": "x", "targets": TARGETS}), 422, "field",
                         "prediction", "not a field of train")
            self.problem(self.api.post(at + "/evaluate", {"prediction": "x", "targets": TARGETS}), 422, "field",
                         "prediction", "not a field of evaluate")

    def test_a_body_of_floats_is_not_remembered_but_answered(self):
        at = self.model()
        said = self.ok(self.api.ask("POST", at + "/predict", struct.pack("<2f", 0, 1),
                                    {"Content-Type": "application/octet-stream"}))
        self.assertNotIn("prediction", said)

    def test_limits_and_counts_are_told(self):
        limits = self.ok(self.api.get("/v1/server"))["limits"]
        self.assertEqual((limits["prediction_memory"], limits["prediction_seconds"]), (16 << 20, 3600))
        at = self.model()

        def counted():
            text = self.api.get("/metrics").body.decode()
            return [float(re.search(r"^sigmad_remembered_%s (\S+)" % what, text, re.M).group(1))
                    for what in ("predictions", "bytes")]

        before = counted()
        prediction = self.remember(at)
        after = counted()
        self.assertEqual(after[0], before[0] + 1)
        self.assertGreater(after[1], before[1] + 32)
        self.ok(self.learn(at, prediction))
        self.assertEqual(counted(), before)


class Bounded(Case):
    flags = ("--prediction-memory", "4k")

    def ask(self, at, rows=ROWS):
        return self.api.post(at + "/predict", {"inputs": rows, "remember": True})

    def learn(self, at, prediction, n=4):
        return self.api.post(at + "/learn", {"prediction": prediction, "targets": (TARGETS * n)[:n]})

    def test_the_oldest_give_way(self):
        at = self.model()
        ids = [self.ok(self.ask(at))["prediction"] for _ in range(100)]
        self.problem(self.learn(at, ids[0]), 404, "not-found", "prediction", ids[0], "newer ones")
        self.ok(self.learn(at, ids[-1]))
        self.ok(self.learn(at, ids[-2]))

    def test_what_never_fits_is_refused(self):
        at = self.model()
        with self.unchanged():
            self.problem(self.ask(at, ROWS * 128), 413, "too-large", "remember", "--prediction-memory is 4096")
        self.ok(self.api.post(at + "/predict", {"inputs": ROWS * 128}))
        self.ok(self.learn(at, self.ok(self.ask(at, ROWS * 100))["prediction"], 400))


class Expiring(Case):
    flags = ("--prediction-seconds", "2")

    def test_they_are_forgotten_after_their_time(self):
        at = self.model()
        body = {"inputs": ROWS, "remember": True}
        old = self.ok(self.api.post(at + "/predict", body))["prediction"]
        self.until(lambda: self.api.post(at + "/learn", {"prediction": old, "targets": TARGETS[:1]}),
                   lambda reply: reply.status != 422)  # which says that it is there still
        self.problem(self.api.post(at + "/learn", {"prediction": old, "targets": TARGETS}), 404, "not-found",
                     "prediction", old, "older than 2 s")
        new = self.ok(self.api.post(at + "/predict", body))["prediction"]
        self.ok(self.api.post(at + "/learn", {"prediction": new, "targets": TARGETS}))


class Flags(Case):
    flags = ("--prediction-memory=0",)

    def test_without_memory_nothing_is_remembered(self):
        at = self.model()
        self.problem(self.api.post(at + "/predict", {"inputs": ROWS, "remember": True}), 413, "too-large", "remember",
                     "--prediction-memory is 0")
        self.ok(self.api.post(at + "/predict", {"inputs": ROWS, "remember": False}))


class Kept(Restarting):
    def test_ids_are_not_kept_but_what_was_learned_is(self):
        at = "/v1/models/m"
        self.ok(self.api.put(at, XOR), 201)
        ids = set()
        key = {"Idempotency-Key": "k"}
        for start in range(3):
            prediction = self.ok(self.api.post(at + "/predict", {"inputs": ROWS, "remember": True}))["prediction"]
            self.assertNotIn(prediction, ids)
            ids.add(prediction)
            body = {"prediction": prediction, "targets": TARGETS}
            headers = {"Idempotency-Key": "k%d" % start}
            said = self.ok(self.api.post(at + "/learn", body, **headers))
            left = self.ok(self.api.post(at + "/predict", {"inputs": ROWS, "remember": True}))["prediction"]
            before = self.ok(self.api.get(at))
            self.again(signal.SIGKILL)
            self.assertEqual(self.ok(self.api.get(at)), before)
            self.assertEqual(self.ok(self.api.post(at + "/learn", body, **headers)), said)
            reply = self.api.post(at + "/learn", {"prediction": left, "targets": TARGETS}, **key)
            self.problem(reply, 404, "not-found", "prediction", left, "restart")
            self.assertEqual(self.ok(self.api.get(at)), before)


if __name__ == "__main__":
    main()
