/* grid policy: every key, what it takes, and how it is refused. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(policy, .init = cli_begin, .fini = cli_end);

static const struct {
    const char *words;
    int status;
    const char *said; /* on stdout, or, when it is refused, on stderr */
} steps[] = {
    {"show", 0, "enabled=true"},
    {"set enabled=false max_duration=2h default_duration=30m", 0, "max_duration=2h"},
    {"set protected_time=0 preempt_grace=10s quota.cpu=4 quota.fpga=2", 0, "quota.cpu=4"},
    {"show -o json", 0, "\"quota\": {"},
    {"set enabled=maybe", 2, "'maybe' is neither true nor false"},
    {"set enabled=", 2, "neither true nor false"},
    {"set max_duration=soon", 2, "soon"},
    {"set max_duration=never", 0, "max_duration=never"},
    {"set default_duration", 2, "default_duration"},
    {"set quota=4", 2, "quota"},
    {"set quota.=4", 2, "quota"},
    {"set quota.c/u=4", 2, "c/u"},
    {"set quota.cpu=many", 2, "many"},
    {"set nosuch=1", 2, "nosuch"},
    {"set maxduration=1h", 2, "did you mean 'max_duration'"},
    {"set =1", 2, ""},
    {"unset nosuch", 2, "nosuch"},
    {"unset quota.memory", 0, ""},
    {"unset enabled max_duration quota.cpu", 0, "enabled=true"},
    {"unset quota.fpga protected_time preempt_grace default_duration", 0, "protected_time=10m"},
};

Test(policy, key_by_key)
{
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        const char *before = cli_state_text();
        struct cli_result result = cli("policy %s", steps[i].words);
        const char *said = result.status ? result.err : result.out;

        cr_expect_eq(result.status, steps[i].status, "%s: %d: %s", steps[i].words, result.status,
                     result.err);
        cr_expect(strstr(said, steps[i].said), "%s: no '%s' in: %s", steps[i].words, steps[i].said,
                  said);
        if (result.status && before)
            cli_state_same(before, steps[i].words);
    }
}
