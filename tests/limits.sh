#!/bin/sh
# Reports files over 500 lines, functions over 60 and lines over 100 columns. It reports only: an
# exception carries its reason where it stands, and a reviewer reads it.
#   tests/limits.sh FILE...
# A function's body is what stands between a line of '{' alone and one of '}' alone, which is how
# the formatter lays it out.
exec awk '
function close_file() {
    if (name != "" && lines > 500) {
        print "limits: " name " has " lines " lines, over 500"
    }
}
FNR == 1 { close_file(); name = FILENAME; head = "" }
{ lines = FNR }
length($0) > 100 { print "limits: " FILENAME ":" FNR " has " length($0) " columns, over 100" }
/^[A-Za-z].*\(/ { head = $0 }
/^\{$/ { start = FNR }
/^\}$/ {
    if (FNR - start - 1 > 60) {
        sub(/\(.*/, "", head); sub(/.*[ *]/, "", head)
        print "limits: " FILENAME ":" start " " head "() has " FNR - start - 1 " lines, over 60"
    }
}
END { close_file() }' "$@"
