"""Values that are missing from the features of a CSV: refused, or imputed with the mean of their column."""
import gzip
import os
import struct

from harness import Case, Restarting, main

CSV = "text/csv"
MEAN = "?missing=mean"
HOLES = "a,b,y\n1,NA,x\n,2.5,x\nN/A,\"\",y\n3,nan,y\n?,0.25,x\nnull,NaN,x\n"
FILLED = "a,b,y\n1,1.375,x\n2,2.5,x\n2,1.375,y\n3,1.375,y\n2,0.25,x\n2,1.375,x\n"


def f32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


class Missing(Case):
    def put(self, body, query="", part="", name=None, kind=CSV, coding=None):
        headers = {"Content-Type": kind, **({"Content-Encoding": coding} if coding else {})}
        return self.api.ask("PUT", "/v1/datasets/%s%s%s" % (name or self.name(), part, query), body, headers)

    def rows(self, body, query="", kind=CSV, name=None):
        return self.api.ask("POST", "/v1/datasets/%s/rows%s" % (name or self.name(), query), body,
                            {"Content-Type": kind})

    def test_is_refused_unless_told(self):
        with self.unchanged():
            for query in ("", "?missing=refuse"):
                for body, place in (("a,y\n1,x\n,x\n", "line 3 column 1"), ("1,2,x\n3,?,y\n", "line 2 column 2"),
                                    ("1,2,x\n\n", None)):
                    if place:
                        self.problem(self.put(body, query), 400, "syntax", place, "?missing=mean")
            self.problem(self.put("1,2\n3,NA\n", part="/features"), 400, "syntax", "line 2 column 2", "?missing=mean")

    def test_is_the_mean_of_the_others(self):
        said = self.ok(self.put(HOLES, MEAN), 201)
        want = self.ok(self.put(FILLED, name=self.name() + "-filled"), 201)
        for key in ("rows", "features", "targets", "classes", "digest"):
            self.assertEqual(said[key], want[key], key)
        self.assertEqual(said["statistics"].pop("imputed"), [4, 4])
        self.assertEqual(want["statistics"].pop("imputed"), [0, 0])
        self.assertEqual(said["statistics"], want["statistics"])
        listed = self.ok(self.api.get("/v1/datasets"))["datasets"]
        self.assertNotIn("statistics", [d for d in listed if d["name"] == self.name()][0])

    def test_without_any_it_changes_nothing(self):
        said = self.ok(self.put(FILLED, MEAN), 201)
        want = self.ok(self.put(FILLED, name=self.name() + "-plain"), 201)
        self.assertEqual((said["digest"], said["statistics"]), (want["digest"], want["statistics"]))

    def test_of_a_part_and_of_compressed_bodies(self):
        want = self.ok(self.put("1,2\n2,2\n3,2\n", part="/features", name=self.name() + "-filled"), 201)
        for i, (body, coding) in enumerate((("1,2\n,2\n3,?\n", None),
                                            (gzip.compress(b"1,2\n,2\n3,?\n"), "gzip"))):
            name = "%s-%d" % (self.name(), i)
            said = self.ok(self.put(body, MEAN, "/features", name, coding=coding), 201)
            self.assertEqual(said["digest"], want["digest"])
            self.assertEqual(said["statistics"]["imputed"], [1, 1])
            said = self.ok(self.put("a\nb\na\n", "?header=absent", "/targets", name), 200)
            self.assertEqual(said["statistics"]["imputed"], [1, 1])  # the features are still these
            said = self.ok(self.put("1,2\n3,4\n5,6\n", "", "/features", name), 200)
            self.assertEqual(said["statistics"]["imputed"], [0, 0])
        said = self.ok(self.put(gzip.compress(HOLES.encode()), MEAN, coding="gzip"), 201)
        self.assertEqual(said["statistics"]["imputed"], [4, 4])

    def test_of_many_rows_is_rounded_once(self):
        values = [(i * 7919 % 100003) / 64 if i % 5 else None for i in range(50000)]
        body = "".join("%s,%d,c\n" % ("" if v is None else repr(v), i) for i, v in enumerate(values))
        there = [v for v in values if v is not None]
        mean = f32(sum(map(f32, there)) / len(there))
        filled = "".join("%s,%d,c\n" % (repr(mean if v is None else v), i) for i, v in enumerate(values))
        said = self.ok(self.put(body, MEAN), 201)
        self.assertEqual(said["digest"], self.ok(self.put(filled, name=self.name() + "-filled"), 201)["digest"])
        self.assertEqual(said["statistics"]["imputed"], [10000, 0])

    def test_of_wide_data_is_counted_in_all(self):
        line = ",".join(["1"] * 1100)
        said = self.ok(self.put("%s,a\n,%s,a\n%s,,b\n" % (line, line[2:], line[:-2]), MEAN), 201)
        self.assertEqual((said["statistics"]["of"], said["statistics"]["imputed"]), ("all", [2]))
        said = self.ok(self.rows("?,%s,a\n" % line[2:], MEAN))
        self.assertEqual((said["statistics"]["imputed"], said["statistics"]["min"]), ([3], [1]))

    def test_of_rows_that_are_added_is_the_mean_of_those_that_are_there(self):
        self.ok(self.put("1,10,a\n2,,b\n", MEAN), 201)
        self.problem(self.rows("?,7,a\n"), 400, "syntax", "line 1 column 1", "?missing=mean")
        said = self.ok(self.rows("?,7,a\n,NA,c\n", MEAN + "&header=absent"))
        want = self.ok(self.put("1,10,a\n2,10,b\n1.5,7,a\n1.5,10,c\n", name=self.name() + "-filled"), 201)
        self.assertEqual((said["digest"], said["classes"]), (want["digest"], ["a", "b", "c"]))
        self.assertEqual(said["statistics"]["imputed"], [2, 2])
        said = self.ok(self.rows("4,4,a\n"))  # and what was, stays told
        self.assertEqual(said["statistics"]["imputed"], [2, 2])
        with self.unchanged():
            self.problem(self.rows("?,a\n1,b\n", MEAN + "&header=absent"), 422, "field", "features", "1 a row", "are 2")
            self.problem(self.rows("1,2,?,a\n", MEAN), 422, "field", "features", "3 a row", "are 2")
            self.problem(self.rows("1,2,\n", MEAN), 400, "syntax", "line 1 column 3", "class")

    def test_of_bytes_is_a_whole_number(self):
        idx = bytes([0, 0, 8, 2]) + struct.pack(">2I", 2, 2) + bytes([1, 2, 4, 255])
        self.ok(self.put(idx, part="/features", kind="application/x-idx"), 201)
        self.ok(self.put("a\nb\n", "?header=absent", "/targets"), 200)
        said = self.ok(self.rows("?,,a\n", MEAN + "&header=absent"))
        self.assertEqual((said["features"], said["statistics"]["imputed"]),
                         ({"dtype": "uint8", "shape": [3, 2]}, [1, 1]))
        for mean, want in zip(said["statistics"]["mean"], (1 + 4 + 2, 2 + 255 + 128)):  # 2.5 and 128.5, to even
            self.assertAlmostEqual(3 * mean, want)

    def test_what_cannot_be_is_refused(self):
        json = "application/json"
        npy = b"\x93NUMPY\x01\x00"
        with self.unchanged():
            self.problem(self.put(HOLES, "?missing=zero"), 422, "field", "missing", "refuse or mean", "'zero'")
            self.problem(self.put(HOLES, "?missing="), 422, "field", "missing", "refuse or mean")
            self.problem(self.put("1,,x\n2,?,y\n", MEAN + "&header=absent"), 400, "syntax", "column 2", "no value")
            self.problem(self.put("a,age,y\n1,,x\n2,?,y\n", MEAN), 400, "syntax", "column 2", "'age'", "no value")
            self.problem(self.put("1,x\n2,\n", MEAN), 400, "syntax", "line 2 column 2", "class")
            self.problem(self.put("1,x\n2,NA\n", MEAN), 400, "syntax", "line 2 column 2", "'NA'")
            self.problem(self.put("1,2\n2,NA\n", MEAN + "&kind=numbers"), 400, "syntax", "line 2 column 2", "'NA'")
            self.problem(self.put("1\n2\n", MEAN + "&kind=numbers", "/targets"), 422, "field", "missing", "target")
            self.problem(self.put({"inputs": [[1]], "labels": ["a"]}, MEAN, kind=json), 422, "field", "missing",
                         "text/csv")
            self.problem(self.put({"inputs": [[None]], "labels": ["a"]}, MEAN, kind=json), 422, "field", "missing")
            self.problem(self.put(npy, MEAN, "/features", kind="application/x-npy"), 422, "field", "missing")
            self.problem(self.put(struct.pack("f", 1), MEAN + "&shape=1,1", "/features",
                                  kind="application/octet-stream"), 422, "field", "missing")
            self.problem(self.put("1,none,x\n", MEAN + "&header=absent"), 400, "syntax", "line 1 column 2", "'none'")
        self.assertEqual(os.listdir(os.path.join(self.daemon.state, "tmp")), [])

    def test_a_class_may_have_such_a_name_otherwise(self):
        self.assertEqual(self.ok(self.put("1,NA\n2,?\n3,null\n"), 201)["classes"], ["?", "NA", "null"])

    def test_a_model_trains_on_it(self):
        self.ok(self.put(HOLES, MEAN), 201)
        self.ok(self.put(FILLED, name=self.name() + "-filled"), 201)
        digests = []
        for data in (self.name(), self.name() + "-filled"):
            at = "/v1/models/%s-net" % data
            self.ok(self.api.put(at, {"inputs": 2, "layers": [{"units": 2, "activation": "softmax"}],
                                      "cost": "log_likelihood", "normalize": "standard"}), 201)
            job = self.ok(self.api.post(at + "/train", {"dataset": data, "epochs": 3}, Prefer="wait=60"), 200)
            self.assertEqual(job["state"], "succeeded")
            digests.append(self.ok(self.api.get(at))["digest"])
        self.assertEqual(digests[0], digests[1])


class Kept(Restarting):
    def test_is_told_after_a_restart(self):
        said = self.ok(self.api.ask("PUT", "/v1/datasets/d" + MEAN, HOLES, {"Content-Type": CSV}), 201)
        self.again()
        self.assertEqual(self.ok(self.api.get("/v1/datasets/d")), said)
        said = self.ok(self.api.ask("POST", "/v1/datasets/d/rows" + MEAN, "?,1,x\n", {"Content-Type": CSV}))
        self.assertEqual(said["statistics"]["imputed"], [5, 4])
        self.again()
        self.assertEqual(self.ok(self.api.get("/v1/datasets/d")), said)


if __name__ == "__main__":
    main()
