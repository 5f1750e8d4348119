#!/usr/bin/python3
"""Writes digits.csv, digits-train.csv, digits-test.csv and iris.csv beside itself.

The numbers come from Debian's python3-sklearn (apt-get install python3-sklearn); README.md here
names their source and licence. Rows keep scikit-learn's order, so running this again gives the
same bytes. Every fifth block of ten digits is for testing: row i (from 0) is a test row if
i // 10 % 5 == 4. The writers mostly wrote 0 to 9 in turn, so that blocks of ten keep the classes
balanced (33 to 39 test rows each), where every fifth row would not (21 to 52).
"""
import os

from sklearn.datasets import load_digits, load_iris

HERE = os.path.dirname(os.path.abspath(__file__))


def write(name, header, rows):
    with open(os.path.join(HERE, name), "w", encoding="ascii", newline="\n") as out:
        out.write(",".join(header) + "\n")
        out.writelines(",".join(row) + "\n" for row in rows)


def main():
    digits = load_digits()
    rows = [["%d" % v for v in x] + ["%d" % y] for x, y in zip(digits.data, digits.target)]
    header = ["p%d" % i for i in range(64)] + ["digit"]
    write("digits.csv", header, rows)
    write("digits-train.csv", header, [row for i, row in enumerate(rows) if i // 10 % 5 != 4])
    write("digits-test.csv", header, [row for i, row in enumerate(rows) if i // 10 % 5 == 4])

    iris = load_iris()
    header = ["sepal_length", "sepal_width", "petal_length", "petal_width", "species"]
    names = [str(name) for name in iris.target_names]
    write("iris.csv", header,
          [["%.1f" % v for v in x] + [names[y]] for x, y in zip(iris.data, iris.target)])


main()
