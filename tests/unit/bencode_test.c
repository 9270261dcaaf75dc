#include "dht/bencode.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

static struct qe_span text(const char *s)
{
    return qe_span(s, strlen(s));
}

static void each_case_is_well_formed_canonical_or_neither(void)
{
    enum { BAD, LENIENT, CANONICAL };
    static const struct {
        const char *bytes;
        int is;
    } table[] = {
        {"i0e", CANONICAL},
        {"i-1e", CANONICAL},
        {"i9223372036854775807e", CANONICAL},
        {"i-9223372036854775808e", CANONICAL},
        {"i9223372036854775808e", BAD},
        {"i-9223372036854775809e", BAD},
        {"i99999999999999999999999e", BAD},
        {"i-0e", LENIENT},
        {"i03e", LENIENT},
        {"ie", BAD},
        {"i-e", BAD},
        {"i1", BAD},
        {"i1 e", BAD},
        {"0:", CANONICAL},
        {"3:abc", CANONICAL},
        {"03:abc", LENIENT},
        {"4:abc", BAD},
        {"3:abcd", BAD},
        {":", BAD},
        {"-1:a", BAD},
        {"18446744073709551617:a", BAD},
        {"99999999999999999999999999:a", BAD},
        {"le", CANONICAL},
        {"de", CANONICAL},
        {"li1e3:abcde"
         "e",
            CANONICAL},
        {"d1:ai1e1:bi2ee", CANONICAL},
        {"d1:bi1e1:ai2ee", LENIENT},
        {"d1:ai1e1:ai2ee", LENIENT},
        {"d2:aai1e1:ai2ee", LENIENT},
        {"d1:ai1e2:aai2ee", CANONICAL},
        {"d1:ae", BAD},
        {"d1:a", BAD},
        {"di1ei1ee", BAD},
        {"dlei1ee", BAD},
        {"l", BAD},
        {"e", BAD},
        {"", BAD},
        {"i1ei2e", BAD},
        {"x", BAD},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        bool canonical;
        bool well = qe_bencode_check(text(table[i].bytes), &canonical);
        int is = !well ? BAD : canonical ? CANONICAL : LENIENT;
        if (is != table[i].is) fprintf(stderr, "%s: %d\n", table[i].bytes, is);
        CU_ASSERT_EQUAL(is, table[i].is);
    }
}

static void depth_has_a_limit(void)
{
    uint8_t bytes[2 * QE_BENCODE_DEPTH_MAX + 2];
    size_t depth = QE_BENCODE_DEPTH_MAX;
    memset(bytes, 'l', depth);
    memset(bytes + depth, 'e', depth);
    CU_ASSERT_TRUE(qe_bencode_check(qe_span(bytes, 2 * depth), NULL));
    depth++;
    memset(bytes, 'l', depth);
    memset(bytes + depth, 'e', depth);
    CU_ASSERT_FALSE(qe_bencode_check(qe_span(bytes, 2 * depth), NULL));
}

static void values_keep_their_bytes_and_lie_in_the_input(void)
{
    struct qe_span in = text("d1:ad1:xi-7ee1:bl2:hii4ee1:c04:abcde");
    CU_ASSERT_TRUE_FATAL(qe_bencode_check(in, NULL));
    struct qe_reader r = qe_reader(in);
    struct qe_bencode all = qe_bencode_read(&r);
    struct qe_bencode a = qe_bencode_find(&all, "a", QE_BENCODE_DICTIONARY);
    CU_ASSERT_TRUE(qe_span_equal(a.raw, text("d1:xi-7ee")));
    CU_ASSERT_EQUAL(qe_bencode_find(&a, "x", QE_BENCODE_INTEGER).integer, -7);
    struct qe_bencode c = qe_bencode_find(&all, "c", QE_BENCODE_STRING);
    CU_ASSERT_TRUE(qe_span_equal(c.raw, text("04:abcd")) && qe_span_equal(c.string, text("abcd")));
    CU_ASSERT_TRUE(c.raw.data > in.data && c.raw.data + c.raw.size < in.data + in.size);
    CU_ASSERT_EQUAL(qe_bencode_find(&all, "b", QE_BENCODE_STRING).type, QE_BENCODE_NONE);
    CU_ASSERT_EQUAL(qe_bencode_find(&all, "z", QE_BENCODE_STRING).type, QE_BENCODE_NONE);
    struct qe_bencode b = qe_bencode_find(&all, "b", QE_BENCODE_LIST), item;
    struct qe_reader items = qe_reader(b.string);
    CU_ASSERT_TRUE(qe_bencode_each(&items, &item) && qe_span_equal(item.string, text("hi")));
    CU_ASSERT_TRUE(qe_bencode_each(&items, &item) && item.integer == 4);
    CU_ASSERT_FALSE(qe_bencode_each(&items, &item));
}

static void integers_are_written_as_they_are_read(void)
{
    static const int64_t values[] = {0, 1, -1, 9, 10, 1234567890, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        uint8_t bytes[32];
        struct qe_writer w = qe_writer(bytes, sizeof bytes);
        qe_bencode_write_integer(&w, values[i]);
        bool canonical;
        CU_ASSERT_TRUE(qe_bencode_check(qe_span(bytes, qe_writer_size(&w)), &canonical) && canonical);
        struct qe_reader r = qe_reader(qe_span(bytes, qe_writer_size(&w)));
        CU_ASSERT_EQUAL(qe_bencode_read(&r).integer, values[i]);
    }
}

// Truncated anywhere or with any byte changed, a message is well-formed or not, and its values lie within it.
static void damaged_input_is_read_within_its_bounds(void)
{
    static const char whole[] =
        "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa1:vl3:abci-12ed1:xleee6:target20:bbbbbbbbbbbbbbbbbbbbe1:q3:gete";
    struct unit_random random = unit_random();
    for (int round = 0; round < 20000; round++) {
        size_t size = sizeof whole - 1 - (size_t)(round % 3 == 0 ? unit_random_below(&random, 60) : 0);
        uint8_t *bytes = malloc(size);
        memcpy(bytes, whole, size);
        for (uint64_t i = unit_random_below(&random, 4); i > 0; i--)
            bytes[unit_random_below(&random, size)] = (uint8_t) "dlie0123456789:-x"[unit_random_below(&random, 17)];
        bool well = qe_bencode_check(qe_span(bytes, size), NULL);
        struct qe_reader r = qe_reader(qe_span(bytes, size));
        struct qe_bencode value = qe_bencode_read(&r);
        if (well) CU_ASSERT_TRUE(value.raw.size == size);
        qe_bencode_find(&value, "q", QE_BENCODE_STRING);
        free(bytes);
    }
}

static const struct unit_case cases[] = {
    {"each case is well-formed, canonical or neither", each_case_is_well_formed_canonical_or_neither},
    {"depth has a limit", depth_has_a_limit},
    {"values keep their bytes and lie in the input", values_keep_their_bytes_and_lie_in_the_input},
    {"integers are written as they are read", integers_are_written_as_they_are_read},
    {"damaged input is read within its bounds", damaged_input_is_read_within_its_bounds},
};
UNIT_MAIN("bencode", cases)
