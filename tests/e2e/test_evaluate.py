"""Evaluation: loss, accuracy, confusion and the other scores, against numbers worked out by hand and
against scikit-learn's, where that is installed (tests/core/scores.py keeps its numbers for where it is
not)."""
import json
import math
import os
import random
import subprocess
import unittest

from harness import LARGEST, ROOT, WAIT, XOR, XOR_ROWS, Case, Daemon, main

try:
    import numpy as np
    from sklearn import metrics
except ImportError:
    metrics = None


class Evaluate(Case):
    # truth ant: answers ant, ant, bee; bee: bee; cow: ant
    ROWS = {"inputs": [[9, 0, 0], [5, 1, 1], [0, 3, 0], [0, 2, 0], [4, 0, 1]],
            "labels": ["ant", "ant", "ant", "bee", "cow"]}

    def test_confusion_by_hand(self):
        at = self.model(LARGEST)
        said = self.ok(self.api.post(at + "/evaluate", self.ROWS))
        self.assertEqual((said["model"], said["version"], said["rows"]), (self.name(), 1, 5))
        self.assertEqual(said["confusion"], [[2, 1, 0], [0, 1, 0], [1, 0, 0]])
        self.assertEqual(said["accuracy"], 3 / 5)
        want = [("ant", 2 / 3, 2 / 3, 2 / 3, 3), ("bee", 1 / 2, 1, 2 / 3, 1), ("cow", None, 0, None, 1)]
        for got, (label, precision, recall, f1, support) in zip(said["classes"], want):
            self.assertEqual((got["label"], got["support"]), (label, support))
            self.assertAlmostEqual(got["recall"], recall, places=12)
            if precision is None:  # never answered: 0/0
                self.assertIsNone(got["precision"])
                self.assertIn(got["f1"], (None, 0))
            else:
                self.assertAlmostEqual(got["precision"], precision, places=12)
                self.assertAlmostEqual(got["f1"], f1, places=12)

        # as sklearn.metrics.precision_recall_fscore_support has them, average="macro" and "weighted"
        for mean, want in (("macro", (7 / 18, 5 / 9, 4 / 9)), ("weighted", (1 / 2, 3 / 5, 8 / 15))):
            for key, value in zip(("precision", "recall", "f1"), want):
                self.assertAlmostEqual(said[mean][key], value, places=12, msg=mean + " " + key)

    def test_loss_by_hand(self):
        at = self.model(LARGEST)
        said = self.ok(self.api.post(at + "/evaluate", self.ROWS))
        loss = 0
        for row, label in zip(self.ROWS["inputs"], self.ROWS["labels"]):
            loss += math.log(sum(map(math.exp, row))) - row[["ant", "bee", "cow"].index(label)]
        self.assertAlmostEqual(said["loss"], loss / 5, places=6)

    def test_names_indices_targets_and_data_sets_say_the_same(self):
        at = self.model(LARGEST)
        first = self.ok(self.api.post(at + "/evaluate", self.ROWS))
        index = [0, 0, 0, 1, 2]
        self.assertEqual(self.ok(self.api.post(at + "/evaluate", dict(self.ROWS, labels=index))), first)
        csv = "".join("%s,%s,%s,%s\n" % (*row, label)
                      for row, label in zip(self.ROWS["inputs"], self.ROWS["labels"]))
        self.ok(self.api.put("/v1/datasets/insects", csv, "text/csv"), 201)
        self.assertEqual(self.ok(self.api.post(at + "/evaluate", {"dataset": "insects"})), first)
        rows = [[float(i == k) for k in range(3)] for i in index]
        said = self.ok(self.api.post(at + "/evaluate", {"inputs": self.ROWS["inputs"], "targets": rows}))
        self.assertAlmostEqual(said["loss"], first["loss"], places=12)
        self.assertEqual(said.get("accuracy", first["accuracy"]), first["accuracy"])

    def test_a_data_set_may_name_its_classes_in_another_order(self):
        at = self.model(LARGEST, labels=["cow", "ant", "bee"])
        self.ok(self.api.put("/v1/datasets/two", "9,1,1,cow\n1,1,9,bee\n1,9,1,ant\n", "text/csv"), 201)
        self.assertEqual(self.ok(self.api.post(at + "/evaluate", {"dataset": "two"}))["accuracy"], 1)
        self.ok(self.api.put("/v1/datasets/two", "9,1,1,dog\n", "text/csv"), 200)
        self.problem(self.api.post(at + "/evaluate", {"dataset": "two"}), 422, "field", None, "dog")

    def test_one_output_agrees_at_a_half(self):
        at = self.model({"inputs": 1, "cost": "cross_entropy", "layers": [
            {"units": 1, "activation": "sigmoid", "weights": [[1]], "biases": [0]}]})
        said = self.ok(self.api.post(at + "/evaluate", {
            "inputs": [[-5], [5], [5], [-5]], "targets": [[0], [1], [0], [1]]}))
        self.assertEqual(said["accuracy"], 0.5)
        right, wrong = math.log1p(math.exp(-5)), math.log1p(math.exp(5))
        self.assertAlmostEqual(said["loss"], (right + wrong) / 2, places=6)
        # two classes, called by their targets; of four pairs one is in order, two are even
        self.assertEqual(said["confusion"], [[1, 1], [1, 1]])
        self.assertEqual([one["label"] for one in said["classes"]], ["0", "1"])
        self.assertEqual(said["auc"], (1 + 2 / 2) / 4)
        self.assertAlmostEqual(said["log_loss"], said["loss"], places=5)  # 1 - a of a float32
        self.assertNotIn("top_k", said)

    def test_mse_by_hand(self):
        at = self.model({"inputs": 2, "cost": "mse", "layers": [
            {"units": 2, "activation": "linear", "weights": [[1, 0], [0, 1]], "biases": [0, 0]}]})
        said = self.ok(self.api.post(at + "/evaluate", {"inputs": [[1, 2], [3, 4]],
                                                        "targets": [[0, 0], [3, 1]]}))
        self.assertAlmostEqual(said["loss"], (1 + 4 + 9) / (2 * 2), places=6)
        for key in ("confusion", "accuracy", "log_loss", "auc"):
            self.assertNotIn(key, said)
        # e = 1, 2 to targets 0, 0; e = 0, 3 to targets 3, 1
        self.assertEqual(said["outputs"], [
            {"mae": 1 / 2, "rmse": math.sqrt(1 / 2), "r2": 1 - 1 / (9 / 2)},
            {"mae": 5 / 2, "rmse": math.sqrt(13 / 2), "r2": 1 - 13 / (1 / 2)}])
        for key in ("mae", "rmse", "r2"):
            self.assertAlmostEqual(said[key], sum(one[key] for one in said["outputs"]) / 2, places=12)

    def test_a_constant_target_has_no_r2(self):
        at = self.model({"inputs": 1, "cost": "mse", "layers": [
            {"units": 1, "activation": "tanh", "weights": [[1]], "biases": [0]}]})
        said = self.ok(self.api.post(at + "/evaluate", {"inputs": [[0], [0]], "targets": [[0.1], [0.1]]}))
        self.assertIsNone(said["r2"])
        self.assertAlmostEqual(said["mae"], 0.1, places=6)
        self.assertNotIn("outputs", said)  # one is all

    def test_what_is_no_class_is_a_number(self):
        """Soft targets, and two of a row: errors, and accuracy where the cost has always had one."""
        at = self.model({"inputs": 1, "cost": "cross_entropy", "layers": [
            {"units": 2, "activation": "sigmoid", "weights": [[0], [0]], "biases": [0, 0]}]})
        for targets in ([[0.5, 1]], [[1, 1]], [[0, 0]]):
            said = self.ok(self.api.post(at + "/evaluate", {"inputs": [[1]], "targets": targets}))
            self.assertEqual(said["mae"], sum(abs(y - 0.5) for y in targets[0]) / 2)
            self.assertIn("accuracy", said)
            self.assertNotIn("brier", said)
        said = self.ok(self.api.post(at + "/evaluate", {"inputs": [[1]], "targets": [[0, 1]]}))
        self.assertEqual(said["brier"], 0.25)
        self.assertIsNone(said["auc"])  # no pair
        self.assertNotIn("mae", said)

    def test_top_k(self):
        at = self.model(LARGEST)
        said = self.ok(self.api.post(at + "/evaluate", self.ROWS))
        # places of the truths: 1, 1, 2, 1; cow's 1 comes after ant's 4
        self.assertEqual((said["top_k"], said["top_k_accuracy"]), (2, 1))
        for k, share in ((1, 3 / 5), (3, 1)):
            said = self.ok(self.api.post(at + "/evaluate", dict(self.ROWS, top_k=k)))
            self.assertEqual((said["top_k"], said["top_k_accuracy"]), (k, share))
        for k in (0, 4, 1.5, "2"):
            self.problem(self.api.post(at + "/evaluate", dict(self.ROWS, top_k=k)), 422, "field", "top_k")
        at = self.model(XOR, name="half")
        self.problem(self.api.post(at + "/evaluate", {"inputs": [[0, 0]], "targets": [[0.5]], "top_k": 1}),
                     422, "field", "top_k", "targets that are classes")

    def test_threads_and_forms_do_not_change_a_bit(self):
        rng = random.Random(5)
        spec = {"inputs": 4, "cost": "log_likelihood", "seed": 3, "layers": [
            {"units": 9, "activation": "tanh"}, {"units": 2, "activation": "softmax"}]}
        rows = [[rng.gauss(0, 1) for _ in range(4)] for _ in range(3000)]
        body = json.dumps({"inputs": rows, "labels": [rng.randrange(2) for _ in rows]})
        at = self.model(spec)
        first = self.api.post(at + "/evaluate", body).body
        daemon = Daemon("--pool-threads", "7", "--workers", "5", "--isa", "scalar")
        self.addCleanup(daemon.end)
        api = daemon.client()
        self.addCleanup(api.close)
        self.ok(api.put(at, spec), 201)
        self.assertEqual(api.post(at + "/evaluate", body).body, first)

    def test_bad_rows(self):
        at = self.model(XOR)
        for body, status, kind, field in (
            ({}, 422, "field", None),
            ({"dataset": "nowhere"}, 404, "not-found", "dataset"),
            (dict(XOR_ROWS, dataset="nowhere"), 422, "field", None),
            ({"inputs": [[1, 2]], "targets": [[1, 0]]}, 422, "field", "targets[0]"),
            ({"inputs": [[1, 2]], "targets": [[-1]]}, 422, "range", "targets[0][0]"),
            ({"inputs": [[1, 2]], "labels": [0.5]}, 422, "field", "labels[0]"),
            (dict(XOR_ROWS, epochs=2), 422, "field", "epochs"),
        ):
            with self.subTest(body=body), self.unchanged():
                self.problem(self.api.post(at + "/evaluate", body), status, kind, field)


