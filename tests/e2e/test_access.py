"""Who may do what: tokens, their scopes, models and rates, peers of a Unix socket, the file read again."""
import contextlib
import hashlib
import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

from harness import ROOT, SIGMAD, WAIT, XOR, XOR_ROWS, Case, Client, Daemon, main, read_text

SCOPES = ("read", "predict", "train", "admin")
# Each route's; one that is not here fails test_every_route_needs_its_scope.
NEEDS = {
    "public": ["GET /v2/health/live", "GET /v2/health/ready"],
    "read": ["GET /v1/models", "GET /v1/models/{name}", "GET /v1/models/{name}/export",
             "GET /v1/models/{name}/versions", "GET /v1/models/{name}/versions/{version}",
             "GET /v1/datasets", "GET /v1/datasets/{name}", "GET /v1/datasets/{name}/rows",
             "GET /v1/datasets/{name}/features", "GET /v1/datasets/{name}/targets",
             "GET /v1/jobs", "GET /v1/jobs/{id}", "GET /v1/jobs/{id}/events", "GET /v1/server",
             "GET /openapi.json", "GET /metrics", "GET /v2", "GET /v2/", "GET /v2/models/stats", "GET /v2/models/{name}",
             "GET /v2/models/{name}/versions/{version}", "GET /v2/models/{name}/ready",
             "GET /v2/models/{name}/versions/{version}/ready", "GET /v2/models/{name}/config",
             "GET /v2/models/{name}/versions/{version}/config", "GET /v2/models/{name}/stats",
             "GET /v2/models/{name}/versions/{version}/stats", "POST /v2/repository/index"],
    "predict": ["POST /v1/models/{name}/predict", "POST /v1/models/{name}/evaluate",
                "POST /v2/models/{name}/infer", "POST /v2/models/{name}/versions/{version}/infer"],
    "train": ["PUT /v1/models/{name}", "POST /v1/models/{name}/train", "POST /v1/models/{name}/learn",
              "PUT /v1/datasets/{name}", "PUT /v1/datasets/{name}/features",
              "PUT /v1/datasets/{name}/targets", "POST /v1/datasets/{name}/rows",
              "POST /v1/jobs/{id}/pause", "POST /v1/jobs/{id}/resume", "PATCH /v1/jobs/{id}",
              "DELETE /v1/jobs/{id}"],
    "admin": ["DELETE /v1/models/{name}", "DELETE /v1/models/{name}/versions/{version}",
              "POST /v1/models/{name}/promote", "DELETE /v1/datasets/{name}", "GET /v1/export", "PUT /v1/import",
              "POST /v2/repository/models/{name}/load", "POST /v2/repository/models/{name}/unload"],
}


def token_of(name):
    return "sigmad_test-" + name


def line(name, scope, *more):
    return " ".join([name, scope, "sha256:" + hashlib.sha256(token_of(name).encode()).hexdigest(), *more])


class Known(Client):
    """A client with a token; name: whose."""

    def __init__(self, port, name):
        super().__init__(port)
        self.name = name

    def ask(self, method, path, body=None, headers=None):
        return super().ask(method, path, body,
                           dict({"Authorization": "Bearer " + token_of(self.name)}, **(headers or {})))


class Peer(Client):
    """One of a Unix socket."""

    def __init__(self, path):
        self.connection = http.client.HTTPConnection("localhost", timeout=WAIT)
        self.connection.sock = socket.socket(socket.AF_UNIX)
        self.connection.sock.settimeout(WAIT)
        self.connection.sock.connect(path)


class Guarded(Case):
    """lines: of the file that the daemon begins with."""

    lines = tuple(line(scope, scope) for scope in SCOPES)

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="sigmad-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.tokens = os.path.join(cls.folder, "tokens")
        cls.socket = os.path.join(cls.folder, "socket")
        cls.write(*cls.lines)
        cls.daemon = Daemon("--tokens", cls.tokens, "--listen", "unix:" + cls.socket, "--access-log")

    @classmethod
    def write(cls, *lines):
        with open(cls.tokens, "w") as file:
            file.write("\n".join(("# who may do what",) + lines) + "\n")

    def setUp(self):
        super().setUp()
        self.api = self.known("admin")

    def known(self, name):
        client = Known(self.daemon.port, name)
        self.addCleanup(client.close)
        return client

    def nobody(self):
        client = self.daemon.client()
        self.addCleanup(client.close)
        return client

    def reread(self, *lines, says="reloaded"):
        self.write(*lines)
        self.daemon.hang_up("SIGHUP: " + says)


