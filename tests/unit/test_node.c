/* Nodes and the policy: their JSON there and back, and what may be lent. */
#include "model/node_record.h"
#include "unit/records.h"

#define NODE                                                                                      \
    "{\"node_id\":\"a\",\"capacity\":{\"CPU\":8.0},\"keep\":{\"CPU\":2.0},\"lend\":{\"CPU\":5.0}," \
    "\"borrow\":{\"CPU\":0.0},\"can_share\":true,\"tags\":[\"t\"],\"labels\":{\"k\":\"v\"},"      \
    "\"hold\":{\"until\":null,\"reason\":\"r\"},"                                                 \
    "\"first_seen\":\"2026-01-23T20:00:23.954754+00:00\","                                        \
    "\"last_seen\":\"2026-01-23T20:00:23.954754+00:00\",\"stale_after\":60.0,\"x\":[1, 2]}"

Test(node, comes_back_as_it_was)
{
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    struct json json = json_begin(&out, -1);
    struct grid_node node;
    struct grid_error err = {0};
    cr_assert_eq(node_record_read(span_of(NODE), &node, &err), 0, "%s", err.message);
    node_record_write(&json, span_of(NODE), &node);
    const char *text = buffer_string(&out);
    cr_expect(strncmp(text, NODE, sizeof(NODE) - 8) == 0, "%s", text);
    cr_expect_not_null(strstr(text, "\"x\":[1"), "%s", text);
    cr_expect_eq(grid_node_lendable(&node, "CPU"), 5 * GRID_AMOUNT_UNIT);
    cr_expect_eq(grid_node_lendable(&node, "GPU"), 0);
    cr_expect(grid_node_is_held(&node, 0));
    cr_expect(!grid_node_is_stale(&node, node.last_seen_us + GRID_MINUTE));
    cr_expect(grid_node_is_stale(&node, node.last_seen_us + GRID_MINUTE + 1));
    node.can_share = false;
    cr_expect_eq(grid_node_lendable(&node, "CPU"), 0);
}
