/* The store contract, of watching for what others change: on each driver in turn. */
#include "store/place.h"
#include "util/clock.h"

#include <pthread.h>
#include <signal.h>

#define LONG_US (5 * GRID_SECOND)
#define AT_ONCE_US (GRID_SECOND / 2)

static int put_ticket(struct grid_tx *tx, void *context, struct grid_error *err)
{
    (void)context;
    struct grid_ticket ticket = {.queued_us = grid_tx_now(tx), .expires_us = GRID_HOUR,
                                 .duration_us = GRID_HOUR, .need_count = 1,
                                 .ticket_id = "t", .target_node = "n",
                                 .needs = {{"CPU", GRID_AMOUNT_UNIT}}};
    return grid_tx_put_ticket(tx, &ticket, GRID_EVENT_QUIET, NULL, err);
}

static int nothing(struct grid_tx *tx, void *context, struct grid_error *err)
{
    (void)tx, (void)context, (void)err;
    return 0;
}

static void change(struct grid_store *store)
{
    struct grid_error err = {0};
    cr_assert_eq(grid_store_transact(store, GRID_WRITE, put_ticket, NULL, NULL, &err), 0, "%s",
                 err.message);
}

static void read_it(struct grid_store *store)
{
    struct grid_error err = {0};
    cr_assert_eq(grid_store_transact(store, GRID_READ, nothing, NULL, NULL, &err), 0, "%s",
                 err.message);
}

/* How long it took. */
static int64_t watch(struct grid_store *store, int64_t wait_us, int stop_fd)
{
    struct grid_error err = {0};
    int64_t begun_us = clock_monotonic_us();
    cr_expect_eq(grid_store_watch(store, wait_us, stop_fd, &err), 0, "%s", err.message);
    return clock_monotonic_us() - begun_us;
}

/* Something that happens while the watch lasts. */
struct later {
    struct grid_store *store; /* commits */
    int stop_fd;              /* or this is written to; -1 */
    pthread_t signalled;      /* or this gets SIGUSR1 */
    const char *touched;      /* or this file is made and removed, again and again */
};

static void *act(void *context)
{
    const struct later *later = context;
    usleep(150000);
    if (later->store)
        change(later->store);
    else if (later->stop_fd >= 0)
        (void)!write(later->stop_fd, "x", 1);
    else if (later->touched)
        for (int i = 0; i < 10; i++) {
            FILE *file = fopen(later->touched, "w");
            cr_expect_not_null(file);
            if (file)
                fclose(file);
            unlink(later->touched);
            usleep(10000);
        }
    else
        for (int i = 0; i < 3; i++, usleep(100000)) /* the first may come before the watch */
            pthread_kill(later->signalled, SIGUSR1);
    return NULL;
}

static int64_t watch_while(struct grid_store *store, struct later later, int64_t wait_us,
                           int stop_fd)
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, act, &later), 0);
    int64_t took_us = watch(store, wait_us, stop_fd);
    pthread_join(thread, NULL);
    return took_us;
}

/* --- the contract -------------------------------------------------------------------------- */

static void what_others_change_ends_the_watch(const struct place *place)
{
    struct grid_store *store = open_store(place->url), *other = open_store(place->url);
    read_it(store); /* there is nothing yet */
    cr_expect_lt(watch_while(store, (struct later){other, -1, 0, NULL}, LONG_US, -1),
                 AT_ONCE_US + 150000);
    read_it(store);
    cr_expect_lt(watch_while(store, (struct later){other, -1, 0, NULL}, LONG_US, -1),
                 AT_ONCE_US + 150000);
    cr_expect_lt(watch(store, LONG_US, -1), AT_ONCE_US, "it was not looked at since");
    read_it(store);
    change(other); /* between the look and the watch */
    cr_expect_lt(watch(store, LONG_US, -1), AT_ONCE_US);
    change(store);
    change(other);
    cr_expect_lt(watch(store, LONG_US, -1), AT_ONCE_US, "behind its own commit");
    grid_store_close(store);
    grid_store_close(other);
}

