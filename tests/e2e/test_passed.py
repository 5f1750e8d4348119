"""Sockets that were opened before the daemon began: sd_listen_fds(3), and systemd-socket-activate."""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from harness import SIGMAD, WAIT, Daemon, main, read_reply

# Puts the descriptors that it is given in place, as systemd does, and becomes the daemon.
BECOME = """
import os, sys
fds, env, command = eval(sys.argv[1]), eval(sys.argv[2]), sys.argv[3:]
kept = [os.dup(fd) for fd in fds]
kept = [os.dup2(fd, 40 + i) for i, fd in enumerate(kept)]
os.closerange(3, 40)
for i, fd in enumerate(kept):
    os.dup2(fd, 3 + i)
os.closerange(3 + len(kept), 256)
pid = str(os.getpid())
os.environ.update({k: v.replace("PID", pid) for k, v in env.items()})
os.execv(command[0], command)
"""


def tcp(address="127.0.0.1", family=socket.AF_INET):
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.bind((address, 0))
    sock.listen(16)
    return sock


class Started(Daemon):
    """A daemon that was passed sockets; flags in place of --listen."""

    def __init__(self, fds, *flags, env=None, state="none"):
        self.state, self.owns_state = state, False
        self.lines = []
        self.heard = threading.Condition()
        env = {"LISTEN_FDS": str(len(fds)), "LISTEN_PID": "PID"} if env is None else env
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("LISTEN_", "SIGMAD_"))}
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-c", BECOME, repr(fds), repr(env), SIGMAD, "--state", state, *flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=clean,
            pass_fds=fds)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def refused(self):
        """It does not start: its exit code, and what it said."""
        code = self.process.wait(WAIT)
        self.reader.join(WAIT)
        self.process.stderr.close()
        return code, self.said()


