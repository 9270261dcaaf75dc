// What a node answers: each query of BEP 5, 32, 43 and 44 and of the index, each error, and what an attacker gets.
#include "base/time.h"
#include "dht/limit.h"
#include "dht/server.h"
#include "dht_signer.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

static size_t nodes_known = 8;

static void random_bytes(void *user, uint8_t *out, size_t size)
{
    unit_random_fill(user, out, size);
}

static size_t closest(
    void *user, const struct qe_node_id *target, uint8_t family, struct qe_dht_contact *out, size_t max)
{
    (void)user, (void)target;
    size_t count = nodes_known < max ? nodes_known : max;
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct qe_dht_contact){.addr.port = (uint16_t)(6881 + i)};
        out[i].id.bytes[19] = (uint8_t)i;
        out[i].addr.ip = family == 4 ? qe_ip4(10, 1, (uint8_t)i, 1) : qe_ip6((uint8_t[16]){0xfd, [15] = (uint8_t)i});
    }
    return count;
}

struct talk {
    struct qe_dht_server *server;
    struct qe_addr from;
    uint64_t now_ns;
    uint8_t query[QE_DHT_DATAGRAM_MAX], reply[QE_DHT_DATAGRAM_MAX];
    size_t query_size, reply_size;
    struct qe_krpc got;
    struct unit_random random;
};

static struct qe_dht_server *server_new(struct unit_random *random, bool index)
{
    struct qe_dht_server_options options = {.mem = unit_mem(),
        .id = {{0x55}},
        .index = index,
        .user = random,
        .random = random_bytes,
        .closest = closest,
        .referrals = QE_DHT_K};
    return qe_dht_server_new(&options);
}

static void begin(struct talk *talk)
{
    memset(talk, 0, sizeof *talk);
    talk->random = unit_random();
    talk->server = server_new(&talk->random, true);
    CU_ASSERT_PTR_NOT_NULL_FATAL(talk->server);
    qe_addr_parse("198.51.100.7:6881", &talk->from);
    talk->now_ns = 1000 * QE_NS_PER_S;
    nodes_known = 8;
}

