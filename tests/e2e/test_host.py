"""Browsers: names that are not this server's, and pages that are not."""
import http.client
import os
import shutil
import socket
import subprocess
import tempfile

from harness import SIGMAD, WAIT, XOR, Case, Daemon, main

PAGE = "https://app.example"


class HostCase(Case):
    def asked(self, head, body=b""):
        """Status and raw reply of a request whose lines are these."""
        said = self.daemon.raw(("\r\n".join(head) + "\r\nConnection: close\r\n\r\n").encode() + body)
        return int(said.split(b" ", 2)[1]), said


class Hosts(HostCase):
    flags = ("--allow-host", "nets.example", "--allow-host", "box")

    def status(self, host, version="1.1", path="/v1/models"):
        lines = ["GET %s HTTP/%s" % (path, version)] + (["Host: " + host] if host is not None else [])
        return self.asked(lines)[0]

    def test_names_of_this_server(self):
        for host in ("127.0.0.1:%d" % self.daemon.port, "localhost:%d" % self.daemon.port, "localhost",
                     "127.0.0.1", "[::1]:80", "10.1.2.3", "nets.example", "NETS.example:443", "box:1"):
            self.assertEqual(self.status(host), 200, host)

    def test_other_names(self):
        for host in ("x", "evil.example", "evil.example:%d" % self.daemon.port, "a.nets.example", "127.0.0.1.x",
                     "localhost.evil.example"):
            for path in ("/v1/models", "/v2/health/live", "/nowhere"):
                self.assertEqual(self.status(host, path=path), 421, host)
            said = self.api.get("/v1/models", Host=host)
            self.problem(said, 421, "host", "Host", "'%s'" % host, "--allow-host")

    def test_nothing_is_done(self):
        with self.unchanged():
            self.assertEqual(self.api.ask("PUT", "/v1/models/m", XOR, {"Host": "evil.example"}).status, 421)

    def test_without_one(self):
        """HTTP/1.1 has one, and HTTP/1.0, which no browser speaks, need not."""
        self.assertEqual(self.status(None, "1.0"), 200)
        self.assertEqual(self.status(None), 400)

    def test_a_name_has_no_port(self):
        done = subprocess.run([SIGMAD, "--state", "none", "--allow-host", "box:80"], stderr=subprocess.PIPE,
                              timeout=WAIT)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"--allow-host must be a name", done.stderr)


class AnyHost(HostCase):
    flags = ("--allow-host", "*")

    def test_any(self):
        self.assertEqual(self.api.get("/v1/models", Host="evil.example").status, 200)


