"""TLS: what is spoken, certificates of clients, and files that are read again."""
import hashlib
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import warnings

from certificates import Authority
from harness import SIGMAD, WAIT, XOR, Case, Client, Daemon, main, read_all


class Secure(Client):
    """Over TLS, verified against ca; certificate: the path without .pem of the client's own."""

    def __init__(self, port, ca, certificate=None):
        self.context = ssl.create_default_context(cafile=ca)
        if certificate is not None:
            self.context.load_cert_chain(certificate + ".pem", certificate + ".key")
        self.connection = http.client.HTTPSConnection("localhost", port, context=self.context, timeout=WAIT)


class TlsCase(Case):
    """flags_of: what the class's daemon is started with, besides its certificate."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="sigmad-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.authority = Authority(cls.folder)
        cls.ca = cls.authority.path("ca.pem")
        cls.pair = cls.authority.make("server", "/CN=localhost")
        cls.daemon = Daemon("--tls-cert", cls.pair + ".pem", "--tls-key", cls.pair + ".key", *cls.flags_of())

    @classmethod
    def flags_of(cls):
        return ()

    def setUp(self):
        super().setUp()
        self.api = self.client()

    def client(self, certificate=None):
        client = Secure(self.daemon.port, self.ca, certificate)
        self.addCleanup(client.close)
        return client

    def reread(self, says="reloaded"):
        self.daemon.hang_up("SIGHUP: " + says)

    def serial(self):
        """Of the certificate that a new connection is shown."""
        with self.api.context.wrap_socket(self.daemon.connect(), server_hostname="localhost") as sock:
            return sock.getpeercert()["serialNumber"]


class Tls(TlsCase):
    @classmethod
    def flags_of(cls):
        return "--listen", "unix:" + os.path.join(cls.folder, "socket")

    def test_it_serves(self):
        self.ok(self.api.put("/v1/models/m", XOR), 201)
        for _ in range(3):
            self.ok(self.api.post("/v1/models/m/predict", {"inputs": [[0, 1]] * 10}))
        big = self.ok(self.api.post("/v1/models/m/predict", {"inputs": [[0, 1]] * 30000}))  # many records
        self.assertEqual(len(big["outputs"]), 30000)
        self.assertEqual(self.ok(self.api.get("/v1/server"))["listen"][0],
                         "https://127.0.0.1:%d" % self.daemon.port)

    def test_uploads_and_jobs(self):
        rows = "".join("%d,%d,%s\n" % (i % 2, i // 2 % 2, "ab"[i % 2]) for i in range(200000))
        self.assertEqual(self.ok(self.api.put("/v1/datasets/d", rows, "text/csv"), 201)["rows"], 200000)
        self.model(name="long")
        job = self.ok(self.api.post("/v1/models/long/train", {"inputs": [[0, 1]], "targets": [[1]], "epochs": 3},
                                    Prefer="wait=60"))
        self.assertEqual(job["state"], "succeeded")
        said = self.api.get("/v1/jobs/%s/events" % job["id"])
        self.assertIn(b"succeeded", said.body)

    def test_pipelined_requests(self):
        """More than one may lie in a record that has been read."""
        with self.api.context.wrap_socket(self.daemon.connect(), server_hostname="localhost") as sock:
            sock.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20 +
                         b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.assertEqual(read_all(sock).count(b"HTTP/1.1 200"), 21)

    def test_versions(self):
        for version, good in ((ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True),
                              (ssl.TLSVersion.TLSv1_1, False)):
            context = ssl.create_default_context(cafile=self.ca)
            context.set_ciphers("ALL:@SECLEVEL=0")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = context.maximum_version = version
            with self.daemon.connect() as plain:
                if good:
                    with context.wrap_socket(plain, server_hostname="localhost") as sock:
                        self.assertIn(sock.version(), ("TLSv1.2", "TLSv1.3"))
                else:
                    with self.assertRaises((ssl.SSLError, ConnectionError)):
                        context.wrap_socket(plain, server_hostname="localhost")

    def test_no_cipher_without_forward_secrecy(self):
        context = ssl.create_default_context(cafile=self.ca)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("kRSA")
        with self.daemon.connect() as plain, self.assertRaises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(plain, server_hostname="localhost")

    def test_what_is_no_tls(self):
        self.assertNotIn(b"HTTP", self.daemon.raw(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        with self.daemon.connect() as sock:
            sock.sendall(b"\x16\x03\x01")  # and no more
        self.ok(self.client().get("/v2/health/live"))

    def test_a_unix_socket_has_none(self):
        connection = http.client.HTTPConnection("localhost", timeout=WAIT)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(os.path.join(self.folder, "socket"))
        connection.request("GET", "/v2/health/live")
        self.assertEqual(connection.getresponse().status, 200)
        connection.close()

    def test_health_asks_a_unix_socket(self):
        def health(address):
            return subprocess.run([SIGMAD, "health", "--listen", address, "--tls-cert", self.pair + ".pem", "--tls-key",
                                   self.pair + ".key"], stderr=subprocess.PIPE, timeout=WAIT)

        self.assertEqual(health("unix:" + os.path.join(self.folder, "socket")).returncode, 0)
        said = health("127.0.0.1:%d" % self.daemon.port)
        self.assertEqual(said.returncode, 2)
        self.assertIn(b"--listen is 127.0.0.1:%d, where TLS is spoken" % self.daemon.port, said.stderr)

    def test_pages_of_its_own(self):
        host = "localhost:%d" % self.daemon.port
        self.ok(self.api.ask("POST", "/v2/repository/index", "{}", {"Origin": "https://" + host}))
        self.problem(self.api.ask("POST", "/v2/repository/index", "{}", {"Origin": "https://evil.example"}),
                     403, "denied", "Origin")


class Late(TlsCase):
    """Nothing is said past TLS to a connection that is cut off."""

    @classmethod
    def flags_of(cls):
        return "--timeout", "1", "--request-timeout", "1", "--min-rate", "1m"

    def test_it_is_cut(self):
        with self.api.context.wrap_socket(self.daemon.connect(), server_hostname="localhost") as sock:
            sock.sendall(b"POST /v1/models/m/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1")
            try:
                said = read_all(sock)
            except ssl.SSLEOFError:
                said = b""
            self.assertEqual(said, b"")
        with self.daemon.connect() as sock:  # a handshake that does not go on
            sock.sendall(b"\x16\x03\x01\x02\x00")
            self.assertNotIn(b"HTTP", read_all(sock))


class Again(TlsCase):
    def test_the_files_are_read_again(self):
        before, kept = self.serial(), self.client()
        self.ok(kept.get("/v2/health/live"))
        self.authority.make("server", "/CN=localhost")
        self.assertEqual(self.serial(), before)
        self.reread()
        self.assertNotEqual(self.serial(), before)
        self.ok(kept.get("/v2/health/live"))  # on the connection that it had
        self.assertEqual(kept.connection.sock.getpeercert()["serialNumber"], before)
        # a key that is another's
        now = self.serial()
        other = Authority(self.folder, "other").make("key", "/CN=localhost")
        shutil.copy(other + ".key", self.pair + ".key")
        self.reread("going on as before: --tls-cert .*server.pem with the key")
        os.chmod(self.pair + ".key", 0o604)
        self.reread("going on as before: --tls-key .*server.key can be read by anybody")
        os.unlink(self.pair + ".key")
        self.reread("going on as before: --tls-key .*server.key cannot be read")
        self.assertEqual(self.serial(), now)
        self.ok(kept.get("/v2/health/live"))
        self.assertEqual(len([line for line in self.daemon.lines if "is good until" in line]), 2)


class Mutual(TlsCase):
    """Who has a certificate of the authority may come in, and what it may do a grant says."""

    @classmethod
    def flags_of(cls):
        cls.tokens = cls.authority.path("tokens")
        with open(cls.tokens, "w") as file:
            file.write("press read cert:press-7\nops admin sha256:%s\n" % hashlib.sha256(b"secret").hexdigest())
        return "--tls-client-ca", cls.ca, "--tokens", cls.tokens, "--listen", "0.0.0.0:0"

    def setUp(self):
        super().setUp()
        if not os.path.exists(self.authority.path("press.pem")):
            self.authority.make("press", "/CN=press-7", "clientAuth")
            self.authority.make("unknown", "/CN=unknown", "clientAuth")

    def refused(self, certificate):
        """Ends with the handshake; a client of TLS 1.3 hears of it only when it reads."""
        client = self.client(certificate)
        with self.assertRaises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
            client.get("/v2/health/live")

    def test_without_a_certificate(self):
        self.refused(None)

    def test_certificates_that_are_not_good(self):
        self.refused(Authority(self.folder, "foreign").make("foreigner", "/CN=press-7", "clientAuth"))
        self.refused(self.authority.make("expired", "/CN=press-7", "clientAuth", days=-1))
        self.refused(self.authority.make("server-only", "/CN=press-7", "serverAuth"))

    def test_what_it_may_do(self):
        press = self.client(self.authority.path("press"))
        for _ in range(2):
            self.ok(press.get("/v1/models"))
            self.problem(press.put("/v1/models/m", XOR), 403, "denied", "scope", "that of 'press' is read")
        unknown = self.client(self.authority.path("unknown"))
        self.problem(unknown.get("/v1/models"), 401, "auth", "Authorization")
        self.ok(unknown.ask("GET", "/v1/models", headers={"Authorization": "Bearer secret"}))
        self.problem(press.ask("GET", "/v1/models", headers={"Authorization": "Bearer other"}), 401, "auth")

    def test_two_names_are_none(self):
        both = self.authority.make("both", "/CN=unknown/CN=press-7", "clientAuth")
        self.problem(self.client(both).get("/v1/models"), 401, "auth")

    def test_it_listens_beyond_loopback(self):
        self.daemon.wait_line(r"^sigmad: listening on https://0\.0\.0\.0:\d+$")
        self.assertNotIn("as they are", self.daemon.said())


class MutualAlone(TlsCase):
    """Without a file of --tokens, whoever has a certificate may do everything."""

    @classmethod
    def flags_of(cls):
        return "--tls-client-ca", cls.ca, "--listen", "0.0.0.0:0"

    def test_everything(self):
        client = self.client(self.authority.make("any", "/CN=any", "clientAuth"))
        self.ok(client.put("/v1/models/m", XOR), 201)
        self.assertEqual(client.delete("/v1/models/m").status, 204)

    def test_the_authority_is_read_again(self):
        old = self.client(self.authority.make("old", "/CN=old", "clientAuth"))
        self.ok(old.get("/v2/health/live"))
        other = Authority(self.folder, "next")
        shutil.copy(self.ca, self.authority.path("kept.pem"))
        shutil.copy(other.path("next.pem"), self.ca)
        try:
            self.reread()
            self.ok(old.get("/v2/health/live"))  # on the connection that it had
            for certificate, good in (("old", False), ("new", True)):
                if good:
                    other.make(certificate, "/CN=new", "clientAuth")
                client = Secure(self.daemon.port, self.authority.path("kept.pem"), other.path(certificate))
                self.addCleanup(client.close)
                if good:
                    self.ok(client.get("/v2/health/live"))
                else:
                    with self.assertRaises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
                        client.get("/v2/health/live")
        finally:
            shutil.copy(self.authority.path("kept.pem"), self.ca)
            self.reread()


class Starting(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="sigmad-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.authority = Authority(cls.folder)
        cls.pair = cls.authority.make("server", "/CN=localhost")

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        pass

    def refused(self, *flags):
        done = subprocess.run([SIGMAD, "--state", "none", "--listen", "127.0.0.1:0", *flags],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=WAIT)
        self.assertEqual(done.returncode, 2, done)
        return done.stderr.decode()

    def test_what_is_wrong(self):
        cert, key = self.pair + ".pem", self.pair + ".key"
        shutil.copy(key, self.pair + ".open")
        os.chmod(self.pair + ".open", 0o644)
        other = self.authority.make("other")
        for flags, why in ((("--tls-cert", cert), "--tls-key must be there as well"),
                           (("--tls-key", key), "--tls-cert must be there as well"),
                           (("--tls-client-ca", cert), "--tls-cert must be there as well"),
                           (("--tls-cert", cert + "x", "--tls-key", key), "--tls-cert %sx cannot be read" % cert),
                           (("--tls-cert", cert, "--tls-key", key + "x"), "--tls-key %sx cannot be read" % key),
                           (("--tls-cert", cert, "--tls-key", self.pair + ".open"), "can be read by anybody"),
                           (("--tls-cert", cert, "--tls-key", other + ".key"), "with the key"),
                           (("--tls-cert", key, "--tls-key", key), "with the key"),
                           (("--tls-cert", cert, "--tls-key", key, "--tls-client-ca", key), "has no certificate"),
                           (("--tls-cert", cert, "--tls-key", key, "--tls-client-ca", cert + "x"),
                            "--tls-client-ca %sx cannot be read" % cert),
                           (("--listen", "0.0.0.0:0", "--tls-cert", cert, "--tls-key", key), "--tls-client-ca")):
            self.assertIn(why, self.refused(*flags))

    def test_what_the_log_says(self):
        tokens = self.authority.path("tokens")
        with open(tokens, "w"):
            pass
        old = self.authority.make("old", days=-1)
        for flags, says in ((("--tls-cert", self.pair + ".pem", "--tls-key", self.pair + ".key"),
                             r"the certificate in .*server\.pem is good until 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
                            (("--tls-cert", old + ".pem", "--tls-key", old + ".key"), r"old\.pem has expired: 20"),
                            (("--tokens", tokens, "--listen", "0.0.0.0:0"),
                             r"http://0.0.0.0:\d+: tokens go over the network as they are")):
            daemon = Daemon(*flags)
            try:
                daemon.wait_line(says)
            finally:
                self.assertEqual(daemon.end(), 0)


if __name__ == "__main__":
    main()
