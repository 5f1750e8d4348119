#!/usr/bin/python3
"""Executes README's transcript against a fresh daemon: what it shows must be what comes.

Every ```console block counts, in order, in one shell each. A line `$ command` (going on while it
ends with a backslash or a pipe, or holds an open quote) is run by bash at the top of the tree; the
lines below it, up to the next command, are what it must print. `...` stands for any text within a
line, and a line of `...` alone for any number of lines. The documented port is replaced by the
daemon's own.
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "e2e"))
from harness import ROOT, WAIT, Daemon  # noqa: E402

PORT = "8740"


def commands(readme):
    """(line number, command, expected lines) of each."""
    found, inside, open_command = [], False, False
    for number, line in enumerate(readme.splitlines(), 1):
        if line.startswith("```"):
            inside = line == "```console" and not inside
            open_command = False
        elif not inside:
            continue
        elif open_command:
            found[-1][1] += "\n" + line
            open_command = unfinished(found[-1][1])
        elif line.startswith("$ "):
            found.append([number, line[2:], []])
            open_command = unfinished(line[2:])
        elif found:
            found[-1][2].append(line)
    return found


def unfinished(command):
    return command.endswith(("\\", "|")) or command.count("'") % 2 == 1


def matches(expected, got):
    pattern = ""
    for line in expected:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part) for part in line.split("...")) + r" *\n"
    return re.fullmatch(pattern, "".join(line.rstrip(" ") + "\n" for line in got)) is not None


def main():
    with open(os.path.join(ROOT, "README.md")) as file:
        found = commands(file.read())
    if len(found) < 5:
        sys.exit("readme: only %d commands found" % len(found))
    daemon = Daemon()
    bad = 0
    try:
        for number, command, expected in found:
            child = subprocess.run(["bash", "-c", command.replace(PORT, str(daemon.port))], cwd=ROOT,
                                   stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=4 * WAIT)
            got = (child.stdout + child.stderr).replace(str(daemon.port), PORT).splitlines()
            while expected and not expected[-1].strip():
                expected.pop()
            if not matches(expected, got):
                bad += 1
                print("README.md:%d: $ %s\n--- expected\n%s\n--- got\n%s\n---" %
                      (number, command, "\n".join(expected), "\n".join(got)))
    finally:
        code = daemon.end()
    if bad or code != 0:
        print("the daemon said:\n" + daemon.said())
        sys.exit("readme: %d of %d commands differ, the daemon exited with %d" % (bad, len(found), code))
    print("README.md: %d commands print what it shows" % len(found))


if __name__ == "__main__":
    main()
