#!/usr/bin/python3
"""A hundred steps of each optimiser by PyTorch, for tests/core/test_optimizers.c.

    tests/core/optimizers.py            prints tests/core/optimizers.h, which is committed
    tests/core/optimizers.py --check    compares it with what PyTorch gives now

The net, the rows and the first weights are made from whole numbers, so that both sides have the same:
5 inputs, 4 units of tanh, 3 linear ones, 24 rows in one batch, C = 1/2n sum |y - a|^2.
"""
import os
import re
import sys

IN, HIDDEN, OUT, ROWS, STEPS = 5, 4, 3, 24, 100
L2 = 0.6  # lambda: its gradient is lambda/n w, of weights alone

# what C calls it, torch.optim's class, its settings, lambda, and how the gradient is changed before
# its step: clip_norm, clip_value, l1 (whose gradient is l1/n sign w, of weights alone)
CASES = (
    ("sgd", "SGD", dict(lr=0.1), 0.0),
    ("sgd_l2", "SGD", dict(lr=0.1), L2),
    ("momentum", "SGD", dict(lr=0.05, momentum=0.9), L2),
    ("nesterov", "SGD", dict(lr=0.05, momentum=0.9, nesterov=True), 0.0),
    ("rmsprop", "RMSprop", dict(lr=0.01), 0.0),
    ("rmsprop_momentum", "RMSprop", dict(lr=0.002, alpha=0.95, eps=1e-6, momentum=0.8), L2),
    ("adam", "Adam", dict(lr=0.01), 0.0),
    ("adam_l2", "Adam", dict(lr=0.02, betas=(0.8, 0.99), eps=1e-7), L2),
    ("adamw", "AdamW", dict(lr=0.01, weight_decay=0.1), 0.0),
    ("rprop", "Rprop", dict(lr=0.01), 0.0),
    ("sgd_weight_decay", "SGD", dict(lr=0.1, weight_decay=0.02), 0.0),
    ("sgd_l1", "SGD", dict(lr=0.1), L2, dict(l1=0.3)),
    ("sgd_clip_value", "SGD", dict(lr=0.1), L2, dict(clip_value=0.03)),
    ("sgd_clip_norm", "SGD", dict(lr=0.1), 0.0, dict(clip_norm=0.1)),
    ("decay_clip_norm", "SGD", dict(lr=0.1), L2, dict(clip_norm=0.1)),
    ("momentum_clip_both", "SGD", dict(lr=0.05, momentum=0.9), L2,
     dict(clip_norm=0.1, clip_value=0.04, l1=0.1)),
    ("adam_clip_norm", "Adam", dict(lr=0.01, weight_decay=0.02), 0.0, dict(clip_norm=0.05)),
)


def numbers():
    """x, y and the parameters: w1, b1, w2, b2, row by row."""
    x = [[(i * 7 + j * 5) % 11 / 8 - 0.5 for j in range(IN)] for i in range(ROWS)]
    y = [[(i * 3 + j * 4) % 7 / 4 - 0.75 for j in range(OUT)] for i in range(ROWS)]
    w1 = [[(i * 5 + j * 3) % 9 / 8 - 0.5 for j in range(IN)] for i in range(HIDDEN)]
    w2 = [[(i * 2 + j * 7) % 5 / 4 - 0.5 for j in range(HIDDEN)] for i in range(OUT)]
    return x, y, w1, [i / 8 for i in range(HIDDEN)], w2, [-i / 8 for i in range(OUT)]


def changed(weights, biases, clip_norm=None, clip_value=None, l1=0.0):
    """The gradients, before the optimiser sees them."""
    import torch
    if clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(weights + biases, clip_norm)
    if clip_value is not None:
        torch.nn.utils.clip_grad_value_(weights + biases, clip_value)
    for w in weights:
        w.grad.add_(torch.sign(w.detach()), alpha=l1 / ROWS)


def trained(kind, settings, l2, change={}):
    """All parameters after the steps, in that order."""
    import torch
    torch.set_num_threads(1)
    x, y, *start = (torch.tensor(part, dtype=torch.float32) for part in numbers())
    w1, b1, w2, b2 = (part.clone().requires_grad_(True) for part in start)
    weights = dict(params=[w1, w2])
    if l2 > 0:
        weights["weight_decay"] = l2 / ROWS
    biases = dict(params=[b1, b2])
    if "weight_decay" in settings:
        biases["weight_decay"] = 0.0
    optimizer = getattr(torch.optim, kind)([weights, biases], **settings)
    for _ in range(STEPS):
        optimizer.zero_grad()
        a = torch.tanh(x @ w1.T + b1) @ w2.T + b2
        (((y - a) ** 2).sum() / (2 * ROWS)).backward()
        changed([w1, w2], [b1, b2], **change)
        optimizer.step()
    return [float(v) for part in (w1, b1, w2, b2) for v in part.detach().flatten()]


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "optimizers.h")
    if "--check" in sys.argv:
        with open(path) as file:
            text = file.read()
        for name, *case in CASES:
            found = re.search(r"golden_%s\[\] = \{([^}]*)\}" % name, text).group(1)
            kept = [float(v.strip().rstrip("f")) for v in found.split(",")]
            for mine, its in zip(kept, trained(*case)):
                if abs(mine - its) > 2e-5:
                    sys.exit("%s: %r is now %r" % (name, mine, its))
        print("as PyTorch has it")
        return
    print("/* By tests/core/optimizers.py. */")
    for name, *case in CASES:
        values = ["%.9gf" % v if "." in "%.9g" % v or "e" in "%.9g" % v else "%.9g.0f" % v
                  for v in trained(*case)]
        lines = [", ".join(values[i:i + 6]) for i in range(0, len(values), 6)]
        print("static const float golden_%s[] = {\n    %s\n};" % (name, ",\n    ".join(lines)))


if __name__ == "__main__":
    main()
