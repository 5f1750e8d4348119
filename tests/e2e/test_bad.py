"""Bad input: each gets a 4xx that names the field and the limit, and changes nothing."""
import http.client
import json
import re

from harness import LARGEST, XOR, XOR_ROWS, Case, main, read_reply


class Specs(Case):
    flags = ("--max-layers", "5", "--max-units", "1000", "--max-parameters", "100000")

    def layers(self, *units, act="sigmoid"):
        return [{"units": n, "activation": act} for n in units]

    def test_each_names_its_field(self):
        for change, field, *texts in (
            ({"inputs": 0}, "inputs", "1 to 1000", "0"),
            ({"inputs": 1001}, "inputs", "1 to 1000", "1001"),
            ({"inputs": "two"}, "inputs"),
            ({"inputs": 2.5}, "inputs"),
            ({"inputs": None}, "inputs"),
            ({"layers": []}, "layers"),
            ({"layers": {}}, "layers"),
            ({"layers": [7]}, "layers[0]"),
            ({"layers": self.layers(*[1] * 6)}, "layers", "5", "6"),
            ({"layers": self.layers(1000, 1000, 1)}, "layers", "100000"),
            ({"layers": self.layers(2, 0)}, "layers[1].units", "1 to 1000", "0"),
            ({"layers": self.layers(1001, 1)}, "layers[0].units", "1 to 1000", "1001"),
            ({"layers": self.layers(-1, 1)}, "layers[0].units", "-1"),
            ({"layers": self.layers("3", 1)}, "layers[0].units"),
            ({"layers": [{"units": 1}]}, "layers[0].activation"),
            ({"layers": [{"activation": "sigmoid"}]}, "layers[0].units"),
            ({"layers": [{"units": 1, "activation": "swish"}]}, "layers[0].activation", "sigmoid", "relu"),
            ({"layers": [{"units": 1, "activation": 3}]}, "layers[0].activation"),
            ({"layers": [{"units": 1, "activation": "sigmoid", "unit": 1}]}, "layers[0].unit"),
            ({"layers": self.layers(2, act="softmax") + self.layers(1)}, "layers[0].activation", "softmax"),
            ({"layers": self.layers(1, act="relu")}, "layers[0].activation", "relu"),
            ({"cost": "l1"}, "cost", "mse", "cross_entropy", "log_likelihood"),
            ({"cost": 1}, "cost"),
            ({"cost": "log_likelihood"}, "cost", "softmax"),
            ({"layers": self.layers(2, act="softmax"), "cost": "mse"}, "cost", "softmax"),
            ({"layers": self.layers(2, act="softmax"), "cost": "cross_entropy"}, "cost", "softmax"),
            ({"layers": self.layers(2, act="linear"), "cost": "cross_entropy"}, "cost", "linear"),
            ({"layers": self.layers(2, act="tanh"), "cost": "log_likelihood"}, "cost", "tanh"),
            ({"init": "zeros"}, "init", "xavier"),
            ({"bias_init": "ones"}, "bias_init", "normal"),
            ({"normalize": "log"}, "normalize", "minmax"),
            ({"seed": -1}, "seed"),
            ({"seed": 1.5}, "seed"),
            ({"seed": "7"}, "seed"),
            ({"labels": ["a", "b"]}, "labels", "2", "1"),
            ({"labels": [7]}, "labels[0]"),
            ({"labels": [""]}, "labels[0]"),
            ({"labels": ["x" * 257]}, "labels[0]", "256"),
            ({"labels": "a"}, "labels"),
            ({"layers": self.layers(2), "labels": ["a", "a"]}, "labels[1]"),
            ({"optimizer": "sgd"}, "optimizer"),
            ({"Inputs": 2}, "Inputs"),
        ):
            with self.subTest(change=change), self.unchanged():
                reply = self.api.put("/v1/models/bad", dict(XOR, **change))
                self.problem(reply, 422, "field", field, *texts)
        for gone in ("inputs", "layers", "cost"):
            with self.subTest(gone=gone), self.unchanged():
                spec = {key: value for key, value in XOR.items() if key != gone}
                self.problem(self.api.put("/v1/models/bad", spec), 422, "field", gone, "missing")

    def test_parameters_are_counted_before_they_are_allocated(self):
        before = self.daemon.memory()
        for layers in (self.layers(1000, 1000, 1000, 1000, 1000), self.layers(1000, 1000)):
            with self.unchanged():
                self.problem(self.api.put("/v1/models/bad", dict(XOR, inputs=1000, layers=layers)), 422,
                             "field", "layers", "100000")
        self.assertLess(self.daemon.memory() - before, 16 << 20)


