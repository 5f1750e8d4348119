"""Compressed bodies, both ways: gzip and deflate on every route that takes one."""
import gzip
import json
import struct
import subprocess
import zlib

from harness import DIGITS, LARGEST, WAIT, XOR, XOR_ROWS, Case, Restarting, digits, in_threads, main

LIMIT = 200000  # of bodies, in bytes; uploads may have twice as many


def bare(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


PACKERS = (("gzip", gzip.compress), ("x-gzip", gzip.compress), ("GZip", gzip.compress), ("deflate", zlib.compress),
           ("deflate", bare),
           ("gzip", lambda data: gzip.compress(data[:len(data) // 2]) + gzip.compress(data[len(data) // 2:])))


class Codings(Case):
    flags = ("--max-body", str(LIMIT), "--max-upload", str(2 * LIMIT))

    def send(self, method, path, body, coding, data=None, kind="application/json", **headers):
        """body, packed as coding says, unless data is what is sent."""
        if isinstance(body, dict):
            body = json.dumps(body)
        body = body.encode() if isinstance(body, str) else body
        data = dict(PACKERS)[coding](body) if data is None else data
        return self.api.ask(method, path, data, dict(headers, **{"Content-Type": kind, "Content-Encoding": coding}))

    def test_every_coding_is_read(self):
        at = self.model(DIGITS)
        body = json.dumps({"inputs": digits("test")[0][:40]}).encode()
        want = self.ok(self.api.post(at + "/predict", body))
        for coding, pack in PACKERS:
            with self.subTest(coding=coding):
                self.assertEqual(self.ok(self.send("POST", at + "/predict", None, coding, pack(body))), want)
        self.assertEqual(self.ok(self.send("POST", at + "/predict", None, "identity", body)), want)

    def test_chunked_as_well(self):
        at = self.model(XOR)
        body = gzip.compress(json.dumps({"inputs": XOR_ROWS["inputs"]}).encode())
        pieces = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 7]), body[i:i + 7]) for i in range(0, len(body), 7))
        said = self.daemon.raw(b"POST %s/predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                               b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n"
                               % (at.encode(), pieces))
        self.assertTrue(said.startswith(b"HTTP/1.1 200 "), said)

    def test_every_route_takes_them(self):
        at, data = "/v1/models/" + self.name(), "/v1/datasets/" + self.name()
        for coding in ("gzip", "deflate"):
            self.ok(self.send("PUT", at, XOR, coding), 201)
            self.ok(self.send("POST", at + "/learn", XOR_ROWS, coding))
            self.ok(self.send("POST", at + "/evaluate", XOR_ROWS, coding))
            self.ok(self.send("PUT", data, "1,2,a\n3,4,b\n", coding, kind="text/csv"), 201)
            said = self.ok(self.send("POST", data + "/rows", "5,6,a\n", coding, kind="text/csv"))
            self.assertEqual(said["rows"], 3)
            self.ended(self.ok(self.send("POST", at + "/train", dict(XOR_ROWS, epochs=2), coding), 202))
            self.ok(self.send("POST", at + "/promote", {"version": 1}, coding))
            self.ok(self.send("POST", "/v2/repository/index", {"ready": True}, coding))
            self.ok(self.api.delete(data), 204)
            self.ok(self.api.delete(at), 204)

    def test_a_dataset_is_the_same(self):
        rows = "".join("%d,%d,%s\n" % (i % 7, i % 11, "ab"[i % 2]) for i in range(20000))
        seen = []
        for coding in (None, "gzip", "deflate"):
            path = "/v1/datasets/%s-%s" % (self.name(), coding)
            reply = (self.api.put(path, rows, "text/csv") if coding is None
                     else self.send("PUT", path, rows, coding, kind="text/csv"))
            said = self.ok(reply, 201)
            seen.append({k: v for k, v in said.items() if k not in ("name", "created", "updated", "generation")})
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(seen[0], seen[2])

    def test_the_binary_tensor_extension_counts_inflated_bytes(self):
        self.model(LARGEST, name="largest")
        tensor = struct.pack("<6f", 1, 0, 0, 0, 0, 1)
        head = json.dumps({"inputs": [{"name": "input", "shape": [2, 3], "datatype": "FP32",
                                       "parameters": {"binary_data_size": len(tensor)}}]}).encode()
        path = "/v2/models/largest/infer"
        length = {"Inference-Header-Content-Length": str(len(head))}
        want = self.ok(self.api.ask("POST", path, head + tensor, length))
        for coding in ("gzip", "deflate"):
            reply = self.send("POST", path, head + tensor, coding, kind="application/octet-stream", **length)
            self.assertEqual(self.ok(reply), want)

    def test_what_is_not_what_it_says_is_400(self):
        at = self.model(XOR)
        body = json.dumps({"inputs": XOR_ROWS["inputs"]}).encode()
        packed = gzip.compress(body)
        torn = bytearray(packed)
        torn[-5] ^= 1  # its checksum
        for coding, data in (("gzip", body), ("gzip", packed[:-1]), ("gzip", packed[:20]), ("gzip", bytes(torn)),
                             ("gzip", packed + b"x"), ("deflate", packed), ("deflate", zlib.compress(body)[:-1]),
                             ("deflate", zlib.compress(body) + b"x")):
            with self.subTest(coding=coding, data=data), self.unchanged():
                self.problem(self.send("POST", at + "/predict", None, coding, data), 400, "syntax", "Content-Encoding")
                path = "/v1/datasets/" + self.name()
                self.problem(self.send("PUT", path, None, coding, data, kind="text/csv"), 400, "syntax",
                             "Content-Encoding")
        # an empty body is one, whatever it is called
        self.problem(self.send("POST", at + "/predict", None, "gzip", b""), 400, "syntax", "body")

    def test_other_codings_are_415_and_those_there_are_named(self):
        at = self.model(XOR)
        for coding in ("br", "zstd", "compress", "gzip, gzip", "gzip;q=1", ""):
            reply = self.send("POST", at + "/predict", None, coding, b"x")
            self.problem(reply, 415, "type", "Content-Encoding")
            self.assertEqual(reply.headers["Accept-Encoding"], "gzip, deflate")
        reply = self.send("POST", "/v2/models/xor/infer", None, "br", b"x")  # whose errors are 400
        self.assertEqual((reply.status, reply.headers["Accept-Encoding"]), (400, "gzip, deflate"))
        self.assertIn("Content-Encoding must be", reply.json["error"])

    def test_blocks_and_members_without_data_are_passed_over(self):
        at = self.model(XOR)
        body = json.dumps({"inputs": XOR_ROWS["inputs"]}).encode()
        want = self.ok(self.api.post(at + "/predict", body))
        for data in (gzip.compress(b"") * 6000 + gzip.compress(body),
                     b"\x00\x00\x00\xff\xff" * 24000 + bare(body)):
            coding = "gzip" if data[0] == 0x1f else "deflate"
            self.assertEqual(self.ok(self.send("POST", at + "/predict", None, coding, data)), want)

    def test_the_limits_hold_for_what_comes_out(self):
        at, path = self.model(XOR), "/v1/datasets/" + self.name()
        body = json.dumps({"inputs": XOR_ROWS["inputs"]}).encode()
        full = body + b" " * (LIMIT - len(body))
        self.ok(self.send("POST", at + "/predict", full, "gzip"))
        with self.unchanged():
            self.problem(self.send("POST", at + "/predict", full + b" ", "gzip"), 413, "too-large", "body", str(LIMIT))
            bomb = gzip.compress(b" " * (300 << 20), 9)
            before = self.daemon.memory()
            for coding, data in (("gzip", bomb[:LIMIT]), ("deflate", zlib.compress(b"0" * (100 << 20), 9))):
                self.problem(self.send("POST", at + "/predict", None, coding, data), 413, "too-large", "body")
                self.problem(self.send("PUT", path, None, coding, data, kind="text/csv"), 413, "too-large", "body",
                             str(2 * LIMIT))
            self.assertLess(self.daemon.memory() - before, 64 << 20)
        rows = "1,2,a\n" * (2 * LIMIT // 6)
        self.ok(self.send("PUT", path, rows, "gzip", kind="text/csv"), 201)
        self.problem(self.send("PUT", path, rows + "1,2,abc\n", "gzip", kind="text/csv"), 413, "too-large", "body")

    def test_a_reply_is_compressed_for_whom_asks(self):
        at = self.model(DIGITS)
        for path in (at + "/export", at + "/versions/1", "/v1/server"):
            plain = self.api.get(path)
            self.assertNotIn("Content-Encoding", plain.headers)
            if len(plain.body) < 1024:
                self.assertNotIn("Content-Encoding", self.api.get(path, Accept_Encoding="gzip").headers)
                continue
            self.assertIn("Accept-Encoding", plain.headers["Vary"])
            for accept, coding, unpack in (("gzip", "gzip", gzip.decompress), ("deflate", "deflate", zlib.decompress),
                                           ("br, gzip;q=0.8, *;q=0.1", "gzip", gzip.decompress)):
                reply = self.api.get(path, Accept_Encoding=accept)
                self.assertEqual((reply.headers["Content-Encoding"], reply.headers["Vary"]),
                                 (coding, plain.headers["Vary"]), path)
                self.assertLess(len(reply.body), len(plain.body))
                self.assertEqual(int(reply.headers["Content-Length"]), len(reply.body))
                if path != "/v1/server":  # which has clocks in it
                    self.assertEqual(unpack(reply.body), plain.body)
                head = self.api.ask("HEAD", path, headers={"Accept-Encoding": accept})
                self.assertEqual((head.status, head.headers["Content-Encoding"], head.body), (200, coding, b""))
            for accept in ("identity", "gzip;q=0", "br", "", "identity, gzip;q=0.5"):
                self.assertNotIn("Content-Encoding", self.api.get(path, Accept_Encoding=accept).headers)
        rows = json.dumps({"inputs": digits("test")[0][:64]})
        plain = self.api.post(at + "/predict", rows)
        reply = self.api.post(at + "/predict", gzip.compress(rows.encode()), Content_Encoding="gzip",
                              Accept_Encoding="gzip")
        self.assertEqual(gzip.decompress(reply.body), plain.body)

    def test_tags_of_what_is_compressed(self):
        at = self.model(DIGITS)
        plain, vary = (self.api.get(at + "/export").headers[name] for name in ("ETag", "Vary"))
        packed = self.api.get(at + "/export", Accept_Encoding="gzip").headers["ETag"]
        self.assertEqual(packed, plain[:-1] + '-gzip"')
        for tag in (plain, packed):
            reply = self.api.get(at + "/export", Accept_Encoding="gzip", If_None_Match=tag)
            self.assertEqual((reply.status, reply.headers["ETag"], reply.headers["Vary"]), (304, tag, vary))
        self.assertEqual(self.api.get(at + "/export", If_None_Match=plain[:-1] + '-br"').status, 200)
        self.problem(self.api.ask("DELETE", at, headers={"If-Match": plain[:-1] + '-x"'}), 412, "precondition")
        self.ok(self.api.ask("DELETE", at, headers={"If-Match": packed}), 204)

    def test_many_at_once_beside_others(self):
        at = self.model(DIGITS)
        rows = json.dumps({"inputs": digits("test")[0][:200]}).encode()
        want = self.ok(self.api.post(at + "/predict", rows))
        packed = gzip.compress(rows)

        def work(i):
            client = self.daemon.client()
            for _ in range(5):
                reply = client.post(at + "/predict", packed if i % 2 else rows, Accept_Encoding="gzip",
                                    Content_Encoding="gzip" if i % 2 else "identity")
                self.assertEqual(json.loads(gzip.decompress(reply.body)), want)
            client.close()

        in_threads(8, work)

    def test_by_curl(self):
        at = self.model(DIGITS)
        said = subprocess.run(["curl", "-sS", "--compressed", "-D", "-", "http://127.0.0.1:%d%s/export"
                               % (self.daemon.port, at)], capture_output=True, check=True, timeout=WAIT).stdout
        head, body = said.split(b"\r\n\r\n", 1)
        self.assertIn(b"content-encoding: gzip", head.lower())
        self.assertEqual(body, self.api.get(at + "/export").body)

    def test_who_goes_away_meanwhile_does_no_harm(self):
        at = self.model(DIGITS)
        packed = gzip.compress(json.dumps({"inputs": digits("test")[0][:200]}).encode())
        for cut in (len(packed) // 2, len(packed)):
            for _ in range(10):
                with self.daemon.connect() as sock:
                    sock.sendall(b"POST %s/predict HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\n"
                                 b"Accept-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (at.encode(), len(packed))
                                 + packed[:cut])
        self.ok(self.api.get("/v1/server"))


class Held(Restarting):
    flags = ("--max-held", "1000000")

    def test_inflated_bodies_count_as_held(self):
        at = "/v1/models/m"
        self.ok(self.api.put(at, XOR), 201)
        body = gzip.compress(b'{"inputs": [[1, 2]]}' + b" " * 3000000)
        for _ in range(20):  # nothing stays counted
            reply = self.api.post(at + "/predict", body, Content_Encoding="gzip")
            self.problem(reply, 503, "limit", "body", "1000000")
        self.ok(self.api.post(at + "/predict", gzip.compress(b'{"inputs": [[1, 2]]}' + b" " * 300000),
                              Content_Encoding="gzip"))


if __name__ == "__main__":
    main()
