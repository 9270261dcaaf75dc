#include "base/table.h"
#include "unit.h"

#include <string.h>

#define KEYS 400

static const uint8_t secret[16] = {1, 2, 3};

// The naive model: an array in insertion order.
struct model {
    uint32_t keys[KEYS];
    void *values[KEYS];
    size_t count;
};

static size_t model_find(const struct model *m, uint32_t key)
{
    size_t i = 0;
    while (i < m->count && m->keys[i] != key)
        i++;
    return i;
}

static void it_agrees_with_an_array_over_random_operations(void)
{
    struct unit_random random = unit_random();
    static int things[KEYS];
    struct model model = {.count = 0};
    struct qe_table *table = qe_table_new(unit_mem(), 4, KEYS, secret);
    CU_ASSERT_PTR_NOT_NULL_FATAL(table);
    for (int step = 0; step < 50000; step++) {
        uint32_t key = (uint32_t)unit_random_below(&random, KEYS + 20);
        size_t at = model_find(&model, key);
        void *expected = at < model.count ? model.values[at] : NULL;
        CU_ASSERT_PTR_EQUAL(qe_table_get(table, &key), expected);
        if (expected) {
            CU_ASSERT_PTR_EQUAL(qe_table_remove(table, &key), expected);
            model.count--;
            memmove(model.keys + at, model.keys + at + 1, (model.count - at) * sizeof model.keys[0]);
            memmove(model.values + at, model.values + at + 1, (model.count - at) * sizeof model.values[0]);
        } else {
            CU_ASSERT_PTR_NULL(qe_table_remove(table, &key));
            int got = qe_table_put(table, &key, &things[step % KEYS]);
            CU_ASSERT_EQUAL(got, model.count == KEYS ? -1 : 0);
            if (got == 0) {
                model.keys[model.count] = key;
                model.values[model.count++] = &things[step % KEYS];
            }
        }
        CU_ASSERT_EQUAL(qe_table_count(table), model.count);
        if (step % 100 == 0) {
            size_t cursor = 0;
            for (size_t i = 0; i < model.count; i++)
                CU_ASSERT_PTR_EQUAL(qe_table_each(table, &cursor), model.values[i]);
            CU_ASSERT_PTR_NULL(qe_table_each(table, &cursor));
        }
    }
    qe_table_free(table);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static void it_refuses_what_is_beyond_its_maximum(void)
{
    struct qe_table *table = qe_table_new(unit_mem(), 1, 2, secret);
    uint8_t a = 1, b = 2, c = 3;
    CU_ASSERT_EQUAL(qe_table_put(table, &a, &a), 0);
    CU_ASSERT_EQUAL(qe_table_put(table, &b, &b), 0);
    CU_ASSERT_EQUAL(qe_table_put(table, &c, &c), -1);
    CU_ASSERT_PTR_EQUAL(qe_table_remove(table, &a), &a);
    CU_ASSERT_EQUAL(qe_table_put(table, &c, &c), 0);
    qe_table_free(table);
}

static void it_stays_whole_where_memory_runs_out(void)
{
    for (unsigned long nth = 1; nth < 8; nth++) {
        unit_mem_fail_at(nth);
        struct qe_table *table = qe_table_new(unit_mem(), 2, 1000, secret);
        uint16_t put = 0;
        while (table && put < 40) {
            int got = qe_table_put(table, &put, &put);
            if (got == -2) continue; // once only: the next attempt has memory
            CU_ASSERT_EQUAL(got, 0);
            put++;
        }
        for (uint16_t key = 0; table && key < put; key++)
            CU_ASSERT_PTR_EQUAL(qe_table_get(table, &key), &put);
        unit_mem_fail_at(0);
        qe_table_free(table);
        CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
    }
}

static const struct unit_case cases[] = {
    {"it agrees with an array over random operations", it_agrees_with_an_array_over_random_operations},
    {"it refuses what is beyond its maximum", it_refuses_what_is_beyond_its_maximum},
    {"it stays whole where memory runs out", it_stays_whole_where_memory_runs_out},
};
UNIT_MAIN("table", cases)