class Bodies(Case):
    def posts(self):
        """Every path that takes JSON."""
        at = self.model(XOR)
        for verb in ("predict", "train", "learn", "evaluate", "promote"):
            yield "POST", at + "/" + verb
        job = self.train(at, **XOR_ROWS)
        yield "PATCH", "/v1/jobs/" + job["id"]
        yield "PUT", "/v1/models/bad"
        yield "PUT", "/v1/datasets/bad"

    def test_what_is_not_json(self):
        """Wherever the first error is one of syntax, it is told as one."""
        for method, path in self.posts():
            for body in ("", "   ", "{", '{"', "{'inputs': 1}", "{1: 2}", "{,}", "\x01", '{"inputs" 1}', "nul",
                         "\ufeff{}", b'{"\xff": 1}', b'{"\xc3": 1}', '{"\x01": 1}', '{"\\x": 1}', '{"\\ud800": 1}',
                         "NaN", "truE"):
                with self.subTest(path=path, body=body), self.unchanged():
                    reply = self.api.ask(method, path, body, {"Content-Type": "application/json"})
                    self.problem(reply, 400, "syntax", "body")
        at = self.model(XOR, name="rows")
        for body in ('{"inputs": [[1, 2]]', '{"inputs": [[1, 2], [3', '{"inputs": ', '{"inputs": [[1, 2]],}',
                     '{"inputs": [[NaN, 1]]}', '{"inputs": [[1, Infinity]]}', '{"inputs": [[-Infinity, 1]]}',
                     '{"inputs": [[1, 2]]} {}', '{"inputs": [[1, 2],]}', '{"inputs": [[1 2]]}'):
            for verb in ("predict", "train", "learn", "evaluate"):
                with self.subTest(verb=verb, body=body), self.unchanged():
                    self.problem(self.api.post(at + "/" + verb, body), 400, "syntax", "body")

    def test_what_is_nested_without_end(self):
        for method, path in self.posts():
            for body in ("[" * 100 + "]" * 100, "[" * 1000000, '{"a":' * 200000, '{"inputs": ' + "[" * 100000):
                with self.subTest(path=path, body=body[:20]), self.unchanged():
                    reply = self.api.ask(method, path, body, {"Content-Type": "application/json"})
                    self.assertIn(reply.status, (400, 422), reply)
                    self.problem(reply, reply.status, "syntax" if reply.status == 400 else "field")

    def test_syntax_errors_tell_line_and_column(self):
        at = self.model(XOR)
        said = self.problem(self.api.post(at + "/predict", '{\n  "inputs": [[1,\n  x]]\n}'), 400, "syntax",
                            "body")
        self.assertRegex(said["detail"], r"line 3\b.*column 3\b")

    def test_what_is_json_but_no_object(self):
        for method, path in self.posts():
            for body in ("[]", "7", '"inputs"', "null", "true"):
                with self.subTest(path=path, body=body), self.unchanged():
                    reply = self.api.ask(method, path, body, {"Content-Type": "application/json"})
                    self.assertIn(reply.status, (400, 422))
                    self.problem(reply, reply.status, "field" if reply.status == 422 else "syntax")

    def test_unknown_and_repeated_fields(self):
        for method, path in self.posts():
            for body, field in (('{"surprise": 1}', "surprise"), ('{"a\\"b": 1}', None),
                                ('{"inputs": [[1, 2]], "inputs": [[1, 2]]}', "inputs")):
                with self.subTest(path=path, body=body), self.unchanged():
                    reply = self.api.ask(method, path, body, {"Content-Type": "application/json"})
                    self.problem(reply, 422, "field", field)
        self.problem(self.api.put("/v1/models/bad", '{"cost": "mse", ' + json.dumps(XOR)[1:]), 422, "field",
                     "cost")
        self.problem(self.api.put("/v1/models/bad", json.dumps(XOR).replace(
            '"units": 4', '"units": 4, "units": 4')), 422, "field", "layers[0].units")

    def test_rows(self):
        at = self.model(XOR)
        for body, status, kind, field, *texts in (
            ('{"inputs": [[1, 2], [1, 2, 3]]}', 422, "field", "inputs[1]", "3 values", "2"),
            ('{"inputs": [[1, 2], [1], [1, 2]]}', 422, "field", "inputs[1]", "1 value", "2"),
            ('{"inputs": [[]]}', 422, "field", "inputs[0]"),
            ('{"inputs": [1, 2]}', 422, "field", "inputs[0]"),
            ('{"inputs": [[[1, 2]]]}', 422, "field", "inputs[0][0]"),
            ('{"inputs": {"0": [1, 2]}}', 422, "field", "inputs"),
            ('{"inputs": [[1, "2"]]}', 422, "field", "inputs[0][1]"),
            ('{"inputs": [[1, null]]}', 422, "field", "inputs[0][1]"),
            ('{"inputs": [[true, 2]]}', 422, "field", "inputs[0][0]"),
            ('{"inputs": [[1, 2], null]}', 422, "field", "inputs[1]"),
            ('{"inputs": [[1, 1e39]]}', 422, "range", "inputs[0][1]", "float32"),
            ('{"inputs": [[1, 2], [-1e999, 2]]}', 422, "range", "inputs[1][0]", "float32"),
            ('{"inputs": [[1, 2]], "rows": 1}', 422, "field", "rows"),
            ('{}', 422, "field", "inputs", "missing"),
        ):
            with self.subTest(body=body), self.unchanged():
                self.problem(self.api.post(at + "/predict", body), status, kind, field, *texts)
        # what float32 can hold is taken, and what is too small for it is nothing
        for number in ("3.4028235e38", "3.4028235677973366e38", "-3.4e38", "1e-46", "-0", "1e-999"):
            self.ok(self.api.post(at + "/predict", '{"inputs": [[1, %s]]}' % number))

    def test_content_types(self):
        at = self.model(XOR)
        body = json.dumps({"inputs": [[1, 2]]})
        for kind in ("application/json", "application/json; charset=utf-8", "Application/JSON",
                     "application/x-www-form-urlencoded"):
            self.ok(self.api.ask("POST", at + "/predict", body, {"Content-Type": kind}))
        self.problem(self.api.ask("POST", at + "/predict", body, {"Content-Encoding": "br"}), 415, "type")


