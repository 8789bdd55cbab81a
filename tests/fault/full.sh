#!/bin/bash
# Commands without what they need: disk space, inodes, writing, file size, descriptors, stdout. What
# needs a mount is left out, aloud, where nothing can be mounted.
set -u
cd "$(dirname "$0")/../.." || exit 1
GRID_BIN=$(realpath "${GRID_BIN:-build/grid}") || exit 1
export GRID_BIN
unset GRID_STORE GRID_CONFIG GRID_DATA_DIR
program=build/tests/fault/full
make -s $program || exit 1
work=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo "$PWD/build")/full-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT

can_mount() { unshare "$1" mount -t tmpfs -o nr_inodes=100 grid "$work" 2>/dev/null; }

for how in -m -rm; do
    can_mount $how || continue
    unshare $how $program "$work" mount
    exit
done
echo "NOT TESTED: disks that are full or read-only: nothing can be mounted here"
$program "$work"
