"""A bundle of everything: a whole tar whose files another daemon goes on from, whatever goes on meanwhile."""
import hashlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import zlib

import harness
from bundles import MOMENTUM, Bundle
from faults import DIE, EIO, ENOSPC, FILES, Faulty
from harness import LONG, WAIT, XOR, XOR_ROWS, Daemon, main


class Bundles(Bundle, harness.Restarting):
    def unpack(self, members):
        """A state folder made of what is in a bundle."""
        state = tempfile.mkdtemp(prefix="sigmad-test-")
        self.addCleanup(shutil.rmtree, state, ignore_errors=True)
        manifest = json.loads(members["manifest.json"])
        folder = {"models/" + m["name"]: "models/%s@%d" % (m["name"], i + 1) for i, m in enumerate(manifest["models"])}
        folder.update({"datasets/" + d["name"]: "datasets/%s@%d" % (d["name"], d["generation"])
                       for d in manifest["datasets"]})
        for name, content in members.items():
            if name.startswith("jobs/"):
                name = name.replace(".json", "/job.json")
            elif "/" in name:
                name = folder[os.path.dirname(name)] + "/" + os.path.basename(name)
            os.makedirs(os.path.dirname(os.path.join(state, name)), exist_ok=True)
            if "/" in name:
                with open(os.path.join(state, name), "wb") as file:
                    file.write(content)
        for model in manifest["models"]:
            if model["served"] != max(model["versions"]):
                line = b"%d %d 1\n" % (model["served"], model["chosen"])
                with open(os.path.join(state, folder["models/" + model["name"]], "served"), "wb") as file:
                    file.write(line + b"crc32 %08x\n" % zlib.crc32(line))
        return state

    def nothing_staged(self):
        self.until(lambda: os.listdir(os.path.join(self.state, "tmp")), lambda names: not names)

    def test_another_daemon_goes_on_from_it(self):
        self.many()
        for restarted in (False, True):  # then versions are on disk alone, or in a learn log
            if restarted:
                self.again()
            members = self.bundle()
            other = Daemon(state=self.unpack(members))
            self.addCleanup(lambda d: d.process.poll() is None and d.end(9), other)
            api = other.client()
            self.assertEqual(self.seen(api), self.seen(self.api))
            self.assertEqual(self.ok(api.get("/v1/server"))["corrupt"], [])
            step = dict(XOR_ROWS, optimizer=MOMENTUM)
            for at in ("/v1/models/learner", "/v1/models/normal"):
                self.assertEqual(self.ok(api.post(at + "/learn", step)), self.ok(self.api.post(at + "/learn", step)))
                self.assertEqual(self.ok(api.get(at))["digest"], self.ok(self.api.get(at))["digest"])
            api.close()
            self.assertEqual(other.end(), 0, other.said())
        self.nothing_staged()

    def test_other_tars_and_sums_take_it(self):
        self.many()
        body = self.api.get("/v1/export").body
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["tar", "-xf", "-"], input=body, cwd=folder, check=True, capture_output=True)
            subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=True)
            self.assertTrue(os.path.isfile(os.path.join(folder, "models", "n" * 128, "1.safetensors")))

    def test_one_of_nothing(self):
        members = self.bundle()
        self.assertEqual(list(members), ["manifest.json", "SHA256SUMS"])
        manifest = json.loads(members["manifest.json"])
        self.assertEqual((manifest["format"], manifest["format_version"]), ("sigmad-bundle", 1))
        self.assertEqual([manifest[k] for k in ("models", "datasets", "jobs", "unfinished")], [[]] * 4)
        self.problem(self.api.get("/v1/export?format=zip"), 422, "field", "query", "format")

    def test_jobs_under_way_are_named(self):
        at = self.model()
        ended = self.train(at, **XOR_ROWS, epochs=1)
        job = self.ok(self.api.post(at + "/train", dict(XOR_ROWS, epochs=LONG)), 202)
        manifest = json.loads(self.bundle()["manifest.json"])
        self.assertEqual((manifest["jobs"], manifest["unfinished"]), ([ended["id"]], [job["id"]]))
        self.cancel(job)

    def test_a_file_that_no_tar_holds_is_named(self):
        job = self.train(self.model(), **XOR_ROWS, epochs=1)
        os.truncate(os.path.join(self.state, "jobs", job["id"], "job.json"), 8 << 30)  # of holes
        self.problem(self.api.get("/v1/export"), 413, "too-large", "jobs/%s.json" % job["id"], "8589934592", "8589934591")
        self.nothing_staged()

    def test_without_a_state_folder(self):
        daemon = Daemon(state="none")
        self.addCleanup(lambda: daemon.process.poll() is None and daemon.end(9))
        kept, self.api = self.api, daemon.client()
        try:
            self.many()
            seen, members = self.seen(self.api), self.bundle()
        finally:
            self.api.close()
            self.api = kept
        self.assertEqual(daemon.end(), 0, daemon.said())
        other = Daemon(state=self.unpack(members))
        self.addCleanup(lambda: other.process.poll() is None and other.end(9))
        api = other.client()
        again = self.seen(api)
        api.close()
        self.assertEqual(other.end(), 0, other.said())
        self.assertEqual((again.pop("jobs")["jobs"], bool(seen.pop("jobs")["jobs"])), ([], True))
        self.assertEqual(again, seen)

    # ---- meanwhile ----

    def large(self):
        """Some 20 MB, more than the kernel and the daemon hold of a reply."""
        self.ok(self.api.put("/v1/datasets/large/features?shape=50000,100", bytes(20000000),
                             "application/octet-stream"), 201)
        return self.model()

    def begin(self):
        """A client that has read the first bytes of an export and no more; they come back too."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.settimeout(WAIT)
        sock.connect(("127.0.0.1", self.daemon.port))
        self.addCleanup(sock.close)
        sock.sendall(b"GET /v1/export HTTP/1.0\r\n\r\n")
        return sock, sock.recv(1000)

    def test_what_goes_meanwhile_is_in_it(self):
        at = self.large()
        self.ok(self.api.post(at + "/learn", XOR_ROWS))
        self.again()  # the second version is in a log alone
        sock, head = self.begin()
        self.ok(self.api.delete(at), 204)
        self.ok(self.api.delete("/v1/datasets/large"), 204)
        body = (head + harness.read_all(sock)).split(b"\r\n\r\n", 1)[1]
        members = self.members(body)
        self.assertEqual(len(members["datasets/large/features"]), 20000000)
        self.assertEqual(len([n for n in members if n.startswith("models/")]), 2)
        self.nothing_staged()

    def test_clients_that_hang_up_leave_nothing(self):
        self.large()
        for _ in range(3):
            self.begin()[0].close()
        self.nothing_staged()
        self.bundle()
        sock, _ = self.begin()
        self.again()
        self.nothing_staged()

    def test_it_is_whole_while_everything_changes(self):
        at = self.model()
        stop = threading.Event()

        def churn():
            api = self.daemon.client()
            while not stop.is_set():
                api.post(at + "/learn", XOR_ROWS)
                api.put("/v1/models/brief", XOR)
                api.put("/v1/datasets/brief", {"inputs": XOR_ROWS["inputs"], "targets": XOR_ROWS["targets"]})
                api.delete("/v1/models/brief")
                api.delete("/v1/datasets/brief")
            api.close()

        job = self.ok(self.api.post(at + "/train", dict(XOR_ROWS, epochs=LONG, publish_seconds=0)), 202)
        thread = threading.Thread(target=churn)
        thread.start()
        try:
            for _ in range(10):
                members = self.bundle()
                for name, content in members.items():
                    if name.endswith(".safetensors"):
                        self.assertEqual(hashlib.sha256(content[:-32]).digest(), content[-32:], name)
        finally:
            stop.set()
            thread.join()
            self.cancel(job)
        self.nothing_staged()


class BundleFaults(Bundle, Faulty):
    def exports(self, action):
        """The reply when the nth call that changes a file fails, until none does."""
        for n in range(1, 100):
            self.page.arm(FILES, action, n)
            reply = self.attempt(lambda: self.api.get("/v1/export"))
            hits = self.page.hits if action == DIE else self.page.disarm()
            yield n, reply
            if not hits:
                self.assertGreater(n, 10)  # folders, links, the file of a version of learn
                return
        self.fail("there is no end to it")

    def test_disks_that_fail_and_deaths_change_nothing(self):
        at = self.model()
        self.ok(self.api.post(at + "/learn", XOR_ROWS))
        self.ok(self.api.put("/v1/datasets/d", {"inputs": [[1], [2]], "targets": [[1], [2]]}), 201)
        self.restart()  # the version of learn is on disk alone
        before = self.everything()
        for action, status, kind in ((EIO, 500, "io"), (ENOSPC, 507, "full")):
            for n, reply in self.exports(action):
                self.assertIsNotNone(reply, n)
                if reply.status == 200:
                    self.members(reply.body)
                else:
                    self.problem(reply, status, kind)
        self.assertEqual(reply.status, 200, reply)
        for n, reply in self.exports(DIE):
            self.restart()
            self.assertEqual(os.listdir(os.path.join(self.folder, "tmp")), [], n)
            self.assertEqual(self.everything(), before, n)
        self.assertEqual(reply.status, 200, reply)
        self.page.set(main_calls=0)
        self.bundle()
        self.assertEqual(self.page.main_calls, 0)


if __name__ == "__main__":
    main()
