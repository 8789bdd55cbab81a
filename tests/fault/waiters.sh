#!/bin/bash
# Eight waiters for one GPU, ROUNDS times (default 3, each grants all eight): granted strictly by
# priority, then age; never two at once; and how long a release takes to reach the next waiter.
set -u
cd "$(dirname "$0")/../.." || exit 1
grid=$(realpath "${GRID_BIN:-build/grid}") || exit 1
rounds=${1:-3}
work=$(mktemp -d "$PWD/build/waiters-XXXXXX") || exit 1
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT
export LC_ALL=C GRID_DATA_DIR=$work/ledger
unset GRID_STORE GRID_CONFIG
tried=0 failed=0
priorities=(low normal high normal critical low high normal)
expected="4 2 6 1 3 7 0 5"

violation() { echo "VIOLATION: round $round: $*"; failed=$((failed + 1)); }

# The waiter $1: its id, and when it was granted, in a file named by its number.
waiter() {
    local id
    id=$("$grid" boost request m gpu 1 --wait=2m --priority "${priorities[$1]}" -q 2>/dev/null)
    echo "$? $(date +%s%N) $id" >"$work/granted.tmp$1"
    mv "$work/granted.tmp$1" "$work/granted.$1"
}

queued() { "$grid" boost queue -o id 2>/dev/null | grep -c .; }

# Waits until $1 says $2.
until_is() {
    local i
    for ((i = 0; i < 1000; i++)); do
        [ "$($1)" = "$2" ] && return 0
        sleep 0.02
    done
    violation "$1 did not become $2"
    return 1
}

granted() { ls "$work" | grep -c '^granted\.[0-9]$'; }

"$grid" node add g gpu=1 -q >/dev/null && "$grid" node add m -q >/dev/null || exit 1
for ((round = 1; round <= rounds; round++)); do
    rm -f "$work"/granted.*
    order=
    held=$("$grid" boost request m gpu 1 -q 2>/dev/null) || exit 1
    for i in {0..7}; do
        waiter "$i" &
        until_is queued $((i + 1)) || break 2
    done
    for ((turn = 1; turn <= 8; turn++)); do
        tried=$((tried + 1))
        before=$(date +%s%N)
        "$grid" boost release "$held" -q >/dev/null 2>&1 || violation "release failed"
        until_is granted "$turn" || break 2
        [ "$("$grid" boost status --all -o id | grep -c .)" = 1 ] || violation "two at once"
        for i in {0..7}; do
            case " $order " in *" $i "*) continue ;; esac
            [ -f "$work/granted.$i" ] || continue
            order="$order $i"
            read -r status at held <"$work/granted.$i"
            [ "$status" = 0 ] || violation "waiter $i ended with $status"
            echo $(((at - before) / 1000000)) >>"$work/latency"
        done
    done
    [ "$order" = " $expected" ] || violation "granted in the order$order, not $expected"
    "$grid" boost release "$held" -q >/dev/null 2>&1
    wait
done
median=$(sort -n "$work/latency" | sed -n "$((tried / 2 + 1))p")
[ "${median:-9999}" -le 500 ] || violation "a release reaches the next waiter after $median ms"
echo "$tried grants tried, $failed violations; a release reached the next waiter in $median ms" \
    "(median; $(sort -n "$work/latency" | tail -n 1) at most)"
echo "$((tried > failed ? tried - failed : 0)) passed, $failed failed"
[ "$failed" = 0 ] && [ "$tried" -gt 0 ]
