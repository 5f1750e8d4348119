#!/bin/sh
# What sigmad needs from Debian, and how each thing is looked for.
#   tests/setup.sh check [-q] GROUP...   names the apt packages that are missing; exits 1 if any is
#   tests/setup.sh install GROUP...      installs those; does not touch apt when there are none
set -u

# group, way of looking, what to look for, apt package
needs() {
    cat <<EOF
build command ${CC:-gcc} ${CC:-gcc}
build command pkg-config pkg-config
build header stdio.h libc6-dev
build pc libmicrohttpd libmicrohttpd-dev
build pc jansson libjansson-dev
build pc libuv libuv1-dev
build pc gnutls libgnutls28-dev
build pc zlib zlib1g-dev
test file /usr/bin/python3 python3
test pc cmocka libcmocka-dev
test python numpy python3-numpy
test python jsonschema python3-jsonschema
test python onnx python3-onnx
test python sklearn python3-sklearn
test command curl curl
test command jq jq
test command systemd-analyze systemd
test command openssl openssl
test command qemu-aarch64 qemu-user
test command aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
test file /usr/aarch64-linux-gnu/include/stdio.h libc6-dev-arm64-cross
fuzz file /usr/bin/python3 python3
fuzz command clang clang
fuzz fuzzer clang libclang-rt-dev
check command pyflakes3 pyflakes3
check command clang clang
check command clang-format clang-format
check command cppcheck cppcheck
check command shellcheck shellcheck
check command mandoc mandoc
deb command dpkg-buildpackage dpkg-dev
deb command dh debhelper
test-deb command lintian lintian
test-deb command debootstrap debootstrap
demo command curl curl
demo command jq jq
mnist command npm npm
peers file /usr/bin/python3 python3
parsers python numpy python3-numpy
parsers python pandas python3-pandas
peers python numpy python3-numpy
peers python torch python3-torch
peers python sklearn python3-sklearn
peers header openblas_config.h libopenblas-dev
peers header dnnl.h libdnnl-dev
peers header floatfann.h libfann-dev
bench-serve command wrk wrk
bench-serve command npm npm
bench-serve file /usr/lib/python3/dist-packages/torch python3-torch
bench-serve file /usr/lib/python3/dist-packages/fastapi python3-fastapi
bench-serve file /usr/lib/python3/dist-packages/uvicorn python3-uvicorn
bench-serve file /usr/lib/python3/dist-packages/onnx python3-onnx
EOF
}

there() { # there WAY WHAT
    case $1 in
    command) command -v "$2" >/dev/null 2>&1 ;;
    file) [ -e "$2" ] ;;
    python) /usr/bin/python3 -c "import sys, importlib.util as u; sys.exit(u.find_spec('$2') is None)" ;;
    pc) pkg-config --exists "$2" 2>/dev/null ;;
    fuzzer)
        echo 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }' |
            "$2" -fsanitize=fuzzer -x c -o /dev/null - >/dev/null 2>&1
        ;;
    header) echo "#include <$2>" | "${CC:-gcc}" -E - >/dev/null 2>&1 ;;
    esac
}

missing() { # missing GROUP...: apt packages, one a line
    for group; do
        needs | while read -r of way what package; do
            [ "$of" = "$group" ] && ! there "$way" "$what" && echo "$package"
        done
    done | sort -u
}

install() {
    packages=$(missing "$@")
    [ -n "$packages" ] || return 0
    command -v apt-get >/dev/null || {
        echo "setup: no apt-get here; install what these Debian packages hold:" >&2
        echo "$packages" >&2
        exit 1
    }
    as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    # shellcheck disable=SC2086 # one word a package
    { $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends $packages; } || exit 1
    packages=$(missing "$@")
    [ -z "$packages" ] || {
        echo "setup: installed, and still not found:" "$packages" >&2
        exit 1
    }
}

verb=${1:-}
[ $# -gt 0 ] && shift
case $verb in
check)
    quiet=
    [ "${1:-}" = -q ] && quiet=1 && shift
    packages=$(missing "$@")
    [ -z "$packages" ] && exit 0
    # shellcheck disable=SC2086
    [ -n "$quiet" ] || echo "missing; run 'make setup', or: apt-get install" $packages >&2
    exit 1
    ;;
install) install "$@" ;;
*)
    sed -n '2,4s/^# *//p' "$0" >&2
    exit 2
    ;;
esac