class Scopes(Guarded):
    def routes(self):
        """Those of server/route.c, as METHOD PATH."""
        source = read_text(os.path.join(ROOT, "server", "route.c"))
        texts = dict(re.findall(r'^#define (\w+) "([^"]*)"$', source, re.M))
        rows = re.findall(r'^    \{ "([A-Z]+)", +((?:\w+ )*(?:\w+|"[^"]*")), +[A-Z]+, ', source, re.M)
        self.assertEqual(len(rows), len(re.findall(r" on_\w+ \},$", source, re.M)), "a row that cannot be read")
        return {method + " " + "".join(w[1:-1] if w[0] == '"' else texts[w] for w in re.findall(r'"[^"]*"|\w+', path))
                for method, path in rows}

    def test_every_route_needs_its_scope(self):
        need = {route: scope for scope, routes in NEEDS.items() for route in routes}
        self.assertEqual(self.routes(), set(need))
        nobody = self.nobody()
        for route, scope in need.items():
            method, path = route.split()
            path = path.replace("{name}", "none").replace("{id}", "999999").replace("{version}", "1")
            with self.subTest(route):
                for client in [nobody] + [self.known(has) for has in SCOPES]:
                    reply = client.ask(method, path)
                    has = getattr(client, "name", "public")
                    if scope == "public" or has != "public" and SCOPES.index(has) >= SCOPES.index(scope):
                        self.assertNotIn(reply.status, (401, 403), (has, reply))
                    elif client is nobody:
                        self.problem(reply, 401, "auth", "Authorization")
                        self.assertEqual(reply.headers["WWW-Authenticate"], 'Bearer realm="sigmad"')
                    else:
                        self.problem(reply, 403, "denied", "scope", "must be " + scope, "is " + has)
                        self.assertEqual(reply.headers["WWW-Authenticate"],
                                         'Bearer realm="sigmad", error="insufficient_scope", scope="%s"'
                                         % scope)

    def test_head_needs_what_get_does(self):
        self.assertEqual(self.nobody().ask("HEAD", "/v1/models").status, 401)
        self.assertEqual(self.known("read").ask("HEAD", "/v1/models").status, 200)

    def test_what_is_no_token(self):
        token = token_of("read")
        for value in ("Bearer", "Bearer ", "Basic " + token, token, "Bearer" + token, "", "Bearer\t" + token):
            reply = self.known("read").ask("GET", "/v1/models", headers={"Authorization": value})
            self.problem(reply, 401, "auth", "Authorization")
        for value in (token[:-1], token + "x", token.upper(), "x" * 4000, token + " " + token,
                      hashlib.sha256(token.encode()).hexdigest()):
            reply = self.known("read").ask("GET", "/v1/models", headers={"Authorization": "Bearer " + value})
            self.problem(reply, 401, "auth", "Authorization", "none of this server's")
            self.assertEqual(reply.headers["WWW-Authenticate"],
                             'Bearer realm="sigmad", error="invalid_token"')
        for value in ("Bearer " + token, "bearer " + token, "BEARER   " + token):
            self.ok(self.known("read").ask("GET", "/v1/models", headers={"Authorization": value}))

    def test_a_connection_goes_on_after_a_refusal(self):
        client = self.nobody()
        for _ in range(3):
            self.assertEqual(client.post("/v1/models/none/predict", {"inputs": [[1] * 1000]}).status, 401)
            self.ok(client.get("/v2/health/live"))

    def test_what_is_refused_is_not_read(self):
        """Nobody is told to go on with a body; one whose length is not known ends the connection."""
        for more in (b"Expect: 100-continue\r\nContent-Length: 10\r\n", b"Content-Length: 100000000\r\n",
                     b"Transfer-Encoding: chunked\r\n"):
            for token in (b"", b"Authorization: Bearer " + token_of("predict").encode() + b"\r\n"):
                said = self.daemon.raw(b"PUT /v1/datasets/d HTTP/1.1\r\nHost: localhost\r\n"
                                       b"Content-Type: text/csv\r\n" + token + more + b"\r\n")
                self.assertRegex(said, b"^HTTP/1.1 40[13] ")
                self.assertEqual(said.count(b"HTTP/1.1"), 1)
        self.assertEqual(self.ok(self.api.get("/v1/datasets")), {"datasets": []})

    def test_the_v2_shape(self):
        reply = self.nobody().post("/v2/models/none/infer", {})
        self.assertEqual((reply.status, reply.json["error"]),
                         (401, "Authorization must be Bearer and a token"))

    def test_tokens_are_not_logged(self):
        self.known("read").delete("/v1/models/none")
        self.daemon.wait_line("request method=DELETE .* status=403 .* grant=read ")
        self.known("nobody").delete("/v1/models/none")
        self.assertNotIn("grant=", self.daemon.wait_line("request method=DELETE .* status=401 .*")[0])
        self.assertNotIn(token_of(""), self.daemon.said())


