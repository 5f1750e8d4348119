#!/bin/sh
# The source tarball, the same bytes from the same sources wherever it is made: names in order, one
# owner, one time, no timestamp of gzip's.
#   systemd/dist.sh VERSION FILE.tar.gz
# The files are those that git knows, or, of an unpacked tarball, all that are there but builds. The
# time is SOURCE_DATE_EPOCH, else the last commit's, else README.md's.
set -eu
version=$1 file=$2
cd "$(dirname "$0")/.."
if [ -e .git ]; then
    list="git ls-files -z"
    time=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
else
    list="find . -type f -not -path ./build* -not -name *.pyc -printf %P\\0"
    time=${SOURCE_DATE_EPOCH:-$(stat -c %Y README.md)}
fi
mkdir -p "$(dirname "$file")"
set -f # the patterns are find's
$list | LC_ALL=C sort -z |
    tar --create --null --files-from=- --format=ustar --mtime="@$time" --owner=0 --group=0 \
        --numeric-owner --mode=u+rw,go=u-w --transform="s,^,sigmad-$version/," |
    gzip -9n >"$file.tmp"
mv "$file.tmp" "$file"
