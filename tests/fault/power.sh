#!/bin/bash
# The power cut: of a modelled disk, after each change that commands make there (power.c), and of
# real file systems that are shut down in the middle of commands, where loop devices can be mounted.
set -u
self=$(realpath "$0")
cd "$(dirname "$0")/../.." || exit 1
GRID_BIN=$(realpath "${GRID_BIN:-build/grid}") || exit 1
export GRID_BIN LC_ALL=C
unset GRID_STORE GRID_CONFIG GRID_DATA_DIR
model=build/tests/fault/power
shutdown=$PWD/build/tests/fault/power_shutdown
make -s $model "${shutdown#"$PWD/"}" || exit 1

violation() { echo "VIOLATION: $*"; }

# --- real file systems ---------------------------------------------------------------------------

# Commands, one after the other, until one fails: what was acknowledged goes to $work/acks, the one
# that was not to $work/try.
work_on() {
    local words id ids=() n=0
    while :; do
        n=$((n + 1))
        words="request gpu-master cpu 1 -q --reason $n$(printf '%0150d' 0)"
        [ $((n % 3)) = 0 ] && words="release ${ids[0]}"
        [ $((n % 5)) = 0 ] && words="extend ${ids[-1]} --by 1h"
        echo "$words" >"$work/try"
        # shellcheck disable=SC2086
        id=$("$GRID_BIN" boost $words 2>"$work/said") || return
        case $words in
        request*) ids+=("$id") && echo "granted,$id" ;;
        release*) echo "released,${ids[0]}" && ids=("${ids[@]:1}") ;;
        *) echo "extended,${ids[-1]}" ;;
        esac >>"$work/acks"
        : >"$work/try"
    done
}

# What must be there after the disk is back: $1 says which cut it was.
is_whole() {
    local lost more id
    "$GRID_BIN" store check >"$work/out" 2>&1 || violation "$1: store check: $(cat "$work/out")"
    "$GRID_BIN" boost history -o csv --no-headings --columns EVENT,ID >"$work/events" \
        2>"$work/out" ||
        violation "$1: history: $(cat "$work/out")"
    lost=$(comm -23 <(sort "$work/acks") <(sort "$work/events") | head -n 3)
    [ -z "$lost" ] || violation "$1: acknowledged, and lost: $lost"
    more=$(comm -13 <(sort "$work/acks") <(sort "$work/events") | wc -l)
    [ "$more" = 0 ] || { [ "$more" = 1 ] && [ -s "$work/try" ]; } ||
        violation "$1: $more events more than were acknowledged"
    "$GRID_BIN" boost status -q 2>/dev/null | sort >"$work/now"
    active <"$work/events" | diff - "$work/now" >"$work/out" ||
        violation "$1: other boosts than the history says: $(cat "$work/out")"
    id=$("$GRID_BIN" boost request gpu-master cpu 1 -q 2>"$work/out") ||
        violation "$1: the next command: $(cat "$work/out")"
    [ -z "$(find "$GRID_DATA_DIR" -name '*tmp*')" ] || violation "$1: a temporary file is left"
    { cat "$work/events" && echo "granted,$id"; } >"$work/acks"
}

# The ids that were granted and not released, of events.
active() {
    awk -F, '$1 == "granted" { on[$2] = 1 } $1 == "released" { off[$2] = 1 }
        END { for (id in on) if (!(id in off)) print id }' | sort
}

# one_cut FILE-SYSTEM NUMBER
one_cut() {
    local how=$(($2 % 4)) what="cut $2 of $1" worker
    mount -o loop "$work/$1" "$work/mnt" || return 1
    export GRID_DATA_DIR=$work/mnt/ledger-$(($2 / 5)) # now and then the first commands of all
    [ -d "$GRID_DATA_DIR" ] || : >"$work/acks"
    : >"$work/try"
    work_on &
    worker=$!
    sleep "0.$(printf '%03d' $((RANDOM % 400)))"
    { # killed, its command goes on alone into the cut
        [ $how != 3 ] || kill -9 $worker
        "$shutdown" "$work/mnt" $((how == 3 ? 2 : how)) || return 1
        wait $worker
    } 2>/dev/null
    for _ in {1..500}; do
        umount "$work/mnt" 2>/dev/null && break
        sleep 0.01
    done
    mount -o loop "$work/$1" "$work/mnt" || return 1
    is_whole "$what (SHUTDOWN $how)"
    umount "$work/mnt"
}

# file_system NAME CUTS
file_system() {
    local cut
    truncate -s 320M "$work/$1"
    if ! "mkfs.$1" -q "$work/$1" >"$work/out" 2>&1 ||
        ! mount -o loop "$work/$1" "$work/mnt" 2>>"$work/out"; then
        echo "NOT TESTED: $1: it cannot be made or mounted here: $(tail -n 1 "$work/out")"
        return
    fi
    umount "$work/mnt"
    for ((cut = 1; cut <= $2; cut++)); do
        one_cut "$1" $cut || { echo "NOT TESTED: $1: it cannot be shut down here"; return; }
    done
    echo "$2 cuts of $1"
}

# In a mount namespace of its own: nothing stays mounted, however it ends.
if [ "${1:-}" = --real ]; then
    work=$2
    mkdir "$work/mnt"
    trap 'mountpoint -q "$work/mnt" && umount -l "$work/mnt"' EXIT
    case ${TORTURE:-quick} in
    full) file_system ext4 40 && file_system xfs 40 ;;
    *) file_system ext4 3 ;;
    esac
    exit
fi

# --- all of it -----------------------------------------------------------------------------------

fast=$([ -w /dev/shm ] && echo /dev/shm || echo "$PWD/build")
memory=$(mktemp -d "$fast/power-XXXXXX") || exit 1
work=$(mktemp -d "$PWD/build/power-XXXXXX") || exit 1
trap 'rm -rf "$memory" "$work"' EXIT
$model "$memory" >"$work/model" 2>&1
status=$?
head -n -2 "$work/model"
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
    unshare -m "$self" --real "$work" 2>&1 | tee "$work/real"
else
    echo "NOT TESTED: real file systems: nothing can be mounted here" | tee "$work/real"
fi
real=$(awk "/^[0-9]+ cuts of / { n += \$1 } END { print n + 0 }" "$work/real")
wrong=$(grep -c '^VIOLATION' "$work/real")
said=$(sed -nE 's/^power: ([0-9]+) points, ([0-9]+) .*/\1 \2/p' "$work/model")
read -r points violations <<<"$said"
points=$((${points:-0} + ${real:-0})) violations=$((${violations:-1} + wrong))
echo "power: $points points, $violations violations"
[ $status = 0 ] || [ $violations -gt 0 ] || violations=1
echo "$((points > violations ? points - violations : 0)) passed, $violations failed"
[ $violations = 0 ]