class UnixSocket(HostCase):
    """No browser reaches it, and its clients call it what they like."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="sigmad-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.daemon = Daemon("--listen", "unix:" + os.path.join(cls.folder, "socket"))

    def test_any(self):
        connection = http.client.HTTPConnection("docker", timeout=WAIT)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(os.path.join(self.folder, "socket"))
        connection.request("GET", "/v1/models")
        self.assertEqual(connection.getresponse().status, 200)
        connection.close()


class Pages(HostCase):
    """Without --allow-origin no page but our own may change anything, and none may read."""

    def test_who_may_change_something(self):
        own = "http://127.0.0.1:%d" % self.daemon.port
        for headers in ({}, {"Origin": own}, {"Origin": own, "Sec-Fetch-Site": "same-origin"},
                        {"Sec-Fetch-Site": "none"}):
            self.ok(self.api.ask("PUT", "/v1/models/m", XOR, headers), 201)
            self.assertEqual(self.api.ask("DELETE", "/v1/models/m", None, headers).status, 204)

    def test_who_may_not(self):
        self.model(name="kept")
        for headers in ({"Origin": PAGE}, {"Origin": "null"}, {"Origin": "http://127.0.0.1"},
                        {"Origin": PAGE, "Content-Type": "text/plain"}, {"Sec-Fetch-Site": "cross-site"},
                        {"Origin": PAGE, "Host": "localhost"}, {"Sec-Fetch-Site": "same-site"}):
            with self.unchanged():
                for method, path in (("PUT", "/v1/models/m"), ("POST", "/v1/models/kept/learn"),
                                     ("DELETE", "/v1/models/kept"), ("POST", "/v2/repository/index"),
                                     ("PATCH", "/v1/jobs/1"), ("POST", "/v1/models/kept/predict")):
                    reply = self.api.ask(method, path, XOR, headers)
                    self.problem(reply, 403, "denied", "Origin", headers.get("Origin", "''"), "--allow-origin")

    def test_reading_is_left_to_the_browser(self):
        reply = self.api.ask("GET", "/v1/models", None, {"Origin": PAGE})
        self.ok(reply)
        self.assertEqual(reply.headers["X-Content-Type-Options"], "nosniff")
        for header in ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Vary"):
            self.assertNotIn(header, reply.headers)

    def test_no_preflight(self):
        reply = self.api.ask("OPTIONS", "/v1/models/m", None,
                             {"Origin": PAGE, "Access-Control-Request-Method": "PUT"})
        self.assertEqual(reply.status, 403)
        self.assertNotIn("Access-Control-Allow-Origin", reply.headers)
        self.problem(self.api.ask("OPTIONS", "/v1/models/m"), 405, "method", "method")


class AllowedPages(HostCase):
    flags = ("--allow-origin", PAGE, "--allow-origin", "http://localhost:3000")

    def cors(self, reply, origin=PAGE):
        self.assertEqual(reply.headers["Access-Control-Allow-Origin"], origin, reply)
        self.assertNotIn("Access-Control-Allow-Credentials", reply.headers)
        self.assertIn("Origin", reply.headers.get_all("Vary"))

    def test_they_may_ask(self):
        for origin in (PAGE, "http://localhost:3000"):
            reply = self.api.ask("PUT", "/v1/models/m", XOR, {"Origin": origin, "Sec-Fetch-Site": "cross-site"})
            self.ok(reply, 201)
            self.cors(reply, origin)
            self.assertIn("ETag", reply.headers["Access-Control-Expose-Headers"])
            reply = self.api.ask("GET", "/v1/models/none", None, {"Origin": origin})
            self.problem(reply, 404, "not-found")
            self.cors(reply, origin)
            self.api.delete("/v1/models/m")

    def test_others_may_not(self):
        for origin in (PAGE + ":8443", PAGE + ".evil", "http://app.example", "http://localhost:3001"):
            reply = self.api.ask("PUT", "/v1/models/m", XOR, {"Origin": origin})
            self.problem(reply, 403, "denied", "Origin")
            self.assertNotIn("Access-Control-Allow-Origin", reply.headers)
        reply = self.api.get("/v1/models")
        self.assertNotIn("Access-Control-Allow-Origin", reply.headers)
        self.assertIn("Origin", reply.headers.get_all("Vary"))  # a cache must not give it to a page

    def test_vary_of_what_is_compressed(self):
        self.model()
        reply = self.api.ask("GET", "/v1/server", None, {"Origin": PAGE, "Accept-Encoding": "gzip"})
        self.assertEqual(set(reply.headers.get_all("Vary")), {"Accept-Encoding", "Origin"}, reply.headers)

    def test_a_preflight(self):
        for body in (None, "x" * 1000, None):  # on one connection
            reply = self.api.ask("OPTIONS", "/v1/models/m", body, {
                "Origin": PAGE, "Access-Control-Request-Method": "PUT",
                "Access-Control-Request-Headers": "authorization,content-type"})
            self.assertEqual((reply.status, reply.body), (204, b""), reply)
            self.cors(reply)
            self.assertEqual(set(reply.headers["Access-Control-Allow-Methods"].split(", ")),
                             {"PUT", "GET", "DELETE"})
            allowed = reply.headers["Access-Control-Allow-Headers"].lower().split(", ")
            self.assertLessEqual({"authorization", "content-type", "if-match", "prefer"}, set(allowed))
            self.assertGreater(int(reply.headers["Access-Control-Max-Age"]), 0)

    def test_no_preflight(self):
        asked = {"Access-Control-Request-Method": "PUT"}
        reply = self.api.ask("OPTIONS", "/v1/models/m", None, dict(asked, Origin="http://evil.example"))
        self.assertNotIn("Access-Control-Allow-Methods", reply.headers)
        self.assertEqual(reply.status, 403)
        self.problem(self.api.ask("OPTIONS", "/nowhere", None, dict(asked, Origin=PAGE)), 404, "not-found")
        self.problem(self.api.ask("OPTIONS", "/v1/models/m", None, {"Origin": PAGE}), 405, "method")

    def test_a_star_is_no_origin(self):
        for origin in ("*", "app.example", PAGE + "/"):
            done = subprocess.run([SIGMAD, "--state", "none", "--allow-origin", origin], stderr=subprocess.PIPE,
                                  timeout=WAIT)
            self.assertEqual(done.returncode, 2)
            self.assertIn(b"--allow-origin must be http:// or https:// and a host", done.stderr)


class Guarded(HostCase):
    """A preflight has no token; the request that it is for has."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="sigmad-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        with open(os.path.join(cls.folder, "tokens"), "w"):
            pass
        cls.daemon = Daemon("--allow-origin", PAGE, "--tokens", os.path.join(cls.folder, "tokens"))

    def test_a_preflight(self):
        headers = {"Origin": PAGE, "Access-Control-Request-Method": "GET"}
        self.assertEqual(self.api.ask("OPTIONS", "/v1/models", None, headers).status, 204)
        reply = self.api.ask("GET", "/v1/models", None, headers)
        self.problem(reply, 401, "auth")
        self.assertEqual(reply.headers["Access-Control-Allow-Origin"], PAGE)

    def test_the_name_goes_first(self):
        self.problem(self.api.get("/v1/models", Host="evil.example"), 421, "host")


if __name__ == "__main__":
    main()
