"""What is there for those who run it: metrics, health, the server's own description."""
import json
import os
import re
import subprocess

import promtool
from faults import EIO, ENOSPC, FILES, Faulty
from harness import LONG, ROOT, SIGMAD, XOR, XOR_ROWS, Case, Daemon, main, read_text

DASHBOARD = os.path.join(ROOT, "systemd", "grafana.json")
ALERTS = os.path.join(ROOT, "systemd", "alerts.yml")

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


class Scraping:
    """Of a Case: what /metrics says."""

    def text(self):
        reply = self.api.get("/metrics")
        self.assertEqual(reply.status, 200)
        self.assertTrue(reply.headers["Content-Type"].startswith("text/plain; version=0.0.4"))
        return reply.body.decode()

    def scrape(self):
        return parse(self.text())

    def total(self, samples, name, *texts):
        return sum(value for (one, labels), value in samples.items()
                   if one == name and all(text in (labels or "") for text in texts))

    def promtool(self, *arguments, text=None):
        tool, why = promtool.find()
        if tool is None:
            self.skipTest(why)
        done = subprocess.run([tool, *arguments], input=text, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)


class Metrics(Scraping, Case):

    def test_they_parse_and_count(self):
        at = self.model(XOR)
        before = self.scrape()
        self.assertTrue(all(name.startswith(("sigmad_", "process_")) for name, _ in before))
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
        self.assertEqual(self.total(after, "sigmad_models"), len(self.ok(self.api.get("/v1/models"))["models"]))
        for (one, labels), value in before.items():
            if one.endswith("_total"):
                self.assertGreaterEqual(after[one, labels], value)

    def test_times_are_counted_in_buckets(self):
        at = self.model(XOR)
        for _ in range(5):
            self.ok(self.api.post(at + "/predict", {"inputs": [[0, 1]]}))
        self.problem(self.api.post(at + "/predict", "{"), 400, "syntax")
        seen, route = self.scrape(), ('method="POST"', 'route="/v1/models/{name}/predict"')
        name = "sigmad_request_duration_seconds"
        count = self.total(seen, name + "_count", *route)
        self.assertEqual(count, self.total(seen, "sigmad_requests_total", *route))
        self.assertGreaterEqual(count, 6)
        buckets = [(float(re.search('le="([^"]*)"', labels)[1]), value) for (one, labels), value in seen.items()
                   if one == name + "_bucket" and all(text in labels for text in route)]
        self.assertEqual(buckets, sorted(buckets))
        self.assertEqual([value for _, value in buckets], sorted(value for _, value in buckets))
        self.assertEqual(buckets[-1], (float("inf"), count))
        self.assertGreater(self.total(seen, name + "_sum", *route), 0)
        self.assertLess(self.total(seen, name + "_sum", *route), 1000)

    def test_models_and_data_sets_are_measured(self):
        self.digits()
        at = self.model(XOR)
        model = 'model="%s"' % self.name()
        self.ok(self.api.post(at + "/predict", {"inputs": [[0, 1]] * 7}))
        self.ok(self.api.post(at + "/learn", XOR_ROWS))
        seen = self.scrape()
        self.assertEqual(self.total(seen, "sigmad_model_predictions_total", model), 7)
        self.assertEqual(self.total(seen, "sigmad_model_served_version", model), 2)
        self.assertEqual(self.total(seen, "sigmad_model_versions", model), 2)
        self.assertGreaterEqual(self.total(seen, "sigmad_model_memory_bytes", model), 2 * 4 * (2 * 4 + 4 + 4 + 1))
        self.assertEqual(self.total(seen, "sigmad_versions"), self.total(seen, "sigmad_model_versions"))
        self.assertEqual(self.total(seen, "sigmad_models_memory_bytes"),
                         self.total(seen, "sigmad_model_memory_bytes"))
        self.assertGreaterEqual(self.total(seen, "sigmad_datasets_bytes"), (1500 + 297) * 64)
        self.assertGreater(self.total(seen, "sigmad_received_bytes_total"), 100000)

    def test_a_job_that_runs_is_told_of_and_then_counted(self):
        self.digits()
        at = "/v1/models/" + self.name()
        self.ok(self.api.put(at, dict(XOR, inputs=64, layers=[{"units": 10, "activation": "softmax"}],
                                      cost="log_likelihood")), 201)
        ended = 'state="cancelled"'
        before = self.total(self.scrape(), "sigmad_jobs_ended_total", ended)
        job = self.ok(self.api.post(at + "/train", {"dataset": "digits-train", "epochs": LONG,
                                                    "validation": {"dataset": "digits-test"}}), 202)
        labels = 'id="%s"' % job["id"], 'model="%s"' % self.name()
        text = self.until(self.text, lambda text: "sigmad_job_validation_accuracy_ratio{" in text)
        seen = parse(text)
        for name in ("epoch", "samples_per_second", "workers", "loss", "validation_loss"):
            self.assertGreater(self.total(seen, "sigmad_job_" + name, *labels), 0, name)
        for name in ("progress", "accuracy", "validation_accuracy"):
            self.assertTrue(0 < self.total(seen, "sigmad_job_%s_ratio" % name, *labels) <= 1, name)
        self.assertGreaterEqual(self.total(seen, "sigmad_workers_busy"), 1)
        self.exists_all_that_is_drawn(seen)
        self.cancel(job)
        self.ended(job)
        seen = self.scrape()
        self.assertFalse([name for name, _ in seen if name.startswith("sigmad_job_")])
        self.assertEqual(self.total(seen, "sigmad_jobs_ended_total", ended), before + 1)
        self.promtool("check", "metrics", text=text)

        self.is_in_readme(parse(text))

    def is_in_readme(self, seen):
        table = read_text(os.path.join(ROOT, "README.md")).split("\n## Metrics\n")[1].split("\n## ")[0]
        told = set(re.findall(r"`([a-z_]+)`", table)) - {"sigmad_"}
        there = {re.sub("^sigmad_", "", re.sub("_(bucket|sum|count)$", "", name)) for name, _ in seen}
        self.assertEqual(there - told, set())
        labels = set(re.findall(r'(\w+)="', " ".join(labels or "" for _, labels in seen)))
        self.assertEqual(told - there - labels, set())

    def exists_all_that_is_drawn(self, seen):
        """Every metric that the dashboard and the alerts name is there, and the dashboard has room for all of it."""
        with open(DASHBOARD) as file:
            dashboard = json.load(file)
        there = {name for name, _ in seen}
        queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
        queries += [one["query"]["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]
        queries.append(re.sub(r"(?m)^ *(#|- alert|summary|description|labels|annotations).*$", "", read_text(ALERTS)))
        named = set(re.findall(r"\b(?:sigmad|process)_\w+", "\n".join(queries)))
        self.assertGreater(len(named), 30)
        self.assertEqual(named - there, set())
        drawn = {re.sub("_(bucket|sum|count)$", "", name) for name in named}
        told = {re.sub("_(bucket|sum|count)$", "", name) for name in there}
        self.assertEqual({name for name in told - drawn if name.startswith("sigmad_")},
                         {"sigmad_pool_threads", "sigmad_remembered_predictions", "sigmad_model_served_version",
                          "sigmad_model_versions", "sigmad_model_memory_bytes", "sigmad_job_epoch"})
        places = [panel["gridPos"] for panel in dashboard["panels"]]
        cells = [(x, y) for at in places for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])]
        self.assertEqual(len(cells), len(set(cells)), "panels lie over each other")
        self.assertLess(max(x for x, _ in cells), 24)
        ids = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))

    def test_queries_and_alerts_are_what_prometheus_takes(self):
        with open(DASHBOARD) as file:
            panels = json.load(file)["panels"]
        rules = [{"record": "a:%d" % i, "expr": expr.replace("$__rate_interval", "5m").replace("$instance", ".*")}
                 for i, expr in enumerate(t["expr"] for panel in panels for t in panel.get("targets", []))]
        self.assertGreater(len(rules), 30)
        self.promtool("check", "rules", "/dev/stdin",
                      text=json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
        self.promtool("check", "rules", ALERTS)
        self.promtool("test", "rules", os.path.join(ROOT, "tests", "data", "alerts.yml"))

    def test_models_beyond_a_hundred_have_no_series_of_their_own(self):
        daemon = Daemon("--state", "none")
        self.addCleanup(daemon.end)
        self.api.close()
        self.api = daemon.client()
        for i in range(101):
            self.ok(self.api.put("/v1/models/m%03d" % i, XOR), 201)
        seen = self.scrape()
        self.assertEqual(self.total(seen, "sigmad_models"), 101)
        self.assertEqual(len([name for name, _ in seen if name == "sigmad_model_versions"]), 100)
        self.assertNotIn(("sigmad_model_versions", '{model="m100"}'), seen)

    def test_health(self):
        for path in ("/v2/health/live", "/v2/health/ready"):
            self.assertEqual(self.api.get(path).status, 200)

    def test_the_server_describes_itself(self):
        said = self.ok(self.api.get("/v1/server"))
        self.assertRegex(said["version"], r"^\d+\.\d+\.\d+")
        self.assertEqual(said["build"]["architecture"], os.uname().machine)
        for library in ("libmicrohttpd", "libuv", "gnutls", "zlib"):
            self.assertRegex(said["build"][library], r"^\d+\.\d+")
        self.assertIn(said["build"]["compiler"].split()[0], ("gcc", "clang"))
        self.assertEqual(said["limits"]["max_body"], 64 << 20)
        flags = subprocess.run([SIGMAD, "--help"], capture_output=True, text=True, check=True).stdout
        for name in said["limits"]:
            self.assertIn("--%s " % name.replace("_", "-"), flags)
        self.assertIn("onnx", said["formats"]["import"])
        self.assertEqual(said["startup"]["jobs"], 0)

    def test_formats_that_are_told_are_taken(self):
        at = self.model(XOR)
        formats = self.ok(self.api.get("/v1/server"))["formats"]
        for one in formats["export"]:
            file = self.api.get(at + "/export?format=" + one)
            self.assertEqual(file.status, 200, one)
            if one in formats["import"]:
                self.ok(self.api.put(at + "-" + one + "?format=" + one, file.body, "application/octet-stream"), 201)



class DiskErrors(Scraping, Faulty):
    def test_they_are_counted_by_kind(self):
        self.assertEqual(self.total(self.scrape(), "sigmad_store_errors_total"), 0)
        for action, kind, status in ((EIO, "io", 500), (ENOSPC, "full", 507)):
            self.page.arm(FILES, action, 3)
            reply = self.api.put("/v1/models/" + kind, XOR)
            self.assertEqual(self.page.disarm(), 1)
            self.problem(reply, status, kind)
            self.assertGreaterEqual(self.total(self.scrape(), "sigmad_store_errors_total", kind), 1)
        self.restart()
        self.assertEqual(self.total(self.scrape(), "sigmad_store_errors_total"), 0)


if __name__ == "__main__":
    main()
