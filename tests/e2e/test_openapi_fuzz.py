#!/usr/bin/python3
"""Thousands of requests, valid and broken ones, made from openapi.json at random. Whatever comes, the answer is one that the document
has for it, nothing fails but by a limit, and what the document refuses is refused.

FUZZ_SEED=N repeats a run, but for what hangs on timing; FUZZ_REQUESTS=N sends so many. With CI set the seed is 1."""
import contextlib
import copy
import gzip
import http.client
import io
import json
import os
import random
import re
import time

import numpy

from harness import LONG, SLOW, XOR_ROWS, Case, Reply, main
from openapi import Contract, refused, settled

SEED = int(os.environ.get("FUZZ_SEED", "1" if os.environ.get("CI") else random.SystemRandom().randrange(10**6)))
REQUESTS = int(os.environ.get("FUZZ_REQUESTS", max(1000, 4000 / SLOW)))
SECONDS = 20  # what has not been sent by then is not
TIDY = 150  # requests between two clean-ups

MODELS = ("xor", "flowers", "one", "two")
DATASETS = ("flowers", "one", "two")
NUMBERS = (-1, 0, 1, 2, 10.0, 0.5, -0.0, 1e-300, 3.5e38, 1e308, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -2**63 - 1)
STRINGS = ("", "a", " ", "xor", "\0", "\u00e9", "\ufffe", "\U0001f600", "../..", "%00", "a" * 129, "a" * 300, "-", "1", "null")
RAW = (b"1e999", b"NaN", b"-Infinity", b"01", b"+1", b"1.", b".5", b"0x10", b"'a'", b'"\\ud800"', b'"\xff"', b'"\xed\xa0\x80"', b"tru",
       b"[" * 100 + b"]" * 100, b"[" * 5000, b'{"a":' * 70 + b"1" + b"}" * 70, b"", b",", b"1e-9999999999", b"9" * 400, b"\x00", b"\xef\xbb\xbf1", b"/**/1")


