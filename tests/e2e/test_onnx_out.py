"""ONNX exports: what the checker, a reading of the graph in float64 and onnxruntime make of them is what predict says."""
import json
import unittest

try:
    import numpy
    import onnx
    import onnx.numpy_helper
except ImportError:
    onnx = None

from harness import Case, main

PAIRS = [("sigmoid", "mse"), ("sigmoid", "cross_entropy"), ("softmax", "log_likelihood"), ("linear", "mse"), ("tanh", "mse")]
HIDDEN = ["sigmoid", "tanh", "relu", "linear"]
NORMS = ["none", "unit", "standard", "minmax"]
ROWS = 100
# Of the largest of a column's outputs and 1: each side rounds some dozens of float32 sums.
NEAR = 1e-6


def specs():
    """Every pair of output and cost with every normalisation of inputs and targets, one to four layers deep."""
    found = []
    for output, cost in PAIRS:
        for norm in NORMS:
            for target_norm in ("none", "standard", "minmax") if output == "linear" else ("none",):
                i = len(found)
                layers = [{"units": 3 + 5 * ((i + l) % 4), "activation": HIDDEN[(i + l) % 4]} for l in range(i % 4)]
                layers.append({"units": 1 + i % 5, "activation": output})
                found.append({"inputs": 1 + (7 * i) % 30, "layers": layers, "cost": cost, "normalize": norm,
                              "normalize_targets": target_norm, "seed": i + 1})
                if i % 3 == 0:
                    found[-1]["labels"] = ["\u00e4 \"%d\"" % j for j in range(layers[-1]["units"])]
    return found


def softmax(z):
    e = numpy.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


ACTS = {"sigmoid": lambda z: 1 / (1 + numpy.exp(-z)), "tanh": numpy.tanh, "relu": lambda z: numpy.maximum(z, 0),
        "linear": lambda z: z, "softmax": softmax}
# In float64, of what a node is given; attributes are claimed elsewhere.
OPS = {"Sub": lambda a, b: a - b, "Mul": lambda a, b: a * b, "Div": lambda a, b: a / b, "Add": lambda a, b: a + b,
       "Gemm": lambda a, w, b: a @ w.T + b, "Sigmoid": ACTS["sigmoid"], "Tanh": ACTS["tanh"], "Relu": ACTS["relu"],
       "Softmax": softmax}


def reckoned(model, rows):
    """The graph's outputs for these rows, node by node."""
    values = {tensor.name: onnx.numpy_helper.to_array(tensor).astype(numpy.float64) for tensor in model.graph.initializer}
    values["inputs"] = rows.astype(numpy.float64)
    for node in model.graph.node:
        values[node.output[0]] = OPS[node.op_type](*(values[name] for name in node.input))
    return values["outputs"]


def operators(spec):
    """What the graph has to have, in order."""
    found = ["Sub", "Mul"] if spec["normalize"] != "none" else []
    for layer in spec["layers"]:
        found += ["Gemm"] + [layer["activation"].capitalize()] * (layer["activation"] != "linear")
    return found + (["Div", "Add"] if spec["normalize_targets"] != "none" else [])


def arrays(exported):
    """A JSON export's arrays by their ONNX names, as float32."""
    found = {}
    for l, layer in enumerate(exported["layers"]):
        found["layers.%d.weight" % l] = layer["weights"]
        found["layers.%d.bias" % l] = layer["biases"]
    if exported["normalize"] == "unit":
        found["norm.shift"] = [0.0] * exported["inputs"]
        found["norm.scale"] = [1 / 255] * exported["inputs"]
    for key in ("shift", "scale", "target_shift", "target_scale"):
        if key in exported:
            found["norm." + key] = exported[key]
    return {name: numpy.array(values, numpy.float32) for name, values in found.items()}


