#!/usr/bin/python3
"""A daemon under mixed load: tests/soak.py SECONDS [FILE]; `make soak` runs ten minutes.

Predict, learn, train, evaluate, create, delete, upload, scrape and hang up, from several
connections at once. After a warm-up, memory and descriptors are looked at while all of it goes on,
and have to stay where they were; in the end the daemon stops as it should. FILE is given the
measurements as CSV.
"""
import csv
import http.client
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "e2e"))
from harness import DIGITS, XOR, XOR_ROWS, Daemon, digits  # noqa: E402

# What an allocator may keep, over the warm-up's peak: fragments, and caches that are not yet full.
SLACK_BYTES = 8 << 20
SLACK_FILES = 40  # connections come and go; those of clients that hung up stay for a second


class Load:
    def __init__(self, daemon):
        self.daemon = daemon
        self.stop = threading.Event()
        self.counts = {}
        self.errors = []
        self.lock = threading.Lock()
        self.rows, self.labels = digits("train")

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def claim(self, what, reply, *statuses):
        self.count(what)
        if reply.status not in statuses:
            raise AssertionError("%s: %r" % (what, reply))
        return reply.json if reply.body[:1] == b"{" else None

    # ---- what each connection does ----

    def predict(self, api, rng):
        n = rng.choice((1, 1, 1, 4, 64))
        at = rng.randrange(len(self.rows) - n)
        said = self.claim("predict", api.post("/v1/models/digits/predict",
                                              {"inputs": self.rows[at:at + n]}), 200)
        assert len(said["outputs"]) == n and len(said["labels"]) == n, said

    def predict_wide(self, api, rng):
        self.claim("predict, pool", api.post("/v1/models/wide/predict",
                                             {"inputs": [[rng.random()] * 128]}), 200)

    def learn(self, api, rng):
        at = rng.randrange(len(self.rows) - 4)
        self.claim("learn", api.post("/v1/models/digits/learn", {
            "inputs": self.rows[at:at + 4], "labels": self.labels[at:at + 4],
            "optimizer": {"name": "sgd", "learning_rate": 0.01}}), 200, 409)  # while it trains
        time.sleep(0.01)

    def train(self, api, rng):
        wait = {"Prefer": "wait=60"} if rng.random() < 0.8 else {}
        job = self.claim("train", api.ask("POST", "/v1/models/digits/train", {
            "dataset": "train", "epochs": 1, "batch_size": 32,
            "optimizer": {"name": "sgd", "learning_rate": 0.01}}, wait), 200, 202, 409, 503)
        if job.get("state") in ("queued", "running"):
            self.claim("cancel", api.delete("/v1/jobs/" + job["id"]), 200, 202, 409)
        time.sleep(0.05)

    def evaluate(self, api, rng):
        self.claim("evaluate", api.post("/v1/models/digits/evaluate", {"dataset": "train"}), 200)
        time.sleep(0.05)

    def create(self, api, rng):
        at = "/v1/models/passing-%d" % rng.randrange(1 << 40)
        self.claim("create", api.put(at, '{"inputs": 2, "seed": 3, "cost": "cross_entropy", "layers": '
                                     '[{"units": 4, "activation": "tanh"}, '
                                     '{"units": 1, "activation": "sigmoid"}]}'), 201)
        self.claim("train", api.ask("POST", at + "/train", dict(XOR_ROWS, epochs=20, publish="end"),
                                    {"Prefer": "wait=60"}), 200)
        self.claim("export", api.get(at + "/export"), 200)
        self.claim("delete", api.delete(at + "?force=true"), 204)

    def upload(self, api, rng):
        at = "/v1/datasets/passing-%d" % rng.randrange(1 << 40)
        table = "a,b,c\n" + "".join("%d,%d,%d\n" % (i % 7, i % 5, i % 3) for i in range(500))
        self.claim("upload", api.put(at, table, "text/csv"), 201)
        self.claim("drop", api.delete(at), 204)
        time.sleep(0.02)

    def bad(self, api, rng):
        self.claim("bad", api.post("/v1/models/digits/predict",
                                   rng.choice(('{"inputs": [[1]]}', "{", '{"x": 1}'))), 400, 422)
        self.claim("scrape", api.get("/metrics"), 200)
        time.sleep(0.02)

    def hang_up(self, api, rng):
        body = b'{"inputs": [[%s]]}' % b",".join([b"0.5"] * 128)
        with self.daemon.connect() as sock:
            sock.sendall(b"POST /v1/models/wide/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"
                         b"\r\n" % len(body) + body[:rng.choice((10, len(body)))])
        self.count("hang up")
        time.sleep(0.02)

    def go(self, what, seed):
        rng = random.Random(seed)
        api = self.daemon.client()
        try:
            while not self.stop.is_set():
                what(api, rng)
        except (AssertionError, OSError, ValueError, KeyError, http.client.HTTPException) as error:
            self.errors.append("%s: %r" % (what.__name__, error))
            self.stop.set()
        finally:
            api.close()


