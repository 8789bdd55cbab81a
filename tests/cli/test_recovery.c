/* What a review of the store under faults found: damage, loss, links, histories that do not fit. */
#include "support/cli.h"
#include "support/rows.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(recovery, .init = cli_begin, .fini = cli_end);

static const char *const helpers =
    "request() { is 0 boost request gpu-master cpu 2.0 -q \"$@\"; id=$(cat $out); }\n"
    "lists() {\n"
    "    is 0 boost status -q\n"
    "    [ $(wc -l <$out) = $1 ] || die \"$2: $(wc -l <$out) listed, not $1\"\n"
    "}\n"
    "token() {\n"
    "    is 0 boost show $id --json\n"
    "    token=$(sed -n '/\"token\"/{s/[^0-9]//gp;q}' $out)\n"
    "}\n"
    /* Requests, $count of them, until the first events stand in history.jsonl alone. */
    "fill() {\n"
    "    count=0\n"
    "    until grep -q '^  \"history\": [1-9]' $state 2>/dev/null; do\n"
    "        request --reason $(printf %0200d 0); count=$((count + 1))\n"
    "    done\n"
    "}\n"
    /* counted: how many events are listed; events N WHAT: that many, each once, in order. */
    "counted() { is 0 boost history -o csv --no-headings --columns REVISION,EVENT,ID; "
    "counted=$(wc -l <$out); }\n"
    "events() {\n"
    "    counted\n"
    "    [ $counted = $1 ] || die \"$2: $counted events, not $1\"\n"
    "    [ -z \"$(sort $out | uniq -d)\" ] || die \"$2: twice: $(sort $out | uniq -d)\"\n"
    "    cut -d, -f1 $out | sort -c -n -r || die \"$2: out of order\"\n"
    "}\n"
    /* more N: requests, after each of which one event more is listed. */
    "more() {\n"
    "    counted\n"
    "    local before=$counted i\n"
    "    for i in $(seq $1); do\n"
    "        request --reason $(printf %0200d 0); counted\n"
    "        [ $counted = $((before + i)) ] || die \"$counted events after $before and $i more\"\n"
    "    done\n"
    "    events $counted 'all of them'\n"
    "}\n"
    /* The state as the original writes it over ours; further lines of Python may change it. */
    "original() { python3 - $state \"$1\" <<'E'\n"
    "import json, sys\n"
    "doc = json.load(open(sys.argv[1]))\n"
    "nine = ['boost_id', 'source_node', 'target_node', 'resource_type', 'amount',\n"
    "    'allocated_at', 'expires_at', 'ray_placement_group', 'is_active']\n"
    "boosts = [{name: boost[name] for name in nine} for boost in doc['boosts']]\n"
    "new = {'boosts': boosts, 'timestamp': doc['timestamp']}\n"
    "exec(sys.argv[2])\n"
    "json.dump(new, open(sys.argv[1], 'w'), indent=2)\n"
    "E\n"
    "}\n";

#define RUN(rows) cli_scripts(helpers, rows, sizeof(rows) / sizeof((rows)[0]))

