#!/bin/bash
# SIGKILL at every system call of a request and a release: afterwards the state is the old one or
# the new one, the next commands work, and no temporary file is left.
set -u
# shellcheck source=tests/fault/common
. "$(dirname "$0")/common"

# one_point NUMBER "SCENARIO SYSCALL WHEN"
one_point() {
    local scenario call when dir=$work/point-$1 what
    read -r scenario call when <<<"$2"
    set_scenario "${scenarios[scenario]}"
    what="killed at $call $when of '$name'"
    copy "$dir"
    # shellcheck disable=SC2086
    { GRID_DATA_DIR=$dir strace -f -o /dev/null -e "inject=$call:signal=KILL:when=$when" \
        "$grid" $words; } >/dev/null 2>&1
    applied "$dir"
    [ $? != 2 ] || violation "$what: neither old nor new: $("$look" "$dir")"
    goes_on "$dir" "$what"
}

prepare
for scenario in "${!scenarios[@]}"; do
    set_scenario "${scenarios[scenario]}"
    points | while read -r call count; do
        for ((when = 1; when <= count; when++)); do
            echo "$scenario $call $when"
        done
    done
done >"$work/list"
all "$work/list"