def files(daemon):
    return len(os.listdir("/proc/%d/fd" % daemon.process.pid))


def prepare(daemon):
    api = daemon.client()
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "data/digits-train.csv"),
              "rb") as file:
        assert api.put("/v1/datasets/train", file.read(), "text/csv").status == 201
    assert api.put("/v1/models/digits", DIGITS_LABELLED).status == 201
    assert api.put("/v1/models/wide", WIDE).status == 201
    api.close()


DIGITS_LABELLED = dict(DIGITS, labels=[str(i) for i in range(10)], normalize="none")
WIDE = dict(XOR, inputs=128, layers=[{"units": 512, "activation": "relu"},
                                     {"units": 512, "activation": "relu"},
                                     {"units": 1, "activation": "sigmoid"}])


def soak(seconds, path=None):
    """The counts of what was done. Raises AssertionError when something grew or went wrong."""
    daemon = Daemon("--keep-versions", "3", "--keep-jobs", "50", "--durability", "process")
    load = Load(daemon)
    seen = []
    try:
        prepare(daemon)
        kinds = [load.predict, load.predict, load.predict_wide, load.predict_wide, load.learn,
                 load.train, load.evaluate, load.create, load.upload, load.bad, load.hang_up]
        threads = [threading.Thread(target=load.go, args=(what, i)) for i, what in enumerate(kinds)]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        while not load.stop.is_set() and time.monotonic() < began + seconds:
            seen.append((time.monotonic() - began, daemon.memory(), files(daemon)))
            load.stop.wait(min(1, seconds / 50))
        load.stop.set()
        for thread in threads:
            thread.join()
    finally:
        load.stop.set()
        code = daemon.end()
    if path:
        with open(path, "w", newline="") as file:
            csv.writer(file).writerows([("seconds", "resident bytes", "descriptors")] + seen)
    assert not load.errors, load.errors[:3]
    assert code == 0 and "Sanitizer" not in daemon.said(), daemon.said()[-4000:]
    judge(seen, seconds)
    return load.counts, seen


def judge(seen, seconds):
    """The last fifth against the second: peaks, so that no moment's luck counts."""
    early = [s for s in seen if seconds / 5 <= s[0] < 2 * seconds / 5]
    late = [s for s in seen if s[0] >= 4 * seconds / 5]
    if seconds >= 60 and os.environ.get("SLOW", "1") == "1":  # sanitizers keep what was freed
        was, is_now = (max(s[1] for s in part) for part in (early, late))
        assert is_now <= was + SLACK_BYTES, "memory: %.1f MB, then %.1f MB" % (was / 2**20, is_now / 2**20)
    was, is_now = (max(s[2] for s in part) for part in (early, late))
    assert is_now <= was + SLACK_FILES, "descriptors: %d, then %d" % (was, is_now)


def main():
    counts, seen = soak(float(sys.argv[1]), *sys.argv[2:3])
    print(", ".join("%s %d" % item for item in sorted(counts.items())))
    fifth = len(seen) // 5
    for part, name in ((seen[fifth:2 * fifth], "early"), (seen[-fifth:], "late")):
        print("%s: up to %.1f MB resident, %d descriptors" % (
            name, max(s[1] for s in part) / 2**20, max(s[2] for s in part)))


if __name__ == "__main__":
    main()
