/* grid import into a ledger that holds something: what merges, what does not, and what goes. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <string.h>

/* Puts a ledger with nodes, a group with a device, a reservation and a ticket into base.json. */
static void begin(void)
{
    cli_begin();
    cli_expect(cli_shell("jq '.waiting[0].expires_at = \"2099-01-01T00:00:00Z\" |"
                         ".boosts |= .[:4] | del(.nodes[0].lend) |"
                         ".waiting[0].needs.CPU = 7' '%s' >$HOME/base.json",
                         cli_source("tests/fuzz/corpus/import/managed.json")), 0);
    cli_expect(cli("import %s/base.json", cli_home()), 0);
}

TestSuite(merge, .init = begin, .fini = cli_end);

static const struct {
    const char *filter, *mode;
    int status;
    const char *said; /* on stderr */
} documents[] = {
    {".", "--merge", 0, ""},
    {".", "", 6, ""},
    {".waiting[0].target_node = \"gpu1\"", "--merge", 0, ""}, /* it waits there */
    {".nodes[0].role = \"master\"", "--merge", 6, "node"},
    {".boosts[0].amount = 3", "--merge", 6, "boost"},
    {".policy.enabled = false", "--merge", 6, "policy"},
    {".boosts |= map(select(.devices) | .boost_id = \"twice-1\" | del(.group_id))", "--merge", 4,
     "device 0 of 'gpu1' would be lent twice"},
    {".boosts |= [.[0] | .boost_id = \"more-1\" | del(.group_id) | .amount = 7]", "--merge", 4,
     "would lend"},
    {".boosts |= [.[0] | .boost_id = \"some-1\" | del(.group_id) | .amount = 1]", "--merge", 0, ""},
    {".boosts[0].token = 4503599627370496", "--replace", 2, "its token is too large"},
    {".revision = 4503599627370495", "--replace", 2, "revision is too large"},
    {".boosts[1].boost_id = .boosts[0].boost_id", "--replace", 2, "same id"},
    {".boosts[0].amount = -1", "--replace", 2, "boost 0 of the document"},
    {".nodes[0].node_id = \"a/b\"", "--replace", 2, "node 0 of the document"},
    {".unsound = [{\"of\": \"boosts\", \"text\": \"{}\"}]", "--replace", 0, ""},
    {".unsound = [{\"of\": \"nosuch\", \"text\": \"{}\"}]", "--replace", 2, ""},
    {".unsound = [1]", "--replace", 2, ""},
    {".unsound = [{\"of\": \"boosts\", \"text\": \"\"}]", "--replace", 2, ""},
    {".created_at = \"soon\"", "--replace", 2, "created_at"},
    {".revision = \"one\"", "--replace", 2, ""},
    {".boosts = {}", "--replace", 2, ""},
    {".boosts = [] | .nodes = [] | del(.waiting)", "--replace", 0, ""},
};

Test(merge, as_the_mode_says_or_not_at_all)
{
    size_t step = cli_too_slow("every sixth of the documents") ? 6 : 1;

    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i += step) {
        const char *before;
        struct cli_result result;

        cli_expect(cli("import %s/base.json --replace", cli_home()), 0);
        before = cli_state_text();
        cli_expect(cli_shell("jq '%s' $HOME/base.json >$HOME/in.json", documents[i].filter), 0);
        result = cli("import %s/in.json %s", cli_home(), documents[i].mode);
        cr_expect_eq(result.status, documents[i].status, "%s %s: %d: %s", documents[i].filter,
                     documents[i].mode, result.status, result.err);
        cr_expect(strstr(result.err, documents[i].said), "%s: no '%s' in: %s",
                  documents[i].filter, documents[i].said, result.err);
        if (result.status != 0)
            cli_state_same(before, documents[i].filter);
    }
    if (step > 1)
        return;
    cr_expect_eq(cli_boosts(), 0);
    cr_expect_eq(cli_count(cli_state(), "waiting"), -1);
}