static const struct cli_script damage[] = {
    {"repair revives nothing that was released, and keeps one record once",
     "for how in 'truncate -s -4' 'sed -i 1,2s/boosts/boosst/' 'sed -i 1d'; do\n"
     "    rm -rf $DATA\n"
     "    request; gone=$id; request; lives=$id; is 0 boost release $gone\n"
     "    rm -r $DATA/generations $history\n"
     "    $how $state\n"
     "    is 8 boost status; is 8 store repair; is 0 store repair --accept-loss\n"
     "    is 0 boost status -q; [ \"$(cat $out)\" = $lives ] || die \"$how: $(cat $out)\"\n"
     "    [ $(grep -c $lives $state) = 1 ] || die \"$how: written twice\"\n"
     "    is 0 store check; is 0 boost history\n"
     "done\n", false},
    {"a state that is gone without a generation is 8 until a loss is accepted",
     "for file in nothing $history; do\n"
     "    rm -rf $DATA; request; request; token; top=$token\n"
     "    rm -rf $state $DATA/generations $file\n"
     "    for words in 'status' 'history' 'cleanup' 'show abcd1234' 'release abcd1234' \\\n"
     "        'release --all --yes' 'request gpu-master cpu 1' \\\n"
     "        'request gpu-master cpu 1 --dry-run'; do is 8 boost $words; done\n"
     "    is 8 store check; is 8 store info; is 8 store repair\n"
     "    [ ! -e $state ] || die 'a new ledger was begun'\n"
     "    is 0 store repair --accept-loss\n"
     "    for words in 'boost status' 'boost history' 'boost cleanup' 'store check' \\\n"
     "        'store info' 'store repair' 'boost release --all --yes'; do is 0 $words; done\n"
     "    request; token; [ $token -gt $top ] || die \"token $token after $top\"\n"
     "    is 0 boost release $id\n"
     "done\n", true},
    {"a revision that no ledger reaches is damage",
     "absurd() { sed -i 's/^  \"revision\": [0-9]*/  \"revision\": 999999999999999999/' $state; }\n"
     "went_on() { grep -q '^  \"revision\": [0-9]\\{1,3\\}[,]*$' $state || die 'went on'; }\n"
     "request; request; absurd; lists 2 'from a generation'; request; lists 3 'after it'; went_on\n"
     "rm -rf $DATA; request; rm -r $DATA/generations $history; absurd; cp $state $HOME/before\n"
     "for words in 'boost status' 'boost history' 'boost request gpu-master cpu 1' \\\n"
     "    'boost release --all --yes' 'boost cleanup' 'store check' 'store repair'; do\n"
     "    is 8 $words; cmp $state $HOME/before || die \"$words wrote\"\n"
     "done\n"
     "is 0 store repair --accept-loss; request; went_on\n", false},
    {"tokens do not come again when only names of generations tell the revision",
     "for i in 1 2 3 4 5 6 7; do request; done; token; top=$token\n"
     "rm $state.lock $history\n"
     "truncate -s 100 $state $(ls -v $DATA/generations/* | tail -n 1)\n"
     "request; token; [ $token -gt $top ] || die \"token $token after $top\"\n", false},
    {"a hint that was lost or torn in between is not passed over in silence",
     "for torn in 0 40; do\n"
     "    rm -rf $DATA; request; request; size=$(stat -c %s $history)\n"
     "    request; truncate -s $((size + torn)) $history; request; request\n"
     "    truncate -s 100 $state $(ls -v $DATA/generations/* | tail -n 2)\n"
     "    is 0 boost status -q; listed=$(wc -l <$out)\n"
     "    [ $listed = 5 ] || grep -q 'are lost at most\\|have no event' $err ||\n"
     "        die \"$listed of 5 listed: $(cat $err)\"\n"
     "done\n", true},
    {"two records with one id end together",
     "request; other=$id; request\n"
     "original \"ours = new['boosts'][1]; new['boosts'] = [dict(ours, target_node='first')] +"
     " new['boosts'] + [dict(ours, target_node='last')]\"\n"
     "lists 2 'three records, two ids'\n"
     "is 0 boost release $id; lists 1 'after the release'\n"
     "[ $(cat $out) = $other ] || die 'the other one ended'\n"
     "is 0 boost release $id; lists 1 'after another'\n"
     "is 0 boost history $id --event released -q; [ $(wc -l <$out) = 1 ] || die \"$(cat $out)\"\n",
     false},
};

Test(recovery, from_damage)
{
    RUN(damage);
}

