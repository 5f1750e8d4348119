#!/usr/bin/python3
"""Answers and what scikit-learn says of them, for tests/core/test_score.c.

    tests/core/scores.py            prints tests/core/scores.h, which is committed
    tests/core/scores.py --check    compares it with what scikit-learn gives now

Answers are multiples of 1/64, so that both sides have the same: `many` softmax of four, `sigmoids` three
independent ones, `one` a single one, `linear` three numbers. scikit-learn has no expected calibration
error: that is Guo's, in numpy.
"""
import os
import re
import sys

import numpy as np
from sklearn import metrics

ROWS = 40


def many():
    """Rows of four different values that sum to 1."""
    rows = []
    for i in range(ROWS):
        cut = [1 + i * 5 % 6, 8 + i * 3 % 5, 14 + i * i % 5] if i % 3 else [1, 2, 3 + i % 7]
        rows.append([cut[0], cut[1], cut[2], 64 - sum(cut)])
        rows[-1] = rows[-1][i % 4:] + rows[-1][:i % 4]
        assert len(set(rows[-1])) == 4 and min(rows[-1]) > 0
    return np.array(rows) / 64, np.array([(i + i // 5) % 4 if i % 5 < 2 else np.argmax(rows[i]) for i in range(ROWS)])


def sigmoids():
    a = [[(i * 11 + j * 17 + i * j) % 63 + 1 for j in range(3)] for i in range(ROWS)]
    return np.array(a) / 64, np.array([(i * i + i // 3) % 3 for i in range(ROWS)])


def one():
    """With equal values among both classes."""
    a = np.array([(i * 13) % 17 * 4 for i in range(ROWS)]) / 64
    return a, np.array([int((i * 13) % 17 + (i * 7) % 9 > 12) for i in range(ROWS)])


def linear():
    a = [[(i * 5 + j * 11) % 23 - 11 for j in range(3)] for i in range(ROWS)]
    y = [[(i * 5 + j * 11) % 23 - 11 + (i * 3 + j * 5) % (7 + 4 * j) - 3 for j in range(3)]
         for i in range(ROWS)]
    return np.array(a) / 8, np.array(y) / 8


def ece(p, truth):
    sure, right = p.max(axis=1), p.argmax(axis=1) == truth
    total = 0.0
    for b in range(10):
        within = (sure > b / 10) & (sure <= (b + 1) / 10)
        if within.any():
            total += within.sum() * abs(right[within].mean() - sure[within].mean())
    return total / len(truth)


def numbers():
    """name -> value."""
    found = {}
    for name, (a, truth) in (("many", many()), ("sigmoids", sigmoids())):
        p = a / a.sum(axis=1, keepdims=True)
        found[name + "_log_loss"] = metrics.log_loss(truth, p)
        found[name + "_brier"] = ((p - np.eye(p.shape[1])[truth]) ** 2).sum(axis=1).mean()
        found[name + "_ece"] = ece(p, truth)
    a, truth = many()
    for k in (1, 2, 3):
        found["many_top_%d" % k] = metrics.top_k_accuracy_score(truth, a, k=k)
    a, truth = one()
    found["one_log_loss"] = metrics.log_loss(truth, a)
    found["one_brier"] = metrics.brier_score_loss(truth, a)
    found["one_auc"] = metrics.roc_auc_score(truth, a)
    a, y = linear()
    for j in range(3):
        found["linear_mae_%d" % j] = metrics.mean_absolute_error(y[:, j], a[:, j])
        found["linear_rmse_%d" % j] = np.sqrt(metrics.mean_squared_error(y[:, j], a[:, j]))
        found["linear_r2_%d" % j] = metrics.r2_score(y[:, j], a[:, j])
    found["linear_mae"] = metrics.mean_absolute_error(y, a)
    found["linear_rmse"] = np.sqrt(metrics.mean_squared_error(y, a, multioutput="raw_values")).mean()
    found["linear_r2"] = metrics.r2_score(y, a)
    return found


def main():
    if "--check" in sys.argv:
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scores.h")
        with open(path) as file:
            text = file.read()
        for name, value in numbers().items():
            kept = float(re.search(r"#define GOLDEN_%s (.*)" % name.upper(), text).group(1))
            if not abs(kept - value) <= 1e-12:
                sys.exit("%s: %r is now %r" % (name, kept, value))
        print("as scikit-learn has it")
        return
    print("/* By tests/core/scores.py. */\n#define GOLDEN_ROWS %d" % ROWS)
    for name, value in numbers().items():
        print("#define GOLDEN_%s %r" % (name.upper(), float(value)))
    for name, (a, truth) in (("many", many()), ("sigmoids", sigmoids()), ("one", one())):
        print("static const float golden_%s[] = { %s };" %
              (name, ", ".join("%rf" % float(v) for v in a.flatten())))
        print("static const uint32_t golden_%s_truth[] = { %s };" % (name, ", ".join(map(str, truth))))
    for name, part in zip(("linear", "linear_want"), linear()):
        print("static const float golden_%s[] = { %s };" %
              (name, ", ".join("%rf" % float(v) for v in part.flatten())))


if __name__ == "__main__":
    main()
