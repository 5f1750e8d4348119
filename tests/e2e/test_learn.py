"""Online learning: one step on the rows given, at once."""
import glob
import os

from harness import LARGEST, XOR, XOR_ROWS, Case, in_threads, main

LINE = {"inputs": 1, "cost": "mse", "layers": [{"units": 1, "activation": "linear",
                                                "weights": [[1]], "biases": [0]}]}


class Learn(Case):
    flags = ("--keep-versions", "1000")

    def line(self, at):
        layer = self.ok(self.api.get(at + "/export"))["layers"][0]
        return layer["weights"][0][0], layer["biases"][0]

    def test_a_step_by_hand(self):
        at = self.model(LINE)
        # a = 2, y = 1: C = 1/2, dC/dw = (a - y) x = 2, dC/db = 1
        said = self.ok(self.api.post(at + "/learn", {
            "inputs": [[2]], "targets": [[1]], "optimizer": {"name": "sgd", "learning_rate": 0.25}}))
        self.assertEqual(said, {"loss": 0.5, "version": 2})
        self.assertEqual(self.line(at), (0.5, -0.25))

    def test_adam_by_hand(self):
        """Of a gradient that is g each time the means are g and g^2, whatever k: a step is the rate."""
        at = self.model(LINE)
        adam = {"name": "adam", "learning_rate": 0.0625, "epsilon": 1e-30}
        row = {"inputs": [[1]], "targets": [[-1e6]], "optimizer": adam}
        for k in range(1, 6):
            self.ok(self.api.post(at + "/learn", row))
            weight, bias = self.line(at)
            self.assertAlmostEqual(weight, 1 - 0.0625 * k, places=5)
            self.assertAlmostEqual(bias, -0.0625 * k, places=5)

    def test_momentum_by_hand(self):
        at = self.model(dict(LINE, layers=[dict(LINE["layers"][0], weights=[[0]])]))
        row = {"inputs": [[1]], "targets": [[1]],
               "optimizer": {"name": "sgd", "learning_rate": 0.25, "momentum": 0.5}}
        # a = w + b, g = a - 1: g = -1, v = -1, w = 1/4; g = -1/2, v = -1, w = 1/2; g = 0, v = -1/2, w = 5/8
        for wanted in (0.25, 0.5, 0.625):
            self.ok(self.api.post(at + "/learn", row))
            self.assertEqual(self.line(at), (wanted, wanted))

    def test_the_loss_is_that_before_the_step(self):
        at = self.model(XOR)
        before = self.ok(self.api.post(at + "/evaluate", XOR_ROWS))
        said = self.ok(self.api.post(at + "/learn", XOR_ROWS))
        after = self.ok(self.api.post(at + "/evaluate", XOR_ROWS))
        self.assertAlmostEqual(said["loss"], before["loss"], places=6)
        self.assertLess(after["loss"], before["loss"])
        self.assertEqual((before["version"], after["version"]), (1, said["version"]))

    def test_settings_stay_until_they_are_changed(self):
        rows = {"inputs": [[2]], "targets": [[1]]}
        sgd = {"name": "sgd", "learning_rate": 0.25}
        told = self.model(LINE, name="told")
        for _ in range(3):
            self.ok(self.api.post(told + "/learn", dict(rows, optimizer=sgd, l2=0.5)))
        once = self.model(LINE, name="once")
        self.ok(self.api.post(once + "/learn", dict(rows, optimizer=sgd, l2=0.5)))
        for _ in range(2):
            self.ok(self.api.post(once + "/learn", rows))
        self.assertEqual(self.line(told), self.line(once))
        trained = self.model(LINE, name="trained")
        self.train(trained, epochs=1, batch_size=1, optimizer=sgd, l2=0.5, publish="end", **rows)
        for _ in range(2):
            self.ok(self.api.post(trained + "/learn", rows))
        self.assertEqual(self.line(told), self.line(trained))

    def test_steps_of_learn_are_steps_of_train(self):
        """An epoch over one row is a call with that row, whatever the optimiser carries."""
        row = {"inputs": [[0.5, 1]], "targets": [[1]], "l2": 0.5}
        for i, optimizer in enumerate((
                {"name": "sgd", "learning_rate": 0.5}, {"name": "sgd", "momentum": 0.9},
                {"name": "sgd", "momentum": 0.9, "nesterov": True}, {"name": "rmsprop"},
                {"name": "rmsprop", "momentum": 0.5, "alpha": 0.9}, {"name": "adam"},
                {"name": "adam", "beta1": 0.5, "beta2": 0.75, "epsilon": 0.001},
                {"name": "adamw", "weight_decay": 0.1})):
            a, b = self.model(XOR, name="a%d" % i), self.model(XOR, name="b%d" % i)
            for _ in range(20):
                self.ok(self.api.post(a + "/learn", dict(row, optimizer=optimizer)))
            self.train(b, epochs=20, batch_size=1, publish="end", **dict(row, optimizer=optimizer))
            self.assertEqual(self.ok(self.api.get(a))["digest"], self.ok(self.api.get(b))["digest"], optimizer)

    def test_a_step_of_learn_is_a_step_of_train(self):
        plan = {"optimizer": {"name": "sgd", "learning_rate": 0.5}}
        a, b = self.model(XOR, name="a"), self.model(XOR, name="b")
        self.ok(self.api.post(a + "/learn", dict(XOR_ROWS, **plan)))
        self.train(b, epochs=1, batch_size=4, publish="end", **dict(XOR_ROWS, **plan))
        # the same rows in one batch, but shuffled: sums of four numbers in another order
        for got, want in zip(self.ok(self.api.get(a + "/export"))["layers"],
                             self.ok(self.api.get(b + "/export"))["layers"]):
            for x, y in zip(sum(got["weights"], got["biases"]), sum(want["weights"], want["biases"])):
                self.assertAlmostEqual(x, y, places=6)

    def test_class_names_are_taken(self):
        at = self.model(LARGEST)
        rows = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
        loss = self.ok(self.api.post(at + "/learn", {"inputs": rows, "labels": ["bee", 1, "bee"]}))
        self.assertGreater(loss["loss"], 0)
        for _ in range(60):
            self.ok(self.api.post(at + "/learn", {
                "inputs": rows, "labels": ["bee", 1, "bee"],
                "optimizer": {"name": "sgd", "learning_rate": 1}}))
        said = self.ok(self.api.post(at + "/predict", {"inputs": rows}))
        self.assertEqual(said["labels"], ["bee"] * 3)

    def test_no_step_is_lost_among_many_clients(self):
        at = self.model(XOR)
        versions = set()

        def client(_):
            api = self.daemon.client()
            for _ in range(10):
                versions.add(self.ok(api.post(at + "/learn", XOR_ROWS))["version"])
            api.close()

        in_threads(8, client)
        self.assertEqual(versions, set(range(2, 82)))
        self.assertEqual(self.ok(self.api.get(at))["version"], 81)

    def keyed(self, at, key, body, api=None):
        return (api or self.api).ask("POST", at + "/learn", body, {"Idempotency-Key": key})

    def test_many_clients_are_logged_and_not_written_whole(self):
        """A log is full after 1,000 calls: then one version gets a file, and the next begins a log."""
        at = self.model()

        def learn(_):
            api = self.daemon.client()
            for _ in range(200):
                self.ok(api.post(at + "/learn", XOR_ROWS))
            api.close()

        in_threads(6, learn)
        self.assertEqual(self.ok(self.api.get(at))["version"], 1201)
        files = glob.glob(os.path.join(self.daemon.state, "models", glob.escape(self.name()) + "@*", "*.safetensors"))
        self.assertLess(len(files), 20, files)
        self.assertGreater(len(files), 0)

    def test_a_retry_is_answered_as_the_first(self):
        at = self.model(XOR)
        first = self.keyed(at, "one", XOR_ROWS)
        self.assertEqual(self.ok(first)["version"], 2)
        other = self.ok(self.keyed(at, "two", XOR_ROWS))
        self.assertEqual(other["version"], 3)
        self.assertNotEqual(other["loss"], first.json["loss"])
        with self.unchanged():
            again = self.keyed(at, "one", XOR_ROWS)
            self.assertEqual(self.ok(again), first.json)
            self.assertEqual(again.headers["ETag"], first.headers["ETag"])
            self.problem(self.keyed(at, "one", dict(XOR_ROWS, l2=1)), 422, "field", "Idempotency-Key")
            for key in ("", "k" * 256):
                self.problem(self.keyed(at, key, XOR_ROWS), 422, "field", "Idempotency-Key", "1 to 255")
            # a retry's precondition was that of the first
            again = self.api.ask("POST", at + "/learn", XOR_ROWS,
                                 {"Idempotency-Key": "one", "If-Match": '"1-0"'})
            self.assertEqual(self.ok(again), first.json)
        # a key is one model's
        self.assertEqual(self.ok(self.keyed(self.model(XOR, name="own"), "one", XOR_ROWS))["version"], 2)

    def test_what_failed_may_be_sent_again(self):
        at = self.model(XOR)
        bad = dict(XOR_ROWS, targets=[[2]] * 4)
        for _ in range(2):
            self.problem(self.keyed(at, "k", bad), 422, "range")
        self.assertEqual(self.ok(self.keyed(at, "k", XOR_ROWS))["version"], 2)

    def test_a_deleted_models_keys_go_with_it(self):
        at = self.model(XOR)
        for _ in range(2):
            self.assertEqual(self.ok(self.keyed(at, "k", XOR_ROWS))["version"], 2)
        self.ok(self.api.delete(at), 204)
        self.ok(self.api.put(at, XOR), 201)
        self.assertEqual(self.ok(self.keyed(at, "k", XOR_ROWS))["version"], 2)

    def test_a_key_that_many_bring_at_once_trains_once(self):
        at = self.model(XOR)
        body = {"inputs": XOR_ROWS["inputs"] * 5000, "targets": XOR_ROWS["targets"] * 5000}
        said = []

        def client(i):
            api = self.daemon.client()
            for n in range(5):
                reply = self.keyed(at, "many-%d" % n, body, api)
                while reply.status == 409:  # the first of them is under way
                    self.problem(reply, 409, "busy", "Idempotency-Key")
                    reply = self.keyed(at, "many-%d" % n, body, api)
                said.append((n, self.ok(reply)["version"]))
            api.close()

        in_threads(8, client)
        self.assertEqual(len(said), 40)
        self.assertEqual(sorted(version for _, version in set(said)), [2, 3, 4, 5, 6])
        self.assertEqual(self.ok(self.api.get(at))["version"], 6)

    def test_bad_rows_change_nothing(self):
        xor, named = self.model(XOR), self.model(LARGEST, name="named")
        line = self.model(LINE, name="line")
        for at, body, status, kind, field in (
            (xor, {}, 422, "field", "inputs"),
            (xor, {"inputs": [[1, 2]]}, 422, "field", None),
            (xor, {"inputs": [[1]], "targets": [[1]]}, 422, "field", "inputs[0]"),
            (xor, {"inputs": [], "targets": []}, 422, "field", "inputs"),
            (xor, {"inputs": [[1, 2]], "targets": [[2]]}, 422, "range", "targets[0][0]"),
            (xor, {"inputs": [[1, 2]], "targets": [[1]], "epochs": 1}, 422, "field", "epochs"),
            (xor, {"dataset": "digits"}, 422, "field", "dataset"),
            (named, {"inputs": [[1, 2, 3]], "labels": ["dog"]}, 422, "field", "labels[0]"),
            (named, {"inputs": [[1, 2, 3]], "labels": [3]}, 422, "field", "labels[0]"),
            (named, {"inputs": [[1, 2, 3]], "labels": [0, 1]}, 422, "field", "labels"),
            (named, {"inputs": [[1, 2, 3]], "labels": [0],
                     "optimizer": {"name": "sgd", "learning_rate": 0}}, 422, "field",
             "optimizer.learning_rate"),
            # the cost overflows: nothing of the step may stay
            (line, {"inputs": [[3e38]], "targets": [[-3e38]]}, 422, "number", "loss"),
        ):
            with self.subTest(body=body), self.unchanged():
                self.problem(self.api.post(at + "/learn", body), status, kind, field)

    def test_what_fails_leaves_everything_as_it_was(self):
        """Weights, what the optimiser carries, and the settings last used."""
        adam = {"name": "adam", "learning_rate": 0.125}
        at, other = self.model(LINE), self.model(LINE, name="other")
        rows = {"inputs": [[2]], "targets": [[1]]}
        for _ in range(2):
            for where in (at, other):
                self.ok(self.api.post(where + "/learn", dict(rows, optimizer=adam, l2=0.5)))
        for bad, status, kind in (
                ({"inputs": [[2, 3]]}, 422, "field"),
                ({"inputs": [[3e38]], "targets": [[-3e38]], "optimizer": {"name": "rmsprop"}, "l2": 3}, 422, "number"),
                ({"inputs": [[3e38]], "targets": [[-3e38]]}, 422, "number"),
                # the cost is finite, the step is not; or its square is not
                ({"targets": [[-9]], "optimizer": {"name": "sgd", "learning_rate": 3e38}}, 422, "number"),
                ({"inputs": [[1e19]], "targets": [[0]], "l2": 0}, 422, "number"),
                ({"optimizer": {"name": "rprop"}}, 422, "field")):
            with self.unchanged():
                self.problem(self.api.post(at + "/learn", dict(rows, **bad)), status, kind)
        for _ in range(2):
            self.assertEqual(self.ok(self.api.post(at + "/learn", rows))["loss"],
                             self.ok(self.api.post(other + "/learn", rows))["loss"])
        self.assertEqual(self.line(at), self.line(other))

    def test_unloading_under_a_call(self):
        """What the call goes on from has been given back when its turn comes, and is read again."""
        at = self.model(XOR)
        body = {"inputs": XOR_ROWS["inputs"] * 20000, "targets": XOR_ROWS["targets"] * 20000}
        done = []

        def client(i):
            api = self.daemon.client()
            for _ in range(3 if i == 0 else 200):
                if i == 0:
                    self.ok(api.post(at + "/promote", {"version": 1}))
                    done.append(self.ok(api.post(at + "/learn", body))["loss"])
                elif len(done) < 3:
                    self.ok(api.post("/v2/repository/models/%s/unload" % self.name(), {}))
            api.close()

        in_threads(2, client)
        self.assertEqual(len(set(done)), 1)

    def test_a_model_that_trains_refuses_or_takes_it_whole(self):
        at = self.model(XOR)
        job = self.ok(self.api.post(at + "/train", dict(XOR_ROWS, epochs=1000000)), 202)
        reply = self.api.post(at + "/learn", XOR_ROWS)
        self.assertIn(reply.status, (200, 409))
        if reply.status == 409:
            self.problem(reply, 409, "busy")
        self.cancel(job)


if __name__ == "__main__":
    main()
