"""A bundle that another daemon takes in: all of it and the same to the bit, or nothing, whatever is wrong with it."""
import gzip
import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import tarfile
import threading
import zlib

import harness
from harness import XOR, XOR_ROWS, Daemon, main
from test_bundle import MOMENTUM, Bundle

TAR = "application/x-tar"
PLACE = "manifest.json: "


def tar_of(members, kind=tarfile.USTAR_FORMAT):
    """A tar of (name, content), with one end and no more."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(content), 0o600, 1700000000
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def summed(members):
    """The members of a bundle, with the sums that they have."""
    members = [(name, content) for name, content in members if name != "SHA256SUMS"]
    sums = "".join("%s  %s\n" % (hashlib.sha256(content).hexdigest(), name) for name, content in members)
    return members + [("SHA256SUMS", sums.encode())]


def with_crc(content, change):
    """A file of text whose last line is its sum, changed."""
    text = json.dumps(change(json.loads(content[:-15]))).encode() + b"\n"
    return text + b"crc32 %08x\n" % zlib.crc32(text)


def resealed(content, change):
    """A version's file with other bytes before its checksum; its header's sum is right again."""
    body = bytearray(change(bytearray(content[:-32])))
    (n,) = struct.unpack("<Q", body[:8])
    at = bytes(body).index(b'"header_crc32": "') + len('"header_crc32": "')
    body[at:at + 8] = b"0" * 8
    body[at:at + 8] = b"%08x" % zlib.crc32(bytes(body[:8 + n]))
    return bytes(body) + hashlib.sha256(bytes(body)).digest()


class Taking(Bundle):
    def daemon_of(self, *flags, state=None):
        """Another daemon and its client."""
        daemon = Daemon(*flags, state=state)
        self.addCleanup(lambda: daemon.process.poll() is None and daemon.end(9))
        api = daemon.client()
        self.addCleanup(lambda: api.close())
        return daemon, api

    def small(self, api):
        """One of each, and a served version that was chosen; the members of its bundle, in order."""
        kept, self.api = self.api, api
        try:
            at = self.model(name="small")
            self.train(at, **XOR_ROWS, epochs=1)
            self.ok(api.post(at + "/promote", {"version": 1}))
            self.ok(api.put("/v1/datasets/rows", {"inputs": [[1], [2]], "labels": ["a", "b"]}), 201)
            return list(self.bundle().items())
        finally:
            self.api = kept

    def told(self, api):
        """Bundle.seen, and each thing by itself, with its tag."""
        found = self.seen(api)
        for kind, key in (("models", "name"), ("datasets", "name"), ("jobs", "id")):
            found[kind, "list"] = self.ok(api.get("/v1/" + kind))
            for thing in found[kind, "list"][kind]:
                reply = api.get("/v1/%s/%s" % (kind, thing[key]))
                found[kind, thing[key]] = self.ok(reply), reply.headers["ETag"]
        for model in found["models", "list"]["models"]:
            at = "/v1/models/" + model["name"]
            found[at, "predict"] = self.ok(api.post(at + "/predict", {"inputs": [[0.25] * model["inputs"]]}))
            for version in found[at]["versions"]:
                reply = api.get("%s/versions/%d" % (at, version["version"]))
                found[at, version["version"], "tag"] = self.ok(reply), reply.headers["ETag"]
        return found

    def go_on(self, *apis):
        """Each learns and trains on: with the same bits, and the settings that were used last."""
        for at in ("/v1/models/learner", "/v1/models/normal"):
            self.same(apis, lambda api: self.ok(api.post(at + "/learn", XOR_ROWS)))
            self.same(apis, lambda api: self.ok(api.post(at + "/learn", dict(XOR_ROWS, optimizer=MOMENTUM))))
        for at, data in (("/v1/models/largest", "named"), ("/v1/models/normal", "pairs")):
            job = {"dataset": data, "epochs": 3, "batch_size": 2, "optimizer": MOMENTUM, "seed": 5}
            done = self.same(apis, lambda api: self.kept(self.ok(api.ask("POST", at + "/train", job, {"Prefer": "wait=60"}))))
            self.assertEqual(done["state"], "succeeded", done)
            self.same(apis, lambda api: self.ok(api.get(at))["digest"])

    def kept(self, job):
        """What of a job two daemons have in common."""
        return {k: job[k] for k in ("state", "id", "model", "epochs", "version", "loss") if k in job}

    def same(self, apis, ask):
        first, *rest = [ask(api) for api in apis]
        for other in rest:
            self.assertEqual(self.timeless(other), self.timeless(first))
        return first

    def timeless(self, thing):
        return {k: v for k, v in thing.items() if k not in ("created", "updated")} if isinstance(thing, dict) else thing

    def staged(self):
        return self.until(lambda: os.listdir(os.path.join(self.state, "tmp")), lambda names: not names)


class Intake(Taking, harness.Restarting):
    def test_another_daemon_has_the_same_and_goes_on(self):
        self.many()
        body = self.api.get("/v1/export").body
        told = self.told(self.api)
        _, source = self.daemon_of(state=self.copied())
        self.stop()
        shutil.rmtree(self.state)
        os.mkdir(self.state)
        self.start()
        reply = self.ok(self.api.put("/v1/import", body, TAR), 201)
        self.assertEqual(reply, {"models": ["largest", "learner", "n" * 128, "normal"], "datasets": ["bytes", "named", "pairs"],
                                 "jobs": ["1", "2"], "unfinished": []})
        self.assertEqual(self.told(self.api), told)
        self.staged()
        before, again = self.members(body), self.bundle()
        self.assertEqual(list(again), list(before))
        for name in before:
            if name.startswith(("models/", "datasets/")):
                self.assertEqual(again[name], before[name], name)
        self.go_on(source, self.api)
        told = self.told(self.api)
        self.again()
        self.assertEqual(self.ok(self.api.get("/v1/server"))["corrupt"], [])
        self.assertEqual(self.told(self.api), told)
        self.go_on(source, self.api)

    def test_a_start_finds_what_came(self):
        """Before anybody has changed it."""
        _, source = self.daemon_of()
        kept, self.api = self.api, source
        self.many()
        self.api = kept
        self.ok(self.api.put("/v1/import", source.get("/v1/export").body, TAR), 201)
        self.again()
        self.assertEqual(self.told(self.api), self.told(source))
        self.go_on(source, self.api)

    def copied(self):
        """The state folder once more, so that the source can go on as well."""
        folder = self.state + "-copy"
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        shutil.copytree(self.state, folder, ignore=shutil.ignore_patterns("lock", "tmp"))
        return folder

    def test_without_a_state_folder_too(self):
        _, memory = self.daemon_of(state="none")
        _, other = self.daemon_of(state="none")
        self.many()
        told = self.told(self.api)
        body = self.api.get("/v1/export").body
        self.ok(memory.put("/v1/import", body, TAR), 201)
        self.assertEqual(self.told(memory), told)
        self.ok(other.put("/v1/import", memory.get("/v1/export").body, TAR), 201)
        without = self.told(other)  # records of jobs do not leave a daemon that keeps none
        for key in [k for k in told if "jobs" in k]:
            del told[key]
        self.assertEqual({k: v for k, v in without.items() if "jobs" not in k}, told)
        self.go_on(self.api, memory)

    def test_a_bundle_of_nothing_and_one_of_what_is_not_done(self):
        body = self.api.get("/v1/export").body
        self.assertEqual(self.ok(self.api.put("/v1/import", body, TAR), 201),
                         {"models": [], "datasets": [], "jobs": [], "unfinished": []})
        job = self.ok(self.api.post(self.model(name="busy") + "/train", dict(XOR_ROWS, epochs=harness.LONG)), 202)
        body = self.api.get("/v1/export").body
        self.cancel(job)
        _, other = self.daemon_of()
        self.assertEqual(self.ok(other.put("/v1/import", body, TAR), 201),
                         {"models": ["busy"], "datasets": [], "jobs": [], "unfinished": ["1"]})
        self.ok(other.post("/v1/models/busy/learn", XOR_ROWS))

    def test_keys_of_learn_come_along(self):
        """A call that is sent again to the daemon that has moved does not train twice."""
        at = self.model(name="keyed")
        said = [self.learn_keyed(at, key) for key in ("a", "b")]
        for restarted in (False, True):  # then they are told of by the log alone
            if restarted:
                self.again()
            _, other = self.daemon_of()
            self.ok(other.put("/v1/import", self.api.get("/v1/export").body, TAR), 201)
            kept, self.api = self.api, other
            self.assertEqual([self.learn_keyed(at, key) for key in ("a", "b")], said)
            self.assertEqual(self.ok(other.get(at))["version"], 3)
            self.api = kept

    def learn_keyed(self, at, key):
        return self.ok(self.api.ask("POST", at + "/learn", XOR_ROWS, {"Idempotency-Key": key}))

    def test_later_jobs_have_numbers_above(self):
        _, source = self.daemon_of()
        for _ in range(2):
            self.ok(source.put("/v1/models/m", XOR), 201)
            self.ok(source.ask("POST", "/v1/models/m/train", dict(XOR_ROWS, epochs=1), {"Prefer": "wait=60"}))
            last = self.ok(source.get("/v1/models/m"))
            self.ok(source.delete("/v1/models/m"), 204)
        self.ok(source.put("/v1/models/m", XOR), 201)  # records of one that is gone and of the same name
        body = source.get("/v1/export").body
        self.ok(self.api.put("/v1/import", body, TAR), 201)
        at = self.model(name="own")
        self.assertEqual(self.train(at, **XOR_ROWS, epochs=1)["id"], "3")
        self.again()
        self.assertEqual([job["id"] for job in self.ok(self.api.get("/v1/jobs"))["jobs"]], ["1", "2", "3"])
        self.assertEqual(self.ok(self.api.get("/v1/models/m"))["version"], 1)
        self.assertEqual(last["version"], 2)

    def test_curl_pipes_one_and_gzip_is_taken(self):
        _, source = self.daemon_of()
        self.small(source)
        body = gzip.compress(source.get("/v1/export").body)
        for cut in (20, len(body) // 2, len(body) - 5):
            self.problem(self.gzipped(body[:cut]), 400, "syntax")
        self.problem(self.gzipped(body + b"x"), 400, "syntax")
        self.assertEqual(self.everything()["models"], [])
        self.ok(self.gzipped(body), 201)
        self.assertEqual(self.told(self.api), self.told(source))
        _, other = self.daemon_of()
        line = "curl -sf http://127.0.0.1:%d/v1/export | curl -sf -T - http://127.0.0.1:%d/v1/import"
        port = other.connection.port
        subprocess.run(["sh", "-c", line % (self.daemon.port, port)], check=True, capture_output=True)
        self.assertEqual(self.told(other), self.told(source))

    def gzipped(self, body):
        return self.api.ask("PUT", "/v1/import", body, {"Content-Encoding": "gzip", "Content-Type": TAR})

    def test_what_is_there_refuses_it(self):
        _, source = self.daemon_of()
        members = self.small(source)
        body = tar_of(members)
        self.ok(self.api.put("/v1/import", body, TAR), 201)
        with self.unchanged():
            self.problem(self.api.put("/v1/import", body, TAR), 409, "exists", PLACE + "datasets[0].name", "'rows'", "delete it first")
        self.ok(self.api.delete("/v1/datasets/rows"), 204)
        with self.unchanged():
            self.problem(self.api.put("/v1/import", body, TAR), 409, "exists", PLACE + "jobs[0]", "1 is a job here")
        less = [(n, c) for n, c in members if not n.startswith("jobs")]
        less[0] = self.manifest(members, lambda m: m.update(jobs=[]))
        less = tar_of(summed(less))
        with self.unchanged():
            self.problem(self.api.put("/v1/import", less, TAR), 409, "exists", PLACE + "models[0].name", "'small'", "delete it first")
        self.ok(self.api.delete("/v1/models/small"), 204)
        self.ok(self.api.put("/v1/import", less, TAR), 201)
        self.staged()

    def manifest(self, members, change):
        """The first of them, changed."""
        said = json.loads(dict(members)["manifest.json"])
        change(said)
        return "manifest.json", json.dumps(said).encode()

    def test_two_at_once_and_a_model_that_comes_between(self):
        _, source = self.daemon_of()
        self.small(source)
        body = source.get("/v1/export").body
        for i in range(8):
            asks = [("/v1/import", body, TAR), ("/v1/models/small", XOR) if i % 2 else ("/v1/import", body, TAR)]
            replies = [None, None]

            def ask(n):
                api = self.daemon.client()
                replies[n] = api.put(*asks[n])
                api.close()

            harness.in_threads(2, ask)
            self.assertEqual(sorted(reply.status for reply in replies), [201, 409], replies)
            seen = self.everything()
            self.assertEqual([m["name"] for m in seen["models"]], ["small"])
            self.assertEqual(len(seen["datasets"]), 1 if replies[0].status == 201 or i % 2 == 0 else 0)
            self.stop()
            shutil.rmtree(self.state)
            os.mkdir(self.state)
            self.start()

    def test_data_sets_put_meanwhile_wait_for_it(self):
        _, source = self.daemon_of()
        self.small(source)
        body = source.get("/v1/export").body
        stop, statuses = threading.Event(), set()

        def churn():
            api = self.daemon.client()
            while not stop.is_set():
                statuses.add(api.put("/v1/datasets/rows", {"inputs": [[3], [4]], "labels": ["a", "b"]}).status)
                statuses.add(api.delete("/v1/datasets/rows").status)
            api.close()

        thread = threading.Thread(target=churn)
        thread.start()
        try:
            for _ in range(20):
                reply = self.api.put("/v1/import", body, TAR)
                self.assertIn(reply.status, (201, 409), reply)
                if reply.status == 201:
                    break
        finally:
            stop.set()
            thread.join()
        self.assertLessEqual(statuses, {200, 201, 204, 404})
        self.again()
        self.assertEqual(self.ok(self.api.get("/v1/server"))["corrupt"], [])

    def test_clients_that_hang_up_leave_nothing(self):
        _, source = self.daemon_of()
        self.small(source)
        body = source.get("/v1/export").body
        for cut in (100, 3000, len(body) - 600, len(body) - 1):
            with self.daemon.connect() as sock:
                sock.sendall(b"PUT /v1/import HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:cut])
            self.staged()
        with self.daemon.connect() as sock:
            sock.sendall(b"PUT /v1/import HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n" + body[:3000])
            self.again()
        self.staged()
        self.assertEqual(self.everything(), {"models": [], "datasets": [], "jobs": []})


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