/* Root may write anywhere: as root, the reader is another user. */
static const struct cli_script readers[] = {
    {"a reader who may not write sees the generation, and leaves nothing",
     "as=; fill; request; lists $((count + 1)) before; total=$((count + 1))\n"
     "truncate -s -9 $state; cp $state $HOME/before; ls -A $DATA $DATA/generations >$HOME/names\n"
     "if [ $(id -u) = 0 ]; then\n"
     "    chmod 755 $HOME; chmod 666 $out $err 2>/dev/null; chown -R 65534:65534 $DATA\n"
     "    as='setpriv --reuid 65534 --regid 65534 --clear-groups'\n"
     "fi\n"
     "chmod -R a-w $DATA\n"
     "for i in 1 2; do\n"
     "    lists $total 'in memory'; grep -q 'went back' $err || die 'no warning'\n"
     "    is 0 boost history; is 0 boost show $id; is 0 boost cleanup --dry-run\n"
     "    is 9 boost request gpu-master cpu 1; is 9 boost release $id\n"
     "done\n"
     "cmp $state $HOME/before || die 'the damaged bytes changed'\n"
     "ls -A $DATA $DATA/generations | diff $HOME/names - || die 'other files'\n", true},
};

Test(recovery, in_memory)
{
    RUN(readers);
}

static const struct cli_script histories[] = {
    {"a length of the history that is far beyond its end",
     "fill; request; counted; before=$counted\n"
     "sed -i 's/^  \"history\": [0-9]*/  \"history\": 5000000000/' $state\n"
     "SECONDS=0; events $before 'as it is'; more 12\n"
     "[ $SECONDS -lt 10 ] || die \"slow: $SECONDS s\"\n"
     "[ $(stat -c %s $history) -lt 1000000 ] || die \"$(stat -c %s $history) bytes\"\n"
     "is 0 store check\n", true},
    {"the history is deleted", "fill; request; rm $history; more 25; is 0 store check\n", true},
    {"the history is cut within a line", "fill; truncate -s 3000 $history; more 25\n", true},
    {"the history has a torn end, and the original wrote the state",
     "for lost in nothing $DATA/generations; do for cut in 1 20; do\n"
     "    rm -rf $DATA; fill; request; truncate -s -$cut $history\n"
     "    original ''; rm -rf $lost; more 13; is 0 store check\n"
     "done; done\n", true},
    {"every event of 200 commits is listed once, in order",
     "for i in $(seq 50); do request; is 0 boost release $id; done\n"
     "ids=; for i in $(seq 50); do request; ids=\"$ids $id\"; done\n"
     "for id in $ids; do is 0 boost release $id; done\n"
     "events 200 'before the check'; is 0 store check; grep -q sound $out || die unsound\n"
     "events 200 'after the check'; [ $(cut -d, -f1 $out | sort -u | wc -l) = 200 ] || die rows\n",
     true},
    {"a sweep of 5000 is one commit",
     "request; is 0 boost release $id; rm -rf $state.lock $DATA/generations $history\n"
     "original \"import uuid; new = {'boosts': [dict(boost_id=str(uuid.uuid4()),"
     " source_node='gpu1', target_node='gpu-master', resource_type='CPU', amount=1.0,"
     " allocated_at='2026-01-01T00:00:00+00:00',"
     " expires_at='2026-01-01T01:00:00.%06d+00:00' % i, ray_placement_group=None,"
     " is_active=True) for i in range(5000)], 'timestamp': '2026-01-01T00:00:00',"
     " 'revision': 7}\"\n"
     "is 0 boost cleanup --json; grep -q '\"removed\": 5000' $out || die \"$(head -n 3 $out)\"\n"
     "grep -q '^  \"revision\": 8' $state || die \"$(grep '^  .revision' $state)\"\n"
     "events 5000 'the sweep'; ! grep -v '^8,expired,' $out || die 'not one commit'\n"
     "more 3; is 0 store check; events 5003 'in the end'\n", true},
};

Test(recovery, of_the_history)
{
    RUN(histories);
}

