/* A ledger that a Unix group shares: store init, and what its members then find. */
#include "support/cli.h"
#include "support/rows.h"

#include <criterion/criterion.h>

TestSuite(group, .init = cli_begin, .fini = cli_end);

/* As root, with users who need not exist; others try what one member can do. */
static const char *const helpers =
    "group=7777; chmod 755 $HOME; touch $out $err\n"
    "if [ $(id -u) = 0 ]; then\n"
    "    chown 6001 $HOME; chmod 666 $out $err\n"
    "    run() { local who=$1 also=$2; shift 2; setpriv --reuid $who --regid $who $also \"$@\"; }\n"
    "    run 6001 --clear-groups $GRID --version >/dev/null 2>&1 || {\n"
    "        echo 'other users cannot run it'; exit 77; }\n"
    "else\n"
    "    group=$(id -g)\n"
    "    run() { shift 2; \"$@\"; }\n"
    "fi\n"
    /* is STATUS WHO WORDS: that is what it ends with, with a umask that shares nothing. WHO: ann or
     * bob, members; eve, who is none; root. */
    "is() {\n"
    "    local want=$1 who=$2 also=\"--groups $group\" got; shift 2\n"
    "    case $who in ann) who=6001;; bob) who=6002;; eve) who=6003 also=--clear-groups;;\n"
    "        root) who=0 also=--clear-groups;; esac\n"
    "    (umask 077; cd /; run $who \"$also\" timeout -k 1 30 $GRID \"$@\" >$out 2>$err); got=$?\n"
    "    [ $got = $want ] || die \"status $got, not $want: $who $*: $(head -c 500 $out $err)\"\n"
    "}\n"
    "as_root() { [ $(id -u) = 0 ] || { echo 'one user only'; exit 77; }; }\n"
    "request() { is 0 $1 boost request gpu-master cpu 2.0 -q --reason $(printf %0200d 0); }\n"
    /* Everything is the group's, and nobody else's. */
    "shared() {\n"
    "    local wrong=$(find $DATA ! \\( -group $group \\( -type d -perm 2770 -o -type f \\\n"
    "        -perm 660 -o -name config.yaml -perm 640 \\) \\) -printf '%P %M %g; ')\n"
    "    [ -z \"$wrong\" ] || die \"$1: not shared: $wrong\"\n"
    "}\n";