class Maker:
    """Values that a schema allows, mostly small ones."""

    def __init__(self, contract, rng):
        self.contract, self.rng = contract, rng
        self.rows = 1

    def some(self, *values):
        return self.rng.choice(values)

    def chance(self, p):
        return self.rng.random() < p

    def named(self, name):
        """What fits the models and data sets that are there, where the schema cannot say so."""
        rng = self.rng
        if name == "Rows" and self.chance(0.9):
            return [rng.choice(([1, 0], [0, 1])) for _ in range(self.rows)]
        if name in ("Labels", "Classes") and self.chance(0.9):
            return [rng.choice(("setosa", "other")) for _ in range(self.rows)]
        if name == "Name":
            return rng.choice(MODELS + DATASETS)
        if name == "LabelNames":
            return ["left", "right"]
        return None

    def make(self, schema, depth=0):
        if "$ref" in schema:
            made = self.named(schema["$ref"].rsplit("/", 1)[1])
            return made if made is not None else self.make(self.contract.resolved(schema), depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.rng.choice(schema["enum"])
        if "oneOf" in schema and "properties" not in schema:
            return self.make(self.rng.choice(schema["oneOf"]), depth)
        kind = schema.get("type")
        kind = self.rng.choice(kind) if isinstance(kind, list) else kind
        return getattr(self, "make_" + kind)(schema, depth) if kind else self.make_any(depth)

    def make_any(self, depth):
        return self.some(0, 1, 0.5) if depth > 3 or self.chance(0.7) else [self.make_any(depth + 1) for _ in range(2)]

    def make_object(self, schema, depth):
        properties = schema.get("properties", {})
        wanted, barred = set(schema.get("required", [])), set()
        for rule in (schema, *schema.get("allOf", [])):
            if "oneOf" in rule:
                chosen = self.rng.choice(rule["oneOf"])
                wanted |= set(chosen["required"])
                barred |= {name for other in rule["oneOf"] for name in other["required"]} - set(chosen["required"])
        few = self.some(0, 0.1, 0.4)
        made = {name: self.make(value, depth + 1) for name, value in properties.items()
                if name in wanted or (name not in barred and self.chance(few))}
        if isinstance(schema.get("additionalProperties"), dict):
            made[self.some("setosa", "other", "0")] = self.make(schema["additionalProperties"], depth + 1)
        return made

    def make_array(self, schema, depth):
        least = schema.get("minItems", 0)
        most = min(schema.get("maxItems", 64), least + self.some(0, 1, 2, 3))
        return [self.make(schema.get("items", {}), depth + 1) for _ in range(self.rng.randint(least, most))]

    def make_string(self, schema, depth):
        if schema.get("format") == "binary":
            return "\0\1\2"
        made = self.some("a", "label", "0", "x" * schema.get("maxLength", 5))
        return made if re.search(schema.get("pattern", ""), made) else "1"

    def make_integer(self, schema, depth):
        least, most = schema.get("minimum", 0), schema.get("maximum", 1000)
        if self.chance(0.1):
            return self.some(least, most)
        return min(most, max(least, self.some(schema.get("default", 1), 1, 2, 2, 3)))

    def make_number(self, schema, depth):
        least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        most = schema.get("maximum", schema.get("exclusiveMaximum", 10))
        return schema["default"] if "default" in schema and self.chance(0.5) else least + (most - least) * self.some(0.001, 0.1, 0.5)

    def make_boolean(self, schema, depth):
        return self.chance(0.5)

    def make_null(self, schema, depth):
        return None

    # ---- broken ----

    def places(self, value, at=()):
        """The path of every value within it."""
        yield at
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
            yield from self.places(inner, (*at, key))

    def broken(self, value):
        """JSON with one thing changed, as bytes; it may be as good as it was."""
        value = copy.deepcopy(value)
        at = self.rng.choice(list(self.places(value)))
        mark = "*here*"
        if not at:
            return self.spoilt(json.dumps(value).encode())
        inside = value
        for key in at[:-1]:
            inside = inside[key]
        what = self.rng.randrange(7)
        if what == 0:
            del inside[at[-1]]
        elif what == 1 and isinstance(inside, dict):
            inside[self.some("nobody", "", "name", "\0", at[-1] + "s")] = self.some(1, None, "a")
        elif what == 2:
            inside[at[-1]] = self.rng.choice(NUMBERS)
        elif what == 3:
            inside[at[-1]] = self.rng.choice(STRINGS)
        elif what == 4:
            inside[at[-1]] = self.some(None, True, [], {}, [[]], [None], {"a": 1}, [inside[at[-1]]] * self.some(2, 70))
        elif what == 5 and isinstance(inside, dict):
            inside[mark] = inside[at[-1]]
            return json.dumps(value).encode().replace(json.dumps(mark).encode(), json.dumps(at[-1]).encode())
        else:
            inside[at[-1]] = mark
            return json.dumps(value).encode().replace(json.dumps(mark).encode(), self.rng.choice(RAW))
        return json.dumps(value).encode()

    def spoilt(self, data):
        """Bytes with some changed, lost or doubled."""
        data = bytearray(data)
        for _ in range(self.some(1, 1, 2, 8)):
            at = self.rng.randrange(len(data) + 1)
            what = self.rng.randrange(5)
            if what == 0:
                del data[at:]
            elif what == 1:
                del data[at:at + self.some(1, 2, 8)]
            elif what == 2:
                data[at:at] = bytes(self.rng.randrange(256) for _ in range(self.some(1, 4)))
            elif what == 3:
                data[at:at] = self.rng.choice(RAW)
            elif at < len(data):
                data[at] ^= 1 << self.rng.randrange(8)
        return bytes(data)


class Request:
    """What is sent, and why it has to be refused, if it has to."""

    def __init__(self, operation):
        self.operation, self.method = operation, operation.method
        self.params, self.query, self.headers = {}, [], {}
        self.kind = self.body = None
        self.chunked = False
        self.bad = None

    @property
    def target(self):
        return self.operation.at(self.params, self.query)

    def __repr__(self):
        return "%s %s %r %r%s" % (self.method, self.target, self.headers, self.body, " chunked" if self.chunked else "")


def strict(data):
    """A JSON body, or ValueError for what is none."""
    def pairs(found):
        if len({key for key, _ in found}) < len(found):
            raise ValueError("a field is there twice")
        return dict(found)

    def constant(text):
        raise ValueError("%s is not JSON" % text)

    return json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_constant=constant)


