"""What the end-to-end tests stand on: a daemon of their own, an HTTP client, a raw socket.

Each test class starts one daemon on a temporary state folder and a free port, and ends it with
SIGTERM, which must exit with 0. Nothing is found or ended by name, so tests run in parallel, and a
test that fails shows what its daemon said meanwhile. SIGMAD names the binary; SLOW stretches every
wait.
"""
import contextlib
import csv
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SIGMAD = os.environ.get("SIGMAD", os.path.join(ROOT, "build", "sigmad"))
SLOW = float(os.environ.get("SLOW", "1"))
WAIT = 30 * SLOW  # seconds for anything that should come at once


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body, parse_constant=not_json)

    def __repr__(self):
        return "%d %s" % (self.status, self.body[:2000].decode("utf-8", "replace"))


def not_json(text):
    raise ValueError("%s is not JSON" % text)


class Client:
    """One keep-alive connection."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)

    def ask(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        if body is not None and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        self.connection.request(method, path, body, headers)
        reply = self.connection.getresponse()
        return Reply(reply.status, reply.headers, reply.read())

    def get(self, path, **headers):
        return self.ask("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def put(self, path, body, kind="application/json"):
        return self.ask("PUT", path, body, {"Content-Type": kind})

    def post(self, path, body=b"", **headers):
        return self.ask("POST", path, body, {k.replace("_", "-"): v for k, v in headers.items()})

    def delete(self, path):
        return self.ask("DELETE", path)

    def close(self):
        self.connection.close()


class Daemon:
    """A running sigmad. state: its folder, made and removed here unless given. before: a command that
    becomes it."""

    def __init__(self, *flags, state=None, env=None, before=()):
        self.state = state or tempfile.mkdtemp(prefix="sigmad-test-")
        self.owns_state = state is None
        self.lines = []
        self.heard = threading.Condition()
        self.process = subprocess.Popen(
            [*before, SIGMAD, "--listen", "127.0.0.1:0", "--state", self.state, *flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=dict(os.environ, **(env or {})))
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        try:
            self.port = int(self.wait_line(r"^sigmad: listening on https?://127\.0\.0\.1:(\d+)$")[1])
        except BaseException:
            self.end(signal.SIGKILL)
            raise

    def read(self):
        for line in self.process.stderr:
            with self.heard:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self.heard.notify_all()
        with self.heard:
            self.lines.append(None)
            self.heard.notify_all()

    def wait_line(self, pattern):
        def found():
            for line in self.lines:
                match = line is None or re.search(pattern, line)
                if match:
                    return match
            return None

        with self.heard:
            match = self.heard.wait_for(found, WAIT)
        if not hasattr(match, "group"):
            raise AssertionError("the daemon did not say %r but:\n%s" % (pattern, self.said()))
        return match

    def hang_up(self, pattern):
        """SIGHUP, until the daemon says it once more."""
        def count():
            return sum(line is not None and re.search(pattern, line) is not None for line in self.lines)

        before = count()
        self.process.send_signal(signal.SIGHUP)
        with self.heard:
            if not self.heard.wait_for(lambda: count() > before, WAIT):
                raise AssertionError("the daemon did not say %r but:\n%s" % (pattern, self.said()))

    def said(self):
        return "\n".join(line for line in self.lines if line is not None)

    def client(self):
        return Client(self.port)

    def raw(self, data, timeout=None):
        """Sends bytes on a connection of its own; all that comes back until it is closed."""
        with self.connect() as sock:
            sock.sendall(data)
            return read_all(sock, timeout)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=WAIT)

    def memory(self):
        """Resident bytes."""
        with open("/proc/%d/statm" % self.process.pid) as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def end(self, how=signal.SIGTERM):
        """Its exit code. The state folder goes if it was made here. A daemon that is finishing is not told
        again: a second signal may meet it when it listens to none any more."""
        try:
            if self.process.poll() is None and not self.heeds(how):
                self.process.send_signal(how)
            code = self.wait(how)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the daemon did not end; it said:\n" + self.said()) from None
        finally:
            self.reader.join(WAIT)
            self.process.stderr.close()
            if self.owns_state:
                shutil.rmtree(self.state, ignore_errors=True)
        return code

    def wait(self, how):
        """Its exit code. The thread sanitizer has been seen to lose a signal: one that the daemon has not
        said it got is sent once more, under that sanitizer alone."""
        if "TSAN_OPTIONS" in os.environ and how != signal.SIGKILL:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.process.wait(WAIT / 10)
            if not self.heeds(how):
                self.process.send_signal(how)
        return self.process.wait(WAIT)

    def heeds(self, how):
        return signal.Signals(how).name + ": finishing" in self.said()


def read_all(sock, timeout=None):
    """What comes until the peer closes, or resets: bytes already read count."""
    data = b""
    sock.settimeout(timeout or WAIT)
    with contextlib.suppress(ConnectionError):
        while True:
            piece = sock.recv(65536)
            if not piece:
                break
            data += piece
    return data


def read_reply(sock):
    """One HTTP reply with a Content-Length from a raw socket."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            raise AssertionError("connection closed after %r" % data)
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    status = int(head.split(b" ", 2)[1])
    headers = dict(re.findall(r"^([^:\r\n]+): *([^\r\n]*)", head.decode("latin-1"), re.M))
    length = int({k.lower(): v for k, v in headers.items()}.get("content-length", "0"))
    while len(body) < length:
        piece = sock.recv(65536)
        if not piece:
            raise AssertionError("connection closed within a body of %d bytes" % length)
        body += piece
    return Reply(status, headers, body)


