#!/bin/sh
# One hash of trained nets, for each compiler, kernel and number of workers; exits 1 if any differs.
# What this machine lacks is named and skipped. FULL=1 also runs the slow kernels on every count.
cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build}
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
    ${MAKE:-make} -s CC="$1" BUILD="$2" "$2/tests/core/bits" || { bad=1; return 1; }
}

for cc in gcc clang; do
    built $cc "$build/bits-$cc" || continue
    bits=$build/bits-$cc/tests/core/bits
    has=$($bits --list | tr '\n' ' ')
    for isa in avx512 avx2 neon scalar; do
        case " $has" in
        *" $isa "*) ;;
        *) echo "bits: skipped: this processor has no $isa"; continue ;;
        esac
        for ways in 1 2 3 7 mixed; do
            [ $isa = scalar ] && [ $ways != 1 ] && [ $ways != mixed ] && [ -z "$FULL" ] && continue
            check "$cc $isa, $ways workers" $bits $isa $ways
        done
    done
done
arm=aarch64-linux-gnu
if ! command -v qemu-aarch64 >/dev/null; then
    [ "$(uname -m)" = aarch64 ] || echo "bits: skipped: no qemu-aarch64 for neon"
elif built $arm-gcc "$build/bits-arm"; then
    for isa in neon scalar; do
        check "$arm-gcc $isa under qemu, mixed workers" \
            qemu-aarch64 -L /usr/$arm "$build/bits-arm/tests/core/bits" $isa mixed
    done
fi
exit $bad
