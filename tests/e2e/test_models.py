"""Models: create, list, get, delete, export, import, versions, promotion."""
import json
import re

from harness import DIGITS, LARGEST, LONG, XOR, XOR_ROWS, Case, main


class Models(Case):
    flags = ("--keep-versions", "1000")

    def test_create_answers_the_model_with_its_defaults(self):
        at = "/v1/models/" + self.name()
        reply = self.api.put(at, {"inputs": 2, "layers": [{"units": 3, "activation": "relu"},
                                                          {"units": 1, "activation": "linear"}],
                                  "cost": "mse"})
        made = self.ok(reply, 201)
        self.assertEqual(reply.headers["Location"], at)
        self.assertEqual(reply.headers["Content-Type"].split(";")[0], "application/json")
        for key, value in {"name": self.name(), "inputs": 2, "outputs": 1, "parameters": 13,
                           "cost": "mse", "init": "scaled_normal", "bias_init": "zeros", "seed": 0,
                           "labels": None, "normalize": "none", "version": 1, "job": None,
                           "layers": [{"units": 3, "activation": "relu"},
                                      {"units": 1, "activation": "linear"}]}.items():
            self.assertEqual(made[key], value, key)
        self.assertRegex(made["digest"], r"^[0-9a-f]{64}$")
        self.assertRegex(made["created"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
        self.assertEqual(made["updated"], made["created"])
        self.assertEqual(self.ok(self.api.get(at)), made)

    def test_list_holds_every_model(self):
        names = [self.name() + end for end in (".a", "_b", "-c")]
        for name in names:
            self.model(name=name)
        listed = self.ok(self.api.get("/v1/models"))["models"]
        self.assertLessEqual(set(names), {model["name"] for model in listed})
        for model in listed:
            self.assertEqual(model, self.ok(self.api.get("/v1/models/" + model["name"])))

    def test_delete_takes_it_away_and_frees_the_name(self):
        at = self.model()
        first = self.ok(self.api.get(at))
        reply = self.api.delete(at)
        self.assertEqual((reply.status, reply.body), (204, b""))
        self.problem(self.api.get(at), 404, "not-found")
        self.problem(self.api.delete(at), 404, "not-found")
        self.problem(self.api.post(at + "/predict", XOR_ROWS), 404, "not-found")
        self.model()
        self.assertEqual(self.ok(self.api.get(at))["digest"], first["digest"])

    def test_a_name_in_use_is_refused_and_kept(self):
        at = self.model()
        with self.unchanged():
            self.problem(self.api.put(at, dict(XOR, seed=4)), 409, "exists")

    def test_the_seed_decides_the_weights(self):
        digest = [self.ok(self.api.get(self.model(name=self.name() + str(i), seed=seed)))["digest"]
                  for i, seed in enumerate((1, 1, 2))]
        self.assertEqual(digest[0], digest[1])
        self.assertNotEqual(digest[0], digest[2])

    def test_every_init_and_activation_is_taken(self):
        seen = set()
        for init in ("scaled_normal", "normal", "xavier", "he", "xavier_uniform", "he_uniform"):
            for bias in ("zeros", "normal", "priors"):
                for act in ("sigmoid", "tanh", "relu", "linear"):
                    for out, cost in (("sigmoid", "mse"), ("sigmoid", "cross_entropy"),
                                      ("softmax", "log_likelihood"), ("linear", "mse"),
                                      ("tanh", "mse")):
                        at = self.model({"inputs": 3, "cost": cost, "init": init, "bias_init": bias,
                                         "layers": [{"units": 4, "activation": act},
                                                    {"units": 2, "activation": out}]},
                                        name="%s.%s.%s.%s.%s.%s" % (self.name(), init, bias, act,
                                                                    out, cost))
                        seen.add(self.ok(self.api.get(at))["digest"])
                        outputs = self.ok(self.api.post(at + "/predict", {"inputs": [[1, -2, 3]]}))
                        self.assertEqual(len(outputs["outputs"][0]), 2)
                        self.assertEqual(self.api.delete(at).status, 204)
        self.assertEqual(len(seen), 6 * 3 * 4 * 5)


class Exchange(Case):
    flags = ("--keep-versions", "1000")

    def predicted(self, at, rows, query=""):
        return self.ok(self.api.post(at + "/predict" + query, {"inputs": rows}))["outputs"]

    def test_an_export_under_another_name_predicts_the_same_bits(self):
        for normalize in ("none", "unit", "standard", "minmax"):
            with self.subTest(normalize=normalize):
                self.digits()
                at = self.model(DIGITS, name="a-" + normalize, normalize=normalize)
                self.train(at, dataset="digits-train", epochs=2, batch_size=10)
                reply = self.api.get(at + "/export?format=json")
                export = self.ok(reply)
                twin = "/v1/models/b-" + normalize
                self.ok(self.api.put(twin, reply.body), 201)
                rows = [[(i * j) % 17 for j in range(64)] for i in range(50)]
                self.assertEqual(self.predicted(at, rows), self.predicted(twin, rows))
                self.assertEqual(self.api.get(twin + "/export").body, reply.body)
                self.assertEqual(self.ok(self.api.get(twin))["digest"],
                                 self.ok(self.api.get(at))["digest"])
                self.assertEqual(export["labels"], [str(i) for i in range(10)])
                self.assertEqual([len(layer["weights"]) for layer in export["layers"]], [30, 10])
                self.assertEqual(len(export["layers"][0]["weights"][0]), 64)
                self.assertEqual(len(export["layers"][1]["biases"]), 10)
                self.assertEqual("shift" in export, normalize in ("standard", "minmax"))

    def test_numbers_in_an_export_are_the_shortest_that_read_back(self):
        at = self.model(LARGEST, layers=[dict(LARGEST["layers"][0], weights=[
            [0.1, 1e-40, 3.4028235e38], [-0.0, 1, 16777217], [1.1754944e-38, 1e-45, 0.3]])])
        text = self.api.get(at + "/export").body.decode()
        weights = json.loads(text)["layers"][0]["weights"]
        self.assertEqual(weights, [[0.1, 1e-40, 3.4028235e38], [0, 1, 16777216],
                                   [1.1754944e-38, 1e-45, 0.3]])
        self.assertLess(max(map(len, re.findall(r"-?\d[\d.e+-]*", text))), 17, text)

    def test_a_version_exports_on_its_own(self):
        at = self.model()
        first = self.api.get(at + "/export").body
        self.train(at, epochs=1, **XOR_ROWS)
        self.assertNotEqual(self.api.get(at + "/export").body, first)
        self.assertEqual(self.api.get(at + "/export?version=1").body, first)
        self.problem(self.api.get(at + "/export?version=99"), 404, "not-found")

    def test_import_says_so(self):
        at = self.model(LARGEST)
        versions = self.ok(self.api.get(at + "/versions"))
        self.assertEqual([v["source"] for v in versions["versions"]], ["import"])

    def test_broken_imports_name_what_is_broken(self):
        layer = LARGEST["layers"][0]
        for field, change in {
            "layers[0].weights": {"weights": [[1, 0, 0], [0, 1, 0]]},
            "layers[0].weights[1]": {"weights": [[1, 0, 0], [0, 1], [0, 0, 1]]},
            "layers[0].weights[2][2]": {"weights": [[1, 0, 0], [0, 1, 0], [0, 0, 1e39]]},
            "layers[0].biases": {"biases": [0, 0]},
        }.items():
            with self.subTest(field=field), self.unchanged():
                reply = self.api.put("/v1/models/broken",
                                     dict(LARGEST, layers=[dict(layer, **change)]))
                self.problem(reply, 422, "range" if "39" in str(change) else "field", field)
        for gone in ("weights", "biases"):
            with self.subTest(gone=gone), self.unchanged():
                half = {key: value for key, value in layer.items() if key != gone}
                self.problem(self.api.put("/v1/models/broken", dict(LARGEST, layers=[half])),
                             422, "field", "layers[0]." + gone)


class Versions(Case):
    flags = ("--keep-versions", "5")

    def numbers(self, at):
        return [v["version"] for v in self.ok(self.api.get(at + "/versions"))["versions"]]

    def test_each_change_is_a_version_and_one_is_served(self):
        at = self.model()
        self.assertEqual(self.ok(self.api.post(at + "/learn", XOR_ROWS))["version"], 2)
        job = self.train(at, epochs=3, publish="end", **XOR_ROWS)
        self.assertEqual(job["version"], 3)
        listed = self.ok(self.api.get(at + "/versions"))
        self.assertEqual((listed["model"], listed["served"]), (self.name(), 3))
        by_number = {v["version"]: v for v in listed["versions"]}
        self.assertEqual({n: v["source"] for n, v in by_number.items()},
                         {1: "create", 2: "learn", 3: "train"})
        self.assertEqual({n: v["served"] for n, v in by_number.items()},
                         {1: False, 2: False, 3: True})
        self.assertEqual((by_number[3]["job"], by_number[3]["epoch"]), (job["id"], 3))
        self.assertEqual((by_number[1]["job"], by_number[1]["epoch"]), (None, None))
        self.assertEqual(len({v["digest"] for v in listed["versions"]}), 3)
        self.assertEqual(by_number[3]["digest"], self.ok(self.api.get(at))["digest"])

    def test_promote_rolls_back_and_forward_and_numbers_go_on(self):
        at = self.model()
        answers = {1: self.ok(self.api.post(at + "/predict", {"inputs": [[0, 1]]}))["outputs"]}
        self.ok(self.api.post(at + "/learn", XOR_ROWS))
        answers[2] = self.ok(self.api.post(at + "/predict", {"inputs": [[0, 1]]}))["outputs"]
        self.assertNotEqual(answers[1], answers[2])
        for version in (1, 2, 1):
            self.ok(self.api.post(at + "/promote", {"version": version}))
            said = self.ok(self.api.post(at + "/predict", {"inputs": [[0, 1]]}))
            self.assertEqual((said["version"], said["outputs"]), (version, answers[version]))
            self.assertEqual(self.ok(self.api.get(at))["version"], version)
        self.assertEqual(self.ok(self.api.post(at + "/learn", XOR_ROWS))["version"], 3)
        # learned from version 1, as version 2 was
        said = self.ok(self.api.post(at + "/predict", {"inputs": [[0, 1]]}))
        self.assertEqual(said["outputs"], answers[2])

    def test_any_kept_version_can_be_asked(self):
        at = self.model()
        first = self.ok(self.api.post(at + "/predict", {"inputs": [[1, 1]]}))
        self.ok(self.api.post(at + "/learn", XOR_ROWS))
        self.assertEqual(self.ok(self.api.post(at + "/predict?version=1", {"inputs": [[1, 1]]})),
                         first)
        old = self.ok(self.api.post(at + "/evaluate?version=1", XOR_ROWS))
        new = self.ok(self.api.post(at + "/evaluate", XOR_ROWS))
        self.assertEqual((old["version"], new["version"]), (1, 2))
        self.assertNotEqual(old["loss"], new["loss"])
        for query in ("7", "0", "-1", "x", "1x", "", "18446744073709551616"):
            with self.subTest(query=query):
                reply = self.api.post(at + "/predict?version=" + query, {"inputs": [[1, 1]]})
                self.assertIn(reply.status, (404, 422))
                self.problem(reply, reply.status, "not-found" if reply.status == 404 else "field")

    def test_old_versions_go_but_never_the_served_one(self):
        at = self.model()
        for _ in range(3):
            self.ok(self.api.post(at + "/learn", XOR_ROWS))
        self.ok(self.api.post(at + "/promote", {"version": 2}))
        for _ in range(8):
            self.ok(self.api.post(at + "/learn", XOR_ROWS))
        self.ok(self.api.post(at + "/promote", {"version": 8}))
        self.assertEqual(self.ok(self.api.get(at))["version"], 8)
        kept = self.numbers(at)
        self.assertLessEqual(len(kept), 5)
        self.assertLessEqual({8, 12}, set(kept))
        for _ in range(7):  # what is served moves on with learn, so it is always kept
            self.assertIn(self.ok(self.api.post(at + "/learn", XOR_ROWS))["version"],
                          self.numbers(at))
        with self.unchanged():
            self.problem(self.api.post(at + "/promote", {"version": 1}), 404, "not-found")

    def test_bad_promotions_change_nothing(self):
        at = self.model()
        for body, status, kind, field in (
            ({}, 422, "field", "version"),
            ({"version": "1"}, 422, "field", "version"),
            ({"version": 1.5}, 422, "field", "version"),
            ({"version": 0}, 422, "field", "version"),
            ({"version": -1}, 422, "field", "version"),
            ({"version": 2}, 404, "not-found", None),
            ({"version": 1, "now": True}, 422, "field", "now"),
        ):
            with self.subTest(body=body), self.unchanged():
                self.problem(self.api.post(at + "/promote", body), status, kind, field)

    def test_deleting_a_model_that_trains(self):
        at = self.model()
        job = self.ok(self.api.post(at + "/train", dict(XOR_ROWS, epochs=LONG)), 202)
        said = self.problem(self.api.delete(at), 409, "busy")
        self.assertIn(job["id"], said["detail"])
        self.assertEqual(self.ok(self.api.get(at))["job"], job["id"])
        self.assertEqual(self.api.delete(at + "?force=true").status, 204)
        self.problem(self.api.get(at), 404, "not-found")
        self.assertEqual(self.ended(job)["state"], "cancelled")


if __name__ == "__main__":
    main()
