/* History that has grown: closed into packed segments, read, swept, and under damage and kills. */
#include "support/cli.h"
#include "support/rows.h"

#include <criterion/criterion.h>

TestSuite(history_segments, .init = cli_begin, .fini = cli_end);

static const char *const helpers =
    "quiet() { [ ! -s $err ] || die \"$1: $(head -c 500 $err)\"; }\n"
    "request() { is 0 boost request gpu-master cpu 2.0 -q --reason $(printf %0200d 0) \"$@\"; }\n"
    "segment() { printf '%s/history-%06d.jsonl.gz' $DATA $1; }\n"
    /* bulk BYTES: so many more in history.jsonl that count, before what is pending; $made counts
     * all events. Each has a member of a later version, so that few of them make up the size. */
    "bulk() {\n"
    "    [ -e $state ] || { request; made=1; }\n"
    "    local first=$(sed -n 's/^  \"revision\": \\([0-9]*\\),/\\1/p' $state) next size more\n"
    "    head -c 0$(sed -n 's/^  \"history\": \\([0-9]*\\),/\\1/p' $state) $history >$HOME/counts\n"
    "    awk -v most=$1 -v first=$((first + 1)) 'NR == 1 {\n"
    "        sub(/\"revision\":[0-9]+/, \"\\\"revision\\\":\\001\")\n"
    "        sub(/\"boost_id\":\"[^\"]*/, \"\\\"boost_id\\\":\\\"\\001\")\n"
    "        sub(/}$/, sprintf(\",\\\"more\\\":\\\"%02000d\\\"}\", 0))\n"
    "        split($0, part, \"\\001\")\n"
    "        for (i = first; size < most; i++) {\n"
    "            line = part[1] i part[2] sprintf(\"%08d\", i) part[3]\n"
    "            print line; size += length(line) + 1 } }' $history >$HOME/more\n"
    "    more=$(wc -l <$HOME/more); made=$((made + more)); next=$((first + more + 1))\n"
    "    cat $HOME/counts $HOME/more >$history; size=$(stat -c %s $history)\n"
    "    sed -i -e '/^  \"history\"/d' \\\n"
    "        -e \"s/^\\( *\\)\\\"revision\\\": [0-9]*/\\1\\\"revision\\\": $next/\" \\\n"
    "        -e \"s/^  \\\"revision.*/&\\n  \\\"history\\\": $size,/\" $state\n"
    "}\n"
    /* Twenty requests, pending until the next commit moves them. close N: to segment N, which the
     * last commit makes if little was pending; $HOME/was is what was there before it. */
    "twenty() {\n"
    "    for i in $(seq 20); do echo request gpu-master cpu 1 --reason $(printf %0250d 0); done |\n"
    "        timeout 30 ${as-} $GRID boost batch --atomic >$out 2>$err || die \"$(cat $err)\"\n"
    "    made=$((made + 20))\n"
    "}\n"
    "close() {\n"
    "    twenty; rm -rf $HOME/was; cp -a $DATA $HOME/was; request; made=$((made + 1))\n"
    "    [ -e $(segment $1) ] || die \"there is no segment $1\"\n"
    "    grep -q \"^  \\\"segments\\\": $1,\" $state || die \"the state does not count it\"\n"
    "}\n"
    /* events N WHAT: that many, each once, in order, and the ledger is sound. */
    "events() {\n"
    "    is 0 boost history -o csv --no-headings --columns REVISION,EVENT,ID; quiet \"$2\"\n"
    "    [ $(wc -l <$out) = $1 ] || die \"$2: $(wc -l <$out) events, not $1\"\n"
    "    [ -z \"$(sort $out | uniq -d)\" ] || die \"$2: twice: $(sort $out | uniq -d | head)\"\n"
    "    cut -d, -f1 $out | sort -c -n -r || die \"$2: out of order\"\n"
    "    is 0 store check\n"
    "}\n";

#define RUN(rows) cli_scripts(helpers, rows, sizeof(rows) / sizeof((rows)[0]))

