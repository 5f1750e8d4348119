"""Exports: every format says what the JSON says, piece by piece, whatever becomes of the model or the client meanwhile."""
import io
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import unittest

from harness import ROOT, SLOW, XOR_ROWS, Case, main, read_all

try:
    import numpy
except ImportError:
    numpy = None

TYPES = {"json": "application/json", "safetensors": "application/x-safetensors", "npz": "application/x-npz",
         "onnx": "application/onnx", "dot": "text/vnd.graphviz", "c": "text/x-csrc", "h": "text/x-chdr"}
NETS = [
    {"inputs": 3, "layers": [{"units": 2, "activation": "tanh"}], "cost": "mse"},
    {"inputs": 5, "layers": [{"units": 7, "activation": "relu"}, {"units": 3, "activation": "softmax"}],
     "cost": "log_likelihood", "normalize": "unit", "labels": ["\"quoted\"", "b\\c", "k\u00e4se\n"]},
    {"inputs": 4, "layers": [{"units": 16, "activation": "sigmoid"}, {"units": 40, "activation": "tanh"},
                             {"units": 2, "activation": "linear"}], "cost": "mse", "normalize": "standard",
     "normalize_targets": "minmax"},
]
WIDE = {"inputs": 2000, "layers": [{"units": 600, "activation": "relu"}, {"units": 3, "activation": "softmax"}],
        "cost": "log_likelihood"}


def tensors(model):
    """The arrays that a JSON export has, by the names that other formats give them."""
    found = {}
    for l, layer in enumerate(model["layers"]):
        found["layers.%d.weight" % l] = layer["weights"]
        found["layers.%d.bias" % l] = layer["biases"]
    if model["normalize"] == "unit":
        found["norm.shift"] = [0.0] * model["inputs"]
        found["norm.scale"] = [struct.unpack("<f", struct.pack("<f", 1 / 255))[0]] * model["inputs"]
    for key in ("shift", "scale", "target_shift", "target_scale"):
        if key in model:
            found["norm." + key] = model[key]
    return found


def flat(values):
    return [v for row in values for v in row] if isinstance(values[0], list) else list(values)


def shape(values):
    return [len(values), len(values[0])] if isinstance(values[0], list) else [len(values)]


def packed(values):
    """As float32's bytes."""
    values = flat(values)
    return struct.pack("<%df" % len(values), *values)


