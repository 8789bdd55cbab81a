#!/bin/bash
# linear.sh [N]: N histories (200; TORTURE=quick: for some seconds) of concurrent processes, some of
# them killed, held against a sequential ledger (linear_check). One that has no order is kept as
# build/linear-SEED.history: build/tests/fault/linear_check says again why. SEED=N repeats what was
# asked, though not the timing.
set -u
cd "$(dirname "$0")/../.." || exit 1
GRID_BIN=$(realpath "${GRID_BIN:-build/grid}") || exit 1
export GRID_BIN LC_ALL=C
unset GRID_STORE GRID_CONFIG
run=build/tests/fault/linear
check=build/tests/fault/linear_check
make -s $run $check || exit 1
work=$(mktemp -d "$PWD/build/linear-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
first=${SEED:-$((RANDOM * 32768 + RANDOM))}
least=${1:-200} seconds=0
if [ $# = 0 ] && [ "${TORTURE:-quick}" != full ]; then
    least=3 seconds=5
fi

# The history of seed $1; lines of violations go to $work/wrong.
one_history() {
    rm -rf "$work/ledger"
    : >"$work/history"
    { $run "$work/ledger" "$1" "$work/history" && $check "$work/history"; } >"$work/out" 2>&1 &&
        ! grep -q VIOLATION "$work/out" && return
    cp "$work/history" "build/linear-$1.history"
    grep -A 12 VIOLATION "$work/out" || echo "VIOLATION: $(tail -n 3 "$work/out")"
    echo "  seed $1; $check build/linear-$1.history"
    return 1
}

echo "seed $first"
tried=0 failed=0 operations=0
while [ $tried -lt $least ] || [ $SECONDS -lt $seconds ]; do
    one_history $((first + tried)) || failed=$((failed + 1))
    tried=$((tried + 1))
    operations=$((operations + $(wc -l <"$work/history")))
done
echo "$tried histories of $((operations / tried)) operations each"
echo "linear: $tried points, $failed violations"
echo "$((tried - failed)) passed, $failed failed"
[ $failed = 0 ] && [ $operations -ge $((300 * tried)) ]
