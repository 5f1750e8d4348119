#!/bin/sh
# Builds the Debian package out of the source tarball: FOLDER/sigmad_VERSION_ARCH.deb.
#   systemd/deb.sh VERSION FOLDER
# The version is the Makefile's, and the changelog has this one entry: what changed is in git's log.
set -eu
version=$1 folder=$2
here=$(dirname "$0")
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$folder/deb
rm -rf "$work"
mkdir -p "$work"
"$here/dist.sh" "$version" "$folder/sigmad-$version.tar.gz"
tar -xzf "$folder/sigmad-$version.tar.gz" -C "$work"
source=$work/sigmad-$version
cp -R "$source/systemd/debian" "$source/debian"
cat >"$source/debian/changelog" <<END
sigmad ($version) unstable; urgency=medium

  * Release $version; README.md says what it does.

 -- $(sed -n 's/^Maintainer: //p' "$source/debian/control")  $(LC_ALL=C date -u -R -d "@$(stat -c %Y "$source/README.md")")
END
# make's own variables are those of the build that called this.
cd "$source" && env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u BUILD dpkg-buildpackage -J -us -uc -b
mv "$work"/sigmad_"$version"_*.deb "$folder/"
ls "$folder"/sigmad_"$version"_*.deb
