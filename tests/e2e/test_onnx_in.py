"""ONNX in: networks that other tools have made answer as they did there, and go on learning."""
import glob
import json
import os
import sys
import unittest

from harness import ROOT, Case, main

try:
    import numpy
    import onnx
    import sklearn.neural_network
    import sklearn.preprocessing
    from onnx import helper, numpy_helper
except ImportError:
    sklearn = None
try:
    import torch
except ImportError:
    torch = None

FOLDER = os.path.join(ROOT, "tests", "data", "onnx")
ACTIVATIONS = {"logistic": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "identity": "Identity", "softmax": "Softmax"}


def graph_of(net, scaler=None, classes=None, dtype="float32"):
    """An MLP of scikit-learn in the shape that skl2onnx gives it: Cast, MatMul and Add, its activations, and
    of a classifier also the class and a map from names to probabilities."""
    nodes, tensors, value = [], [], "x"

    def add(op, *constants, domain="", **attributes):
        nonlocal value
        names = [value]
        for constant in constants:
            names.append("c%d" % len(tensors))
            tensors.append(numpy_helper.from_array(numpy.asarray(constant, dtype), names[-1]))
        value = "v%d" % len(nodes)
        nodes.append(helper.make_node(op, names, [value], "%s_%d" % (op, len(nodes)), domain=domain, **attributes))

    add("Cast", to=onnx.TensorProto.FLOAT)
    if scaler is not None:
        add("Scaler", domain="ai.onnx.ml", offset=scaler.mean_.tolist(), scale=(1 / scaler.scale_).tolist())
    for layer, (weights, biases) in enumerate(zip(net.coefs_, net.intercepts_), 1):
        add("MatMul", weights)
        add("Add", biases.reshape(1, -1))
        add(ACTIVATIONS[net.activation if layer < len(net.coefs_) else net.out_activation_])
    outputs = [helper.make_tensor_value_info(value, onnx.TensorProto.FLOAT, None)]
    if classes:
        nodes.append(helper.make_node("ArgMax", [value], ["class"], axis=1))
        outputs.insert(0, helper.make_tensor_value_info("class", onnx.TensorProto.INT64, None))
        add("ZipMap", domain="ai.onnx.ml", classlabels_strings=classes)
        outputs[1].name = value
        outputs[1].ClearField("type")
    graph = helper.make_graph(nodes[::-1], "g", [helper.make_tensor_value_info("x", onnx.TensorProto.DOUBLE, [None, net.coefs_[0].shape[0]])],
                              outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", 1)])


class OnnxIn(Case):
    def put(self, body, name="net"):
        return self.api.put("/v1/models/" + name, body, "application/x-onnx")

    def near(self, got, want):
        for a, b in zip(got, want, strict=True):
            for x, y in zip(a, b, strict=True):
                self.assertLessEqual(abs(x - y), 1e-6 * max(1, abs(y)), (got, want))

    def same(self, body, rows, outputs, tell="net"):
        """That file is a model, which answers so; what it says of itself. It can be trained and goes out again."""
        with self.subTest(tell):
            model = self.ok(self.put(body), 201)
            at = "/v1/models/net"
            self.near(self.ok(self.api.post(at + "/predict", {"inputs": rows}))["outputs"], outputs)
            out = self.api.get(at + "/export?format=onnx").body
            self.assertEqual(self.ok(self.put(out, "again"), 201)["digest"], model["digest"])
            job = self.train(at, inputs=rows, targets=outputs, epochs=1, batch_size=4,
                             optimizer={"name": "sgd", "learning_rate": 0.01})
            self.assertEqual(job["state"], "succeeded")
            for path in (at, "/v1/models/again"):
                self.assertEqual(self.api.delete(path).status, 204)
            return model

    def test_what_pytorch_had_written(self):
        with open(os.path.join(FOLDER, "outputs.json")) as file:
            known = json.load(file)
        self.assertEqual(len(glob.glob(os.path.join(FOLDER, "*.onnx"))), len(known))
        models = {}
        for name, rows in known.items():
            with open(os.path.join(FOLDER, name + ".onnx"), "rb") as file:
                models[name] = self.same(file.read(), rows["inputs"], rows["outputs"], name)
        self.assertEqual([models[name]["normalize"] for name in ("scaled-softmax", "pixels-relu-linear", "linear-tanh")],
                         ["standard", "unit", "none"])
        self.assertEqual([models[name]["cost"] for name in ("tanh-softmax", "image-relu-sigmoid", "no-biases-linear", "linear-tanh")],
                         ["log_likelihood", "cross_entropy", "mse", "mse"])

    @unittest.skipUnless(torch, "python3-torch is not installed")
    def test_what_pytorch_writes_now(self):
        sys.path.insert(0, FOLDER)
        from make_onnx import made
        for name, body, rows, outputs in made():
            self.same(body, rows, outputs, name)

    @unittest.skipUnless(sklearn, "python3-onnx or python3-sklearn is not installed")
    def test_scikit_learn(self):
        rng = numpy.random.default_rng(1)
        x = rng.normal(3, 5, (60, 5))
        y = numpy.array(["a", "b", "c"])[numpy.argmax(x[:, :3], axis=1)]
        scaler = sklearn.preprocessing.StandardScaler().fit(x)
        for activation in ("logistic", "tanh", "relu", "identity"):
            net = sklearn.neural_network.MLPClassifier((7, 6), activation=activation, max_iter=3, random_state=1)
            self.fit(net, scaler.transform(x), y)
            body = graph_of(net, scaler, ["a", "b", "c"]).SerializeToString()
            model = self.same(body, x.tolist(), net.predict_proba(scaler.transform(x)).tolist(), activation)
            self.assertEqual((model["labels"], model["normalize"]), (["a", "b", "c"], "standard"))
            net = sklearn.neural_network.MLPRegressor((7,), activation=activation, max_iter=3, random_state=1)
            self.fit(net, x, x[:, :2])
            self.same(graph_of(net, dtype="float64").SerializeToString(), x.tolist(), net.predict(x).tolist(), activation)

    def fit(self, net, x, y):
        import warnings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # three iterations are few
            net.fit(x, y)

    def bad(self, model, field, *texts):
        self.problem(self.put(model.SerializeToString()), 422, "field", field, *texts)
        self.problem(self.api.get("/v1/models/net"), 404, "not-found")

    @unittest.skipUnless(sklearn, "python3-onnx or python3-sklearn is not installed")
    def test_what_is_no_such_network(self):
        net = sklearn.neural_network.MLPRegressor((3,), max_iter=1, random_state=1)
        self.fit(net, numpy.eye(4), numpy.eye(4)[:, :2])
        model = graph_of(net)
        model.graph.node[-2].op_type = "Conv"
        self.bad(model, None, "node 'MatMul_1' is a Conv")
        model = graph_of(net)
        model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
        self.bad(model, None, "tensor 'c0'", "another file")
        model = graph_of(net)
        model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-4]
        self.bad(model, None, "tensor 'c0'", "has 11 values, its dimensions need 12")
        model = graph_of(net)
        model.graph.input.append(helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, [1]))
        self.bad(model, "graph", "must have 1 input, has 2")
        self.problem(self.put(b"\x08\x08"), 400, "syntax", "body", "no ONNX model")


if __name__ == "__main__":
    main()
