#!/usr/bin/python3
"""Kills a daemon under load at random points, starts it again, and compares with what its clients
were told.

    tests/crash.py [--kills N] [--seed N]

Several clients create, learn, train, upload, promote and delete, each on names of its own, and write
down what was acknowledged; nothing else is known to them. Every training is simulated by a second
daemon that is never killed (the same seed gives the same bits), so that each version is known by its
digest. After each kill:

  - the daemon starts, and sets nothing aside;
  - what was acknowledged is there; what was deleted is not; what was under way is there or not, whole;
  - every model answers;
  - jobs that were interrupted end by themselves, with the digest of the uninterrupted one.

SIGMAD names the binary. Ends with "N passed, N failed" for tests/run.py; a kill is a test.
"""
import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "e2e"))
import harness  # noqa: E402
from harness import SLOW, XOR, XOR_ROWS  # noqa: E402

CLIENTS = 4
MODELS = 2  # names each client goes round
BODY = dict(XOR_ROWS, epochs=300, batch_size=2, seed=5, publish="end",
            optimizer={"name": "sgd", "learning_rate": 0.05, "momentum": 0.5})
SGD = dict(XOR_ROWS, optimizer={"name": "sgd", "learning_rate": 0.3}, l2=0.5)
ADAM = dict(XOR_ROWS, optimizer={"name": "adam", "learning_rate": 0.01}, l2=0.5)
CSV = "a,b,c\n" + "".join("%d,%d,%d\n" % (i, i * 7 % 11, i % 3) for i in range(300))


class Lost(Exception):
    pass


def need(what, *said):
    if not what:
        raise Lost(" ".join(str(part) for part in said))


def learn_body(seed):
    """Half of the models learn by an optimiser that keeps something from call to call."""
    return ADAM if seed % 2 else SGD


class Oracle:
    """The digest of a model after a history of steps, by a daemon that nobody kills. Models begin
    with one of a few seeds, so that many of them share their histories.

    A history: the seed, then "train"; "learn", a call that begins anew, as behind all but such a
    call; or "on", one that goes on from the one before it."""

    def __init__(self):
        self.daemon = harness.Daemon("--durability", "process", "--keep-versions", "100000")
        self.api = self.daemon.client()
        self.known = {}  # steps -> version, digest
        self.tip = {}  # seed -> steps that were done last, of the model as it is

    def digest(self, steps):
        return self.find(steps)[1]

    def find(self, steps):
        missing = []
        at = steps
        while at not in self.known:
            missing.append(at)
            at = at[:-1]
            if not at:
                break
        for at in reversed(missing):
            self.do(at)
        return self.known[steps]

    def do(self, steps):
        """The last of these steps, once those before it are known."""
        at = "/v1/models/seed%d" % steps[0]
        if len(steps) == 1:
            need(self.api.put(at, dict(XOR, seed=steps[0])).status == 201, "oracle: create")
            version = 1
        elif steps[-1] == "on" and self.tip[steps[0]] != steps[:-1]:
            self.do(steps[:-1])  # again, for what it leaves to go on with
            return self.do(steps)
        else:
            number = self.known[steps[:-1]][0]
            need(steps[-1] == "on" or self.api.post(at + "/promote", {"version": number}).status == 200, "oracle")
            reply = (self.api.ask("POST", at + "/train", BODY, {"Prefer": "wait=600"}) if steps[-1] == "train" else
                     self.api.post(at + "/learn", learn_body(steps[0])))
            need(reply.status == 200, "oracle:", steps[-1], reply)
            version = reply.json["version"]
        self.tip[steps[0]] = steps
        self.known[steps] = version, self.api.get(at).json["digest"]


class Model:
    """What a client knows of one name. versions: number -> steps that led to it."""

    def __init__(self, at):
        self.at = at
        self.gone()

    def gone(self):
        self.there = False
        self.seed = 0
        self.goes_on = False  # the last thing done was a call to learn
        self.versions = {}
        self.served = 0
        self.doubt = None  # the request that was under way
        self.learned = None  # key and answer of the last call to learn
        self.job = None

    def created(self, seed):
        self.seed = seed
        self.there, self.versions, self.served = True, {1: (seed,)}, 1

    def next(self, number, step):
        self.versions[number] = self.versions[self.served] + ("on" if step == "learn" and self.goes_on else step,)
        self.served = number
        self.goes_on = step == "learn"

    def promoted(self, number):
        self.served = number
        self.goes_on = False


