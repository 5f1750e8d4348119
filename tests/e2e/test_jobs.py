"""The list of jobs: pages, filters."""
from harness import LONG, XOR_ROWS, Case, in_threads, main


class Jobs(Case):
    def page(self, **query):
        said = self.ok(self.api.get("/v1/jobs?" + "&".join("%s=%s" % pair for pair in query.items())))
        self.assertEqual(set(said), {"jobs", "next"})
        return [int(job["id"]) for job in said["jobs"]], said["next"]

    def pages(self, limit, **query):
        seen, after = [], "0"
        while after is not None:
            ids, after = self.page(limit=limit, after=after, **query)
            self.assertLessEqual(len(ids), limit)
            if after is not None:
                self.assertEqual((len(ids), str(ids[-1])), (limit, after))
            seen += ids
        return seen

    def test_pages(self):
        at = self.model()
        ids = [int(self.train(at, **XOR_ROWS)["id"]) for _ in range(7)]
        self.assertEqual(self.page(), (self.page(limit=10000)[0], None))
        for limit in (1, 2, 3, 7, 8):
            self.assertEqual(self.pages(limit, model=self.name()), ids)
        self.assertEqual(self.page(model=self.name(), limit=7), (ids, None))
        self.assertEqual(self.page(model=self.name(), limit=6), (ids[:6], str(ids[5])))
        self.assertEqual(self.page(model=self.name(), after=ids[6]), ([], None))
        self.assertNotIn("history", self.ok(self.api.get("/v1/jobs?limit=1"))["jobs"][0])

    def test_filters(self):
        at, other = self.model(), self.model(name=self.name() + "-other")
        done = self.train(at, **XOR_ROWS)
        runs = self.ok(self.api.post(at + "/train", dict(XOR_ROWS, epochs=LONG)), 202)
        waits = self.ok(self.api.post(at + "/train", XOR_ROWS), 202)
        self.until(lambda: self.page(model=self.name(), state="running")[0],
                   lambda ids: ids == [int(runs["id"])])
        self.assertEqual(self.page(model=self.name(), state="queued")[0], [int(waits["id"])])
        self.assertEqual(self.page(model=self.name(), state="succeeded")[0], [int(done["id"])])
        self.assertEqual(self.page(model=self.name(), state="failed"), ([], None))
        self.assertEqual(self.page(model=other.split("/")[-1]), ([], None))
        self.assertEqual(self.page(model="nobody"), ([], None))
        self.cancel(waits)
        self.cancel(runs)
        self.ended(runs)
        self.assertEqual(self.page(model=self.name(), state="cancelled")[0],
                         [int(runs["id"]), int(waits["id"])])

    def test_what_cannot_be_asked(self):
        for query, field in (("limit=0", "limit"), ("limit=10001", "limit"), ("limit=x", "limit"),
                             ("limit=", "limit"), ("limit=-1", "limit"), ("limit=1.5", "limit"),
                             ("after=x", "after"), ("after=18446744073709551616", "after"),
                             ("after=9223372036854775808", "after"), ("state=done", "state"),
                             ("state=", "state"), ("model=a/b", "model"), ("before=1", "query")):
            self.problem(self.api.get("/v1/jobs?" + query), 422, "field", field)

    def test_pages_are_stable_while_jobs_are_made(self):
        models = [self.model(name="%s-%d" % (self.name(), i)) for i in range(3)]
        ids = [int(self.train(models[0], **XOR_ROWS)["id"]) for _ in range(5)]
        seen = []

        def work(i):
            api = self.daemon.client()
            if i < 3:
                for _ in range(8):
                    self.ok(api.post(models[i] + "/train", XOR_ROWS), 202)
            else:
                after = "0"
                while after is not None:
                    said = self.ok(api.get("/v1/jobs?limit=3&after=" + after))
                    seen.extend(int(job["id"]) for job in said["jobs"])
                    after = said["next"]
            api.close()

        in_threads(4, work)
        self.assertEqual(seen, sorted(set(seen)))
        self.assertLessEqual(set(ids), set(seen))
        made = self.page()[0]
        self.assertEqual([i for i in made if i <= seen[-1]], seen)


if __name__ == "__main__":
    main()
