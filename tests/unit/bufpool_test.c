#include "bufpool.h"
#include "unit.h"

#include <string.h>

static struct qe_bufpool pool;

static void a_buffer_has_its_room_and_headroom(void)
{
    qe_bufpool_init(&pool);
    static const uint32_t sizes[] = {
        0, 1, 52, QE_BUFPOOL_TINY_MAX, QE_BUFPOOL_TINY_MAX + 1, 1420, QE_BUFPOOL_SMALL_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct qe_buf *buf = qe_bufpool_small(&pool, sizes[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(buf);
        CU_ASSERT_EQUAL(buf->offset, QE_BUF_HEADROOM);
        CU_ASSERT_EQUAL(buf->size, 0);
        CU_ASSERT(buf->capacity >= buf->offset + sizes[i]);
        CU_ASSERT(buf->capacity <= QE_BUF_HEADROOM + QE_BUFPOOL_SMALL_MAX);
        memset(buf->data, 0xff, buf->capacity);
        CU_ASSERT_FALSE(qe_bufpool_free(&pool, buf));
    }
    struct qe_buf *large = qe_bufpool_large(&pool);
    CU_ASSERT_EQUAL(large->capacity, QE_BUF_SIZE);
    memset(large->data, 0xff, large->capacity);
    large->offset = 3;
    large->size = 5;
    CU_ASSERT_FALSE(qe_bufpool_free(&pool, large));
    // The last one used is the next one lent, and it is empty again.
    struct qe_buf *lent = qe_bufpool_lend(&pool);
    CU_ASSERT_PTR_EQUAL(lent, large);
    CU_ASSERT_EQUAL(lent->offset, QE_BUF_HEADROOM);
    CU_ASSERT_EQUAL(lent->size, 0);
    CU_ASSERT_TRUE(qe_bufpool_free(&pool, lent));
    qe_bufpool_fini(&pool);
}

static void the_credit_is_always_there_however_full_the_pool(void)
{
    static struct qe_buf *taken[QE_BUFPOOL_LARGE_MAX], *lent[QE_BUFPOOL_CREDIT];
    size_t count = 0;
    qe_bufpool_init(&pool);
    while (qe_bufpool_has_large(&pool))
        taken[count++] = qe_bufpool_large(&pool);
    CU_ASSERT_EQUAL(count, QE_BUFPOOL_LARGE_MAX - QE_BUFPOOL_CREDIT);
    CU_ASSERT_PTR_NULL(qe_bufpool_large(&pool));
    for (size_t i = 0; i < QE_BUFPOOL_CREDIT; i++) {
        lent[i] = qe_bufpool_lend(&pool);
        CU_ASSERT_PTR_NOT_NULL_FATAL(lent[i]);
        CU_ASSERT_PTR_NULL(qe_bufpool_large(&pool));
    }
    CU_ASSERT_EQUAL(pool.lists[QE_BUFPOOL_LARGE].count, QE_BUFPOOL_LARGE_MAX);
    for (size_t i = 0; i < QE_BUFPOOL_CREDIT; i++)
        CU_ASSERT_TRUE(qe_bufpool_free(&pool, lent[i]));
    CU_ASSERT_FALSE(qe_bufpool_has_large(&pool));
    qe_bufpool_free(&pool, taken[--count]);
    CU_ASSERT_TRUE(qe_bufpool_has_large(&pool));
    while (count > 0)
        qe_bufpool_free(&pool, taken[--count]);
    qe_bufpool_fini(&pool);
}

static void small_buffers_have_a_maximum(void)
{
    struct qe_buf *list = NULL, *buf;
    size_t count = 0;
    qe_bufpool_init(&pool);
    while ((buf = qe_bufpool_small(&pool, 60)) != NULL) {
        buf->next = list;
        list = buf;
        count++;
    }
    CU_ASSERT_EQUAL(count, QE_BUFPOOL_SMALL_COUNT_MAX);
    while (list) {
        buf = list;
        list = buf->next;
        qe_bufpool_free(&pool, buf);
    }
    qe_bufpool_fini(&pool);
}

static void only_what_nobody_needed_goes_back(void)
{
    struct qe_buf *bufs[20];
    qe_bufpool_init(&pool);
    CU_ASSERT_FALSE(qe_bufpool_is_fat(&pool));
    for (int i = 0; i < 20; i++)
        bufs[i] = qe_bufpool_large(&pool);
    for (int i = 0; i < 20; i++)
        qe_bufpool_free(&pool, bufs[i]);
    CU_ASSERT_TRUE(qe_bufpool_is_fat(&pool));
    // In use until a moment ago: stays.
    qe_bufpool_trim(&pool);
    CU_ASSERT_EQUAL(pool.lists[QE_BUFPOOL_LARGE].count, 20);
    // Seven at a time since then: the others go, but for a few.
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 7; i++)
            bufs[i] = qe_bufpool_large(&pool);
        for (int i = 0; i < 7; i++)
            qe_bufpool_free(&pool, bufs[i]);
    }
    qe_bufpool_trim(&pool);
    CU_ASSERT_EQUAL(pool.lists[QE_BUFPOOL_LARGE].count, 7 + QE_BUFPOOL_KEPT);
    qe_bufpool_trim(&pool);
    CU_ASSERT_EQUAL(pool.lists[QE_BUFPOOL_LARGE].count, QE_BUFPOOL_KEPT);
    CU_ASSERT_FALSE(qe_bufpool_is_fat(&pool));
    qe_bufpool_fini(&pool);
}

static const struct unit_case cases[] = {
    {"a buffer has its room and headroom", a_buffer_has_its_room_and_headroom},
    {"the credit is always there, however full the pool", the_credit_is_always_there_however_full_the_pool},
    {"small buffers have a maximum", small_buffers_have_a_maximum},
    {"only what nobody needed goes back", only_what_nobody_needed_goes_back},
};
UNIT_MAIN("bufpool", cases)