class Worker:
    """One client, from a start of the daemon to its end."""

    def __init__(self, index, seed, oracle):
        self.index, self.random, self.oracle = index, random.Random(seed * 1000 + index), oracle
        self.models = [Model("/v1/models/c%d-m%d" % (index, i)) for i in range(MODELS)]
        self.data = "/v1/datasets/c%d" % index
        self.data_there, self.data_doubt = False, False
        self.keys = 0
        self.acked = 0
        self.error = None

    def run(self, port):
        self.api = harness.Client(port)
        try:
            while True:
                self.step()
        except (OSError, harness.http.client.HTTPException):
            pass  # the daemon has been killed
        except Exception as error:  # noqa: B902 # carried to main
            self.error = error
        finally:
            self.api.close()

    def ask(self, model, what, method, path, body=None, headers=None):
        """Notes what is under way until the answer is there."""
        model.doubt = what
        reply = self.api.ask(method, path, body, headers)
        model.doubt = None
        self.acked += 1
        return reply

    def step(self):
        if self.random.random() < 0.15:
            return self.step_data()
        model = self.random.choice(self.models)
        if not model.there:
            return self.create(model)
        choice = self.random.random()
        if model.job is not None:
            return self.job_look(model)
        if choice < 0.6:
            return self.learn(model)
        if choice < 0.7:
            return self.promote(model)
        if choice < 0.85:
            return self.train(model)
        return self.delete(model)

    def create(self, model):
        seed = self.random.randrange(5)
        reply = self.ask(model, ("create", seed), "PUT", model.at, dict(XOR, seed=seed))
        need(reply.status == 201, "create", model.at, reply)
        model.created(seed)

    def learn(self, model):
        self.keys += 1
        key = "%s-%d" % (model.at, self.keys)
        reply = self.ask(model, ("learn", key), "POST", model.at + "/learn", learn_body(model.seed),
                         {"Idempotency-Key": key})
        need(reply.status == 200, "learn", model.at, reply)
        model.next(reply.json["version"], "learn")
        model.learned = key, reply.json

    def promote(self, model):
        number = self.random.choice(sorted(model.versions)[-5:])
        reply = self.ask(model, ("promote", number), "POST", model.at + "/promote",
                         {"version": number})
        need(reply.status == 200, "promote", model.at, number, reply)
        model.promoted(number)

    def train(self, model):
        self.keys += 1
        key = "%s-%d" % (model.at, self.keys)
        reply = self.ask(model, ("train", key), "POST", model.at + "/train", BODY,
                         {"Idempotency-Key": key})
        need(reply.status == 202, "train", model.at, reply)
        model.job = reply.json["id"]

    def job_look(self, model):
        """Until the job has ended nothing else is done with its model."""
        reply = self.api.get("/v1/jobs/" + model.job)
        need(reply.status == 200, "job", model.job, "of", model.at, reply)
        job = reply.json
        need(job["state"] in ("queued", "running", "succeeded"), "job", job)
        if job["state"] == "succeeded":
            model.next(job["version"], "train")
            model.job = None
        else:
            time.sleep(0.002)

    def delete(self, model):
        reply = self.ask(model, ("delete",), "DELETE", model.at)
        need(reply.status == 204, "delete", model.at, reply)
        model.gone()

    def step_data(self):
        self.data_doubt = True
        if self.data_there and self.random.random() < 0.4:
            reply = self.api.ask("DELETE", self.data)
            need(reply.status == 204, "delete", self.data, reply)
            self.data_there = False
        else:
            reply = self.api.put(self.data, CSV, "text/csv")
            need(reply.status == (200 if self.data_there else 201), "put", self.data, reply)
            self.data_there = True
        self.data_doubt = False
        self.acked += 1

    # ---- after a kill ----

    def compare(self, api, data_digest):
        for model in self.models:
            self.compare_model(api, model)
        reply = api.get(self.data)
        need(reply.status in (200, 404), self.data, reply)
        if not self.data_doubt:
            need((reply.status == 200) == self.data_there, self.data, "is there:", reply.status)
        self.data_there, self.data_doubt = reply.status == 200, False
        if self.data_there:
            need(reply.json["digest"] == data_digest, self.data, reply)

    def compare_model(self, api, model):
        doubt, model.doubt = model.doubt, None
        reply = api.get(model.at)
        need(reply.status in (200, 404), model.at, reply)
        there = reply.status == 200
        if doubt is not None and doubt[0] in ("create", "delete"):
            if there and doubt[0] == "create":
                model.created(doubt[1])
            elif not there:
                model.gone()
        need(there == model.there, model.at, "is there:", there, "after", doubt)
        if not there:
            return
        if doubt is not None and doubt[0] == "train" and model.job is None:
            # retried, as a client does; trained once
            reply = api.ask("POST", model.at + "/train", BODY, {"Idempotency-Key": doubt[1]})
            need(reply.status in (200, 202), "retry", doubt, reply)
            model.job = reply.json["id"]
        if model.job is not None:
            self.compare_job(api, model)
        if model.learned is not None:
            # answered again, and not done again
            reply = api.ask("POST", model.at + "/learn", learn_body(model.seed),
                            {"Idempotency-Key": model.learned[0]})
            need(reply.status == 200 and reply.json == model.learned[1], "retry", model.learned, reply)
        if doubt is not None and doubt[0] == "learn":
            # whether it was done or not, it is now, once
            reply = api.ask("POST", model.at + "/learn", learn_body(model.seed),
                            {"Idempotency-Key": doubt[1]})
            need(reply.status == 200 and reply.json["version"] == max(model.versions) + 1, "retry", doubt, reply)
            model.next(reply.json["version"], "learn")
            model.learned = doubt[1], reply.json
        self.compare_versions(api, model, doubt)
        reply = api.post(model.at + "/predict", {"inputs": [[0.5, 1]]})
        need(reply.status == 200 and reply.json["version"] == model.served, "predict", reply)

    def compare_job(self, api, model):
        limit = time.monotonic() + harness.WAIT
        while True:
            reply = api.get("/v1/jobs/" + model.job)
            need(reply.status == 200, "job", model.job, "of", model.at, reply)
            job = reply.json
            if job["state"] not in ("queued", "running"):
                break
            need(time.monotonic() < limit, "no end to", job)
            time.sleep(0.005)
        need(job["state"] == "succeeded" and len(job["history"]) == BODY["epochs"], "job", job)
        model.job = None
        model.next(job["version"], "train")

    def compare_versions(self, api, model, doubt):
        said = api.get(model.at + "/versions").json
        have = {v["version"]: v["digest"] for v in said["versions"]}
        extra = sorted(number for number in have if number not in model.versions)
        need(not extra, model.at, "has", extra, "beyond", sorted(model.versions))
        if doubt is not None and doubt[0] == "promote":
            need(said["served"] in (model.served, doubt[1]), model.at, "serves", said["served"], "after", doubt)
            # again: whether one of what was served before was done cannot be seen, until learn goes on from it
            said = api.post(model.at + "/promote", {"version": doubt[1]}).json
            need(said["served"] is True, model.at, said)
            model.promoted(doubt[1])
            said = api.get(model.at + "/versions").json
        need(said["served"] == model.served, model.at, "serves", said["served"], "not",
             model.served, "after", doubt)
        keep = sorted(model.versions)[-10:]
        for number in keep:
            need(number in have, model.at, "has lost version", number, "of", keep, "has", sorted(have))
        for number, digest in have.items():
            need(digest == self.oracle.digest(model.versions[number]), model.at, "version", number)


