/* Many processes want what only some of them can have. */
#include "support/cli.h"

#include <criterion/criterion.h>

#define RACERS 30

TestSuite(race, .init = cli_begin, .fini = cli_end);

Test(race, ten_cores_for_thirty)
{
    struct cli_child racers[RACERS];
    int granted = 0, refused = 0;
    if (cli_too_slow("thirty processes"))
        return;
    cli_expect(cli("node add lender cpu=10"), 0);
    cli_expect(cli("node add borrower cpu=1"), 0);
    for (int i = 0; i < RACERS; i++)
        racers[i] = cli_start("boost request borrower cpu 1 -q --lock-timeout 60s");
    for (int i = 0; i < RACERS; i++) {
        struct cli_result result = cli_wait(racers[i]);
        granted += result.status == 0;
        refused += result.status == 4;
    }
    cr_expect_eq(granted, 10, "%d granted", granted);
    cr_expect_eq(refused, 20, "%d refused", refused);
    cr_expect_eq(cli_boosts(), 10);
}
