"""Ten seconds of everything at once. `make soak` runs it for ten minutes, and looks at memory too."""
import os
import sys
import unittest

from harness import ROOT, main

sys.path.insert(0, os.path.join(ROOT, "tests"))
from soak import soak  # noqa: E402


class Soak(unittest.TestCase):
    def test_everything_at_once(self):
        counts, seen = soak(10)
        print("  " + ", ".join("%s %d" % item for item in sorted(counts.items())))
        for what in ("predict", "predict, pool", "learn", "train", "evaluate", "create", "delete",
                     "upload", "drop", "bad", "scrape", "hang up"):
            self.assertGreater(counts.get(what, 0), 0, what)
        self.assertGreater(len(seen), 5)


if __name__ == "__main__":
    main()
