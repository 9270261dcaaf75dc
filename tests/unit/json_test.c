// The writer's output is compared as text, and read back by jansson for random documents, which knows nothing of it.
#include "observe/json.h"
#include "unit.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static bool finished_is(struct qe_json *w, const char *expected)
{
    struct qe_span out;
    if (!qe_json_finish(w, &out)) return false;
    bool same = out.size == strlen(expected) && strcmp((const char *)out.data, expected) == 0;
    if (!same) fprintf(stderr, "got      %s\nexpected %s\n", (const char *)out.data, expected);
    return same;
}

static void members_and_items_are_separated_by_commas(void)
{
    struct qe_json w;
    qe_json_init(&w, unit_mem(), QE_JSON_SIZE_MAX);
    qe_json_object_begin(&w);
    qe_json_key(&w, "a");
    qe_json_u64(&w, UINT64_MAX);
    qe_json_key(&w, "b");
    qe_json_array_begin(&w);
    qe_json_i64(&w, INT64_MIN);
    qe_json_array_begin(&w);
    qe_json_array_end(&w);
    qe_json_object_begin(&w);
    qe_json_object_end(&w);
    qe_json_null(&w);
    qe_json_array_end(&w);
    qe_json_key(&w, "c");
    qe_json_object_begin(&w);
    qe_json_key(&w, "d");
    qe_json_bool(&w, true);
    qe_json_key(&w, "e");
    qe_json_bool(&w, false);
    qe_json_object_end(&w);
    qe_json_key(&w, "f");
    qe_json_string(&w, "");
    qe_json_object_end(&w);
    CU_ASSERT(finished_is(&w, "{\"a\":18446744073709551615,\"b\":[-9223372036854775808,[],{},null],"
                              "\"c\":{\"d\":true,\"e\":false},\"f\":\"\"}"));
    qe_json_reset(&w);
    qe_json_string(&w, "again");
    CU_ASSERT(finished_is(&w, "\"again\""));
    qe_json_fini(&w);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static void text_is_escaped_and_mended(void)
{
    static const struct {
        const char *in, *out;
    } table[] = {
        {"plain", "plain"},
        {"\"\\/", "\\\"\\\\/"},
        {"\b\f\n\r\t", "\\b\\f\\n\\r\\t"},
        {"\x01\x1f\x7f", "\\u0001\\u001f\x7f"},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\x80", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\x80"},
        {"\x80z", "\xef\xbf\xbdz"},                                               // a lone continuation
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                                 // overlong
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                 // a surrogate
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, // beyond U+10FFFF
        {"\xe2\x82", "\xef\xbf\xbd"},                                             // cut short: one mistake
        {"\xe2\x82\x41", "\xef\xbf\xbd\x41"},
        {"\xf0\x9f\x9a", "\xef\xbf\xbd"},
        {"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"},
    };
    struct qe_json w;
    qe_json_init(&w, unit_mem(), QE_JSON_SIZE_MAX);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char expected[64];
        qe_json_reset(&w);
        qe_json_string(&w, table[i].in);
        snprintf(expected, sizeof(expected), "\"%s\"", table[i].out);
        CU_ASSERT(finished_is(&w, expected));
    }
    qe_json_reset(&w);
    qe_json_text(&w, qe_span("a\0b", 3));
    CU_ASSERT(finished_is(&w, "\"a\\u0000b\""));
    qe_json_fini(&w);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static void keys_are_escaped_too(void)
{
    struct qe_json w;
    qe_json_init(&w, unit_mem(), QE_JSON_SIZE_MAX);
    qe_json_object_begin(&w);
    qe_json_key(&w, "a\"b\xff");
    qe_json_null(&w);
    qe_json_object_end(&w);
    CU_ASSERT(finished_is(&w, "{\"a\\\"b\xef\xbf\xbd\":null}"));
    qe_json_fini(&w);
}

