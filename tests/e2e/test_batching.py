"""Predictions on the pool: rows that meet are computed together, and what is slow is in nobody's
way. Nothing here is timed: what matters is what comes before what."""
import json
import re
import socket
import threading

from harness import WAIT, Case, main, read_reply

INPUTS = 256
# Dear enough for the pool: 1.3 million weights, 130 us a row at 20 GFLOP/s.
WIDE = {
    "inputs": INPUTS,
    "layers": [{"units": 1024, "activation": "relu"}, {"units": 1024, "activation": "tanh"},
               {"units": 4, "activation": "softmax"}],
    "cost": "log_likelihood",
    "init": "he",
    "seed": 11,
}


def row(i):
    return [((i * 37 + k * 11) % 64) / 8 - 4 for k in range(INPUTS)]


def post(path, body):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (
        path.encode(), len(body), body)


class Batching(Case):
    flags = ("--pool-threads", "2")

    def batches(self):
        """Rows and batches that the pool has computed, and by size."""
        text = self.api.get("/metrics").body.decode()
        name = "sigmad_predict_batch_rows_"
        total = {k: int(v) for k, v in re.findall(name + r"(sum|count) (\d+)", text)}
        return total["sum"], total["count"], [
            (le, int(v)) for le, v in re.findall(name + r'bucket\{le="(\S+)"\} (\d+)', text)]

    def together(self, requests):
        """Sends each on a connection of its own, all before any answer is read; the answers."""
        socks = [self.daemon.connect() for _ in requests]
        try:
            for sock, request in zip(socks, requests):
                sock.sendall(request)
            return [read_reply(sock) for sock in socks]
        finally:
            for sock in socks:
                sock.close()

    def slow(self, at, rows=3000):
        """A prediction that takes long, sent; its socket."""
        one = json.dumps(row(1)).encode()
        sock = self.daemon.connect()
        sock.sendall(post(at + "/predict", b'{"inputs": [' + b",".join([one] * rows) + b"]}"))
        return sock

    def test_rows_that_meet_are_computed_together_and_have_the_same_bits(self):
        at = self.model(WIDE) + "/predict"
        n = 48
        alone = [self.ok(self.api.post(at, {"inputs": [row(i)]}))["outputs"] for i in range(n)]
        for _ in range(100):
            before = self.batches()
            for i, reply in enumerate(self.together([post(at, {"inputs": [row(i)]})
                                                     for i in range(n)])):
                self.assertEqual(self.ok(reply)["outputs"], alone[i])
            after = self.batches()
            self.assertEqual(after[0] - before[0], n)
            if after[1] - before[1] < n:
                break
        else:
            self.fail("never were two rows computed together: %r" % (after,))
        counts = [count for _, count in after[2]]
        self.assertEqual(counts, sorted(counts))  # cumulative, as Prometheus has it
        self.assertEqual(counts[-1], after[1])

    def test_a_bad_one_among_them_fails_alone(self):
        at = self.model(WIDE) + "/predict"
        want = self.ok(self.api.post(at, {"inputs": [row(3)]}))["outputs"]
        bodies = [{"inputs": [row(3)]}, b'{"inputs": [[1, 2', {"inputs": [row(3)[1:]]},
                  {"inputs": [row(3)] * 70}, {"inputs": [[3e38] * INPUTS]}] * 8
        for i, reply in enumerate(self.together([post(at, body) for body in bodies])):
            if i % 5 == 0:
                self.assertEqual(self.ok(reply)["outputs"], want)
            elif i % 5 == 1:
                self.problem(reply, 400, "syntax")
            elif i % 5 == 2:
                self.problem(reply, 422, "field", "inputs[0]")
            elif i % 5 == 3:
                self.assertEqual(self.ok(reply)["outputs"], want * 70)
            else:
                self.problem(reply, 422, "number", "outputs[0]")

    def test_two_models_are_never_mixed(self):
        ats = [self.model(WIDE, name=self.name() + str(seed), seed=seed) for seed in range(3)]
        want = [self.ok(self.api.post(at + "/predict", {"inputs": [row(5)]})) for at in ats]
        replies = self.together([post(ats[i % 3] + "/predict", {"inputs": [row(5)]})
                                 for i in range(45)])
        for i, reply in enumerate(replies):
            self.assertEqual(self.ok(reply), want[i % 3])

    def test_a_model_may_be_deleted_while_its_rows_wait(self):
        at = self.model(WIDE)
        want = self.ok(self.api.post(at + "/predict", {"inputs": [row(2)]}))["outputs"]
        socks = [self.daemon.connect() for _ in range(32)]
        for sock in socks:
            sock.sendall(post(at + "/predict", {"inputs": [row(2)]}))
        self.assertEqual(self.api.delete(at).status, 204)
        for sock in socks:
            reply = read_reply(sock)
            self.assertIn(reply.status, (200, 404), reply)
            if reply.status == 200:
                self.assertEqual(reply.json["outputs"], want)
            sock.close()

    def test_what_is_quick_overtakes_what_is_slow(self):
        """Two predictions that take long are there first; yet health checks, cheap predictions on
        the loop and dear ones on the pool are answered before them."""
        at, small = self.model(WIDE), self.model(name=self.name() + "-small")
        want = self.ok(self.api.post(at + "/predict", {"inputs": [row(1)]}))["outputs"]
        rows = 1000
        while True:
            slow = [self.slow(at, rows) for _ in range(2)]
            before = 0
            try:
                # until the first of them is answered
                while not self.readable(slow):
                    self.assertEqual(self.api.get("/v2/health/live").status, 200)
                    self.ok(self.api.post(small + "/predict", {"inputs": [[0, 1]]}))
                    said = self.ok(self.api.post(at + "/predict", {"inputs": [row(1)]}))
                    self.assertEqual(said["outputs"], want)
                    before += 1
                for sock in slow:
                    self.assertEqual(self.ok(read_reply(sock))["outputs"], want * rows)
            finally:
                for sock in slow:
                    sock.close()
            if before >= 5:
                return
            rows *= 2  # a quick machine
            self.assertLess(rows, 40000, "the quick ones had to wait")

    def readable(self, socks):
        for sock in socks:
            sock.setblocking(False)
            try:
                if sock.recv(1, socket.MSG_PEEK):
                    return True
            except BlockingIOError:
                pass
            finally:
                sock.settimeout(WAIT)
        return False


class Alone(Case):
    flags = ("--max-batch", "1")

    def test_one_means_never_together(self):
        at = self.model(WIDE) + "/predict"
        replies = []

        def ask():
            api = self.daemon.client()
            replies.extend(self.ok(api.post(at, {"inputs": [row(1)]}))["outputs"]
                           for _ in range(5))
            api.close()

        threads = [threading.Thread(target=ask) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(replies, replies[:1] * 80)
        text = self.api.get("/metrics").body.decode()
        self.assertIn('sigmad_predict_batch_rows_bucket{le="1"} 80\n', text)
        self.assertIn("sigmad_predict_batch_rows_count 80\n", text)


if __name__ == "__main__":
    main()
