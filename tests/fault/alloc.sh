#!/bin/bash
# alloc.sh [WORDS [N]]: every allocation of every command fails, once, and from there on
# (TORTURE=quick: a sample of them): no crash, no leak, the rule of status and state, and the next
# command works. WORDS: only of the commands that hold them; N: only the N-th.
set -u
cd "$(dirname "$0")/../.." || exit 1
grid=$(realpath "${GRID_BIN:-build/grid}") || exit 1
export GRID_BIN=$grid
program=$PWD/build/tests/fault/alloc
shim=$PWD/build/tests/fault/shim/alloc.so
make -s "${program#"$PWD/"}" "${shim#"$PWD/"}" || exit 1
work=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo "$PWD/build")/grid-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
unset GRID_STORE GRID_CONFIG
cp "$shim" "$work" || exit 1

in_ledger() { # in_ledger NAME WORD...
    local name=$1
    shift
    GRID_DATA_DIR=$work/$name "$grid" "$@" >"$work/out" 2>&1 && return
    echo "in ledger '$name', grid $*: $(cat "$work/out")"
    exit 1
}

copy() { cp -a "$work/$1" "$work/$2"; }

edit() { # edit NAME JQ-FILTER
    local state=$work/$1/resource_boosts.json
    jq "$2" "$state" >"$work/out" && cat "$work/out" >"$state"
}

mkdir "$work/empty"
for node in a b c; do
    in_ledger open boost request "$node" cpu 2 --duration never --source s
done
copy open configured
printf 'lock_timeout: 5s\noutput: table\nkeep_generations: 3\n' >"$work/configured/config.yaml"
copy open hooked
mkdir -m 700 "$work/hooked/hooks"
printf '#!/bin/sh\necho %s\n' "'{\"ray_placement_group\": \"pg\"}'" >"$work/hooked/hooks/granted"
chmod 700 "$work/hooked/hooks/granted"

in_ledger managed node add a cpu=8 gpu=2 memory=64 --label rack=1
in_ledger managed node add b cpu=4
in_ledger managed node add c cpu=1
in_ledger managed node limit a --keep cpu=1
in_ledger managed policy set quota.memory=40
in_ledger managed boost request b cpu 4 --owner ann --reason work --duration 2d --priority low
in_ledger managed boost request b gpu 1 memory 8 --duration never
in_ledger managed boost request b cpu 1 --start +1000h
{ GRID_DATA_DIR=$work/managed timeout -s KILL 0.3 "$grid" boost request b cpu 6.5 --wait; } \
    >/dev/null 2>&1
lease=$(jq -r '.waiting[0].expires_at' "$work/managed/resource_boosts.json")
sed -i "s/$lease/2199-01-01T00:00:00.000000+00:00/" "$work"/managed/{resource_boosts.json,history.jsonl}

copy managed ended
edit ended '.boosts[0].expires_at = "2025-01-01T00:00:00.000000+00:00"'
copy managed broken
truncate -s -900 "$work/broken/resource_boosts.json"
mkdir "$work/lost"
head -c 1100 "$work/managed/resource_boosts.json" >"$work/lost/resource_boosts.json"
copy managed foreign
cp tests/samples/boosts/03_three_types_pg_and_never.json "$work/foreign/resource_boosts.json"
copy managed unsound
edit unsound '.nodes[2].capacity.CPU = "much" | .policy.max_duration = -4'
copy managed full
for i in {1..40}; do
    copy full next
    in_ledger next node hold c --reason "$i $(printf '%0240d' 0)"
    grep -q '^  "history": [1-9]' "$work/next/resource_boosts.json" && break
    rm -rf "$work/full" && mv "$work/next" "$work/full"
done
copy managed saved
in_ledger saved backup create --name one
in_ledger saved boost request b cpu 1 --duration never
in_ledger saved backup create --name two --compress
in_ledger saved boost request b memory 1 --duration never
in_ledger managed export "$work/export.json"

"$program" "$work" "$@"
