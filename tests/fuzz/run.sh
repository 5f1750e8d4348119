#!/bin/sh
# Runs the fuzzers, built by clang with sanitizers, for SECONDS each:
#   tests/fuzz/run.sh [SECONDS [NAME...]]
# Seeds are tests/fuzz/corpus/NAME and, for json, the bodies of tests/proto; what is found anew goes
# to build-fuzz/corpus/NAME, what fails to build-fuzz/NAME-*.
set -eu
seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- json number
out=build-fuzz
for name; do
    mkdir -p "$out/corpus/$name"
    clang -std=gnu11 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
        -ffp-contract=off -fno-math-errno -Icore -Iproto -Itests -o "$out/$name" \
        "tests/fuzz/fuzz_$name.c" proto/*.c core/*.c -ljansson -lm -lpthread
    seeds=tests/fuzz/corpus/$name
    [ "$name" != json ] || seeds="$seeds tests/proto/good tests/proto/bad"
    dict=
    [ ! -f "tests/fuzz/$name.dict" ] || dict=-dict=tests/fuzz/$name.dict
    # shellcheck disable=SC2086
    "$out/$name" -max_total_time="$seconds" -max_len=4096 -timeout=5 -print_final_stats=1 \
        -artifact_prefix="$out/$name-" $dict "$out/corpus/$name" $seeds
done
