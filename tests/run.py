#!/usr/bin/python3
"""Runs suites, shows their output, and ends with one line over all: N passed, N failed.

    tests/run.py --build FOLDER [--only TEXT] [unit|e2e|scripts|bits|package]...

unit      FOLDER/tests/{core,proto,server}/test_*, cmocka programs
e2e       tests/e2e/test_*.py, unittest files
scripts   the demo and README's transcript, one test each; the crash test, a test a kill
bits      tests/core/bits.sh: one hash for every compiler, kernel and number of workers, one test
package   tests/package/test_*.py, on the Debian package that DEB names

As many run at a time as there are cores, since they share nothing; each one's output comes in one
piece when it has ended. With --jobs 1 they run one after the other, their output as it comes.

A suite is believed only as far as its exit code goes: one that counts no failure and yet ends
badly, is killed or runs out of time counts as one failed. SLOW=N multiplies every time limit.
With TALLY=FILE, the line is appended to that file too, for whoever adds up several runs.
"""
import argparse
import concurrent.futures
import functools
import glob
import os
import re
import signal
import subprocess
import sys
import threading
import time

LIMIT = 300 * float(os.environ.get("SLOW", "1"))  # seconds one suite may take
SCRIPTS = ["tests/readme.py", "tests/demo.sh", "tests/crash.py"]


def suites(kind, build):
    if kind == "unit":
        for folder in ("core", "proto", "server"):
            for source in sorted(glob.glob("tests/%s/test_*.c" % folder)):
                yield [os.path.join(build, source[: -len(".c")])]
    elif kind in ("e2e", "package"):
        for path in sorted(glob.glob("tests/%s/test_*.py" % kind)):
            yield ["/usr/bin/python3", "-W", "error::ResourceWarning", path]
    elif kind == "scripts":
        for path in SCRIPTS:
            if os.path.exists(path):
                yield [path]
    elif kind == "bits":
        yield ["tests/core/bits.sh"]
    else:
        sys.exit("run: no such kind of suite: " + kind)


def counted(kind, text):
    """passed, failed, skipped, as the suite's own closing lines say."""
    if kind == "unit":
        # one group or several in a program: each closes with its own two lines
        total = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
        for what, n in re.findall(r"^\[ +(PASSED|FAILED|SKIPPED) +\] (\d+) test\(s\)", text, re.M):
            total[what] += int(n)
        return total["PASSED"], total["FAILED"], total["SKIPPED"]
    if kind in ("e2e", "package"):
        ran = re.search(r"^Ran (\d+) tests? in ", text, re.M)
        end = re.search(r"^(OK|FAILED)(?: \((.*)\))?$", text, re.M)
        if not ran or not end:
            return 0, 0, 0
        said = dict(part.split("=") for part in (end.group(2) or "").split(", ") if "=" in part)
        failed = int(said.get("failures", 0)) + int(said.get("errors", 0))
        skipped = int(said.get("skipped", 0))
        # an error in setUpClass fails tests that never ran
        return max(0, int(ran.group(1)) - failed - skipped), failed, skipped
    end = re.search(r"^(\d+) passed, (\d+) failed$", text, re.M)
    return (int(end.group(1)), int(end.group(2)), 0) if end else None


def run(kind, command, env, alone):
    """passed, failed, skipped of one suite; alone: its output is shown as it comes."""
    text = ["== " + command[-1] + "\n"]
    if alone:
        print(text[0], end="", flush=True)
    started = time.monotonic()
    late = False
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True, env=env)

    def read():
        for line in child.stdout:
            line = line.decode("utf-8", "replace")
            text.append(line)
            if alone:
                print(line, end="", flush=True)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        code = child.wait(LIMIT)
    except subprocess.TimeoutExpired:
        late = True
    finally:
        if child.poll() is None or late:
            os.killpg(child.pid, signal.SIGKILL)
            code = child.wait()
    reader.join(10)  # a child it left behind may hold the pipe
    passed, failed, skipped = counted(kind, "".join(text)) or (int(code == 0), int(code != 0), 0)
    if code != 0 and failed == 0:
        failed = 1
    if code == 0 and failed == 0 and passed + skipped == 0:
        failed = 1  # ran no test
    why = " (ran over %d s)" % LIMIT if late else " (exit code %d)" % code if code else ""
    line = "== %s: %d passed, %d failed, %.1f s%s\n" % (command[-1], passed, failed,
                                                       time.monotonic() - started, why)
    print(line if alone else "".join(text) + line, end="", flush=True)
    return passed, failed, skipped


def close(passed, failed, skipped):
    """Says the closing line, adds it to the tally; the exit code."""
    line = "%d passed, %d failed" % (passed, failed)
    if skipped:
        line += ", %d skipped" % skipped
    print(line, flush=True)
    if os.environ.get("TALLY"):
        with open(os.environ["TALLY"], "a") as tally:
            tally.write(line + "\n")
    return 1 if failed or passed + skipped == 0 else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--only", default="", help="suites with this in their path")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="suites at a time")
    parser.add_argument("kinds", nargs="*", default=["unit", "e2e", "scripts"])
    options = parser.parse_args()
    env = dict(os.environ, SIGMAD=os.path.abspath(os.path.join(options.build, "sigmad")),
               BUILD=options.build, PYTHONDONTWRITEBYTECODE="1")
    total = [0, 0, 0]
    bad = []

    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    todo = [(kind, command) for kind in options.kinds for command in suites(kind, options.build)
            if options.only in command[-1]]
    one = functools.partial(run, env=env, alone=options.jobs == 1)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for (_, command), result in zip(todo, pool.map(one, *zip(*todo)) if todo else ()):
            total = [a + b for a, b in zip(total, result)]
            if result[1]:
                bad.append(command[-1])
    for path in bad:
        print("failed: " + path)
    sys.exit(close(*total))


if __name__ == "__main__":
    main()
