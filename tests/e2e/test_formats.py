"""Data sets in every format: JSON lines, and that the same values are the same data set."""
import gzip
import io
import json
import struct
import zipfile

from harness import Case, main

ROWS = [[1, 2.5], [0, 255], [-3, 0.1]]
LABELS = ["b", "a", "b"]
JSON_LINES = "".join(json.dumps({"inputs": x, "label": y}) + "\n" for x, y in zip(ROWS, LABELS))


def npy(descr, shape, data):
    said = ("{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, shape)).encode()
    said += b" " * (-(len(said) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(said)) + said + data


def idx(kind, code, shape, values):
    return (bytes([0, 0, kind, len(shape)]) + struct.pack(">%dI" % len(shape), *shape)
            + struct.pack(">%d%s" % (len(values), code), *values))


def npz(packed=False, **arrays):
    to = io.BytesIO()
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            archive.writestr(name + ".npy", array)
    return to.getvalue()


X = npy("<f4", "(3, 2)", struct.pack("<6f", *(value for row in ROWS for value in row)))
Y = npy("|u1", "(3,)", bytes((1, 0, 1)))


class Formats(Case):
    def put(self, name, body, kind, query="", status=201, coding=None):
        body = body.encode() if isinstance(body, str) else body
        headers = {"Content-Type": kind} if kind else {"Content-Type": "application/x-www-form-urlencoded"}
        if coding:
            body = gzip.compress(body)
            headers["Content-Encoding"] = coding
        return self.ok(self.api.ask("PUT", "/v1/datasets/%s-%s" % (self.name(), name) + query, body, headers), status)

    def test_json_lines(self):
        want = self.put("csv", "1,2.5,b\n0,255,a\n-3,0.1,b\n", "text/csv")["digest"]
        for i, kind in enumerate(("application/jsonl", "application/x-ndjson; charset=utf-8", None)):
            said = self.put("jl%d" % i, JSON_LINES, kind)
            self.assertEqual((said["rows"], said["classes"], said["digest"]), (3, ["a", "b"], want))
        arrays = "\n".join(json.dumps(x + [y]) for x, y in zip(ROWS, LABELS))
        self.assertEqual(self.put("arrays", arrays, "application/jsonl")["digest"], want)
        self.assertEqual(self.put("guess", arrays, None)["digest"], want)
        said = self.ok(self.api.ask("POST", "/v1/datasets/%s-arrays/rows" % self.name(), '[5, 6, "0"]',
                                    {"Content-Type": "application/jsonl"}))
        self.assertEqual((said["rows"], said["classes"]), (4, ["0", "a", "b"]))
        said = self.put("numbers", "[1, 2]\n[3, 4]", "application/jsonl", "?kind=numbers")
        self.assertEqual((said["targets"]["shape"], said["targets"]["kind"]), ([2, 1], "numbers"))

    def test_a_wrong_line_is_named(self):
        at = "/v1/datasets/" + self.name()
        for body, status, kind, field, text in (
                ('[1, "x"]\n[1,\n', 400, "syntax", "body", "line 2 column 4"),
                ('[1, "x"]\n["y", "x"]\n', 422, "field", "line 2 [0]", "must be a number"),
                ('[1, "x"]\n{"inputs": [1, 2], "label": "x"}\n', 422, "field", "line 2 inputs", "expected 1")):
            self.problem(self.api.put(at, body, "application/jsonl"), status, kind, field, text)
        self.problem(self.api.get(at), 404, "not-found")

    def test_lines_are_told_from_json_however_little_comes_at_first(self):
        for name, body in (("lines", JSON_LINES), ("json", '{"inputs": [[1, 2], [3, 4]], "labels": ["x", "y"]}')):
            at = "/v1/datasets/%s-%s" % (self.name(), name)
            pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in body.encode())
            said = self.daemon.raw(b"PUT %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked"
                                   b"\r\n\r\n%s0\r\n\r\n" % (at.encode(), pieces))
            self.assertTrue(said.startswith(b"HTTP/1.1 201 "), said)

    def test_npz(self):
        want = self.put("csv", "1,2.5,1\n0,255,0\n-3,0.1,1\n", "text/csv")["digest"]
        for i, (kind, packed, names) in enumerate((
                ("application/x-npz", False, "x y"), ("application/zip", True, "X y"), (None, True, "features targets"),
                (None, False, "inputs labels"), (None, True, "x_train y_train"), (None, False, "arr_0 arr_1"))):
            said = self.put("npz%d" % i, npz(packed, **dict(zip(names.split(), (X, Y)))), kind)
            self.assertEqual((said["rows"], said["classes"], said["digest"]), (3, ["0", "1"], want))
        whole = npz(True, x_train=X, y_train=Y, x_test=Y, other=Y)
        self.assertEqual(self.put("named", whole, None, "?features=x_train&target=y_train")["digest"], want)
        self.put("parts/features", npz(a=X), None)
        self.assertEqual(self.put("parts/targets", npz(True, x=X, y=Y), None, status=200)["digest"], want)
        said = self.put("n", npz(x=X, y=X), "application/x-npz", "?kind=numbers")
        self.assertEqual(said["targets"], {"dtype": "float32", "shape": [3, 2], "kind": "numbers"})
        more = self.ok(self.api.ask("POST", "/v1/datasets/%s-npz0/rows" % self.name(), npz(x=X, y=Y),
                                    {"Content-Type": "application/x-npz"}))
        self.assertEqual(more["rows"], 6)

    def test_npz_that_is_wrong(self):
        at = "/v1/datasets/" + self.name()
        for body, query, status, kind, field, text in (
                (npz(x=X), "", 422, "field", "target", "must be in an array called y, Y"),
                (npz(x=X, x_train=X, y=Y), "", 422, "field", "features", "can be x.npy or x_train.npy"),
                (npz(x=X, y=Y, z=Y), "", 422, "field", "z.npy", "is neither features nor targets"),
                (npz(x=X, y=Y), "?features=q", 422, "field", "features", "is 'q', which is not in the archive"),
                (npz(x=X, y=npy("|u1", "(2,)", b"ab")), "", 422, "field", "rows", "are 3 in x.npy, 2 in y.npy"),
                (npz(x=X, y=npy("<f4", "(3,)", struct.pack("<3f", 1, 2, 0.5))), "", 422, "range", "y.npy[2]", "whole"),
                (npz(x=X[:-1], y=Y), "", 400, "syntax", "x.npy", "must have 24 bytes of values, has 23"),
                (npz(True, x=X, y=Y)[:-9], "", 400, "syntax", "body", "end record")):
            self.problem(self.api.put(at + query, body, "application/x-npz"), status, kind, field, text)
        self.problem(self.api.put(at + "?features=x", "1,2\n", "text/csv"), 422, "field", "features", "x-npz only")
        self.problem(self.api.get(at), 404, "not-found")

    def test_a_shape_is_refused_where_the_array_has_its_own(self):
        at = "/v1/datasets/%s/features?shape=1,4" % self.name()
        for body, kind in ((npy("|u1", "(2, 2)", b"\1\2\3\4"), "application/x-npy"),
                           (npy("<f4", "(1, 1)", bytes(4)), None),
                           (idx(8, "B", (2, 2), (1, 2, 3, 4)), "application/x-idx"), ("1,2,3,4", "text/csv"),
                           ("[1, 2]", "application/jsonl")):
            self.problem(self.api.put(at, body, kind or "application/x-www-form-urlencoded"), 422, "field", "shape",
                         "application/octet-stream only")

    def same(self, x, y_names, as_bytes):
        """Sends these values in every format, plain and packed; their digests."""
        width, n = len(x[0]), len(x)
        flat = [value for row in x for value in row]
        index = [int(name) for name in y_names]
        floats = struct.pack("<%df" % len(flat), *flat)
        whole = {
            "csv": ("text/csv", "".join("%s,%s\n" % (",".join(map(repr, row)), y) for row, y in zip(x, y_names))),
            "json": ("application/json", json.dumps({"inputs": x, "labels": index})),
            "lines": ("application/jsonl", "".join(json.dumps({"inputs": row, "label": y}) + "\n"
                                                   for row, y in zip(x, y_names))),
            "rows": ("application/x-ndjson", "".join(json.dumps(row + [y]) + "\n" for row, y in zip(x, index))),
        }
        parts = {
            "npy": ("application/x-npy", npy("<f4", "(%d, %d)" % (n, width), floats),
                    npy("<i8", "(%d,)" % n, struct.pack("<%dq" % n, *index)), ""),
            "npy8": ("application/x-npy", npy(">f8", "(%d, %d)" % (n, width), struct.pack(">%dd" % len(flat), *flat)),
                     npy("|u1", "(%d,)" % n, bytes(index)), ""),
            "idx": ("application/x-idx", idx(0x0D, "f", (n, width), flat), idx(8, "B", (n,), index), ""),
            "npz": ("application/x-npz", npz(x=npy("<f4", "(%d, %d)" % (n, width), floats)),
                    npz(True, y=npy("|u1", "(%d,)" % n, bytes(index))), ""),
            "raw": ("application/octet-stream", floats, struct.pack("<%df" % n, *index), "?shape="),
        }
        if as_bytes:
            parts["idx-u8"] = ("application/x-idx", idx(8, "B", (n, width), flat), idx(8, "B", (n,), index), "")
            parts["npy-u8"] = ("application/x-npy", npy("|u1", "(%d, %d)" % (n, width), bytes(flat)),
                               npy("<f4", "(%d,)" % n, struct.pack("<%df" % n, *index)), "")
        found = {}
        for coding in (None, "gzip"):
            for name, (kind, body) in whole.items():
                name = "%s-%s-%d" % (name, coding, as_bytes)
                found[name] = self.put(name, body, kind, coding=coding)["digest"]
            for name, (kind, features, targets, query) in parts.items():
                name = "%s-%s-%d" % (name, coding, as_bytes)
                self.put(name + "/features", features, kind, query and query + "%d,%d" % (n, width), coding=coding)
                found[name] = self.put(name + "/targets", targets, kind, query and query + "%d" % n, 200,
                                       coding=coding)["digest"]
        return found

    def test_the_same_values_have_one_digest_in_every_format(self):
        for x, as_bytes in (([[1.5, -0.25, 1e-3], [3e10, 0.1, 7.0], [0.0, -0.0, 5e-39]], False),
                            ([[0, 255, 7], [1, 2, 3], [9, 8, 0]], True)):
            found = self.same(x, ["3", "10", "3"], as_bytes)
            self.assertEqual(len(set(found.values())), 1, found)


class Bombs(Case):
    flags = ("--max-upload", "200000")

    def test_what_an_archive_inflates_to_is_limited(self):
        zeros = npy("|u1", "(3, 60000)", bytes(180000))
        at = "/v1/datasets/" + self.name()
        self.ok(self.api.put(at, npz(True, x=zeros, y=Y), "application/x-npz"), 201)
        for body in (npz(True, x=npy("|u1", "(4, 60000)", bytes(240000)), y=Y),
                     npz(True, x=zeros, y=npy("|u1", "(30000,)", bytes(30000)))):
            self.problem(self.api.put(at + "-more", body, "application/x-npz"), 413, "too-large", "body",
                         "must be 200000 bytes at most, inflated")
        self.problem(self.api.get(at + "-more"), 404, "not-found")


if __name__ == "__main__":
    main()