static void its_own_commit_does_not(const struct place *place)
{
    struct grid_store *store = open_store(place->url);
    for (int i = 0; i < 3; i++) {
        change(store); /* the first time the directory's watch is not there yet */
        cr_expect_geq(watch(store, 200000, -1), 190000, "commit %d", i);
    }
    read_it(store);
    cr_expect_geq(watch(store, 200000, -1), 190000);
    struct grid_store *reader = open_store(place->url);
    read_it(reader);
    cr_expect_geq(watch(reader, 200000, -1), 190000, "what it has read is nothing new");
    grid_store_close(reader);
    grid_store_close(store);
}

static void pass_over(int number) { (void)number; }

static void time_stop_and_signals_end_it(const struct place *place)
{
    struct grid_store *store = open_store(place->url);
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    change(store);
    cr_expect_lt(watch(store, 0, -1), AT_ONCE_US);
    cr_expect_lt(watch(store, -5, -1), AT_ONCE_US);
    struct later stop = {NULL, ends[1], 0, NULL};
    cr_expect_lt(watch_while(store, stop, LONG_US, ends[0]), AT_ONCE_US);
    cr_expect_lt(watch(store, LONG_US, ends[0]), AT_ONCE_US, "it is readable still");
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = pass_over}, NULL);
    struct later kill = {NULL, -1, pthread_self(), NULL};
    cr_expect_lt(watch_while(store, kill, LONG_US, -1), AT_ONCE_US);
    grid_store_close(store);
    close(ends[0]);
    close(ends[1]);
}

static void other_files_do_not(const struct place *place)
{
    char path[128];
    struct grid_store *store = open_store(place->url);
    change(store);
    snprintf(path, sizeof(path), "%s/resource_boosts.json.lock-or-so", place->directory);
    if (place->directory[0])
        cr_expect_geq(watch_while(store, (struct later){NULL, -1, 0, path}, 400000, -1), 390000);
    grid_store_close(store);
}

static void never_is_longer_than_any_time(const struct place *place)
{
    struct grid_store *store = open_store(place->url), *other = open_store(place->url);
    change(store);
    cr_expect_lt(watch_while(store, (struct later){other, -1, 0, NULL}, GRID_NEVER, -1),
                 AT_ONCE_US + 150000);
    grid_store_close(store);
    grid_store_close(other);
}

static const contract_fn contract[] = {
    what_others_change_ends_the_watch, its_own_commit_does_not,       time_stop_and_signals_end_it,
    other_files_do_not,                never_is_longer_than_any_time,
};

#define CONTRACT contract, sizeof(contract) / sizeof(contract[0])

Test(contract_watch, file) { check_driver("file", CONTRACT); }
Test(contract_watch, memory) { check_driver("memory", CONTRACT); }

/* The directory may come later, and the file may be put there by anybody. */
Test(watch, of_what_is_not_there_yet)
{
    struct place place;
    char directory[96], command[256];
    make_place(&place, "file");
    snprintf(directory, sizeof(directory), "%s/a/b", place.directory);
    struct grid_store *store = open_store(directory);
    read_it(store);
    cr_expect_geq(watch(store, 200000, -1), 190000);
    struct grid_store *other = open_store(directory);
    cr_expect_lt(watch_while(store, (struct later){other, -1, 0, NULL}, LONG_US, -1),
                 GRID_SECOND + AT_ONCE_US, "found by looking once a second");
    read_it(store);
    snprintf(command, sizeof(command), "cd '%s' && cp resource_boosts.json x && mv x "
             "resource_boosts.json", directory);
    cr_assert_eq(system(command), 0);
    cr_expect_lt(watch(store, LONG_US, -1), AT_ONCE_US);
    grid_store_close(store);
    grid_store_close(other);
    drop_place(&place);
}
