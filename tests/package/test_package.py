"""The Debian package and the source tarball: what is in them, and the life of an installed package in a Debian of its own.

DEB names the package. The Debian is made by debootstrap from the mirror that apt uses, below a temporary folder, and entered by
chroot; nothing is installed outside of it, and no init runs in it."""
import glob
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEB = os.path.abspath(os.environ.get("DEB", ""))
DEBOOTSTRAP = 300  # seconds
LIBRARIES = "libmicrohttpd12,libjansson4,libuv1,libgnutls30,zlib1g"
STATE = "var/lib/private/sigmad"  # where StateDirectory=sigmad and DynamicUser=yes have it


def run(*command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)


class Folder(unittest.TestCase):
    """Each test has a temporary folder."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sigmad-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def ok(self, *command, **more):
        done = run(*command, **more)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout


class Contents(Folder):
    def unpacked(self):
        self.ok("dpkg-deb", "-x", DEB, self.folder)
        return self.folder

    def test_lintian_has_nothing_to_say(self):
        # As root it says that, on stderr.
        done = subprocess.run(["lintian", "--fail-on", "error,warning", "--tag-display-limit", "0", DEB],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_it_holds_what_it_should(self):
        at = self.unpacked()
        for path in ("usr/bin/sigmad", "lib/systemd/system/sigmad.service", "lib/systemd/system/sigmad@.service",
                     "lib/systemd/system/sigmad.socket", "etc/sigmad/sigmad.env",
                     "usr/share/bash-completion/completions/sigmad", "usr/share/doc/sigmad/README.md.gz",
                     "usr/share/doc/sigmad/copyright", "usr/share/doc/sigmad/examples/alerts.yml",
                     "usr/share/doc/sigmad/examples/grafana.json"):
            self.assertTrue(os.path.exists(os.path.join(at, path)), path)
        version = self.ok("dpkg-deb", "-f", DEB, "Version").strip()
        self.assertEqual(self.ok(os.path.join(at, "usr/bin/sigmad"), "--version"), "sigmad %s\n" % version)
        self.assertEqual(self.ok("gzip", "-dc", at + "/usr/share/man/man8/sigmad.8.gz"),
                         self.ok("cat", os.path.join(ROOT, "systemd/sigmad.8")))
        for unit in glob.glob(at + "/lib/systemd/system/*.service"):
            with open(unit) as file:
                text = file.read()
            self.assertNotIn("@BIN@", text)
            self.assertIn("ExecStart=/usr/bin/sigmad", text)

    def test_its_example_runs(self):
        at = self.unpacked()
        said = self.ok(at + "/usr/share/doc/sigmad/examples/tests/demo.sh",
                       env=dict(os.environ, SIGMAD=at + "/usr/bin/sigmad"), timeout=120)
        self.assertIn("sigmad answers on http://", said)

    def test_bash_completes(self):
        at = self.unpacked()

        def complete(*words):
            script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sigmad; printf "%s\\n" "${COMPREPLY[@]}"'
            return self.ok("bash", "-c", script, "bash", at + "/usr/share/bash-completion/completions/sigmad",
                           at + "/usr/bin/sigmad", *words).split()

        self.assertEqual(complete("--durab"), ["--durability"])
        self.assertEqual(complete("--durability", ""), ["power", "process"])
        self.assertEqual(complete("--durability", "=", "pr"), ["process"])
        self.assertEqual(complete("--workers", ""), [])
        flags = set(re.findall(r"^  (--[a-z-]+)", self.ok(at + "/usr/bin/sigmad", "--help"), re.M))
        self.assertGreater(len(flags), 20)
        self.assertEqual(set(complete("--")), flags)


class Tarball(Folder):
    def made(self, where, name):
        path = os.path.join(self.folder, name)
        self.ok(os.path.join(where, "systemd/dist.sh"), "1.2.3", path)
        with open(path, "rb") as file:
            return path, hashlib.sha256(file.read()).hexdigest()

    def test_it_is_the_same_from_a_clone_and_from_itself(self):
        if not os.path.exists(os.path.join(ROOT, ".git")):
            self.skipTest("these sources are no git repository")
        clones = [os.path.join(self.folder, name) for name in ("one", "two")]
        for clone in clones:
            self.ok("git", "clone", "-q", ROOT, clone)
        self.ok("chmod", "-R", "g-r,o-rwx", clones[1] + "/tests")
        os.utime(clones[1] + "/README.md", (1, 1))
        first, second = (self.made(clone, os.path.basename(clone) + ".tar.gz") for clone in clones)
        self.assertEqual(first[1], second[1])
        self.ok("tar", "-xzf", first[0], "-C", self.folder)
        again = self.made(os.path.join(self.folder, "sigmad-1.2.3"), "again.tar.gz")
        self.assertEqual(again[1], first[1])
        listed = self.ok("tar", "-tzf", first[0]).splitlines()
        self.assertEqual(listed, sorted(listed))
        known = self.ok("git", "-C", clones[0], "ls-files").splitlines()
        self.assertEqual(sorted("sigmad-1.2.3/" + name for name in known), listed)


class Life(Folder):
    """A package comes and goes, for each test in a new copy of one Debian."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root can chroot")
        cls.made = tempfile.mkdtemp(prefix="sigmad-test-")
        cls.addClassCleanup(shutil.rmtree, cls.made, ignore_errors=True)
        with open("/etc/os-release") as file:
            codename = re.search(r"^VERSION_CODENAME=(\w+)", file.read(), re.M)
        sites = run("apt-get", "indextargets", "--format", "$(SITE)").stdout.split()
        if codename is None or not sites:
            raise unittest.SkipTest("apt knows no mirror of this Debian")
        try:
            made = run("debootstrap", "--variant=minbase", "--include=" + LIBRARIES, codename[1], cls.made, sites[0],
                       timeout=DEBOOTSTRAP)
        except (subprocess.TimeoutExpired, OSError) as error:
            raise unittest.SkipTest("no Debian can be made here: %s" % error) from None
        if made.returncode != 0:
            raise unittest.SkipTest("no Debian can be made here: " + made.stdout[-300:])

    def setUp(self):
        super().setUp()
        self.debian = os.path.join(self.folder, "debian")
        self.ok("cp", "-a", "--reflink=auto", self.made, self.debian)

    def inside(self, *command, **more):
        return self.ok("chroot", self.debian, *command, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
                       **more)

    def dpkg(self, *arguments):
        for package in arguments:
            if package.startswith("/"):
                shutil.copy(package, self.debian)
        return self.inside("dpkg", "--force-confold",
                           *("/" + os.path.basename(one) if one.startswith("/") else one for one in arguments))

    def upgraded(self):
        """The same package, with a later version."""
        tree, deb = os.path.join(self.folder, "later"), os.path.join(self.folder, "later.deb")
        self.ok("dpkg-deb", "-R", DEB, tree)
        control = os.path.join(tree, "DEBIAN/control")
        with open(control) as file:
            text = re.sub(r"(?m)^(Version: .*)$", r"\1+later", file.read())
        with open(control, "w") as file:
            file.write(text)
        self.ok("dpkg-deb", "--root-owner-group", "-b", tree, deb)
        return deb

    def ask(self, *requests):
        """What a daemon of the installed package answers, one after the other; it is ended then."""
        for status, said in self.replies(*requests):
            self.assertIn(status, (200, 201), said)
            yield said

    def replies(self, *requests, env=None, token=None):
        os.makedirs(os.path.join(self.debian, STATE), exist_ok=True)
        link = os.path.join(self.debian, "var/lib/sigmad")
        if not os.path.islink(link):
            os.symlink("private/sigmad", link)
        daemon = subprocess.Popen(["chroot", self.debian, "/usr/bin/sigmad", "--listen", "127.0.0.1:0"],
                                  env=dict(os.environ, STATE_DIRECTORY="/var/lib/sigmad", **(env or {})), stderr=subprocess.PIPE, text=True)
        try:
            port = None
            while port is None:
                line = daemon.stderr.readline()
                self.assertTrue(line, "it ended")
                port = re.match(r"sigmad: listening on http://127.0.0.1:(\d+)", line)
            for method, path, body in requests:
                connection = http.client.HTTPConnection("127.0.0.1", int(port[1]), timeout=60)
                connection.request(method, path, body, dict({"Content-Type": "application/json"},
                                                            **({"Authorization": "Bearer " + token} if token else {})))
                reply = connection.getresponse()
                text = reply.read()
                connection.close()
                yield reply.status, json.loads(text)
            daemon.send_signal(signal.SIGTERM)
            daemon.stderr.read()
            self.assertEqual(daemon.wait(60), 0)
        finally:
            daemon.kill()
            daemon.wait()
            daemon.stderr.close()

    def test_readme_s_ten_lines(self):
        """What systemd does not do of them: the token is made and asked for, and the unit that they change is well."""
        with open(os.path.join(ROOT, "README.md")) as file:
            lines = file.read().split("in this folder:\n\n")[1].split("\n\n")[0].splitlines()
        self.assertEqual(len(lines), 10)
        self.dpkg("-i", DEB)
        self.inside("sh", "-ec", "\n".join(line for line in lines[2:6]))
        unit = self.debian + "/lib/systemd/system/sigmad.service"
        dropin = self.debian + "/etc/systemd/system/sigmad.service.d/tokens.conf"
        with open(dropin) as file:
            self.assertEqual(file.read(), "[Service]\nLoadCredential=tokens:/etc/sigmad/tokens\n")
        if shutil.which("systemd-analyze"):
            shutil.copy(unit, self.folder)
            shutil.copytree(os.path.dirname(dropin), self.folder + "/sigmad.service.d")
            with open(self.folder + "/sigmad.service") as file:
                text = file.read().replace("/usr/bin/sigmad", "/bin/true")
            with open(self.folder + "/sigmad.service", "w") as file:
                file.write(text)
            self.assertEqual(self.ok("systemd-analyze", "verify", "--man=no", self.folder + "/sigmad.service"), "")
        with open(self.debian + "/root/ops") as file:
            token = file.readline().strip()
        credentials = {"CREDENTIALS_DIRECTORY": "/etc/sigmad"}
        self.assertEqual([status for status, _ in self.replies(("GET", "/v1/models", None), env=credentials)], [401])
        self.assertEqual([status for status, _ in self.replies(("GET", "/v1/models", None), env=credentials, token=token)],
                         [200])

    def ours(self):
        """What is left of it, but for dpkg's own notes and the packages we brought."""
        found = self.inside("find", "/", "-xdev", "-iname", "*sigmad*", "-not", "-path", "/proc/*").split()
        return [path for path in found if not path.endswith(".deb")]

    def test_installed_upgraded_removed_and_purged(self):
        self.assertEqual(self.ours(), [])
        self.dpkg("-i", DEB)
        self.assertIn("install ok installed", self.inside("dpkg", "-s", "sigmad"))
        spec = json.dumps({"inputs": 2, "layers": [{"units": 1, "activation": "sigmoid"}], "cost": "mse", "seed": 1})
        made, = self.ask(("PUT", "/v1/models/kept", spec))
        for path in glob.glob(self.debian + "/etc/sigmad/*"):
            with open(path, "a") as file:
                file.write("# ours\n")
        self.dpkg("-i", self.upgraded())
        self.assertIn("+later", self.inside("dpkg", "-s", "sigmad"))
        there, = self.ask(("GET", "/v1/models/kept", None))
        self.assertEqual(there, made)
        for path in glob.glob(self.debian + "/etc/sigmad/*"):
            with open(path) as file:
                self.assertIn("# ours\n", file.read(), path)
        self.dpkg("-r", "sigmad")
        self.assertFalse(os.path.exists(self.debian + "/usr/bin/sigmad"))
        self.assertEqual(glob.glob(self.debian + "/lib/systemd/system/sigmad*"), [])
        self.assertTrue(os.listdir(os.path.join(self.debian, STATE)), "what it kept stays")
        self.dpkg("-P", "sigmad")
        self.assertEqual(self.ours(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
