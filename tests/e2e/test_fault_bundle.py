"""A bundle on its way in, while the disk fails at each call that changes a file, or the process dies there."""
import os
import shutil

from bundles import TAR, Taking
from faults import DIE, DIE_TORN, EIO, ENOSPC, FILES, Faulty
from harness import XOR, main


class IntakeFaults(Taking, Faulty):
    def setUp(self):
        super().setUp()
        _, source = self.daemon_of()
        self.small(source)
        self.body = source.get("/v1/export").body
        self.after = self.told(source)
        self.fresh()
        self.before = self.told(self.api)
        self.assertEqual(self.before["models", "list"], {"models": []})

    def fresh(self):
        """The daemon with nothing in it."""
        cls = type(self)
        self.page.disarm()
        cls.daemon.end(9)
        self.api.close()
        shutil.rmtree(self.folder)
        cls.begin()
        self.api = self.daemon.client()

    def imports(self, action, sticky=0, step=1):
        """The reply when the nth call that changes a file fails, until none does."""
        for n in range(1, 300, step):
            self.page.arm(FILES, action, n, sticky)
            reply = self.attempt(lambda: self.api.put("/v1/import", self.body, TAR))
            hits = self.page.hits
            if action not in (DIE, DIE_TORN):
                self.page.disarm()
            yield n, reply
            if not hits:
                self.assertGreater(n, 40)
                return
        self.fail("there is no end to it")

    def whole(self, what, acknowledged):
        """All of it or nothing, and nothing besides."""
        server = self.ok(self.api.get("/v1/server"))
        self.assertEqual(server["corrupt"] + server["newer"], [], what)
        self.assertEqual(os.listdir(os.path.join(self.folder, "tmp")), [], what)
        self.assertNotIn("import", os.listdir(self.folder), what)
        there = self.told(self.api)
        self.assertIn(there, (self.after,) if acknowledged else (self.before, self.after), what)
        return there == self.after

    def test_killed_at_each_step(self):
        finished = 0
        for action, step in ((DIE, 1), (DIE_TORN, 3)):
            for n, reply in self.imports(action, step=step):
                self.restart()
                there = self.whole("killed at call %d" % n, reply is not None)
                finished += there and reply is None
                if there:
                    self.fresh()
        self.assertGreater(finished, 4)  # moves, and what is synced and removed behind them

    def test_disks_that_fail_change_nothing(self):
        for action, status, kind in ((EIO, 500, "io"), (ENOSPC, 507, "full")):
            for n, reply in self.imports(action):
                self.assertIsNotNone(reply, n)
                taken = reply.status == 201
                if not taken:
                    self.problem(reply, status, kind)
                    self.assertEqual(self.told(self.api), self.before, n)
                if action == EIO:  # nor does a start find any of it
                    self.restart()
                    self.assertEqual(self.whole("call %d" % n, taken), taken, n)
                elif taken:
                    self.assertEqual(self.told(self.api), self.after, n)
                if taken:
                    self.fresh()
            self.assertTrue(taken)

    def test_a_disk_that_stays_broken_keeps_the_names(self):
        """What can be neither finished nor taken back comes at the next start, and nothing between."""
        stuck = 0
        for n, reply in self.imports(EIO, sticky=1):
            if reply.status == 201:
                self.fresh()
                continue
            self.problem(reply, 500, "io")
            self.assertEqual(self.told(self.api), self.before, n)
            waits = "import" in os.listdir(self.folder)
            if waits:
                stuck += 1
                self.problem(self.api.put("/v1/models/small", XOR), 409, "exists")
                self.assertEqual(self.api.put("/v1/import", self.body, TAR).status, 409)
            self.restart()
            there = self.whole("call %d and on" % n, False)
            self.assertEqual(there, waits, n)
            if there:
                self.fresh()
        self.assertGreater(stuck, 1)

    def test_what_is_put_while_it_waits_for_a_start_stays(self):
        for n, reply in self.imports(EIO, sticky=1):
            if reply.status != 201 and "import" in os.listdir(self.folder):
                break
            if reply.status == 201:
                self.fresh()
            else:
                self.restart()  # what is removed by the way would take calls of the next round
        self.problem(reply, 500, "io")
        kinds = ["sigmad_quota_used_bytes{kind=\"%s\"}" % kind for kind in ("models", "datasets")]
        claimed = [self.metric(kind) for kind in kinds]
        self.assertTrue(all(claimed), claimed)
        put = self.ok(self.api.put("/v1/datasets/rows", {"inputs": [[5], [6], [7]], "labels": ["a", "b", "c"]}), 201)
        self.restart()
        self.assertEqual(self.metric(kinds[0]), claimed[0])
        self.assertEqual(self.ok(self.api.get("/v1/datasets/rows"))["digest"], put["digest"])
        self.assertEqual(self.ok(self.api.get("/v1/models/small"))["version"], 1)
        self.assertEqual([job["id"] for job in self.ok(self.api.get("/v1/jobs"))["jobs"]], ["1"])
        self.fresh()

    def test_killed_while_a_start_finishes_it(self):
        cls = type(self)
        for n in range(1, 60):
            for m in range(60, 0, -1):  # a death between the rename and the last move
                self.page.arm(FILES, DIE, m)
                self.attempt_quiet()
                if os.path.isdir(os.path.join(self.folder, "import", "models")) and \
                        os.listdir(os.path.join(self.folder, "import", "models")):
                    break
                self.restart()
                self.fresh()
            else:
                self.fail("there is no such death")
            cls.daemon.end(9)
            hits = self.start_that_meets(DIE, n)
            self.assertTrue(self.whole("killed at call %d of the start" % n, True))
            self.fresh()
            if not hits:
                self.assertGreater(n, 5)
                return
        self.fail("there is no end to it")

    def attempt_quiet(self):
        return self.attempt(lambda: self.api.put("/v1/import", self.body, TAR))

    def test_the_loop_does_not_wait_for_the_disk(self):
        self.page.set(main_calls=0)
        self.ok(self.api.put("/v1/import", self.body, TAR), 201)
        self.problem(self.api.put("/v1/import", self.body, TAR), 409, "exists")
        self.assertEqual(self.page.main_calls, 0)


if __name__ == "__main__":
    main()
