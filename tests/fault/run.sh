#!/bin/bash
# run.sh [RUNS [SEED]]: SIGKILL at random moments to the front of a `grid boost run`, to its keeper,
# or to both: no boost outlives its ttl, no command outlives a lost lease by more than --kill-after,
# and who lost only the keeper is not disturbed.
set -u
# shellcheck source=tests/fault/common
. "$(dirname "$0")/common"
runs=${1:-200}
seed=${2:-$RANDOM}
beside=20   # runs at a time
ttl_ms=2000
kill_after_ms=1000
slack_ms=700 # for a machine that is busy with 20 of them
export GRID_DATA_DIR=$work/data GRID=$grid
modes=(front keeper both)

cat >"$work/command" <<'END'
[ "$2" = deaf ] && trap '' TERM
echo $$ >"$1"
i=0
while [ $i -lt 40 ]; do sleep 0.1; i=$((i + 1)); done
exec "$GRID" boost check "$GRID_BOOST_ID" >&2
END

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# keeper_of FRONT
keeper_of() {
    local pid comm
    for pid in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
        read -r comm 2>/dev/null <"/proc/$pid/comm" && [ "$comm" = grid-keeper ] && echo "$pid"
    done
}

# alive PID: and no zombie.
alive() {
    local stat
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
    [[ ${stat##*) } != [ZX]* ]]
}

# wait_until TIME_MS
wait_until() {
    local left=$(($1 - $(now_ms)))
    [ $left -le 0 ] || sleep "$((left / 1000)).$(printf %03d $((left % 1000)))"
}

# one_run NUMBER MODE DELAY_MS: violations on stdout.
one_run() {
    local what="run $1 ($2 killed after $3 ms)" file=$work/pid-$1 ears=open limit=0
    local front keeper killed_ms command
    [ "$2" = front ] && [ $(($1 % 2)) = 0 ] && ears=deaf
    "$grid" boost run -q --reason "run-$1." --ttl 2s --kill-after 1s --lock-timeout 5s \
        borrower cpu 1 -- sh "$work/command" "$file" $ears 2>"$file.err" &
    front=$!
    wait_until $(($(now_ms) + $3))
    keeper=$(keeper_of $front)
    killed_ms=$(now_ms)
    # shellcheck disable=SC2086 # there may be no keeper yet
    case $2 in
    front) kill -KILL $front ;;
    keeper) [ -z "$keeper" ] || kill -KILL $keeper ;;
    both) kill -KILL $keeper $front ;;
    esac 2>/dev/null
    wait $front 2>/dev/null
    status=$?
    if [ "$2" = keeper ]; then
        [ $status = 0 ] || violation "$what: status $status: $(cat "$file.err")"
        killed_ms=$(($(now_ms) - ttl_ms))
    fi
    [ $ears = open ] || limit=$kill_after_ms
    wait_until $((killed_ms + limit + slack_ms))
    command=$(cat "$file" 2>/dev/null)
    [ -z "$command" ] || ! alive "$command" ||
        violation "$what: the command ($ears) is alive $(($(now_ms) - killed_ms)) ms later"
    wait_until $((killed_ms + ttl_ms + slack_ms))
    ! "$grid" boost status --json 2>&1 | grep -q "run-$1\." ||
        violation "$what: its boost is active $(($(now_ms) - killed_ms)) ms later"
}

# The line's share of the runs, one after the other.
line() {
    local number
    RANDOM=$((seed + $1))
    for ((number = $1; number < runs; number += beside)); do
        one_run "$number" "${modes[RANDOM % 3]}" $((RANDOM % 8 ? RANDOM % 1500 : RANDOM % 40))
        echo done
    done
}

"$grid" node add lender cpu=1000 -q || exit 1
"$grid" node add borrower -q || exit 1
for ((i = 0; i < beside; i++)); do
    line "$i" >"$work/line-$i" 2>&1 &
done
wait
cat "$work"/line-* >"$work/result"
grep -v '^done$' "$work/result" | head -n 40
"$grid" boost history --event expired -o csv | tail -n +2 | wc -l |
    sed 's/$/ boosts ended by their ttl/'
failed=$(grep -c VIOLATION "$work/result")
passed=$(($(grep -c '^done$' "$work/result") - failed))
left=$(pgrep -f "$work/command" | wc -l)
[ "$left" = 0 ] || { violation "$left commands are left"; failed=$((failed + left)); }
echo "seed $seed"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" = "$runs" ]
