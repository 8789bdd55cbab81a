#!/bin/bash
# Every truncation and every flip of one bit of the files of five ledgers (TORTURE=quick: a sample
# of them): damaged is never taken for empty, nothing crashes, and what can be recovered is.
set -u
cd "$(dirname "$0")/../.." || exit 1
grid=$(realpath "${GRID_BIN:-build/grid}") || exit 1
export GRID_BIN=$grid
make -s build/tests/fault/damage || exit 1
work=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo "$PWD/build")/grid-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
unset GRID_STORE GRID_CONFIG

in_ledger() { # in_ledger NAME WORD...
    local name=$1
    shift
    GRID_DATA_DIR=$work/$name "$grid" "$@" >"$work/out" 2>&1 && return
    echo "in ledger '$name', grid $*: $(cat "$work/out")"
    exit 1
}

# One of the original's files, alone, and with what a request adds.
sample() { # sample NAME FILE
    mkdir -m 700 "$work/$1-alone" "$work/$1-kept"
    cp "tests/samples/boosts/$2.json" "$work/$1-alone/resource_boosts.json"
    cp "tests/samples/boosts/$2.json" "$work/$1-kept/resource_boosts.json"
    in_ledger "$1-kept" boost request c cpu 1 --duration never
}

sample single 02_single_cpu_active
sample three 03_three_types_pg_and_never
sample ended 07_expired_inactive_active
sample extra 11_unknown_extra_fields
in_ledger ledger-kept node add a cpu=8 gpu=2 memory=64 --label rack=1
in_ledger ledger-kept node add b cpu=4
in_ledger ledger-kept node limit a --keep cpu=1
for i in {1..8}; do
    in_ledger ledger-kept node hold b --reason "$i $(printf '%0240d' 0)"
done
in_ledger ledger-kept policy set quota.memory=40
in_ledger ledger-kept boost request b cpu 4 --owner ann --reason work --duration 20d
in_ledger ledger-kept boost request b memory 8 --duration never
in_ledger ledger-kept boost request b cpu 1 --start +1000h
for i in 1 2; do
    { GRID_DATA_DIR=$work/ledger-kept timeout -s KILL 0.3 "$grid" boost request b cpu 6.5 --wait; } \
        >/dev/null 2>&1
    grep -q '"waiting"' "$work/ledger-kept/resource_boosts.json" && break
done
lease=$(jq -r '.waiting[0].expires_at' "$work/ledger-kept/resource_boosts.json")
sed -i "s/$lease/2199-01-01T00:00:00.000000+00:00/" \
    "$work"/ledger-kept/{resource_boosts.json,history.jsonl}
mkdir -m 700 "$work/ledger-alone"
cp "$work/ledger-kept/resource_boosts.json" "$work/ledger-alone"

build/tests/fault/damage "$work"
