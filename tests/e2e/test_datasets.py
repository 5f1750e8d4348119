"""Data sets: CSV, JSON, IDX; in parts; replaced, deleted, refused."""
import array
import http.client
import json
import os
import struct

from harness import DIGITS, LONG, WAIT, XOR, Case, data_path, main

IDX = "application/x-idx"


def idx_bytes(*shape, data=None):
    """An IDX array of bytes; big-endian sizes."""
    count = 1
    for n in shape:
        count *= n
    return (bytes([0, 0, 8, len(shape)]) + struct.pack(">%dI" % len(shape), *shape)
            + (data if data is not None else bytes(i % 251 for i in range(count))))


def idx_floats(*shape, data):
    return (bytes([0, 0, 0x0D, len(shape)]) + struct.pack(">%dI" % len(shape), *shape)
            + struct.pack(">%df" % len(data), *data))


class Datasets(Case):
    def upload(self, body, kind="text/csv", query="", status=201, part="", name=None):
        reply = self.api.put("/v1/datasets/%s%s%s" % (name or self.name(), part, query), body, kind)
        return self.ok(reply, status)

    def evaluated(self, spec):
        """What a model makes of this test's data set: shows that the rows are what they should."""
        at = self.model(spec)
        said = self.ok(self.api.post(at + "/evaluate", {"dataset": self.name()}))
        self.ok(self.api.delete(at), 204)
        return said

    def test_csv_with_class_names(self):
        said = self.upload("size,weight,animal\r\n1,2,cat\r\n3.5,-4e1,dog\r\n5,6,\"a \"\"b\"\", c\"\r\n")
        self.assertEqual(said["name"], self.name())
        self.assertEqual(said["rows"], 3)
        self.assertEqual(said["features"]["shape"], [3, 2])
        self.assertEqual(said["features"]["dtype"], "float32")
        self.assertEqual(said["targets"]["kind"], "labels")
        self.assertEqual(said["targets"]["shape"], [3])
        self.assertEqual(said["classes"], ['a "b", c', "cat", "dog"])
        self.assertRegex(said["digest"], r"^[0-9a-f]{64}$")
        self.assertEqual(self.ok(self.api.get("/v1/datasets/" + self.name())), said)

    def test_the_same_rows_have_the_same_digest_however_they_came(self):
        csv = self.upload("a,b,c\n1,2,x\n3,4,y\n", name="d-csv")
        lf = self.upload("1,2,x\n3,4,y", name="d-bare")
        first = self.upload("x,1,2\ny,3,4\n", query="?target=0", name="d-first")
        by_name = self.upload("b,c,a\n1,x,2\n3,y,4\n", query="?target=c", name="d-by-name")
        rows = self.upload({"inputs": [[1, 2], [3, 4]], "labels": ["x", "y"]}, "application/json",
                           name="d-json")
        other = self.upload("1,2,x\n3,5,y\n", name="d-other")
        same = {said["digest"] for said in (csv, lf, first, by_name, rows)}
        self.assertEqual(len(same), 1)
        self.assertNotIn(other["digest"], same)

    def test_classes_that_are_numbers_sort_as_numbers(self):
        said = self.upload("1,10\n2,9\n3,-1\n4,10\n")
        self.assertEqual(said["classes"], ["-1", "9", "10"])
        self.assertEqual(self.upload("1,b\n2,B\n3,a\n", status=200)["classes"], ["B", "a", "b"])

    def test_csv_with_numbers_to_learn(self):
        said = self.upload("x,y,sum,product\n1,2,3,2\n2,5,7,10\n", query="?target=sum,product&kind=numbers")
        self.assertEqual(said["features"]["shape"], [2, 2])
        self.assertEqual((said["targets"]["kind"], said["targets"]["shape"]), ("numbers", [2, 2]))
        self.assertIsNone(said["classes"])
        # a linear net of x and y that adds them: the first target is met, the second is not
        result = self.evaluated({
            "inputs": 2, "cost": "mse", "layers": [{"units": 2, "activation": "linear",
                                                    "weights": [[1, 1], [0, 0]], "biases": [0, 0]}]})
        self.assertAlmostEqual(result["loss"], (2 ** 2 + 10 ** 2) / (2 * 2), places=4)

    def test_header_is_found_or_told(self):
        self.assertEqual(self.upload("1,2,x\n3,4,y\n")["rows"], 2)
        self.assertEqual(self.upload("a,b,c\n3,4,y\n", status=200)["rows"], 1)
        self.assertEqual(self.upload("1,2,x\n3,4,y\n", query="?header=present", status=200)["rows"], 1)
        with self.unchanged():
            self.problem(self.api.put("/v1/datasets/%s?header=absent" % self.name(), "a,b,c\n3,4,y\n",
                                      "text/csv"), 400, "syntax", "line 1 column 1", "'a'")

    def test_json_in_one_piece(self):
        said = self.upload({"targets": [[0.5], [1]], "inputs": [[1, 2, 3], [4, 5, 6]]},
                           "application/json")
        self.assertEqual((said["rows"], said["features"]["shape"]), (2, [2, 3]))
        self.assertEqual((said["targets"]["kind"], said["targets"]["shape"]), ("numbers", [2, 1]))

    def test_idx_in_parts_keeps_bytes_as_bytes(self):
        said = self.upload(idx_bytes(3, 2, 2), IDX, part="/features")
        self.assertEqual(said["features"], {"dtype": "uint8", "shape": [3, 2, 2]})
        self.assertIsNone(said["targets"])
        said = self.upload(idx_bytes(3, data=bytes([7, 0, 7])), IDX, part="/targets", status=200)
        self.assertEqual(said["features"], {"dtype": "uint8", "shape": [3, 2, 2]})
        self.assertEqual(said["targets"]["kind"], "labels")
        self.assertEqual(said["classes"], ["0", "7"])
        self.assertEqual(said["rows"], 3)

    def test_targets_may_come_first_and_either_part_be_replaced(self):
        self.upload(idx_bytes(4, data=bytes([1, 2, 3, 1])), IDX, part="/targets")
        first = self.upload(idx_floats(4, 2, data=[0, 1, 2, 3, 4, 5, 6, 7]), IDX, part="/features",
                            status=200)
        self.assertEqual(first["features"], {"dtype": "float32", "shape": [4, 2]})
        again = self.upload(idx_floats(4, 2, data=[9, 1, 2, 3, 4, 5, 6, 7]), IDX, part="/features",
                            status=200)
        self.assertEqual(again["targets"], first["targets"])
        self.assertGreater(again["generation"], first["generation"])
        self.assertNotEqual(again["digest"], first["digest"])
        with self.unchanged():
            reply = self.api.put("/v1/datasets/%s/features" % self.name(), idx_bytes(3, 2), IDX)
            self.problem(reply, 422, "field", "rows", "3", "4")

    def test_parts_as_csv_and_json(self):
        self.upload("p,q\n1,2\n3,4\n", part="/features")
        said = self.upload("name\nx\ny\n", part="/targets", status=200)
        self.assertEqual((said["features"]["shape"], said["classes"]), ([2, 2], ["x", "y"]))
        said = self.upload([[1], [0]], "application/json", part="/targets", status=200)
        self.assertEqual(said["targets"]["kind"], "numbers")
        said = self.upload([[1, 2], [3, 4]], "application/json", part="/features", status=200)
        self.assertEqual(said["features"]["shape"], [2, 2])

    def test_half_a_data_set_does_not_train(self):
        at = self.model(XOR)
        self.upload(idx_bytes(4, 2), IDX, part="/features")
        with self.unchanged():
            reply = self.api.post(at + "/train", {"dataset": self.name()})
            self.problem(reply, 422, "field", "dataset", "targets")

    def test_list_replace_delete(self):
        at = "/v1/datasets/" + self.name()
        self.upload("1,x\n2,y\n")
        said = self.upload("1,x\n2,y\n3,z\n", status=200)
        listed = self.ok(self.api.get("/v1/datasets"))["datasets"]
        del said["statistics"]  # not in the list
        self.assertEqual([one for one in listed if one["name"] == self.name()], [said])
        reply = self.api.delete(at)
        self.assertEqual((reply.status, reply.body), (204, b""))
        self.problem(self.api.get(at), 404, "not-found")
        self.problem(self.api.delete(at), 404, "not-found")
        self.assertNotIn(self.name(), [d["name"] for d in self.ok(self.api.get("/v1/datasets"))["datasets"]])

    def test_one_in_use_is_not_deleted_but_may_be_replaced(self):
        self.digits()
        at = self.model(DIGITS)
        job = self.ok(self.api.post(at + "/train", {"dataset": "digits-train", "epochs": LONG}), 202)
        said = self.problem(self.api.delete("/v1/datasets/digits-train"), 409, "busy")
        self.assertIn(job["id"], said["detail"])
        with open(data_path("digits-train.csv"), "rb") as file:
            text = file.read()
        old = self.ok(self.api.get("/v1/datasets/digits-train"))
        new = self.ok(self.api.put("/v1/datasets/digits-train", text, "text/csv"), 200)
        self.assertEqual(old["digest"], new["digest"])  # the job goes on with the rows it began with
        self.cancel(job)
        self.assertEqual(self.ended(job)["state"], "cancelled")
        self.assertEqual(self.api.delete("/v1/datasets/digits-train").status, 204)

    def test_no_upload_leaves_a_file_behind(self):
        before = files(self.daemon.state)
        for body in ("1,x\nno,y\n", "", "1,x\n1,2,3\n"):
            self.assertEqual(self.api.put("/v1/datasets/" + self.name(), body, "text/csv").status, 400)
        with self.daemon.connect() as sock:  # hung up on half way
            sock.sendall(b"PUT /v1/datasets/%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
                         b"Content-Length: 100000\r\n\r\n1,x\n" % self.name().encode())
        self.upload("1,x\n")
        self.ok(self.api.delete("/v1/datasets/" + self.name()), 204)
        self.until(lambda: files(self.daemon.state), lambda now: now == before)

    def test_digits_are_what_they_are(self):
        self.digits()
        said = self.ok(self.api.get("/v1/datasets/digits-train"))
        self.assertEqual((said["rows"], said["features"]["shape"]), (1440, [1440, 64]))
        self.assertEqual(said["classes"], [str(i) for i in range(10)])

    def test_arrays_come_in_pieces_of_any_size(self):
        """Chunked, and with rows that end within pieces: as in one piece."""
        rows, width = 60000, 7
        values = array.array("f", (i % 1013 / 8 for i in range(rows * width)))
        body = values.tobytes()
        path = "/v1/datasets/" + self.name() + "-%s/features?shape=" + "%d,%d" % (rows, width)
        kind = {"Content-Type": "application/octet-stream"}
        want = self.ok(self.api.ask("PUT", path % "whole", body, kind), 201)
        for size in (1, 999, 20011, 262144, 300001):
            if size == 1:  # of the beginning only: a chunk a byte is slow
                pieces = [body[i:i + 1] for i in range(5000)] + [body[5000:]]
            else:
                pieces = [body[i:i + size] for i in range(0, len(body), size)]
            connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=WAIT)
            connection.request("PUT", path % size, iter(pieces), kind, encode_chunked=True)
            reply = connection.getresponse()
            said = json.loads(reply.read())
            connection.close()
            self.assertEqual((reply.status, said["digest"]), (201, want["digest"]), size)
            self.assertEqual(said["statistics"], want["statistics"])
        values[width * 50000 + 3] = float("nan")
        with self.unchanged():
            self.problem(self.api.ask("PUT", path % "nan", values.tobytes(), kind), 422, "range", "[50000][3]", "NaN")

    def test_large_uploads_are_not_held_in_memory(self):
        self.upload(idx_bytes(10, 784), IDX, part="/features")
        before = self.daemon.memory()
        rows = 150000
        self.upload(idx_bytes(rows, 784, data=bytes(rows * 784)), IDX, part="/features", status=200)
        # 118 MB came; what stays may be buffers and the pages of a map that was read through
        self.until(lambda: self.daemon.memory() - before, lambda more: more < 32 << 20)


