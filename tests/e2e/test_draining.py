"""SIGTERM: ready goes to 503, requests in flight finish, exit 0. And how it starts."""
import http.client
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest

from harness import LONG, SIGMAD, SLOW, WAIT, XOR, XOR_ROWS, Daemon, main, read_reply


class Draining(unittest.TestCase):
    def daemon(self, *flags):
        daemon = Daemon(*flags)
        self.addCleanup(lambda: daemon.process.poll() is None and daemon.end(signal.SIGKILL))
        return daemon

    def test_a_request_in_flight_finishes(self):
        daemon = self.daemon()
        api, idle = daemon.client(), daemon.client()
        self.assertEqual(api.put("/v1/models/m", XOR).status, 201)
        self.assertEqual(idle.get("/v2/health/ready").status, 200)
        body = b'{"inputs": [[0, 1]]}'
        with daemon.connect() as half, daemon.connect() as asks:
            half.sendall(b"POST /v1/models/m/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
                         % len(body) + body[:5])
            asks.sendall(b"GET /v2/health/ready HTTP/1.1\r\nHost: localhost\r\n")  # headers not yet ended
            time.sleep(0.2)
            daemon.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            asks.sendall(b"\r\n")
            self.assertEqual(read_reply(asks).status, 503)
            self.assertIsNone(daemon.process.poll())
            half.sendall(body[5:])
            reply = read_reply(half)
            self.assertEqual(reply.status, 200)
            self.assertEqual(reply.json["model"], "m")
        self.assertEqual(daemon.process.wait(WAIT), 0)
        daemon.end()
        api.close()
        idle.close()

    def test_idle_connections_do_not_hold_it_up(self):
        daemon = self.daemon()
        held = [daemon.client() for _ in range(10)]
        for api in held:
            self.assertEqual(api.get("/v2/health/live").status, 200)
        began = time.monotonic()
        self.assertEqual(daemon.end(), 0)
        self.assertLess(time.monotonic() - began, 5 * SLOW)
        for api in held:
            api.close()

    def test_a_job_under_way_does_not_hold_it_up(self):
        daemon = self.daemon()
        api = daemon.client()
        self.assertEqual(api.put("/v1/models/m", XOR).status, 201)
        for _ in range(2):  # one runs, one waits
            self.assertEqual(api.post("/v1/models/m/train", dict(XOR_ROWS, epochs=LONG)).status, 202)
        began = time.monotonic()
        self.assertEqual(daemon.end(), 0)
        self.assertLess(time.monotonic() - began, 10 * SLOW)
        api.close()

    def test_a_client_that_waits_for_a_job_gets_an_answer(self):
        daemon = self.daemon()
        api = daemon.client()
        self.assertEqual(api.put("/v1/models/m", XOR).status, 201)
        api.connection.request("POST", "/v1/models/m/train", json.dumps(
            dict(XOR_ROWS, epochs=LONG)), {"Content-Type": "application/json", "Prefer": "wait=600"})
        time.sleep(0.5)
        daemon.process.send_signal(signal.SIGTERM)
        reply = api.connection.getresponse()
        self.assertIn(reply.status, (200, 202, 503))
        reply.read()
        self.assertEqual(daemon.process.wait(WAIT), 0)
        daemon.end()
        api.close()

    def test_who_cancels_is_answered_when_that_is_done(self):
        daemon = self.daemon()
        api = daemon.client()
        wide = dict(XOR, layers=[{"units": 2000, "activation": "sigmoid"}] * 2 + XOR["layers"][-1:])
        self.assertEqual(api.put("/v1/models/m", wide).status, 201)
        rows = {"inputs": XOR_ROWS["inputs"] * 500, "targets": XOR_ROWS["targets"] * 500}
        job = api.post("/v1/models/m/train", dict(rows, epochs=LONG, batch_size=2000)).json["id"]
        limit = time.monotonic() + WAIT
        while api.get("/v1/jobs/" + job).json["state"] != "running":
            self.assertLess(time.monotonic(), limit)
        time.sleep(0.5)  # a mini-batch takes about as long
        api.connection.request("DELETE", "/v1/jobs/" + job)
        time.sleep(0.05)
        daemon.process.send_signal(signal.SIGTERM)
        reply = api.connection.getresponse()
        said = json.loads(reply.read())
        self.assertEqual((reply.status, said["state"]), (200, "cancelled"))
        self.assertEqual(daemon.process.wait(WAIT), 0)
        daemon.end()
        api.close()

    def test_sigint_is_a_sigterm(self):
        self.assertEqual(self.daemon().end(signal.SIGINT), 0)

    def test_new_connections_are_refused_at_once(self):
        daemon = self.daemon()
        with daemon.connect() as half:
            half.sendall(b"GET / HTTP/1.1\r\n")
            time.sleep(0.2)
            daemon.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            began = time.monotonic()
            api = daemon.client()
            with self.assertRaises((OSError, http.client.HTTPException)):
                api.get("/v2/health/live")
            self.assertLess(time.monotonic() - began, 2)
            api.close()
        self.assertEqual(daemon.end(), 0)


