"""Imports: a model comes back from each format with the bits it went out with, and what is wrong leaves nothing behind."""
import glob
import io
import json
import os
import struct
import unittest
import zipfile

from harness import Case, Restarting, main

try:
    import numpy
except ImportError:
    numpy = None

NPZ = "application/x-npz"
SAFETENSORS = "application/x-safetensors"
NET = {"inputs": 5, "layers": [{"units": 7, "activation": "relu"}, {"units": 3, "activation": "softmax"}],
       "cost": "log_likelihood", "normalize": "unit", "labels": ["a", "b\\c", "k\u00e4se"]}
FIT = {"inputs": 4, "layers": [{"units": 6, "activation": "tanh"}, {"units": 2, "activation": "linear"}], "cost": "mse",
       "normalize": "standard", "normalize_targets": "minmax"}
ROWS = [[(7 * r + 3 * k) % 11 - 5.5 for k in range(4)] for r in range(20)]


def parts(body):
    """Header and data of a safetensors file."""
    end = 8 + struct.unpack("<Q", body[:8])[0]
    return json.loads(body[8:end]), body[end:]


def joined(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


class Imports(Case):
    def fit(self):
        at = self.model(FIT, name=self.name() + "-fit")
        self.train(at, inputs=ROWS, targets=[[sum(row), row[0]] for row in ROWS], epochs=1, batch_size=5,
                   optimizer={"name": "sgd", "learning_rate": 0.01})
        return at

    def put(self, body, kind, query=""):
        return self.api.put("/v1/models/back" + query, body, kind)

    def same(self, at, body, kind, query=""):
        """That body is the model at, to the bit."""
        self.assertEqual(self.ok(self.put(body, kind, query), 201)["digest"], self.ok(self.api.get(at))["digest"])
        rows = {"inputs": [[0.1 * k for k in range(self.ok(self.api.get(at))["inputs"])]]}
        self.assertEqual(self.ok(self.api.post("/v1/models/back/predict", rows))["outputs"],
                         self.ok(self.api.post(at + "/predict", rows))["outputs"])
        version = self.ok(self.api.get("/v1/models/back/versions/1"))
        self.assertEqual(version["source"], "import")
        self.assertEqual(self.api.delete("/v1/models/back").status, 204)

    def test_a_version_older_than_its_models_labels(self):
        at = self.model({"inputs": 2, "layers": [{"units": 2, "activation": "softmax"}], "cost": "log_likelihood"})
        self.train(at, inputs=[[0, 1], [1, 0]], labels=["a", "b"], epochs=1)
        for version in (1, 2):
            body = self.api.get(at + "/export?format=safetensors&version=%d" % version).body
            self.assertEqual(self.ok(self.put(body, SAFETENSORS), 201)["labels"], ["a", "b"])
            self.assertEqual(self.api.delete("/v1/models/back").status, 204)

    def test_every_format_comes_back_by_type_by_query_and_by_its_first_bytes(self):
        for at in (self.model(NET, name=self.name() + "-net"), self.fit()):
            for name, kind in (("json", "application/json"), ("safetensors", SAFETENSORS), ("npz", "application/x-npz"), ("onnx", "application/onnx")):
                body = self.api.get(at + "/export?format=" + name).body
                self.same(at, body, kind)
                self.same(at, body, kind.upper() + "; a=b")
                self.same(at, body, "application/octet-stream")
                self.same(at, body, "application/x-www-form-urlencoded")
                self.same(at, body, "text/plain", "?format=" + name)

    def bad(self, body, status, kind, field=None, *texts, type=SAFETENSORS, query=""):
        self.problem(self.put(body, type, query), status, kind, field, *texts)
        self.problem(self.api.get("/v1/models/back"), 404, "not-found")

    def test_what_is_no_format_is_told(self):
        self.bad(b"x", 415, "type", "Content-Type", "application/json, application/x-safetensors", "'text/csv'",
                 type="text/csv")
        self.bad(b"x", 422, "field", "format", "json, safetensors, npz or onnx", "'pickle'", query="?format=pickle")
        self.bad(b"{}", 400, "syntax", "body", "safetensors", query="?format=safetensors", type="application/json")
        for body in (b"", b"\x80\x04junk", b"x" * 100):
            self.bad(body, 400, "syntax", type="application/octet-stream")

    def test_a_wrong_file_leaves_nothing_behind(self):
        body = self.api.get(self.fit() + "/export?format=safetensors").body
        header, data = parts(body)
        for cut in (0, 1, 8, 9, 200, len(body) - len(data)):
            self.bad(body[:cut], *((400, "syntax") if cut <= 200 else (422, "field")))
        for cut in (1, 4):
            self.bad(body[:-cut], 422, "field", None, "data_offsets")
        self.bad(body + b"\0", 400, "syntax", "body", "hole")
        self.bad(body[:-4] + b"\0\0\xc0\x7f", 422, "range", None, "not finite")
        self.bad(body[:-4] + b"\0\0\x80\x3e", 422, "field", "digest", "that of the weights is")

        def changed(name, **fields):
            return joined({**header, name: {**header[name], **fields}}, data)

        self.bad(changed("layers.0.weight", dtype="F16"), 422, "field", "layers.0.weight.dtype", "must be F32")
        self.bad(changed("layers.0.weight", shape=[4, 6]), 422, "field", "layers.0.weight", "6 x 4")
        self.bad(changed("layers.0.weight", data_offsets=[0, 1 << 40]), 422, "field", "layers.0.weight.data_offsets", "must be 0 to")
        self.bad(joined({**header, "layers.9.bias": header["layers.0.bias"]}, data), 400, "syntax", "body", "overlap")
        self.bad(joined({**header, "layers.9.bias": {"dtype": "F32", "shape": [1], "data_offsets": [len(data), len(data) + 4]}},
                        data + b"\0" * 4), 422, "field", "layers.9.bias", "spec has 2 layers")
        self.bad(joined({k: v for k, v in header.items() if k != "__metadata__"}, data), 422, "field", "spec", "is missing")

    def zipped(self, files):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, body in files.items():
                archive.writestr(name, body)
        return out.getvalue()

    def test_npz(self):
        at = self.fit()
        with zipfile.ZipFile(io.BytesIO(self.api.get(at + "/export?format=npz").body)) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        body = self.zipped(files)
        self.same(at, body, "application/zip")
        for cut in (3, 4, 100, len(body) // 2, len(body) - 1):
            self.bad(body[:cut], 400, "syntax", "body", type=NPZ)
        for name in files:
            less = {k: v for k, v in files.items() if k != name}
            self.bad(self.zipped(less), 422, "field", name[:-4], "is missing", type=NPZ)
        weight = files["layers.0.weight.npy"]
        for changed, status, kind, text in (
                (weight.replace(b"<f4", b">f4"), 422, "field", "must be <f4 of 6 x 4"),
                (weight.replace(b"<f4", b"|O "), 400, "syntax", "Python objects"),
                (weight.replace(b"(6, 4)", b"(4, 6)"), 422, "field", "6 x 4"),
                (weight.replace(b"False", b"True "), 400, "syntax", "C order"),
                (weight + b"x", 422, "field", "6 x 4"), (weight[:-1], 422, "field", "6 x 4"),
                (weight[:-4] + b"\0\0\x80\x7f", 422, "range", "not finite"),
                (weight + bytes(10 << 20), 422, "field", "at most 96 bytes"), (b"", 400, "syntax", "NPY")):
            self.bad(self.zipped({**files, "layers.0.weight.npy": changed}), status, kind, "layers.0.weight", text, type=NPZ)
        self.bad(self.zipped({**files, "x.npy": b""}), 422, "field", "x.npy", "no array of this model", type=NPZ)

    @unittest.skipIf(numpy is None, "without numpy")
    def test_what_numpy_saves_comes_back(self):
        at = self.fit()
        with numpy.load(io.BytesIO(self.api.get(at + "/export?format=npz").body)) as arrays:
            arrays = dict(arrays)
        for save in (numpy.savez, numpy.savez_compressed):
            out = io.BytesIO()
            save(out, **arrays)
            self.same(at, out.getvalue(), "application/x-npz")

    def test_numbers_of_a_normalisation_that_is_not_there(self):
        header, data = parts(self.api.get(self.fit() + "/export?format=safetensors").body)
        meta = {k: v for k, v in header["__metadata__"].items() if k != "digest"}
        for key, value, field in (("normalize", "none", "norm.shift"), ("normalize_targets", "none", "norm.target_shift"),
                                  ("normalize", "unit", "norm")):
            meta["spec"] = json.dumps({**json.loads(header["__metadata__"]["spec"]), key: value})
            self.bad(joined({**header, "__metadata__": meta}, data), 422, "field", field)


class StoredFiles(Restarting):
    def test_a_stored_version_comes_back_and_its_checksum_holds(self):
        spec = dict(FIT, normalize="none", normalize_targets="none")
        self.assertEqual(self.api.put("/v1/models/kept", json.dumps(spec)).status, 201)
        found = glob.glob(os.path.join(self.state, "models", "kept*", "**", "*.safetensors"), recursive=True)
        self.assertEqual(len(found), 1, found)
        with open(found[0], "rb") as file:
            body = file.read()
        reply = self.api.put("/v1/models/back", body, SAFETENSORS)
        self.assertEqual(reply.status, 201, reply)
        self.assertEqual(reply.json["digest"], self.api.get("/v1/models/kept").json["digest"])
        bad = self.api.put("/v1/models/worse", body[:-1] + bytes([body[-1] ^ 1]), SAFETENSORS)
        self.assertEqual((bad.status, bad.json["field"]), (400, "body"), bad)
        self.assertIn("SHA-256", bad.json["detail"])
        self.assertEqual(self.api.get("/v1/models/worse").status, 404)


if __name__ == "__main__":
    main()