static const struct cli_script closing[] = {
    {"at 8 MiB it is closed, and nothing is lost or said twice",
     "bulk 8380000; cp $history $HOME/before; close 1\n"
     "[ $(stat -c %s $history) -lt 99000 ] || die 'history.jsonl did not begin anew'\n"
     "gzip -dc $(segment 1) | head -c $(stat -c %s $HOME/before) | cmp - $HOME/before || die cmp\n"
     "gzip -dc $(segment 1) >$HOME/text; size=$(stat -c %s $HOME/text)\n"
     "[ $size -gt 8300000 -a $size -le $((8 << 20)) ] || die \"$size bytes in it\"\n"
     "[ $(stat -c %a $(segment 1)) = 600 ] || die mode\n"
     "events $made closed; is 0 boost history -q\n"
     "grep -q 00000002 $out || die 'the oldest is gone'\n"
     "for i in 1 2 3; do request; events $((made + i)) \"and $i\"; done\n"
     "[ $(ls -A $DATA | grep -c tmp) = 0 ] || die 'something is left behind'\n", true},
    {"a larger one, of another version, is closed whole, and again",
     "bulk 20000000; close 1; bulk 8380000; close 2\n"
     "events $made 'two of them'\n", true},
    {"one that cannot be written is not closed, and the command goes on",
     "bulk 8380000; mkdir $DATA/.resource_boosts.json.tmp-copy\n"
     "twenty; request; [ ! -e $(segment 1) ] || die 'it was closed'\n"
     "grep -q 'cannot be closed now' $err || die 'nobody said so'\n"
     "[ $(stat -c %s $history) -gt $((8 << 20)) ] || die 'nothing was moved'\n"
     "made=$((made + 1)); events $made 'open yet'; rmdir $DATA/.resource_boosts.json.tmp-copy\n"
     "close 1; events $made closed\n", true},
    {"what a crash leaves between two steps counts once",
     "bulk 8380000; close 1\n"
     "cp -a $DATA $HOME/is; rm -rf $DATA; cp -a $HOME/was $DATA\n" /* before the commit */
     "cp $HOME/is/history-000001.jsonl.gz $DATA\n"
     "events $((made - 1)) 'a segment that does not count'\n"
     "request; events $made 'it was written anew'; request; events $((made + 1)) 'and on'\n"
     "rm -rf $DATA; cp -a $HOME/is $DATA; cp $HOME/was/history.jsonl $history\n" /* after it */
     "events $made 'the old file is still there'\n"
     "for i in 1 2 3; do request; events $((made + i)) \"and $i\"; done\n", true},
};

Test(history_segments, closing) { RUN(closing); }

/* The commit that closes, killed at each call that changes something. LeakSanitizer cannot work
 * under strace. */
static const struct cli_script kills[] = {
    {"killed anywhere, the state is old or new",
     "command -v strace >/dev/null || exit 0\n"
     "traced=\"env ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 strace -f -o /dev/null\"\n"
     "bulk 8380000; close 1; points=0\n"
     "[ ! -e $HOME/was/history-000001.jsonl.gz ] || die 'another commit closes it'\n"
     "for call in fsync renameat unlinkat linkat utimensat; do\n"
     "    for n in 1 2 3 4 5 6 7 8 9; do\n"
     "        rm -rf $DATA; cp -a $HOME/was $DATA; was=$(grep '^  \"revision' $state); new=1\n"
     "        timeout 30 $traced -e trace=$call -e inject=$call:signal=KILL:when=$n \\\n"
     "            $GRID boost request gpu-master cpu 1 -q >/dev/null 2>&1; status=$?\n"
     "        [ \"$(grep '^  \"revision' $state)\" != \"$was\" ] || new=0\n"
     "        [ $status != 0 ] || [ $new = 1 ] || die \"$call $n: 0 and not done\"\n"
     "        [ $status != 0 ] || break; points=$((points + 1))\n"
     "        events $((made - 1 + new)) \"$call $n\"\n"
     "        request; events $((made + new)) \"$call $n, and on\"\n"
     "        [ $(ls -A $DATA | grep -c tmp) = 0 ] || die \"$call $n: left behind\"\n"
     "    done\n"
     "done\n"
     "[ $points -ge 10 ] || die \"$points points only\"\n", true},
};

Test(history_segments, kills) { RUN(kills); }