static const struct cli_script links[] = {
    {"generations on another file system",
     "other=$(mktemp -d /dev/shm/grid-test-XXXXXX) || exit 77\n"
     "trap 'rm -rf $other' EXIT\n"
     "[ $(stat -c %d $other) != $(stat -c %d $HOME) ] || { echo 'one disk only'; exit 77; }\n"
     "mkdir $DATA; ln -s $other $DATA/generations\n"
     "for i in 1 2 3 4 5 6 7; do request; done\n"
     "[ \"$(ls -A $other | wc -l)\" = 5 ] || die \"$(ls -A $other)\"\n"
     "[ -L $DATA/generations ] || die 'no link any more'\n"
     "printf '{' >$state; lists 7 'back from there'\n", false},
    {"a history that is no file",
     "fill; cp $state $HOME/before\n"
     "for thing in 'ln -s ../elsewhere' 'ln -s /dev/full' mkfifo mkdir; do\n"
     "    rm -rf $history; $thing $history\n"
     "    for words in 'history' 'history --json' 'request gpu-master cpu 1 --request-id any' \\\n"
     "        'request gpu-master cpu 1'; do\n"
     "        is 9 boost $words; grep -q history.jsonl $err || die \"$thing: $(cat $err)\"\n"
     "        cmp $state $HOME/before || die \"$thing: $words wrote\"\n"
     "    done\n"
     "    timeout -k 1 30 $GRID store check >$out 2>&1; [ $? -lt 100 ] || die \"$thing: check\"\n"
     "    [ ! -e $HOME/elsewhere ] || die 'written through the link'\n"
     "done\n", true},
    {"generations that are no directory",
     "request; cp $state $HOME/before\n"
     "for thing in mkfifo touch 'ln -s nowhere' 'ln -s generations'; do\n"
     "    rm -rf $DATA/generations; $thing $DATA/generations\n"
     "    for words in 'request gpu-master cpu 1' \"release $id\"; do\n"
     "        is 9 boost $words; grep -q generations $err || die \"$thing: $(cat $err)\"\n"
     "        cmp $state $HOME/before || die \"$thing: $words wrote\"\n"
     "    done\n"
     "    lists 1 \"$thing\"\n"
     "done\n", true},
    {"a link into a directory that does not exist",
     "mkdir $DATA; ln -s ../missing/ledger.json $state; touch $out $err; before=$(find $HOME)\n"
     "for words in 'boost status' 'boost history' 'boost request gpu-master cpu 1' \\\n"
     "    'boost release --all --yes' 'boost cleanup' 'store check' 'store info' \\\n"
     "    'store repair --accept-loss'; do is 9 $words; done\n"
     "[ \"$(find $HOME)\" = \"$before\" ] || die \"something was made: $(find $HOME)\"\n", false},
};

Test(recovery, beside_links)
{
    RUN(links);
}

/* cpu NODE N: so many cores it has. */
#define CPU "cpu() { is 0 node show $1 --json; grep -q \"\\\"CPU\\\": $2.0\" $out || " \
            "die \"$3: not $2: $(cat $out)\"; }\n"

