#!/bin/bash
# Faults that a review of the store found, each with what had been lost: files that cannot be read,
# a lock file that is deleted, programs that know no lock, disks that are full or read-only.
set -u
# shellcheck source=tests/fault/common
. "$(dirname "$0")/common"
command -v strace >/dev/null || { echo "strace is missing"; echo "0 passed, 1 failed"; exit 1; }

checks=(
    unreadable_history unreadable_generations unreadable_link deleted_lock foreign_write
    foreign_write_of_nodes reader_that_cannot_write small_disk read_only_disk full_disk
)

die() { echo "$*"; exit 1; }

# is STATUS WORDS: that is what `grid WORDS`, run after the words of $under, ends with.
is() {
    local want=$1 got
    shift
    timeout -k 1 20 "${under[@]}" "$grid" "$@" >"$out" 2>"$err"
    got=$?
    [ $got = "$want" ] || die "status $got, not $want: $*: $(head -c 500 "$out" "$err")"
}

request() {
    is 0 boost request gpu-master cpu 2.0 -q "$@"
    id=$(cat "$out")
}

lists() { # lists ID...: these are active, and no other
    is 0 boost status -q
    [ "$(sort "$out")" = "$(printf '%s\n' "$@" | sort)" ] || die "listed: $(cat "$out"), not: $*"
}

events() { # events N: so many are listed, each once
    is 0 boost history -o csv --no-headings --columns REVISION,EVENT,ID
    [ "$(sort -u "$out" | wc -l):$(wc -l <"$out")" = "$1:$1" ] || die "not $1 events: $(cat "$out")"
}

# Requests, of $ids, until the first events stand in history.jsonl alone.
fill() {
    ids=()
    until grep -q '^  "history": [1-9]' "$state" 2>/dev/null; do
        request --reason "$(printf '%0200d' 0)"
        ids+=("$id")
    done
}

traced() { under=(strace -f -o /dev/null "$@"); }
plainly() { under=(env); }

# The state as the original writes it, with what the lines of Python do to it.
original() {
    python3 - "$state" "$1" <<'E'
import json, os, sys
doc = json.load(open(sys.argv[1]))
nine = ['boost_id', 'source_node', 'target_node', 'resource_type', 'amount', 'allocated_at',
    'expires_at', 'ray_placement_group', 'is_active']
boosts = [{name: boost[name] for name in nine} for boost in doc['boosts']]
new = {'boosts': boosts, 'timestamp': doc['timestamp']}
exec(sys.argv[2])
json.dump(new, open(sys.argv[1] + '.other', 'w'), indent=2)
os.rename(sys.argv[1] + '.other', sys.argv[1])
E
}

# Each of the commands fails with 9 and changes nothing.
all_fail() {
    local words
    for words; do
        # shellcheck disable=SC2086
        is 9 $words
        [ ! -s "$out" ] || die "part of an answer: $words: $(cat "$out")"
        cmp -s "$state" "$before" || die "$words wrote"
    done
}

# --- what cannot be read is an error, not empty -------------------------------------------------

unreadable_history() {
    local gone error
    request --request-id once
    gone=$id
    is 0 boost release "$gone"
    fill
    cp "$state" "$before"
    for error in openat:error=EIO openat:error=EACCES pread64:error=EIO; do
        traced -P history.jsonl -P "$GRID_DATA_DIR/history.jsonl" -e "inject=$error"
        all_fail "boost request gpu-master cpu 2.0 --request-id once" "boost history" \
            "boost history --json" "boost show $gone"
    done
    plainly
    request --request-id once
    [ "$id" = "$gone" ] || die "the request id was granted twice"
    lists "${ids[@]}"
}