/* was: before the first segment; the state is damaged, put back, or another program's after it. */
static const struct cli_script back[] = {
    {"a state that is lost after a segment was closed comes back whole",
     "for more in 0 1 3; do\n"
     "    rm -rf $DATA; bulk 8380000; close 1\n"
     "    for i in $(seq $more); do request; done\n"
     "    is 0 boost status -q; sort $out >$HOME/boosts\n"
     "    truncate -s -9 $state\n"
     "    is 0 boost status -q; sort $out | cmp - $HOME/boosts || die \"$more: in memory\"\n"
     "    request; is 0 boost status -q\n"
     "    [ $(wc -l <$out) = $(($(wc -l <$HOME/boosts) + 1)) ] || die \"$more: boosts\"\n"
     "    events $((made + more + 2)) \"$more more\"\n" /* restored, and the request */
     "    for i in 1 2; do request; done; events $((made + more + 4)) \"$more, and on\"\n"
     "done\n", true},
    {"and so it does with the newest generation lost, too",
     "bulk 8380000; close 1; request; request\n"
     "is 0 boost status -q; sort $out >$HOME/boosts; truncate -s -9 $state\n"
     "for f in $(ls -v $DATA/generations/* | tail -n 2); do truncate -s -9 $f; done\n"
     "request; is 0 boost status -q\n"
     "[ $(wc -l <$out) = $(($(wc -l <$HOME/boosts) + 1)) ] || die \"boosts\"\n"
     "events $((made + 4)) 'brought forward'\n", true},
    {"what was pending in that generation, and moved since, is not said twice",
     "bulk 8355000; request; made=$((made + 1)); twenty; request; made=$((made + 1)); close 1\n"
     "truncate -s -9 $state $(ls -v $DATA/generations/* | tail -n 3)\n"
     "request; events $((made + 2)) 'brought forward'\n", true},
    {"an old state that is put back keeps the events since",
     "bulk 8380000; cp $state $HOME/old; close 1; request; request; cp $HOME/old $state\n"
     "request; events $((made + 3)) 'put back'; for i in 1 2; do request; done\n"
     "events $((made + 5)) 'and on'\n", true},
    {"another program drops the members, and they come back",
     "for more in 0 3; do\n"
     "    rm -rf $DATA; bulk 8380000; close 1; for i in $(seq $more); do request; done\n"
     "    awk '/^  \"timestamp\"/ { sub(/,$/, \"\"); print; print \"}\"; exit } 1' \\\n"
     "        $state >$HOME/new\n"
     "    cp $HOME/new $state; events $((made + more)) \"$more: in memory\"\n"
     "    request; events $((made + more + 1)) \"$more: in the file\"\n"
     "    grep -q '^  \"segments\": 1,' $state || die 'segments are not counted'\n"
     "    rm -r $DATA/generations; cp $HOME/new $state\n"
     "    request; events $((made + more + 2)) \"$more: without a generation\"\n"
     "done\n", true},
    {"a state that is lost after the segment was swept, too",
     "for more in 0 1; do\n"
     "    rm -rf $DATA; bulk 8380000; lines=$(wc -l <$history); close 1; rm $(segment 1)\n"
     "    for i in $(seq $more); do request; done; truncate -s -9 $state\n"
     "    request; events $((made + more + 2 - lines)) \"$more more\"\n"
     "    request; twenty; request; events $((made + more + 4 - lines)) \"$more, and on\"\n"
     "done\n", true},
};

Test(history_segments, back) { RUN(back); }

static const struct cli_script reading[] = {
    {"a damaged or missing one is named, and the others are read",
     "bulk 8380000; close 1; bulk 8380000; close 2; bulk 8380000; close 3; all=$made\n"
     "events $all 'three of them'; cp -a $DATA $HOME/is\n"
     "for n in 1 2 3; do\n"
     "    rm -rf $DATA; cp -a $HOME/is $DATA\n"
     "    cmp -s $(segment $n) $HOME/is/history-00000$n.jsonl.gz || die 'it is not a copy'\n"
     /* longer than what no checksum covers: time and system in the head of one of its pieces */
     "    printf 'X-y_X-y_X-y_' | dd of=$(segment $n) bs=1 seek=30000 conv=notrunc 2>/dev/null\n"
     "    ! cmp -s $(segment $n) $HOME/is/history-00000$n.jsonl.gz || die 'it is the same'\n"
     "    is 0 boost history -q; grep -q history-00000$n $err ||\n"
     "        die \"$n is not named: $(cat $err; gzip -t $(segment $n) 2>&1)\"\n"
     "    lines=$(wc -l <$out); [ $lines -lt $all -a $lines -gt $((all * 9 / 10)) ] ||\n"
     "        die \"$n: $lines of $all: the sound pieces of it are lost\"\n"
     "    rm $(segment $n); is 0 boost history -q; lines=$(wc -l <$out)\n"
     "    [ $lines -lt $all -a $lines -gt $((all / 2)) ] || die \"$n missing: $lines\"\n"
     "    [ $n = 1 ] || grep -q \"history-00000$n.*is missing\" $err || die \"$n: not said\"\n"
     "    [ $n != 1 ] || quiet 'the first was swept'\n"
     "done\n", true},
    {"check finds a damaged one, and repair keeps what is sound of it, and its bytes",
     "bulk 8380000; close 1; lines=$(gzip -dc $(segment 1) | wc -l)\n"
     "truncate -s -2000 $(segment 1); cp $(segment 1) $HOME/bytes\n"
     "is 8 store check; grep -q 'damage: history-000001' $out || die \"check: $(cat $out)\"\n"
     "is 8 store repair; grep -q accept-loss $err || die \"repair: $(cat $err)\"\n"
     "cmp $(segment 1) $HOME/bytes || die 'it was touched'\n"
     "is 0 store repair --accept-loss; cmp $(segment 1).corrupt-* $HOME/bytes || die bytes\n"
     "kept=$(gzip -dc $(segment 1) | wc -l); [ $kept -gt $((lines * 9 / 10)) ] || die \"$kept\"\n"
     "is 0 boost history -q; quiet repaired; events $((made - lines + kept)) repaired\n", true},
    {"one that is older than what is asked for is not unpacked",
     "bulk 8380000; close 1\n"
     "truncate -s 1000 $(segment 1); touch -d '-40 days' $(segment 1)\n"
     "is 0 boost history -q --since $(date -u -d '-1 day' +%FT%TZ); quiet 'since yesterday'\n"
     "is 0 boost request a cpu 1 --request-id r1 -q; quiet 'a request id'\n"
     "is 0 boost history -q; grep -q 'history-000001' $err || die 'it was not damaged'\n", true},
};