def live(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
    connection.request("GET", "/v1/server", headers={"Connection": "close"})
    reply = connection.getresponse()
    said = reply.read()
    connection.close()
    return reply.status, json.loads(said)


def live_unix(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(WAIT)
        sock.connect(path)
        sock.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return read_reply(sock).status


class Passed(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sigmad-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def start(self, fds, *flags, **more):
        daemon = Started([sock.fileno() for sock in fds], *flags, **more)
        self.addCleanup(lambda: daemon.process.poll() is None and daemon.end(signal.SIGKILL))
        return daemon

    def socket(self, sock):
        self.addCleanup(sock.close)
        return sock

    def unix(self):
        sock = self.socket(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        path = os.path.join(self.folder, "s")
        sock.bind(path)
        sock.listen(16)
        return sock, path

    def refused(self, fds, code, *texts, **more):
        got, said = self.start(fds, **more).refused()
        self.assertEqual(got, code, said)
        for text in texts:
            self.assertIn(text, said)
        self.assertNotIn("listening on", said)

    def test_it_answers_on_what_was_passed_alone(self):
        sock = self.socket(tcp())
        unix, path = self.unix()
        port = sock.getsockname()[1]
        daemon = self.start([sock, unix])
        daemon.wait_line("^sigmad: listening on unix:%s$" % path)
        daemon.wait_line(r"^sigmad: listening on http://127\.0\.0\.1:%d$" % port)
        status, said = live(port)
        self.assertEqual(status, 200)
        self.assertEqual(said["listen"], ["http://127.0.0.1:%d" % port, "unix:" + path])
        self.assertEqual(live_unix(path), 200)
        self.assertEqual(daemon.end(), 0)

    def test_the_sockets_outlive_it(self):
        """Nothing is shut down or removed: clients that come meanwhile are answered by the next."""
        sock = self.socket(tcp())
        unix, path = self.unix()
        port = sock.getsockname()[1]
        first = self.start([sock, unix])
        first.wait_line("listening on unix:")
        self.assertEqual(live(port)[0], 200)
        self.assertEqual(first.end(), 0)
        self.assertTrue(os.path.exists(path))
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as early:
            early.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            second = self.start([sock, unix])
            self.assertEqual(read_reply(early).status, 200)
        self.assertEqual(live_unix(path), 200)
        self.assertEqual(second.end(), 0)

    def test_addresses_that_were_given_come_on_top(self):
        sock = self.socket(tcp())
        for how in (("--listen", "127.0.0.1:0"), ()):
            env = {"LISTEN_FDS": "1", "LISTEN_PID": "PID"}
            if not how:
                env["SIGMAD_LISTEN"] = "127.0.0.1:0"
            daemon = self.start([sock], *how, env=env)
            daemon.wait_line("listening on http://127.0.0.1:%d$" % sock.getsockname()[1])
            daemon.wait_line("listening on http://127.0.0.1:(?!%d$)" % sock.getsockname()[1])
            self.assertEqual(daemon.end(), 0)

    def test_abstract_unix_and_ipv6_sockets(self):
        name = "sigmad-test-%d" % os.getpid()
        unix = self.socket(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        unix.bind("\0" + name)
        unix.listen(16)
        socks, said = [unix], ["unix:@" + name]
        if socket.has_ipv6:
            try:
                socks.append(self.socket(tcp("::1", socket.AF_INET6)))
                said.append(r"http://\[::1\]:%d" % socks[1].getsockname()[1])
            except OSError:
                pass  # no IPv6 here
        daemon = self.start(socks)
        for url in said:
            daemon.wait_line("listening on %s$" % url)
        self.assertEqual(live_unix("\0" + name), 200)
        self.assertEqual(daemon.end(), 0)

    def test_what_is_for_another_process_is_not_taken(self):
        sock = self.socket(tcp())
        for pid in ("1", "", "PIDx"):
            daemon = self.start([sock], "--listen", "127.0.0.1:0",
                                env={"LISTEN_FDS": "1", "LISTEN_PID": pid})
            daemon.wait_line("listening on")
            self.assertNotIn(":%d" % sock.getsockname()[1], daemon.said())
            self.assertEqual(daemon.end(), 0)

    def test_beyond_loopback_only_when_told(self):
        sock = self.socket(tcp("0.0.0.0"))
        self.refused([sock], 2, "LISTEN_FDS descriptor 3 (web) listens on http://0.0.0.0:",
                     "not a loopback address", "--insecure",
                     env={"LISTEN_FDS": "1", "LISTEN_PID": "PID", "LISTEN_FDNAMES": "web"})
        daemon = self.start([sock], "--insecure")
        daemon.wait_line(r"listening on http://0\.0\.0\.0:%d$" % sock.getsockname()[1])
        self.assertEqual(live(sock.getsockname()[1])[0], 200)
        self.assertEqual(daemon.end(), 0)

    def test_what_cannot_be_listened_on_is_refused(self):
        good = self.socket(tcp())
        idle = self.socket(socket.socket())  # does not listen
        datagrams = self.socket(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        datagrams.bind(("127.0.0.1", 0))
        file = self.socket(tempfile.TemporaryFile())
        for bad in (idle, datagrams, file):
            self.refused([good, bad], 2, "LISTEN_FDS descriptor 4 is not a stream socket that listens")
        self.refused([good], 2, "LISTEN_FDS is 2, but descriptor 4 is not open",
                     env={"LISTEN_FDS": "2", "LISTEN_PID": "PID"})
        for n in ("0", "9", "-1", "1x", "", " 1", "99999999999999999999"):
            self.refused([good], 2, "LISTEN_FDS must be 1 to 8, is '%s'" % n,
                         env={"LISTEN_FDS": n, "LISTEN_PID": "PID"})

    def test_eight_at_most_all_together(self):
        socks = [self.socket(tcp()) for _ in range(8)]
        daemon = self.start(socks)
        for sock in socks:
            daemon.wait_line("listening on http://127.0.0.1:%d$" % sock.getsockname()[1])
        self.assertEqual(daemon.end(), 0)
        got, said = self.start(socks, "--listen", "127.0.0.1:0").refused()
        self.assertEqual(got, 2, said)
        self.assertIn("--listen makes 9 with the 8 in LISTEN_FDS, 8 at most", said)

    @unittest.skipIf(shutil.which("systemd-socket-activate") is None, "no systemd-socket-activate here")
    def test_under_systemd_socket_activate(self):
        """The daemon is started by the first client, and answers it."""
        path = os.path.join(self.folder, "s")
        env = {k: v for k, v in os.environ.items() if not k.startswith("SIGMAD_")}
        process = subprocess.Popen(
            ["systemd-socket-activate", "-l", path, "--fdname=http", SIGMAD, "--state", "none"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env)
        self.addCleanup(process.stderr.close)
        self.addCleanup(lambda: process.poll() is None and (process.kill(), process.wait()))
        said = b""
        while b"Listening on" not in said:
            line = process.stderr.readline()
            self.assertTrue(line, said)
            said += line
        self.assertEqual(live_unix(path), 200)
        process.send_signal(signal.SIGTERM)
        said += process.stderr.read()
        self.assertEqual(process.wait(WAIT), 0, said)
        self.assertIn(b"sigmad: listening on unix:" + path.encode(), said)


if __name__ == "__main__":
    main()