static const struct cli_script rows[] = {
    {"members write in turn, whatever their umask; root visits",
     "is 0 ann store init --group $group; shared 'when it is new'\n"
     "for i in 1 2 3 4 5 6 7 8; do request bob; request ann; shared \"turn $i\"; done\n"
     "grep -q '\"history\": [1-9]' $state || die 'the history was not moved'\n"
     "request root; shared root\n"
     "is 0 bob store check; is 0 ann store check\n"
     "[ \"$(find $DATA -user 0 -printf %P)\" = '' ] || [ $(id -u) != 0 ] || die 'files of root'\n",
     true},
    {"who is no member has no access",
     "as_root; is 0 ann store init --group $group; request ann\n"
     "is 9 eve boost status; is 9 eve boost request gpu-master cpu 1; request bob\n", true},
    {"a member recovers the damage of another's file",
     "is 0 ann store init --group $group; request ann; request bob; request bob; request ann\n"
     "truncate -s -9 $state; is 0 bob boost status -q\n"
     "[ $(wc -l <$out) = 4 ] || die \"$(cat $err)\"\n"
     "shared damage; request ann; request bob; shared after\n", true},
    {"a ledger of one user's becomes the group's",
     "for i in 1 2 3 4 5 6 7 8 9; do request ann; done; echo 'output: csv' >$DATA/config.yaml\n"
     "chmod 600 $DATA/config.yaml; [ $(id -u) != 0 ] || chown 6001 $DATA/config.yaml\n"
     "[ -z \"$(find $DATA -perm /077)\" ] || die 'it was open before'\n"
     "is 0 ann store init --group $group; shared init; request bob; request ann; shared requests\n"
     "[ $(id -u) != 0 ] || is 7 bob store init --group $group\n"
     "is 0 ann store init --group $group; shared again\n", true},
    {"killed at any point, it can be run again",
     "command -v strace >/dev/null || { echo 'no strace'; exit 77; }\n"
     "for call in fchmod fchown getdents64 openat; do for n in 1 2 3 4 5 6; do\n"
     "    rm -rf $DATA; request ann; request ann; request ann\n"
     "    (umask 077; cd /; run 6001 \"--groups $group\" strace -f -o /dev/null -e \\\n"
     "        inject=$call:signal=KILL:when=$n $GRID store init --group $group) >$out 2>&1\n"
     "    stat -c %a $DATA | grep -q '^700$' || shared \"$call $n: it is open\"\n"
     "    request ann; is 0 ann store init --group $group; shared \"$call $n\"; request bob\n"
     "done; done\n", true},
    {"links that a member puts there are not followed",
     "is 0 ann store init --group $group; request ann; mkdir -m 700 $HOME/own\n"
     "echo x >$HOME/own/key; chmod 600 $HOME/own/key\n"
     "[ $(id -u) != 0 ] || chown -R 6001 $HOME/own\n"
     "ln -s $HOME/own/key $DATA/history-1; ln -s $HOME/own/key $state.x; mkfifo $DATA/history-2\n"
     "is 0 ann store init --group $group\n"
     "[ $(id -u) != 0 ] || is 0 root store init --group $group\n"
     "rm -r $DATA/generations; ln -s $HOME/own $DATA/generations\n"
     "is 9 ann store init --group $group; grep -q generations $err || die \"$(cat $err)\"\n"
     "[ $(id -u) != 0 ] || is 9 root store init --group $group\n"
     "[ $(stat -c %a $HOME/own/key):$(stat -c %a $HOME/own) = 600:700 ] || die 'followed'\n", true},
    {"who is killed while he makes a backup shuts nobody out",
     "command -v strace >/dev/null || { echo 'no strace'; exit 77; }\n"
     "is 0 ann store init --group $group; request ann; points=0\n"
     "for call in mkdirat fchmod openat fsync; do for n in 1 2 3 4 5 6 7 8; do\n"
     "    rm -rf $DATA/backups\n"
     "    (umask 077; cd /; run 6001 \"--groups $group\" strace -f -o /dev/null -e trace=$call \\\n"
     "        -e inject=$call:signal=KILL:when=$n $GRID backup create) >$out 2>&1\n"
     "    [ $? = 137 ] || break\n"
     "    points=$((points + 1)); is 0 bob backup create; shared \"$call $n\"\n"
     "done; done; [ $points -ge 12 ] || die \"$points points only\"\n"
     "is 0 bob backup create --name x; is 0 ann backup restore x --yes\n", true},
    {"backups that are closed to the others are opened again",
     "is 0 ann store init --group $group; request ann; is 0 ann backup create\n"
     "chmod 700 $DATA/backups; is 0 ann backup create; is 0 bob backup create; shared opened\n"
     "run 6001 \"--groups $group\" mkdir -m 700 $DATA/backups/.tmp-new\n"
     "is 0 bob backup create; shared 'an empty one'\n"
     "rm -r $DATA/backups; mkdir -m 700 $HOME/own; [ $(id -u) != 0 ] || chown 6001 $HOME/own\n"
     "ln -s $HOME/own $DATA/backups; is 0 ann backup create\n"
     "[ $(stat -c %a $HOME/own) = 700 ] || die 'a link was followed'\n", true},
    {"without a group it shares nothing",
     "is 0 ann store init; [ $(stat -c %a $DATA) = 700 ] || die \"$(stat -c %a $DATA)\"\n"
     "request ann; [ -z \"$(find $DATA -perm /077)\" ] || die \"$(find $DATA -perm /077)\"\n"
     "chmod 755 $DATA; is 0 ann store init; [ $(stat -c %a $DATA) = 755 ] || die 'changed'\n"
     "[ -z \"$(find $DATA -type f -perm /077)\" ] || die 'files'\n", true},
    {"a group that is none, or not one's own",
     "is 2 ann store init --group no-such-group; is 2 ann store init --group 7777x\n"
     "[ ! -e $DATA ] || die 'something was made'; as_root\n"
     "is 9 ann store init --group 7778; [ $(stat -c %a $DATA) = 700 ] || die 'opened'\n", true},
};

Test(group, shares_a_ledger)
{
    cli_scripts(helpers, rows, sizeof(rows) / sizeof(rows[0]));
}
