#include "dht/network.h"
#include "dht/shortlist.h"
#include "dht/table.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

static struct unit_random dice;

static void draw(void *user, uint8_t *out, size_t size)
{
    (void)user;
    unit_random_fill(&dice, out, size);
}

static struct qe_dht_options options(bool exempt)
{
    return (struct qe_dht_options){.mem = unit_mem(), .random = draw, .exempt_private = exempt};
}

// A node that shares `bits` bits with the own ID of zeros, in a network of its own unless `net` is less than 256.
static struct qe_dht_contact node(unsigned bits, unsigned index, unsigned net)
{
    struct qe_dht_contact c = {.addr = {.port = 9}};
    c.id.bytes[bits / 8] = (uint8_t)(0x80 >> bits % 8);
    c.id.bytes[18] = (uint8_t)(index >> 8);
    c.id.bytes[19] = (uint8_t)index;
    c.addr.ip = qe_ip4((uint8_t)(11 + index / 200), (uint8_t)(index % 200), (uint8_t)net, 7);
    return c;
}

static enum qe_dht_heard hear(struct qe_dht_table *t, struct qe_dht_contact c, bool replied, uint32_t s)
{
    struct qe_dht_contact ask;
    return qe_dht_table_heard(t, &c, replied, 1000, s, &ask);
}

static bool has(const struct qe_dht_table *t, struct qe_dht_contact c)
{
    return qe_dht_table_has(t, &c);
}

static void who_never_answered_is_not_let_in(void)
{
    struct qe_dht_table t;
    struct qe_dht_options o = options(false);
    qe_dht_table_init(&t, &o, 4);
    CU_ASSERT_EQUAL(hear(&t, node(0, 1, 0), false, 10), QE_DHT_HEARD_WANTED);
    CU_ASSERT_EQUAL(t.count, 0);
    CU_ASSERT_EQUAL(hear(&t, node(0, 1, 0), true, 11), QE_DHT_HEARD_NEW);
    CU_ASSERT_EQUAL(hear(&t, node(0, 1, 0), false, 12), QE_DHT_HEARD_KNOWN);
    struct qe_dht_contact self = {.id = t.id, .addr = {.ip = qe_ip4(11, 1, 1, 1), .port = 9}};
    CU_ASSERT_EQUAL(hear(&t, self, true, 12), QE_DHT_HEARD_REFUSED);
    qe_dht_table_fini(&t);
}

