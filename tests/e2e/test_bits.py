"""Promise 3: the same seed gives the same bits, whatever the workers, the kernel and the neighbours."""

from harness import DIGITS, LONG, Case, Daemon, digits, main

NETS = {
    "softmax": DIGITS,
    "deep": {"inputs": 64, "cost": "mse", "seed": 2, "init": "xavier", "normalize": "standard",
             "layers": [{"units": 70, "activation": "tanh"}, {"units": 33, "activation": "relu"},
                        {"units": 10, "activation": "sigmoid"}]},
    "wide": {"inputs": 64, "cost": "cross_entropy", "seed": 3, "normalize": "minmax",
             "layers": [{"units": 300, "activation": "sigmoid"}, {"units": 10, "activation": "sigmoid"}]},
}
PLAN = {"dataset": "digits-train", "epochs": 2, "batch_size": 17, "seed": 5, "l2": 0.5, "publish": "end",
        "optimizer": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.5}}


class Same(Case):
    """Only for its shorthands; each run has a daemon of its own."""

    def results(self, *flags, beside=False):
        """What comes out of training all nets: digests, exports, predictions."""
        daemon = Daemon(*flags)
        self.daemon, other = daemon, self.daemon
        self.api.close()
        self.api = daemon.client()
        try:
            for flag, isa in zip(flags, flags[1:]):
                if flag == "--isa":
                    self.assertEqual(self.ok(self.api.get("/v1/server"))["isa"], isa)
                    self.assertIn(", %s kernels," % isa, daemon.said())
                    self.assertIn('isa="%s"' % isa, self.api.get("/metrics").body.decode())
            self.digits()
            if beside:
                at = self.model(DIGITS, name="beside")
                self.ok(self.api.post(at + "/train", {"dataset": "digits-train", "epochs": LONG}), 202)
            found = {}
            rows = digits("test")[0][:50]
            for name, spec in NETS.items():
                at = self.model(spec, name=name)
                job = self.train(at, **PLAN)
                found[name] = (self.ok(self.api.get(at))["digest"], self.api.get(at + "/export").body,
                               self.ok(self.api.post(at + "/predict", {"inputs": rows}))["outputs"],
                               [epoch["loss"] for epoch in job["history"]])
            return found
        finally:
            self.api.close()
            self.daemon = other
            self.api = other.client()
            code = daemon.end()
            self.assertEqual(code, 0, daemon.said())

    def assert_same(self, a, b):
        for name in NETS:
            for what, x, y in zip(("digest", "export", "outputs", "losses"), a[name], b[name]):
                self.assertEqual(x, y, "%s of %s" % (what, name))

    def test_for_any_number_of_workers(self):
        one = self.results("--workers", "1")
        self.assert_same(one, self.results("--workers", "1"))
        self.assert_same(one, self.results("--workers", "2"))
        self.assert_same(one, self.results("--workers", "3"))
        self.assert_same(one, self.results("--workers", "2", beside=True))

    def test_for_every_instruction_set(self):
        one = self.results()
        for isa in ("scalar", "avx2", "avx512", "neon"):
            with self.subTest(isa=isa):
                try:
                    other = self.results("--isa", isa)
                except AssertionError as error:
                    if "isa" not in str(error) or "did not say" not in str(error):
                        raise
                    print("  no %s here" % isa)
                    continue
                self.assert_same(one, other)

    def test_the_seed_matters(self):
        self.digits()
        digest = set()
        for seed in (1, 1, 2):
            at = self.model(DIGITS, name="seed")
            self.train(at, **dict(PLAN, seed=seed))
            digest.add(self.ok(self.api.get(at))["digest"])
            self.ok(self.api.delete(at), 204)
        self.assertEqual(len(digest), 2)


if __name__ == "__main__":
    main()