class Patterns(Guarded):
    lines = (line("admin", "admin"), line("a", "admin", "models=a,team-*"), line("t", "train", "models=b"))

    def setUp(self):
        super().setUp()
        self.a = self.known("a")
        for name in ("a", "b", "team-1"):
            if self.api.get("/v1/models/" + name).status == 404:
                self.ok(self.api.put("/v1/models/" + name, XOR), 201)
                self.ok(self.api.put("/v1/datasets/" + name, XOR_ROWS), 201)

    def denied(self, reply, field="name"):
        return self.problem(reply, 403, "denied", field, "'b'", "'a'")

    def test_routes_of_others_are_refused(self):
        for base in ("/v1/models/", "/v2/models/"):
            for name in ("a", "team-1"):
                self.ok(self.a.get(base + name))
            self.denied(self.a.get(base + "b"))
            self.denied(self.a.get(base + "%62"))
        self.denied(self.a.post("/v1/models/b/predict", {"inputs": [[0, 1]]}))
        self.denied(self.a.delete("/v1/models/b"))
        self.denied(self.a.get("/v1/models/b/versions/1"))
        self.denied(self.a.post("/v2/repository/models/b/unload", {}))
        self.denied(self.a.get("/v1/datasets/b/rows"))
        self.denied(self.a.put("/v1/datasets/b", XOR_ROWS))
        # whether it is there cannot be told
        said = self.problem(self.a.get("/v1/models/none"), 403, "denied", "name")
        self.assertEqual(said["detail"].replace("none'", "b'"), self.denied(self.a.get("/v1/models/b"))["detail"])

    def test_lists_leave_out_the_others(self):
        names = [m["name"] for m in self.ok(self.a.get("/v1/models"))["models"]]
        self.assertEqual(names, ["a", "team-1"])
        names = [d["name"] for d in self.ok(self.a.get("/v1/datasets"))["datasets"]]
        self.assertEqual(sorted(names), ["a", "team-1"])
        self.assertEqual({m["name"] for m in self.ok(self.a.post("/v2/repository/index"))}, {"a", "team-1"})
        said = self.ok(self.a.get("/v2/models/stats"))["model_stats"]
        self.assertEqual({m["name"] for m in said}, {"a", "team-1"})
        self.assertEqual([m["name"] for m in self.ok(self.known("t").get("/v1/models"))["models"]], ["b"])

    def test_data_sets_named_elsewhere(self):
        self.denied(self.a.post("/v1/models/a/train", {"dataset": "b"}), "dataset")
        self.problem(self.a.post("/v1/models/a/train", {"dataset": "a", "validation": {"dataset": "b"}}),
                     403, "denied", "validation.dataset", "'b'")
        self.denied(self.a.post("/v1/models/a/evaluate", {"dataset": "b"}), "dataset")
        self.denied(self.a.post("/v1/models/a/predict?dataset=b"), "dataset")
        self.denied(self.a.get("/v1/models/a/export?format=c&precision=int8&calibrate=b"), "calibrate")
        self.ok(self.a.post("/v1/models/a/evaluate", {"dataset": "team-1"}))
        self.ok(self.a.post("/v1/models/a/evaluate", XOR_ROWS))

    def test_jobs_are_of_their_models(self):
        mine = self.ok(self.a.post("/v1/models/a/train", {"dataset": "a"}, Prefer="wait=60"))["id"]
        other = self.ok(self.api.post("/v1/models/b/train", XOR_ROWS, Prefer="wait=60"))["id"]
        self.ok(self.a.get("/v1/jobs/" + mine))
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("GET", "/events")):
            self.problem(self.a.ask(method, "/v1/jobs/" + other + path), 403, "denied", "id", "'%s'" % other)
        self.assertEqual({j["model"] for j in self.ok(self.a.get("/v1/jobs"))["jobs"]}, {"a"})
        self.assertEqual(self.ok(self.a.get("/v1/jobs?model=b"))["jobs"], [])
        self.problem(self.a.get("/v1/jobs/999999"), 404, "not-found", "id")

    def test_everything_at_once_is_for_who_may_see_all(self):
        self.problem(self.a.get("/v1/export"), 403, "denied", "models", "team-*")
        self.assertEqual(self.api.get("/v1/export").status, 200)


