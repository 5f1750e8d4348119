"""What the daemon is told by a file, the environment and flags, and what it says of settings that are wrong."""
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from harness import ROOT, SIGMAD, WAIT, Daemon, main


def run(*args, env=None):
    """Its exit code, and what it says on stdout and stderr."""
    done = subprocess.run([SIGMAD, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WAIT,
                          env=dict(os.environ, **(env or {})))
    return done.returncode, done.stdout, done.stderr


class InFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sigmad-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, text, name="sigmad.conf"):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(text)
        return path


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