class Case(unittest.TestCase):
    """flags: what the class's daemon is started with, besides where to listen and keep state."""

    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(*cls.flags)

    @classmethod
    def tearDownClass(cls):
        code = cls.daemon.end()
        if code != 0 or "Sanitizer" in cls.daemon.said():
            raise AssertionError("exit code %d; the daemon said:\n%s" % (code, cls.daemon.said()))

    def setUp(self):
        self.api = self.daemon.client()
        self.addCleanup(lambda: self.api.close())
        self.heard = len(self.daemon.lines)

    def run(self, result=None):
        result = result or self.defaultTestResult()
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before and hasattr(self, "heard"):
            said = [line for line in self.daemon.lines[self.heard:] if line is not None]
            print("\n--- during %s the daemon said:\n%s\n---" % (self.id(), "\n".join(said)),
                  file=sys.stderr)

    # ---- claims ----

    def ok(self, reply, status=200):
        self.assertEqual(reply.status, status, reply)
        return reply.json if reply.body else None

    def problem(self, reply, status, kind, field=None, *texts):
        """The reply is that problem, in the shape every problem has."""
        self.assertEqual(reply.status, status, reply)
        self.assertEqual(reply.headers["Content-Type"].split(";")[0], "application/problem+json")
        said = reply.json
        self.assertLessEqual({"type", "title", "status", "detail", "error"}, set(said), said)
        self.assertEqual(said["type"], "urn:sigmad:problem:" + kind, said)
        self.assertEqual(said["status"], status, said)
        self.assertTrue(said["title"] and said["detail"], said)
        self.assertEqual(said["error"], said["detail"], said)
        if field is not None:
            self.assertEqual(said.get("field"), field, said)
            self.assertTrue(said["detail"].startswith(field), said)
        for text in texts:
            self.assertIn(text, said["detail"])
        return said

    def everything(self):
        """All that a client can see of the state."""
        seen = {}
        for path, key in (("models", "models"), ("datasets", "datasets"), ("jobs", "jobs")):
            seen[path] = self.ok(self.api.get("/v1/" + path))[key]
        for model in seen["models"]:
            at = "/v1/models/" + model["name"]
            seen[at] = self.ok(self.api.get(at)), self.ok(self.api.get(at + "/versions"))
        return seen

    def metric(self, name):
        """The value of that sample, named as it stands there, labels included."""
        lines = self.api.get("/metrics").body.decode().splitlines()
        (value,) = [line[len(name) + 1:] for line in lines if line.startswith(name + " ")]
        return float(value)

    @contextlib.contextmanager
    def another_daemon(self, *flags):
        """Which self.api asks meanwhile."""
        daemon = Daemon(*flags)
        mine, self.api = self.api, daemon.client()
        try:
            yield daemon
        finally:
            self.api.close()
            self.api = mine
            self.assertEqual(daemon.end(), 0, daemon.said())

    @contextlib.contextmanager
    def unchanged(self):
        before = self.everything()
        yield
        self.assertEqual(self.everything(), before)

    # ---- shorthands ----

    def name(self):
        """A name of this test's own."""
        return re.sub(r"[^A-Za-z0-9._-]", "-", self.id().split(".", 1)[1])[-100:]

    def model(self, spec=None, **changes):
        """Creates a model named after the test; its path."""
        at = "/v1/models/" + changes.pop("name", self.name())
        self.ok(self.api.put(at, dict(spec or XOR, **changes)), 201)
        return at

    def train(self, at, **body):
        """Trains to the end; the job. Not to be used for jobs that should fail."""
        job = self.ended(self.ok(self.api.post(at + "/train", body), 202))
        self.assertEqual(job["state"], "succeeded", job)
        return job

    def cancel(self, job):
        """Asks for the job's end; it may already have come."""
        reply = self.api.delete("/v1/jobs/" + job["id"])
        self.assertIn(reply.status, (200, 202), reply)

    def ended(self, job):
        """The job once it is over."""
        return self.until(lambda: self.ok(self.api.get("/v1/jobs/" + job["id"])),
                          lambda job: job["state"] in ("succeeded", "failed", "cancelled"))

    def until(self, look, enough, seconds=4 * WAIT):
        limit = time.monotonic() + seconds
        while True:
            seen = look()
            if enough(seen):
                return seen
            if time.monotonic() > limit:
                self.fail("not within %d s; last seen: %r" % (seconds, seen))
            time.sleep(0.01)

    def digits(self):
        """The digits as data sets digits-train and digits-test, uploaded once a daemon."""
        for part in ("train", "test"):
            if self.api.get("/v1/datasets/digits-" + part).status == 404:
                with open(data_path("digits-%s.csv" % part), "rb") as file:
                    self.ok(self.api.put("/v1/datasets/digits-" + part, file.read(), "text/csv"), 201)


