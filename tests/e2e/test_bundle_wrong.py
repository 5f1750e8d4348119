#!/usr/bin/python3
"""A bundle that is not taken in, whatever is wrong with it: nothing of it stays."""
import json
import os
import struct
import tarfile

import harness
from bundles import PLACE, TAR, Taking, resealed, summed, tar_of, with_crc
from harness import XOR, XOR_ROWS, main


class Wrong(Taking, harness.Restarting):
    flags = ("--durability", "process", "--max-models", "2", "--max-datasets", "2", "--keep-jobs", "2",
             "--keep-versions", "2", "--max-features", "4", "--max-parameters", "100", "--max-layers", "3")

    def setUp(self):
        super().setUp()
        _, self.source = self.daemon_of()

    def refused(self, members, status, kind, field=None, *texts):
        self.problem(self.api.put("/v1/import", tar_of(members), TAR), status, kind, field, *texts)

    def nothing(self):
        self.assertEqual(self.everything(), {"models": [], "datasets": [], "jobs": []})
        self.staged()
        for kind in ("models", "datasets", "jobs"):
            self.assertEqual(os.listdir(os.path.join(self.state, kind)), [])
        self.assertNotIn("import", os.listdir(self.state))

    def changed(self, members, name, change):
        return summed([(n, change(c) if n == name else c) for n, c in members])

    def test_every_cut_and_flipped_byte(self):
        body = tar_of(self.small(self.source))
        body = body.rstrip(b"\0")
        body += bytes(-len(body) % 512) + bytes(1024)
        self.ok(self.api.put("/v1/import", body[:-1], TAR), 400)
        for cut in [*range(0, len(body), 512), *range(300, len(body), 1024), len(body) - 1]:
            self.problem(self.api.put("/v1/import", body[:cut], TAR), 400, "syntax")
        for at in [*range(0, 512, 5), *range(3, len(body), 41)]:
            wrong = bytearray(body)
            wrong[at] ^= 1 << at % 8
            reply = self.api.put("/v1/import", bytes(wrong), TAR)
            self.assertIn(reply.status, (400, 409, 413, 422, 503), "byte %d: %r" % (at, reply))
        self.nothing()
        self.ok(self.api.put("/v1/import", body, TAR), 201)

    def test_members(self):
        members = self.small(self.source)
        names = [name for name, _ in members]
        self.assertEqual(names, ["manifest.json", "models/small/1.safetensors", "models/small/2.safetensors",
                                 "datasets/rows/dataset.json", "datasets/rows/features", "datasets/rows/targets",
                                 "jobs/1.json", "SHA256SUMS"])
        for i, name in enumerate(names[:-1]):
            less = members[:i] + members[i + 1:]
            self.refused(summed(less), 422, "field", names[i + 1], "next must be " + name)
            self.refused(members[:i + 1] + members[i:], 422, "field", name, "next must be " + names[i + 1])
            self.refused(members[:i] + [("more", b"x")] + members[i:], 422, "field", "more", "next must be " + name)
        self.refused(members[:-1], 400, "syntax", "body", "ends before SHA256SUMS")
        self.refused(members + [("more", b"x")], 422, "field", "more", "next must be the end")
        other = dict(summed(self.changed(members, "jobs/1.json", lambda c: c + b"\n")))["SHA256SUMS"]
        self.refused(members[:-1] + [("SHA256SUMS", other)], 400, "syntax", "SHA256SUMS", "line 7 must be '", "jobs/1.json")
        self.refused(members[:-1] + [("SHA256SUMS", other + b"\n")], 422, "field", "SHA256SUMS", "bytes")
        self.refused(self.changed(members, "datasets/rows/features", lambda c: c + b"\0"), 422, "field", "datasets/rows/features",
                     "must have 8 bytes, has 9")
        self.refused(self.changed(members, "jobs/1.json", lambda c: b""), 400, "syntax", "jobs/1.json", "is empty")
        self.nothing()

    def test_tars(self):
        members = self.small(self.source)
        for body, field, text in ((b"", "body", "empty"), (b"x" * 512, "body", "checksum"), (b"PK\3\4" * 500, "body", "checksum"),
                                  (bytes(1024), "body", "ends before manifest.json"), (b"x", "body", "end of the tar"),
                                  (tar_of(members) + b"x", "body", "goes on behind the end")):
            self.problem(self.api.put("/v1/import", body, TAR), 400, "syntax", field, text)
        for kind, text in ((tarfile.GNU_FORMAT, "ustar"), (tarfile.PAX_FORMAT, "a pax record, type 'x'")):
            body = tar_of([("m" * 120, b"x")] + members, kind)
            self.assertEqual(self.problem(self.api.put("/v1/import", body, TAR), 422, "field", "body")["status"], 422)
        self.problem(self.api.put("/v1/import", tar_of([("m" * 120, b"x")], tarfile.PAX_FORMAT), TAR), 422, "field", "body", text)
        self.refused([("../manifest.json", b"x")], 422, "field", "name", "without . and ..")
        self.problem(self.api.put("/v1/import", tar_of(members), "text/csv"), 415, "type", "Content-Type")
        self.problem(self.api.put("/v1/import?force=1", tar_of(members), TAR), 422, "field", "query")
        self.problem(self.api.get("/v1/import"), 405, "method")
        self.nothing()

    def test_manifests(self):
        members = self.small(self.source)

        def manifest(change):
            said = json.loads(dict(members)["manifest.json"])
            change(said)
            return summed([("manifest.json", json.dumps(said).encode())] + members[1:])

        self.refused(manifest(lambda m: m.update(format_version=2)), 422, "field", PLACE + "format_version", "reads 1")
        self.refused(manifest(lambda m: m.update(more=2)), 422, "field", PLACE + "more", "not a field")
        self.refused(manifest(lambda m: m["models"][0].update(served=3)), 422, "field", PLACE + "models[0].served")
        self.refused(manifest(lambda m: m["models"][0].update(versions=[0, 2])), 422, "field", PLACE + "models[0].versions[0]")
        self.refused(manifest(lambda m: m["models"][0].update(versions=[1, 2, 3])), 503, "limit", PLACE + "models[0].versions", "3", "2")
        self.refused(manifest(lambda m: m.update(models=m["models"] * 3)), 503, "limit", PLACE + "models", "3", "2")
        self.refused(manifest(lambda m: m.update(datasets=m["datasets"] * 3)), 503, "limit", PLACE + "datasets", "3", "2")
        self.refused(manifest(lambda m: m.update(jobs=["1", "2", "3"])), 503, "limit", PLACE + "jobs", "3", "2")
        self.refused(manifest(lambda m: m.update(models=m["models"] * 2)), 422, "field", PLACE + "models[1].name", "must come behind")
        self.refused(summed([("manifest.json", b"{")] + members[1:]), 400, "syntax")
        self.nothing()

    def test_limits_count_what_is_there(self):
        for n in range(2):
            at = self.model(name="own%d" % n)
            self.ok(self.api.put("/v1/datasets/own%d" % n, {"inputs": [[1]], "targets": [[1]]}), 201)
            self.train(at, **XOR_ROWS, epochs=1)
        members = self.small(self.source)
        record = with_crc(dict(members)["jobs/1.json"], lambda d: dict(d, id=9))
        members[0] = ("manifest.json", members[0][1].replace(b'"jobs": ["1"]', b'"jobs": ["9"]'))
        body = tar_of(summed([("jobs/9.json", record) if n == "jobs/1.json" else (n, c) for n, c in members]))
        for field, gone in (("datasets", "/v1/datasets/own0"), ("jobs", None), ("models", "/v1/models/own0")):
            with self.unchanged():
                self.problem(self.api.put("/v1/import", body, TAR), 503, "limit", field)
            if gone is not None:
                self.ok(self.api.delete(gone), 204)
            else:
                self.again("--keep-jobs", "3", *self.flags[:6])
        self.ok(self.api.put("/v1/import", body, TAR), 201)
        self.again("--keep-jobs", "3", *self.flags[:6])
        self.assertEqual([m["name"] for m in self.ok(self.api.get("/v1/models"))["models"]], ["own1", "small"])
        self.assertEqual([j["id"] for j in self.ok(self.api.get("/v1/jobs"))["jobs"]], ["1", "2", "9"])

    def again(self, *flags):
        super().again(9, *flags)

    def test_versions(self):
        members = self.small(self.source)
        name = "models/small/2.safetensors"
        good = dict(members)[name]
        first = dict(members)["models/small/1.safetensors"]
        self.refused(self.changed(members, name, lambda c: c[:-1] + b"x"), 400, "syntax", name + ": checksum")
        self.refused(self.changed(members, name, lambda c: c[:100]), 400, "syntax", name + ": header")
        self.refused(self.changed(members, name, lambda c: first), 422, "field", name + ": __metadata__", "version 2")

        def weights(body):
            body[-1] ^= 64
            return body

        def infinite(body):
            body[-4:] = struct.pack("<f", float("inf"))
            return body

        self.refused(self.changed(members, name, lambda c: resealed(c, weights)), 422, "field", name + ": digest")
        self.refused(self.changed(members, name, lambda c: resealed(c, infinite)), 422, "range", None, name, "not finite")
        self.assertEqual(resealed(good, lambda body: body), good)
        for flag, of, spec in (("--max-parameters", "layers", {"layers": [{"units": 40, "activation": "tanh"}, XOR["layers"][1]]}),
                               ("--max-layers", "layers", {"layers": [XOR["layers"][0]] * 3 + [XOR["layers"][1]]})):
            _, api = self.daemon_of()
            self.ok(api.put("/v1/models/large", dict(XOR, **spec)), 201)
            self.problem(self.api.put("/v1/import", api.get("/v1/export").body, TAR), 422, "field",
                         "models/large/1.safetensors: spec." + of)
        self.nothing()

    def test_versions_of_two_shapes_are_none_of_one_model(self):
        members = self.small(self.source)
        _, api = self.daemon_of()
        wide = dict(XOR, inputs=3)
        self.ok(api.put("/v1/models/small", wide), 201)
        self.ok(api.post("/v1/models/small/learn", {"inputs": [[0, 1, 2]], "targets": [[1]]}))
        other = api.get("/v1/export").body
        self.refused(self.changed(members, "models/small/2.safetensors", lambda c: self.members(other)["models/small/2.safetensors"]),
                     422, "field", "models/small/2.safetensors: spec", "inputs")
        self.nothing()

    def test_datasets(self):
        members = self.small(self.source)
        at = "datasets/rows/"

        def head(change):
            return self.changed(members, at + "dataset.json", lambda c: with_crc(c, lambda d: dict(d, **change(d))))

        self.assertEqual(self.api.put("/v1/import", tar_of(head(lambda d: {"digest": "0" * 64})), TAR).status, 422)
        self.refused(head(lambda d: {"name": "other"}), 422, "field", at + "dataset.json: name", "'rows'", "'other'")
        self.refused(head(lambda d: {"generation": 99}), 422, "field", at + "dataset.json: name", "99")
        self.refused(head(lambda d: {"rows": 3}), 422, "field", at + "dataset.json: features.shape")
        self.refused(head(lambda d: {"classes": None}), 422, "field", at + "dataset.json: classes")
        self.refused(head(lambda d: {"format": 2}), 422, "field", at + "dataset.json: format", "reads 1")
        self.refused(head(lambda d: {"rows": 1 << 62, "features": {"dtype": "float32", "shape": [1 << 62, 1]}}), 413, "too-large",
                     at + "dataset.json: rows")
        self.refused(head(lambda d: {"rows": 1 << 32, "features": {"dtype": "float32", "shape": [1 << 32, 5]}}), 413, "too-large",
                     at + "dataset.json: features", "--max-features")
        self.refused(self.changed(members, at + "dataset.json", lambda c: c[:-2] + b"x\n"), 400, "syntax")
        self.refused(self.changed(members, at + "targets", lambda c: struct.pack("<II", 0, 2)), 422, "range", at + "targets: targets",
                     "[1] must be below 2, is 2")
        self.refused(self.changed(members, at + "features", lambda c: struct.pack("<ff", 1, float("nan"))), 422, "range",
                     at + "targets: features", "not finite")
        self.refused(self.changed(members, at + "features", lambda c: struct.pack("<ff", 1, 3)), 422, "field",
                     at + "targets: digest")
        self.nothing()

    def test_records(self):
        members = self.small(self.source)

        def record(**change):
            return self.changed(members, "jobs/1.json", lambda c: with_crc(c, lambda d: dict(d, **change)))

        for change, field in (({"id": 2}, "id"), ({"state": "running"}, "state"), ({"state": "queued"}, "state"),
                              ({"model": "../x"}, "model"), ({"batch_size": 0}, "batch_size"), ({"format": 99}, "format"),
                              ({"more": 1}, "more"), ({"history": [[1] * 7] * 10001}, "history")):
            self.refused(record(**change), 422, "field", "jobs/1.json: " + field)
        self.refused(self.changed(members, "jobs/1.json", lambda c: c[:-2] + b"x\n"), 400, "syntax")
        self.nothing()
        self.ok(self.api.put("/v1/import", tar_of(record()), TAR), 201)


if __name__ == "__main__":
    main()