class Starting(unittest.TestCase):
    def run_it(self, *flags, env=None):
        return subprocess.run([SIGMAD, *flags], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=WAIT, env=dict(os.environ, **(env or {})))

    def test_version(self):
        said = self.run_it("--version")
        self.assertEqual(said.returncode, 0)
        self.assertRegex(said.stdout, r"^sigmad \d+\.\d+\.\d+\b")

    def test_flags_that_make_no_sense(self):
        with tempfile.TemporaryDirectory() as state:
            good = ("--listen", "127.0.0.1:0", "--state", state)
            for flags in (("--workers", "0"), ("--workers", "x"), ("--workers",), ("--max-body", "1q"),
                          ("--wrokers", "2"), ("stray",), ("--listen", "127.0.0.1"),
                          ("--listen", "127.0.0.1:99999"), ("--listen", "999.0.0.1:0"), ("--listen", ""),
                          ("--max-models", "-1"), ("--isa", "z80")):
                with self.subTest(flags=flags):
                    said = self.run_it(*good, *flags)
                    self.assertNotEqual(said.returncode, 0)
                    self.assertIn("sigmad: ", said.stderr)
                    self.assertIn(flags[0].lstrip("-"), said.stderr)
                    self.assertNotIn("listening", said.stderr)

    def test_an_address_in_use(self):
        daemon = Daemon()
        try:
            with tempfile.TemporaryDirectory() as state:
                said = self.run_it("--listen", "127.0.0.1:%d" % daemon.port, "--state", state)
            self.assertNotEqual(said.returncode, 0)
            self.assertIn(str(daemon.port), said.stderr)
        finally:
            self.assertEqual(daemon.end(), 0)

    def test_beyond_loopback_only_when_told(self):
        with tempfile.TemporaryDirectory() as state:
            said = self.run_it("--listen", "0.0.0.0:0", "--state", state)
        self.assertNotEqual(said.returncode, 0)
        self.assertIn("--insecure", said.stderr)

    def test_environment_variables_and_flags_over_them(self):
        daemon = Daemon(env={"SIGMAD_MAX_MODELS": "1", "SIGMAD_MAX_ROWS": "1"})
        api = daemon.client()
        self.assertEqual(api.put("/v1/models/a", XOR).status, 201)
        self.assertEqual(api.put("/v1/models/b", XOR).status, 503)
        api.close()
        self.assertEqual(daemon.end(), 0)
        daemon = Daemon("--max-models", "2", env={"SIGMAD_MAX_MODELS": "1"})
        api = daemon.client()
        self.assertEqual(api.put("/v1/models/a", XOR).status, 201)
        self.assertEqual(api.put("/v1/models/b", XOR).status, 201)
        api.close()
        self.assertEqual(daemon.end(), 0)

    def test_it_answers_on_a_unix_socket(self):
        import socket
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/sock"
            daemon = Daemon("--listen", "unix:" + path)
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(WAIT)
                sock.connect(path)
                sock.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                self.assertEqual(read_reply(sock).status, 200)
            self.assertEqual(daemon.end(), 0)
            self.assertFalse(os.path.exists(path))


if __name__ == "__main__":
    main()
