"""Targets that are normalised: learned in units of their own deviation, answered in their own."""
import math

from harness import Case, main

ROWS = [[i / 10, (7 * i % 20) / 10 - 1] for i in range(60)]
TARGETS = [[5000 + 300 * a - 100 * b, 0.001 * a * b] for a, b in ROWS]
SPEC = {"inputs": 2, "layers": [{"units": 8, "activation": "tanh"}, {"units": 2, "activation": "linear"}],
        "cost": "mse", "seed": 3, "normalize": "standard"}
TRAIN = {"inputs": ROWS, "targets": TARGETS, "epochs": 300, "batch_size": 10, "publish": "end",
         "optimizer": {"name": "adam", "learning_rate": 0.02}}


def column(j):
    return [row[j] for row in TARGETS]


class Targets(Case):
    def test_answers_are_in_the_targets_own_units(self):
        for norm in ("standard", "minmax"):
            with self.subTest(norm=norm):
                at = self.model(dict(SPEC, normalize_targets=norm), name=norm)
                self.assertEqual(self.ok(self.api.get(at))["normalize_targets"], norm)
                job = self.train(at, **TRAIN)
                self.assertLess(job["history"][-1]["loss"], 0.05)
                said = self.ok(self.api.post(at + "/evaluate", {"inputs": ROWS, "targets": TARGETS}))
                self.assertGreater(said["r2"], 0.98)
                self.assertLess(said["outputs"][0]["rmse"], 100)
                self.assertLess(said["outputs"][1]["rmse"], 0.001)
                outputs = self.ok(self.api.post(at + "/predict", {"inputs": ROWS}))["outputs"]
                rmse = math.sqrt(sum((a[0] - y[0]) ** 2 for a, y in zip(outputs, TARGETS)) / len(ROWS))
                self.assertAlmostEqual(said["outputs"][0]["rmse"], rmse, delta=1e-3 * rmse)
                export = self.ok(self.api.get(at + "/export"))
                if norm == "standard":
                    mean = sum(column(0)) / len(ROWS)
                    self.assertAlmostEqual(export["target_shift"][0], mean, delta=1e-3)
                    deviation = math.sqrt(sum((y - mean) ** 2 for y in column(0)) / len(ROWS))
                    self.assertAlmostEqual(export["target_scale"][0] * deviation, 1, places=5)
                else:
                    self.assertAlmostEqual(export["target_shift"][0], min(column(0)), delta=1e-3)
                    self.assertAlmostEqual(export["target_scale"][0] * (max(column(0)) - min(column(0))), 1, places=5)

    def test_without_it_such_targets_are_hard(self):
        job = self.train(self.model(SPEC), **dict(TRAIN, epochs=20))
        self.assertGreater(job["history"][-1]["loss"], 1e5)

    def test_exports_come_back_the_same(self):
        at = self.model(dict(SPEC, normalize_targets="standard", bias_init="priors"), name="from")
        self.train(at, **dict(TRAIN, epochs=3))
        digest = self.ok(self.api.get(at))["digest"]
        want = self.ok(self.api.post(at + "/predict", {"inputs": ROWS}))["outputs"]
        export = self.ok(self.api.get(at + "/export"))
        self.ok(self.api.put("/v1/models/to-json", export), 201)
        self.assertEqual(self.ok(self.api.get("/v1/models/to-json"))["digest"], digest)
        self.assertEqual(self.ok(self.api.post("/v1/models/to-json/predict", {"inputs": ROWS}))["outputs"], want)
        self.train("/v1/models/to-json", **dict(TRAIN, epochs=1))  # goes on with what was learned
        self.assertEqual(self.ok(self.api.get("/v1/models/to-json/export"))["target_shift"], export["target_shift"])
        export["target_scale"][1] = 0
        self.problem(self.api.put("/v1/models/zero", export), 422, "field", "target_scale[1]", "must not be 0")
        del export["target_scale"]
        self.problem(self.api.put("/v1/models/half", export), 422, "field", "target_scale", "is missing")

    def test_learn_waits_for_train(self):
        at = self.model(dict(SPEC, normalize="none", normalize_targets="standard"))
        row = {"inputs": ROWS[:1], "targets": TARGETS[:1]}
        self.problem(self.api.post(at + "/learn", row), 409, "busy", "normalize_targets", "train has to work out")
        self.train(at, **dict(TRAIN, epochs=1))
        self.assertLess(self.ok(self.api.post(at + "/learn", row))["loss"], 100)

    def test_what_is_refused(self):
        layers = [{"units": 2, "activation": "sigmoid"}]
        self.problem(self.api.put("/v1/models/s", {"inputs": 2, "layers": layers, "cost": "mse",
                                                   "normalize_targets": "standard"}),
                     422, "field", "normalize_targets", "which needs linear outputs, not sigmoid")
        self.problem(self.api.put("/v1/models/s", dict(SPEC, normalize_targets="unit")),
                     422, "field", "normalize_targets", "none, standard, minmax")
        at = self.model(dict(SPEC, normalize_targets="standard"))
        self.problem(self.api.post(at + "/train", {"inputs": ROWS[:2], "labels": [0, 1]}), 422, "range", "labels",
                     "normalize_targets is standard")


if __name__ == "__main__":
    main()
