#!/bin/bash
# The clock steps by up to ten years, either way, between commands and during them (TORTURE=quick: a
# sample): what ends ends by the rule, tokens and revisions rise, and nothing fails or hangs.
set -u
cd "$(dirname "$0")/../.." || exit 1
grid=$(realpath "${GRID_BIN:-build/grid}") || exit 1
export GRID_BIN=$grid
make -s build/tests/fault/clock build/tests/fault/shim/clock.so || exit 1
work=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo "$PWD/build")/grid-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
unset GRID_STORE GRID_CONFIG
cp build/tests/fault/shim/clock.so "$work" || exit 1

in_ledger() { # in_ledger NAME WORD...
    local name=$1
    shift
    GRID_DATA_DIR=$work/$name "$grid" "$@" >"$work/out" 2>&1 && return
    echo "in ledger '$name', grid $*: $(cat "$work/out")"
    exit 1
}

in_ledger open boost request z cpu 1 --duration never
in_ledger managed node add a cpu=4 gpu=4
in_ledger managed node add b cpu=1
in_ledger managed node add c cpu=1
in_ledger managed node limit b --lend cpu=0
in_ledger managed node limit c --lend cpu=0
cp -a "$work/managed" "$work/taken"
in_ledger taken boost request b cpu 4 --duration never

build/tests/fault/clock "$work"
