#include "dht/krpc.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

static struct qe_span text(const char *s)
{
    return qe_span(s, strlen(s));
}

static struct qe_node_id id_of(uint8_t byte)
{
    struct qe_node_id id;
    memset(id.bytes, byte, sizeof id.bytes);
    return id;
}

static bool writes(const struct qe_krpc *m, const char *wanted)
{
    uint8_t out[QE_DHT_DATAGRAM_MAX];
    size_t size = qe_krpc_write(m, out, sizeof out);
    bool same = qe_span_equal(qe_span(out, size), text(wanted));
    if (!same) fprintf(stderr, "%.*s\n%s\n", (int)size, (char *)out, wanted);
    for (size_t room = 0; room < size; room++)
        CU_ASSERT_EQUAL(qe_krpc_write(m, out, room), 0);
    return same;
}

// BEP 5's own examples.
static void the_examples_of_bep_5_are_written_and_read(void)
{
    static const char id[] = "abcdefghij0123456789", target[] = "mnopqrstuvwxyz123456";
    struct qe_krpc ping = {.type = QE_KRPC_QUERY, .method = QE_KRPC_PING, .transaction = text("aa")};
    memcpy(ping.id.bytes, id, 20);
    CU_ASSERT_TRUE(writes(&ping, "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"));

    struct qe_krpc find = ping;
    find.method = QE_KRPC_FIND_NODE, find.has_target = true;
    memcpy(find.target.bytes, target, 20);
    CU_ASSERT_TRUE(
        writes(&find, "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe"));

    struct qe_krpc announce = find;
    announce.method = QE_KRPC_ANNOUNCE_PEER, announce.port = 6881, announce.implied_port = true;
    announce.token = text("aoeusnth");
    CU_ASSERT_TRUE(writes(&announce,
        "d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:"
        "aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe"));

    struct qe_krpc m;
    CU_ASSERT_TRUE_FATAL(qe_krpc_read(
        text("d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re"), &m));
    CU_ASSERT_TRUE(m.type == QE_KRPC_REPLY && m.canonical && m.has_values);
    CU_ASSERT_TRUE(qe_span_equal(m.token, text("aoeusnth")));
    struct qe_reader values = qe_reader(m.values);
    struct qe_addr peer;
    char out[QE_ADDR_TEXT_SIZE];
    CU_ASSERT_TRUE(qe_krpc_each_peer(&values, &peer));
    CU_ASSERT_STRING_EQUAL(qe_addr_format(&peer, out), "97.120.106.101:11893");
    CU_ASSERT_TRUE(qe_krpc_each_peer(&values, &peer));
    CU_ASSERT_STRING_EQUAL(qe_addr_format(&peer, out), "105.100.104.116:28269");
    CU_ASSERT_FALSE(qe_krpc_each_peer(&values, &peer));

    CU_ASSERT_TRUE_FATAL(qe_krpc_read(text("d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee"), &m));
    CU_ASSERT_TRUE(m.type == QE_KRPC_ERROR && m.error_code == 201);
    CU_ASSERT_TRUE(qe_span_equal(m.error_text, text("A Generic Error Ocurred")));
}

static bool spans_equal(const struct qe_krpc *a, const struct qe_krpc *b)
{
    return qe_span_equal(a->transaction, b->transaction) && qe_span_equal(a->version, b->version) &&
           qe_span_equal(a->token, b->token) && qe_span_equal(a->key, b->key) &&
           qe_span_equal(a->signature, b->signature) && qe_span_equal(a->value, b->value) &&
           qe_span_equal(a->salt, b->salt) && qe_span_equal(a->nodes, b->nodes) &&
           qe_span_equal(a->nodes6, b->nodes6) && qe_span_equal(a->values, b->values) &&
           qe_span_equal(a->record, b->record) && qe_span_equal(a->authority, b->authority) &&
           qe_span_equal(a->records, b->records) && qe_span_equal(a->next, b->next) &&
           qe_span_equal(a->error_text, b->error_text);
}

