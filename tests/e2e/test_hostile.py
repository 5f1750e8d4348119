"""Clients that mean harm or know no better, over raw sockets: too slow, too many, gone before the
answer, or saying one thing to a proxy and another to us. Nothing may leak, and others are served."""
import contextlib
import json
import math
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import tempfile
import time

from harness import LONG, SIGMAD, SLOW, WAIT, XOR, XOR_ROWS, Case, Daemon, in_threads, main, read_all, read_reply

SECONDS = str(math.ceil(2 + min(SLOW, 4)))  # short, but not for a machine that is busy


class HostileCase(Case):
    def gauge(self, name):
        text = self.api.get("/metrics").body.decode()
        return int(float(re.search(r"^sigmad_%s (\S+)$" % name, text, re.M)[1]))

    def nothing_left(self):
        """Our own connection and request are all there is."""
        self.until(lambda: (self.gauge("connections"), self.gauge("requests")),
                   lambda seen: seen == (1, 1))

    def statuses(self, said):
        return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d+) ", said)]

    def ready(self, model):
        """A prediction's bytes."""
        body = b'{"inputs": [[0, 1]]}'
        return (b"POST %s/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
                % (model.encode(), len(body)) + body)


class Deadlines(HostileCase):
    """Each of these would go on for ever but for the deadline."""

    flags = ("--request-timeout", SECONDS, "--timeout", SECONDS, "--min-rate", "1k")

    def drip(self, first, each):
        """Sends first, then each again and again until the daemon closes; what it said."""
        said = b""
        with self.daemon.connect() as sock:
            sock.sendall(first)
            sock.settimeout(0.05)
            limit = time.monotonic() + 2 * WAIT
            while time.monotonic() < limit:
                try:
                    sock.sendall(each)
                    piece = sock.recv(65536)
                    if not piece:
                        return said
                    said += piece
                except socket.timeout:
                    pass
                except ConnectionError:  # it was closed under our bytes; what it said may be there
                    with contextlib.suppress(ConnectionError, socket.timeout):
                        said += sock.recv(65536)
                    return said
        self.fail("it was listened to for ever")

    def test_by_the_byte(self):
        """Headers, first line, body, upload, second request: all at once, to save time."""
        at = self.model().encode()
        live = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n"
        cases = (
            (live + b"X: ", b"y", [408]),
            (b"GET /", b"y", [408]),
            (b"POST %s/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" % at, b" ", [408]),
            (b"PUT /v1/datasets/d HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
             b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n1\r\n", [408]),
            (live + b"\r\n" + live + b"X: ", b"y", [200, 408]),
        )

        def client(i):
            first, each, want = cases[i]
            said = self.drip(first, each)
            self.assertEqual(self.statuses(said), want, first)
            head, body = said[said.rindex(b"HTTP/1.1 408"):].split(b"\r\n\r\n", 1)
            self.assertIn(b"Content-Length: %d" % len(body), head)
            self.assertEqual(json.loads(body)["type"], "urn:sigmad:problem:timeout")

        in_threads(len(cases), client)
        self.api.close()  # our own has been idle for too long; it connects anew
        self.assertEqual(self.api.get("/v1/datasets/d").status, 404)
        self.nothing_left()

    def test_slow_but_steady_is_waited_for(self):
        """Longer than the timeout, but faster than --min-rate."""
        at = self.model().encode()
        body = b'{"inputs": [[0, 1]]}'
        pieces = 10 * (int(SECONDS) + 1)
        with self.daemon.connect() as sock:
            sock.sendall(b"POST %s/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
                         % (at, len(body) + pieces * 10240))
            for _ in range(pieces):
                sock.sendall(b" " * 10240)
                time.sleep(0.1)
            sock.sendall(body)
            self.assertEqual(read_reply(sock).status, 200)


class SlowReaders(HostileCase):
    flags = ("--request-timeout", SECONDS, "--min-rate", "1g")

    def test_a_reply_that_nobody_takes_is_dropped(self):
        at = self.model({"inputs": 600, "cost": "mse",
                         "layers": [{"units": 1000, "activation": "linear"}]})
        length = len(self.api.get(at + "/export").body)
        self.assertGreater(length, 6 << 20)  # more than the kernel takes
        socks = []
        for _ in range(2):
            sock = socket.socket()
            self.addCleanup(sock.close)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(WAIT)
            sock.connect(("127.0.0.1", self.daemon.port))
            sock.sendall(b"GET %s/export HTTP/1.1\r\nHost: localhost\r\n\r\n" % at.encode())
            socks.append(sock)
        self.nothing_left()
        self.assertEqual(self.gauge("held_bytes"), 0)
        for sock in socks:
            self.assertLess(len(read_all(sock)), length)


class Memory(HostileCase):
    flags = ("--max-held", "8m")

    def test_what_is_held_is_bounded(self):
        """Bodies that come and do not end: those that do not fit are refused, not taken."""
        at = self.model().encode()
        socks = [self.daemon.connect() for _ in range(8)]
        statuses = []
        for sock in socks:
            self.addCleanup(sock.close)
            with contextlib.suppress(ConnectionError):  # refused before its body is there
                sock.sendall(b"POST %s/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n"
                             b"\r\n" % at + b" " * 2999000)
            self.assertLessEqual(self.gauge("held_bytes"), 8 << 20)
            if sock is socks[0]:  # has all the room that it needs before others ask
                self.until(lambda: self.gauge("held_bytes"), lambda held: held > 3000000)
        for sock in socks:
            try:
                sock.sendall(b" " * 1000)
                statuses.append(read_reply(sock).status)
            except (ConnectionError, AssertionError):
                statuses.append(503)  # sent, but lost with the reset that follows a close
        self.assertLessEqual(set(statuses), {400, 503})  # blanks are no JSON
        self.assertGreaterEqual(statuses.count(400), 1)
        self.assertGreaterEqual(statuses.count(503), 5)
        for sock in socks:
            sock.close()
        self.nothing_left()
        self.assertEqual(self.gauge("held_bytes"), 0)

    def test_a_length_alone_takes_nothing(self):
        at = self.model().encode()
        socks = [self.daemon.connect() for _ in range(50)]
        for sock in socks:
            self.addCleanup(sock.close)
            sock.sendall(b"POST %s/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7000000\r\n\r\n{" % at)
        self.until(lambda: self.gauge("requests"), lambda n: n == 51)
        self.assertLess(self.gauge("held_bytes"), 4 << 20)
        for sock in socks:
            sock.close()
        self.nothing_left()

    def test_a_reply_that_does_not_fit_is_refused(self):
        at = self.model({"inputs": 1, "cost": "mse",
                         "layers": [{"units": 900, "activation": "linear"}]})
        self.problem(self.api.post(at + "/predict", {"inputs": [[i / 7] for i in range(1, 900)]}), 503, "limit", "reply")
        self.ok(self.api.get(at))


class HangingUp(HostileCase):
    def test_while_a_worker_has_the_request(self):
        """The work ends, its result is dropped, its connection is free again."""
        at = self.model({"inputs": 256, "cost": "mse", "init": "he",
                         "layers": [{"units": 1024, "activation": "relu"},
                                    {"units": 1024, "activation": "relu"},
                                    {"units": 2, "activation": "linear"}]})
        for rows, count in ((1, 30), (80, 8)):
            body = json.dumps({"inputs": [[0.5] * 256] * rows}).encode()
            for how in ("close", "reset"):
                socks = [self.daemon.connect() for _ in range(count)]
                for sock in socks:
                    sock.sendall(b"POST %s/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
                                 % (at.encode(), len(body)) + body)
                for sock in socks:
                    if how == "reset":
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.close()
                self.nothing_left()
        self.assertEqual(self.gauge("held_bytes"), 0)
        self.assertEqual(self.api.delete(at).status, 204)

    def test_within_a_body(self):
        at = self.model().encode()
        for part in (b"POST %s/predict HTTP/1.1\r\nHost" % at,
                     b"POST %s/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{" % at,
                     b"PUT /v1/datasets/d HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
                     b"Content-Length: 1000000\r\n\r\n" + b"1,2\n" * 100000,
                     b"PUT /v1/datasets/d HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n4\r\n1,2\n\r\n"):
            with self.daemon.connect() as sock:
                sock.sendall(part)
        self.nothing_left()
        self.assertEqual(self.api.get("/v1/datasets/d").status, 404)

    def test_while_it_waits_for_a_job(self):
        """A wait may be a day: the connection is free at once, and the job goes on."""
        at = self.model(XOR, layers=[{"units": 1000, "activation": "tanh"}, XOR["layers"][-1]])  # slow
        body = json.dumps(dict(XOR_ROWS, epochs=LONG, publish="end")).encode()
        with self.daemon.connect() as sock:
            sock.sendall(b"POST %s/train HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=86400\r\n"
                         b"Content-Length: %d\r\n\r\n" % (at.encode(), len(body)) + body)
            job = self.until(lambda: self.ok(self.api.get("/v1/jobs"))["jobs"], bool)[0]
        self.nothing_left()
        self.assertIn(self.ok(self.api.get("/v1/jobs/" + job["id"]))["state"], ("queued", "running"))
        self.cancel(job)
        self.ended(job)

    def test_a_client_that_only_stops_sending_gets_its_answer(self):
        at = self.model()
        with self.daemon.connect() as sock:
            sock.sendall(self.ready(at))
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(self.statuses(read_all(sock)), [200])


class Crowds(HostileCase):
    """On a Unix socket, which takes no ports from others."""

    COUNT = 10000

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="sigmad-test-")
        cls.path = os.path.join(cls.folder.name, "socket")
        cls.daemon = Daemon("--listen", "unix:" + cls.path, "--max-connections", "12000")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        cls.before = soft, hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        cls.count = cls.COUNT if hard == resource.RLIM_INFINITY else min(cls.COUNT, hard - 300)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        resource.setrlimit(resource.RLIMIT_NOFILE, cls.before)
        cls.folder.cleanup()

    def crowd(self, count):
        socks = []
        self.addCleanup(lambda: [sock.close() for sock in socks])
        for _ in range(count):
            sock = socket.socket(socket.AF_UNIX)
            socks.append(sock)
            sock.settimeout(WAIT)
            while True:
                try:
                    sock.connect(self.path)
                    break
                except BlockingIOError:  # its backlog is full
                    time.sleep(0.01)
        return socks

    def test_ten_thousand_idle_connections(self):
        at = self.model()
        before = self.daemon.memory()
        socks = self.crowd(self.count)
        self.until(lambda: self.gauge("connections"), lambda n: n == self.count + 1)
        grown = self.daemon.memory() - before
        if SLOW == 1:  # sanitizers have shadows
            self.assertLess(grown / self.count, 8192)
        for sock in socks[::100]:
            sock.sendall(self.ready(at))
        for sock in socks[::100]:
            self.assertEqual(read_reply(sock).status, 200)
        self.ok(self.api.get(at))
        print("  %d connections, %.1f KB each" % (self.count, grown / self.count / 1024))
        for sock in socks:
            sock.close()
        self.nothing_left()

    def test_a_thousand_ready_at_once(self):
        """libmicrohttpd's own loop stalls when a multiple of 128 are."""
        at = self.model()
        for count in (128, 256, 1000):
            socks = self.crowd(count)
            self.until(lambda: self.gauge("connections"), lambda n: n == count + 1)
            os.kill(self.daemon.process.pid, signal.SIGSTOP)
            try:
                for sock in socks:
                    sock.sendall(self.ready(at))
            finally:
                os.kill(self.daemon.process.pid, signal.SIGCONT)
            for sock in socks:
                self.assertEqual(read_reply(sock).status, 200)
                sock.close()
            self.nothing_left()