def rmse(y, a):
    """mean_squared_error with squared=False, which later versions have by another name."""
    return np.sqrt(metrics.mean_squared_error(y, a, multioutput="raw_values")).mean()


@unittest.skipIf(metrics is None, "python3-sklearn is not installed")
class ScikitLearn(Case):
    """The daemon's predictions, scored by scikit-learn."""

    ROWS = 500

    def scored(self, layers, cost, targets, **more):
        """What evaluate says, and the outputs that it is about."""
        rng = random.Random(len(self.id()))
        at = self.model({"inputs": 6, "layers": layers, "cost": cost, "seed": 11, "init": "normal"})
        inputs = [[rng.gauss(0, 1) for _ in range(6)] for _ in range(self.ROWS)]
        said = self.ok(self.api.post(at + "/evaluate", dict(targets, inputs=inputs, **more)))
        return said, np.array(self.ok(self.api.post(at + "/predict", {"inputs": inputs}))["outputs"])

    def near(self, said, **want):
        for key, value in want.items():
            self.assertAlmostEqual(said[key], value, delta=1e-6 * max(1, abs(value)), msg=key)

    def labels(self, n):
        rng = random.Random(n)
        return [rng.randrange(n) for _ in range(self.ROWS)]

    def calibrated(self, said, p, truth, answer):
        """Guo's, in numpy: scikit-learn has only a curve."""
        sure, right = p[np.arange(len(p)), answer], answer == truth
        error = 0
        for b, bin in enumerate(said["calibration"]["bins"]):
            within = (sure > b / 10) & (sure <= (b + 1) / 10)
            self.assertEqual(bin["rows"], within.sum())
            if bin["rows"] == 0:
                self.assertEqual((bin["confidence"], bin["accuracy"]), (None, None))
                continue
            self.near(bin, confidence=sure[within].mean(), accuracy=right[within].mean())
            error += within.mean() * abs(sure[within].mean() - right[within].mean())
        self.near(said["calibration"], error=error)

    def test_the_numbers_kept_are_still_its(self):
        script = os.path.join(ROOT, "tests", "core", "scores.py")
        done = subprocess.run([script, "--check"], capture_output=True, text=True, timeout=4 * WAIT)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_softmax(self):
        truth = np.array(self.labels(7))
        said, p = self.scored([{"units": 7, "activation": "softmax"}], "log_likelihood",
                              {"labels": truth.tolist()})
        self.near(said, log_loss=metrics.log_loss(truth, p / p.sum(axis=1, keepdims=True)),
                  brier=((p - np.eye(7)[truth]) ** 2).sum(axis=1).mean(),
                  accuracy=metrics.accuracy_score(truth, p.argmax(axis=1)),
                  top_k_accuracy=metrics.top_k_accuracy_score(truth, p, k=5))
        self.assertEqual(said["top_k"], 5)
        self.calibrated(said, p, truth, p.argmax(axis=1))

    def test_sigmoids(self):
        """Made to sum to 1; and rows of one 1 say the same as labels."""
        truth = np.array(self.labels(4))
        layers = [{"units": 4, "activation": "sigmoid"}]
        said, a = self.scored(layers, "cross_entropy", {"targets": np.eye(4)[truth].tolist()}, top_k=3)
        p = a / a.sum(axis=1, keepdims=True)
        self.near(said, log_loss=metrics.log_loss(truth, p),
                  brier=((p - np.eye(4)[truth]) ** 2).sum(axis=1).mean(),
                  top_k_accuracy=metrics.top_k_accuracy_score(truth, a, k=3))
        self.calibrated(said, p, truth, a.argmax(axis=1))
        self.assertEqual(said["confusion"], metrics.confusion_matrix(truth, a.argmax(axis=1)).tolist())

    def test_two_classes(self):
        truth = np.array(self.labels(2))
        said, p = self.scored([{"units": 2, "activation": "softmax"}], "log_likelihood",
                              {"labels": truth.tolist()})
        self.near(said, log_loss=metrics.log_loss(truth, p[:, 1].astype(float)),
                  brier=metrics.brier_score_loss(truth, p[:, 1]), auc=metrics.roc_auc_score(truth, p[:, 1]))
        self.calibrated(said, p, truth, p.argmax(axis=1))

    def test_one_output(self):
        """Few different values, so that many are even; whatever the cost."""
        truth = np.array(self.labels(2))
        for cost in ("cross_entropy", "mse"):
            at = self.model({"inputs": 1, "cost": cost, "layers": [
                {"units": 1, "activation": "sigmoid", "weights": [[1]], "biases": [0.1]}]}, name=cost)
            inputs = [[(i * 7 + int(y) * 3) % 10 - 5] for i, y in enumerate(truth)]
            said = self.ok(self.api.post(at + "/evaluate", {"inputs": inputs, "targets": truth[:, None].tolist()}))
            a = np.array(self.ok(self.api.post(at + "/predict", {"inputs": inputs}))["outputs"])[:, 0]
            self.near(said, log_loss=metrics.log_loss(truth, a), brier=metrics.brier_score_loss(truth, a),
                      auc=metrics.roc_auc_score(truth, a), accuracy=metrics.accuracy_score(truth, a >= 0.5))
            self.calibrated(said, np.stack([1 - a, a], axis=1), truth, (a >= 0.5).astype(int))

    def test_labels_of_linear_outputs(self):
        truth = np.array(self.labels(2))
        said, a = self.scored([{"units": 2, "activation": "linear"}], "mse", {"labels": truth.tolist()})
        self.near(said, auc=metrics.roc_auc_score(truth, a[:, 1] - a[:, 0]))
        self.assertNotIn("log_loss", said)

    def test_numbers(self):
        rng = random.Random(8)
        for units, activation in ((3, "linear"), (1, "tanh")):
            targets = [[rng.gauss(j, 1 + j) for j in range(units)] for _ in range(self.ROWS)]
            y = np.array(targets, dtype=np.float32).astype(float)
            with self.subTest(activation):
                layers = [{"units": units, "activation": activation}]
                said, a = self.scored(layers, "mse", {"targets": targets})
                self.near(said, mae=metrics.mean_absolute_error(y, a), r2=metrics.r2_score(y, a),
                          rmse=rmse(y, a))
                for j, one in enumerate(said.get("outputs", [])):
                    self.near(one, mae=metrics.mean_absolute_error(y[:, j], a[:, j]),
                              rmse=rmse(y[:, j], a[:, j]),
                              r2=metrics.r2_score(y[:, j], a[:, j]))
                self.assertEqual(len(said.get("outputs", [])), 3 if units == 3 else 0)
            self.ok(self.api.delete("/v1/models/" + self.name()), 204)


if __name__ == "__main__":
    main()