class Rates(Guarded):
    lines = (line("admin", "admin"), line("slow", "read", "rate=1"))

    def many(self, client, status):
        """Asks until it is answered so; all that it was answered."""
        seen = []
        self.until(lambda: seen.append(client.get("/v1/models")) or seen[-1].status,
                   lambda got: got == status)
        self.assertLessEqual({reply.status for reply in seen}, {200, 429})
        return seen

    def test_too_many_are_told_when_to_come_back(self):
        slow = self.known("slow")
        refused = self.many(slow, 429)[-1]
        self.problem(refused, 429, "rate", "rate", "of 'slow' is 1 requests a second")
        self.assertEqual(refused.headers["Retry-After"], "1")
        self.ok(slow.get("/v2/health/live"))
        for _ in range(20):
            self.ok(self.api.get("/v1/models"))  # another's
        self.many(slow, 200)


class Peers(Guarded):
    """What the process at the other end of a Unix socket is."""

    lines = (line("admin", "admin"), line("reader", "read"), "me train uid:%d" % os.getuid(),
             "also predict gid:%d" % os.getgid(), "seven read uid:7777", "eight predict gid:8888")

    def peer(self):
        client = Peer(self.socket)
        self.addCleanup(client.close)
        return client

    def test_the_first_line_that_fits(self):
        self.ok(self.peer().put("/v1/models/m", XOR), 201)
        self.problem(self.peer().delete("/v1/models/m"), 403, "denied", "scope", "that of 'me' is train")

    def test_a_token_goes_before_it(self):
        for name, status in (("admin", 404), ("reader", 403), ("nobody", 401)):
            reply = self.peer().ask("DELETE", "/v1/models/none",
                                    headers={"Authorization": "Bearer " + token_of(name)})
            self.assertEqual(reply.status, status, reply)

    def test_it_is_nobody_over_tcp(self):
        self.problem(self.nobody().get("/v1/models"), 401, "auth", "Authorization")

    @unittest.skipUnless(os.getuid() == 0, "only root can be somebody else")
    def test_other_users(self):
        os.chmod(self.folder, 0o711)
        os.chmod(self.socket, 0o666)
        code = ("import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
                "s.sendall(b'POST /v1/models/none/predict HTTP/1.0\\r\\n\\r\\n')\nprint(s.recv(999).split()[1])")
        for user, group, extra, status in ((7777, 1, [], "403"), (7778, 8888, [], "404"),
                                           (7778, 1, [9, 8888], "404"), (7778, 1, [9], "401")):
            said = subprocess.run([sys.executable, "-c", code, self.socket], user=user, group=group,
                                  extra_groups=extra, stdout=subprocess.PIPE, timeout=WAIT, check=True)
            self.assertEqual(said.stdout.decode().strip(), "b'%s'" % status, (user, group, extra))


class Reading(Guarded):
    def test_it_is_read_again(self):
        self.ok(self.known("read").get("/v1/models"))
        self.problem(self.known("new").get("/v1/models"), 401, "auth")
        self.reread(line("admin", "admin"), line("new", "read"))
        self.problem(self.known("read").get("/v1/models"), 401, "auth")
        self.ok(self.known("new").get("/v1/models"))
        self.reread(line("new", "admin"), "wrong", says=r"going on as before: --tokens .*/tokens:3: must be")
        self.problem(self.known("new").delete("/v1/models/none"), 403, "denied")
        self.ok(self.api.get("/v1/models"))
        os.unlink(self.tokens)
        self.daemon.hang_up("going on as before: --tokens .*/tokens cannot be read: No such file")
        self.ok(self.api.get("/v1/models"))


