"""Weights alone and a spec beside them: what PyTorch and scikit-learn save answers here as it does there."""
import io
import json
import os
import re
import struct
import subprocess
import tempfile
import unittest
import unittest.mock
import urllib.parse

from harness import ROOT, WAIT, Case, main

try:
    import numpy
except ImportError:
    numpy = None
try:
    import sklearn.neural_network as sklearn
except ImportError:
    sklearn = None

NPZ = "application/x-npz"
SAFETENSORS = "application/x-safetensors"
DTYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64"}


def safetensors(arrays, metadata=None):
    """What the library of that name saves."""
    head, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, array in arrays.items():
        body = array if isinstance(array, bytes) else array.tobytes()
        dtype = "BF16" if isinstance(array, bytes) else DTYPES[array.dtype.name]
        shape = [len(body) // 2] if isinstance(array, bytes) else list(array.shape)
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(body)]}
        data += body
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + data


def npz(*args, **arrays):
    out = io.BytesIO()
    numpy.savez_compressed(out, *args, **arrays)
    return out.getvalue()


def spec_of(sizes, hidden="tanh", last="linear", cost="mse", **more):
    layers = [{"units": n, "activation": hidden} for n in sizes[1:]]
    layers[-1]["activation"] = last
    return {"inputs": sizes[0], "layers": layers, "cost": cost, **more}


