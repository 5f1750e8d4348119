"""Predictions: the arithmetic, the labels, the batch that changes no bit."""
import math

from harness import DIGITS, LARGEST, XOR, Case, digits, in_threads, main


def forward(layers, row):
    """The same net in float64, from its equations."""
    for layer in layers:
        z = [sum(w * x for w, x in zip(weights, row)) + bias
             for weights, bias in zip(layer["weights"], layer["biases"])]
        kind = layer["activation"]
        if kind == "sigmoid":
            row = [(1 + math.tanh(v / 2)) / 2 for v in z]
        elif kind == "tanh":
            row = [math.tanh(v) for v in z]
        elif kind == "relu":
            row = [max(v, 0) for v in z]
        elif kind == "linear":
            row = z
        else:
            top = max(z)
            e = [math.exp(v - top) for v in z]
            row = [v / sum(e) for v in e]
    return row


class Predict(Case):
    def predict(self, at, rows):
        return self.ok(self.api.post(at + "/predict", {"inputs": rows}))

    def test_answers_name_the_model_the_version_and_the_labels(self):
        at = self.model(LARGEST)
        said = self.predict(at, [[0, 5, 1], [9, 1, 2], [0, 0, 1]])
        self.assertEqual(said["model"], self.name())
        self.assertEqual(said["version"], 1)
        self.assertEqual(said["labels"], ["bee", "ant", "cow"])
        self.assertEqual(set(said), {"model", "version", "outputs", "labels"})

    def test_no_labels_no_member(self):
        self.assertEqual(set(self.predict(self.model(), [[0, 1]])), {"model", "version", "outputs"})

    def test_outputs_follow_from_the_exported_weights(self):
        rows = [[0.5, -1.25, 3], [0, 0, 0], [-7, 2, 0.125], [1e-3, 1e3, -1]]
        for hidden in ("sigmoid", "tanh", "relu", "linear"):
            for out, cost in (("sigmoid", "mse"), ("softmax", "log_likelihood"), ("linear", "mse"),
                              ("tanh", "mse")):
                with self.subTest(hidden=hidden, out=out):
                    at = self.model({"inputs": 3, "cost": cost, "bias_init": "normal", "seed": 5,
                                     "layers": [{"units": 7, "activation": hidden},
                                                {"units": 5, "activation": hidden},
                                                {"units": 4, "activation": out}]},
                                    name="%s-%s-%s" % (self.name(), hidden, out))
                    layers = self.ok(self.api.get(at + "/export"))["layers"]
                    for row, got in zip(rows, self.predict(at, rows)["outputs"]):
                        want = forward(layers, row)
                        size = max(1, max(map(abs, want)))
                        for a, b in zip(got, want):
                            # a few hundred roundings of 2^-24, of values up to 1e3
                            self.assertLess(abs(a - b), 1e-5 * size, (row, got, want))

    def test_a_row_has_the_same_bits_alone_and_in_any_batch(self):
        at = self.model(DIGITS)
        rows = digits("test")[0]
        together = self.predict(at, rows)["outputs"]
        for size in (1, 2, 3, 7, 16, 33, 64):
            start = (size * 41) % (len(rows) - size)
            self.assertEqual(self.predict(at, rows[start:start + size])["outputs"],
                             together[start:start + size], size)

    def test_many_clients_get_the_answers_of_one(self):
        at = self.model(DIGITS)
        rows = digits("test")[0][:100]
        want = self.predict(at, rows)["outputs"]

        def client(i):
            api = self.daemon.client()
            for k in range(20):
                row = (i * 7 + k) % len(rows)
                said = self.ok(api.post(at + "/predict", {"inputs": [rows[row]]}))
                self.assertEqual(said["outputs"], [want[row]])
            api.close()

        in_threads(16, client)

    def test_no_rows_are_refused(self):
        self.problem(self.api.post(self.model() + "/predict", {"inputs": []}), 422, "field",
                     "inputs")

    def test_json_is_read_as_the_standard_says(self):
        at = self.model(XOR)
        want = self.predict(at, [[0.5, -100]])["outputs"]
        for body in ('{"inputs":[[0.5,-100]]}', ' { "inputs" : [ [ 5e-1 , -1.0E+2 ] ] }\r\n\t',
                     '{"\\u0069nputs": [[0.50000000000000000000, -10000000000e-8]]}'):
            self.assertEqual(self.ok(self.api.post(at + "/predict", body))["outputs"], want, body)
        for body in ('{"inputs":[[.5,-100]]}', '{"inputs":[[0.5,-100.]]}', '{"inputs":[[+0.5,1]]}',
                     '{"inputs":[[00.5,1]]}', "{'inputs':[[0.5,1]]}", '{"inputs":[[0.5,1,]]}',
                     '{"inputs":[[0.5,1]]}x', '{"inputs":[[0.5,0x1]]}', '\ufeff{"inputs":[[0.5,1]]}',
                     '{"inputs":[[0.5,1]]', '{"inputs":[[0.5 1]]}', '{', '{"', 'nul', ''):
            self.problem(self.api.post(at + "/predict", body), 400, "syntax", "body")

    def test_outputs_that_are_not_finite_are_an_error_not_a_broken_body(self):
        at = self.model({"inputs": 1, "cost": "mse", "layers": [
            {"units": 1, "activation": "linear", "weights": [[3e38]], "biases": [0]}]})
        self.assertEqual(self.predict(at, [[1]])["outputs"], [[3e38]])
        with self.unchanged():
            self.problem(self.api.post(at + "/predict", {"inputs": [[1], [10]]}), 422, "number",
                         "outputs[1]")


if __name__ == "__main__":
    main()
