"""Open Inference Protocol v2, as its clients send it: Triton's sends no Content-Type, tensors as
binary unless told otherwise, POST without a body or a length, and names percent-encoded."""
import json
import struct
import urllib.parse

from harness import DIGITS, LARGEST, XOR, XOR_ROWS, Case, digits, main, read_reply

LENGTH = "Inference-Header-Content-Length"
CODES = {"FP32": "f", "FP64": "d", "FP16": "e", "BOOL": "?", "UINT8": "B", "UINT16": "H", "UINT32": "I",
         "UINT64": "Q", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q", "BF16": ""}


def pack(kind, values):
    if kind == "BF16":  # the upper half of a float32
        return b"".join(struct.pack("<f", v)[2:] for v in values)
    return struct.pack("<%d%s" % (len(values), CODES[kind]), *values)


class Oip(Case):
    def post(self, path, body=None, **headers):
        """Without a Content-Type, as http.client sends when the body is bytes."""
        api = self.daemon.client()
        self.addCleanup(api.close)
        api.connection.putrequest("POST", path)
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        if body is not None:
            api.connection.putheader("Content-Length", str(len(body)))
        for name, value in headers.items():
            api.connection.putheader(name.replace("_", "-"), value)
        api.connection.endheaders(body)
        reply = api.connection.getresponse()
        reply.body = reply.read()
        return reply

    def said(self, reply, status=200):
        self.assertEqual(reply.status, status, reply.body)
        return json.loads(reply.body)

    def refused(self, reply, status, *texts):
        """Any status but 200, and a member "error" that is a string."""
        said = self.said(reply, status)
        self.assertIsInstance(said["error"], str)
        self.assertEqual(said["status"], status)
        for text in texts:
            self.assertIn(text, said["error"])

    def infer(self, name, body, version=None, **headers):
        at = "/v2/models/%s%s/infer" % (urllib.parse.quote(name), "/versions/%s" % version if version else "")
        return self.post(at, body, **headers)

    def binary(self, name, head, tensors=b"", version=None):
        head = json.dumps(head).encode()
        return self.infer(name, head + tensors, version, **{LENGTH: str(len(head))})

    def parts(self, reply):
        """JSON and the bytes behind it."""
        self.assertEqual(reply.status, 200, reply.body)
        at = int(reply.headers[LENGTH])
        return json.loads(reply.body[:at]), reply.body[at:]

    def largest(self):
        self.model(LARGEST, name="largest")
        return "largest"

    def tearDown(self):
        for model in self.ok(self.api.get("/v1/models"))["models"]:
            self.ok(self.api.delete("/v1/models/" + model["name"]), 204)

    # ---- metadata ----

    def test_server_and_health(self):
        for path in ("/v2", "/v2/"):
            said = self.ok(self.api.get(path))
            self.assertEqual(said["name"], "sigmad")
            self.assertEqual(said["version"], self.ok(self.api.get("/v1/server"))["version"])
            self.assertLessEqual({"binary_tensor_data", "classification", "model_repository", "statistics",
                                  "model_configuration"}, set(said["extensions"]))
        self.ok(self.api.get("/v2/health/live"))
        self.ok(self.api.get("/v2/health/ready"))

    def test_model_metadata_configuration_and_readiness(self):
        self.model(XOR, name="x.or-1")
        self.ok(self.api.post("/v1/models/x.or-1/learn", XOR_ROWS))
        for at in ("/v2/models/x.or-1", "/v2/models/x%2Eor-1", "/v2/models/x.or-1/versions/2"):
            said = self.ok(self.api.get(at))
            self.assertEqual(said, {
                "name": "x.or-1", "versions": ["1", "2"], "platform": "sigmad",
                "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, 2]}],
                "outputs": [{"name": "output", "datatype": "FP32", "shape": [-1, 1]}]})
            said = self.ok(self.api.get(at + "/config"))
            self.assertEqual((said["name"], said["input"][0]["dims"], said["output"][0]["dims"]),
                             ("x.or-1", [2], [1]))
            self.assertGreater(said["max_batch_size"], 0)
            self.assertEqual(self.ok(self.api.get(at + "/ready")), {"name": "x.or-1", "ready": True})
        for at in ("/v2/models/none", "/v2/models/none/ready", "/v2/models/x.or-1/versions/9/ready"):
            self.assertEqual(self.api.get(at).status, 404)
        self.assertEqual(self.api.get("/v2/models/x.or-1/versions/one").status, 400)
        self.refused(self.api.get("/v2/models/x%00r"), 400, "escape")

    # ---- infer ----

    def test_json_flat_and_nested_in_every_datatype(self):
        name = self.largest()
        want = self.ok(self.api.post("/v1/models/largest/predict", {"inputs": [[1, 0, 1], [0, 1, 0]]}))
        for kind in CODES:
            values = [True, False, True, False, True, False] if kind == "BOOL" else [1, 0, 1, 0, 1, 0]
            for shape, data in (([2, 3], values), ([2, 3], [values[:3], values[3:]]),
                                ([2, 3, 1], [[[v] for v in values[:3]], [[v] for v in values[3:]]]),
                                ([2, 1, 3], values)):
                with self.subTest(kind=kind, shape=shape, data=data):
                    said = self.said(self.infer(name, {"id": "a\"b\u00e9", "inputs": [
                        {"name": "input", "shape": shape, "datatype": kind, "data": data}]}))
                    self.assertEqual(said, {
                        "model_name": name, "model_version": "1", "id": "a\"b\u00e9", "outputs": [
                            {"name": "output", "datatype": "FP32", "shape": [2, 3],
                             "data": sum(want["outputs"], [])}]})

    def test_members_come_in_any_order_and_what_is_unknown_in_parameters_is_passed_over(self):
        body = ('{"outputs": [{"parameters": {"a": {"b": [1, "]"]}}, "name": "output"}], "parameters": '
                '{"priority": 1, "timeout": 5, "x": null}, "inputs": [{"data": [[1, 2, 3]], "parameters": '
                '{"y": false}, "datatype": "FP32", "shape": [1, 3], "name": "input"}]}')
        said = self.said(self.infer(self.largest(), body.encode()))
        self.assertNotIn("id", said)
        self.assertEqual(said["outputs"][0]["shape"], [1, 3])

    def test_binary_both_ways_as_tritons_client_does_it(self):
        name = self.largest()
        want = self.ok(self.api.post("/v1/models/largest/predict", {"inputs": [[1, 0, 1], [0, 1, 0]]}))
        want = pack("FP32", sum(want["outputs"], []))
        for kind in CODES:
            data = pack(kind, [1, 0, 1, 0, 1, 0])
            head = {"id": "7", "parameters": {"binary_data_output": True}, "inputs": [
                {"name": "input", "shape": [2, 3], "datatype": kind,
                 "parameters": {"binary_data_size": len(data)}}]}
            for pad in range(4):  # the tensor begins at any alignment
                with self.subTest(kind=kind, pad=pad):
                    head["parameters"]["pad"] = "x" * pad
                    said, tensors = self.parts(self.binary(name, head, data))
                    self.assertEqual(said["id"], "7")
                    self.assertEqual(said["outputs"], [{"name": "output", "datatype": "FP32", "shape": [2, 3],
                                                        "parameters": {"binary_data_size": 24}}])
                    self.assertEqual(tensors, want)
            # an output that is asked for by name overrules the request
            head["outputs"] = [{"name": "output", "parameters": {"binary_data": False}}]
            said = self.said(self.binary(name, head, data))
            self.assertEqual(pack("FP32", said["outputs"][0]["data"]), want)

    def test_a_raw_request_is_all_tensor(self):
        name = self.largest()
        want = self.ok(self.api.post("/v1/models/largest/predict", {"inputs": [[1, 2, 3]]}))["outputs"][0]
        said, tensors = self.parts(self.infer(name, pack("FP32", [1, 2, 3]), **{LENGTH: "0"}))
        self.assertEqual(said["outputs"][0]["shape"], [1, 3])
        self.assertEqual(tensors, pack("FP32", want))
        self.refused(self.infer(name, b"12345", **{LENGTH: "0"}), 400, "whole rows of 3 float32")

    def test_classification(self):
        name = self.largest()
        head = {"inputs": [{"name": "input", "shape": [2, 3], "datatype": "FP32", "data": [1, 3, 2, 9, 0, 0]}],
                "outputs": [{"name": "output", "parameters": {"classification": 2}}]}
        said = self.said(self.infer(name, head))["outputs"][0]
        self.assertEqual((said["datatype"], said["shape"]), ("BYTES", [2, 2]))
        self.assertEqual([v.split(":")[1:] for v in said["data"]],
                         [["1", "bee"], ["2", "cow"], ["0", "ant"], ["1", "bee"]])
        head["outputs"][0]["parameters"]["binary_data"] = True
        _, tensors = self.parts(self.infer(name, head))
        found = []
        while tensors:
            size = struct.unpack("<I", tensors[:4])[0]
            found.append(tensors[4:4 + size].decode())
            tensors = tensors[4 + size:]
        self.assertEqual(found, said["data"])
        self.model(XOR, name="nameless")
        head = {"inputs": [{"name": "input", "shape": [1, 2], "datatype": "FP32", "data": [1, 0]}],
                "outputs": [{"name": "output", "parameters": {"classification": 1}}]}
        self.assertRegex(self.said(self.infer("nameless", head))["outputs"][0]["data"][0], r"^0\.\d+:0$")

    def test_any_version_can_be_asked(self):
        self.model(XOR, name="old")
        before = self.ok(self.api.post("/v1/models/old/predict", {"inputs": [[1, 0]]}))["outputs"][0]
        self.ok(self.api.post("/v1/models/old/learn", XOR_ROWS))
        body = {"inputs": [{"name": "input", "shape": [1, 2], "datatype": "FP32", "data": [1, 0]}]}
        said = self.said(self.infer("old", body, "1"))
        self.assertEqual((said["model_version"], said["outputs"][0]["data"]), ("1", before))
        self.assertEqual(self.said(self.infer("old", body))["model_version"], "2")
        self.refused(self.infer("old", body, "3"), 404, "version")

    def test_images_keep_their_shape(self):
        self.model(DIGITS, name="digits")
        rows = digits("test")[0][:3]
        said = self.said(self.infer("digits", {"inputs": [{
            "name": "input", "datatype": "UINT8", "shape": [3, 8, 8],
            "data": [[[int(v) for v in row[y * 8:y * 8 + 8]] for y in range(8)] for row in rows]}]}))
        want = self.ok(self.api.post("/v1/models/digits/predict", {"inputs": rows}))["outputs"]
        self.assertEqual(said["outputs"][0]["data"], sum(want, []))

    def test_what_is_wrong_is_400_with_its_place(self):
        name = self.largest()

        def tensor(**changes):
            one = {"name": "input", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}
            one.update(changes)
            return {"inputs": [{k: v for k, v in one.items() if v is not None}]}

        for body, *texts in (
            (b"", "empty"),
            (b"{", "line 1 column 2"),
            (b"[]", "must be an object"),
            ({}, "inputs is missing"),
            ({"inputs": []}, "inputs must have 1 tensor"),
            ({"inputs": [tensor()["inputs"][0]] * 2}, "inputs must have 1 tensor"),
            (dict(tensor(), x=1), "x is not a field"),
            (dict(tensor(), id=7), "id must be a string"),
            (dict(tensor(), id="x" * 2000), "id"),
            (tensor(name="other"), "inputs[0].name must be 'input', is 'other'"),
            (tensor(shape=None), "inputs[0].shape is missing"),
            (tensor(shape=[3]), "inputs[0].shape must be [rows, 3]"),
            (tensor(shape=[1, 4]), "inputs[0].shape must be [rows, 3]"),
            (tensor(shape=[1, -3]), "inputs[0].shape[1]"),
            (tensor(shape=[0, 3]), "inputs[0].shape[0]"),
            (tensor(shape=[1] * 9), "inputs[0].shape"),
            (tensor(shape=[2147483647, 2147483647, 2147483647]), "inputs[0].shape"),
            (tensor(shape=[2, 3]), "inputs[0].data has 3 values, expected 6"),
            (tensor(data=[1, 2, 3, 4]), "inputs[0].data has more than 3 values"),
            (tensor(data=[[1, 2], [3]]), "inputs[0].data"),
            (tensor(data=[[1, 2]]), "inputs[0].data[0] has 2 values, expected 3"),
            (tensor(data=[[[1, 2, 3]]]), "inputs[0].data[0] is nested deeper"),
            (tensor(shape=[1, 3, 1], data=[[1, 2, 3]]), "inputs[0].data[0] must be nested 3 deep"),
            (tensor(data=["1", 2, 3]), "inputs[0].data[0] must be a number"),
            (tensor(data=[1, 2, True]), "inputs[0].data[2] must be a number"),
            (tensor(data=7), "inputs[0].data must be an array"),
            (tensor(data=None), "inputs[0].data is missing"),
            (tensor(datatype="BYTES"), "inputs[0].datatype must be one of"),
            (tensor(datatype="UINT8", data=[1, 2, 256]), "inputs[0].data[2] must be 0 to 255 for UINT8"),
            (tensor(datatype="INT8", data=[1, -129, 2]), "inputs[0].data[1]"),
            (tensor(datatype="INT32", data=[1, 0.5, 2]), "inputs[0].data[1] must be whole for INT32"),
            (tensor(datatype="FP16", data=[1, 2, 65536]), "inputs[0].data[2]"),
            (tensor(datatype="BF16", data=[1, 2, 3.4e38]), "inputs[0].data[2]"),
            (tensor(datatype="BOOL"), "inputs[0].data[0]"),
            (tensor(parameters={"binary_data_size": 12}), "beside parameters.binary_data_size"),
            (dict(tensor(), outputs=[{"name": "x"}]), "outputs[0].name must be 'output'"),
            (dict(tensor(), outputs=[{"name": "output"}] * 2), "outputs can name 'output' once"),
            (dict(tensor(), outputs=[{"name": "output", "parameters": {"classification": 4}}]),
             "outputs[0].parameters.classification must be"),
            (dict(tensor(), parameters={"binary_data_output": 1}), "parameters.binary_data_output"),
        ):
            with self.subTest(body=body):
                self.refused(self.infer(name, body), 400, *texts)
        big = json.dumps(tensor(data=[1, 2, 3])).replace("3]", "1e39]", 2).replace("[1, 1e39]", "[1, 3]").encode()
        self.refused(self.infer(name, big), 400, "inputs[0].data[2]")
        self.refused(self.infer("none", tensor()), 404, "none")
        self.assertEqual(self.api.get("/v2/models/largest/infer").status, 405)

    def test_broken_binary_requests(self):
        name = self.largest()
        head = {"inputs": [{"name": "input", "shape": [1, 3], "datatype": "FP32",
                            "parameters": {"binary_data_size": 12}}]}
        whole = json.dumps(head).encode() + pack("FP32", [1, 2, 3])
        at = len(whole) - 12
        for length in ("-1", "x", "", "1.5", str(len(whole) + 1), "99999999999999999999999"):
            self.refused(self.infer(name, whole, **{LENGTH: length}), 400, LENGTH)
        self.refused(self.infer(name, whole[:-1], **{LENGTH: str(at)}), 400, "11 bytes follow")
        self.refused(self.infer(name, whole + b"x", **{LENGTH: str(at)}), 400, "13 bytes follow")
        self.refused(self.infer(name, whole), 400)
        nan = json.dumps(head).encode() + pack("FP32", [1, float("nan"), 3])
        self.refused(self.infer(name, nan, **{LENGTH: str(at)}), 400, "inputs[0].data[0][1] must be finite")
        head["inputs"][0]["parameters"]["binary_data_size"] = 8
        self.refused(self.binary(name, head, pack("FP32", [1, 2])), 400)
        head["inputs"][0].update(datatype="BOOL", parameters={"binary_data_size": 3})
        self.refused(self.binary(name, head, b"\1\0\2"), 400, "inputs[0].data[2] must be 0 to 1 for BOOL")
        del head["inputs"][0]["parameters"]
        head["inputs"][0]["data"] = [True, False, True]
        self.refused(self.binary(name, head, b"abc"), 400, "3 bytes behind its JSON")

    # ---- repository and statistics ----

    def test_index_load_and_unload(self):
        self.model(XOR, name="a")
        self.model(XOR, name="b")
        body = {"inputs": [{"name": "input", "shape": [1, 2], "datatype": "FP32", "data": [1, 0]}]}
        want = self.said(self.infer("a", body))
        both = [{"name": n, "version": "1", "state": "READY", "reason": ""} for n in "ab"]
        with self.daemon.connect() as sock:  # no body, and no word of one
            sock.sendall(b"POST /v2/repository/index HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertEqual(read_reply(sock).json, both)
        self.assertEqual(self.said(self.post("/v2/repository/index", b"{}")), both)
        reply = self.post("/v2/repository/models/a/unload", {"parameters": {"unload_dependents": False}})
        self.assertEqual((reply.status, reply.body), (200, b""))
        self.assertEqual(self.said(self.post("/v2/repository/index")),
                         [{"name": "a", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"}, both[1]])
        self.assertEqual(self.said(self.post("/v2/repository/index", {"ready": True})), both[1:])
        self.assertEqual(self.api.get("/v2/models/a/ready").status, 503)
        self.assertEqual(self.api.get("/v2/models/b/ready").status, 200)
        self.refused(self.infer("a", body), 503, "unloaded")
        # the rest of the daemon does not mind: it reads the version again
        self.ok(self.api.post("/v1/models/a/predict", {"inputs": [[1, 0]]}))
        reply = self.post("/v2/repository/models/a/load", b"{}")
        self.assertEqual((reply.status, reply.body), (200, b""))
        self.assertEqual(self.said(self.infer("a", body)), want)
        self.assertEqual(self.said(self.post("/v2/repository/index")), both)
        self.refused(self.post("/v2/repository/models/none/load", b"{}"), 404, "none")
        self.refused(self.post("/v2/repository/models/a/load", {"parameters": {"config": "{}"}}), 400,
                     "parameters.config", "PUT /v1/models")
        self.refused(self.post("/v2/repository/index", {"ready": 1}), 400, "ready")

    def test_statistics_count_what_was_asked(self):
        name = self.largest()
        body = {"inputs": [{"name": "input", "shape": [2, 3], "datatype": "FP32", "data": [1, 0, 1, 0, 1, 0]}]}
        for _ in range(3):
            self.said(self.infer(name, body))
        self.refused(self.infer(name, {}), 400)
        parameters = self.ok(self.api.get("/v1/models/largest"))["parameters"]
        for path in ("/v2/models/largest/stats", "/v2/models/largest/versions/1/stats", "/v2/models/stats"):
            stats = self.ok(self.api.get(path))["model_stats"]
            self.assertEqual(len(stats), 1)
            one = stats[0]
            self.assertEqual((one["name"], one["version"]), (name, "1"))
            self.assertEqual((one["inference_count"], one["execution_count"]), (6, 3))
            self.assertGreater(one["last_inference"], 1e12)  # milliseconds
            for part in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
                self.assertEqual(one["inference_stats"][part]["count"], 3, part)
            self.assertEqual(one["inference_stats"]["fail"]["count"], 1)
            parts = sum(one["inference_stats"][p]["ns"] for p in
                        ("queue", "compute_input", "compute_infer", "compute_output"))
            self.assertEqual(parts, one["inference_stats"]["success"]["ns"])
            self.assertEqual([b["batch_size"] for b in one["batch_stats"]], [2])
            self.assertEqual(one["batch_stats"][0]["compute_infer"]["count"], 3)
            self.assertEqual([(m["type"], m["id"]) for m in one["memory_usage"]], [("CPU", 0)])
            self.assertGreaterEqual(one["memory_usage"][0]["byte_size"], 4 * parameters)
        self.model(XOR, name="unasked")
        self.assertEqual(self.ok(self.api.get("/v2/models/unasked/stats"))["model_stats"][0]["inference_count"], 0)
        self.assertEqual(self.api.get("/v2/models/none/stats").status, 404)


if __name__ == "__main__":
    main()
