"""Exports of everything: what is in them, changed or not, and daemons that take them in."""
import hashlib
import io
import json
import os
import struct
import tarfile
import zlib

from harness import LARGEST, XOR_ROWS, Daemon

PLACE = "manifest.json: "
TAR = "application/x-tar"
MOMENTUM = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9}


def idx_bytes(rows, columns):
    """Unsigned bytes of two dimensions."""
    return struct.pack(">BBBBII", 0, 0, 8, 2, rows, columns) + bytes(i % 251 for i in range(rows * columns))


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


class Bundle:
    """What both have."""

    def bundle(self, api=None):
        """The members of an export, which is checked to be whole."""
        reply = (api or self.api).get("/v1/export")
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(reply.headers["Content-Type"], "application/x-tar")
        self.assertRegex(reply.headers["Content-Disposition"], r'^attachment; filename="sigmad-20\d{6}\.tar"$')
        return self.members(reply.body)

    def members(self, body):
        found = {}
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:") as tar:
            for member in tar:
                self.assertTrue(member.isreg(), member)
                self.assertNotIn(member.name, found)
                found[member.name] = tar.extractfile(member).read()
        names = list(found)
        self.assertEqual((names[0], names[-1]), ("manifest.json", "SHA256SUMS"))
        self.assertEqual(found["SHA256SUMS"].decode(),
                         "".join("%s  %s\n" % (hashlib.sha256(found[n]).hexdigest(), n) for n in names[:-1]))
        manifest = json.loads(found["manifest.json"])
        want = {"manifest.json", "SHA256SUMS"} | {"jobs/%s.json" % id for id in manifest["jobs"]}
        for model in manifest["models"]:
            want |= {"models/%s/%d.safetensors" % (model["name"], v) for v in model["versions"]}
            self.assertIn(model["served"], model["versions"])
        for data in manifest["datasets"]:
            at = "datasets/%s/" % data["name"]
            want |= {at + "dataset.json"} | ({at + "features", at + "targets"} & set(names))
        self.assertEqual(set(names), want)
        return found

    def many(self):
        """Models of several kinds and ages, data sets of every type, jobs that have ended."""
        self.ok(self.api.put("/v1/datasets/bytes/features", idx_bytes(20, 3), "application/x-idx"), 201)
        self.ok(self.api.put("/v1/datasets/named", b"a,b,c,kind\n1,0,0,ant\n0,1,0,bee\n0,0,1,cow\n", "text/csv"), 201)
        self.ok(self.api.put("/v1/datasets/pairs", {"inputs": XOR_ROWS["inputs"], "targets": XOR_ROWS["targets"]}), 201)
        at = self.model(LARGEST, name="largest")
        self.train(at, dataset="named", epochs=2, batch_size=1)
        self.ok(self.api.post(at + "/learn", {"inputs": [[1, 2, 3]], "labels": ["cow"], "optimizer": MOMENTUM}))
        self.ok(self.api.post(at + "/promote", {"version": 1}))
        self.model({"inputs": 2, "layers": [{"units": 3, "activation": "tanh"}, {"units": 1, "activation": "linear"}],
                    "cost": "mse", "normalize": "standard", "normalize_targets": "minmax"}, name="normal")
        self.train("/v1/models/normal", dataset="pairs", epochs=3, batch_size=2)
        at = self.model(name="learner")
        for _ in range(3):
            self.ok(self.api.post(at + "/learn", dict(XOR_ROWS, optimizer=MOMENTUM)))
        self.model(name="n" * 128)

    def seen(self, api):
        """All that has to be the same on another daemon, to the bit."""
        found = {"jobs": self.ok(api.get("/v1/jobs")), "datasets": self.ok(api.get("/v1/datasets"))}
        for model in self.ok(api.get("/v1/models"))["models"]:
            at = "/v1/models/" + model["name"]
            found[at] = self.ok(api.get(at + "/versions"))
            for version in found[at]["versions"]:
                found[at, version["version"]] = self.ok(api.get(at + "/export?version=%d" % version["version"]))
        return found


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