static void good_nodes_stay(void)
{
    struct qe_dht_table t;
    struct qe_dht_options o = options(false);
    qe_dht_table_init(&t, &o, 4);
    for (unsigned i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(hear(&t, node(3, i, 0), true, 100), QE_DHT_HEARD_NEW);
    struct qe_dht_contact late = node(3, 20, 0), ask;
    CU_ASSERT_EQUAL(qe_dht_table_heard(&t, &late, true, 1, 200, &ask), QE_DHT_HEARD_SPARE);
    CU_ASSERT_EQUAL(ask.addr.port, 0); // nobody is in doubt
    // A quarter of an hour later the one that was silent for longest is.
    for (unsigned i = 1; i < 8; i++)
        hear(&t, node(3, i, 0), true, 900);
    CU_ASSERT_EQUAL(qe_dht_table_heard(&t, &late, true, 1, 1001, &ask), QE_DHT_HEARD_SPARE);
    struct qe_dht_contact first = node(3, 0, 0);
    CU_ASSERT(qe_node_id_equal(&ask.id, &first.id));
    // It fails twice, and the newcomer has its place.
    CU_ASSERT_EQUAL(qe_dht_table_failed(&t, &first), QE_DHT_FAILED_ONCE);
    CU_ASSERT(has(&t, first) && !has(&t, late));
    CU_ASSERT_EQUAL(qe_dht_table_failed(&t, &first), QE_DHT_FAILED_BAD);
    CU_ASSERT(!has(&t, first) && has(&t, late));
    CU_ASSERT_EQUAL(t.count, 8);
    qe_dht_table_fini(&t);
}

static void a_bad_node_without_a_replacement_is_kept_for_a_while(void)
{
    struct qe_dht_table t;
    struct qe_dht_options o = options(false);
    qe_dht_table_init(&t, &o, 4);
    struct qe_dht_contact c = node(3, 0, 0), out;
    hear(&t, c, true, 100);
    uint32_t due, last = 0;
    for (int i = 1; i < QE_DHT_FAILS_MAX; i++) {
        qe_dht_table_failed(&t, &c);
        CU_ASSERT(has(&t, c) && qe_dht_table_due(&t, 300, 0, &out, &due));
        CU_ASSERT(due == 400 || due > last); // asked ever more seldom
        last = due;
    }
    CU_ASSERT_EQUAL(qe_dht_table_closest(&t, &c.id, QE_DHT_GOOD_ONLY, 101, &out, 1), 0);
    CU_ASSERT_EQUAL(qe_dht_table_closest(&t, &c.id, QE_DHT_ANY, 101, &out, 1), 1);
    qe_dht_table_failed(&t, &c);
    CU_ASSERT(!has(&t, c));
    qe_dht_table_fini(&t);
}

static void one_network_has_one_place_in_a_bucket(void)
{
    struct qe_dht_table t;
    struct qe_dht_options o = options(false);
    qe_dht_table_init(&t, &o, 4);
    struct qe_dht_contact a = node(3, 1, 5), b = node(3, 2, 5), other = node(4, 2, 5);
    a.addr.ip = qe_ip4(20, 1, 5, 1);
    b.addr.ip = qe_ip4(20, 1, 5, 2);
    other.addr.ip = b.addr.ip;
    CU_ASSERT_EQUAL(hear(&t, a, true, 1), QE_DHT_HEARD_NEW);
    CU_ASSERT_EQUAL(hear(&t, b, true, 1), QE_DHT_HEARD_REFUSED);
    CU_ASSERT_EQUAL(hear(&t, other, true, 1), QE_DHT_HEARD_NEW);
    // Of a /16, a quarter.
    b.addr.ip = qe_ip4(20, 1, 6, 2);
    CU_ASSERT_EQUAL(hear(&t, b, true, 1), QE_DHT_HEARD_NEW);
    struct qe_dht_contact c = node(3, 3, 5);
    c.addr.ip = qe_ip4(20, 1, 7, 2);
    CU_ASSERT_EQUAL(hear(&t, c, true, 1), QE_DHT_HEARD_REFUSED);
    // When one of them is bad, the newcomer has its place.
    qe_dht_table_failed(&t, &b);
    qe_dht_table_failed(&t, &b);
    CU_ASSERT_EQUAL(hear(&t, c, true, 1), QE_DHT_HEARD_NEW);
    CU_ASSERT(!has(&t, b));
    qe_dht_table_fini(&t);

    o = options(true);
    qe_dht_table_init(&t, &o, 4);
    for (unsigned i = 0; i < 8; i++) {
        a = node(3, i, 0);
        a.addr.ip = qe_ip4(192, 168, 0, (uint8_t)i);
        CU_ASSERT_EQUAL(hear(&t, a, true, 1), QE_DHT_HEARD_NEW);
    }
    qe_dht_table_fini(&t);
}

static void an_id_stays_where_it_answers(void)
{
    struct qe_dht_table t;
    struct qe_dht_options o = options(false);
    qe_dht_table_init(&t, &o, 4);
    struct qe_dht_contact a = node(3, 1, 5), thief = a;
    thief.addr.ip = qe_ip4(30, 1, 1, 1);
    hear(&t, a, true, 1);
    CU_ASSERT_EQUAL(hear(&t, thief, true, 2), QE_DHT_HEARD_REFUSED);
    CU_ASSERT(has(&t, a));
    qe_dht_table_failed(&t, &a);
    CU_ASSERT_EQUAL(hear(&t, thief, true, 3), QE_DHT_HEARD_NEW); // it moved
    CU_ASSERT(!has(&t, a));
    qe_dht_table_fini(&t);
}

static const struct qe_node_id *compare_target;
static int by_distance(const void *a, const void *b)
{
    return qe_dht_compare_distance(
        compare_target, &((const struct qe_dht_contact *)a)->id, &((const struct qe_dht_contact *)b)->id);
}

// Beside the walk over buckets: all good nodes, sorted.
static void the_closest_are_those_of_a_sorted_list(void)
{
    dice = unit_random();
    struct qe_dht_table t;
    struct qe_dht_options o = options(false);
    draw(NULL, o.id.bytes, 20);
    qe_dht_table_init(&t, &o, 4);
    static struct qe_dht_node_info infos[2000];
    static struct qe_dht_contact all[2000];
    for (unsigned round = 0; round < 3000; round++) {
        struct qe_dht_contact c = {.id = o.id, .addr = {.port = 7}};
        unsigned bits = (unsigned)unit_random_below(&dice, 24);
        uint8_t bytes[20];
        draw(NULL, bytes, 20);
        for (unsigned b = bits; b < 160; b++)
            c.id.bytes[b / 8] = (uint8_t)(c.id.bytes[b / 8] ^ (bytes[b / 8] & (0x80 >> b % 8)));
        if (qe_node_id_equal(&c.id, &o.id)) continue;
        c.addr.ip = qe_ip4((uint8_t)(11 + bytes[0] % 80), bytes[1], bytes[2], bytes[3]);
        hear(&t, c, true, round);
        size_t count = qe_dht_table_nodes(&t, round, infos, 2000), good = 0;
        if (count > 0 && bytes[4] < 100) {
            struct qe_dht_contact victim = infos[bytes[5] % count].contact;
            qe_dht_table_failed(&t, &victim);
            if (bytes[6] < 128) qe_dht_table_failed(&t, &victim);
            count = qe_dht_table_nodes(&t, round, infos, 2000);
        }
        size_t entries = 0;
        for (size_t i = 0; i < count; i++) {
            entries += !infos[i].replacement;
            if (infos[i].good && !infos[i].replacement) all[good++] = infos[i].contact;
        }
        CU_ASSERT_EQUAL_FATAL(entries, t.count);
        struct qe_node_id target;
        draw(NULL, target.bytes, 20);
        if (round % 3 == 0 && good) target = all[bytes[7] % good].id;
        compare_target = &target;
        qsort(all, good, sizeof all[0], by_distance);
        struct qe_dht_contact out[16];
        size_t max = 1 + bytes[8] % 16u, got = qe_dht_table_closest(&t, &target, QE_DHT_GOOD_ONLY, round, out, max);
        CU_ASSERT_EQUAL_FATAL(got, good < max ? good : max);
        for (size_t i = 0; i < got; i++)
            CU_ASSERT_FATAL(qe_node_id_equal(&out[i].id, &all[i].id));
        CU_ASSERT_EQUAL(qe_dht_table_good(&t, round), good);
    }
    qe_dht_table_fini(&t);
    CU_ASSERT(unit_mem_outstanding() == 0);
}

static void a_sample_is_of_all_buckets(void)
{
    dice = unit_random();
    struct qe_dht_table t;
    struct qe_dht_options o = options(false);
    qe_dht_table_init(&t, &o, 4);
    for (unsigned b = 0; b < 10; b++)
        for (unsigned i = 0; i < 8; i++)
            hear(&t, node(b, b * 8 + i, 0), true, 1);
    unsigned seen[10] = {0};
    for (int n = 0; n < 400; n++) {
        struct qe_dht_contact out[20];
        CU_ASSERT_EQUAL(qe_dht_table_sample(&t, &o, 2, out, 20), 20);
        for (int i = 0; i < 20; i++)
            seen[qe_dht_common_bits(&t.id, &out[i].id)]++;
    }
    for (int b = 0; b < 10; b++)
        CU_ASSERT(seen[b] > 650 && seen[b] < 950); // 800 of each on average
    qe_dht_table_fini(&t);
}

static void a_contact_that_is_known_longest_comes_first(void)
{
    struct qe_dht_table t;
    struct qe_dht_options o = options(false);
    qe_dht_table_init(&t, &o, 4);
    for (unsigned i = 0; i < 40; i++)
        hear(&t, node(i % 5, i, 0), true, 100 - i);
    struct qe_dht_contact out[40];
    CU_ASSERT_EQUAL(qe_dht_table_contacts(&t, 101, out, 40), 40);
    for (unsigned i = 0; i < 40; i++)
        CU_ASSERT_EQUAL(out[i].id.bytes[19], 39 - i);
    qe_dht_table_fini(&t);
}

static void an_entry_is_small(void)
{
    struct qe_dht_table t;
    struct qe_dht_options o = options(false);
    qe_dht_table_init(&t, &o, 4);
    // As many as a node among a million has: 17 full buckets with all their replacements.
    for (unsigned b = 0; b < 17; b++)
        for (unsigned i = 0; i < 20; i++)
            hear(&t, node(b, b * 20 + i, 0), true, 1);
    CU_ASSERT_EQUAL(t.count, 17 * 8);
    CU_ASSERT(qe_dht_table_memory(&t) <= 8704);
    qe_dht_table_fini(&t);
}

static void a_shortlist_asks_three_and_then_all(void)
{
    struct qe_dht_options o = options(false);
    struct qe_node_id target = {{0}};
    struct qe_dht_shortlist list;
    qe_dht_shortlist_init(&list, &o, &target);
    for (unsigned i = 0; i < 30; i++) {
        struct qe_dht_contact c = node(0, 29 - i, 0);
        CU_ASSERT_EQUAL(qe_dht_shortlist_add(&list, &c, true, 1), true); // each is closer than the last
    }
    struct qe_dht_candidate *c;
    unsigned asked = 0;
    for (; (c = qe_dht_shortlist_next(&list, 8)) != NULL; asked++)
        c->state = QE_DHT_ASKED;
    CU_ASSERT(asked == 3 && !qe_dht_shortlist_done(&list, 8));
    CU_ASSERT_EQUAL(list.items[0].contact.id.bytes[19], 0);
    list.idle_answers = 3;
    for (; (c = qe_dht_shortlist_next(&list, 8)) != NULL; asked++)
        c->state = QE_DHT_ASKED;
    CU_ASSERT_EQUAL(asked, 8);
    // One is late, and the ninth is asked in its place; the late one is not waited for once eight have answered.
    list.items[2].state = QE_DHT_SILENT;
    c = qe_dht_shortlist_next(&list, 8);
    CU_ASSERT(c == &list.items[8]);
    for (int i = 0; i < 9; i++)
        if (i != 2) list.items[i].state = QE_DHT_ANSWERED;
    CU_ASSERT(qe_dht_shortlist_done(&list, 8));
    CU_ASSERT(!qe_dht_shortlist_done(&list, 9));
    qe_dht_shortlist_fini(&list);
}

static void a_shortlist_is_diverse_and_bounded(void)
{
    struct qe_dht_options o = options(false);
    struct qe_node_id target = {{0}};
    struct qe_dht_shortlist list;
    qe_dht_shortlist_init(&list, &o, &target);
    unsigned of_one = 0;
    for (unsigned i = 0; i < 200; i++) {
        struct qe_dht_contact c = node(100, i, 0);
        c.addr.ip = qe_ip4(50, 60, (uint8_t)i, 1);
        qe_dht_shortlist_add(&list, &c, true, 1);
        c.addr.ip.bytes[3] = 2;
        c.id.bytes[17] = 1;
        qe_dht_shortlist_add(&list, &c, true, 1);
    }
    for (unsigned i = 0; i < list.count; i++)
        of_one += list.items[i].contact.addr.ip.bytes[0] == 50;
    CU_ASSERT_EQUAL(of_one, QE_DHT_PROVIDER_MAX);
    // The target itself is always welcome.
    struct qe_dht_contact exact = {.id = target, .addr = {.ip = qe_ip4(50, 60, 1, 77), .port = 1}};
    CU_ASSERT(qe_dht_shortlist_add(&list, &exact, true, 1));
    for (unsigned i = 0; i < 1000; i++) {
        struct qe_dht_contact c = node(20, i, 0);
        qe_dht_shortlist_add(&list, &c, true, 1);
        CU_ASSERT(list.count <= QE_DHT_CANDIDATES_MAX);
    }
    CU_ASSERT_EQUAL(list.count, QE_DHT_CANDIDATES_MAX);
    for (unsigned i = 1; i < list.count; i++)
        CU_ASSERT(qe_dht_compare_distance(&target, &list.items[i - 1].contact.id, &list.items[i].contact.id) < 0);
    // A shorter way to somebody is noted.
    struct qe_dht_contact far = list.items[5].contact;
    list.items[5].depth = 4;
    qe_dht_shortlist_add(&list, &far, true, 2);
    CU_ASSERT_EQUAL(list.items[5].depth, 2);
    qe_dht_shortlist_fini(&list);
    CU_ASSERT(unit_mem_outstanding() == 0);
}

static const struct unit_case cases[] = {
    {"who never answered is not let in", who_never_answered_is_not_let_in},
    {"good nodes stay, and silent ones give way", good_nodes_stay},
    {"a bad node without a replacement is kept for a while", a_bad_node_without_a_replacement_is_kept_for_a_while},
    {"one network has one place in a bucket", one_network_has_one_place_in_a_bucket},
    {"an ID stays where it answers", an_id_stays_where_it_answers},
    {"the closest are those of a sorted list", the_closest_are_those_of_a_sorted_list},
    {"a sample is of all buckets", a_sample_is_of_all_buckets},
    {"a contact that is known longest comes first", a_contact_that_is_known_longest_comes_first},
    {"an entry is small", an_entry_is_small},
    {"a shortlist asks three, and then all", a_shortlist_asks_three_and_then_all},
    {"a shortlist is diverse and bounded", a_shortlist_is_diverse_and_bounded},
};

UNIT_MAIN("dht_table", cases)