static bool messages_equal(const struct qe_krpc *a, const struct qe_krpc *b)
{
    return a->type == b->type && a->method == b->method && a->read_only == b->read_only && a->has_ip == b->has_ip &&
           qe_addr_equal(&a->ip, &b->ip) && a->has_id == b->has_id && qe_node_id_equal(&a->id, &b->id) &&
           a->has_seq == b->has_seq && a->seq == b->seq && a->has_target == b->has_target &&
           qe_node_id_equal(&a->target, &b->target) && a->want4 == b->want4 && a->want6 == b->want6 &&
           a->implied_port == b->implied_port && a->port == b->port && a->has_cas == b->has_cas && a->cas == b->cas &&
           a->has_values == b->has_values && a->has_records == b->has_records && a->has_age == b->has_age &&
           a->age_s == b->age_s && a->error_code == b->error_code && spans_equal(a, b);
}

static struct qe_span draw(struct unit_random *random, uint8_t *bytes, size_t max)
{
    if (unit_random_below(random, 3) == 0) return (struct qe_span){0};
    size_t size = unit_random_below(random, max + 1);
    unit_random_fill(random, bytes, size);
    return qe_span(bytes, size);
}

static void draw_query(struct unit_random *random, struct qe_krpc *m, uint8_t bytes[8][64])
{
    m->method = (enum qe_krpc_method)(QE_KRPC_PING + unit_random_below(random, 8));
    m->has_target = unit_random_below(random, 4) > 0;
    if (m->has_target) m->target = id_of((uint8_t)unit_random_below(random, 256));
    m->want4 = unit_random_below(random, 2), m->want6 = unit_random_below(random, 2);
    m->implied_port = unit_random_below(random, 2);
    m->port = (uint16_t)unit_random_next(random);
    m->salt = draw(random, bytes[0], 64);
    m->has_cas = unit_random_below(random, 2);
    if (m->has_cas) m->cas = (int64_t)unit_random_next(random);
    m->record = draw(random, bytes[1], 64);
    m->reply_max = unit_random_below(random, 2) ? unit_random_below(random, 1400) : 0;
}

static void draw_reply(struct unit_random *random, struct qe_krpc *m, uint8_t bytes[8][64])
{
    m->nodes = draw(random, bytes[0], 52);
    m->nodes6 = draw(random, bytes[1], 38);
    m->has_values = unit_random_below(random, 2);
    m->values = m->has_values ? text("6:abcdef18:abcdefghijklmnopqr") : (struct qe_span){0};
    m->has_records = unit_random_below(random, 2);
    m->records = m->has_records ? text("3:abc") : (struct qe_span){0};
    m->has_age = unit_random_below(random, 2);
    if (m->has_age) m->age_s = unit_random_below(random, 1 << 20);
}

static void messages_survive_a_round_trip(void)
{
    struct unit_random random = unit_random();
    for (int round = 0; round < 5000; round++) {
        uint8_t bytes[8][64], out[QE_DHT_DATAGRAM_MAX];
        struct qe_krpc m = {.type = (enum qe_krpc_type)unit_random_below(&random, 3), .transaction = text("tt")}, back;
        m.read_only = unit_random_below(&random, 2);
        m.version = unit_random_below(&random, 2) ? text(QE_KRPC_VERSION) : (struct qe_span){0};
        m.has_ip = unit_random_below(&random, 2);
        if (m.has_ip) qe_addr_parse(unit_random_below(&random, 2) ? "1.2.3.4:5" : "[2001:db8::1]:65535", &m.ip);
        if (m.type == QE_KRPC_ERROR) {
            m.error_code = 1 + (int)unit_random_below(&random, 400);
            m.error_text = text("no");
        } else {
            m.has_id = true, m.id = id_of((uint8_t)round);
            m.token = draw(&random, bytes[2], 32), m.key = draw(&random, bytes[3], 32);
            m.signature = draw(&random, bytes[4], 64), m.authority = draw(&random, bytes[5], 32);
            m.next = draw(&random, bytes[6], 33);
            m.value = unit_random_below(&random, 2) ? text("d1:x3:abce") : (struct qe_span){0};
            m.has_seq = unit_random_below(&random, 2);
            if (m.has_seq) m.seq = (int64_t)unit_random_next(&random);
            if (m.type == QE_KRPC_QUERY) draw_query(&random, &m, bytes);
            if (m.type == QE_KRPC_REPLY) draw_reply(&random, &m, bytes);
        }
        size_t size = qe_krpc_write(&m, out, sizeof out);
        CU_ASSERT_TRUE_FATAL(size > 0 && qe_krpc_read(qe_span(out, size), &back));
        CU_ASSERT_TRUE(back.canonical);
        CU_ASSERT_TRUE(messages_equal(&m, &back));
        CU_ASSERT_TRUE(3 * size >= m.reply_max);
    }
}