static const struct cli_script rewrites[] = {
    {"the last change of a node outlives a rewrite by the original, and the next ones",
     CPU "is 0 node add a cpu=4; is 0 node add m cpu=1; is 0 node set a cpu=2\n"
     "original ''; cpu a 2 rewrite; [ ! -s $err ] || die \"$(cat $err)\"\n"
     "is 5 boost request m cpu 3 --source a\n"
     "request() { is 0 boost request m cpu 1 -q; }\n"
     "for i in 1 2; do original ''; cpu a 2 \"reading $i\"; request; done\n"
     "is 0 node heartbeat a; original ''; cpu a 2 beat; [ ! -s $err ] || die \"$(cat $err)\"\n"
     "is 0 node set a cpu=8; is 0 node remove m --force; original ''; cpu a 8 set\n"
     "is 3 node show m; is 0 boost history -o csv --no-headings --event node_set\n"
     "[ $(wc -l <$out) = 4 ] || die \"$(cat $out)\"\n", false},
    {"also where the rewrite follows at once, or there is no generation",
     CPU "request; is 0 node add a cpu=4; original ''; cpu a 4 'one generation'\n"
     "is 3 boost request m cpu 1\n"
     "rm -rf $DATA; is 0 node add a cpu=4; original ''; cpu a 4 'no generation'; original ''\n"
     "is 0 node add m cpu=1; original ''; cpu a 4 again; cpu m 1 again\n"
     "rm -r $DATA/generations; original ''; cpu a 4 hints; cpu m 1 hints\n", false},
    {"damage after a rewrite, and generations of the original's",
     CPU "is 0 node add a cpu=4; original ''\n"
     "is 0 node add m cpu=1; truncate -s -5 $state; cpu a 4 damage; cpu m 1 damage\n"
     "is 0 node set a cpu=3; original ''; cp $state $DATA/generations/resource_boosts.90.json\n"
     "cpu a 3 'a generation without nodes'\n", false},
    {"the policy outlives it, too, with a heartbeat in between",
     "is 0 node add a cpu=4; is 0 policy set enabled=false; is 0 node heartbeat a\n"
     "original ''; is 0 policy show; grep -qx enabled=false $out || die \"$(cat $out)\"\n"
     "[ ! -s $err ] || die \"$(cat $err)\"; is 5 boost request a cpu 1\n", false},
    {"what is lost is said",
     "is 0 node add a cpu=4; request() { is 0 boost request a cpu 1 -q; }; is 0 node add m cpu=1\n"
     "rm -r $DATA/generations $history; original ''; is 0 node list\n"
     "grep -q 'another program .* after revision 0 is lost at most' $err || die \"$(cat $err)\"\n"
     "rm -rf $DATA; is 0 node add a cpu=4; is 0 node add m cpu=1; is 0 node set a cpu=2\n"
     "truncate -s -20 $history; original ''; is 0 node list\n"
     "grep -q 'after revision 2 is lost at most' $err || die \"$(cat $err)\"\n", false},
};

Test(recovery, from_rewrites)
{
    RUN(rewrites);
}

