"""Data out: what a data set gives back goes in again to the same digest; predictions of a whole data set are those of its rows."""
import io
import json
import os
import struct

from harness import DIGITS, LARGEST, XOR_ROWS, Case, digits, main, read_all

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
            sock.sendall(b"GET /v1/datasets/%s/features HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % name.encode())
            first = sock.recv(1)
            self.ok(self.api.put("/v1/datasets/%s/targets" % name, ["a"] * 28000), 200)
            self.ok(self.api.delete("/v1/datasets/" + name), 204)
            self.assertTrue((first + read_all(sock)).endswith(b"\r\n\r\n" + out.body))
        for wait in range(4):
            self.put(name, "1,2\n" * 9, "text/csv", status=201 if wait == 0 else 200)
            with self.daemon.connect() as sock:
                sock.sendall(b"GET /v1/datasets/%s/rows HTTP/1.1\r\nHost: localhost\r\n\r\n" % name.encode())
        self.ok(self.api.delete("/v1/datasets/" + name), 204)


class Predictions(Case):
    FORMS = ("application/json", "application/octet-stream", "application/x-npy", "text/csv")

    def asked(self, at, name, accept="application/json", query=""):
        reply = self.api.post("%s/predict?dataset=%s%s" % (at, name, query), Accept=accept)
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(reply.headers["Content-Type"], accept)
        return reply

    def digits_asked(self, count):
        """A model, and a data set with so many rows of digits beside its first 300 rows."""
        self.digits()
        at = self.model(DIGITS, labels=["c%d" % i for i in range(9)] + ["n, ine"], normalize="unit")
        rows = (digits("train")[0] * (count // 1000 + 1))[:count]
        name = self.name()
        values = b"".join(struct.pack("<64f", *row) for row in rows)
        self.ok(self.api.put("/v1/datasets/%s/features?shape=%d,64" % (name, count), values,
                             "application/octet-stream"), 201)
        return at, name, values

    def test_they_are_those_of_the_rows(self):
        for count in (1, 300, 27000):
            at, name, values = self.digits_asked(count)
            for accept in self.FORMS[:3]:
                want = self.api.post(at + "/predict", values, Content_Type="application/octet-stream", Accept=accept)
                self.assertEqual(self.asked(at, name, accept).body, want.body, (count, accept))
            want = json.loads(self.asked(at, name).body)
            lines = self.asked(at, name, "text/csv").body.decode().splitlines()
            self.assertEqual(lines[0], 'label,c0,c1,c2,c3,c4,c5,c6,c7,c8,"n, ine"')
            self.assertEqual(len(lines), count + 1)
            for line, row, label in list(zip(lines[1:], want["outputs"], want["labels"]))[:300]:
                self.assertEqual(line.rsplit(",", 10)[0].strip('"'), label)
                self.assertEqual([float(v) for v in line.rsplit(",", 10)[1:]], row)
            self.assertEqual(self.asked(at, name, query="&top=2").body,
                             self.api.post(at + "/predict?top=2", values, Content_Type="application/octet-stream").body)
            self.ok(self.api.delete(at), 204)
            self.ok(self.api.delete("/v1/datasets/" + name), 204)

    def test_bytes_and_floats_and_targets_make_no_difference(self):
        at = self.model(LARGEST)
        name = self.name()
        self.ok(self.api.put("/v1/datasets/%s/features" % name, bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 9, 1, 2, 3, 4, 250]),
                             "application/x-idx"), 201)
        want = self.ok(self.api.post(at + "/predict", {"inputs": [[9, 1, 2], [3, 4, 250]]}))
        self.assertEqual(self.asked(at, name).json, want)
        self.ok(self.api.put("/v1/datasets/%s/targets" % name, ["ant", "dog"]))
        self.assertEqual(self.asked(at, name).json, want)

    def test_without_labels_outputs_have_numbers(self):
        at = self.model()
        name = self.name()
        self.ok(self.api.put("/v1/datasets/%s/features" % name, [[0, 1], [1, 1]]), 201)
        out = self.asked(at, name, "text/csv").body.split(b"\n")
        self.assertEqual((out[0], len(out)), (b"y0", 4))
        self.assertNotIn("labels", self.asked(at, name).json)

    def test_a_version_by_number(self):
        at = self.model()
        name = self.name()
        self.ok(self.api.put("/v1/datasets/%s/features" % name, [[0, 1], [1, 1]]), 201)
        before = self.asked(at, name)
        self.ok(self.api.post(at + "/learn", XOR_ROWS))
        self.assertEqual(self.asked(at, name, query="&version=1").body, before.body)
        self.assertEqual(self.asked(at, name).json["version"], 2)
        self.assertIn("-v2-", self.asked(at, name).headers["Content-Disposition"])
        self.assertEqual(before.headers["Sigmad-Digest"], self.ok(self.api.get(at + "/versions/1"))["digest"])

    def test_what_is_refused(self):
        at = self.model()
        self.digits()
        ask = at + "/predict?dataset="
        self.problem(self.api.post(ask + "none"), 404, "not-found", "dataset", "'none'")
        self.problem(self.api.post(ask + "digits-test"), 422, "field", "dataset", "64 features", "2 inputs")
        self.problem(self.api.post(ask + "digits-test", XOR_ROWS), 422, "field", "dataset", "body")
        self.ok(self.api.put("/v1/datasets/two/targets", ["a"]), 201)
        self.problem(self.api.post(ask + "two"), 422, "field", "dataset", "no features")
        self.ok(self.api.put("/v1/datasets/two/features", [[1, 2]]), 200)
        self.problem(self.api.post(ask + "two&top=2"), 422, "field", "top", "1 to 1")
        self.problem(self.api.post(ask + "two&top=1", Accept="text/csv"), 422, "field", "top", "json")
        self.problem(self.api.post(ask + "two&version=9"), 404, "not-found")
        self.problem(self.api.post(ask + "two", Accept="image/png"), 406, "accept", "Accept", "csv")
        self.problem(self.api.post(ask + "two&format=csv"), 422, "field", "query")
        self.ok(self.api.post(at + "/predict?dataset=two"))

    def test_outputs_that_are_not_finite(self):
        at = self.model({"inputs": 1, "layers": [{"units": 1, "activation": "linear", "weights": [[3e38]], "biases": [0]}],
                         "cost": "mse"})
        self.ok(self.api.put("/v1/datasets/%s/features" % self.name(), [[0]] * 9000 + [[10]]), 201)
        for accept in self.FORMS:
            reply = self.api.post("%s/predict?dataset=%s" % (at, self.name()), Accept=accept)
            self.problem(reply, 422, "number", "outputs[9000]")

    def test_model_and_data_set_may_go_meanwhile(self):
        at, name, _ = self.digits_asked(60000)
        whole = self.asked(at, name, "application/octet-stream")
        self.assertEqual(int(whole.headers["Content-Length"]), 60000 * 40)
        with self.daemon.connect() as sock:
            sock.sendall(b"POST %s/predict?dataset=%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n"
                         b"Accept: application/octet-stream\r\n\r\n" % (at.encode(), name.encode()))
            first = sock.recv(1)
            self.ok(self.api.delete("/v1/datasets/" + name), 204)
            self.ok(self.api.delete(at), 204)
            self.assertTrue((first + read_all(sock)).endswith(b"\r\n\r\n" + whole.body))

    def test_clients_that_do_not_read_hold_no_thread(self):
        at, name, values = self.digits_asked(60000)
        socks = []
        for i in range(2 * os.cpu_count() + 2):
            socks.append(self.daemon.connect())
            self.addCleanup(socks[-1].close)
            socks[-1].sendall(b"POST %s/predict?dataset=%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
                              % (at.encode(), name.encode()))
            self.assertEqual(socks[-1].recv(12), b"HTTP/1.1 200")
        want = self.api.post(at + "/predict", values[:256000], Content_Type="application/octet-stream")
        self.assertEqual(len(self.ok(want)["outputs"]), 1000)
        self.assertEqual(len(self.asked(at, name, "text/csv").body.splitlines()), 60001)

    def test_clients_that_leave(self):
        at, name, _ = self.digits_asked(20000)
        for wait in range(6):
            with self.daemon.connect() as sock:
                sock.sendall(b"POST %s/predict?dataset=%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
                             % (at.encode(), name.encode()))
                for _ in range(wait):
                    sock.recv(100000)
        self.ok(self.api.delete(at), 204)
        self.ok(self.api.delete("/v1/datasets/" + name), 204)


if __name__ == "__main__":
    main()
