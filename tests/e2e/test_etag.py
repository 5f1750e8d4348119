"""Entity tags and preconditions: RFC 9110, 13, on all that can be changed."""
import signal

from harness import XOR, XOR_ROWS, Case, Restarting, in_threads, main

CSV = "1,2,a\n3,4,b\n"


class ETags(Case):
    flags = ("--keep-versions", "1000")

    def tag(self, at):
        reply = self.api.get(at)
        self.ok(reply)
        tag = reply.headers["ETag"]
        self.assertRegex(tag, r'^"[0-9]+-[0-9a-f]+"$')
        return tag

    def if_match(self, method, at, tags, body=None, kind="application/json"):
        return self.api.ask(method, at, body, {"If-Match": tags, "Content-Type": kind})

    def stale(self, reply, field="If-Match"):
        self.problem(reply, 412, "precondition", field)

    def test_a_model_has_the_tag_of_what_it_serves(self):
        at = self.model()
        first = self.tag(at)
        self.assertEqual(self.tag(at + "/versions/1"), first)
        self.assertEqual(self.tag(at + "/export"), first)
        reply = self.api.post(at + "/learn", XOR_ROWS)
        second = self.tag(at)
        self.assertNotEqual(first, second)
        self.assertEqual(reply.headers["ETag"], second)
        self.assertEqual(self.tag(at + "/export?version=1"), first)
        reply = self.api.post(at + "/promote", {"version": 1})
        self.assertEqual((reply.headers["ETag"], self.tag(at)), (first, first))

    def test_a_model_made_anew_has_another_tag(self):
        at = self.model()
        first = self.tag(at)
        self.ok(self.if_match("DELETE", at, first), 204)
        self.model()
        self.assertNotEqual(self.tag(at), first)
        self.stale(self.if_match("DELETE", at, first))
        self.ok(self.api.get(at))

    def test_what_the_client_has_is_not_sent_again(self):
        at = self.model()
        self.ok(self.api.put("/v1/datasets/" + self.name(), CSV, "text/csv"), 201)
        for path in (at, at + "/versions/1", at + "/export", "/v1/datasets/" + self.name()):
            tag = self.tag(path)
            for tags in (tag, "*", "W/" + tag, '"x", %s' % tag, ' , "a,b" ,%s,' % tag):
                reply = self.api.get(path, If_None_Match=tags)
                self.assertEqual((reply.status, reply.body), (304, b""), (path, tags))
                self.assertEqual(reply.headers["ETag"], tag)
            for tags in ('"x"', "", '"x", "y"', 'W/"1"'):
                self.assertEqual(self.api.get(path, If_None_Match=tags).status, 200, (path, tags))
            self.ok(self.api.get(path, If_Match=tag))
            self.stale(self.api.get(path, If_Match='"x"'))
            self.assertEqual(self.api.ask("HEAD", path, headers={"If-None-Match": tag}).status, 304)

    def test_lists_that_cannot_be_read(self):
        at = self.model()
        with self.unchanged():
            for tags in ("1", '"1', '"1" "2"', "*, *", '"1",x', 'w/"1"', "''"):
                for header in ("If-Match", "If-None-Match"):
                    reply = self.api.ask("DELETE", at, headers={header: tags})
                    self.problem(reply, 400, "syntax", header)

    def test_every_change_of_a_model_can_be_conditional(self):
        at = self.model()
        old = self.tag(at)
        self.ok(self.api.post(at + "/learn", XOR_ROWS))
        changes = (("PUT", at, XOR), ("POST", at + "/train", XOR_ROWS), ("POST", at + "/learn", XOR_ROWS),
                   ("POST", at + "/promote", {"version": 1}), ("DELETE", at, None))
        with self.unchanged():
            for method, path, body in changes:
                for tags in (old, '"x"', "W/" + self.tag(at), ""):
                    self.stale(self.if_match(method, path, tags, body))
                for tags in ("*", self.tag(at), "W/" + self.tag(at)):
                    reply = self.api.ask(method, path, body, {"If-None-Match": tags})
                    self.stale(reply, "If-None-Match")
            self.problem(self.if_match("PUT", at, self.tag(at), XOR), 409, "exists")
        self.ok(self.if_match("POST", at + "/learn", self.tag(at), XOR_ROWS))
        self.ok(self.if_match("POST", at + "/promote", '"x", ' + self.tag(at), {"version": 1}))
        self.ok(self.api.ask("POST", at + "/train", XOR_ROWS,
                             {"If-Match": "*", "If-None-Match": '"x"', "Prefer": "wait=60"}))
        self.ok(self.if_match("DELETE", at, self.tag(at)), 204)
        self.problem(self.if_match("DELETE", at, "*"), 404, "not-found")

    def test_create_only(self):
        at = "/v1/models/" + self.name()
        self.stale(self.if_match("PUT", at, "*", XOR))
        self.assertEqual(self.api.get(at).status, 404)
        got = []

        def create(_):
            api = self.daemon.client()
            got.append(api.ask("PUT", at, XOR, {"If-None-Match": "*"}).status)
            api.close()

        in_threads(6, create)
        self.assertEqual(sorted(got), [201] + 5 * [412])

    def test_of_many_who_change_the_same_version_one_does(self):
        at = self.model()
        for _ in range(5):
            def change(i, tag, got):
                api = self.daemon.client()
                what = (("/learn", XOR_ROWS), ("/promote", {"version": 1}))[i % 4 == 3]
                reply = api.ask("POST", at + what[0], what[1], {"If-Match": tag})
                got.append((reply.status, what[0]))
                api.close()

            self.ok(self.api.post(at + "/learn", XOR_ROWS))
            tag, got = self.tag(at), []
            in_threads(8, lambda i, tag=tag, got=got: change(i, tag, got))
            self.assertEqual([status for status, _ in got if status != 412], [200], got)

    def test_none_is_lost_when_all_read_change_and_try_again(self):
        at = self.model()

        def add_one(_):
            api = self.daemon.client()
            while True:
                tag = api.get(at).headers["ETag"]
                reply = api.ask("POST", at + "/learn", XOR_ROWS, {"If-Match": tag})
                if reply.status == 200:
                    break
                self.stale(reply)
            api.close()

        in_threads(6, add_one)
        self.assertEqual(self.ok(self.api.get(at))["version"], 7)

    def test_a_conditional_delete_deletes_only_what_it_was_told(self):
        for _ in range(5):
            at = self.model()
            tag, got = self.tag(at), {}

            def change(i, at=at, tag=tag, got=got):
                api = self.daemon.client()
                if i == 0:
                    got["delete"] = api.ask("DELETE", at, headers={"If-Match": tag}).status
                else:
                    got[i] = api.ask("POST", at + "/learn", XOR_ROWS).status
                api.close()

            in_threads(4, change)
            learned = [i for i in (1, 2, 3) if got[i] == 200]
            self.assertEqual(got["delete"], 412 if learned else 204, got)
            self.api.delete(at)

    def test_a_data_set_has_the_tag_of_its_generation(self):
        at = "/v1/datasets/" + self.name()
        self.stale(self.api.ask("PUT", at, CSV, {"If-Match": "*", "Content-Type": "text/csv"}))
        reply = self.api.ask("PUT", at, CSV, {"If-None-Match": "*", "Content-Type": "text/csv"})
        self.ok(reply, 201)
        first = self.tag(at)
        self.assertEqual(reply.headers["ETag"], first)
        with self.unchanged():
            self.stale(self.api.ask("PUT", at, CSV, {"If-None-Match": "*", "Content-Type": "text/csv"}),
                       "If-None-Match")
        self.ok(self.if_match("PUT", at, first, CSV, "text/csv"))
        second = self.tag(at)
        self.assertNotEqual(first, second)
        with self.unchanged():
            self.stale(self.if_match("PUT", at, first, CSV, "text/csv"))
            self.stale(self.if_match("PUT", at + "/features", first, "1\n2\n", "text/csv"))
            self.stale(self.if_match("DELETE", at, first))
        self.ok(self.if_match("DELETE", at, second), 204)
        self.ok(self.api.put(at, CSV, "text/csv"), 201)
        self.assertNotIn(self.tag(at), (first, second))

    def test_of_many_who_replace_the_same_generation_one_does(self):
        at = "/v1/datasets/" + self.name()
        self.ok(self.api.put(at, CSV, "text/csv"), 201)
        tag, got = self.tag(at), {}

        def replace(i):
            api = self.daemon.client()
            reply = api.ask("PUT", at, "%d,2,a\n3,4,b\n" % i, {"If-Match": tag, "Content-Type": "text/csv"})
            got[i] = reply
            api.close()

        in_threads(6, replace)
        won = [reply for reply in got.values() if reply.status == 200]
        self.assertEqual((len(won), {r.status for r in got.values()}), (1, {200, 412}))
        self.assertEqual(self.ok(self.api.get(at))["digest"], won[0].json["digest"])


class Restarted(Restarting):
    def test_tags_stay_the_same(self):
        at = self.model(XOR, name="m")
        for _ in range(3):
            self.ok(self.api.post(at + "/learn", XOR_ROWS))
        trained = self.model(XOR, name="t")
        self.train(trained, epochs=3, **XOR_ROWS)
        self.ok(self.api.put("/v1/datasets/d", CSV, "text/csv"), 201)
        paths = (at, trained, trained + "/versions/1", "/v1/datasets/d")
        before = [self.api.get(path).headers["ETag"] for path in paths]
        for how in (signal.SIGTERM, signal.SIGKILL):
            self.again(how)
            self.assertEqual([self.api.get(path).headers["ETag"] for path in paths], before)


if __name__ == "__main__":
    main()