static const struct cli_script by_hand[] = {
    {"a policy that does not read is damage, which repair mends",
     "is 0 policy set quota.cpu=4 enabled=false; is 0 policy set preempt_grace=1m\n"
     "sed -i 's/^    \"preempt_grace\": 60.0/    \"preempt_grace\": \"1m\"/' $state\n"
     "for words in 'boost status' 'node list' 'policy show' 'store check'; do is 8 $words; done\n"
     "grep -q 'damage: policy' $out || die \"$(cat $out)\"\n"
     "is 0 store repair; is 0 policy show; grep -qx preempt_grace=1m $out || die \"$(cat $out)\"\n"
     "grep -qx enabled=false $out || die \"$(cat $out)\"; is 0 store check\n"
     "grep -q '\"preempt_grace\": \"1m\"' $DATA/*.corrupt-* || die 'the bytes are gone'\n", false},
    {"what is not known of the policy and of a node is kept",
     "is 0 policy set enabled=true; is 0 policy set enabled=false; is 0 node add a cpu=4\n"
     "sed -i 's/^    \"enabled\": false/    \"theirs\": [1.50],\\n&/;"
     "s/^      \"node_id\".*/&\\n      \"role\": \"head\",\\n      \"tags\": \"x\",\\n"
     "      \"labels\": [\"a\", 7],/' $state\n"
     "is 0 policy set enabled=true; is 0 node heartbeat a; is 0 node set a cpu=5\n"
     "for words in 'node list' 'node show a' 'boost status' 'store check' 'node list --json'; do\n"
     "    is 0 $words\n"
     "done\n"
     "tr -d ' \\n' <$state >$out\n"
     "for part in '\"theirs\":[1.50],\"enabled\":true' '\"role\":\"head\",\"tags\":\"x\",' \\\n"
     "    '\"labels\":[\"a\",7],\"capacity\":{\"CPU\":5.0}'; do\n"
     "    [ $(grep -oF \"$part\" $out | wc -l) -ge 2 ] || die \"no $part: $(cat $state)\"\n"
     "done\n", false},
    {"a node that is not sound is not registered twice, and can be dropped",
     "is 0 node add a cpu=4; is 0 node add m cpu=4\n"
     "sed -i '/\"node_id\": \"a\"/,/CPU/s/4.0/\"four\"/' $state; cp $state $HOME/before\n"
     "for words in 'add a cpu=1' 'set a cpu=1' 'heartbeat a' 'show a'; do\n"
     "    is 8 node $words; grep -q 'repair --accept-loss' $err || die \"$words: $(cat $err)\"\n"
     "done\n"
     "is 0 store check; is 0 store repair; cmp $state $HOME/before || die 'it wrote'\n"
     "is 0 store repair --accept-loss; is 0 node list -q\n"
     "[ \"$(cat $out)\" = m ] || die \"$(cat $out)\"\n"
     "grep -q '\"four\"' $DATA/*.corrupt-* || die 'the bytes are gone'\n"
     "is 0 node add a cpu=1; is 0 store check; ! grep warning $out || die \"$(cat $out)\"\n",
     false},
    {"resuming a node that is not held changes nothing",
     "is 0 node add a cpu=4; cp $state $HOME/before; is 0 node resume a\n"
     "cmp $state $HOME/before || die 'it wrote'; is 0 node hold a; is 0 node resume a\n"
     "is 0 boost history -o csv --no-headings --event node_set\n"
     "[ $(wc -l <$out) = 3 ] || die \"$(cat $out)\"\n", false},
    {"300 nodes into 300, new ones and changed ones, within seconds",
     "nodes() {\n"
     "    echo nodes:\n"
     "    for i in $(seq 300); do\n"
     "        echo \"- {name: $1$i, host: h, user: u, gpu_count: 1, memory_gb: $2}\"\n"
     "    done\n"
     "}\n"
     "nodes a 8 >$HOME/a; nodes b 8 >$HOME/b; nodes b 9 >$HOME/c; SECONDS=0\n"
     "for file in a b c; do is 0 node import $HOME/$file; done\n"
     "[ $SECONDS -lt 5 ] || die \"slow: $SECONDS s\"\n"
     "is 0 node list -q; [ $(wc -l <$out) = 600 ] || die \"$(wc -l <$out)\"\n", true},
};

Test(recovery, of_what_was_written_by_hand)
{
    RUN(by_hand);
}

Test(recovery, of_a_clock_that_steps_back)
{
    const char *id;
    cJSON *status;

    cli_time("2030-01-01 12:00:00");
    id = cli_request("gpu-master cpu 2.0");
    cli_time("2030-01-01 10:00:00");
    for (int i = 0; i < 2; i++) {
        status = cli_json(cli("boost status --json").out);
        cr_expect_eq(cli_number(status, "total_active_boosts"), 1 + i);
        cr_expect_eq(cli_number(status, "boosted_resources.CPU"), 2 + i);
        cr_expect_str_eq(cli_text(cli_json(cli("boost show %s --json", id).out), "boost.state"),
                         "active");
        cli_expect(cli("boost request gpu-master cpu 1 -q"), 0);
    }
    cli_time("2030-01-01 13:00:00");
    status = cli_json(cli("boost show %s --json", id).out);
    cr_expect_str_eq(cli_text(status, "boost.state"), "expired", "it has no end any more");
}

Test(recovery, thirty_first_runs_at_once)
{
    int count = cli_too_slow("30 first runs; 4 instead") ? 4 : 30;
    struct cli_child children[30];

    for (int i = 0; i < count; i++)
        children[i] = cli_start("boost request gpu-master cpu 1 -q --lock-timeout 60s");
    for (int i = 0; i < count; i++)
        cli_expect(cli_wait(children[i]), 0);
    cr_expect_eq(cli_boosts(), count);
    cr_expect_eq(cli_count(cli_json(cli("boost history --json").out), "events"), count);
    cli_expect(cli("store check"), 0);
}
