"""What is logged, and how: levels, JSON, and a line a request; the ids that tie a request to its line."""
import json
import os
import re
import socket
import tempfile
import unittest

from harness import LARGEST, WAIT, Case, Daemon, main, read_all, read_reply

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00-%s-00f067aa0ba902b7-01" % TRACE


class Log(Case):
    flags = ("--access-log",)

    def line(self, path):
        """The one line of the request for that path: its fields."""
        line = self.daemon.wait_line(r"^sigmad: request (method=\S+ .*path=%s .*)$" % re.escape(path))[1]
        self.assertEqual(self.daemon.said().count(" path=%s " % path), 1)
        return {key: quoted or bare for key, quoted, bare in
                re.findall(r'([a-z]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))', line)}

    def raw(self, path, *headers, body=b""):
        with self.daemon.connect() as sock:
            sock.sendall(("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n" % (
                path, "".join(header + "\r\n" for header in headers))).encode("latin-1") + body)
            return read_reply(sock)

    def test_a_request_has_a_line(self):
        name = self.name()
        at = self.model(LARGEST, name=name)
        self.assertLess(float(self.line(at)["ms"]), 1000 * WAIT)
        body = b'{"inputs": [[1, 0, 0]]}'
        reply = self.api.ask("POST", at + "/predict", body, {"X-Request-Id": "mine/7", "traceparent": PARENT})
        self.ok(reply)
        self.assertEqual(reply.headers["X-Request-Id"], "mine/7")
        said = self.line(at + "/predict")
        self.assertRegex(said.pop("ms"), r"^\d+\.\d{3}$")
        port = self.api.connection.sock.getsockname()[1]
        self.assertEqual(said, {
            "method": "POST", "route": "/v1/models/{name}/predict", "path": at + "/predict", "status": "200",
            "in": str(len(body)), "out": str(len(reply.body)), "model": name, "id": "mine/7", "trace": TRACE,
            "peer": "127.0.0.1:%d" % port})

    def test_what_is_refused_says_why(self):
        self.raw("/v1/nothing-here")
        said = self.line("/v1/nothing-here")
        self.assertEqual((said["status"], said["error"]),
                         ("404", "path '/v1/nothing-here' is none of this server's"))
        self.assertNotIn("route", said)
        reply = self.raw("/v1/models/nobody-1?a=b")
        self.assertEqual(reply.status, 422)
        self.assertEqual(self.line("/v1/models/nobody-1")["error"], reply.json["detail"])

    def test_bytes_are_those_of_the_reply(self):
        at = self.model(LARGEST)
        for path, headers in ((at + "/export?format=onnx", {}), ("/metrics", {"Accept-Encoding": "gzip"}),
                              ("/v1/export", {})):
            reply = self.api.ask("GET", path, headers=headers)
            self.assertEqual(reply.status, 200)
            self.assertEqual(int(self.line(path.split("?")[0])["out"]), len(reply.body), path)
        self.api.ask("HEAD", "/v1/datasets")
        self.assertEqual(self.line("/v1/datasets")["out"], "0")

    def test_ids_that_are_none_are_replaced(self):
        seen = set()
        for i, header in enumerate(("X-Request-Id:", "X-Request-Id: a b", "X-Request-Id: \xe9",
                                    "X-Request-Id: a\x1bb", "X-Request-Id: " + "x" * 129, "X: y")):
            reply = self.raw("/v1/models?i=%d" % i, header)
            self.assertRegex(reply.headers["X-Request-Id"], "^[0-9a-f]{8}-[0-9a-f]+$", header)
            seen.add(reply.headers["X-Request-Id"])
        self.assertEqual(len(seen), 6)
        longest = "x" * 128
        reply = self.raw("/v1/jobs", "X-Request-Id: " + longest)
        self.assertEqual(reply.headers["X-Request-Id"], longest)
        self.assertEqual(self.line("/v1/jobs")["id"], longest)

    def test_traces_that_are_none_are_passed_over(self):
        for i, headers in enumerate((("traceparent: " + PARENT.upper(),), ("traceparent: 1",),
                                     ("traceparent: " + PARENT,) * 2, ("traceparent: 00-" + "0" * 32 + PARENT[35:],))):
            path = "/v1/models/trace-%d" % i
            self.raw(path, *headers)
            self.assertNotIn("trace", self.line(path))

    def test_a_path_makes_no_line_of_its_own(self):
        """Nor speaks to a terminal, nor grows without end."""
        with self.daemon.connect() as sock:
            sock.sendall(b"GET /v1/a\x1b[2J\xc2\x9b\xff\"x=\\y HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            read_all(sock)
        self.daemon.wait_line(re.escape(r'path="/v1/a\x1b[2J\xc2\x9b\xff\"x=\\y"') + " status=404")
        self.raw("/v1/" + "z" * 5000)
        line = self.daemon.wait_line("^.*path=/v1/z{508}\\.\\.\\. status=404.*$")[0]
        self.assertLess(len(line), 4096)

    def test_a_client_that_hangs_up_has_one_too(self):
        with self.daemon.connect() as sock:
            sock.sendall(b"POST /v1/models/gone/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
        said = self.line("/v1/models/gone/predict")
        self.assertEqual((said["status"], said["cut"], said["in"]), ("0", "true", "1"))

    def test_over_a_unix_socket(self):
        with tempfile.TemporaryDirectory(prefix="sigmad-test-") as folder:
            path = os.path.join(folder, "s")
            daemon = Daemon("--listen", "unix:" + path, "--access-log")
            self.addCleanup(daemon.end)
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(path)
                sock.sendall(b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertEqual(read_reply(sock).status, 200)
            daemon.wait_line(r"^sigmad: request .*path=/v2 .* peer=unix$")


class How(unittest.TestCase):
    def daemon(self, *flags, **more):
        daemon = Daemon(*flags, **more)
        self.addCleanup(lambda: daemon.process.poll() is None and daemon.end())
        api = daemon.client()
        self.addCleanup(api.close)
        return daemon, api

    def test_no_line_a_request_unless_told(self):
        daemon, api = self.daemon()
        reply = api.get("/v2/health/live")
        self.assertIsNone(reply.headers["X-Request-Id"])
        reply = api.get("/v2/health/live", X_Request_Id="mine")
        self.assertEqual(reply.headers["X-Request-Id"], "mine")
        daemon.end()
        self.assertNotIn("request method", daemon.said())

    def test_levels(self):
        for level, shown in (("notice", 0), ("info", 1), ("debug", 1)):
            daemon, api = self.daemon("--log-level", level, "--access-log")
            reply = api.get("/v2/health/live")
            self.assertEqual(reply.headers["X-Request-Id"] is not None, shown == 1)
            self.assertEqual(daemon.end(), 0)
            self.assertEqual(daemon.said().count("request method"), shown, daemon.said())

    def test_json_is_an_object_a_line(self):
        daemon = JsonDaemon("--log", "json", "--access-log")
        self.addCleanup(lambda: daemon.process.poll() is None and daemon.end())
        api = daemon.client()
        api.ask("GET", "/v1/%22%0A%C3%A9", headers={"traceparent": PARENT})
        api.close()
        self.assertEqual(daemon.end(), 0)
        lines = [json.loads(line) for line in daemon.lines if line is not None]
        self.assertTrue(all(list(line)[:3] == ["ts", "level", "message"] for line in lines), lines)
        self.assertEqual([line["ts"] for line in lines], sorted(line["ts"] for line in lines))
        self.assertRegex(lines[0]["ts"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        asked = [line for line in lines if line["message"] == "request"]
        self.assertEqual(len(asked), 1)
        self.assertEqual((asked[0]["level"], asked[0]["path"], asked[0]["status"], asked[0]["trace"]),
                         ("info", "/v1/%22%0A%C3%A9", 404, TRACE))
        self.assertIsInstance(asked[0]["ms"], float)
        self.assertEqual(lines[-1]["message"], "stopped")


class JsonDaemon(Daemon):
    def wait_line(self, pattern):
        return super().wait_line(pattern.replace("^sigmad: ", '"').replace("$", '"'))


if __name__ == "__main__":
    main()