@unittest.skipUnless(onnx, "python3-onnx is not installed")
class OnnxOut(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nets = None

    def setUp(self):
        super().setUp()
        if self.nets is None:
            type(self).nets = [self.made(i, spec) for i, spec in enumerate(specs())]

    def made(self, i, spec):
        """Its path, spec and some rows; where training has something to say, a trained one."""
        random = numpy.random.default_rng(i)
        at = self.model(spec, name="net-%d" % i)
        rows = random.normal(0, 2, (ROWS, spec["inputs"])) * (100 if spec["normalize"] != "none" else 1)
        rows = rows.astype(numpy.float32)
        if spec["normalize"] in ("standard", "minmax") or spec["normalize_targets"] != "none" or i % 2:
            units = spec["layers"][-1]["units"]
            if spec["layers"][-1]["activation"] == "softmax":
                targets = numpy.eye(units)[random.integers(0, units, ROWS)]
            elif spec["normalize_targets"] != "none":
                targets = random.uniform(1000, 9000, (ROWS, units)).astype(numpy.float32)
            else:
                targets = random.random((ROWS, units)).astype(numpy.float32)
            self.train(at, inputs=rows.tolist(), targets=targets.tolist(), epochs=2, batch_size=10,
                       optimizer={"name": "sgd", "learning_rate": 0.01})
        return at, spec, rows

    def exported(self, at, more=""):
        reply = self.api.get(at + "/export?format=onnx" + more)
        self.assertEqual(reply.status, 200, reply)
        return reply.body

    def predicted(self, at, rows):
        return numpy.array(self.ok(self.api.post(at + "/predict", {"inputs": rows.tolist()}))["outputs"])

    def assert_near(self, got, want, what):
        self.assertEqual(got.shape, want.shape, what)
        size = numpy.maximum(1, abs(want).max(axis=0, keepdims=True))
        self.assertLessEqual((abs(got - want) / size).max(), NEAR, what)

    def test_the_checker_takes_every_kind_of_network(self):
        for at, spec, _ in self.nets:
            body = self.exported(at)
            model = onnx.load_from_string(body)
            onnx.checker.check_model(model, full_check=True)
            self.assertEqual(model.SerializeToString(), body, spec)  # canonical: fields in the order of their numbers
            self.assertEqual([node.op_type for node in model.graph.node], operators(spec))
            for node in model.graph.node:
                self.assertEqual([(a.name, a.i) for a in node.attribute],
                                 {"Gemm": [("transB", 1)], "Softmax": [("axis", -1)]}.get(node.op_type, []))
            for value, name, width in ((model.graph.input, "inputs", spec["inputs"]),
                                       (model.graph.output, "outputs", spec["layers"][-1]["units"])):
                self.assertEqual([v.name for v in value], [name])
                batch, columns = value[0].type.tensor_type.shape.dim
                self.assertEqual((batch.dim_param, columns.dim_value), ("batch", width))

    def test_each_bit_of_the_weights(self):
        odd = {"inputs": 3, "layers": [{"units": 1, "activation": "linear", "weights": [[-0.0, 1e-45, 3.4e38]],
                                        "biases": [-1e-38]}], "cost": "mse"}
        wide = {"inputs": 700, "layers": [{"units": 120, "activation": "relu"}, {"units": 2, "activation": "linear"}],
                "cost": "mse"}
        for at in [at for at, _, _ in self.nets] + [self.model(odd, name="odd"), self.model(wide, name="wide")]:
            want = arrays(self.ok(self.api.get(at + "/export")))
            model = onnx.load_from_string(self.exported(at))
            self.assertEqual([tensor.name for tensor in model.graph.initializer], list(want))
            for tensor in model.graph.initializer:
                self.assertEqual(list(tensor.dims), list(want[tensor.name].shape))
                self.assertEqual(tensor.raw_data, want[tensor.name].astype("<f4").tobytes(), (at, tensor.name))

    def test_what_a_file_says_of_itself(self):
        for at, spec, _ in self.nets:
            model = onnx.load_from_string(self.exported(at))
            seen = self.ok(self.api.get(at))
            said = {prop.key: prop.value for prop in model.metadata_props}
            self.assertEqual((model.ir_version, [(o.domain, o.version) for o in model.opset_import]), (7, [("", 13)]))
            self.assertEqual((model.producer_name, model.model_version), ("sigmad", seen["version"]))
            self.assertEqual(model.producer_version, self.ok(self.api.get("/v1/server"))["version"])
            self.assertEqual(model.graph.name, seen["name"])
            self.assertEqual((said["version"], said["digest"]), (str(seen["version"]), seen["digest"]))
            self.assertEqual(json.loads(said["labels"]) if "labels" in said else None, spec.get("labels"))
            twin = dict(json.loads(said["spec"]))
            self.assertEqual({key: twin.get(key, "none") for key in spec}, spec)

    def test_logits_are_what_the_last_activation_is_given(self):
        for at, spec, rows in self.nets:
            body = self.exported(at, "&part=logits")
            model = onnx.load_from_string(body)
            onnx.checker.check_model(model, full_check=True)
            last = spec["layers"][-1]["activation"]
            said = {prop.key: prop.value for prop in model.metadata_props}
            if last == "linear":
                self.assertEqual(body, self.exported(at))
                continue
            self.assertEqual([node.op_type for node in model.graph.node], operators(spec)[:-1])
            self.assertEqual((said["part"], "spec" in said, "digest" in said), ("logits", False, False))
            self.assert_near(ACTS[last](reckoned(model, rows)), self.predicted(at, rows), spec)

    def test_parts_have_names_and_tags_of_their_own(self):
        at = self.nets[0][0]
        whole, part = (self.api.get(at + "/export?format=onnx" + more) for more in ("&part=whole", "&part=logits"))
        self.assertEqual(whole.body, self.exported(at))
        self.assertNotEqual(whole.body, part.body)
        self.assertTrue(whole.headers["ETag"].endswith('-onnx"'))
        self.assertTrue(part.headers["ETag"].endswith('-onnx-logits"'))
        self.assertRegex(part.headers["Content-Disposition"], r'filename="net-0-v\d+-logits\.onnx"')
        self.problem(self.api.get(at + "/export?format=onnx&part=half"), 422, "field", "part", "whole or logits", "'half'")
        self.problem(self.api.get(at + "/export?format=onnx&part="), 422, "field", "part", "''")

    def test_the_graph_reckoned_node_by_node(self):
        for at, spec, rows in self.nets:
            self.assert_near(reckoned(onnx.load_from_string(self.exported(at)), rows), self.predicted(at, rows), spec)

    def test_onnxruntime_says_what_predict_says(self):
        import ort
        why = ort.missing()
        if why:
            self.skipTest(why)
        made = ort.run([(self.exported(at), rows) for at, _, rows in self.nets])
        for (at, spec, rows), outputs in zip(self.nets, made):
            want = self.predicted(at, rows)
            self.assert_near(outputs.reshape(ROWS, -1), want, spec)
        made = ort.run([(self.exported(at, "&part=logits"), rows) for at, _, rows in self.nets])
        for (at, spec, rows), logits in zip(self.nets, made):
            outputs = ACTS[spec["layers"][-1]["activation"]](logits.astype(numpy.float64).reshape(ROWS, -1))
            self.assert_near(outputs, self.predicted(at, rows), spec)


if __name__ == "__main__":
    main()