class Exports(Case):
    def nets(self):
        for i, spec in enumerate(NETS):
            at = self.model(spec, name="%s-%d" % (self.name(), i), seed=i + 1)
            if "normalize_targets" in spec or spec.get("normalize") == "standard":
                width = spec["layers"][-1]["units"]
                rows = [[(7 * r + 3 * k) % 11 - 5.5 for k in range(spec["inputs"])] for r in range(20)]
                self.train(at, inputs=rows, targets=[[sum(row) * (j + 1) for j in range(width)] for row in rows],
                           epochs=1, batch_size=5, optimizer={"name": "sgd", "learning_rate": 0.01})
            yield at

    def test_what_a_reply_says_of_itself(self):
        at = self.model(NETS[1], name="kept")
        tags = set()
        for name, kind in TYPES.items():
            reply = self.api.get(at + "/export?format=" + name)
            self.assertEqual(reply.status, 200, reply)
            self.assertEqual(reply.headers["Content-Type"], kind)
            self.assertEqual(reply.headers["Content-Disposition"], 'attachment; filename="kept-v1.%s"' % name)
            self.assertEqual(reply.headers["Sigmad-Digest"], self.ok(self.api.get(at))["digest"])
            self.assertEqual(int(reply.headers["Content-Length"]), len(reply.body))
            self.assertEqual({s.strip() for s in reply.headers["Vary"].split(",")}, {"Accept", "Accept-Encoding"})
            again = self.api.get(at + "/export?format=" + name, If_None_Match=reply.headers["ETag"])
            self.assertEqual((again.status, again.body), (304, b""))
            tags.add(reply.headers["ETag"])
        self.assertEqual(len(tags), len(TYPES))

    def test_accept_chooses_where_the_query_does_not(self):
        at = self.model(NETS[0])
        for accept, kind in ((None, "json"), ("*/*", "json"), ("application/x-npz", "npz"),
                             ("application/json;q=0.1, application/x-safetensors", "safetensors"),
                             ("text/*", "dot")):
            reply = self.api.get(at + "/export", **({"Accept": accept} if accept else {}))
            self.assertEqual(reply.headers["Content-Type"], TYPES[kind], accept)
        reply = self.api.get(at + "/export?format=npz", Accept="application/json")
        self.assertEqual(reply.headers["Content-Type"], TYPES["npz"])
        self.problem(self.api.get(at + "/export", Accept="image/png"), 406, "accept", "Accept", "safetensors")
        self.problem(self.api.get(at + "/export?format=pickle"), 422, "field", "format", "json, safetensors", "'pickle'")

    def test_options_are_for_formats_that_know_them(self):
        at = self.model(NETS[0])
        for name in ("json", "safetensors", "npz", "dot"):
            self.problem(self.api.get(at + "/export?part=logits&format=" + name), 422, "field", "part", name)

    def test_an_earlier_version(self):
        at = self.model()
        first = {name: self.api.get(at + "/export?format=" + name).body for name in TYPES if name not in ("dot", "h")}
        self.ok(self.api.post(at + "/learn", XOR_ROWS))
        for name, body in first.items():
            self.assertNotEqual(self.api.get(at + "/export?format=" + name).body, body, name)
            self.assertEqual(self.api.get(at + "/export?version=1&format=" + name).body, body, name)

    def test_safetensors(self):
        for at in self.nets():
            want = self.ok(self.api.get(at + "/export"))
            body = self.api.get(at + "/export?format=safetensors").body
            length = struct.unpack("<Q", body[:8])[0]
            head = json.loads(body[8:8 + length])
            self.assertEqual(length % 8, 0)
            meta = head.pop("__metadata__")
            self.assertTrue(all(isinstance(value, str) for value in meta.values()))
            self.assertEqual(meta["digest"], self.ok(self.api.get(at))["digest"])
            spec = json.loads(meta["spec"])
            for key in ("inputs", "cost", "normalize", "labels", "normalize_targets"):
                self.assertEqual(spec.get(key), want.get(key), key)
            self.assertEqual(list(head), list(tensors(want)))
            end = 0
            for name, values in tensors(want).items():
                begin, end_before = head[name]["data_offsets"][0], end
                end = head[name]["data_offsets"][1]
                self.assertEqual((begin, head[name]["dtype"], head[name]["shape"]), (end_before, "F32", shape(values)))
                self.assertEqual(body[8 + length + begin:8 + length + end], packed(values), name)
            self.assertEqual(len(body), 8 + length + end)

    @unittest.skipUnless(numpy, "python3-numpy is not installed")
    def test_the_lines_of_readme_read_safetensors(self):
        with open(os.path.join(ROOT, "README.md")) as file:
            lines = re.search(r"```python\n(import json, numpy\n.*?)```", file.read(), re.S)[1]
        at = self.model(NETS[1])
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "digits.safetensors")
            with open(path, "wb") as file:
                file.write(self.api.get(at + "/export?format=safetensors").body)
            names = {}
            exec(lines.replace("digits.safetensors", path), names)
        net, x = names["net"], numpy.array([[0, 1, 2, 3, 255]], numpy.float32)
        a = (x - net["norm.shift"]) * net["norm.scale"]
        for l, layer in enumerate(names["spec"]["layers"]):
            z = a @ net["layers.%d.weight" % l].T + net["layers.%d.bias" % l]
            a = numpy.maximum(z, 0) if layer["activation"] == "relu" else numpy.exp(z) / numpy.exp(z).sum()
        want = self.ok(self.api.post(at + "/predict", {"inputs": x.tolist()}))["outputs"]
        self.assertLess(abs(a - numpy.array(want)).max(), 1e-6)

    @unittest.skipUnless(numpy, "python3-numpy is not installed")
    def test_npz(self):
        for at in self.nets():
            want = self.ok(self.api.get(at + "/export"))
            with numpy.load(io.BytesIO(self.api.get(at + "/export?format=npz").body)) as arrays:
                self.assertEqual(arrays.files, ["spec"] + list(tensors(want)))
                spec = json.loads(bytes(arrays["spec"]))
                self.assertEqual([layer["units"] for layer in spec["layers"]],
                                 [layer["units"] for layer in want["layers"]])
                self.assertEqual(spec.get("labels"), want.get("labels"))
                for name, values in tensors(want).items():
                    self.assertEqual((arrays[name].dtype, list(arrays[name].shape)), (numpy.float32, shape(values)))
                    self.assertEqual(arrays[name].tobytes(), packed(values), name)

    def test_dot(self):
        for at in self.nets():
            want = self.ok(self.api.get(at + "/export"))
            text = self.api.get(at + "/export?format=dot").body.decode()
            widths = [want["inputs"]] + [len(layer["biases"]) for layer in want["layers"]]
            drawn = [n if n <= 12 else 8 for n in widths]
            self.assertEqual(len(re.findall(r"^ +u\d+_\d+ \[label", text, re.M)), sum(drawn))
            self.assertEqual(len(re.findall(r"^ +u\d+_\d+ -> u\d+_\d+ \[penwidth", text, re.M)),
                             sum(a * b for a, b in zip(drawn, drawn[1:])))
            self.assertEqual(sorted(re.findall(r'label = "(\d+) more"', text)),
                             sorted(str(n - 8) for n in widths if n > 12))
            for l, k, j, weight in re.findall(r'u(\d+)_(\d+) -> u\d+_(\d+) \[.*tooltip = "(.*)"', text):
                self.assertEqual(float(weight), want["layers"][int(l)]["weights"][int(j)][int(k)])
            if shutil.which("dot"):
                subprocess.run(["dot", "-Tcanon"], input=text.encode(), check=True, stdout=subprocess.DEVNULL,
                               timeout=60 * SLOW)

    def test_what_is_too_long_for_one_piece_comes_in_many(self):
        at = self.model(WIDE)
        want = self.ok(self.api.get(at + "/export"))
        for name in ("safetensors", "npz", "onnx"):
            reply = self.api.get(at + "/export?format=" + name)
            self.assertEqual(reply.headers.get("Content-Length"), str(len(reply.body)) if name != "npz" else None)
            self.assertIn(packed(want["layers"][0]["weights"]), reply.body)
            head = self.api.ask("HEAD", at + "/export?format=" + name)
            self.assertEqual((head.status, head.body), (200, b""))
        twin = at + "-twin"
        self.ok(self.api.put(twin, self.api.get(at + "/export").body), 201)
        self.assertEqual(self.ok(self.api.get(twin))["digest"], self.ok(self.api.get(at))["digest"])

    def test_the_model_may_go_meanwhile(self):
        at = self.model(WIDE)
        whole = self.api.get(at + "/export?format=safetensors").body
        with self.daemon.connect() as sock:
            sock.sendall(b"GET %s/export?format=safetensors HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % at.encode())
            first = sock.recv(1)
            self.ok(self.api.delete(at), 204)
            self.problem(self.api.get(at), 404, "not-found")
            self.assertTrue((first + read_all(sock)).endswith(b"\r\n\r\n" + whole))

    def test_clients_that_leave(self):
        at = self.model(WIDE)
        for wait in range(8):
            with self.daemon.connect() as sock:
                sock.sendall(b"GET %s/export HTTP/1.1\r\nHost: localhost\r\n\r\n" % at.encode())
                for _ in range(wait):
                    sock.recv(100000)
        self.ok(self.api.get(at))
        self.ok(self.api.delete(at), 204)


if __name__ == "__main__":
    main()
