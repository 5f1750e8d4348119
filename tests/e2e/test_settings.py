"""What the daemon is told by a file, the environment and flags, and what it says of settings that are wrong."""
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from harness import LONG, ROOT, SIGMAD, WAIT, XOR, XOR_ROWS, Daemon, Restarting, main
from test_damage import later, text_of, version_of


def run(*args, env=None):
    """Its exit code, and what it says on stdout and stderr."""
    done = subprocess.run([SIGMAD, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WAIT,
                          env=dict(os.environ, **(env or {})))
    return done.returncode, done.stdout, done.stderr


def write(path, text):
    with open(path, "w") as file:
        file.write(text)
    return path


class InFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sigmad-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, text):
        return write(os.path.join(self.folder, "sigmad.conf"), text)


class Settings(InFolder):
    def limits(self, *flags, env=None):
        daemon = Daemon(*flags, env=env)
        try:
            api = daemon.client()
            said = api.get("/v1/server").json["limits"]
            api.close()
        finally:
            self.assertEqual(daemon.end(), 0)
        return said["max_models"], said["max_datasets"], said["max_rows"], said["max_body"]

    def test_flags_over_environment_over_file_over_default(self):
        path = self.file("max-models = 1\nmax-datasets = 1 # one\nmax-rows = 1\n")
        self.assertEqual(self.limits("--config", path, "--max-models", "3",
                                     env={"SIGMAD_MAX_MODELS": "2", "SIGMAD_MAX_DATASETS": "2"}),
                         (3, 2, 1, 64 << 20))
        self.assertEqual(self.limits(env={"SIGMAD_CONFIG": path})[:3], (1, 1, 1))

    def test_a_bad_file_is_refused_before_anything_is_touched(self):
        state = os.path.join(self.folder, "state")
        for text, said in (
                ("\nwokers = 2\n", "unknown key 'wokers' in %s line 2; did you mean 'workers'?"),
                ("workers = 0\n", "workers in %s line 1 must be a whole number 1 to 256, is '0'"),
                ("workers = 2\nworkers = 2\n", "workers in %s line 2 is set in line 1 already"),
                ("workers\n", "%s line 1 must be `key = value`, is 'workers'")):
            with self.subTest(text=text):
                path = self.file(text)
                self.assertEqual(run("--config", path, "--state", state, "--workers", "1"),
                                 (2, "", "sigmad: %s\n" % (said % path)))
        self.assertEqual(run("--config", self.folder, "--state", state),
                         (2, "", "sigmad: --config must be a regular file; %s is none\n" % self.folder))
        self.assertFalse(os.path.exists(state))

    def test_an_unknown_variable_is_told_and_passed_over(self):
        daemon = Daemon(env={"SIGMAD_MAX_MODEL": "5", "SIGMAD_PORT": "tcp://10.0.0.1:8740"})
        self.assertEqual(daemon.end(), 0)
        self.assertIn("SIGMAD_MAX_MODEL is not a setting, and is passed over; did you mean SIGMAD_MAX_MODELS?", daemon.said())
        self.assertIn("SIGMAD_PORT is not a setting, and is passed over\n", daemon.said())

    def test_readmes_file_is_one(self):
        with open(os.path.join(ROOT, "README.md")) as file:
            text = re.search(r"\n((?:    .*\n)+)\nThe file has 64 KiB", file.read())[1]
        socket = os.path.join(self.folder, "socket")
        path = self.file(text.replace("/run/sigmad/socket", socket).replace(":8740", ":0"))
        daemon = subprocess.Popen([SIGMAD, "--config", path, "--state", "none"], stderr=subprocess.PIPE, text=True)
        with daemon:
            for line in daemon.stderr:
                if "listening on unix:" + socket in line:
                    break
            daemon.terminate()
            daemon.stderr.read()
        self.assertEqual(daemon.returncode, 0)


