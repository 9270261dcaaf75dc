// Limits, ends and fairness of what is stored for others, and what a flood can do to it.
#include "base/time.h"
#include "dht/krpc.h"
#include "dht/store.h"
#include "dht_signer.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static const uint8_t secret[16] = {3};

static struct qe_dht_store *store_new(void)
{
    struct qe_dht_store *store = qe_dht_store_new(unit_mem(), secret);
    CU_ASSERT_PTR_NOT_NULL_FATAL(store);
    return store;
}

static void store_end(struct qe_dht_store *store)
{
    qe_dht_store_free(store);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static struct qe_dht_store_stats stats_of(const struct qe_dht_store *store)
{
    struct qe_dht_store_stats stats;
    qe_dht_store_stats(store, &stats);
    return stats;
}

// An immutable item of its own from that address.
static int put_numbered(struct qe_dht_store *store, unsigned n, struct qe_ip from, uint64_t now_ns)
{
    char value[32];
    struct qe_dht_item item = {.value = qe_span(value, (size_t)snprintf(value, sizeof value, "i%ue", n))};
    return qe_dht_store_item(store, &item, NULL, &from, now_ns);
}

static bool has_numbered(struct qe_dht_store *store, unsigned n)
{
    char value[32];
    struct qe_dht_item item = {.value = qe_span(value, (size_t)snprintf(value, sizeof value, "i%ue", n))}, out;
    struct qe_node_id target = qe_dht_item_target(&item);
    return qe_dht_store_find_item(store, &target, &out) && qe_span_equal(out.value, item.value);
}

static void one_address_and_one_key_have_limits(void)
{
    struct qe_dht_store *store = store_new();
    struct qe_ip from = qe_ip4(192, 0, 2, 1);
    unsigned stored = 0;
    for (unsigned i = 0; i < 1000; i++)
        stored += put_numbered(store, i, from, 0) == 0;
    CU_ASSERT_EQUAL(stored, QE_DHT_ITEMS_ADDRESS_MAX);
    struct dht_signer owner = dht_signer(1);
    stored = 0;
    for (unsigned i = 0; i < 100; i++) {
        char salt[16];
        snprintf(salt, sizeof salt, "%u", i);
        struct qe_dht_item item = dht_item(&owner, salt, 1, "i1e");
        struct qe_ip ip = qe_ip4(10, 0, (uint8_t)i, 1);
        stored += qe_dht_store_item(store, &item, NULL, &ip, 0) == 0;
    }
    CU_ASSERT_EQUAL(stored, QE_DHT_ITEMS_OWNER_MAX);
    store_end(store);
}

static void a_flood_from_one_network_takes_no_place_of_others(void)
{
    struct qe_dht_store *store = store_new();
    // 64 networks with ten items each, then a /24 that stores all it can, with 256 addresses.
    for (unsigned i = 0; i < 640; i++)
        CU_ASSERT_EQUAL(put_numbered(store, i, qe_ip4(10, (uint8_t)(i / 10), 0, 1), 0), 0);
    for (unsigned i = 0; i < 20000; i++)
        put_numbered(store, 1000 + i, qe_ip4(203, 0, 113, (uint8_t)i), 1);
    CU_ASSERT_EQUAL(stats_of(store).items, QE_DHT_ITEMS_MAX);
    for (unsigned i = 0; i < 640; i++)
        CU_ASSERT_TRUE(has_numbered(store, i));
    // Others still get in, at the flood's expense.
    for (unsigned i = 640; i < 1000; i++)
        CU_ASSERT_EQUAL(put_numbered(store, i, qe_ip4(11, (uint8_t)(i / 10), 0, 1), 2), 0);
    for (unsigned i = 0; i < 1000; i++)
        CU_ASSERT_TRUE(has_numbered(store, i));
    CU_ASSERT_EQUAL(stats_of(store).items, QE_DHT_ITEMS_MAX);
    CU_ASSERT_EQUAL(stats_of(store).evicted, 360);
    store_end(store);
}

static void everything_ends(void)
{
    struct qe_dht_store *store = store_new();
    struct qe_ip from = qe_ip4(192, 0, 2, 1);
    CU_ASSERT_EQUAL(qe_dht_store_deadline(store), QE_TIME_NEVER);
    put_numbered(store, 1, from, 0);
    put_numbered(store, 2, from, 100 * QE_NS_PER_S);
    put_numbered(store, 1, from, 200 * QE_NS_PER_S); // prolonged
    CU_ASSERT_EQUAL(qe_dht_store_deadline(store), (100 + QE_DHT_ITEM_LIFE_S) * QE_NS_PER_S);
    qe_dht_store_expire(store, (100 + QE_DHT_ITEM_LIFE_S) * QE_NS_PER_S);
    CU_ASSERT_TRUE(has_numbered(store, 1) && !has_numbered(store, 2));
    qe_dht_store_expire(store, (200 + QE_DHT_ITEM_LIFE_S) * QE_NS_PER_S);
    CU_ASSERT_TRUE(stats_of(store).items == 0 && stats_of(store).bytes == 0 && stats_of(store).expired == 2);
    store_end(store);
}

static void peers_are_told_in_turn_and_by_family(void)
{
    struct qe_dht_store *store = store_new();
    struct qe_node_id target = {{1}};
    struct qe_addr peer, out[300];
    for (unsigned i = 0; i < 300; i++) {
        peer = (struct qe_addr){.ip = qe_ip4(10, 0, (uint8_t)i, (uint8_t)(i >> 8)), .port = (uint16_t)(1 + i)};
        int code = qe_dht_store_peer(store, &target, &peer, &peer.ip, 0);
        CU_ASSERT_EQUAL(code, i < QE_DHT_PEERS_TARGET_MAX ? 0 : QE_KRPC_ERROR_SERVER);
    }
    bool seen[300] = {false};
    unsigned distinct = 0;
    for (unsigned round = 0; round < 4; round++) {
        CU_ASSERT_EQUAL_FATAL(qe_dht_store_find_peers(store, &target, 4, out, 64), 64);
        for (unsigned i = 0; i < 64; i++)
            if (!seen[out[i].port - 1]) seen[out[i].port - 1] = true, distinct++;
    }
    CU_ASSERT_EQUAL(distinct, QE_DHT_PEERS_TARGET_MAX);
    CU_ASSERT_EQUAL(qe_dht_store_find_peers(store, &target, 6, out, 64), 0);
    // One address announces a few ports and no more.
    struct qe_node_id other = {{2}};
    unsigned stored = 0;
    for (unsigned i = 0; i < 100; i++) {
        peer = (struct qe_addr){.ip = qe_ip4(192, 0, 2, 1), .port = (uint16_t)(1 + i)};
        stored += qe_dht_store_peer(store, &other, &peer, &peer.ip, 0) == 0;
    }
    CU_ASSERT_EQUAL(stored, QE_DHT_PEERS_TARGET_ADDRESS_MAX);
    store_end(store);
}

static int put_record(struct qe_dht_store *store, const struct qe_node_id *target, unsigned owner,
    const struct dht_signer *authority, uint64_t seq, struct qe_ip from, uint64_t now_ns)
{
    // The store trusts its caller with signatures; keys without any make this fast.
    struct qe_dht_record record = {.seq = seq, .certified = authority, .value = qe_span("v", 1)};
    uint64_t age;
    qe_store32(record.owner.bytes, owner);
    if (authority) record.authority = authority->key;
    return qe_dht_store_record(store, target, &record, &from, now_ns, &age);
}

static size_t count_records(
    struct qe_dht_store *store, const struct qe_node_id *target, uint64_t now_ns, size_t *certified)
{
    struct qe_dht_record record, last = {0};
    uint8_t cursor[QE_DHT_CURSOR_SIZE];
    struct qe_span next = {0};
    size_t count = 0;
    *certified = 0;
    while (qe_dht_store_next_record(store, target, next, &record, now_ns)) {
        // Certified first, each class by owner.
        if (count > 0 && record.certified == last.certified)
            CU_ASSERT_TRUE(memcmp(last.owner.bytes, record.owner.bytes, 32) < 0);
        if (count > 0) CU_ASSERT_TRUE(last.certified >= record.certified);
        last = record;
        count++;
        *certified += record.certified;
        qe_dht_store_cursor(&record, true, cursor);
        next = qe_span(cursor, sizeof cursor);
    }
    return count;
}

static void outsiders_crowd_out_no_member(void)
{
    struct qe_dht_store *store = store_new();
    struct dht_signer authority = dht_signer(1);
    struct qe_node_id target = qe_node_id_from_key(&authority.key);
    size_t certified;
    for (unsigned i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(put_record(store, &target, i, &authority, 1, qe_ip4(10, 0, 0, 1), 0), 0);
    // Records of outsiders at that target and at 2000 others, from 5000 networks.
    for (unsigned i = 0; i < 20000; i++) {
        struct qe_node_id elsewhere = {{(uint8_t)i, (uint8_t)(i >> 8)}};
        struct qe_ip from = qe_ip4(20, (uint8_t)(i >> 8), (uint8_t)i, 1);
        put_record(store, &target, 1000 + i, NULL, 1, from, 1);
        put_record(store, &elsewhere, 1000 + i, NULL, 1, from, 1);
    }
    size_t all = count_records(store, &target, 1, &certified);
    CU_ASSERT_EQUAL(certified, 100);
    CU_ASSERT_TRUE(all <= 100 + QE_DHT_RECORDS_OPEN_TARGET_MAX);
    CU_ASSERT_EQUAL(stats_of(store).records, 100 + QE_DHT_RECORDS_OPEN_MAX);
    // Nor do other networks' authorities, as many as one likes to make up, from one place.
    for (unsigned i = 0; i < 20000; i++) {
        struct qe_node_id elsewhere = {{(uint8_t)i, (uint8_t)(i >> 8), 1}};
        put_record(store, &elsewhere, 1000 + i, &authority, 1, qe_ip4(30, 0, 0, (uint8_t)i), 1);
    }
    count_records(store, &target, 1, &certified);
    CU_ASSERT_EQUAL(certified, 100);
    CU_ASSERT_EQUAL(stats_of(store).records, QE_DHT_RECORDS_MAX + QE_DHT_RECORDS_OPEN_MAX);
    CU_ASSERT_EQUAL(put_record(store, &target, 100, &authority, 1, qe_ip4(10, 0, 0, 1), 2), 0);
    store_end(store);
}

static void under_one_target_one_address_has_few_places(void)
{
    struct qe_dht_store *store = store_new();
    struct qe_node_id target = {{1}};
    size_t certified;
    for (unsigned i = 0; i < 1000; i++)
        put_record(store, &target, i, NULL, 1, qe_ip4(20, 0, 0, 1), 0);
    CU_ASSERT_EQUAL(count_records(store, &target, 1, &certified), QE_DHT_RECORDS_OPEN_TARGET_ADDRESS_MAX);
    for (unsigned i = 0; i < 10000; i++)
        put_record(store, &target, 2000 + i, NULL, 1, qe_ip4(20, 0, 0, (uint8_t)i), 0);
    CU_ASSERT_EQUAL(count_records(store, &target, 1, &certified), QE_DHT_RECORDS_OPEN_TARGET_MAX);
    // The flood's network gives up places to each network that has less.
    for (unsigned i = 0; i < 32; i++)
        CU_ASSERT_EQUAL(put_record(store, &target, 20000 + i, NULL, 1, qe_ip4(21, 0, (uint8_t)i, 1), 0), 0);
    CU_ASSERT_EQUAL(count_records(store, &target, 1, &certified), QE_DHT_RECORDS_OPEN_TARGET_MAX);
    store_end(store);
}

// Beside the store a plain array with the same rules of seq and life, for a load that meets no limit.
static void it_agrees_with_a_naive_model(void)
{
    enum { TARGETS = 8, OWNERS = 12 };
    struct {
        bool there;
        uint64_t seq, first_s, renewed_s;
    } model[TARGETS][OWNERS] = {0};
    struct qe_dht_store *store = store_new();
    struct unit_random random = unit_random();
    struct dht_signer authority = dht_signer(1);
    uint64_t now_s = 1;
    for (int round = 0; round < 20000; round++) {
        now_s += unit_random_below(&random, 100);
        qe_dht_store_expire(store, now_s * QE_NS_PER_S);
        for (unsigned t = 0; t < TARGETS; t++)
            for (unsigned o = 0; o < OWNERS; o++)
                if (model[t][o].renewed_s + QE_DHT_RECORD_LIFE_S <= now_s) model[t][o].there = false;
        unsigned t = (unsigned)unit_random_below(&random, TARGETS), o = (unsigned)unit_random_below(&random, OWNERS);
        struct qe_node_id target = {{(uint8_t)t}};
        uint64_t seq = (uint64_t)round / 100 + unit_random_below(&random, 20);
        int code = put_record(store, &target, o, &authority, seq, qe_ip4(10, 0, 0, (uint8_t)o), now_s * QE_NS_PER_S);
        bool refused = model[t][o].there && seq < model[t][o].seq;
        CU_ASSERT_EQUAL(code, refused ? QE_KRPC_ERROR_SEQ : 0);
        if (!refused && !(model[t][o].there && seq == model[t][o].seq)) {
            if (!model[t][o].there) model[t][o].first_s = now_s;
            model[t][o].there = true, model[t][o].seq = seq, model[t][o].renewed_s = now_s;
        }
        size_t certified, wanted = 0;
        for (unsigned i = 0; i < OWNERS; i++)
            wanted += model[t][i].there;
        CU_ASSERT_EQUAL(count_records(store, &target, now_s * QE_NS_PER_S, &certified), wanted);
        struct qe_dht_record record;
        uint8_t cursor[QE_DHT_CURSOR_SIZE] = {0};
        qe_store32(cursor + 1, o);
        CU_ASSERT_TRUE_FATAL(
            qe_dht_store_next_record(store, &target, qe_span(cursor, sizeof cursor), &record, now_s * QE_NS_PER_S));
        CU_ASSERT_TRUE(record.seq == model[t][o].seq && record.age_s == now_s - model[t][o].first_s);
    }
    store_end(store);
}

static const struct unit_case cases[] = {
    {"one address and one key have limits", one_address_and_one_key_have_limits},
    {"a flood from one network takes no place of others", a_flood_from_one_network_takes_no_place_of_others},
    {"everything ends", everything_ends},
    {"peers are told in turn and by family", peers_are_told_in_turn_and_by_family},
    {"outsiders crowd out no member", outsiders_crowd_out_no_member},
    {"under one target one address has few places", under_one_target_one_address_has_few_places},
    {"it agrees with a naive model", it_agrees_with_a_naive_model},
};
UNIT_MAIN("dht_store", cases)
