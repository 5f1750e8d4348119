"""A daemon that has nothing to do uses no processor: after training on several workers, too."""
import os
import time

from harness import DIGITS, XOR_ROWS, XOR, Case, main

LOOKS = 20
TICKS = os.sysconf("SC_CLK_TCK")


class Idle(Case):
    flags = ("--workers", "3")

    def ticks(self):
        """Processor time the daemon has used, in ticks."""
        with open("/proc/%d/stat" % self.daemon.process.pid) as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def running(self):
        """How many of its threads want a processor now; a spinning one does at every look."""
        count = 0
        folder = "/proc/%d/task" % self.daemon.process.pid
        for thread in os.listdir(folder):
            with open("%s/%s/stat" % (folder, thread)) as file:
                count += file.read().rsplit(")", 1)[1].split()[0] == "R"
        return count

    def second(self):
        """Looks at it for a second: how often a thread was running, and ticks used."""
        before = self.ticks()
        seen = 0
        for _ in range(LOOKS):
            time.sleep(1 / LOOKS)
            seen += self.running() > 0
        return seen, self.ticks() - before

    def assert_idle(self):
        # what is left to do behind an answer is soon done; the thread sanitizer has a thread of its own
        self.until(self.second, lambda seen: seen[0] <= LOOKS // 4 and seen[1] <= TICKS // 10)

    def test_from_the_start(self):
        self.assert_idle()

    def test_after_training_that_was_shared_out(self):
        self.digits()
        wide = dict(DIGITS, layers=[{"units": 512, "activation": "sigmoid"}, DIGITS["layers"][1]])
        at = self.model(wide)
        self.train(at, dataset="digits-train", epochs=3, batch_size=64, publish="end")
        self.assert_idle()
        self.ok(self.api.post(at + "/evaluate", {"dataset": "digits-test"}))
        self.assert_idle()

    def test_after_small_jobs_side_by_side(self):
        paths = [self.model(XOR, name="%s-%d" % (self.name(), i)) for i in range(4)]
        jobs = [self.ok(self.api.post(at + "/train", dict(XOR_ROWS, epochs=200, publish="end")), 202)
                for at in paths]
        for job in jobs:
            self.assertEqual(self.ended(job)["state"], "succeeded")
        self.assert_idle()

    def test_after_a_cancelled_job(self):
        self.digits()
        at = self.model(DIGITS)
        job = self.ok(self.api.post(at + "/train", {"dataset": "digits-train", "epochs": 1000000}), 202)
        self.until(lambda: self.ok(self.api.get("/v1/jobs/" + job["id"]))["epoch"], lambda epoch: epoch > 0)
        self.cancel(job)
        self.ended(job)
        self.assert_idle()


if __name__ == "__main__":
    main()