unreadable_generations() {
    local newest how
    request
    original "new = dict(doc, nodes=[{'node_id': n, 'capacity': {'CPU': 16.0}} for n in ('gpu1', 'gpu-master')])"
    request # makes a generation with the node
    original ''
    cp "$state" "$before"
    newest=$(cd "$GRID_DATA_DIR" && ls -v generations/*.json | tail -n 1)
    grep -q gpu1 "$GRID_DATA_DIR/$newest" || die "the newest generation has no node"
    for how in "generations %file:error=EIO" "generations openat:error=EACCES" \
        "$GRID_DATA_DIR/generations getdents64:error=EIO" "$newest openat:error=EIO" \
        "$GRID_DATA_DIR/$newest read:error=EIO"; do
        traced -P "${how% *}" -e "inject=${how##* }"
        all_fail "boost request gpu-master cpu 1" "boost history"
    done
    plainly
    request
    grep -q gpu1 "$state" || die "the nodes are lost"
    events 3
}

unreadable_link() {
    local words
    mkdir -p "$dir/shared" "$GRID_DATA_DIR"
    ln -s ../shared/ledger.json "$state"
    request
    traced -e inject=readlink,readlinkat:error=EIO
    for words in "boost request gpu-master cpu 1" "boost status" "boost release $id" \
        "boost cleanup" "store repair --accept-loss"; do
        # shellcheck disable=SC2086
        is 9 $words
        [ -L "$state" ] || die "$words: the link was replaced"
    done
    plainly
    lists "$id"
}

# --- others who write while we do ---------------------------------------------------------------

# Starts a request that stands still before its state is on disk; $slow when it does.
stand_still() {
    request
    strace -f -o /dev/null -e inject=fsync:delay_enter=700000:when=1 "$grid" boost request slow \
        cpu 1 -q >"$dir/slow" 2>"$dir/slow.err" &
    slow=$!
    for _ in {1..500}; do
        compgen -G "$GRID_DATA_DIR/.resource*" >/dev/null && return
        sleep 0.01
    done
    die "the slow request does not write"
}

ends_well() {
    wait "$slow" || die "the slow request: $? $(cat "$dir/slow.err")"
}

deleted_lock() {
    local first
    stand_still
    first=$id
    rm "$state.lock"
    request
    kill -0 "$slow" || die "the slow request was quicker"
    ends_well
    lists "$first" "$id" "$(cat "$dir/slow")"
    events 3
    is 0 store check
    [ -z "$(find "$GRID_DATA_DIR" -name '*tmp*')" ] || die "a temporary file is left"
}

foreign_write() {
    local foreign=515744a0-b524-4565-af67-9be9d3367a2c
    stand_still
    original "new['boosts'].append(dict(boosts[0], boost_id='$foreign'))"
    ends_well
    lists "$id" $foreign "$(cat "$dir/slow")"
    events 2
}

# The last commit before was of a node: no generation has it.
foreign_write_of_nodes() {
    local first
    is 0 node add gpu1 cpu=4
    is 0 node add gpu-master cpu=1
    is 0 node add slow cpu=1
    is 0 node set gpu1 cpu=3
    stand_still
    first=$id
    original ''
    ends_well
    original ''
    is 5 boost request slow cpu 4 --source gpu1
    is 3 boost request slow cpu 1 --source gpu9
    is 0 node show gpu1 --json
    grep -q '"CPU": 3.0' "$out" || die "not the last capacity: $(cat "$out")"
    lists "$first" "$(cat "$dir/slow")"
    events 6
}

# --- disks ---------------------------------------------------------------------------------------

# A damaged state, one generation, and $ids in it.
damage() {
    fill
    find "$GRID_DATA_DIR/generations" -name '*.json' | sort -V | head -n -1 | xargs -r rm
    truncate -s -7 "$state"
    cp "$state" "$before"
    cp "$GRID_DATA_DIR/history.jsonl" "$dir/history"
    ls -A "$GRID_DATA_DIR" >"$dir/names"
}

# Readers have the ledger from its generation, leave no trace, and always say the same.
reads_in_memory() {
    local i
    for i in 1 2; do
        lists "${ids[@]}"
        grep -q 'went back' "$err" || die "no warning"
        events $((${#ids[@]} + 1)) # and the one that tells of it
        is 0 boost request gpu-master cpu 1 --dry-run
        is 0 boost cleanup --dry-run
        cmp -s "$state" "$before" || die "the damaged state changed"
        ls -A "$GRID_DATA_DIR" | diff "$dir/names" - || die "other files"
        cmp "$GRID_DATA_DIR/history.jsonl" "$dir/history" || die "the history was written"
    done
}

reader_that_cannot_write() {
    local fault
    damage
    for fault in fsync:error=ENOSPC fsync:error=EIO linkat:error=EIO renameat:error=EROFS; do
        traced -e "inject=$fault"
        echo "at $fault:"
        reads_in_memory
    done
}

# Mounts $1 on the data directory for the rest of the check; 77: that cannot be done here.
mounted() {
    mount "$@" "$GRID_DATA_DIR" || exit 77
}

small_disk() {
    local size status
    mkdir "$GRID_DATA_DIR"
    for size in 100k 200k 300k; do
        mounted -t tmpfs -o "size=$size,mode=700" grid
        for status in {1..400}; do
            "$grid" boost request gpu-master cpu 1 -q >"$out" 2>"$err"
            status=$?
            [ $status = 0 ] || break
            id=$(cat "$out")
        done
        [ $status = 9 ] || die "$size: request: $status $(cat "$err")"
        echo "on $size:"
        is 0 boost release "$id"
        is 0 boost status -q
        cp "$out" "$dir/ids"
        while read -r id; do
            is 0 boost release "$id"
        done <"$dir/ids"
        request
        lists "$id"
        umount "$GRID_DATA_DIR"
    done
}

read_only_disk() {
    damage
    mounted --bind "$GRID_DATA_DIR"
    mount -o remount,ro,bind "$GRID_DATA_DIR" || exit 77
    reads_in_memory
    is 9 boost request gpu-master cpu 1
    is 9 boost release "${ids[0]}"
}

full_disk() {
    damage
    mkdir "$dir/full"
    mount -t tmpfs -o size=200k,mode=700 grid "$dir/full" || exit 77
    cp -a "$GRID_DATA_DIR/." "$dir/full"
    mount --move "$dir/full" "$GRID_DATA_DIR" || exit 77
    dd if=/dev/zero of="$GRID_DATA_DIR/filler" bs=512 2>/dev/null
    ls -A "$GRID_DATA_DIR" >"$dir/names"
    reads_in_memory
    rm "$GRID_DATA_DIR/filler"
    request
    lists "${ids[@]}" "$id"
}

# --- running them --------------------------------------------------------------------------------

# check NAME, in a directory and, where it can be had, a mount namespace of its own.
check() {
    export dir=$work/$1 grid
    export GRID_DATA_DIR=$dir/data out=$dir/out err=$dir/err before=$dir/before
    export state=$GRID_DATA_DIR/resource_boosts.json
    mkdir "$dir"
    "${apart[@]}" bash -u -c "$(declare -f); plainly; $1"
}

apart=(env)
for how in -m -rm; do
    unshare "$how" true 2>/dev/null || continue
    apart=(unshare "$how")
    break
done
passed=0 failed=0
for name in "${checks[@]}"; do
    said=$(check "$name" 2>&1)
    case $? in
    0) passed=$((passed + 1)) ;;
    77) echo "NOT TESTED: $name: $said" ;;
    *)
        failed=$((failed + 1))
        echo "FAILED: $name: $said"
        ;;
    esac
done
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
