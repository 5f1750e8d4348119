"""Rows added to data sets, and what is said of the columns."""
import math
import os

from harness import DIGITS, LONG, Case, Restarting, data_path, in_threads, main
from test_datasets import IDX, idx_bytes

CSV = "text/csv"


def deviation(values):
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))


class Append(Case):
    def put(self, body, kind=CSV, query="", status=201, name=None, part=""):
        at = "/v1/datasets/%s%s%s" % (name or self.name(), part, query)
        return self.ok(self.api.ask("PUT", at, body, {"Content-Type": kind}), status)

    def rows(self, body, kind=CSV, query="", name=None):
        at = "/v1/datasets/%s/rows%s" % (name or self.name(), query)
        return self.api.ask("POST", at, body, {"Content-Type": kind})

    def same_as_at_once(self, first, more, query=""):
        """What is appended is to the digest what comes of sending all at once."""
        said = self.put(first, query=query)
        for body in more:
            last = self.ok(self.rows(body, query=query))
            self.assertGreater(last["generation"], said["generation"])
            said = last
        whole = self.put(first + "".join(more), query=query, name=self.name() + "-whole")
        for key in ("rows", "features", "targets", "classes", "digest", "statistics"):
            self.assertEqual(said[key], whole[key], key)
        self.assertEqual(self.ok(self.api.get("/v1/datasets/" + self.name())), said)

    def test_known_classes(self):
        self.same_as_at_once("1,2,b\n3,4,a\n", ["5,6,a\n", "7,8,b\n9,10,a\n"])

    def test_new_classes_take_their_place(self):
        self.same_as_at_once("1,2,b\n3,4,d\n", ["5,6,a\n7,8,d\n", "9,10,c\n", "11,12,e\n"])

    def test_class_names_that_are_numbers(self):
        self.same_as_at_once("1,10\n2,9\n", ["3,2\n", "4,100\n5,-1\n"])

    def test_numbers(self):
        self.same_as_at_once("1,2,3\n4,5,6\n", ["7,8,9\n"], "?kind=numbers&target=1,2")

    def test_the_kind_of_targets_need_not_be_told_again(self):
        self.put("1,2\n4,5\n", query="?kind=numbers")
        self.assertEqual(self.ok(self.rows("7,8\n"))["targets"], {
            "dtype": "float32", "shape": [3, 1], "kind": "numbers"})

    def test_json(self):
        self.put({"inputs": [[1, 2]], "labels": ["x"]}, "application/json")
        said = self.ok(self.rows({"inputs": [[3, 4]], "labels": ["a"]}, "application/json"))
        self.assertEqual((said["rows"], said["classes"]), (2, ["a", "x"]))

    def test_a_model_sees_the_new_rows(self):
        with open(data_path("digits-train.csv"), newline="") as file:
            lines = file.read().splitlines(keepends=True)
        self.put("".join(lines[:500]))
        self.ok(self.rows("".join(lines[500:])))
        self.digits()
        at = self.model(DIGITS)
        sets = [self.ok(self.api.post(at + "/evaluate", {"dataset": name}))
                for name in (self.name(), "digits-train")]
        self.assertEqual(sets[0], sets[1])

    def test_bytes_stay_bytes(self):
        self.put(idx_bytes(2, 2, 2, data=bytes([1, 2, 3, 4, 5, 6, 7, 255])), IDX, part="/features")
        self.put(idx_bytes(2, data=bytes([7, 3])), IDX, part="/targets", status=200)
        said = self.ok(self.rows("0,1.0,2,255,5\n9,9,9,9,7\n"))
        self.assertEqual(said["features"], {"dtype": "uint8", "shape": [4, 2, 2]})
        self.assertEqual(said["classes"], ["3", "5", "7"])
        self.assertEqual(said["statistics"]["max"], [9, 9, 9, 255])
        with self.unchanged():
            for row, column, value in (("0,1,0.5,3,7\n", 3, "0.5"), ("0,256,1,3,7\n", 2, "256"),
                                       ("-1,1,1,3,7\n", 1, "-1"), ("0,0,0,1e30,7\n", 4, "e+30")):
                self.problem(self.rows("1,2,3,4,7\n" + row), 422, "range", "features",
                             "row 2, column %d" % column, value)

    def test_what_does_not_fit_changes_nothing(self):
        self.put("1,2,a\n3,4,b\n")
        self.put("1,2\n", query="?kind=numbers", name=self.name() + "-numbers")
        self.put("1,2\n", name=self.name() + "-half", part="/features")
        self.put("name\nx\n", name=self.name() + "-other-half", part="/targets")
        with self.unchanged():
            self.problem(self.rows("1,a\n"), 422, "field", "features", "1 a row", "are 2")
            self.problem(self.rows("1,2,3,a\n"), 422, "field", "features", "3 a row", "are 2")
            self.problem(self.rows("1,2,3\n", query="?kind=numbers"), 422, "field", "targets", "labels")
            self.problem(self.rows({"inputs": [[1, 2]], "targets": [[1]]}, "application/json"), 422,
                         "field", "targets", "numbers", "labels")
            self.problem(self.rows("1,2,3\n", name=self.name() + "-numbers", query="?target=1,2"), 422,
                         "field", "targets", "2 a row")
            self.problem(self.rows("1,2,a\n", name=self.name() + "-half"), 422, "field", "targets")
            self.problem(self.rows("1,2,a\n", name=self.name() + "-other-half"), 422, "field", "features")
            self.problem(self.rows("1,2,a\n", name="nobody"), 404, "not-found", "name")
            self.problem(self.rows("1,x,a\n2,2,b\n", query="?header=absent"), 400, "syntax")
            self.problem(self.rows(""), 400, "syntax", "body")
            self.problem(self.rows(idx_bytes(1, 2), IDX), 415, "type", "Content-Type")
        self.assertEqual(os.listdir(os.path.join(self.daemon.state, "tmp")), [])

    def test_a_job_keeps_the_rows_it_began_with(self):
        with open(data_path("digits-train.csv")) as file:
            lines = file.read().splitlines(keepends=True)
        self.put("".join(lines))
        at = self.model(DIGITS)
        job = self.ok(self.api.post(at + "/train", {"dataset": self.name(), "epochs": LONG}), 202)
        said = self.ok(self.rows(lines[1]))
        self.assertEqual(said["rows"], len(lines))
        self.cancel(job)
        self.assertEqual(self.ended(job)["state"], "cancelled")

    def test_appends_take_turns_and_none_is_lost(self):
        self.put("0,a\n")

        def append(i):
            api = self.daemon.client()
            for n in range(4):
                self.ok(api.ask("POST", "/v1/datasets/%s/rows" % self.name(), "%d,%s\n" % (i, "abcd"[n]),
                                {"Content-Type": CSV}))
            api.close()

        in_threads(6, append)
        said = self.ok(self.api.get("/v1/datasets/" + self.name()))
        self.assertEqual((said["rows"], said["classes"]), (25, ["a", "b", "c", "d"]))
        self.assertAlmostEqual(said["statistics"]["mean"][0], 4 * sum(range(6)) / 25)

    def test_on_a_condition(self):
        self.put("0,a\n")
        at = "/v1/datasets/%s/rows" % self.name()
        tag = self.api.get("/v1/datasets/" + self.name()).headers["ETag"]
        got = []

        def append(i):
            api = self.daemon.client()
            got.append(api.ask("POST", at, "1,b\n", {"Content-Type": CSV, "If-Match": tag}).status)
            api.close()

        in_threads(4, append)
        self.assertEqual(sorted(got), [200, 412, 412, 412])
        self.assertEqual(self.ok(self.api.get("/v1/datasets/" + self.name()))["rows"], 2)