def files(folder):
    return sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)


class BadData(Case):
    flags = ("--max-features", "1000")

    def bad(self, body, kind, status, problem, field, *texts, query="", part=""):
        with self.subTest(body=body[:60] if isinstance(body, (str, bytes)) else body), self.unchanged():
            self.problem(self.api.put("/v1/datasets/bad" + part + query, body, kind), status, problem,
                         field, *texts)

    def test_csv(self):
        for body, status, kind, field, *texts in (
            ("", 400, "syntax", "body", "empty"),
            ("a,b,c\n", 400, "syntax", None),
            ("1,2,x\n3,y\n", 400, "syntax", "line 2", "2 fields", "3"),
            ("a,b,c\n1,2,x\n3,4,5,y\n", 400, "syntax", "line 3", "4 fields", "3"),
            ("a,b,c\n1,abc,x\n", 400, "syntax", "line 2 column 2", "must be a number", "'abc'"),
            ("1,2,x\n1,,x\n", 400, "syntax", "line 2 column 2"),
            ("1,2,x\n1,NaN,x\n", None, None, "line 2 column 2"),
            ("1,2,x\n1,inf,x\n", None, None, "line 2 column 2"),
            ("1,2,x\n1,1e39,x\n", 422, "range", "line 2 column 2"),
            ("1,2,x\n1,-1e999,x\n", 422, "range", "line 2 column 2"),
            ("1,2,\n", None, None, "line 1 column 3"),
            ("1,2,x\n\n3,4,y\n", 400, "syntax", "line 2"),
            ("1,2,\"x\n3,4,y\n", 400, "syntax", None),
            ("1,2,x\n1,2,\"x\"y\n", 400, "syntax", "line 2 column 3"),
            ("x\ny\n", None, None, None),
        ):
            with self.subTest(body=body), self.unchanged():
                reply = self.api.put("/v1/datasets/bad", body, "text/csv")
                self.assertIn(reply.status, (400, 422))
                self.problem(reply, status or reply.status,
                             kind or reply.json["type"].rsplit(":", 1)[1], field, *texts)

    def test_csv_options(self):
        text = "a,b,c\n1,2,3\n"
        for query, status, kind, field in (
            ("?target=d", 422, "field", "target"),
            ("?target=3", 422, "field", "target"),
            ("?target=-4", 422, "field", "target"),
            ("?target=a,b", 422, "field", "target"),
            ("?target=a,b,c&kind=numbers", 422, "field", "target"),
            ("?kind=text", 422, "field", "kind"),
            ("?header=maybe", 422, "field", "header"),
            ("?delimiter=--", 422, "field", "delimiter"),
            ("?separator=;", 422, "field", "query"),
            ("?shape=1,2", 422, "field", "shape"),
        ):
            self.bad(text, "text/csv", status, kind, field, query=query)

    def test_json(self):
        for body, status, kind, field in (
            ('{"inputs": [[1, 2], [3]], "labels": ["a", "b"]}', 422, "field", "inputs[1]"),
            ('{"inputs": [[1, 2], [3, 1e39]], "labels": ["a", "b"]}', 422, "range", "inputs[1][1]"),
            ('{"inputs": [[1, 2], [3, "x"]], "labels": ["a", "b"]}', 422, "field", "inputs[1][1]"),
            ('{"inputs": [[1, 2], [3, 4]], "labels": ["a"]}', 422, "field", "labels"),
            ('{"inputs": [[1, 2]], "targets": [[1], [2]]}', 422, "field", "targets"),
            ('{"inputs": [[1, 2]]}', 422, "field", None),
            ('{"labels": ["a"]}', 422, "field", "inputs"),
            ('{"inputs": [[1, 2]], "labels": ["a"], "rows": 1}', 422, "field", "rows"),
            ('{"inputs": [[1, 2]], "labels": ["a"], "inputs": [[1, 2]]}', 422, "field", "inputs"),
            ('{"inputs": [[1, 2]], "labels": ["a"], "targets": [[1]]}', 422, "field", None),
            ('{"inputs": [[1, 2]], "labels": ["a"]', 400, "syntax", "body"),
            ('{"inputs": [[1, NaN]], "labels": ["a"]}', 400, "syntax", "body"),
            ('[[1, 2]]', None, None, None),
            ('{"inputs": [], "labels": []}', 422, "field", "inputs"),
            ('{"inputs": [[1]], "labels": [1.5]}', 422, "field", "labels[0]"),
            ('{"inputs": [[1]], "labels": [""]}', 422, "field", "labels[0]"),
        ):
            with self.subTest(body=body), self.unchanged():
                reply = self.api.put("/v1/datasets/bad", body)
                self.problem(reply, status or reply.status,
                             kind or reply.json["type"].rsplit(":", 1)[1], field)

    def test_idx(self):
        good = idx_bytes(3, 4)
        for body in (b"\0\0", good[:-1], good + b"\0", b"\1" + good[1:], b"\0\0\7\2" + good[4:],
                     b"\0\0\x08\0" + good[4:], b"\0\0\x08\x09" + good[4:],
                     bytes([0, 0, 8, 2]) + struct.pack(">II", 0xFFFFFFFF, 0xFFFFFFFF) + b"\0" * 12,
                     bytes([0, 0, 8, 2]) + struct.pack(">II", 0, 4)):
            self.bad(body, IDX, 400, "syntax", "body", part="/features")
        self.bad(idx_floats(2, 1, data=[1, float("nan")]), IDX, 422, "range", "[1]", part="/features")
        self.bad(idx_floats(2, 1, data=[float("inf"), 1]), IDX, 422, "range", "[0]", part="/features")
        self.bad(good, IDX, 415, "type", "Content-Type", ".../features")

    def test_too_wide(self):
        reply = self.api.put("/v1/datasets/bad/features", idx_bytes(1, 1001), IDX)
        with self.unchanged():
            self.assertIn(reply.status, (413, 422), reply)
            self.assertIn("1000", reply.json["detail"])
        reply = self.api.put("/v1/datasets/bad", ",".join(["1"] * 1002) + "\n", "text/csv")
        self.assertIn(reply.status, (413, 422), reply)
        self.assertIn("1000", reply.json["detail"])

    def test_content_types(self):
        self.bad("<p>", "text/html", 415, "type", "Content-Type", "text/csv")
        self.bad("x,1\n", "application/json", 400, "syntax", "body")
        self.ok(self.api.put("/v1/datasets/typed", "1,x\n", "Text/CSV; charset=utf-8"), 201)
        reply = self.api.ask("PUT", "/v1/datasets/typed", json.dumps(
            {"inputs": [[1]], "labels": ["x"]}), {"Content-Type": "application/x-www-form-urlencoded"})
        self.ok(reply, 200)  # what curl says when it is not told


if __name__ == "__main__":
    main()
