#!/usr/bin/python3
"""A bundle that another daemon takes in: all of it and the same to the bit."""
import gzip
import json
import os
import shutil
import subprocess
import threading

import harness
from bundles import PLACE, TAR, Taking, summed, tar_of
from harness import XOR, XOR_ROWS, main


class Intake(Taking, harness.Restarting):
    def test_another_daemon_has_the_same_and_goes_on(self):
        self.many()
        body = self.api.get("/v1/export").body
        told = self.told(self.api)
        _, source = self.daemon_of(state=self.copied())
        self.stop()
        shutil.rmtree(self.state)
        os.mkdir(self.state)
        self.start()
        reply = self.ok(self.api.put("/v1/import", body, TAR), 201)
        self.assertEqual(reply, {"models": ["largest", "learner", "n" * 128, "normal"], "datasets": ["bytes", "named", "pairs"],
                                 "jobs": ["1", "2"], "unfinished": []})
        self.assertEqual(self.told(self.api), told)
        self.staged()
        before, again = self.members(body), self.bundle()
        self.assertEqual(list(again), list(before))
        for name in before:
            if name.startswith(("models/", "datasets/")):
                self.assertEqual(again[name], before[name], name)
        self.go_on(source, self.api)
        told = self.told(self.api)
        self.again()
        self.assertEqual(self.ok(self.api.get("/v1/server"))["corrupt"], [])
        self.assertEqual(self.told(self.api), told)
        self.go_on(source, self.api)

    def test_a_start_finds_what_came(self):
        """Before anybody has changed it."""
        _, source = self.daemon_of()
        kept, self.api = self.api, source
        self.many()
        self.api = kept
        self.ok(self.api.put("/v1/import", source.get("/v1/export").body, TAR), 201)
        self.again()
        self.assertEqual(self.told(self.api), self.told(source))
        self.go_on(source, self.api)

    def copied(self):
        """The state folder once more, so that the source can go on as well."""
        folder = self.state + "-copy"
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        shutil.copytree(self.state, folder, ignore=shutil.ignore_patterns("lock", "tmp"))
        return folder

    def test_without_a_state_folder_too(self):
        _, memory = self.daemon_of(state="none")
        _, other = self.daemon_of(state="none")
        self.many()
        told = self.told(self.api)
        body = self.api.get("/v1/export").body
        self.ok(memory.put("/v1/import", body, TAR), 201)
        self.assertEqual(self.told(memory), told)
        self.ok(other.put("/v1/import", memory.get("/v1/export").body, TAR), 201)
        without = self.told(other)  # records of jobs do not leave a daemon that keeps none
        for key in [k for k in told if "jobs" in k]:
            del told[key]
        self.assertEqual({k: v for k, v in without.items() if "jobs" not in k}, told)
        self.go_on(self.api, memory)

    def test_a_bundle_of_nothing_and_one_of_what_is_not_done(self):
        body = self.api.get("/v1/export").body
        self.assertEqual(self.ok(self.api.put("/v1/import", body, TAR), 201),
                         {"models": [], "datasets": [], "jobs": [], "unfinished": []})
        job = self.ok(self.api.post(self.model(name="busy") + "/train", dict(XOR_ROWS, epochs=harness.LONG)), 202)
        body = self.api.get("/v1/export").body
        self.cancel(job)
        _, other = self.daemon_of()
        self.assertEqual(self.ok(other.put("/v1/import", body, TAR), 201),
                         {"models": ["busy"], "datasets": [], "jobs": [], "unfinished": ["1"]})
        self.ok(other.post("/v1/models/busy/learn", XOR_ROWS))

    def test_keys_of_learn_come_along(self):
        """A call that is sent again to the daemon that has moved does not train twice."""
        at = self.model(name="keyed")
        said = [self.learn_keyed(at, key) for key in ("a", "b")]
        for restarted in (False, True):  # then they are told of by the log alone
            if restarted:
                self.again()
            _, other = self.daemon_of()
            self.ok(other.put("/v1/import", self.api.get("/v1/export").body, TAR), 201)
            kept, self.api = self.api, other
            self.assertEqual([self.learn_keyed(at, key) for key in ("a", "b")], said)
            self.assertEqual(self.ok(other.get(at))["version"], 3)
            self.api = kept

    def learn_keyed(self, at, key):
        return self.ok(self.api.ask("POST", at + "/learn", XOR_ROWS, {"Idempotency-Key": key}))

    def test_later_jobs_have_numbers_above(self):
        _, source = self.daemon_of()
        for _ in range(2):
            self.ok(source.put("/v1/models/m", XOR), 201)
            self.ok(source.ask("POST", "/v1/models/m/train", dict(XOR_ROWS, epochs=1), {"Prefer": "wait=60"}))
            last = self.ok(source.get("/v1/models/m"))
            self.ok(source.delete("/v1/models/m"), 204)
        self.ok(source.put("/v1/models/m", XOR), 201)  # records of one that is gone and of the same name
        body = source.get("/v1/export").body
        self.ok(self.api.put("/v1/import", body, TAR), 201)
        at = self.model(name="own")
        self.assertEqual(self.train(at, **XOR_ROWS, epochs=1)["id"], "3")
        self.again()
        self.assertEqual([job["id"] for job in self.ok(self.api.get("/v1/jobs"))["jobs"]], ["1", "2", "3"])
        self.assertEqual(self.ok(self.api.get("/v1/models/m"))["version"], 1)
        self.assertEqual(last["version"], 2)

    def test_curl_pipes_one_and_gzip_is_taken(self):
        _, source = self.daemon_of()
        self.small(source)
        body = gzip.compress(source.get("/v1/export").body)
        for cut in (20, len(body) // 2, len(body) - 5):
            self.problem(self.gzipped(body[:cut]), 400, "syntax")
        self.problem(self.gzipped(body + b"x"), 400, "syntax")
        self.assertEqual(self.everything()["models"], [])
        self.ok(self.gzipped(body), 201)
        self.assertEqual(self.told(self.api), self.told(source))
        _, other = self.daemon_of()
        line = "curl -sf http://127.0.0.1:%d/v1/export | curl -sf -T - http://127.0.0.1:%d/v1/import"
        port = other.connection.port
        subprocess.run(["sh", "-c", line % (self.daemon.port, port)], check=True, capture_output=True)
        self.assertEqual(self.told(other), self.told(source))

    def gzipped(self, body):
        return self.api.ask("PUT", "/v1/import", body, {"Content-Encoding": "gzip", "Content-Type": TAR})

    def test_what_is_there_refuses_it(self):
        _, source = self.daemon_of()
        members = self.small(source)
        body = tar_of(members)
        self.ok(self.api.put("/v1/import", body, TAR), 201)
        with self.unchanged():
            self.problem(self.api.put("/v1/import", body, TAR), 409, "exists", PLACE + "datasets[0].name", "'rows'", "delete it first")
        self.ok(self.api.delete("/v1/datasets/rows"), 204)
        with self.unchanged():
            self.problem(self.api.put("/v1/import", body, TAR), 409, "exists", PLACE + "jobs[0]", "1 is a job here")
        less = [(n, c) for n, c in members if not n.startswith("jobs")]
        less[0] = self.manifest(members, lambda m: m.update(jobs=[]))
        less = tar_of(summed(less))
        with self.unchanged():
            self.problem(self.api.put("/v1/import", less, TAR), 409, "exists", PLACE + "models[0].name", "'small'", "delete it first")
        self.ok(self.api.delete("/v1/models/small"), 204)
        self.ok(self.api.put("/v1/import", less, TAR), 201)
        self.staged()

    def manifest(self, members, change):
        """The first of them, changed."""
        said = json.loads(dict(members)["manifest.json"])
        change(said)
        return "manifest.json", json.dumps(said).encode()

    def test_two_at_once_and_a_model_that_comes_between(self):
        _, source = self.daemon_of()
        self.small(source)
        body = source.get("/v1/export").body
        for i in range(8):
            asks = [("/v1/import", body, TAR), ("/v1/models/small", XOR) if i % 2 else ("/v1/import", body, TAR)]
            replies = [None, None]

            def ask(n):
                api = self.daemon.client()
                replies[n] = api.put(*asks[n])
                api.close()

            harness.in_threads(2, ask)
            self.assertEqual(sorted(reply.status for reply in replies), [201, 409], replies)
            seen = self.everything()
            self.assertEqual([m["name"] for m in seen["models"]], ["small"])
            self.assertEqual(len(seen["datasets"]), 1 if replies[0].status == 201 or i % 2 == 0 else 0)
            self.stop()
            shutil.rmtree(self.state)
            os.mkdir(self.state)
            self.start()

    def test_data_sets_put_meanwhile_wait_for_it(self):
        _, source = self.daemon_of()
        self.small(source)
        body = source.get("/v1/export").body
        stop, statuses = threading.Event(), set()

        def churn():
            api = self.daemon.client()
            while not stop.is_set():
                statuses.add(api.put("/v1/datasets/rows", {"inputs": [[3], [4]], "labels": ["a", "b"]}).status)
                statuses.add(api.delete("/v1/datasets/rows").status)
            api.close()

        thread = threading.Thread(target=churn)
        thread.start()
        try:
            for _ in range(20):
                reply = self.api.put("/v1/import", body, TAR)
                self.assertIn(reply.status, (201, 409), reply)
                if reply.status == 201:
                    break
        finally:
            stop.set()
            thread.join()
        self.assertLessEqual(statuses, {200, 201, 204, 404})
        self.again()
        self.assertEqual(self.ok(self.api.get("/v1/server"))["corrupt"], [])

    def test_clients_that_hang_up_leave_nothing(self):
        _, source = self.daemon_of()
        self.small(source)
        body = source.get("/v1/export").body
        for cut in (100, 3000, len(body) - 600, len(body) - 1):
            with self.daemon.connect() as sock:
                sock.sendall(b"PUT /v1/import HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:cut])
            self.staged()
        with self.daemon.connect() as sock:
            sock.sendall(b"PUT /v1/import HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n" + body[:3000])
            self.again()
        self.staged()
        self.assertEqual(self.everything(), {"models": [], "datasets": [], "jobs": []})


if __name__ == "__main__":
    main()