static void a_padded_query_is_a_third_of_its_reply(void)
{
    uint8_t out[QE_DHT_DATAGRAM_MAX];
    struct qe_krpc get = {
        .type = QE_KRPC_QUERY, .method = QE_KRPC_GET, .transaction = text("abcd"), .has_target = true};
    size_t plain = qe_krpc_write(&get, out, sizeof out);
    for (get.reply_max = 0; get.reply_max <= QE_DHT_DATAGRAM_MAX; get.reply_max++) {
        size_t size = qe_krpc_write(&get, out, sizeof out), wanted = (get.reply_max + 2) / 3;
        CU_ASSERT_TRUE(size >= wanted && size <= (wanted > plain ? wanted + 9 : plain));
    }
}

static void what_bep_5_demands_of_any_message_must_be_there(void)
{
    static const char *const bad[] = {
        "de", "i1e", "4:spam",
        "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:y1:qe",        // no t
        "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t0:1:y1:qe",   // an empty one
        "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:ti1e1:y1:qe",  // a number
        "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aae",       // no y
        "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aa1:y1:xe", // an unknown one
        "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:t2:aa1:y1:qe",          // no q
        "d1:ad2:id19:aaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aa1:y1:qe",  // a short id
        "d1:q4:ping1:t2:aa1:y1:qe",                                 // no a
        "d1:ad2:idi5ee1:q4:ping1:t2:aa1:y1:qe",                     // id is a number
        "d1:t2:aa1:y1:re",                                          // no r
        "d1:rde1:t2:aa1:y1:re",                                     // no id
        "d1:ele1:t2:aa1:y1:ee",                                     // an empty error
        "d1:el4:texte1:t2:aa1:y1:ee",                               // one without a code
        "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t33:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1:y1:qe",
        "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aa1:y1:q",   // cut
        "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aa1:y1:qee", // more behind it
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct qe_krpc m;
        bool read = qe_krpc_read(text(bad[i]), &m);
        if (read) fprintf(stderr, "%s\n", bad[i]);
        CU_ASSERT_FALSE(read);
    }
}

static void what_is_of_the_wrong_type_or_size_is_not_there(void)
{
    struct qe_krpc m;
    CU_ASSERT_TRUE_FATAL(
        qe_krpc_read(text("d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa4:porti65536e3:seq1:16:target3:abc5:tokeni1ee1:q3:foo"
                          "2:rol1:ae1:t2:aa1:y1:q1:zdee"),
            &m));
    CU_ASSERT_TRUE(!m.has_target && !m.has_seq && m.port == 0 && m.token.size == 0 && !m.read_only);
    CU_ASSERT_EQUAL(m.method, QE_KRPC_UNKNOWN);
    // An unsorted message is read, and known as such.
    CU_ASSERT_TRUE_FATAL(qe_krpc_read(text("d1:y1:q1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aae"), &m));
    CU_ASSERT_TRUE(m.method == QE_KRPC_PING && !m.canonical);
}