static void end(struct talk *talk)
{
    qe_dht_server_free(talk->server);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static enum qe_dht_server_verdict ask_bytes(struct talk *talk, struct qe_span bytes)
{
    struct qe_krpc query;
    CU_ASSERT_TRUE_FATAL(qe_krpc_read(bytes, &query));
    enum qe_dht_server_verdict verdict = qe_dht_server_answer(
        talk->server, &query, bytes.size, &talk->from, talk->now_ns, talk->reply, &talk->reply_size);
    talk->got = (struct qe_krpc){0};
    if (talk->reply_size > 0) {
        CU_ASSERT_TRUE_FATAL(qe_krpc_read(qe_span(talk->reply, talk->reply_size), &talk->got));
        CU_ASSERT_TRUE(talk->got.canonical && qe_span_equal(talk->got.transaction, query.transaction));
        CU_ASSERT_TRUE(talk->got.has_ip && qe_addr_equal(&talk->got.ip, &talk->from));
    }
    return verdict;
}

static struct qe_krpc query_of(enum qe_krpc_method method, const struct qe_node_id *target)
{
    struct qe_krpc query = {.type = QE_KRPC_QUERY, .method = method, .transaction = qe_span("ab", 2), .has_id = true};
    query.has_target = target;
    if (target) query.target = *target;
    query.id.bytes[0] = 0xaa;
    return query;
}

static enum qe_dht_server_verdict ask(struct talk *talk, const struct qe_krpc *query)
{
    talk->query_size = qe_krpc_write(query, talk->query, sizeof talk->query);
    CU_ASSERT_NOT_EQUAL_FATAL(talk->query_size, 0);
    return ask_bytes(talk, qe_span(talk->query, talk->query_size));
}

// The token for a target, kept in `out`.
static struct qe_span token_for(struct talk *talk, const struct qe_node_id *target, uint8_t out[QE_KRPC_TOKEN_MAX])
{
    struct qe_krpc get = query_of(QE_KRPC_GET, target);
    CU_ASSERT_EQUAL_FATAL(ask(talk, &get), QE_DHT_SERVER_REPLY);
    CU_ASSERT_EQUAL_FATAL(talk->got.token.size, 8);
    memcpy(out, talk->got.token.data, 8);
    return qe_span(out, 8);
}

static int put(struct talk *talk, const struct qe_dht_item *item, const int64_t *cas)
{
    uint8_t token[QE_KRPC_TOKEN_MAX];
    struct qe_node_id target = qe_dht_item_target(item);
    struct qe_krpc query = query_of(QE_KRPC_PUT, NULL);
    query.token = token_for(talk, &target, token);
    query.value = item->value;
    if (item->mutable) {
        query.key = qe_span(item->key.bytes, 32);
        query.signature = qe_span(item->signature, 64);
        query.has_seq = true, query.seq = item->seq;
        if (item->salt.size > 0) query.salt = item->salt;
        if (cas) query.has_cas = true, query.cas = *cas;
    }
    ask(talk, &query);
    return talk->got.type == QE_KRPC_ERROR ? talk->got.error_code : 0;
}

static bool get_is(struct talk *talk, const struct qe_node_id *target, const char *value)
{
    struct qe_krpc get = query_of(QE_KRPC_GET, target);
    get.reply_max = QE_DHT_DATAGRAM_MAX;
    ask(talk, &get);
    return qe_span_equal(talk->got.value, qe_span(value, strlen(value)));
}

static void ping_and_unknown_methods_are_answered(void)
{
    struct talk talk;
    begin(&talk);
    struct qe_krpc ping = query_of(QE_KRPC_PING, NULL);
    CU_ASSERT_EQUAL(ask(&talk, &ping), QE_DHT_SERVER_REPLY);
    CU_ASSERT_EQUAL(talk.got.id.bytes[0], 0x55);
    static const char unknown[] = "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q3:foo1:t2:aa1:y1:qe";
    CU_ASSERT_EQUAL(ask_bytes(&talk, qe_span(unknown, sizeof unknown - 1)), QE_DHT_SERVER_ERROR);
    CU_ASSERT_EQUAL(talk.got.error_code, 204);
    static const char routed[] =
        "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa6:target20:bbbbbbbbbbbbbbbbbbbbe1:q3:foo1:t2:aa1:y1:qe";
    CU_ASSERT_EQUAL(ask_bytes(&talk, qe_span(routed, sizeof routed - 1)), QE_DHT_SERVER_REPLY);
    CU_ASSERT_EQUAL(talk.got.nodes.size, 8 * QE_KRPC_NODE4_SIZE);
    end(&talk);
}

static void nodes_are_of_the_families_that_were_wanted(void)
{
    static const struct {
        const char *from;
        bool want4, want6;
        size_t fours, sixes;
    } table[] = {
        {"198.51.100.7:1", false, false, 8, 0},
        {"198.51.100.7:1", true, false, 8, 0},
        {"198.51.100.7:1", false, true, 0, 8},
        {"198.51.100.7:1", true, true, 8, 8},
        {"[2001:db8::1]:1", false, false, 0, 8},
        {"[2001:db8::1]:1", true, true, 8, 8},
    };
    struct talk talk;
    begin(&talk);
    struct qe_node_id target = {{3}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        qe_addr_parse(table[i].from, &talk.from);
        struct qe_krpc find = query_of(QE_KRPC_FIND_NODE, &target);
        find.want4 = table[i].want4, find.want6 = table[i].want6;
        CU_ASSERT_EQUAL(ask(&talk, &find), QE_DHT_SERVER_REPLY);
        CU_ASSERT_EQUAL(talk.got.nodes.size, table[i].fours * QE_KRPC_NODE4_SIZE);
        CU_ASSERT_EQUAL(talk.got.nodes6.size, table[i].sixes * QE_KRPC_NODE6_SIZE);
    }
    struct qe_krpc find = query_of(QE_KRPC_FIND_NODE, NULL);
    CU_ASSERT_TRUE(ask(&talk, &find) == QE_DHT_SERVER_ERROR && talk.got.error_code == 203);
    end(&talk);
}

static void announced_peers_are_found(void)
{
    struct talk talk;
    uint8_t token[QE_KRPC_TOKEN_MAX];
    begin(&talk);
    struct qe_node_id target = {{9}};
    struct qe_krpc announce = query_of(QE_KRPC_ANNOUNCE_PEER, &target);
    announce.token = token_for(&talk, &target, token);
    announce.port = 7000;
    CU_ASSERT_EQUAL(ask(&talk, &announce), QE_DHT_SERVER_REPLY);
    announce.implied_port = true;
    CU_ASSERT_EQUAL(ask(&talk, &announce), QE_DHT_SERVER_REPLY);
    announce.implied_port = false, announce.port = 0;
    CU_ASSERT_EQUAL(ask(&talk, &announce), QE_DHT_SERVER_ERROR);
    announce.port = 1, announce.token = qe_span("12345678", 8);
    CU_ASSERT_TRUE(ask(&talk, &announce) == QE_DHT_SERVER_ERROR && talk.got.error_code == 203);
    struct qe_krpc get = query_of(QE_KRPC_GET_PEERS, &target);
    CU_ASSERT_EQUAL(ask(&talk, &get), QE_DHT_SERVER_REPLY);
    struct qe_reader values = qe_reader(talk.got.values);
    struct qe_addr peer;
    char text[QE_ADDR_TEXT_SIZE];
    CU_ASSERT_TRUE_FATAL(talk.got.has_values && qe_krpc_each_peer(&values, &peer));
    CU_ASSERT_STRING_EQUAL(qe_addr_format(&peer, text), "198.51.100.7:7000");
    CU_ASSERT_TRUE_FATAL(qe_krpc_each_peer(&values, &peer));
    CU_ASSERT_STRING_EQUAL(qe_addr_format(&peer, text), "198.51.100.7:6881");
    CU_ASSERT_FALSE(qe_krpc_each_peer(&values, &peer));
    CU_ASSERT_EQUAL(talk.got.token.size, 8);
    CU_ASSERT_TRUE(talk.got.nodes.size > 0);
    end(&talk);
}

static void items_are_stored_updated_and_refused_as_bep_44_says(void)
{
    struct talk talk;
    begin(&talk);
    struct dht_signer owner = dht_signer(1);
    struct qe_dht_item item = dht_item(&owner, "salt", 5, "3:one");
    struct qe_node_id target = qe_dht_item_target(&item);
    CU_ASSERT_EQUAL(put(&talk, &item, NULL), 0);
    CU_ASSERT_TRUE(get_is(&talk, &target, "3:one"));
    CU_ASSERT_TRUE(talk.got.has_seq && talk.got.seq == 5 && talk.got.key.size == 32 && talk.got.signature.size == 64);
    CU_ASSERT_TRUE(memcmp(talk.got.signature.data, item.signature, 64) == 0);

    // The same again is welcome; another value with that number is not.
    CU_ASSERT_EQUAL(put(&talk, &item, NULL), 0);
    struct qe_dht_item other = dht_item(&owner, "salt", 5, "3:two");
    CU_ASSERT_EQUAL(put(&talk, &other, NULL), 302);
    other = dht_item(&owner, "salt", 4, "3:two");
    CU_ASSERT_EQUAL(put(&talk, &other, NULL), 302);
    other = dht_item(&owner, "salt", 6, "3:two");
    int64_t cas = 4;
    CU_ASSERT_EQUAL(put(&talk, &other, &cas), 301);
    CU_ASSERT_TRUE(get_is(&talk, &target, "3:one"));
    cas = 5;
    CU_ASSERT_EQUAL(put(&talk, &other, &cas), 0);
    CU_ASSERT_TRUE(get_is(&talk, &target, "3:two"));
    // Without a stored item cas says nothing.
    struct qe_dht_item first = dht_item(&owner, "elsewhere", 1, "i1e");
    CU_ASSERT_EQUAL(put(&talk, &first, &cas), 0);

    struct qe_krpc get = query_of(QE_KRPC_GET, &target);
    get.has_seq = true, get.seq = 6;
    CU_ASSERT_EQUAL(ask(&talk, &get), QE_DHT_SERVER_REPLY);
    CU_ASSERT_TRUE(talk.got.seq == 6 && talk.got.value.size == 0 && talk.got.signature.size == 0);
    end(&talk);
}

static void each_wrong_put_has_its_error(void)
{
    static uint8_t large[QE_DHT_VALUE_MAX + 2], salt[QE_DHT_SALT_MAX + 1];
    struct talk talk;
    uint8_t token[QE_KRPC_TOKEN_MAX];
    begin(&talk);
    struct dht_signer owner = dht_signer(2);
    struct qe_dht_item item = dht_item(&owner, "", 1, "d1:a1:be");
    struct qe_node_id target = qe_dht_item_target(&item);
    struct qe_krpc good = query_of(QE_KRPC_PUT, NULL), query;
    good.token = token_for(&talk, &target, token);
    good.value = item.value, good.has_seq = true, good.seq = 1;
    good.key = qe_span(item.key.bytes, 32), good.signature = qe_span(item.signature, 64);
    memcpy(large, "997:", 4);
#define REFUSED(code, change)                                                                                          \
    query = good;                                                                                                      \
    change;                                                                                                            \
    CU_ASSERT_EQUAL(ask(&talk, &query), QE_DHT_SERVER_ERROR);                                                          \
    CU_ASSERT_EQUAL(talk.got.error_code, code);
    REFUSED(203, query.token = qe_span("aaaaaaaa", 8));
    REFUSED(203, query.token = (struct qe_span){0});
    REFUSED(203, query.value = (struct qe_span){0});
    REFUSED(205, query.value = qe_span(large, 1001));
    REFUSED(207, query.salt = qe_span(salt, 65));
    REFUSED(203, query.key = qe_span(item.key.bytes, 31));
    REFUSED(203, query.signature = qe_span(item.signature, 63));
    REFUSED(203, query.has_seq = false);
    REFUSED(203, query.seq = -1);
    REFUSED(206, query.seq = 2);
    REFUSED(203, query.value = qe_span("d1:b0:1:a0:e", 12)); // keys in disorder
    REFUSED(203, query.value = qe_span("i00e", 4));
#undef REFUSED
    // The whole message counts, not the value alone: the type of the message first.
    uint8_t bytes[QE_DHT_DATAGRAM_MAX] = "d1:y1:q";
    size_t size = qe_krpc_write(&good, talk.query, sizeof talk.query), kept = size - 8;
    CU_ASSERT_EQUAL_FATAL(memcmp(talk.query + 1 + kept, "1:y1:qe", 7), 0);
    memcpy(bytes + 7, talk.query + 1, kept);
    bytes[7 + kept] = 'e';
    CU_ASSERT_EQUAL(ask_bytes(&talk, qe_span(bytes, size)), QE_DHT_SERVER_ERROR);
    CU_ASSERT_EQUAL(talk.got.error_code, 203);
    CU_ASSERT_EQUAL(ask(&talk, &good), QE_DHT_SERVER_REPLY);
    end(&talk);
}

static void immutable_items_are_under_their_hash(void)
{
    struct talk talk;
    begin(&talk);
    static const char value[] = "l4:spami-7ed1:a0:ee";
    struct qe_dht_item item = {.value = qe_span(value, sizeof value - 1)};
    struct qe_node_id target = qe_dht_item_target(&item);
    CU_ASSERT_EQUAL(put(&talk, &item, NULL), 0);
    CU_ASSERT_TRUE(get_is(&talk, &target, value));
    CU_ASSERT_TRUE(!talk.got.has_seq && talk.got.key.size == 0);
    talk.now_ns += (QE_DHT_ITEM_LIFE_S + 1) * QE_NS_PER_S;
    CU_ASSERT_TRUE(qe_dht_server_deadline(talk.server) <= talk.now_ns);
    qe_dht_server_expire(talk.server, talk.now_ns);
    CU_ASSERT_TRUE(get_is(&talk, &target, ""));
    CU_ASSERT_EQUAL(qe_dht_server_deadline(talk.server), QE_TIME_NEVER);
    end(&talk);
}

static enum qe_dht_server_verdict index_put(
    struct talk *talk, const struct qe_dht_record *record, const struct qe_node_id *target)
{
    uint8_t token[QE_KRPC_TOKEN_MAX], compact[QE_KRPC_RECORD_MAX];
    struct qe_krpc query = query_of(QE_KRPC_INDEX_PUT, target);
    query.token = token_for(talk, target, token);
    query.record = qe_span(compact, qe_krpc_record_write(record, compact, sizeof compact));
    if (record->certified) query.authority = qe_span(record->authority.bytes, 32);
    return ask(talk, &query);
}

// Reads all records of a target, page by page.
static size_t index_read(struct talk *talk, const struct qe_node_id *target, unsigned *pages, size_t *certified)
{
    uint8_t next[33];
    size_t count = 0;
    struct qe_krpc query = query_of(QE_KRPC_INDEX_GET, target);
    query.reply_max = QE_DHT_DATAGRAM_MAX;
    *pages = 0, *certified = 0;
    do {
        CU_ASSERT_EQUAL_FATAL(ask(talk, &query), QE_DHT_SERVER_REPLY);
        CU_ASSERT_TRUE(talk->reply_size <= 3 * talk->query_size);
        CU_ASSERT_TRUE(talk->got.has_records && talk->got.nodes.size > 0);
        struct qe_reader records = qe_reader(talk->got.records);
        struct qe_dht_record record;
        while (qe_krpc_each_record(&records, &talk->got, &record)) {
            CU_ASSERT_TRUE(qe_dht_record_verify(&record, target));
            // Certified ones come first.
            CU_ASSERT_TRUE(!record.certified || *certified == count);
            *certified += record.certified;
            count++;
        }
        if (talk->got.next.size == 33) memcpy(next, talk->got.next.data, 33);
        query.next = talk->got.next.size == 33 ? qe_span(next, 33) : (struct qe_span){0};
        talk->now_ns += QE_NS_PER_S;
    } while (query.next.size > 0 && ++*pages < 1000);
    return count;
}

static void an_index_has_many_records_under_one_target(void)
{
    struct talk talk;
    begin(&talk);
    struct dht_signer authority = dht_signer(100);
    struct qe_node_id target = qe_node_id_from_key(&authority.key);
    static uint8_t value[QE_DHT_RECORD_MAX];
    for (unsigned i = 0; i < 40; i++) {
        struct dht_signer owner = dht_signer(200 + i);
        bool certified = i % 4 != 3;
        struct qe_dht_record record =
            dht_record(&owner, certified ? &authority : NULL, &target, 7, qe_span(value, i * 12));
        talk.from.ip.bytes[3] = (uint8_t)(1 + i / 4);
        CU_ASSERT_EQUAL(index_put(&talk, &record, &target), QE_DHT_SERVER_REPLY);
        CU_ASSERT_TRUE(talk.got.has_age && talk.got.age_s == 0);
        talk.now_ns += QE_NS_PER_S / 8;
    }
    unsigned pages;
    size_t certified;
    CU_ASSERT_EQUAL(index_read(&talk, &target, &pages, &certified), 40);
    CU_ASSERT_EQUAL(certified, 30);
    CU_ASSERT_TRUE(pages >= 9 && pages <= 40);
    end(&talk);
}

static void a_record_has_an_age_and_is_replaced_by_a_newer_one_only(void)
{
    struct talk talk;
    begin(&talk);
    struct dht_signer authority = dht_signer(1), owner = dht_signer(2);
    struct qe_node_id target = qe_node_id_from_key(&authority.key);
    struct qe_dht_record first = dht_record(&owner, &authority, &target, 10, qe_span("a", 1));
    struct qe_dht_record same = dht_record(&owner, &authority, &target, 10, qe_span("b", 1));
    struct qe_dht_record older = dht_record(&owner, &authority, &target, 9, qe_span("a", 1));
    struct qe_dht_record newer = dht_record(&owner, &authority, &target, 11, qe_span("c", 1));
    CU_ASSERT_EQUAL(index_put(&talk, &first, &target), QE_DHT_SERVER_REPLY);
    talk.now_ns += 3600 * QE_NS_PER_S;
    CU_ASSERT_TRUE(index_put(&talk, &same, &target) == QE_DHT_SERVER_ERROR && talk.got.error_code == 302);
    CU_ASSERT_TRUE(index_put(&talk, &older, &target) == QE_DHT_SERVER_ERROR && talk.got.error_code == 302);
    CU_ASSERT_TRUE(index_put(&talk, &newer, &target) == QE_DHT_SERVER_REPLY && talk.got.age_s == 3600);
    // Replaying it does not keep it: only its owner's next one does.
    talk.now_ns += 3600 * QE_NS_PER_S;
    CU_ASSERT_TRUE(index_put(&talk, &newer, &target) == QE_DHT_SERVER_REPLY && talk.got.age_s == 7200);
    talk.now_ns += 3601 * QE_NS_PER_S;
    qe_dht_server_expire(talk.server, talk.now_ns);
    unsigned pages;
    size_t certified;
    CU_ASSERT_EQUAL(index_read(&talk, &target, &pages, &certified), 0);
    end(&talk);
}

static void forged_records_and_tokens_of_others_are_refused(void)
{
    struct talk talk;
    begin(&talk);
    struct dht_signer authority = dht_signer(1), owner = dht_signer(2), outsider = dht_signer(3);
    struct qe_node_id target = qe_node_id_from_key(&authority.key);
    struct qe_dht_record forged = dht_record(&owner, &outsider, &target, 10, qe_span("a", 1));
    CU_ASSERT_TRUE(index_put(&talk, &forged, &target) == QE_DHT_SERVER_ERROR && talk.got.error_code == 206);
    // Another's certificate for another owner.
    struct qe_dht_record good = dht_record(&owner, &authority, &target, 10, qe_span("a", 1));
    forged = dht_record(&outsider, &authority, &target, 10, qe_span("a", 1));
    memcpy(forged.certificate, good.certificate, 64);
    CU_ASSERT_TRUE(index_put(&talk, &forged, &target) == QE_DHT_SERVER_ERROR && talk.got.error_code == 206);
    // One signed for another target.
    struct qe_node_id elsewhere = {{1}};
    forged = dht_record(&owner, NULL, &elsewhere, 10, qe_span("a", 1));
    CU_ASSERT_TRUE(index_put(&talk, &forged, &target) == QE_DHT_SERVER_ERROR && talk.got.error_code == 206);

    uint8_t token[QE_KRPC_TOKEN_MAX], compact[QE_KRPC_RECORD_MAX];
    struct qe_krpc query = query_of(QE_KRPC_INDEX_PUT, &target);
    query.token = token_for(&talk, &target, token);
    query.record = qe_span(compact, qe_krpc_record_write(&good, compact, sizeof compact));
    query.authority = qe_span(good.authority.bytes, 32);
    talk.from.ip.bytes[3]++;
    CU_ASSERT_TRUE(ask(&talk, &query) == QE_DHT_SERVER_ERROR && talk.got.error_code == 203);
    talk.from.ip.bytes[3]--;
    query.record.size = 40;
    CU_ASSERT_TRUE(ask(&talk, &query) == QE_DHT_SERVER_ERROR && talk.got.error_code == 203);
    query.record = qe_span(compact, qe_krpc_record_write(&good, compact, sizeof compact));
    CU_ASSERT_EQUAL(ask(&talk, &query), QE_DHT_SERVER_REPLY);
    end(&talk);
}

static void the_public_network_has_no_index(void)
{
    struct talk talk;
    begin(&talk);
    qe_dht_server_free(talk.server);
    talk.server = server_new(&talk.random, false);
    struct qe_node_id target = {{1}};
    struct qe_krpc query = query_of(QE_KRPC_INDEX_GET, &target);
    CU_ASSERT_TRUE(ask(&talk, &query) == QE_DHT_SERVER_REPLY && talk.got.nodes.size > 0 && !talk.got.has_records);
    query.method = QE_KRPC_INDEX_PUT;
    CU_ASSERT_TRUE(ask(&talk, &query) == QE_DHT_SERVER_REPLY && !talk.got.has_age);
    end(&talk);
}

// Each query that can be asked, with the largest of everything stored: as ours, padded, nothing needs the budget; as a
// foreigner's, no more than the budget leaves.
static void no_reply_amplifies_beyond_the_budget(void)
{
    static char value[QE_DHT_VALUE_MAX + 1];
    struct talk talk;
    begin(&talk);
    memset(value, 'x', sizeof value);
    memcpy(value, "996:", 4), value[1000] = 0;
    struct dht_signer owner = dht_signer(1);
    struct qe_dht_item item = dht_item(&owner, "", 1, value);
    struct qe_node_id target = qe_dht_item_target(&item);
    CU_ASSERT_EQUAL(put(&talk, &item, NULL), 0);
    talk.now_ns += 60 * QE_NS_PER_S;
    size_t beyond = 0, values = 0;
    uint64_t start_ns = talk.now_ns;
    for (unsigned i = 0; i < 6000; i++) {
        struct qe_krpc get = query_of(QE_KRPC_GET, &target);
        get.want4 = get.want6 = true;
        talk.now_ns += 20 * QE_NS_PER_MS;
        ask(&talk, &get);
        if (talk.reply_size > 3 * talk.query_size) beyond += talk.reply_size - 3 * talk.query_size;
        values += talk.got.value.size > 0;
    }
    uint64_t seconds = (talk.now_ns - start_ns) / QE_NS_PER_S;
    CU_ASSERT_TRUE(beyond <= QE_DHT_LIMIT_BYTES_MAX + seconds * QE_DHT_LIMIT_BYTES_S);
    CU_ASSERT_TRUE(values > 100);
    // A padded one gets its value all the same.
    talk.now_ns += QE_NS_PER_S;
    CU_ASSERT_TRUE(get_is(&talk, &target, value));
    CU_ASSERT_TRUE(talk.reply_size <= 3 * talk.query_size);
    end(&talk);
}

static void a_flood_is_met_with_silence(void)
{
    struct talk talk;
    begin(&talk);
    unsigned answered = 0;
    struct qe_krpc ping = query_of(QE_KRPC_PING, NULL);
    for (unsigned i = 0; i < 10000; i++) {
        talk.now_ns += QE_NS_PER_MS;
        answered += ask(&talk, &ping) == QE_DHT_SERVER_REPLY;
    }
    CU_ASSERT_TRUE(answered <= 64 + 10 * 32 && answered >= 10 * 32);
    end(&talk);
}

static void guessed_tokens_store_nothing(void)
{
    struct talk talk;
    begin(&talk);
    struct qe_dht_item item = {.value = qe_span("i1e", 3)};
    struct qe_krpc query = query_of(QE_KRPC_PUT, NULL);
    uint8_t token[8];
    query.value = item.value, query.token = qe_span(token, 8);
    for (unsigned i = 0; i < 20000; i++) {
        unit_random_fill(&talk.random, token, sizeof token);
        talk.now_ns += 40 * QE_NS_PER_MS;
        CU_ASSERT_TRUE(ask(&talk, &query) == QE_DHT_SERVER_ERROR && talk.got.error_code == 203);
    }
    struct qe_dht_store_stats stats;
    qe_dht_server_stats(talk.server, &stats);
    CU_ASSERT_EQUAL(stats.items, 0);
    end(&talk);
}

static void without_memory_nothing_is_stored_and_nothing_breaks(void)
{
    struct talk talk;
    for (unsigned nth = 1; nth < 12; nth++) {
        begin(&talk);
        struct dht_signer authority = dht_signer(1), owner = dht_signer(2);
        struct qe_node_id target = qe_node_id_from_key(&authority.key);
        struct qe_dht_item item = dht_item(&owner, "", 1, "1:a"), next = dht_item(&owner, "", 2, "2:bb");
        struct qe_dht_record record = dht_record(&owner, &authority, &target, 1, qe_span("a", 1));
        unit_mem_fail_at(nth);
        int stored = put(&talk, &item, NULL), updated = put(&talk, &next, NULL);
        CU_ASSERT_TRUE(stored == 0 || stored == 202);
        CU_ASSERT_TRUE(updated == 0 || updated == 202);
        enum qe_dht_server_verdict verdict = index_put(&talk, &record, &target);
        CU_ASSERT_TRUE(verdict == QE_DHT_SERVER_REPLY || talk.got.error_code == 202);
        unit_mem_fail_at(0);
        CU_ASSERT_EQUAL(put(&talk, &next, NULL), 0);
        CU_ASSERT_EQUAL(index_put(&talk, &record, &target), QE_DHT_SERVER_REPLY);
        end(&talk);
    }
}

static const struct unit_case cases[] = {
    {"ping and unknown methods are answered", ping_and_unknown_methods_are_answered},
    {"nodes are of the families that were wanted", nodes_are_of_the_families_that_were_wanted},
    {"announced peers are found", announced_peers_are_found},
    {"items are stored, updated and refused as BEP 44 says", items_are_stored_updated_and_refused_as_bep_44_says},
    {"each wrong put has its error", each_wrong_put_has_its_error},
    {"immutable items are under their hash", immutable_items_are_under_their_hash},
    {"an index has many records under one target", an_index_has_many_records_under_one_target},
    {"a record has an age and is replaced by a newer one only",
        a_record_has_an_age_and_is_replaced_by_a_newer_one_only},
    {"forged records and tokens of others are refused", forged_records_and_tokens_of_others_are_refused},
    {"the public network has no index", the_public_network_has_no_index},
    {"no reply amplifies beyond the budget", no_reply_amplifies_beyond_the_budget},
    {"a flood is met with silence", a_flood_is_met_with_silence},
    {"guessed tokens store nothing", guessed_tokens_store_nothing},
    {"without memory nothing is stored and nothing breaks", without_memory_nothing_is_stored_and_nothing_breaks},
};
UNIT_MAIN("dht_server", cases)
