"""The units in systemd/: what systemd itself says of them, and the daemon under their system calls."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import sandbox
from harness import DIGITS, ROOT, SIGMAD, WAIT, Case, Daemon, digits, main

UNITS = os.path.join(ROOT, "systemd")
SERVICES = ("sigmad.service", "sigmad@.service")
EXPOSURE = 11  # tenths; what is left is the network, on loopback, and setpriority
SANITIZED = any(name in os.environ for name in ("ASAN_OPTIONS", "TSAN_OPTIONS"))


def unit(name):
    with open(os.path.join(UNITS, name)) as file:
        return file.read()


@unittest.skipIf(shutil.which("systemd-analyze") is None, "no systemd-analyze here")
class Units(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sigmad-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        for name in SERVICES + ("sigmad.socket",):
            with open(os.path.join(self.folder, name), "w") as file:
                file.write(unit(name).replace("@BIN@", SIGMAD))

    def analyze(self, *args):
        # stdout and stderr: verify complains on the latter, and exits with 0 all the same
        done = subprocess.run(["systemd-analyze", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=WAIT, cwd=self.folder)
        return done.returncode, done.stdout

    def test_verify_has_nothing_to_say(self):
        # one of a template: what %i stands for
        os.symlink("sigmad@.service", os.path.join(self.folder, "sigmad@one.service"))
        for name in ("sigmad.service", "sigmad.socket", "sigmad@one.service"):
            self.assertEqual(self.analyze("verify", "--man=no", "./" + name), (0, ""), name)

    def test_verify_would_say_something(self):
        with open(os.path.join(self.folder, "sigmad.service"), "a") as file:
            file.write("[Service]\nProtectEverything=yes\n")
        self.assertIn("ProtectEverything", self.analyze("verify", "--man=no", "./sigmad.service")[1])

    def test_little_is_exposed(self):
        for name in SERVICES:
            code, said = self.analyze("security", "--offline=true", "--no-pager", "--threshold=%d" % EXPOSURE,
                                      "./" + name)
            self.assertEqual(code, 0, said)

    def test_socket_activation_with_the_unit_alone(self):
        """What FileDescriptorName= and the addresses of the .socket are made of is what we take."""
        listen = re.findall("^ListenStream=(.*)$", unit("sigmad.socket"), re.M)
        self.assertEqual(listen, ["127.0.0.1:8740", "%t/sigmad.sock"])
        self.assertNotIn("Accept=", unit("sigmad.socket"))


class Files(unittest.TestCase):
    def test_an_instance_differs_in_what_is_its_own(self):
        one = unit("sigmad.service").splitlines()
        many = unit("sigmad@.service").splitlines()
        self.assertEqual([line for line in many if line not in one], [
            "Description=sigmad %i, a daemon that trains and serves feed-forward neural networks",
            "# an address of its own, unless its settings say another",
            "Environment=SIGMAD_LISTEN=unix:%t/sigmad-%i/http.sock", "EnvironmentFile=-/etc/sigmad/%i.env",
            "StateDirectory=sigmad-%i", "RuntimeDirectory=sigmad-%i"])
        self.assertEqual(len([line for line in one if line not in many]), 4)

    def test_the_stop_has_longer_than_the_drain(self):
        helped = subprocess.run([SIGMAD, "--help"], capture_output=True, text=True, timeout=WAIT).stdout
        drain = int(re.search(r"\[(\d+)\]; SIGMAD_DRAIN_TIMEOUT$", helped, re.M)[1])
        stop = int(re.search(r"^TimeoutStopSec=(\d+)s$", unit("sigmad.service"), re.M)[1])
        self.assertGreaterEqual(stop, drain + 10)

    def test_the_settings_file_has_the_defaults(self):
        helped = subprocess.run([SIGMAD, "--help"], capture_output=True, text=True, timeout=WAIT).stdout
        usual = {name: value for value, name in re.findall(r" \[([^\]]*)\]; (SIGMAD_[A-Z_]+)$", helped, re.M)}
        lines = [line for line in unit("sigmad.env").splitlines() if "=" in line]
        self.assertGreater(len(lines), 10)
        for line in lines:
            name, value = re.fullmatch("#(SIGMAD_[A-Z_]+)=(.*)", line).groups()
            self.assertIn(name, usual)
            self.assertEqual(value, usual[name], line)

    def test_install_puts_them_where_systemd_looks(self):
        root = tempfile.mkdtemp(prefix="sigmad-test-")
        self.addCleanup(shutil.rmtree, root, ignore_errors=True)
        # -o, -W: the program is taken as it is, whatever else make may want to do first
        done = subprocess.run(["make", "-s", "install", "DESTDIR=" + root, "PREFIX=/usr", "-o", "all",
                               "BUILD=" + os.path.dirname(SIGMAD)],
                              cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=4 * WAIT)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = sorted(os.path.relpath(os.path.join(at, name), root)
                       for at, _, names in os.walk(root) for name in names)
        found = [path for path in found if "/systemd/" in path or "/bin/" in path or path.endswith(".env")]
        self.assertEqual(found, ["usr/bin/sigmad", "usr/lib/systemd/system/sigmad.service",
                                 "usr/lib/systemd/system/sigmad.socket",
                                 "usr/lib/systemd/system/sigmad@.service", "usr/share/doc/sigmad/examples/sigmad.env"])
        for name in SERVICES:
            with open(os.path.join(root, "usr/lib/systemd/system", name)) as file:
                self.assertIn("\nExecStart=/usr/bin/sigmad\n", file.read())


@unittest.skipIf(shutil.which("systemd-analyze") is None, "no systemd-analyze here")
@unittest.skipUnless(sandbox.available(), "the filter is written for another machine")
@unittest.skipIf(SANITIZED, "sanitizers need system calls that the daemon does not")
class Confined(Case):
    """The daemon under the filters of the unit."""

    def confined(self, *also):
        before = ("/usr/bin/python3", sandbox.__file__, os.path.join(UNITS, "sigmad.service"),
                  *(("--also", ",".join(also)) if also else ()))
        daemon = Daemon(before=before)
        self.addCleanup(lambda: daemon.process.poll() is None and daemon.end())
        return daemon

    def work_out(self, daemon):
        """Every kind of thing there is to do, through the daemon's threads and files."""
        self.api.close()
        self.api = daemon.client()
        self.digits()
        at = self.model(DIGITS)
        self.train(at, dataset="digits-train", epochs=2)
        self.ok(self.api.post(at + "/learn", {"inputs": digits("test")[0][:4], "labels": digits("test")[1][:4]}))
        self.ok(self.api.post(at + "/predict", {"inputs": digits("test")[0]}))
        for path in (at + "/export?format=onnx", "/v1/export", "/v1/server", "/metrics"):
            self.assertEqual(self.api.get(path).status, 200)
        self.ok(self.api.delete(at), 204)

    def test_it_works_within_them(self):
        daemon = self.confined()
        with open("/proc/%d/status" % daemon.process.pid) as file:
            self.assertRegex(file.read(), r"\nSeccomp:\t2\n")
        self.work_out(daemon)
        # what gives predictions their precedence is among what is allowed
        self.assertIn(19, self.niceness(daemon))
        self.assertEqual(daemon.end(), 0)

    def test_it_works_without_what_it_asks_for_in_vain(self):
        daemon = self.confined("setpriority", "prlimit64", "sched_setaffinity", "fallocate", "fadvise64",
                               "sync_file_range", "madvise")
        self.work_out(daemon)
        self.assertNotIn(19, self.niceness(daemon))
        self.assertEqual(daemon.end(), 0)

    def niceness(self, daemon):
        tasks = "/proc/%d/task" % daemon.process.pid
        return {os.getpriority(os.PRIO_PROCESS, int(task)) for task in os.listdir(tasks)}

    def test_the_filter_is_one(self):
        """Something that the unit forbids is forbidden: it can fail."""
        forbidden = "import os, sys\ntry: os.sched_setaffinity(0, {0})\nexcept PermissionError: sys.exit(7)"
        done = subprocess.run(["/usr/bin/python3", sandbox.__file__, os.path.join(UNITS, "sigmad.service"),
                               "/usr/bin/python3", "-c", forbidden], stdin=subprocess.DEVNULL, timeout=WAIT)
        self.assertEqual(done.returncode, 7)


if __name__ == "__main__":
    main()
