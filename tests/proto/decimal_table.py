#!/usr/bin/env python3
"""Prints g_of of proto/decimal.c, and checks by exact arithmetic the logarithms that it computes."""
from fractions import Fraction


def floor_log2(x):
    e = x.numerator.bit_length() - x.denominator.bit_length()
    return e if Fraction(2) ** e <= x else e - 1


def holds(k, x):
    return Fraction(10) ** k <= x < Fraction(10) ** (k + 1)


for q in range(-149, 105):
    assert holds((q * 1262611) >> 22, Fraction(2) ** q)
    assert holds((q * 1262611 - 524031) >> 22, Fraction(2) ** q * 3 / 4)
g = []
for k in range(-45, 32):
    x = Fraction(10) ** -k
    e = floor_log2(x)
    assert e == (-k * 1741647) >> 19
    g.append(int(x * Fraction(2) ** (63 - e)) + 1)
    assert 2**63 <= g[-1] < 2**64
for i in range(0, len(g), 4):
    print("    " + ", ".join(f"0x{x:016X}" for x in g[i : i + 4]) + ",")