@unittest.skipIf(numpy is None, "without numpy")
class Plain(Case):
    def setUp(self):
        super().setUp()
        self.random = numpy.random.default_rng(3)

    def net(self, sizes, dtype="float64"):
        """[W, b] of each layer, W as PyTorch has it."""
        return [[self.random.normal(0, 0.5, shape).astype(dtype) for shape in ((out, fan), (out,))]
                for fan, out in zip(sizes, sizes[1:])]

    def put(self, body, spec, query=""):
        text = spec if isinstance(spec, str) else json.dumps(spec)
        return self.api.put("/v1/models/back?spec=" + urllib.parse.quote(text) + query, body, "application/octet-stream")

    def answers(self, body, spec, net, tolerance=1e-6):
        """It is taken, and is that net of tanh and a linear last layer."""
        self.ok(self.put(body, spec), 201)
        rows = self.random.normal(0, 1, (5, spec["inputs"])).astype("float32")
        a = rows.astype("float64")
        for i, (w, b) in enumerate(net):
            a = a @ w.astype("float64").T + b
            a = numpy.tanh(a) if i < len(net) - 1 else a
        got = self.ok(self.api.post("/v1/models/back/predict", {"inputs": rows.tolist()}))["outputs"]
        self.assertLess(numpy.abs(numpy.array(got) - a).max(), tolerance)
        self.assertEqual(self.api.delete("/v1/models/back").status, 204)

    def named(self, net, pattern, numbers=None):
        numbers = numbers or range(len(net))
        return {pattern % (n, kind): array for n, layer in zip(numbers, net) for kind, array in zip(("weight", "bias"), layer)}

    def test_names_that_a_state_dict_has(self):
        sizes = [4, 4, 4, 4]  # so that nothing but the names tells them apart
        net = self.net(sizes)
        for pattern, numbers in (("%d.%s", (0, 2, 10)), ("fc%d.%s", None), ("layers.%d.%s", None), ("net.%d.linear.%s", (8, 9, 10)),
                                 ("module.blocks.1.%d.%s", None)):
            arrays = self.named(net, pattern, numbers)
            backwards = dict(reversed(arrays.items()))
            self.answers(safetensors(backwards, {"format": "pt"}), spec_of(sizes), net)
            self.answers(npz(**backwards), spec_of(sizes), net)
        self.answers(npz(*[array for layer in net for array in layer]), spec_of(sizes), net)
        self.answers(npz(**{"%s%d" % (k, i): a for i, layer in enumerate(net) for k, a in zip("Wb", layer)}), spec_of(sizes), net)
        self.answers(safetensors(dict(zip(("weight", "bias"), net[0]))), spec_of([4, 4]), net[:1])

    def test_names_without_numbers_go_by_shape(self):
        sizes = [3, 5, 2]
        net = self.net(sizes)
        arrays = {"out.weight": net[1][0], "out.bias": net[1][1], "hidden.weight": net[0][0], "hidden.bias": net[0][1]}
        self.answers(safetensors(arrays), spec_of(sizes), net)
        self.bad(safetensors({k: v[:, :1].repeat(5, 1)[:1].repeat(5, 0) if v.ndim == 2 else v[:1].repeat(5) for k, v in arrays.items()}),
                 spec_of([5, 5, 5]), 422, "field", "hidden.weight", "may be layers[0]", "'out.weight'")

    def test_every_type_of_values(self):
        sizes = [3, 6, 2]
        for dtype in ("float64", "float32", "float16"):
            net = self.net(sizes, dtype)
            self.answers(safetensors(self.named(net, "%d.%s")), spec_of(sizes), net)
            self.answers(npz(**self.named(net, "%d.%s")), spec_of(sizes), net)
        net = self.net(sizes)
        self.answers(npz(**{k: v.astype(">f8") for k, v in self.named(net, "%d.%s").items()}), spec_of(sizes), net)
        bias = self.random.normal(0, 1, 2).astype("float32").view("uint32") >> 16 << 16  # what bfloat16 holds
        net[1][1] = bias.view("float32")
        arrays = self.named(net, "%d.%s")
        arrays["1.bias"] = (bias >> 16).astype("<u2").tobytes()
        self.answers(safetensors(arrays), spec_of(sizes), net)

    def test_weights_that_lie_the_other_way_round(self):
        net = self.net([3, 6, 6, 2])
        turned = [[w.T.copy(), b] for w, b in net]
        self.answers(npz(**self.named(turned, "layers.%d.%s")), spec_of([3, 6, 6, 2]), net)
        self.answers(npz(**{"%s_%d" % (k, i): a for i, layer in enumerate(net) for k, a in zip(("coefs", "intercepts"), layer)}),
                     spec_of([3, 6, 6, 2]), net)
        mixed = [turned[0], net[1], net[2]]
        self.bad(safetensors(self.named(mixed, "%d.%s")), spec_of([3, 6, 6, 2]), 422, "field", "0.weight", "6 x 3", "has 3 x 6")

    def test_a_normalisation_in_the_file(self):
        net = self.net([3, 2])
        shift, scale = self.random.normal(0, 1, 3), numpy.array([1.0, 2.0, 0.5])
        moved = [[net[0][0] * scale, net[0][1] - net[0][0] @ (scale * shift)]]
        spec = spec_of([3, 2], normalize="standard")
        arrays = self.named(net, "%d.%s")
        self.answers(safetensors({**arrays, "norm.shift": shift, "norm.scale": scale}), spec, moved)
        self.bad(safetensors(arrays), spec, 422, "field", "norm.shift", "is missing", "standard")
        self.bad(safetensors({**arrays, "norm.shift": shift}), spec, 422, "field", "norm.scale", "is missing")
        self.bad(safetensors({**arrays, "norm.shift": shift, "norm.scale": scale}), spec_of([3, 2]), 422, "field", "norm.shift", "none")

    @unittest.skipIf(sklearn is None, "without scikit-learn")
    @unittest.mock.patch("warnings.warn")  # so few steps are too few for it
    def test_scikit_learn(self, _):
        x = self.random.normal(0, 1, (60, 4)).astype("float32").astype("float64")
        classes = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)
        settings = {"max_iter": 15, "random_state": 1, "tol": 0}
        for hidden, units in (("tanh", (6, 5)), ("relu", (4,)), ("logistic", (4, 4))):
            many = sklearn.MLPClassifier(units, activation=hidden, **settings).fit(x, classes)
            two = sklearn.MLPClassifier(units, activation=hidden, **settings).fit(x, classes > 0)
            fit = sklearn.MLPRegressor(units, activation=hidden, **settings).fit(x, x[:, :2] * [1, 2])
            act = {"logistic": "sigmoid"}.get(hidden, hidden)
            for net, last, cost, expected, labels in (
                    (many, "softmax", "log_likelihood", many.predict_proba(x), {"labels": ["0", "1", "2"]}),
                    (two, "sigmoid", "cross_entropy", two.predict_proba(x)[:, 1:], {}), (fit, "linear", "mse", fit.predict(x), {})):
                body = npz(**{"coefs_%d" % i: w for i, w in enumerate(net.coefs_)},
                           **{"intercepts_%d" % i: b for i, b in enumerate(net.intercepts_)})
                sizes = [4, *units, net.n_outputs_]
                self.ok(self.put(body, spec_of(sizes, act, last, cost, **labels)), 201)
                got = self.ok(self.api.post("/v1/models/back/predict", {"inputs": x.tolist()}))["outputs"]
                self.assertLess(numpy.abs(numpy.array(got) - expected).max(), 1e-6)
                rows = {"labels": ["0", "1", "2"]} if labels else {"targets": [[0.5] * net.n_outputs_] * 3}
                self.train("/v1/models/back", inputs=x[:3].tolist(), **rows, epochs=2, batch_size=3, publish="end")
                self.assertEqual(self.ok(self.api.get("/v1/models/back"))["version"], 2)
                self.assertEqual(self.api.delete("/v1/models/back").status, 204)

    def bad(self, body, spec, status, kind, field, *texts, query=""):
        self.problem(self.put(body, spec, query), status, kind, field, *texts)
        self.problem(self.api.get("/v1/models/back"), 404, "not-found")

    def test_what_does_not_fit_the_spec(self):
        sizes = [3, 6, 2]
        spec = spec_of(sizes)
        good = self.named(self.net(sizes), "%d.%s")

        def without(name):
            return {k: v for k, v in good.items() if k != name}

        def wrong(arrays, field, *texts, of=spec, kind="field"):
            for body in (safetensors(arrays), npz(**arrays)):
                self.bad(body, of, 422, kind, field, *texts)

        wrong(without("1.bias"), "1.weight", "no biases beside it: add zeros")
        wrong(without("1.weight"), "1.bias", "no weights beside it")
        wrong({**good, "2.weight": good["1.weight"], "2.bias": good["1.bias"]}, "spec.layers", "has 2 layers, the file weights of 3",
              "0.weight, 1.weight, 2.weight")
        self.bad(safetensors({}), spec, 422, "field", "spec.layers", "weights of 0")
        wrong({**good, "1.running_mean": good["1.bias"]}, "1.running_mean", "is no array of a model", "coefs")
        wrong({**good, "01.bias": good["1.bias"]}, "01.bias", "same layer as '1.bias'")
        wrong({**good, "0.weight": good["0.bias"]}, "0.weight", "must have 2 dimensions, has 1")
        wrong({**good, "0.weight": numpy.ones((6, 4))}, "0.weight", "must have 6 x 3 values, as layers[0]", "has 6 x 4")
        wrong({**good, "0.bias": numpy.ones(5)}, "0.bias", "must have 6 values, has 5")
        wrong({**good, "0.bias": numpy.full(6, 1e39)}, "0.bias", "too large for float32", kind="range")
        wrong({**good, "0.bias": numpy.full(6, numpy.nan)}, "0.bias", "not finite", kind="range")
        wrong({**without("1.weight"), "1.kernel": good["1.weight"]}, "1.kernel", "must be called as '0.weight'")
        self.bad(npz(**{**good, "0.bias": numpy.ones(6, int)}), spec, 422, "field", "0.bias", "must be of float64")
        self.bad(npz(**{**good, "0.weight": numpy.ones((3000, 3000))}), spec, 422, "field", "0.weight", "at most")
        self.bad(npz(**{**good, "0.weight": good["0.weight"].T.copy().T}), spec, 400, "syntax", "0.weight", "C order")
        self.bad(safetensors({**good, "1.count": numpy.ones(1, int)}), spec, 422, "field", "1.count.dtype", "F64")

    def test_the_spec_beside(self):
        sizes = [3, 6, 2]
        body = safetensors(self.named(self.net(sizes), "%d.%s"))
        for file in (body, npz(**self.named(self.net(sizes), "%d.%s"))):
            self.problem(self.api.put("/v1/models/back", file, "application/octet-stream"), 422, "field", "spec", "is missing", "--url-query")
        self.bad(body, {**spec_of(sizes), "cost": "x"}, 422, "field", "spec.cost")
        self.bad(body, "{", 400, "syntax", "spec")
        self.bad(body, "", 400, "syntax", "spec")
        with_weights = spec_of([1, 1])
        with_weights["layers"][0].update(weights=[[1]], biases=[0])
        self.bad(body, with_weights, 422, "field", "spec", "no weights of its own")
        self.bad(json.dumps(spec_of(sizes)), spec_of(sizes), 422, "field", "spec", "not beside json")
        at = self.model(spec_of(sizes))
        for name in ("safetensors", "npz"):
            self.bad(self.api.get(at + "/export?format=" + name).body, spec_of(sizes), 422, "field", "spec", "in the file already")

    def test_the_lines_of_readme(self):
        """Both ways that curl has to send a spec beside a file, which are not told apart afterwards."""
        with open(os.path.join(ROOT, "README.md")) as file:
            lines = re.findall(r"^    (curl .*spec@spec\.json.*/models/mlp|curl .*spec=@spec\.json.*/models/mlp)$",
                               file.read(), re.M)
        self.assertEqual(len(lines), 2)
        sizes, digests = [3, 6, 2], set()
        version = subprocess.run(["curl", "--version"], capture_output=True, check=True, timeout=WAIT).stdout.decode()
        if tuple(map(int, re.match(r"curl (\d+)\.(\d+)", version).groups())) < (7, 87):
            lines.pop(0)  # has no --url-query yet
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "spec.json"), "w") as file:
                json.dump(spec_of(sizes), file)
            with open(os.path.join(folder, "mlp.safetensors"), "wb") as file:
                file.write(safetensors(self.named(self.net(sizes), "%d.%s")))
            for line in lines:
                said = subprocess.run(["sh", "-c", line.replace("localhost:8740", "127.0.0.1:%d" % self.daemon.port)],
                                      cwd=folder, capture_output=True, check=True, timeout=WAIT).stdout
                digests.add(json.loads(said)["digest"])
                self.ok(self.api.delete("/v1/models/mlp"), 204)
        self.assertEqual(len(digests), 1)

    def form(self, parts, boundary="XyZ", query=""):
        body = b""
        for name, kind, content in parts:
            kind = "\r\nContent-Type: " + kind if kind else ""
            body += ("--%s\r\nContent-Disposition: form-data; name=\"%s\"%s\r\n\r\n" % (boundary, name, kind)).encode()
            body += (content.encode() if isinstance(content, str) else content) + b"\r\n"
        return self.api.put("/v1/models/back" + query, body + b"--%s--\r\n" % boundary.encode(),
                            "multipart/form-data; boundary=" + boundary)

    def test_a_form(self):
        sizes = [3, 6, 2]
        arrays = self.named(self.net(sizes), "%d.%s")
        spec = ("spec", "application/json", json.dumps(spec_of(sizes)))
        octets, body = "application/octet-stream", safetensors(arrays)
        self.ok(self.put(body, spec_of(sizes)), 201)
        digest = self.ok(self.api.get("/v1/models/back"))["digest"]
        for kind, file in ((octets, body), (SAFETENSORS, body), (None, body), (octets, npz(**arrays)), (NPZ, npz(**arrays))):
            for parts in ([spec, ("weights", kind, file)], [("weights", kind, file), spec]):
                self.assertEqual(self.api.delete("/v1/models/back").status, 204)
                self.assertEqual(self.ok(self.form(parts), 201)["digest"], digest)
        self.assertEqual(self.api.delete("/v1/models/back").status, 204)
        weights = ("weights", octets, body)
        for parts, status, kind, field, text in (
                ([spec], 422, "field", "weights", "is missing"), ([weights], 422, "field", "spec", "is missing"), ([], 422, "field", "weights", "is missing"),
                ([spec, weights, weights], 422, "field", "weights", "there twice"), ([spec, weights, ("x", None, "")], 422, "field", "x", "no part of a model"),
                ([spec, ("weights", "text/csv", body)], 415, "type", "weights", "text/csv"),
                ([spec, ("weights", NPZ, body)], 400, "syntax", "body", "zip"), ([spec, ("weights", None, "")], 422, "field", "spec", "not beside json"),
                ([("spec", None, "{\0}"), weights], 400, "syntax", "spec", "NUL"), ([("spec", None, "{}"), weights], 422, "field", "spec.inputs", "is missing"),
                ([spec, ("weights", octets, body[:-1])], 422, "field", None, "data_offsets")):
            self.problem(self.form(parts), status, kind, field, text)
            self.problem(self.api.get("/v1/models/back"), 404, "not-found")
        self.problem(self.form([spec, weights], query="?spec=%7B%7D"), 422, "field", "spec", "there twice")
        self.problem(self.api.put("/v1/models/back", b"", "multipart/form-data"), 415, "type", "Content-Type", "boundary")
        self.problem(self.form([spec, weights], boundary="a b"), 415, "type", "Content-Type", "boundary")

    def test_a_file_that_is_cut(self):
        body = safetensors(self.named(self.net([2, 2]), "%d.%s"))
        for cut in range(9, len(body), 7):
            self.assertIn(self.put(body[:cut], spec_of([2, 2]), "&format=safetensors").status, (400, 422))
        self.bad(body + b"\0", spec_of([2, 2]), 400, "syntax", "body", "hole")
        self.problem(self.api.get("/v1/models/back"), 404, "not-found")


if __name__ == "__main__":
    main()