static void what_does_not_fit_fails_and_stays_failed(void)
{
    struct qe_json w;
    struct qe_span out = qe_span("x", 1);
    qe_json_init(&w, unit_mem(), 7);
    qe_json_string(&w, "12345");
    CU_ASSERT(finished_is(&w, "\"12345\""));
    qe_json_reset(&w);
    qe_json_string(&w, "123456");
    CU_ASSERT_FALSE(qe_json_finish(&w, &out));
    CU_ASSERT_EQUAL(out.size, 0);
    qe_json_reset(&w);
    qe_json_array_begin(&w);
    qe_json_string(&w, "123456");
    qe_json_u64(&w, 1); // would fit, but something is missing before it
    qe_json_array_end(&w);
    CU_ASSERT_FALSE(qe_json_finish(&w, &out));
    qe_json_fini(&w);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static void every_failing_allocation_is_remembered(void)
{
    unsigned long nth = 0;
    bool ok;
    do {
        struct qe_json w;
        struct qe_span out;
        qe_json_init(&w, unit_mem(), QE_JSON_SIZE_MAX);
        unit_mem_fail_at(++nth);
        qe_json_array_begin(&w);
        for (unsigned i = 0; i < 1000; i++)
            qe_json_u64(&w, i);
        qe_json_array_end(&w);
        ok = qe_json_finish(&w, &out);
        unit_mem_fail_at(0);
        qe_json_fini(&w);
        CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
    } while (!ok && nth < 100);
    CU_ASSERT(nth > 2 && nth < 100); // grows by doubling: several allocations, not a thousand
}

// Writes a random value with both, ours into `w`, jansson's as a tree.
static json_t *random_value(struct qe_json *w, struct unit_random *r, unsigned depth)
{
    uint64_t pick = unit_random_below(r, depth < 5 ? 7 : 5);
    if (pick == 0) return qe_json_null(w), json_null();
    if (pick == 1) {
        bool value = unit_random_below(r, 2) != 0;
        return qe_json_bool(w, value), json_boolean(value);
    }
    if (pick == 2) {
        int64_t value = (int64_t)unit_random_next(r);
        return qe_json_i64(w, value), json_integer(value);
    }
    if (pick == 3) {
        uint64_t value = unit_random_next(r) >> 1;
        return qe_json_u64(w, value), json_integer((json_int_t)value);
    }
    if (pick == 4) {
        char text[16];
        size_t size = (size_t)unit_random_below(r, sizeof(text));
        for (size_t i = 0; i < size; i++)
            text[i] = (char)unit_random_below(r, 0x80);
        return qe_json_text(w, qe_span(text, size)), json_stringn(text, size);
    }
    uint64_t count = unit_random_below(r, 5);
    json_t *tree = pick == 5 ? json_array() : json_object();
    pick == 5 ? qe_json_array_begin(w) : qe_json_object_begin(w);
    for (uint64_t i = 0; i < count; i++) {
        char key[8];
        snprintf(key, sizeof(key), "k%u", (unsigned)i);
        if (pick == 6) qe_json_key(w, key);
        json_t *child = random_value(w, r, depth + 1);
        if (pick == 6)
            json_object_set_new(tree, key, child);
        else
            json_array_append_new(tree, child);
    }
    pick == 5 ? qe_json_array_end(w) : qe_json_object_end(w);
    return tree;
}

static void random_documents_read_back_as_written(void)
{
    struct unit_random r = unit_random();
    struct qe_json w;
    qe_json_init(&w, unit_mem(), QE_JSON_SIZE_MAX);
    for (int round = 0; round < 2000; round++) {
        qe_json_reset(&w);
        json_t *model = random_value(&w, &r, 0);
        struct qe_span out;
        CU_ASSERT_FATAL(qe_json_finish(&w, &out));
        json_error_t error;
        json_t *read = json_loadb((const char *)out.data, out.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
        CU_ASSERT_PTR_NOT_NULL_FATAL(read);
        CU_ASSERT(json_equal(model, read));
        json_decref(read);
        json_decref(model);
    }
    qe_json_fini(&w);
}

static const struct unit_case cases[] = {
    {"members and items are separated by commas", members_and_items_are_separated_by_commas},
    {"text is escaped and mended", text_is_escaped_and_mended},
    {"keys are escaped too", keys_are_escaped_too},
    {"what does not fit fails and stays failed", what_does_not_fit_fails_and_stays_failed},
    {"every failing allocation is remembered", every_failing_allocation_is_remembered},
    {"random documents read back as written", random_documents_read_back_as_written},
};
UNIT_MAIN("json", cases)