class Health(InFolder):
    def stand_in(self, answer):
        """The address of a server that answers one connection with these bytes; hangs up if there are none."""
        server = socket.create_server(("127.0.0.1", 0))
        server.settimeout(WAIT)

        def serve():
            with server, server.accept()[0] as peer:
                self.asked = read_head(peer)
                peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(thread.join)
        return "127.0.0.1:%d" % server.getsockname()[1]

    def test_a_daemon_that_is_up_and_one_that_is_not(self):
        path = os.path.join(self.folder, "socket")
        daemon = Daemon("--listen", "unix:" + path)
        try:
            address = "127.0.0.1:%d" % daemon.port
            self.assertEqual(run("health", "--listen", address), (0, "", ""))
            self.assertEqual(run("health", "--listen", "unix:" + path), (0, "", ""))
            self.assertEqual(run("health", env={"SIGMAD_LISTEN": address}), (0, "", ""))
            config = self.file("listen = %s\nlisten = 127.0.0.1:1\n" % address)
            self.assertEqual(run("health", "--config", config), (0, "", ""))
        finally:
            self.assertEqual(daemon.end(), 0)
        self.assertEqual(run("health", "--listen", address),
                         (1, "", "sigmad: %s cannot be reached: Connection refused\n" % address))
        self.assertEqual(run("health", "--listen", "unix:" + path),
                         (1, "", "sigmad: unix:%s cannot be reached: No such file or directory\n" % path))

    def test_a_daemon_that_drains(self):
        daemon = Daemon()
        with daemon.connect() as half:
            half.sendall(b"GET / HTTP/1.1\r\n")
            daemon.process.send_signal(signal.SIGTERM)
            daemon.wait_line("finishing")
            code, out, err = run("health", "--listen", "127.0.0.1:%d" % daemon.port)
        self.assertEqual((code, out, err.count("\n")), (1, "", 1), err)
        self.assertEqual(daemon.end(), 0)

    def test_answers_that_do_not_say_ready(self):
        for answer, said in (
                (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "is not ready: it answers 503"),
                (b"HTTP/1.1 404 Not Found\r\n\r\n", "is not ready: it answers 404"),
                (b"HTTP/1.1 2000 ?\r\n\r\n", "does not speak HTTP"),
                (b"SSH-2.0-OpenSSH_9.2p1\r\n", "does not speak HTTP"),
                (b"HTTP/1.1", "has hung up without an answer"), (b"", "has hung up without an answer")):
            with self.subTest(answer=answer):
                address = self.stand_in(answer)
                self.assertEqual(run("health", "--listen", address), (1, "", "sigmad: %s %s\n" % (address, said)))
        address = self.stand_in(b"HTTP/1.1 200 OK\r\n\r\n")
        self.assertEqual(run("health", "--listen", address), (0, "", ""))
        self.assertEqual(self.asked.split(b"\r\n")[0], b"GET /v2/health/ready HTTP/1.1")

    def test_one_that_says_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = "127.0.0.1:%d" % server.getsockname()[1]
            self.assertEqual(run("health", "--listen", address),
                             (1, "", "sigmad: %s does not answer within 5 s\n" % address))

    def test_settings_that_are_wrong(self):
        for flags, said in ((("--listen", "127.0.0.1:0"), "--listen is 127.0.0.1:0: nobody knows which port was picked"),
                            (("--listen", "nowhere"), "--listen must be ADDR:PORT or unix:PATH, is 'nowhere'"),
                            (("--workers", "0"), "--workers must be a whole number 1 to 256, is '0'")):
            self.assertEqual(run("health", *flags), (2, "", "sigmad: %s\n" % said))
        self.assertEqual(run("helth"), (2, "", "sigmad: helth is not a command; did you mean health?\n"))