def read_text(path):
    with open(path) as file:
        return file.read()


class Restarting(Case):
    """Each test has a state folder of its own, whose daemon it may end and start as it likes."""

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        self.state = tempfile.mkdtemp(prefix="sigmad-test-")
        self.addCleanup(shutil.rmtree, self.state, ignore_errors=True)
        self.daemon = None
        self.addCleanup(self.last_stop)
        self.start()
        self.heard = 0

    def start(self, *flags):
        self.daemon = Daemon(*(flags or self.flags), state=self.state)
        self.api = self.daemon.client()

    def stop(self, how=signal.SIGKILL):
        self.api.close()
        code = self.daemon.end(how)
        self.assertEqual(code, -how if how == signal.SIGKILL else 0, self.daemon.said())
        self.assertNotIn("Sanitizer", self.daemon.said())

    def last_stop(self):
        if self.daemon is not None and self.daemon.process.poll() is None:
            self.stop(signal.SIGTERM)

    def again(self, how=signal.SIGKILL, *flags):
        self.stop(how)
        self.start(*flags)


def data_path(name):
    return os.path.join(ROOT, "tests", "data", name)


def digits(part):
    """Rows of 64 numbers, and the class name of each."""
    with open(data_path("digits-%s.csv" % part), newline="") as file:
        table = list(csv.reader(file))[1:]
    return [[float(v) for v in row[:-1]] for row in table], [row[-1] for row in table]


XOR = {
    "inputs": 2,
    "layers": [{"units": 4, "activation": "tanh"}, {"units": 1, "activation": "sigmoid"}],
    "cost": "cross_entropy",
    "seed": 3,
}
XOR_ROWS = {"inputs": [[0, 0], [0, 1], [1, 0], [1, 1]], "targets": [[0], [1], [1], [0]]}
DIGITS = {
    "inputs": 64,
    "layers": [{"units": 30, "activation": "sigmoid"}, {"units": 10, "activation": "softmax"}],
    "cost": "log_likelihood",
    "seed": 7,
}
# Softmax of the inputs themselves: the largest input wins, so every answer is known beforehand.
LARGEST = {
    "inputs": 3,
    "layers": [{"units": 3, "activation": "softmax", "weights": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
                "biases": [0, 0, 0]}],
    "cost": "log_likelihood",
    "labels": ["ant", "bee", "cow"],
}
LONG = 1000000  # epochs; a job that is still under way when the test looks


def in_threads(count, work):
    """Runs work(i) on that many threads; the first error any of them raised is raised here."""
    errors = []

    def guarded(i):
        try:
            work(i)
        except BaseException as error:  # noqa: B036 # carried to the caller's thread
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def main():
    unittest.main(verbosity=2)