class Fuzz(Case):
    flags = ("--durability", "process", "--max-models", "6", "--max-datasets", "4", "--max-jobs", "12", "--max-parameters", "20000",
             "--max-body", "256k", "--max-upload", "256k", "--max-rows", "1000",
             "--keep-jobs", "15", "--keep-versions", "3", "--prediction-memory", "4k")

    def setUp(self):
        super().setUp()
        self.contract = Contract()
        self.rng = random.Random(SEED)
        self.maker = Maker(self.contract, self.rng)
        self.bundle = self.ok_body(self.api.get("/v1/export"))  # of nothing, which can be taken in at any time
        self.train(self.model(name="xor"), **XOR_ROWS)  # job 1
        self.files = self.bodies()

    def bodies(self):
        """Something good of each type that is not JSON."""
        arrays, array = io.BytesIO(), io.BytesIO()
        numpy.savez(arrays, x=numpy.float32([[1, 2], [3, 4]]), y=numpy.array([0, 1]))
        numpy.save(array, numpy.float32([[1, 2], [3, 4]]))
        idx = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4])
        files = {"application/x-npy": array.getvalue(), "application/x-idx": idx, "application/octet-stream": bytes(16),
                 "application/x-npz": arrays.getvalue(), "application/zip": arrays.getvalue(),
                 "multipart/form-data": b"--x\r\n\r\n\r\n--x--\r\n",
                 "application/x-tar": self.bundle, "application/tar": self.bundle, "application/x-ndjson": b'[1, 2, "a"]\n[3, 4, "b"]\n'}
        self.tidy()
        for form in ("safetensors", "onnx"):
            file = self.ok_body(self.api.get("/v1/models/xor/export?format=" + form))
            files["application/x-" + form] = files["application/" + form] = file
        return files

    def ok_body(self, reply):
        self.assertEqual(reply.status, 200, reply)
        return reply.body

    def tidy(self):
        """Jobs that go on, and no other; models and data sets to ask for."""
        self.live, self.over = [], "1"
        for job in self.ok(self.api.get("/v1/jobs"))["jobs"]:
            self.over = job["id"]  # the last one's record is kept longest
            if job["state"] in ("queued", "running", "paused"):
                self.api.delete("/v1/jobs/" + job["id"])
        for id, name in (("putModel", "xor"), ("putModel", "flowers"), ("putDataset", "flowers")):
            kind, value = next((k, v) for k, n, v in self.contract[id].examples() if n in (name, "csv"))
            operation = self.contract[id]
            if self.api.get(operation.at({"name": name})).status == 404:
                for other in ("one", "two"):
                    self.api.delete(operation.at({"name": other}))
                self.ok(self.api.put(operation.at({"name": name}), value if kind == "text/csv" else json.dumps(value), kind), 201)
        if self.api.get("/v1/models/live").status == 404:
            self.model(name="live")
        for _ in range(3):
            self.live.append(self.ok(self.api.post("/v1/models/live/train", dict(XOR_ROWS, epochs=LONG)), 202)["id"])

    # ---- one request ----

    def request(self):
        request = Request(self.rng.choice(self.contract.operations))
        self.maker.rows = self.rng.randint(1, 4)
        self.add_params(request)
        self.add_query(request)
        self.add_headers(request)
        self.add_body(request)
        return request

    def add_params(self, request):
        names = DATASETS if request.operation.path.startswith("/v1/datasets") else MODELS
        # Of those that go on the events do not come to an end.
        ids = (self.over, "999999") if request.operation.id == "watchJob" else (self.over, *self.live)
        values = {"name": self.rng.choice(names), "version": str(self.rng.randint(1, 4)), "id": self.rng.choice(ids)}
        for parameter in request.operation.takes("path"):
            value = values[parameter["name"]]
            if self.maker.chance(0.04):
                value = self.rng.choice([s for s in STRINGS if s not in ("", "1")])
            self.judge(request, parameter, value)
            request.params[parameter["name"]] = value

    def add_query(self, request):
        few = self.maker.some(0, 0, 0.2)
        for parameter in request.operation.takes("query"):
            if self.maker.chance(few):
                value = self.maker.make(parameter["schema"])
                value = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
                if self.maker.chance(0.3):
                    value = self.rng.choice(STRINGS + ("-1", "0", "1.0", "99999999999999999999", "tab", ",,", "1,1,1,1,1,1,1,1,1"))
                self.judge(request, parameter, value)
                request.query.append((parameter["name"], value))
        if self.maker.chance(0.02):
            request.query.append((self.maker.some("nobody", "", "Version", "version "), "1"))
            request.bad = "a parameter that nobody knows"

    def judge(self, request, parameter, value):
        """What the parameter's schema has against the value."""
        schema = self.contract.resolved(parameter["schema"])
        typed = int(value) if schema["type"] == "integer" and re.fullmatch("[0-9]+", value) else value
        if not self.contract.valid(schema, typed):
            request.bad = "%s is %r" % (parameter["name"], value)

    def add_headers(self, request):
        values = {"If-Match": ("*", '"0-0"', "nonsense", ""), "If-None-Match": ("*", '"0-0"', 'W/"0-0"', "nonsense", ""),
                  "Prefer": ("wait=0", "wait=0.01", "respond-async", "wait=86401", "wait=x", "wait=0;a, b"),
                  "Idempotency-Key": ("k", "l", "", "x" * 255, "x" * 256), "Last-Event-ID": ("1", "0", "end", "-1", "x", ""),
                  "Inference-Header-Content-Length": ("0", "1", "-1", "999999", "x", "20")}
        for parameter in request.operation.takes("header"):
            if self.maker.chance(0.05):
                request.headers[parameter["name"]] = self.rng.choice(values[parameter["name"]])
        if self.maker.chance(0.1):
            kinds = [kind for answer in request.operation.responses.values() for kind in answer.get("content", {})]
            request.headers["Accept"] = self.rng.choice(kinds + ["*/*", "image/png", "", "a/b;q=2", "*/*;q=0"])
        if self.maker.chance(0.05):
            request.headers["Accept-Encoding"] = self.maker.some("gzip", "deflate", "br", "*", "gzip;q=0", "identity;q=0")
        if self.maker.chance(0.02):
            request.headers["X-Request-Id"] = self.maker.some("an-id", "", "two words", "x" * 128, "x" * 129)
        if self.maker.chance(0.02):
            name, value = self.maker.some(("Host", "elsewhere.example"), ("Host", ""), ("Origin", "http://elsewhere.example"), ("Origin", "null"),
                                          ("Sec-Fetch-Site", "cross-site"), ("Authorization", "Bearer x"), ("Authorization", "Basic"))
            request.headers[name] = value
        if request.method == "GET" and self.maker.chance(0.05):
            request.method = "HEAD"

    def add_body(self, request):
        types = request.operation.types
        if not types or (not request.operation.body.get("required") and self.maker.chance(0.3)):
            if self.maker.chance(0.03):
                request.body = b"{}"  # which GET and DELETE pass over
            elif request.operation.body.get("required"):
                request.bad = "no body"
            return
        request.kind = "application/json" if "application/json" in types and self.maker.chance(0.7) else self.rng.choice(list(types))
        schema = types[request.kind]["schema"]
        if request.kind == "application/json":
            self.add_json(request, schema)
        else:
            examples = [v["value"].encode() for v in types[request.kind].get("examples", {}).values()]
            request.body = self.rng.choice(examples) if examples else self.files[request.kind]
            if self.maker.chance(0.5):
                request.body = self.maker.spoilt(request.body)
        request.headers["Content-Type"] = request.kind + {"multipart/form-data": "; boundary=x"}.get(request.kind, "")
        if self.maker.chance(0.03):
            request.headers["Content-Type"] = self.maker.some("text/html", "application/json; charset=utf-8", "a",
                                                              "application/x-www-form-urlencoded")
            request.bad = None  # by what is in it, perhaps
        if self.maker.chance(0.05):
            request.headers["Content-Encoding"] = self.maker.some("gzip", "gzip", "deflate", "br")
            if request.headers["Content-Encoding"] == "gzip":
                request.body = gzip.compress(request.body)
            elif request.body:
                request.bad = "it is not %s" % request.headers["Content-Encoding"]
        request.chunked = self.maker.chance(0.05)

    def add_json(self, request, schema):
        examples = [v for k, _, v in request.operation.examples() if k == "application/json"]
        value = self.rng.choice(examples) if examples and self.maker.chance(0.5) else self.maker.make(schema)
        request.body = self.maker.broken(value) if self.maker.chance(0.5) else json.dumps(value).encode()
        if "Inference-Header-Content-Length" in request.headers:
            return  # it is not all JSON
        blank = not request.body.strip(b" \t\r\n")
        try:
            wrong = self.contract.wrong(schema, strict(request.body))
        except (ValueError, RecursionError) as error:
            wrong = str(error)
        if wrong and not (blank and not request.operation.body.get("required")):
            request.bad = request.bad or wrong

    # ---- its answer ----

    def ask(self, request):
        """The answer, on a new connection if the daemon has closed the one there was. A chunked body that is refused at its head is
        not read: the answer is there, unless the end of the connection overtakes it."""
        for last in (False, False, False, False, True):
            body = iter([request.body]) if request.chunked else request.body
            try:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.api.connection.request(request.method, request.target, body, request.headers)
                reply = self.api.connection.getresponse()
                return Reply(reply.status, reply.headers, reply.read())
            except (ConnectionError, http.client.HTTPException):
                self.api.close()
                if last:
                    raise

    def judge_reply(self, request, reply):
        if reply.headers["Content-Encoding"] == "gzip":
            reply.body = gzip.decompress(reply.body)
        if request.method == "HEAD":
            self.assertEqual(reply.body, b"", request)
            self.assertIn(reply.status, request.operation.responses, request)
        elif reply.headers["Content-Encoding"] != "deflate":
            self.contract.check(request.operation, reply, request)
        self.assertNotIn(reply.status, (500, 507), (request, reply))
        if request.bad:
            self.assertGreaterEqual(reply.status, 400, "%r came through, though %s: %r" % (request, request.bad, reply))

    def stray(self):
        """A path or a method that is not there."""
        path = self.rng.choice(list(self.contract.document["paths"]))
        method = self.rng.choice(("GET", "PUT", "POST", "PATCH", "DELETE", "TRACE", "FOO"))
        path = path.replace("{", "").replace("}", "") + self.maker.some("", "", "/", "//", "/x", "x")
        if self.contract.operation(method, path) or (method, path) == ("GET", "/v2/"):
            return
        reply = self.api.ask(method, path)
        self.assertIn(reply.status, (404, 405), (method, path, reply))
        refused(reply)

    def test_requests_made_at_random(self):
        print("FUZZ_SEED=%d, %d requests" % (SEED, REQUESTS))
        until = time.monotonic() + SECONDS
        tried, taken, refusals = 0, set(), 0
        for n in range(REQUESTS):
            if n % TIDY == 0:
                if time.monotonic() > until:
                    break
                self.tidy()
            if self.maker.chance(0.02):
                self.stray()
            request = self.request()
            reply = self.ask(request)
            self.judge_reply(request, reply)
            tried += 1
            refusals += reply.status >= 400
            if reply.status < 300:
                taken.add(request.operation.id)
        print("%d requests, %d refused; %d of %d operations did what they are for" %
              (tried, refusals, len(taken), len(self.contract.operations)))
        self.assertGreater(tried, 100)
        self.assertGreater(len(taken), len(self.contract.operations) / 2)
        self.assertGreater(tried - refusals, tried / 5)
        self.assertGreater(refusals, tried / 5)
        self.assertEqual(self.api.get("/v2/health/live").status, 200)
        settled(self, self.daemon)


if __name__ == "__main__":
    main()
