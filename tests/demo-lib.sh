# shellcheck shell=bash
# What the demos share, so that they can be read for their curl calls: a daemon of their own in a
# folder that goes away at the end, and digits drawn as text. SIGMAD names the binary.
work=$(mktemp -d "${TMPDIR:-/tmp}/sigmad-demo-XXXXXX")
daemon=

step() { printf '\n# %s\n' "$*"; }

start_daemon() { # sets api, which curl calls
    "${SIGMAD:-build/sigmad}" --listen 127.0.0.1:0 --state "$work/state" 2>"$work/log" &
    daemon=$!
    local deadline=$((SECONDS + 60))
    until api=$(sed -n 's/^sigmad: listening on //p' "$work/log") && [ -n "$api" ]; do
        if ! kill -0 "$daemon" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
            echo "the daemon did not start" >&2
            exit 1
        fi
        sleep 0.02
    done
    echo "sigmad answers on $api"
}

stop_daemon() {
    local code=0
    kill -TERM "$daemon"
    wait "$daemon" || code=$?
    daemon=
    [ "$code" -eq 0 ] || { echo "the daemon exited with $code" >&2; exit 1; }
}

clean_up() {
    local code=$?
    if [ -n "$daemon" ]; then
        kill -KILL "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    [ "$code" -eq 0 ] || { echo "--- the daemon said:"; cat "$work/log"; } >&2
    rm -rf "$work"
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

draw() { # draw PIXELS SIDE WHITE LINE...: a picture, with lines of text beside its middle
    local pixels=$1 side=$2 white=$3
    shift 3
    awk -v side="$side" -v white="$white" -v beside="$(printf '%s\t' "$@")" -F, '{
        n = split(" .:-=+*#%@", unused, "")
        texts = split(beside, text, "\t") - 1
        for (y = 0; y < side; y++) {
            line = "    "
            for (x = 1; x <= side; x++) {
                shade = substr(" .:-=+*#%@", int($(y * side + x) / white * (n - 1) + 0.5) + 1, 1)
                line = line shade shade
            }
            i = y - int((side - texts) / 2) + 1
            print line (i >= 1 && i <= texts ? "    " text[i] : "")
        }
        print ""
    }' <<<"$pixels"
}