class Limits(HostileCase):
    def test_fewer_descriptors_than_connections(self):
        """Said at the start, and files can be written however many clients there are."""
        with tempfile.TemporaryDirectory() as state:
            run = subprocess.Popen(
                ["sh", "-c", 'ulimit -n 400 && exec "$@"', "sh", SIGMAD, "--listen", "127.0.0.1:0",
                 "--state", state], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
            try:
                said = b""
                while b"listening on" not in said:
                    line = run.stderr.readline()
                    self.assertTrue(line, said)
                    said += line
                self.assertRegex(said, rb"--max-connections 10000 is too many for 400 open files "
                                       rb".*: taking 200\n")
                port = int(re.search(rb"127\.0\.0\.1:(\d+)", said)[1])
                own = socket.create_connection(("127.0.0.1", port), timeout=WAIT)
                socks = [socket.create_connection(("127.0.0.1", port), timeout=WAIT)
                         for _ in range(300)]
                body = json.dumps(XOR).encode()
                own.sendall(b"PUT /v1/models/m HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
                            % len(body) + body)
                self.assertEqual(read_reply(own).status, 201)
                for sock in socks + [own]:
                    sock.close()
            finally:
                run.send_signal(signal.SIGTERM)
                self.assertEqual(run.wait(WAIT), 0)
                run.stderr.close()


class Wire(HostileCase):
    """What RFC 9112 leaves to be misunderstood."""

    def test_where_a_body_ends_is_clear_or_the_connection_ends(self):
        """The second request, hidden in the first one's body or behind it, is never answered."""
        at = self.model().encode()
        hidden = b"GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
        length = b"%d" % len(hidden)
        for lines in (b"Content-Length: 0\r\nContent-Length: " + length,
                      b"Content-Length: " + length + b"\r\nContent-Length: 0",
                      b"Content-Length: " + length + b"\r\nTransfer-Encoding: chunked",
                      b"Transfer-Encoding: chunked\r\nContent-Length: 0",
                      b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
                      b"Transfer-Encoding: identity", b"Transfer-Encoding: gzip, chunked",
                      b"Transfer-Encoding: xchunked", b"Transfer-Encoding : chunked",
                      b"Content-Length : " + length, b"Content-Length\t: " + length,
                      b"Content-Length: +" + length, b"Content-Length: 0x10",
                      b"Content-Length: 0, " + length, b"Content-Length: 1 0",
                      b"Content-Length: 99999999999999999999", b"Content-Length: -1"):
            with self.subTest(lines=lines):
                said = self.daemon.raw(b"POST %s/predict HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n"
                                       % (at, lines) + hidden)
                self.assertLessEqual(set(self.statuses(said)), {400, 413}, said)
                self.assertNotIn(b"/hidden", said)
        said = self.daemon.raw(b"POST %s/predict HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                               % at)
        self.assertEqual(set(self.statuses(said)), {400}, said)
        self.nothing_left()

    def test_what_is_no_http(self):
        for said in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"hello\r\n\r\n", b"\r\n" * 100,
                     b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 1000,
                     b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n"):
            with self.subTest(said=said[:50]), self.daemon.connect() as sock:
                sock.sendall(said)
                sock.shutdown(socket.SHUT_WR)
                self.assertTrue(all(code >= 400 for code in self.statuses(read_all(sock))))
        self.nothing_left()

    def test_headers_without_end(self):
        for head in (b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
                     b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100000 + b"\r\n\r\n",
                     b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 20000 + b"\r\n"):
            said = b""
            with self.daemon.connect() as sock:
                try:
                    sock.sendall(head)
                except ConnectionError:
                    pass
                said = read_all(sock)
            self.assertLessEqual(set(self.statuses(said)), {400, 413, 414, 431}, said[:100])
        self.nothing_left()

    def test_http_1_0(self):
        at = self.model()
        body = b'{"inputs": [[0, 1]]}'
        said = self.daemon.raw(b"POST %s/predict HTTP/1.0\r\nContent-Length: %d\r\n\r\n"
                               % (at.encode(), len(body)) + body)
        self.assertEqual(self.statuses(said), [200])
        self.assertNotIn(b"chunked", said)
        with self.daemon.connect() as sock:
            for _ in range(2):
                sock.sendall(b"GET %s HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" % at.encode())
                self.assertEqual(read_reply(sock).status, 200)

    def test_forms_of_the_target(self):
        at = self.model().encode()
        for target in (b"http://example.com" + at, b"HTTP://x:1" + at, b"https://x" + at,
                       at.replace(b"Wire", b"%57ire")):
            said = self.daemon.raw(b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % target)
            self.assertEqual(self.statuses(said), [200], target)
        for target in (b"http://x", b"http://", b"*", b"x:80", b"//x" + at, at + b"/../x",
                       b"/%2e%2e/etc/passwd", b"/v1%2fmodels", b"/v1/models/%00", b"/v1/models/%zz"):
            said = self.daemon.raw(b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % target)
            self.assertLessEqual(set(self.statuses(said)), {400, 404, 422}, target)

    def test_expect(self):
        """100 when the body is wanted, the refusal when it is not."""
        at = self.model().encode()
        body = b'{"inputs": [[0, 1]]}'
        head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
        with self.daemon.connect() as sock:
            sock.sendall(head % (at + b"/predict", len(body)))
            said = b""
            while b"\r\n\r\n" not in said:
                said += sock.recv(1000)
            self.assertEqual(self.statuses(said), [100])
            sock.sendall(body)
            self.assertEqual(read_reply(sock).status, 200)
        for path, length, status in ((at + b"/predict", 1 << 40, 413), (b"/nowhere", 1 << 20, 404)):
            said = self.daemon.raw(head % (path, length))
            self.assertEqual(self.statuses(said), [status])

    def test_head_has_the_headers_of_get(self):
        at = self.model().encode()
        request = b" %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % at
        got, head = self.daemon.raw(b"GET" + request), self.daemon.raw(b"HEAD" + request)
        date = re.compile(rb"Date: [^\r]*")
        self.assertEqual(date.sub(b"", got.split(b"\r\n\r\n")[0]),
                         date.sub(b"", head.split(b"\r\n\r\n")[0]))
        self.assertTrue(head.endswith(b"\r\n\r\n"))

    def test_a_hundred_requests_in_one_piece(self):
        at = self.model()
        with self.daemon.connect() as sock:
            sock.sendall(self.ready(at) * 99 +
                         b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.assertEqual(self.statuses(read_all(sock)), [200] * 99 + [404])


if __name__ == "__main__":
    main()