class Starting(Case):
    """What the daemon begins with, or does not."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="sigmad-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        pass

    def path(self, name, text):
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text)
        return file.name

    def refused(self, *flags, env=None):
        done = subprocess.run([SIGMAD, "--state", "none", *flags], stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, timeout=WAIT, env=dict(os.environ, **(env or {})))
        self.assertEqual(done.returncode, 2, done)
        return done.stderr.decode()

    @contextlib.contextmanager
    def daemon_of(self, *flags, env=None):
        daemon = Daemon(*flags, env=env)
        try:
            yield daemon
        finally:
            self.assertEqual(daemon.end(), 0, daemon.said())

    def lets_in(self, daemon, name):
        client = Known(daemon.port, name)
        status = client.get("/v1/models").status
        client.close()
        return status

    def test_a_new_token(self):
        done = subprocess.run([SIGMAD, "token", "new", "phone", "--scope", "predict", "--models", "m*,x",
                               "--rate", "7"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True,
                              timeout=WAIT)
        token, stored = done.stdout.decode().splitlines()
        self.assertRegex(token, "^sigmad_[0-9a-f]{64}$")
        self.assertEqual(stored, "phone predict sha256:%s models=m*,x rate=7"
                         % hashlib.sha256(token.encode()).hexdigest())
        self.assertNotIn(token, done.stderr.decode())
        again = subprocess.run([SIGMAD, "token", "new", "phone", "--scope", "read"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, check=True, timeout=WAIT)
        self.assertNotEqual(again.stdout.decode().splitlines()[0], token)
        with self.daemon_of("--tokens", self.path("made", stored)) as daemon:
            client = daemon.client()
            reply = client.ask("POST", "/v1/models/m/predict", headers={"Authorization": "Bearer " + token})
            self.assertEqual(reply.status, 404, reply)
            client.close()

    def test_a_wrong_command(self):
        for words, why in (([], "token must be followed by new"), (["old"], "token must be followed by new"),
                           (["new"], "token new needs NAME"), (["new", "a"], "token new needs NAME"),
                           (["new", "a", "--scope", "all"], "scope must be read, predict, train or admin"),
                           (["new", "a", "--scope"], "--scope must be there once, with a value"),
                           (["new", "a", "b", "--scope", "read"], "NAME must be there once"),
                           (["new", "a b", "--scope", "read"], "NAME must be a word"),
                           (["new", "a#", "--scope", "read"], "NAME must be a word"),
                           (["new", "a", "--scope", "read", "--rate", "0"], "rate must be a whole number"),
                           (["new", "a", "--scope", "read", "--models", "x/y"], "models must be names"),
                           (["new", "a", "--scope", "read", "--quiet"], "--quiet must be --scope, --models")):
            done = subprocess.run([SIGMAD, "token", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=WAIT)
            self.assertEqual((done.returncode, done.stdout), (2, b""), words)
            self.assertIn("sigmad: " + why, done.stderr.decode())

    def test_a_file_that_is_wrong(self):
        self.assertIn("--tokens %s/none cannot be read" % self.folder,
                      self.refused("--tokens", self.folder + "/none"))
        self.assertIn("wrong:2: scope must be", self.refused("--tokens", self.path("wrong", "\na b uid:1\n")))
        path = self.path("open", line("a", "read"))
        os.chmod(path, 0o666)
        self.assertIn("can be written to by anybody", self.refused("--tokens", path))

    def test_the_credential(self):
        os.makedirs(self.folder + "/credentials", exist_ok=True)
        self.path("credentials/tokens", line("a", "read"))
        env = {"CREDENTIALS_DIRECTORY": self.folder + "/credentials"}
        with self.daemon_of(env=env) as daemon:
            self.assertEqual((self.lets_in(daemon, "a"), self.lets_in(daemon, "b")), (200, 401))
        with self.daemon_of("--tokens", self.path("other", line("b", "read")), env=env) as daemon:
            self.assertEqual((self.lets_in(daemon, "a"), self.lets_in(daemon, "b")), (401, 200))
        with self.daemon_of(env={"CREDENTIALS_DIRECTORY": self.folder + "/nowhere"}) as daemon:
            self.assertEqual(self.lets_in(daemon, "a"), 200)
        self.assertIn("CREDENTIALS_DIRECTORY has %s/other/tokens, which cannot be read: Not a directory" % self.folder,
                      self.refused("--listen", "127.0.0.1:0", env={"CREDENTIALS_DIRECTORY": self.folder + "/other"}))

    def test_beyond_loopback(self):
        self.assertIn("0.0.0.0:0 is not a loopback address", self.refused("--listen", "0.0.0.0:0"))
        tokens = self.path("tokens", line("a", "read"))
        for flags in (("--insecure",), ("--tokens", tokens)):
            with self.daemon_of("--listen", "0.0.0.0:0", *flags) as daemon:
                daemon.wait_line(r"^sigmad: listening on http://0\.0\.0\.0:\d+$")


if __name__ == "__main__":
    main()
