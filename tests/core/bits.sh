#!/bin/sh
# One hash of trained nets, for each compiler, kernel and number of workers; exits 1 if any differs.
# What this machine lacks is named and skipped. The slow kernel, and anything under qemu, takes tens
# of seconds: it runs once, with a number of workers that changes; FULL=1 runs all of it.
#   BUILD=build tests/core/bits.sh      builds in BUILD, BUILD-clang and BUILD-arm
cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build}
arm=aarch64-linux-gnu
want=
bad=0

check() { # check LABEL COMMAND...
    label=$1
    shift
    got=$("$@") || { echo "bits: $label: failed"; bad=1; return; }
    want=${want:-$got}
    if [ "$got" = "$want" ]; then
        echo "bits: $label: $got"
    else
        echo "bits: $label: $got, not $want"
        bad=1
    fi
}

built() { # built COMPILER FOLDER
    command -v "$1" >/dev/null || { echo "bits: skipped: no $1"; return 1; }
    ${MAKE:-make} -s -j2 CC="$1" BUILD="$2" "$2/tests/core/bits" >/dev/null || { bad=1; return 1; }
}

for cc in gcc clang; do
    case $cc in gcc) folder=$build ;; *) folder=$build-$cc ;; esac
    built $cc "$folder" || continue
    bits=$folder/tests/core/bits
    for isa in $("$bits" --list); do
        case $isa$FULL in scalar) counts=mixed ;; *) counts="1 2 3 7 mixed" ;; esac
        for ways in $counts; do
            check "$cc $isa, $ways workers" "$bits" "$isa" "$ways"
        done
    done
done
if [ "$(uname -m)" != aarch64 ]; then
    if ! command -v qemu-aarch64 >/dev/null; then
        echo "bits: skipped: no qemu-aarch64 for neon"
    elif built $arm-gcc "$build-arm"; then
        for isa in neon ${FULL:+scalar}; do
            check "$arm-gcc $isa under qemu, mixed workers" \
                qemu-aarch64 -L /usr/$arm "$build-arm/tests/core/bits" "$isa" mixed
        done
    fi
fi
exit $bad
