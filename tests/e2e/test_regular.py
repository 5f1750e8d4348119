"""What keeps a net from learning by heart, and which rows it is trained on and validated with."""
from harness import DIGITS, XOR, XOR_ROWS, Case, digits, main

ALL = {"l1": 0.5, "clip_norm": 0.25, "clip_value": 0.0078125, "dropout": {"inputs": 0.125, "hidden": 0.25},
       "input_noise": 0.0625, "label_smoothing": 0.125}
ADAM = {"name": "adam", "learning_rate": 0.01}


class Regular(Case):
    def test_settings_are_said_and_matter(self):
        self.digits()
        body = {"dataset": "digits-train", "validation": {"dataset": "digits-test"}, "epochs": 15, "seed": 3,
                "optimizer": ADAM}
        spec = dict(DIGITS, normalize="standard", seed=5)
        plain = self.train(self.model(spec, name="plain"), **body)
        digests = {self.ok(self.api.get("/v1/models/" + plain["model"]))["digest"]}
        for i, (field, value) in enumerate(ALL.items()):
            with self.subTest(field=field):
                at = self.model(spec, name="one%d" % i)
                job = self.train(at, **dict(body, **{field: value}))
                self.assertEqual(job[field], value)
                self.assertGreater(job["history"][-1]["validation_accuracy"], 0.9)
                self.assertEqual({key for key in ALL if key in job}, {field})
                digests.add(self.ok(self.api.get(at))["digest"])
        self.assertEqual(len(digests), 1 + len(ALL))
        at = self.model(spec, name="all")
        job = self.train(at, **dict(body, **ALL))
        self.assertEqual({key: job[key] for key in ALL}, ALL)
        self.assertGreater(job["history"][-1]["validation_accuracy"], 0.9)
        # of the hidden layers, when it is a number
        job = self.train(self.model(spec, name="number"), **dict(body, dropout=0.25, epochs=1))
        self.assertEqual(job["dropout"], {"inputs": 0, "hidden": 0.25})

    def test_weight_decay_of_every_optimizer(self):
        self.digits()
        for name in ("sgd", "rmsprop", "adam", "adamw"):
            at = self.model(dict(DIGITS, normalize="standard"), name=name)
            job = self.train(at, dataset="digits-train", epochs=2,
                             optimizer={"name": name, "weight_decay": 0.0625, "learning_rate": 0.01})
            self.assertEqual(job["optimizer"]["weight_decay"], 0.0625)

    def test_wrong_settings(self):
        at = self.model(dict(XOR, cost="mse"))
        for field, value, where, text in (
                ("l1", -1, "l1", "must be 0 or more, is -1"),
                ("clip_norm", 0, "clip_norm", "must be above 0, is 0"),
                ("clip_value", -0.5, "clip_value", "must be above 0, is -0.5"),
                ("dropout", 1, "dropout", "must be 0 or more and below 1, is 1"),
                ("dropout", {"hidden": -0.1}, "dropout.hidden", "must be 0 or more and below 1, is -0.1"),
                ("dropout", {"input": 0.1}, "dropout.input", "its fields are inputs, hidden"),
                ("dropout", "much", "dropout", "must be an object, is a string"),
                ("input_noise", -1, "input_noise", "must be 0 or more"),
                ("label_smoothing", 1, "label_smoothing", "must be 0 or more and below 1"),
                ("label_smoothing", 0.1, "label_smoothing", "the model's is mse"),
                ("class_weights", "balanced", "class_weights", "need labels, but the targets are numbers"),
                ("class_weights", "fair", "class_weights", "must be one of balanced"),
                ("class_weights", 2, "class_weights", 'must be "balanced" or an object of weights, is a number'),
                ("class_weights", {}, "class_weights", "names no class"),
                ("class_weights", {"a": -1}, "class_weights.a", "must be 0 or more, is -1"),
                ("class_weights", {"a": 1, "a\u0000": 1}, None, ""),
                ("validation", {"fraction": 1}, "validation.fraction", "must be above 0 and below 1, is 1"),
                ("validation", {"last": 0}, "validation.last", "must be 1 to"),
                ("validation", {"last": 1, "fraction": 0.5}, "validation.fraction", "is there beside last"),
                ("validation", {"fraction": 0.5, "dataset": "d"}, "validation.dataset", "is there beside fraction"),
                ("validation", {"stratified": True, "dataset": "d"}, "validation.stratified", "is there without fraction"),
                ("validation", {"fraction": 0.01}, "validation", "takes 0 of 4 rows: there are too few"),
                ("validation", {"last": 4}, "validation", "takes 4 of 4 rows: none is left to train on"),
                ("validation", {"fraction": 0.5, "stratified": True}, "validation", "the targets are numbers")):
            with self.subTest(field=field, value=value):
                reply = self.api.post(at + "/train", dict(XOR_ROWS, **{field: value}))
                if where is None:
                    self.assertEqual(reply.status // 100, 4)
                else:
                    self.problem(reply, 422, "field", where, text)
        flat = self.model({"inputs": 2, "layers": [{"units": 1, "activation": "sigmoid"}], "cost": "mse"}, name="flat")
        self.problem(self.api.post(flat + "/train", dict(XOR_ROWS, dropout=0.5)), 422, "field", "dropout.hidden",
                     "no hidden layer")

    def test_a_part_of_the_rows_validates(self):
        self.digits()
        rows, labels = digits("train")
        body = {"dataset": "digits-train", "epochs": 2, "seed": 4, "publish": "end"}
        last = self.train(self.model(DIGITS, name="last"), validation={"last": 300}, **body)
        self.assertEqual(last["validation"], {"last": 300})
        # the same rows, sent apart
        apart = self.train(self.model(DIGITS, name="apart"), inputs=rows[:-300], labels=labels[:-300],
                           validation={"inputs": rows[-300:], "labels": labels[-300:]},
                           **{k: v for k, v in body.items() if k != "dataset"})
        for a, b in zip(last["history"], apart["history"]):
            for key in ("loss", "accuracy", "validation_loss", "validation_accuracy"):
                self.assertEqual(a[key], b[key], key)
        part = self.train(self.model(DIGITS, name="part"), validation={"fraction": 0.25, "stratified": True}, **body)
        self.assertEqual(part["validation"], {"fraction": 0.25, "stratified": True})
        self.assertGreater(part["history"][0]["validation_accuracy"], 0.1)
        other = self.train(self.model(DIGITS, name="other"), validation={"fraction": 0.25}, **body)
        self.assertNotEqual(part["history"][0]["validation_loss"], other["history"][0]["validation_loss"])
        # what validates decides, as any validation does
        stopped = self.train(self.model(DIGITS, name="stopped"), validation={"fraction": 0.5}, **dict(
            body, epochs=400, publish="best", early_stopping={"patience": 1},
            optimizer={"name": "adam", "learning_rate": 0.05}))
        self.assertLess(stopped["epoch"], 400)

    def test_rows_that_came_with_the_request_can_be_split(self):
        rows, labels = digits("train")
        at = self.model(DIGITS)
        job = self.train(at, inputs=rows[:40], labels=labels[:40], validation={"fraction": 0.25}, epochs=2)
        self.assertEqual(len(job["history"]), 2)
        self.assertIsNotNone(job["history"][1]["validation_loss"])

    def test_class_weights(self):
        # 95 of one class, 5 of the other, that cannot be told apart: a net says how often each is
        inputs, labels = [[0.0]] * 100, ["no"] * 95 + ["yes"] * 5
        spec = {"inputs": 1, "layers": [{"units": 2, "activation": "softmax"}], "cost": "log_likelihood",
                "labels": ["no", "yes"]}
        for weights, share in ((None, 0.05), ("balanced", 0.5), ({"yes": 19}, 0.5), ({"no": 0}, 1)):
            with self.subTest(weights=weights):
                at = self.model(spec, name="w%d%d" % (100 * share, weights == "balanced"))
                extra = {} if weights is None else {"class_weights": weights}
                job = self.train(at, inputs=inputs, labels=labels, batch_size=100, epochs=3000, publish="end",
                                 optimizer={"name": "adam", "learning_rate": 0.01}, **extra)
                self.assertEqual(job["class_weights"], weights)
                said = self.ok(self.api.post(at + "/predict", {"inputs": [[0]]}))["outputs"][0][1]
                self.assertAlmostEqual(said, share, delta=0.01)
        self.problem(self.api.post(at + "/train", {"inputs": [[0]], "labels": ["no"], "class_weights": {"maybe": 1}}),
                     422, "field", "class_weights.maybe", "is none of the model's classes")
        # classes that have no names go by their indices
        at = self.model({k: v for k, v in spec.items() if k != "labels"}, name="n")
        self.train(at, inputs=[[0], [0]], labels=[0, 1], class_weights={"1": 3})
        self.problem(self.api.post(at + "/train", {"inputs": [[0]], "labels": [0], "class_weights": {"2": 1}}),
                     422, "field", "class_weights.2", "is none of the model's classes")

    def test_priors(self):
        # one step of next to nothing shows where the biases began
        for layers, cost, share in (([{"units": 2, "activation": "softmax"}], "log_likelihood", 0.0625),
                                    ([{"units": 2, "activation": "sigmoid"}], "cross_entropy", 0.0625)):
            at = self.model({"inputs": 1, "layers": layers, "cost": cost, "labels": ["no", "yes"],
                             "bias_init": "priors"}, name=cost)
            self.train(at, inputs=[[0.0]] * 32, labels=["no"] * 30 + ["yes"] * 2, batch_size=32,
                       optimizer={"name": "sgd", "learning_rate": 1e-9})
            said = self.ok(self.api.post(at + "/predict", {"inputs": [[0]]}))["outputs"][0][1]
            self.assertAlmostEqual(said, share, places=5)
            # a net that has been trained keeps what it has
            self.train(at, inputs=[[0.0]] * 2, labels=["no", "yes"], optimizer={"name": "sgd", "learning_rate": 1e-9})
            self.assertAlmostEqual(self.ok(self.api.post(at + "/predict", {"inputs": [[0]]}))["outputs"][0][1], share,
                                   places=5)

    def test_learn_does_not_drop_out(self):
        at = self.model(XOR)
        self.train(at, **dict(XOR_ROWS, dropout=0.5, l1=1, clip_norm=0.001))
        row = {"inputs": XOR_ROWS["inputs"][:1], "targets": XOR_ROWS["targets"][:1]}
        before = self.ok(self.api.post(at + "/evaluate", row))["loss"]
        self.assertAlmostEqual(self.ok(self.api.post(at + "/learn", row))["loss"], before, places=6)


if __name__ == "__main__":
    main()