class Lives:
    """The daemon, life after life, on one folder."""

    def __init__(self, workers, rng, data_digest):
        self.workers, self.rng, self.data_digest = workers, rng, data_digest
        # Memory is as good as a disk here: what ends is the process, not the machine.
        shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.state = tempfile.mkdtemp(prefix="sigmad-crash-", dir=shm)
        self.begin()

    def begin(self):
        self.daemon = harness.Daemon("--checkpoint-seconds", "1", state=self.state)

    def kill(self):
        """Load, the end, and a new one that is compared."""
        threads = [threading.Thread(target=worker.run, args=(self.daemon.port,))
                   for worker in self.workers]
        for thread in threads:
            thread.start()
        time.sleep(self.rng.uniform(0.0, 0.06) * SLOW)
        self.daemon.end(signal.SIGKILL)
        for thread in threads:
            thread.join()
        for worker in self.workers:
            if worker.error is not None:
                raise Lost("%r; the daemon said:\n%s" % (worker.error, self.daemon.said()))
        self.begin()
        api = self.daemon.client()
        try:
            server = api.get("/v1/server").json
            need(server["corrupt"] == [] and server["newer"] == [], "something was set aside")
            for worker in self.workers:
                worker.compare(api, self.data_digest)
        except (Lost, OSError, harness.http.client.HTTPException) as error:
            raise Lost("%s\nthe daemon said:\n%s" % (error, self.daemon.said())) from None
        finally:
            api.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=int(os.environ.get("KILLS", 100 / SLOW)))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED", "1")))
    options = parser.parse_args()
    oracle = Oracle()
    workers = [Worker(i, options.seed, oracle) for i in range(CLIENTS)]
    passed = failed = 0
    began = time.monotonic()
    lives = None
    try:
        reply = oracle.api.put("/v1/datasets/d", CSV, "text/csv")
        lives = Lives(workers, random.Random(options.seed), reply.json["digest"])
        while passed + failed < options.kills and failed == 0:
            try:
                lives.kill()
                passed += 1
            except Exception as error:  # noqa: B902 # reported, with its seed
                failed += 1
                print("kill %d of seed %d: %s" % (passed + 1, options.seed, error), flush=True)
    finally:
        oracle.api.close()
        oracle.daemon.end(signal.SIGKILL)
        if lives is not None:
            lives.daemon.end(signal.SIGKILL)
            if failed == 0:
                shutil.rmtree(lives.state, ignore_errors=True)
            else:
                print("its state is in " + lives.state)
    print("%d requests acknowledged, %d kills, %.1f s" % (
        sum(worker.acked for worker in workers), passed + failed, time.monotonic() - began))
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
