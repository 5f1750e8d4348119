"""sigmad as a service: what it tells the manager that started it, over a socket that stands for
systemd's (sd_notify(3))."""
import array
import os
import re
import shutil
import signal
import socket
import tempfile
import time
import unittest

from harness import DIGITS, LONG, WAIT, XOR, Daemon, data_path, main, read_reply


class Manager:
    """The end that systemd has: datagrams of assignments, a line each."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind("\0" + path[1:] if path[0] == "@" else path)
        self.sock.settimeout(WAIT)
        self.path = path
        self.heard = []

    def next(self):
        data, ancillary, _, _ = self.sock.recvmsg(4096, 256)
        for _, _, sent in ancillary:
            for fd in array.array("i", sent):
                os.close(fd)
        self.heard.append(dict(line.split("=", 1) for line in data.decode().split("\n")))
        return self.heard[-1]

    def wait_for(self, key, value="1"):
        """The next datagram with that assignment."""
        limit = time.monotonic() + WAIT
        while time.monotonic() < limit:
            said = self.next()
            if key in said and re.search(value, said[key]):
                return said
        raise AssertionError("no %s=%s among %r" % (key, value, self.heard[-20:]))

    def close(self):
        self.sock.close()


def reload(daemon, nth=1):
    """SIGHUP, its nth. The thread sanitizer has been seen to lose a signal: then, once more."""
    daemon.process.send_signal(signal.SIGHUP)
    limit = time.monotonic() + WAIT / 10
    while "TSAN_OPTIONS" in os.environ and daemon.said().count("SIGHUP: reloaded") < nth:
        if time.monotonic() > limit:
            daemon.process.send_signal(signal.SIGHUP)
            break
        time.sleep(0.01)


class Service(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sigmad-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def start(self, *flags, path=None, env=None):
        manager = Manager(path or os.path.join(self.folder, "notify"))
        self.addCleanup(manager.close)
        daemon = Daemon(*flags, env=dict({"NOTIFY_SOCKET": manager.path}, **(env or {})))
        self.addCleanup(lambda: daemon.process.poll() is None and daemon.end(signal.SIGKILL))
        api = daemon.client()
        self.addCleanup(api.close)
        return manager, daemon, api

    def test_ready_when_it_answers(self):
        manager, daemon, api = self.start()
        self.assertEqual(manager.next(), {"STATUS": "reading what is kept"})
        said = manager.next()
        self.assertEqual(said["READY"], "1")
        self.assertEqual(said["STATUS"], "0 models, 0 data sets")
        self.assertEqual(api.get("/v2/health/ready").status, 200)
        self.assertEqual(daemon.end(), 0)

    def test_an_abstract_socket(self):
        manager, daemon, _ = self.start(path="@sigmad-test-notify-%d" % os.getpid())
        manager.wait_for("READY")
        self.assertEqual(daemon.end(), 0)
        self.assertEqual(manager.next()["STOPPING"], "1")

    def test_the_status_follows_and_is_not_repeated(self):
        manager, daemon, api = self.start("--workers", "1")
        manager.wait_for("READY")
        with open(data_path("digits-train.csv"), "rb") as file:
            self.assertEqual(api.put("/v1/datasets/d", file.read(), "text/csv").status, 201)
        self.assertEqual(api.put("/v1/models/m", DIGITS).status, 201)
        self.assertEqual(manager.wait_for("STATUS", "^1 model")["STATUS"], "1 model, 1 data set")
        body = {"dataset": "d", "epochs": LONG, "publish": "end"}
        self.assertEqual(api.post("/v1/models/m/train", body).status, 202)
        said = manager.wait_for("STATUS", "job")["STATUS"]
        self.assertRegex(said, r"^1 model, 1 data set, job 1 on m: epoch \d+ of %d$" % LONG)
        self.assertEqual(api.post("/v1/models/m/train", body).status, 202)
        self.assertRegex(manager.wait_for("STATUS", "queued")["STATUS"], r" of %d, 1 job queued$" % LONG)
        self.assertEqual(api.delete("/v1/jobs/2").status // 100, 2)
        self.assertEqual(api.delete("/v1/jobs/1").status // 100, 2)
        self.assertEqual(manager.wait_for("STATUS", "set$")["STATUS"], "1 model, 1 data set")
        self.assertEqual(daemon.end(), 0)
        told = [said["STATUS"] for said in manager.heard if "READY" not in said]
        self.assertTrue(all(a != b for a, b in zip(told, told[1:])), told)

    def test_a_reload_is_told_in_one_datagram(self):
        manager, daemon, api = self.start()
        manager.wait_for("READY")
        for nth in (1, 2):
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            reload(daemon, nth)
            said = manager.wait_for("RELOADING")
            after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self.assertTrue(before <= int(said["MONOTONIC_USEC"]) <= after, said)
            self.assertEqual(manager.next()["READY"], "1")
            self.assertEqual(api.get("/v2/health/ready").status, 200)
        daemon.wait_line("^sigmad: SIGHUP: reloaded")
        self.assertEqual(daemon.end(), 0)

    def test_a_reload_without_a_manager(self):
        daemon = Daemon()
        reload(daemon)
        daemon.wait_line("^sigmad: SIGHUP: reloaded")
        api = daemon.client()
        self.assertEqual(api.get("/v2/health/ready").status, 200)
        api.close()
        self.assertEqual(daemon.end(), 0)

    def test_stopping_says_what_is_left_and_how_long(self):
        manager, daemon, _ = self.start("--drain-timeout", "20")
        manager.wait_for("READY")
        with daemon.connect() as asks:
            asks.sendall(b"POST /v1/models/m/predict HTTP/1.1\r\nHost: localhost\r\n"
                         b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            self.assertEqual(asks.recv(64)[:12], b"HTTP/1.1 100")
            daemon.process.send_signal(signal.SIGTERM)
            said = manager.wait_for("STOPPING")
            self.assertEqual(said["STATUS"], "finishing 1 request, 0 jobs")
            self.assertEqual(said["EXTEND_TIMEOUT_USEC"], "35000000")
            daemon.process.send_signal(signal.SIGHUP)  # too late for that
            asks.sendall(b"{}")
            self.assertEqual(read_reply(asks).status, 404)
        self.assertEqual(daemon.process.wait(WAIT), 0)
        daemon.end()
        manager.sock.setblocking(False)
        with self.assertRaises(BlockingIOError):
            while True:
                self.assertNotIn("RELOADING", manager.next())

    def test_the_watchdog_is_told_twice_in_its_time(self):
        manager, daemon, _ = self.start(env={"WATCHDOG_USEC": "200000"})
        manager.wait_for("READY")
        for _ in range(5):
            self.assertEqual(manager.wait_for("WATCHDOG"), {"WATCHDOG": "1"})
        self.assertEqual(daemon.end(), 0)

    def test_another_process_watchdog_is_not_ours(self):
        manager, daemon, api = self.start(env={"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"})
        manager.wait_for("READY")
        self.assertEqual(api.put("/v1/models/m", XOR).status, 201)
        manager.wait_for("STATUS", "^1 model")  # a second later
        self.assertFalse([said for said in manager.heard if "WATCHDOG" in said])
        self.assertEqual(daemon.end(), 0)

    def test_a_socket_that_is_none_is_a_warning(self):
        for path in ("relative", "/" + "x" * 108, "@", ""):
            daemon = Daemon(env={"NOTIFY_SOCKET": path})
            daemon.wait_line("^sigmad: NOTIFY_SOCKET '%s' cannot be used" % path)
            self.assertEqual(daemon.end(), 0)

    def test_a_manager_that_is_gone_or_deaf_is_no_obstacle(self):
        daemon = Daemon(env={"NOTIFY_SOCKET": os.path.join(self.folder, "nobody"),
                             "WATCHDOG_USEC": "10000"})
        api = daemon.client()
        self.assertEqual(api.get("/v2/health/ready").status, 200)
        api.close()
        self.assertEqual(daemon.end(), 0)


if __name__ == "__main__":
    main()
