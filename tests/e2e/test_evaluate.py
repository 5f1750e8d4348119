"""Evaluation: loss, accuracy and confusion, against numbers worked out by hand."""
import math

from harness import LARGEST, XOR, XOR_ROWS, Case, main


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

    def test_mse_by_hand(self):
        at = self.model({"inputs": 2, "cost": "mse", "layers": [
            {"units": 2, "activation": "linear", "weights": [[1, 0], [0, 1]], "biases": [0, 0]}]})
        said = self.ok(self.api.post(at + "/evaluate", {"inputs": [[1, 2], [3, 4]],
                                                        "targets": [[0, 0], [3, 1]]}))
        self.assertAlmostEqual(said["loss"], (1 + 4 + 9) / (2 * 2), places=6)
        self.assertNotIn("confusion", said)

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


if __name__ == "__main__":
    main()