class Statistics(Case):
    def test_of_columns(self):
        table = [[1.5, -7, 100000.25], [2.5, -7, 100000.5], [-3, -7, 100000.75], [8, -7, 100001]]
        body = "".join(",".join(map(str, row)) + ",x\n" for row in table)
        said = self.ok(self.api.put("/v1/datasets/" + self.name(), body, CSV), 201)["statistics"]
        columns = list(zip(*table))
        self.assertEqual(said["of"], "columns")
        self.assertEqual(said["min"], [min(c) for c in columns])
        self.assertEqual(said["max"], [max(c) for c in columns])
        for i, column in enumerate(columns):
            self.assertAlmostEqual(said["mean"][i], sum(column) / 4, places=9)
            self.assertAlmostEqual(said["deviation"][i], deviation(column), places=9)
        listed = self.ok(self.api.get("/v1/datasets"))["datasets"]
        self.assertNotIn("statistics", [d for d in listed if d["name"] == self.name()][0])

    def test_of_wide_data(self):
        wide = [[(i * 7 + r) % 11 for i in range(1025)] for r in range(3)]
        body = {"inputs": wide, "labels": ["x", "y", "x"]}
        said = self.ok(self.api.put("/v1/datasets/" + self.name(), body), 201)["statistics"]
        flat = [float(v) for row in wide for v in row]
        self.assertEqual((said["of"], said["min"], said["max"]), ("all", [0], [10]))
        self.assertAlmostEqual(said["mean"][0], sum(flat) / len(flat), places=9)
        self.assertAlmostEqual(said["deviation"][0], deviation(flat), places=9)

    def test_without_features(self):
        said = self.ok(self.api.put("/v1/datasets/%s/targets" % self.name(), "name\nx\n", CSV), 201)
        self.assertIsNone(said["statistics"])


class Kept(Restarting):
    def test_a_generation_is_there_or_not(self):
        """Killed while it appends: what was acknowledged is there, and at most one more."""
        self.ok(self.api.put("/v1/datasets/d", "0,a\n" * 1000, CSV), 201)
        acknowledged = 1000
        for _ in range(3):
            for _ in range(5):
                acknowledged = self.ok(self.api.ask("POST", "/v1/datasets/d/rows", "1,b\n" * 1000,
                                                    {"Content-Type": CSV}))["rows"]
            said = self.ok(self.api.get("/v1/datasets/d"))
            with self.daemon.connect() as sock:
                body = b"2,c\n" * 100000
                sock.sendall(b"POST /v1/datasets/d/rows HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
                             b"Content-Length: %d\r\n\r\n" % len(body) + body)
                self.again()
            after = self.ok(self.api.get("/v1/datasets/d"))
            self.assertIn(after["rows"], (acknowledged, acknowledged + 100000))
            if after["rows"] == acknowledged:
                self.assertEqual(after, said)
            acknowledged = after["rows"]
            self.assertEqual(os.listdir(os.path.join(self.state, "tmp")), [])
            self.assertEqual(len(os.listdir(os.path.join(self.state, "datasets"))), 1)


if __name__ == "__main__":
    main()
