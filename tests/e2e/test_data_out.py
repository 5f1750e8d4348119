"""Data out: what a data set gives back goes in again to the same digest; predictions of a whole data set are those of its rows."""
import io
import json
import struct
import unittest

from harness import Case, data_path, main, read_all

try:
    import numpy
except ImportError:
    numpy = None

ODD = ["a,b", "c\"d", " e ", "f\ng", "plain", "k\u00e4se"]
FLOATS = [0.1, -0.0, 1e-45, 3.4028234663852886e38, -1.5, 16777217.0, 1 / 3, 2.0 ** -126]


class Rows(Case):
    def put(self, name, body, kind="application/json", query="", status=201):
        return self.ok(self.api.put("/v1/datasets/" + name + query, body, kind), status)

    def odd(self):
        """Rows of floats of all kinds with class names of all kinds; its name."""
        name = self.name()
        rows = [[FLOATS[(r + k) % len(FLOATS)] for k in range(5)] for r in range(len(ODD))]
        self.put(name, {"inputs": rows, "labels": ODD})
        return name

    def large(self):
        """7 MB of float32; its name and bytes."""
        name = self.name()
        values = b"".join(struct.pack("<f", (i * 7919 % 65521) / 17) for i in range(65521)) * 28
        values = values[:28000 * 64 * 4]
        self.ok(self.api.put("/v1/datasets/%s/features?shape=28000,64" % name, values, "application/octet-stream"), 201)
        self.ok(self.api.put("/v1/datasets/%s/targets" % name, [str(i % 10) for i in range(28000)]), 200)
        return name, values

    def test_rows_come_back_to_the_same_digest(self):
        name = self.odd()
        digest = self.ok(self.api.get("/v1/datasets/" + name))["digest"]
        out = self.api.get("/v1/datasets/%s/rows" % name)
        self.assertEqual(out.headers["Content-Type"], "text/csv")
        self.assertEqual(out.body.split(b"\n")[0], b"x0,x1,x2,x3,x4,label")
        self.assertEqual(self.put(name + "-2", out.body, "text/csv")["digest"], digest)
        self.ok(self.api.post("/v1/datasets/%s-2/rows" % name, out.body, Content_Type="text/csv"))
        self.digits()
        digest = self.ok(self.api.get("/v1/datasets/digits-train"))["digest"]
        out = self.api.get("/v1/datasets/digits-train/rows?format=csv")
        self.assertEqual(self.put(name + "-3", out.body, "text/csv")["digest"], digest)

    def test_numbers_come_back_too(self):
        name = self.name()
        rows = {"inputs": [[1], [2.5]], "targets": [[0.1, -0.0], [1e-45, 3]]}
        digest = self.put(name, rows)["digest"]
        out = self.api.get("/v1/datasets/%s/rows" % name).body
        self.assertEqual(out, b"x0,y0,y1\n1,0.1,-0.0\n2.5,1e-45,3\n")
        self.assertEqual(self.put(name + "-2", out, "text/csv", "?kind=numbers&target=y0,y1")["digest"], digest)

    def test_parts_come_back_in_each_format(self):
        for name in (self.odd(), "digits-train"):
            self.digits()
            digest = self.ok(self.api.get("/v1/datasets/" + name))["digest"]
            for form, kind in (("npy", "application/x-npy"), ("csv", "text/csv")):
                for part in ("features", "targets"):
                    chosen = form if name == "digits-train" or part == "features" else "csv"
                    out = self.api.get("/v1/datasets/%s/%s?format=%s" % (name, part, chosen))
                    self.assertEqual(out.status, 200, out)
                    said = self.ok(self.api.put("/v1/datasets/back-%s-%s/%s" % (name[-20:], form, part), out.body,
                                                out.headers["Content-Type"]), 201 if part == "features" else 200)
                self.assertEqual(said["digest"], digest)

    def test_bytes_keep_their_shape(self):
        body = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4]) + bytes(range(232, 256))
        said = self.ok(self.api.put("/v1/datasets/%s/features" % self.name(), body, "application/x-idx"), 201)
        out = self.api.get("/v1/datasets/%s/features" % self.name())
        self.assertEqual(out.headers["Content-Type"], "application/x-npy")
        self.assertEqual(out.body[128:], bytes(range(232, 256)))
        again = self.ok(self.api.put("/v1/datasets/%s-2/features" % self.name(), out.body, "application/x-npy"), 201)
        self.assertEqual((again["digest"], again["features"]), (said["digest"], said["features"]))
        if numpy:
            self.assertEqual(numpy.load(io.BytesIO(out.body)).shape, (2, 3, 4))

    def test_what_a_reply_says_of_itself(self):
        self.digits()
        at = "/v1/datasets/digits-test"
        tags = set()
        for path, file in (("/rows", "digits-test.csv"), ("/targets", "digits-test-targets.npy"),
                           ("/targets?format=csv", "digits-test-targets.csv")):
            out = self.api.get(at + path)
            self.assertEqual(out.headers["Content-Disposition"], 'attachment; filename="%s"' % file)
            self.assertEqual(out.headers["Sigmad-Digest"], self.ok(self.api.get(at))["digest"])
            self.assertEqual({s.strip() for s in out.headers["Vary"].split(",")}, {"Accept", "Accept-Encoding"})
            again = self.api.get(at + path, If_None_Match=out.headers["ETag"])
            self.assertEqual((again.status, again.body), (304, b""))
            head = self.api.ask("HEAD", at + path)
            self.assertEqual((head.status, head.body), (200, b""))
            self.assertEqual(head.headers["ETag"], out.headers["ETag"])
            tags.add(out.headers["ETag"])
        self.assertEqual(len(tags), 2)
        self.assertEqual(self.api.get(at + "/targets", Accept="text/csv").body, out.body)
        self.assertLess(len(self.api.get(at + "/rows", Accept_Encoding="gzip").body), 40000)

    def test_what_cannot_be_had(self):
        name = self.odd()
        at = "/v1/datasets/" + name
        self.problem(self.api.get("/v1/datasets/none/rows"), 404, "not-found", "name")
        self.problem(self.api.get(at + "/rows?format=npy"), 422, "field", "format", "csv", "'npy'")
        self.problem(self.api.get(at + "/features", Accept="image/png"), 406, "accept", "Accept", "npy, csv")
        refused = self.api.get(at + "/targets")
        self.problem(refused, 422, "field", "format", "whole numbers")
        self.assertNotIn("Content-Disposition", refused.headers)
        self.ok(self.api.put("/v1/datasets/half/features", [[1, 2]]), 201)
        self.problem(self.api.get("/v1/datasets/half/targets"), 404, "not-found", "targets", "'half'")
        self.problem(self.api.get("/v1/datasets/half/rows"), 404, "not-found", "targets")
        self.assertEqual(self.api.get("/v1/datasets/half/features?format=csv").body, b"x0,x1\n1,2\n")

    def test_a_large_one_may_be_replaced_and_deleted_meanwhile(self):
        name, values = self.large()
        out = self.api.get("/v1/datasets/%s/features" % name)
        self.assertEqual(out.headers["Content-Length"], str(len(out.body)))
        self.assertEqual(out.body[128:], values)
        with self.daemon.connect() as sock:
            sock.sendall(b"GET /v1/datasets/%s/features HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % name.encode())
            first = sock.recv(1)
            self.ok(self.api.put("/v1/datasets/%s/targets" % name, ["a"] * 28000), 200)
            self.ok(self.api.delete("/v1/datasets/" + name), 204)
            self.assertTrue((first + read_all(sock)).endswith(b"\r\n\r\n" + out.body))
        for wait in range(4):
            self.put(name, "1,2\n" * 9, "text/csv", status=201 if wait == 0 else 200)
            with self.daemon.connect() as sock:
                sock.sendall(b"GET /v1/datasets/%s/rows HTTP/1.1\r\nHost: x\r\n\r\n" % name.encode())
        self.ok(self.api.delete("/v1/datasets/" + name), 204)


if __name__ == "__main__":
    main()
