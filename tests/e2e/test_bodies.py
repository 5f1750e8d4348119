"""Bodies of predict that are not JSON: float32 and NPY, each way, and the few largest outputs."""
import struct

from harness import DIGITS, LARGEST, Case, digits, main

RAW, NPY, JSON = "application/octet-stream", "application/x-npy", "application/json"


def npy(rows, descr="<f4", code="f"):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': (%d, %d), }" % (descr, len(rows), len(rows[0]))
    head = head.ljust(117) + "\n"
    return (b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode()
            + b"".join(struct.pack("<%d%s" % (len(row), code), *row) for row in rows))


def floats(data):
    return list(struct.unpack("<%df" % (len(data) // 4), data))


class Bodies(Case):
    def predict(self, at, body, kind, accept=None, query=""):
        headers = {"Content-Type": kind}
        if accept:
            headers["Accept"] = accept
        return self.api.post(at + "/predict" + query, body, **headers)

    def test_every_form_in_and_out_has_the_same_bits(self):
        at = self.model(DIGITS)
        rows = digits("test")[0][:7]
        raw = b"".join(struct.pack("<64f", *row) for row in rows)
        want = self.ok(self.predict(at, {"inputs": rows}, JSON))["outputs"]
        want = [struct.unpack("<f", struct.pack("<f", v))[0] for row in want for v in row]
        bodies = (({"inputs": rows}, JSON), (raw, RAW), (npy(rows), NPY), (npy(rows, "<f8", "d"), NPY),
                  (npy([[int(v) for v in row] for row in rows], "|u1", "B"), NPY))
        for body, kind in bodies:
            with self.subTest(kind=kind):
                reply = self.predict(at, body, kind, RAW)
                self.ok(reply) if reply.status != 200 else None
                self.assertEqual(reply.headers["Content-Type"], RAW)
                self.assertEqual(floats(reply.body), want)
                reply = self.predict(at, body, kind, NPY)
                self.assertEqual((reply.status, reply.headers["Content-Type"]), (200, NPY), reply)
                self.assertIn(b"'shape': (7, 10)", reply.body)
                self.assertEqual(floats(reply.body[-7 * 10 * 4:]), want)
                said = self.ok(self.predict(at, body, kind, "text/html, */*;q=0.1"))
                self.assertEqual([struct.unpack("<f", struct.pack("<f", v))[0]
                                  for row in said["outputs"] for v in row], want)

    def test_the_largest_with_their_labels(self):
        at = self.model(LARGEST)
        said = self.ok(self.predict(at, {"inputs": [[1, 3, 2], [5, 0, 0]]}, JSON, query="?top=2"))
        self.assertEqual([[one["label"] for one in row] for row in said["top"]],
                         [["bee", "cow"], ["ant", "bee"]])
        self.assertEqual([one["index"] for one in said["top"][0]], [1, 2])
        self.assertGreater(said["top"][0][0]["probability"], said["top"][0][1]["probability"])
        self.assertNotIn("outputs", said)
        full = self.ok(self.predict(at, {"inputs": [[1, 3, 2]]}, JSON))["outputs"][0]
        self.assertEqual(said["top"][0][0]["probability"], full[1])
        for top in ("0", "4", "-1", "1.5", "x", "", "99999999999999999999"):
            self.problem(self.predict(at, {"inputs": [[1, 3, 2]]}, JSON, query="?top=" + top), 422, "field",
                         "top", "1 to 3")
        self.problem(self.predict(at, {"inputs": [[1, 3, 2]]}, JSON, RAW, "?top=1"), 422, "field", "top")
        linear = self.model({"inputs": 1, "layers": [{"units": 2, "activation": "linear"}], "cost": "mse"},
                            name="linear")
        self.problem(self.predict(linear, {"inputs": [[1]]}, JSON, query="?top=1"), 422, "field", "top",
                     "linear")

    def test_what_is_wrong_names_its_place(self):
        at = self.model(LARGEST)
        nan = struct.pack("<6f", 1, 2, 3, 4, float("nan"), 6)
        for body, kind, accept, status, problem, field, text in (
            (b"", RAW, None, 422, "field", "body", "whole rows of 3 float32"),
            (b"12345", RAW, None, 422, "field", "body", "is 5 bytes"),
            (nan, RAW, None, 422, "range", "body[1][1]", "must be finite"),
            (npy([[1, 2]]), NPY, None, 422, "field", "inputs", "2 values a row, expected 3"),
            (npy([[1, 2, 3], [4, 5, float("inf")]]), NPY, None, 422, "range", "inputs[1][2]", ""),
            (npy([[1, 2, 3]])[:-1], NPY, None, 400, "syntax", "body", ""),
            (b"\x93NUMPY", NPY, None, 400, "syntax", "body", ""),
            (b"", NPY, None, 400, "syntax", "body", ""),
            (b"x", "text/csv", None, 415, "type", "Content-Type", "application/x-npy"),
            ({"inputs": [[1, 2, 3]]}, JSON, "text/html", 406, "accept", "Accept", "application/x-npy"),
            ({"inputs": [[1, 2, 3]]}, JSON, "*/*;q=0", 406, "accept", "Accept", ""),
        ):
            with self.subTest(body=body, kind=kind):
                self.problem(self.predict(at, body, kind, accept), status, problem, field, text)

    def test_outputs_that_are_not_finite_are_an_error_in_every_form(self):
        at = self.model({"inputs": 1, "cost": "mse", "layers": [
            {"units": 1, "activation": "linear", "weights": [[3e38]], "biases": [0]}]})
        for accept in (JSON, RAW, NPY):
            self.problem(self.predict(at, struct.pack("<f", 10), RAW, accept), 422, "number", "outputs[0]")

    def test_rows_are_limited_whatever_the_form(self):
        at = self.model({"inputs": 1, "layers": [{"units": 1, "activation": "linear"}], "cost": "mse"})
        many = b"\0\0\0\0" * 100001
        self.problem(self.predict(at, many, RAW), 413, "too-large", "body", "100001 rows, more than 100000")


if __name__ == "__main__":
    main()