Test(history_segments, reading) { RUN(reading); }

/* at DAYS WORDS: so many days from now. */
#define AT                                                                                       \
    "days() { as=\"env NO_FAKE_STAT=1 FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f +$1d\"; }\n"   \
    "at() { days $1; shift; is 0 \"$@\"; as=; }\n"                                              \
    "left() { [ \"$(ls $DATA | grep -c jsonl.gz)\" = $1 ] || die \"$2: $(ls $DATA)\"; }\n"

static const struct cli_script sweeping[] = {
    {"cleanup sweeps what is older than 90 days, whole, and writes no state",
     AT "bulk 8380000; close 1; is 0 boost release --all --yes -q\n"
     "days 60; twenty; request; as=; bulk 8380000; days 60; close 2; as=; at 62 boost cleanup\n"
     "cp $state $HOME/state; is 0 boost cleanup; left 2 now; at 89 boost cleanup; left 2 early\n"
     "at 92 boost cleanup --dry-run; left 2 'a dry run'\n"
     "at 92 boost cleanup; left 1 'after 92 days'; [ -e $(segment 2) ] || die 'the wrong one'\n"
     "cmp $state $HOME/state || die 'a state was written'\n"
     "at 92 boost history; quiet 'one was swept'; at 92 store check; quiet 'and checked'\n"
     "at 155 boost cleanup; left 0 'after 155 days'; at 155 boost history; quiet 'none is left'\n"
     "is 0 store check; request; is 0 boost history\n", true},
    {"keep_history says how long, 24 hours at least",
     AT "bulk 8380000; close 1; is 0 boost release --all --yes -q\n"
     "twenty; request; is 0 boost release --all --yes -q; request\n"
     "echo 'keep_history: 0' >$DATA/config.yaml; at 0.9 boost cleanup; left 1 'request ids'\n"
     "echo 'keep_history: 3' >$DATA/config.yaml; at 2 boost cleanup; left 1 'two days'\n"
     "at 4 boost cleanup; left 0 'four days'\n", true},
    {"a damaged one is as old as its file, and keeps no other",
     AT "bulk 8380000; close 1; is 0 boost release --all --yes -q\n"
     "bulk 8380000; close 2; is 0 boost release --all --yes -q\n"
     "truncate -s 1000 $(segment 1); touch -d '+50 days' $(segment 1)\n"
     "cp $(segment 1) $HOME/bytes\n"
     "at 89 boost cleanup; left 2 early; at 100 boost cleanup; left 1 'a young one before it'\n"
     "cmp $(segment 2) $HOME/bytes || die 'the wrong one, or there is a gap'\n"
     "at 100 boost history -q; ! grep missing $err || die 'a gap'\n"
     "at 137 boost cleanup; left 1 'not yet'\n"
     "at 142 boost cleanup; left 0 'after 142 days'\n", true},
};

Test(history_segments, sweeping) { RUN(sweeping); }
