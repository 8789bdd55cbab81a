/* Times two commands in turns (A B A B ...), so that whatever the machine does beside meets both:
 *   turns [-t SECONDS] [-n MOST] [-o FILE] [-a AFTER_A] [-b AFTER_B] A... -- B...
 *   turns -m A...            peak resident memory of A in KiB
 * Prints: median of the paired ratios A/B, ratio of the minima, pairs, minimum of A and of B (ms).
 * What A prints goes to FILE; AFTER_* are shell commands that are run, but not timed. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAIRS_LEAST 3
#define PAIRS_MOST 1000

extern char **environ;

struct side {
    char **command;
    const char *out, *after;
    double ms[PAIRS_MOST], least_ms;
};

static double clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Runs the command with stdout to `out`; ends the program when it fails, for a measurement of
 * failures would say nothing. */
static double run(char **command, const char *out, struct rusage *ret_usage)
{
    posix_spawn_file_actions_t actions;
    double began_ms;
    pid_t pid;
    int status;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    began_ms = clock_ms();
    if (posix_spawnp(&pid, command[0], &actions, NULL, command, environ) != 0 ||
        wait4(pid, &status, 0, ret_usage) != pid || status != 0) {
        fprintf(stderr, "turns: '%s' failed\n", command[0]);
        exit(1);
    }
    began_ms = clock_ms() - began_ms;
    posix_spawn_file_actions_destroy(&actions);
    return began_ms;
}

static void take(struct side *side, int turn)
{
    struct rusage usage;
    double ms = run(side->command, side->out, &usage);

    side->ms[turn] = ms;
    if (turn == 0 || ms < side->least_ms)
        side->least_ms = ms;
    if (side->after && system(side->after) != 0) {
        fprintf(stderr, "turns: '%s' failed\n", side->after);
        exit(1);
    }
}

static int compare(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;

    return (difference > 0) - (difference < 0);
}

static double median_ratio(const struct side *a, const struct side *b, int pairs)
{
    double ratios[PAIRS_MOST];

    for (int turn = 0; turn < pairs; turn++)
        ratios[turn] = a->ms[turn] / b->ms[turn];
    qsort(ratios, (size_t)pairs, sizeof(ratios[0]), compare);
    return (ratios[(pairs - 1) / 2] + ratios[pairs / 2]) / 2;
}

/* Cuts the words at "--": the first command stays in `words`, the second is returned. */
static char **second_command(char **words)
{
    for (; *words; words++)
        if (!strcmp(*words, "--")) {
            *words = NULL;
            return words + 1;
        }
    return words;
}

static int compare_sides(struct side *a, struct side *b, double seconds, int most)
{
    double end_ms = clock_ms() + seconds * 1e3;
    int pairs = 0;

    while (pairs < most && (pairs < PAIRS_LEAST || clock_ms() < end_ms)) {
        take(a, pairs);
        take(b, pairs++);
    }
    printf("%.3f %.3f %d %.3f %.3f\n", median_ratio(a, b, pairs), a->least_ms / b->least_ms, pairs,
           a->least_ms, b->least_ms);
    return 0;
}

int main(int argc, char **argv)
{
    static struct side a = {.out = "/dev/null"}, b = {.out = "/dev/null"};
    double seconds = 3;
    int most = 100, memory = 0, option;

    while ((option = getopt(argc, argv, "+t:n:o:a:b:m")) != -1) {
        switch (option) {
        case 't': seconds = atof(optarg); break;
        case 'n': most = atoi(optarg); break;
        case 'o': a.out = optarg; break;
        case 'a': a.after = optarg; break;
        case 'b': b.after = optarg; break;
        case 'm': memory = 1; break;
        default: return 2;
        }
    }
    a.command = argv + optind;
    b.command = second_command(a.command);
    if (memory && a.command[0]) {
        struct rusage usage;

        run(a.command, a.out, &usage);
        printf("%ld\n", usage.ru_maxrss);
        return 0;
    }
    if (!a.command[0] || !b.command[0] || most < 1 || most > PAIRS_MOST)
        return 2;
    return compare_sides(&a, &b, seconds, most);
}
