/* What the escapes in texts of JSON say: held against cJSON, and cut at whole characters. */
#include "util/json.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <string.h>

static const char *const texts[] = {
    "\"\"",
    "\"plain\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\\\u0041\"",
    "\"\\u0001\\u0041\\u007f\\u0080\\u00E4\"",
    "\"\\u07ff\\u0800\\u20ac\\ud7ff\\ue000\\uffff\"",
    "\"\\ud800\\udc00\\uD83D\\uDE80\\udbff\\udfff\"",
    "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x9a\x80 \\ud83d\\ude80 \xe2\x82\xac\\u20ac.\"",
};

Test(json_text, says_what_cjson_says)
{
    for (size_t i = 0; i < countof(texts); i++) {
        cJSON *wanted = cJSON_Parse(texts[i]);
        char text[64];
        cr_expect(json_text((struct span){texts[i], strlen(texts[i])}, text, sizeof(text)));
        cr_expect_str_eq(text, wanted->valuestring, "%s", texts[i]);
        cJSON_Delete(wanted);
    }
}

/* Of each size: as many whole characters as fit, and no byte beyond. */
Test(json_text, cuts_at_whole_characters)
{
    for (size_t i = 0; i < countof(texts); i++) {
        struct span value = {texts[i], strlen(texts[i])};
        char whole[64];
        json_text(value, whole, sizeof(whole));
        size_t length = strlen(whole);
        for (size_t size = 1; size <= length + 1; size++) {
            char text[65];
            memset(text, '#', sizeof(text));
            bool fits = json_text(value, text, size);
            size_t wanted = size - 1;
            while (wanted < length && wanted > 0 && ((unsigned char)whole[wanted] & 0xc0) == 0x80)
                wanted--;
            cr_expect_eq(fits, size > length, "%s, %zu", texts[i], size);
            cr_expect_eq(strlen(text), wanted, "%s, %zu: %s", texts[i], size, text);
            cr_expect_eq(memcmp(text, whole, wanted), 0, "%s, %zu: %s", texts[i], size, text);
            cr_expect_eq(text[size], '#', "%s, %zu", texts[i], size);
        }
    }
}