static void nodes_are_compact(void)
{
    struct qe_dht_contact contacts[3], back;
    uint8_t out[200];
    for (int i = 0; i < 3; i++)
        contacts[i].id = id_of((uint8_t)i);
    qe_addr_parse("10.0.0.1:6881", &contacts[0].addr);
    qe_addr_parse("[2001:db8::7]:9", &contacts[1].addr);
    qe_addr_parse("10.0.0.2:80", &contacts[2].addr);
    size_t size = qe_krpc_nodes_write(contacts, 3, 4, out, sizeof out);
    CU_ASSERT_EQUAL_FATAL(size, 2 * QE_KRPC_NODE4_SIZE);
    CU_ASSERT_TRUE(qe_krpc_node(qe_span(out, size), 4, 1, &back));
    CU_ASSERT_TRUE(qe_node_id_equal(&back.id, &contacts[2].id) && qe_addr_equal(&back.addr, &contacts[2].addr));
    CU_ASSERT_FALSE(qe_krpc_node(qe_span(out, size), 4, 2, &back));
    CU_ASSERT_FALSE(qe_krpc_node(qe_span(out, size - 1), 4, 0, &back));
    CU_ASSERT_EQUAL(qe_krpc_nodes_write(contacts, 3, 4, out, 51), QE_KRPC_NODE4_SIZE);
    size = qe_krpc_nodes_write(contacts, 3, 6, out, sizeof out);
    CU_ASSERT_TRUE(size == QE_KRPC_NODE6_SIZE && qe_krpc_node(qe_span(out, size), 6, 0, &back));
    CU_ASSERT_TRUE(qe_addr_equal(&back.addr, &contacts[1].addr));
}

static void records_are_compact(void)
{
    struct unit_random random = unit_random();
    uint8_t out[QE_KRPC_RECORD_MAX], value[QE_DHT_RECORD_MAX];
    unit_random_fill(&random, value, sizeof value);
    for (size_t size = 0; size <= sizeof value; size += 64) {
        struct qe_dht_record record = {.seq = UINT64_MAX - size, .age_s = size, .certified = size % 128 == 0}, back;
        unit_random_fill(&random, record.owner.bytes, 32);
        unit_random_fill(&random, record.signature, 64);
        if (record.certified) unit_random_fill(&random, record.authority.bytes, 32);
        if (record.certified) unit_random_fill(&random, record.certificate, 64);
        record.value = qe_span(value, size);
        size_t written = qe_krpc_record_write(&record, out, sizeof out);
        CU_ASSERT_TRUE(written > 0 && qe_krpc_record_write(&record, out, written - 1) == 0);
        struct qe_span authority = qe_span(record.authority.bytes, 32);
        CU_ASSERT_TRUE_FATAL(qe_krpc_record_read(qe_span(out, written), authority, &back));
        CU_ASSERT_TRUE(back.seq == record.seq && back.age_s == record.age_s && back.certified == record.certified);
        CU_ASSERT_TRUE(qe_key_equal(&back.owner, &record.owner) && qe_key_equal(&back.authority, &record.authority));
        CU_ASSERT_TRUE(memcmp(back.signature, record.signature, 64) == 0 && qe_span_equal(back.value, record.value));
        CU_ASSERT_TRUE(memcmp(back.certificate, record.certificate, 64) == 0);
        CU_ASSERT_EQUAL(qe_krpc_record_read(qe_span(out, written), (struct qe_span){0}, &back), !record.certified);
        CU_ASSERT_FALSE(qe_krpc_record_read(qe_span(out, 108), authority, &back));
        out[0] |= 2;
        CU_ASSERT_FALSE(qe_krpc_record_read(qe_span(out, written), authority, &back));
    }
}

static const struct unit_case cases[] = {
    {"the examples of BEP 5 are written and read", the_examples_of_bep_5_are_written_and_read},
    {"messages survive a round trip", messages_survive_a_round_trip},
    {"a padded query is a third of its reply", a_padded_query_is_a_third_of_its_reply},
    {"what BEP 5 demands of any message must be there", what_bep_5_demands_of_any_message_must_be_there},
    {"what is of the wrong type or size is not there", what_is_of_the_wrong_type_or_size_is_not_there},
    {"nodes are compact", nodes_are_compact},
    {"records are compact", records_are_compact},
};
UNIT_MAIN("krpc", cases)
