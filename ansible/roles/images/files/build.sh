#!/bin/bash
# Builds the images of a version on this host: build.sh VERSION REVISION SOURCE.tar.gz
# The environment may have settings of `make images`: FRESH, DEBIAN, WEIGHTS. What it prints is kept in `log`
# beside this script, and the time of the last updates in `updated`. A second build waits for the first one,
# and then finds its work in the cache.
set -euo pipefail
umask 022
self=$(realpath "$0") source=$(realpath "$3")
cd "${self%/*}"
exec 9>lock
flock 9
exec >log 2>&1
folder=$(mktemp -d /var/tmp/fruits-build-XXXXXX)
# The cache holds the layers of past builds and downloaded packages, and would grow for ever.
finish() {
    rm -rf "$folder" "$source"
    chmod o= ./* # for root alone, as all that is deployed
    docker builder prune --force --keep-storage "${CACHE:-8GB}" >/dev/null
    docker image prune --force >/dev/null
}
trap finish EXIT
tar -xzf "$source" -C "$folder"
ln -s "$PWD" "$folder/build"
TAG=$1 REVISION=$2 "$folder/compose/local.sh" images hosts 9>&-
