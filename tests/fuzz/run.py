#!/usr/bin/python3
"""Runs clang's fuzzer on every reader, as many at a time as there are cores, and counts: a target
that ends without a finding has passed. The last line is "N passed, N failed"; TALLY as in ../run.py.

    tests/fuzz/run.py --build FOLDER [--seconds N] [--only TEXT]

Each begins from its folder in tests/fuzz/corpus; what it finds new goes to FOLDER/corpus, what breaks
a reader to FOLDER/NAME-crash-... or -timeout-... With CI set the fuzzer's seed is a fixed one, so
that the same commit is tried in the same way; else it is another one each time.
"""
import argparse
import concurrent.futures
import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import run as suites  # noqa: E402

LONGEST = 25  # seconds that one input may take
MORE = {"fuzz_json": ["tests/proto/good", "tests/proto/bad"], "fuzz_onnx": ["tests/data/onnx"]}  # what is a corpus besides


def fuzz(target, options):
    name = os.path.basename(target)
    found = os.path.join(options.build, "corpus", name)
    words = os.path.join(HERE, name + ".dict")
    os.makedirs(found, exist_ok=True)
    command = [target, "-max_total_time=%d" % options.seconds, "-max_len=4096", "-timeout=%d" % LONGEST,
               "-print_final_stats=1", "-verbosity=0",
               "-artifact_prefix=%s-" % os.path.join(options.build, name)]
    if os.environ.get("CI"):
        command.append("-seed=1")
    if os.path.exists(words):
        command.append("-dict=" + words)
    command += [found, os.path.join("tests/fuzz/corpus", name)] + MORE.get(name, [])
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    text = done.stdout.decode("utf-8", "replace")
    runs = re.search(r"stat::number_of_executed_units: *(\d+)", text)
    ok = done.returncode == 0 and runs is not None and int(runs.group(1)) > 0
    print("%-16s %9s inputs, %s" % (name, runs.group(1) if runs else "no", "ok" if ok else
                                    "FAILED (exit code %d)\n%s" % (done.returncode, text)), flush=True)
    return ok


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build-fuzz")
    parser.add_argument("--seconds", type=int, default=10, help="for each target")
    parser.add_argument("--only", default="", help="targets with this in their name")
    options = parser.parse_args()

    os.chdir(os.path.join(HERE, "..", ".."))
    targets = [os.path.join(options.build, source[: -len(".c")])
               for source in sorted(glob.glob("tests/fuzz/fuzz_*.c")) if options.only in source]
    # Two a core: by the clock each has its seconds, and all of them take half as long.
    with concurrent.futures.ThreadPoolExecutor(2 * len(os.sched_getaffinity(0))) as pool:
        passed = sum(pool.map(lambda target: fuzz(target, options), targets))
    sys.exit(suites.close(passed, len(targets) - passed, 0))


if __name__ == "__main__":
    main()
