"""Versions: looked at, deleted, and what a restart makes of it."""
import signal

from harness import LONG, XOR, XOR_ROWS, Case, Restarting, in_threads, main


class Versions(Case):
    flags = ("--keep-versions", "100")

    def numbers(self, at):
        return [v["version"] for v in self.ok(self.api.get(at + "/versions"))["versions"]]

    def learn(self, at, times=1):
        for _ in range(times):
            self.ok(self.api.post(at + "/learn", XOR_ROWS))

    def test_one_says_what_the_list_says_of_it(self):
        at = self.model()
        self.learn(at)
        job = self.train(at, epochs=2, publish="end", **XOR_ROWS)
        listed = self.ok(self.api.get(at + "/versions"))["versions"]
        self.assertEqual([self.ok(self.api.get(at + "/versions/%d" % n)) for n in (1, 2, 3)], listed)
        self.assertEqual([v["source"] for v in listed], ["create", "learn", "train"])
        self.assertEqual((listed[2]["job"], listed[2]["epoch"], listed[2]["served"]), (job["id"], 2, True))
        self.assertEqual(listed[2]["loss"], job["history"][-1]["loss"])

    def test_what_is_no_version(self):
        at = self.model()
        with self.unchanged():
            for method in ("GET", "DELETE"):
                for text in ("0", "-1", "1.0", "x", "99999999999999999999", "1x"):
                    self.problem(self.api.ask(method, at + "/versions/" + text), 422, "field", "version")
                self.problem(self.api.ask(method, at + "/versions/2"), 404, "not-found", "version")
                self.problem(self.api.ask(method, at + "-none/versions/1"), 404, "not-found", "name")

    def test_deleting(self):
        at = self.model()
        self.learn(at, 3)
        with self.unchanged():
            self.problem(self.api.delete(at + "/versions/4"), 409, "busy", "version", "served")
        self.ok(self.api.delete(at + "/versions/2"), 204)
        self.problem(self.api.delete(at + "/versions/2"), 404, "not-found", "version")
        self.problem(self.api.post(at + "/promote", {"version": 2}), 404, "not-found", "version")
        self.problem(self.api.post(at + "/predict?version=2", {"inputs": [[0, 1]]}), 404, "not-found")
        self.assertEqual(self.numbers(at), [1, 3, 4])
        self.ok(self.api.post(at + "/promote", {"version": 3}))
        self.ok(self.api.delete(at + "/versions/4"), 204)
        self.learn(at)
        self.assertEqual(self.numbers(at), [1, 3, 5])

    def test_deleting_on_a_condition(self):
        at = self.model()
        self.learn(at)
        tag = self.api.get(at + "/versions/1").headers["ETag"]
        other = self.api.get(at + "/versions/2").headers["ETag"]
        with self.unchanged():
            self.problem(self.api.ask("DELETE", at + "/versions/1", headers={"If-Match": other}), 412,
                         "precondition", "If-Match")
        self.ok(self.api.ask("DELETE", at + "/versions/1", headers={"If-Match": tag}), 204)

    def test_what_a_job_goes_on_from_stays(self):
        at = self.model()
        job = self.ok(self.api.post(at + "/train", dict(XOR_ROWS, epochs=LONG, publish_seconds=0)), 202)
        self.until(lambda: self.ok(self.api.get(at))["version"], lambda version: version > 1)
        self.problem(self.api.delete(at + "/versions/1"), 409, "busy", "version", "job " + job["id"])
        self.cancel(job)
        self.ended(job)
        self.ok(self.api.delete(at + "/versions/1"), 204)

    def test_deleting_while_learning(self):
        at = self.model()
        self.learn(at, 20)

        def work(i):
            api = self.daemon.client()
            for n in range(1 + i, 21, 4):
                if i % 2 == 0:
                    self.ok(api.delete(at + "/versions/%d" % n), 204)
                else:
                    self.ok(api.post(at + "/learn", XOR_ROWS))
            api.close()

        in_threads(4, work)
        self.assertEqual(self.numbers(at), [*range(2, 21, 2), *range(21, 32)])


class Kept(Restarting):
    """What was deleted stays so, and what was not does not go with it, killed or not."""

    def survives(self, change, numbers, served):
        for how in (signal.SIGKILL, signal.SIGTERM):
            at = self.model(XOR, name="m-%d" % how)
            change(at)
            before = self.ok(self.api.get(at + "/export"))
            self.assertEqual(self.ok(self.api.get(at))["version"], served)
            self.again(how)
            listed = self.ok(self.api.get(at + "/versions"))
            self.assertEqual(([v["version"] for v in listed["versions"]], listed["served"]),
                             (numbers, served))
            self.assertEqual(self.ok(self.api.get(at + "/export")), before)
            self.ok(self.api.post(at + "/learn", XOR_ROWS))
            self.assertGreater(self.ok(self.api.get(at))["version"], 4)

    def learn(self, at, times):
        for _ in range(times):
            self.ok(self.api.post(at + "/learn", XOR_ROWS))

    def promote(self, at, version):
        self.ok(self.api.post(at + "/promote", {"version": version}))

    def drop(self, at, version):
        self.ok(self.api.delete(at + "/versions/%d" % version), 204)

    def test_the_one_that_the_learn_log_begins_with(self):
        def change(at):
            self.learn(at, 3)
            self.drop(at, 1)

        self.survives(change, [2, 3, 4], 4)

    def test_the_one_that_the_learn_log_leads_to(self):
        def change(at):
            self.learn(at, 3)
            self.promote(at, 2)
            self.drop(at, 4)

        self.survives(change, [1, 2, 3], 2)

    def test_one_that_was_written_whole(self):
        def change(at):
            for _ in range(3):
                self.train(at, epochs=1, publish="end", **XOR_ROWS)
            self.drop(at, 3)
            self.promote(at, 2)
            self.drop(at, 4)

        self.survives(change, [1, 2], 2)

    def test_the_one_that_the_log_begins_with_after_a_start(self):
        at = self.model(XOR, name="m")
        self.learn(at, 3)
        before = self.ok(self.api.get(at + "/export"))
        self.again()
        self.drop(at, 1)
        self.again()
        self.assertEqual(self.ok(self.api.get(at + "/export")), before)
        listed = self.ok(self.api.get(at + "/versions"))["versions"]
        self.assertEqual([v["version"] for v in listed], [2, 3, 4])
        self.drop(at, 3)  # in the middle of the log
        self.again()
        listed = self.ok(self.api.get(at + "/versions"))["versions"]
        self.assertEqual([v["version"] for v in listed], [2, 4])
        self.assertEqual(self.ok(self.api.get(at + "/export")), before)
        self.learn(at, 1)
        self.promote(at, 5)
        self.drop(at, 4)
        self.drop(at, 2)
        self.again()
        listed = self.ok(self.api.get(at + "/versions"))["versions"]
        self.assertEqual([v["version"] for v in listed], [5])


if __name__ == "__main__":
    main()
