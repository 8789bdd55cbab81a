/* Waiting: the life of a ticket from its waiter's side. */
#include "support/script.h"
#include "util/text.h"

#include <criterion/criterion.h>

/* t borrows, a lends 4 cores, and "busy" has them all for an hour. */
#define FULL "node t cpu 1\nnode a cpu 4\nget busy t cpu 4 for 60 from a\n"

static const struct {
    const char *what, *text;
} rows[] = {
    {"a time-out leaves nothing but history", FULL
     "wait first t cpu 4 for 30 => timeout\n"
     "> place first 1 60\n"
     "gone first\nlast first withdrawn its waiter left\nboosts 1\n"},
    {"so does an interruption", FULL
     "wait first t cpu 4 for 30 => interrupted\n"
     "> stop\n"
     "gone first\nlast first withdrawn\nboosts 1\n"},
    {"of what has been granted meanwhile, too; the next one gets it", FULL
     "queue second t cpu 4 for 30 priority low\n"
     "wait first t cpu 4 for 30 => interrupted\n"
     "> release busy\n"
     "> is first active a 0 0.5 30\n"
     "> stop\n"
     "ended first released\nis second active a 0 0.5 30\n"},
    {"it fits at once", "node t cpu 1\nnode a cpu 4\n"
     "wait first t cpu 4 for 30\ntold first\nis first active a 0 30\n"},
    {"what was granted is picked up: its lease becomes what was asked for", FULL
     "wait first t cpu 4 for 30\n"
     "> at 0.2\n"
     "> release busy\n"
     "> is first active a 0.2 0.7 30.2\n"
     "told first\nis first active a 0.2 30.2\n"},
    {"or as long as its own lease", FULL
     "wait first t cpu 4 for 30 lease 2\n"
     "> release busy\n"
     "> is first active a 0 0.5 30\n"
     "told first\nis first active a 0 2 30\n"},
    {"a group is picked up whole", "node t cpu 1\nnode a cpu 4 memory 8\n"
     "get busy t memory 8 for 60\n"
     "wait first t cpu 4 memory 8 for 30\n"
     "> release busy\n"
     "told first 1-first\nis first active a 0 30\nis 1-first active a 0 30\n"},
    {"the waiter sees what time has brought", "node t cpu 1\nnode a cpu 4\n"
     "get busy t cpu 4 for 0.4\n"
     "wait first t cpu 4 for 30\n"
     "> at 0.4\n"
     "told first\nis first active a 0.4 30.4\n"},
    {"a waiter that slept too long loses its place, and takes another", FULL
     "wait first t cpu 4 for 30\n"
     "> at 0.6\n"
     "> ahead 0.6\n"
     "> last first withdrawn waiter is gone\n"
     "> release busy\n"
     "told first\nboosts 1\n"},
    {"what never fits does not wait", FULL "wait first t cpu 5 for 30 => never\ngone first\n"},
    {"nor does what can never fit any more", FULL
     "wait first t cpu 4 for 30 => never\n"
     "> limit a lend cpu 2\n"
     "> ahead 0.2\n"
     "gone first\nlast first withdrawn never fit\n"},
    {"or what has lost its node", FULL
     "wait first t cpu 4 for 30 => not_found\n"
     "> remove t\n"
     "> ahead 0.2\n"
     "gone first\n"},
    {"who was thrown out is told", FULL
     "wait first t cpu 4 for 30 => timeout\n"
     "> release first\n"
     "> told first\n"
     "gone first\n"},
    {"a second waiter with the request id joins the first", FULL
     "queue first t cpu 4 for 30 key k\n"
     "wait second t cpu 4 for 30 key k\n"
     "> tickets 1\n"
     "> release busy\n"
     "told first\nis first active a 0 30\nboosts 1\n"},
    {"leaves without it", FULL
     "queue first t cpu 4 for 30 key k\n"
     "wait second t cpu 4 for 30 key k => timeout\n"
     "place first 1 60\n"
     "wait second t cpu 4 for 30 key k => interrupted\n"
     "> release busy\n"
     "> stop\n"
     "is first active a 0 0.5 30\n"},
    {"and renews it", FULL
     "queue first t cpu 4 for 30 key k lapses 0.5\n"
     "wait second t cpu 4 for 30 key k => timeout\n"
     "> at 0.4\n"
     "> ahead 0.2\n"
     "at 0.8\ncleanup\nplace first 1 60\n"
     "at 0.9\ncleanup\ngone first\n"},
    {"must ask for the same", FULL
     "queue first t cpu 4 for 30 key k\n"
     "wait second t cpu 3 for 30 key k => conflict\n"
     "at 60\nnode a cpu 8\n"
     "wait second t cpu 3 for 30 key k => conflict\n"
     "boosts 1\n"},
    {"also when it does not wait", FULL
     "queue first t cpu 4 for 30 key k\nnode b cpu 1\n"
     "get second t cpu 1 for 30 key k => conflict\n"
     "get second t cpu 4 for 30 key k => refused\n"},
    {"one key, one boost, whoever looks first", FULL
     "queue first t cpu 2 for 30 key k\n"
     "at 60\n"
     "get second t cpu 2 for 30 key k\n"
     "told first\nboosts 1\n"},
    {"a replay picks up what was granted", FULL
     "queue first t cpu 4 for 30 key k\n"
     "release busy\n"
     "wait second t cpu 4 for 30 key k\n"
     "told first\nis first active a 0 30\n"},
};

Test(wait, rows)
{
    for (size_t i = 0; i < countof(rows); i++)
        script_run(rows[i].what, rows[i].text);
}