class Paths(Case):
    NAMES = ("%2e%2e", "..", "%2e", ".hidden", "-flag", "_under", "a%2fb", "a%2Fb", "a%5cb", "a%00b", "%00",
             "a%20b", "a+b", "a%0ab", "%C3%A4", "%ff", "a%", "a%2", "a%zz", "a*", "a:b", "a@b", "~",
             "a%25", "x" * 129, "")

    def test_bad_names_are_refused_everywhere(self):
        self.model(XOR)
        for name in self.NAMES:
            for method, path, body in (
                ("PUT", "/v1/models/%s", json.dumps(XOR)), ("GET", "/v1/models/%s", None),
                ("DELETE", "/v1/models/%s", None), ("POST", "/v1/models/%s/predict", '{"inputs": [[1]]}'),
                ("PUT", "/v1/datasets/%s", "1,x\n"), ("GET", "/v1/datasets/%s", None),
                ("DELETE", "/v1/datasets/%s", None), ("PUT", "/v1/datasets/%s/features", "1\n"),
            ):
                with self.subTest(method=method, path=path % name), self.unchanged():
                    head = "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" % (method, path % name)
                    if body is not None:
                        head += "Content-Length: %d\r\n" % len(body)
                    with self.daemon.connect() as sock:
                        sock.sendall((head + "\r\n" + (body or "")).encode())
                        reply = read_reply(sock)
                    self.assertIn(reply.status, (400, 404, 405, 422), reply)
                    if reply.body:  # a 400 may be the HTTP parser's own
                        self.assertNotIn(b'"version"', reply.body)

    def test_a_name_too_long_says_how_long_it_may_be(self):
        self.problem(self.api.put("/v1/models/" + "x" * 129, XOR), 422, "field", "name", "128")
        self.problem(self.api.put("/v1/models/a%20b", XOR), 422, "field", "name")
        self.ok(self.api.put("/v1/models/" + "x" * 128, XOR), 201)

    def test_good_names_are_taken_and_escapes_decoded_once(self):
        for name in ("a", "0", "A.b_c-d", "a..b", "v1", "predict"):
            self.ok(self.api.put("/v1/models/" + name, XOR), 201)
            self.assertEqual(self.ok(self.api.get("/v1/models/" + name))["name"], name)
        self.assertEqual(self.ok(self.api.get("/v1/models/%61"))["name"], "a")
        self.assertEqual(self.ok(self.api.get("/v1/models/A%2eb_c-d"))["name"], "A.b_c-d")

    def test_unknown_paths_are_404(self):
        for path in ("/v1", "/v1/", "/v1/modelz", "/v1/models/", "/v1/models/a/", "/v1/models/a/b",
                     "/v1/models/a/predict/b", "//v1/models", "/v3/health", "/v1/jobs/1/2", "/V1/models"):
            with self.subTest(path=path):
                self.problem(self.api.get(path), 404, "not-found")
        for job in ("0", "99", "-1", "x", "1x", "18446744073709551616", "%31x"):
            self.problem(self.api.get("/v1/jobs/" + job), 404, "not-found")
            self.problem(self.api.delete("/v1/jobs/" + job), 404, "not-found")

    def test_wrong_methods_are_405_and_say_which_are_right(self):
        for method, path, allowed in (
            ("POST", "/v1/models", {"GET"}),
            ("POST", "/v1/models/a", {"GET", "PUT", "DELETE"}),
            ("PATCH", "/v1/models/a", {"GET", "PUT", "DELETE"}),
            ("GET", "/v1/models/a/predict", {"POST"}),
            ("PUT", "/v1/models/a/train", {"POST"}),
            ("POST", "/v1/models/a/export", {"GET"}),
            ("DELETE", "/v1/models/a/versions", {"GET"}),
            ("POST", "/v1/datasets/a", {"GET", "PUT", "DELETE"}),
            ("DELETE", "/v1/datasets/a/features", {"GET", "PUT"}),
            ("PUT", "/v1/jobs/1", {"GET", "PATCH", "DELETE"}),
            ("GET", "/v1/jobs/1/pause", {"POST"}),
            ("DELETE", "/v1/jobs/1/resume", {"POST"}),
            ("DELETE", "/metrics", {"GET"}),
            ("POST", "/v2/health/live", {"GET"}),
        ):
            with self.subTest(method=method, path=path):
                reply = self.api.ask(method, path)
                self.problem(reply, 405, "method", None, method)
                said = {m.strip() for m in reply.headers["Allow"].split(",")}
                self.assertLessEqual(allowed, said)
                self.assertNotIn(method, said)

    def test_unknown_query_parameters_are_refused(self):
        at = self.model(XOR)
        for method, path in (("DELETE", at + "?force=perhaps"), ("DELETE", at + "?forse=true"),
                             ("GET", at + "/export?format=pickle"), ("GET", at + "/export?form=json"),
                             ("POST", at + "/predict?v=1")):
            with self.subTest(path=path), self.unchanged():
                reply = self.api.ask(method, path, b'{"inputs": [[1, 2]]}' if method == "POST" else None)
                self.assertIn(reply.status, (406, 422), reply)

    def test_head_is_get_without_a_body(self):
        at = self.model(XOR)
        reply = self.api.ask("HEAD", at)
        self.assertEqual((reply.status, reply.body), (200, b""))
        self.assertEqual(int(reply.headers["Content-Length"]), len(self.api.get(at).body))


