"""What is there for those who run it: metrics, health, the server's own description."""
import re

from harness import XOR, XOR_ROWS, Case, main

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(r'^(%s)(\{(?:%s="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)$' % (NAME, NAME))


def parse(text):
    """Prometheus' text format 0.0.4, strictly; {(name, labels): value}."""
    kinds, helps, samples, closed = {}, set(), {}, set()
    family = None
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            assert name not in helps, line
            helps.add(name)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds and kind in ("counter", "gauge", "histogram", "summary"), line
            kinds[name] = kind
        else:
            match = SAMPLE.match(line)
            assert match, line
            name, labels, value = match.groups()
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            base = base if kinds.get(base) == "histogram" else name
            assert base in kinds and base in helps, "no TYPE or HELP before " + line
            assert (kinds[base] == "counter") == name.endswith("_total"), line
            if base != family:
                assert base not in closed, base + " is not in one piece"
                closed.add(base)
                family = base
            assert (name, labels) not in samples, "twice: " + line
            samples[name, labels] = float(value)
    return samples


class Metrics(Case):
    def scrape(self):
        reply = self.api.get("/metrics")
        self.assertEqual(reply.status, 200)
        self.assertTrue(reply.headers["Content-Type"].startswith("text/plain; version=0.0.4"))
        return parse(reply.body.decode())

    def total(self, samples, name, *texts):
        return sum(value for (one, labels), value in samples.items()
                   if one == name and all(text in (labels or "") for text in texts))

    def test_they_parse_and_count(self):
        at = self.model(XOR)
        before = self.scrape()
        self.assertTrue(all(name.startswith("sigmad_") for name, _ in before))
        for _ in range(3):
            self.ok(self.api.post(at + "/predict", {"inputs": [[0, 1]] * 5}))
        self.api.post(at + "/predict", "{")
        self.api.get("/nowhere")
        self.train(at, epochs=2, **XOR_ROWS)
        after = self.scrape()
        predict = ('method="POST"', "/predict")
        name = "sigmad_requests_total"
        self.assertEqual(self.total(after, name, *predict) - self.total(before, name, *predict), 4)
        self.assertGreater(self.total(after, name), self.total(before, name) + 4)
        self.assertEqual(self.total(after, "sigmad_models"), 1)
        for (one, labels), value in before.items():
            if one.endswith("_total"):
                self.assertGreaterEqual(after[one, labels], value)

    def test_health(self):
        for path in ("/v2/health/live", "/v2/health/ready"):
            self.assertEqual(self.api.get(path).status, 200)

    def test_the_server_describes_itself(self):
        said = self.ok(self.api.get("/v1/server"))
        self.assertRegex(said["version"], r"^\d+\.\d+\.\d+")
        self.assertIn("limits", said)


if __name__ == "__main__":
    main()