class Check(Restarting):
    """Of a state with all there is in it, made once; each test has a copy."""

    flags = ("--checkpoint-seconds", "1")

    def setUp(self):
        super().setUp()
        if not hasattr(Check, "made"):
            self.fill()
            self.stop()  # by kill: the job goes on
            Check.made = tempfile.mkdtemp(prefix="sigmad-test-")
            Check.addClassCleanup(shutil.rmtree, Check.made)
        else:
            self.stop(signal.SIGTERM)
            shutil.rmtree(self.state)
            shutil.copytree(Check.made, self.state)
            return
        shutil.copytree(self.state, Check.made, dirs_exist_ok=True)

    def fill(self):
        self.ok(self.api.put("/v1/datasets/d", "1,2,a\n3,4,b\n", "text/csv"), 201)
        for name in ("learnt", "m"):
            self.ok(self.api.put("/v1/models/" + name, XOR), 201)
        for _ in range(3):
            self.ok(self.api.post("/v1/models/learnt/learn", XOR_ROWS, Idempotency_Key="key"))
            self.ok(self.api.post("/v1/models/learnt/learn", XOR_ROWS))
        for _ in range(2):
            self.train("/v1/models/m", epochs=1, **XOR_ROWS)
        self.ok(self.api.post("/v1/models/m/promote", {"version": 2}))
        self.ok(self.api.put("/v1/models/other", XOR), 201)
        rows = dict(XOR_ROWS, validation=XOR_ROWS)
        self.ok(self.api.post("/v1/models/other/train", dict(rows, epochs=LONG, publish="end")), 202)
        self.until(lambda: glob.glob(self.state + "/jobs/*/checkpoint"), bool)

    def path(self, pattern):
        (found,) = glob.glob(os.path.join(self.state, pattern))
        return found

    def snapshot(self):
        seen = {}
        for folder, folders, files in os.walk(self.state):
            for name in folders + files:
                path = os.path.join(folder, name)
                status = os.stat(path)
                seen[path] = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
        return seen

    def check(self, *flags, code=0):
        """What it says, and that it changes nothing."""
        before = self.snapshot()
        got, out, err = run("check", "--state", self.state, *flags)
        self.assertEqual((got, err), (code, ""), out)
        self.assertEqual(self.snapshot(), before)
        self.assertEqual(out.endswith("\nall is well\n"), code == 0, out)
        return out

    def test_a_state_that_is_well(self):
        self.assertIn("state: %s\n  models: 3, of 5 versions with files and 4 steps of learn\n  data sets: 1\n"
                      "  jobs: 3, 1 of them not ended\nall is well\n" % self.state, self.check())

    def test_an_import_that_a_start_finishes_counts(self):
        model = [name for name in os.listdir(self.state + "/models") if "@" in name][0]
        os.makedirs(self.state + "/import/models")
        os.rename("%s/models/%s" % (self.state, model), "%s/import/models/%s" % (self.state, model))
        self.assertIn("  models: 3, of 5 versions with files and 4 steps of learn\n", self.check())
        version = "%s/import/models/%s/1.safetensors" % (self.state, model)
        os.rename(version, version + "-")
        with open(version + "-", "rb") as old, open(version, "wb") as new:
            new.write(old.read()[:-1])
        self.assertIn(version, self.check(code=1))

    def test_settings_and_where_they_come_from(self):
        config = write(self.state + ".conf", "\nmax-rows = 5\nlisten = 127.0.0.1:0\n")
        self.addCleanup(os.unlink, config)
        out = run("check", "--state", "none", "--workers", "3", "--max-body=2048k", "--config", config,
                  env={"SIGMAD_MAX_MODELS": "7", "SIGMAD_WROKERS": "1"})[1]
        rows = [re.split(r"  +", line.strip(), maxsplit=2) for line in out.split("state:")[0].splitlines()[1:]]
        rows = {row[0]: tuple(row[1:]) for row in rows}
        self.assertEqual(rows["max-rows"], ("5", config + " line 2"))
        self.assertEqual(rows["listen"], ("127.0.0.1:0", config + " line 3"))
        self.assertEqual(rows["workers"], ("3", "--workers"))
        self.assertEqual(rows["max-body"], ("2m", "--max-body"))
        self.assertEqual(rows["max-models"], ("7", "SIGMAD_MAX_MODELS"))
        self.assertEqual(rows["max-jobs"], ("1000", "default"))
        self.assertEqual(rows["state"], ("none", "--state"))
        self.assertIn("SIGMAD_WROKERS is not a setting, and is passed over; did you mean SIGMAD_WORKERS?", out)
        self.assertTrue(out.endswith("state: in memory alone, gone when the process ends\nall is well\n"), out)

    def test_beside_a_daemon_at_work(self):
        self.start()
        code, out, err = run("check", "--state", self.state)
        self.assertEqual((code, err), (0, ""), out)
        self.assertIn("state: %s, in use by a sigmad: read as it works\n" % self.state, out)
        self.ok(self.api.post("/v1/models/m/learn", XOR_ROWS))
        self.stop(signal.SIGTERM)

    def test_settings_that_only_use_shows_to_be_wrong(self):
        for flags, said in ((("--listen", "0.0.0.0:0"), "--listen 0.0.0.0:0 is not a loopback address"),
                            (("--listen", "999.0.0.1:1"), "--listen '999.0.0.1:1' is no address"),
                            (("--listen", "x"), "--listen must be ADDR:PORT or unix:PATH, is 'x'"),
                            (("--isa", "neon" if os.uname().machine == "x86_64" else "avx2"), "--isa ")):
            self.assertIn("\nwrong: " + said, self.check(*flags, code=2))
        self.check("--listen", "0.0.0.0:0", "--insecure")
        self.assertEqual(run("check", "--workers", "0"),
                         (2, "", "sigmad: --workers must be a whole number 1 to 256, is '0'\n"))

    def test_folders_that_are_none(self):
        new = os.path.join(self.state, "new", "er")
        self.assertIn("state: %s, which would be made\n" % new, self.check("--state", new))
        file = self.path("models/m@*/1.safetensors")
        self.assertIn("wrong: %s is not a folder\n" % file, self.check("--state", file, code=1))
        self.assertIn("which cannot be made\n", self.check("--state", file + "/in", code=1))

    def damage(self, pattern, at):
        """Flips a byte; negative: from the end. The path."""
        path = self.path(pattern)
        with open(path, "r+b") as file:
            file.seek(at, 0 if at >= 0 else 2)
            byte = file.read(1)
            file.seek(at, 0 if at >= 0 else 2)
            file.write(bytes([byte[0] ^ 1]))
        return path

    def test_what_it_says_of_damage_is_what_a_start_does(self):
        aside = {self.damage("models/m@*/3.safetensors", 40), self.damage("models/m@*/served", 0),
                 self.damage("models/learnt@*/learn-1-2", -1), os.path.dirname(self.damage("datasets/d@*/dataset.json", 30)),
                 os.path.dirname(self.damage("jobs/1/job.json", 30)), self.damage("jobs/3/checkpoint", -40)}
        for path in (self.state + "/models/stray", self.path("models/m@*") + "/stray"):
            aside.add(write(path, ""))
        out = self.check(code=1)
        self.assertEqual({line.split()[1] for line in out.splitlines() if line.startswith("  wrong: ")}, aside, out)
        self.start()
        self.assertEqual(set(self.ok(self.api.get("/v1/server"))["corrupt"]), {path + ".corrupt" for path in aside})
        self.stop(signal.SIGTERM)
        self.assertIn("  set aside at earlier starts (*.corrupt): %d\n" % len(aside), self.check())

    def test_a_model_of_which_nothing_can_be_read(self):
        version = self.damage("models/learnt@*/1.safetensors", 40)
        aside = {version, os.path.dirname(version)}
        out = self.check(code=1)
        self.assertEqual({line.split()[1] for line in out.splitlines() if line.startswith("  wrong: ")}, aside, out)
        self.start()
        self.assertEqual(set(self.ok(self.api.get("/v1/server"))["corrupt"]), {path + ".corrupt" for path in aside})

    def test_later_formats_are_left_alone(self):
        left = {self.path("models/m@*/3.safetensors"), self.path("datasets/d@*"), self.path("jobs/1")}
        version_of(self.path("models/m@*/3.safetensors"), later(b"format_version"))
        for path in (self.path("datasets/d@*/dataset.json"), self.path("jobs/1/job.json")):
            text_of(path, later(b"format"))
        lines = [line.split(maxsplit=2) for line in self.check(code=1).splitlines() if line.startswith("  wrong: ")]
        self.assertEqual({line[1] for line in lines}, left)
        for line in lines:
            self.assertRegex(line[2], "^would be left, and not read: .*77")
        self.start()
        self.assertEqual(set(self.ok(self.api.get("/v1/server"))["newer"]), left)

    def test_damage_that_a_start_does_not_look_for(self):
        for pattern, at, said in (
                ("models/m@*/1.safetensors", -40, "would be set aside if it is served, else refused when asked for: checksum"),
                ("datasets/d@*/features", 1, "would be used all the same: digest does not match the data"),
                ("jobs/3/data/features", 1, "would end the job that reads it: digest does not match the data"),
                ("jobs/3/validation/targets", 1, "would end the job that reads it: digest does not match the data")):
            with self.subTest(pattern=pattern):
                path = self.damage(pattern, at)
                if not pattern.startswith("models"):
                    path = os.path.dirname(path)
                self.assertIn("  wrong: %s %s" % (path, said), self.check(code=1))
                self.damage(pattern, at)
        shutil.rmtree(self.path("jobs/3/data"))
        self.assertIn("would end the job that reads it: ", self.check(code=1))


def read_head(peer):
    """A request's head."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = peer.recv(4096)
        if not piece:
            break
        got += piece
    return got


if __name__ == "__main__":
    main()
