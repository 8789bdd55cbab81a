#!/bin/bash
# Calls that fail, one at a time: EIO, ENOSPC and EINTR wherever a request or a release writes,
# syncs, renames, links or opens. Status 0 only if the change was made, 11 either way, 1 only if
# the message names what was done, any other only if nothing was.
set -u
# shellcheck source=tests/fault/common
. "$(dirname "$0")/common"

calls='f(data)?sync|rename(at|at2)?|write|pwrite64|(un)?link(at)?|openat|ftruncate'

# one_point NUMBER "SCENARIO SYSCALL WHEN ERROR"
one_point() {
    local scenario call when error dir=$work/point-$1 what status change
    read -r scenario call when error <<<"$2"
    set_scenario "${scenarios[scenario]}"
    what="$error from $call $when of '$name'"
    copy "$dir"
    # shellcheck disable=SC2086
    { GRID_DATA_DIR=$dir strace -f -o /dev/null -e "inject=$call:error=$error:when=$when" \
        "$grid" $words; } >"$dir.out" 2>"$dir.err"
    status=$?
    applied "$dir"
    change=$?
    case $status:$change in
    *:2) violation "$what: neither old nor new" ;;
    0:1 | 11:*) ;;
    1:1) named "$dir" || violation "$what: status 1, done, not named: $(cat "$dir.err")" ;;
    0:0) violation "$what: status 0, and nothing was done" ;;
    *:1) violation "$what: status $status, but it was done: $(cat "$dir.err")" ;;
    esac
    [ "$call:$error:$status" != fsync:EIO:0 ] || violation "$what: status 0"
    goes_on "$dir" "$what"
}

# Does the message name the boost that was made or released?
named() {
    local id
    for id in $gone $("$look" "$1"); do
        grep -q -- "$id" "$1.err" && return 0
    done
    return 1
}

prepare
for scenario in "${!scenarios[@]}"; do
    set_scenario "${scenarios[scenario]}"
    points | grep -E "^($calls) " | while read -r call count; do
        for ((when = 1; when <= count; when++)); do
            for error in EIO ENOSPC EINTR; do
                echo "$scenario $call $when $error"
            done
        done
    done
done >"$work/list"
all "$work/list"