class Limits(Case):
    flags = ("--max-body", "1m", "--max-upload", "2m", "--max-models", "3", "--max-datasets", "2",
             "--max-rows", "10", "--max-jobs", "3", "--max-connections", "50", "--timeout", "2")

    def tearDown(self):
        for kind in ("models", "datasets"):
            for one in self.ok(self.api.get("/v1/" + kind))[kind]:
                self.assertEqual(self.api.delete("/v1/%s/%s%s" % (
                    kind, one["name"], "?force=true" if kind == "models" else "")).status, 204)

    def test_models(self):
        for i in range(3):
            self.model(name="m%d" % i)
        with self.unchanged():
            reply = self.api.put("/v1/models/m3", XOR)
            self.problem(reply, 503, "limit", None, "3")
            self.assertTrue(reply.headers["Retry-After"])
        self.ok(self.api.delete("/v1/models/m0"), 204)
        self.model(name="m3")

    def test_datasets(self):
        for i in range(2):
            self.ok(self.api.put("/v1/datasets/d%d" % i, "1,x\n", "text/csv"), 201)
        with self.unchanged():
            self.problem(self.api.put("/v1/datasets/d2", "1,x\n", "text/csv"), 503, "limit", None, "2")
        self.ok(self.api.put("/v1/datasets/d1", "2,x\n", "text/csv"), 200)

    def test_rows(self):
        at = self.model(XOR)
        self.ok(self.api.post(at + "/predict", {"inputs": [[1, 2]] * 10}))
        reply = self.api.post(at + "/predict", {"inputs": [[1, 2]] * 11})
        self.problem(reply, 413, "too-large", "inputs", "10")

    def test_jobs(self):
        at = self.model(XOR)
        jobs = [self.ok(self.api.post(at + "/train", dict(XOR_ROWS, epochs=1000000)), 202)
                for _ in range(3)]
        reply = self.api.post(at + "/train", XOR_ROWS)
        self.problem(reply, 429, "queue", "jobs", "3")
        self.assertTrue(reply.headers["Retry-After"])
        for job in jobs:
            self.cancel(job)
        for job in jobs:
            self.ended(job)
        self.train(at, **XOR_ROWS)

    def test_a_body_over_the_limit_is_refused_by_its_length(self):
        """413 before a byte of the body is sent, with and without Expect."""
        at = self.model(XOR)
        for path, limit in ((at + "/predict", 1 << 20), ("/v1/datasets/big", 2 << 20)):
            method = "POST" if "predict" in path else "PUT"
            for expect in ("", "Expect: 100-continue\r\n"):
                with self.subTest(path=path, expect=expect), self.unchanged(), self.daemon.connect() as sock:
                    sock.sendall(("%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n%s"
                                  "Content-Length: %d\r\n\r\n" % (method, path, expect, limit + 1)).encode())
                    reply = read_reply(sock)
                    said = self.problem(Reply(reply), 413, "too-large", "body")
                    self.assertIn(str(limit), said["detail"])
                    self.assertIn(str(limit + 1), said["detail"])

    def test_a_body_at_the_limit_is_read(self):
        body = json.dumps({"inputs": [[1, 2]]}).encode()
        at = self.model(XOR)
        self.ok(self.api.post(at + "/predict", body + b" " * ((1 << 20) - len(body))))
        row = b"1,x\n"
        self.ok(self.api.put("/v1/datasets/d", row * ((2 << 20) // len(row)), "text/csv"), 201)

    def test_a_chunked_body_is_counted_as_it_comes(self):
        at = self.model(XOR)
        for path, method, limit in ((at + "/predict", "POST", 1 << 20), ("/v1/datasets/d", "PUT", 2 << 20)):
            with self.subTest(path=path), self.unchanged(), self.daemon.connect() as sock:
                sock.sendall(("%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                              "Transfer-Encoding: chunked\r\n\r\n" % (method, path)).encode())
                for _ in range(limit // 65536 + 1):
                    sock.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
                sock.sendall(b"0\r\n\r\n")
                self.problem(Reply(read_reply(sock)), 413, "too-large", "body")
        body = b'{"inputs": [[1, 2]]}'
        with self.daemon.connect() as sock:
            sock.sendall(b"POST %s/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                         % at.encode())
            for i in range(len(body)):
                sock.sendall(b"1\r\n" + body[i:i + 1] + b"\r\n")
            sock.sendall(b"0\r\n\r\n")
            self.assertEqual(read_reply(sock).status, 200)

    def test_a_body_the_path_does_not_take_is_not_read_for_ever(self):
        with self.daemon.connect() as sock:
            sock.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000000\r\n\r\n")
            self.assertIn(read_reply(sock).status, (400, 413))

    def test_lengths_that_a_proxy_could_read_otherwise(self):
        body = b'{"inputs": [[1, 2]]}'
        at = self.model(XOR).encode()
        for lengths in (b"Content-Length: 20\r\nContent-Length: 21\r\n",
                        b"Content-Length: 20\r\nTransfer-Encoding: chunked\r\n",
                        b"Content-Length: 20\r\nContent-Length: 20\r\n",
                        b"Content-Length: -20\r\n", b"Content-Length: 2x\r\n"):
            with self.subTest(lengths=lengths):
                said = self.daemon.raw(b"POST %s/predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n"
                                       % (at, lengths) + body)
                # libmicrohttpd 0.9.75 sends the head of its own refusals twice
                self.assertEqual(set(re.findall(rb"HTTP/1\.1 (\d+) ", said)), {b"400"})

    def test_headers_over_the_limit(self):
        said = self.daemon.raw(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200000 + b"\r\n\r\n")
        self.assertRegex(said[:20], rb"^(HTTP/1\.1 4(31|13|14|00) |$)")
        self.ok(self.api.get("/v1/models"))

    def test_an_idle_connection_is_closed(self):
        with self.daemon.connect() as sock:
            sock.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n")
            sock.settimeout(30)
            self.assertEqual(sock.recv(1000), b"")

    def test_connections(self):
        held = [self.daemon.connect() for _ in range(60)]
        for sock in held:
            sock.close()
        self.until(lambda: self.alive(), lambda status: status == 200)

    def alive(self):
        api = self.daemon.client()
        try:
            return api.get("/v2/health/live").status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            api.close()

    def test_pipelined_requests_are_answered_in_order(self):
        at = self.model(LARGEST).encode()
        rows = [b"[1,0,0]", b"[0,1,0]", b"[0,0,1]"]
        sent = b""
        for row in rows:
            body = b'{"inputs": [%s]}' % row
            sent += b"POST %s/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (at, len(body)) + body
        said = self.daemon.raw(sent + b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.assertEqual(said.count(b"HTTP/1.1 200"), 4)
        self.assertLess(said.index(b'"ant"'), said.index(b'"bee"'))
        self.assertLess(said.index(b'"bee"'), said.index(b'"cow"'))


class Reply:
    """Of a raw socket, for Case.problem: header names as http.client has them."""

    def __init__(self, reply):
        self.status, self.body, self.json = reply.status, reply.body, reply.json
        self.headers = {name.title(): value for name, value in reply.headers.items()}

    def __repr__(self):
        return "%d %r" % (self.status, self.body)


if __name__ == "__main__":
    main()
