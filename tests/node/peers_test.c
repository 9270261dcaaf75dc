// Peers that come and go, with letters that are carried late: the control plane and two real lanes, without a network.
#include "base/time.h"
#include "node/cplane_internal.h"
#include "node/discovery_internal.h"
#include "node/lane_internal.h"
#include "unit.h"
#include "wire/claims.h"
#include "world.h"

#include <stdlib.h>

#define LANES 2
#define IDS   40

struct parts {
    struct world world;
    struct world_host *host;
    struct qe_list outbox;
    struct qe_pool pool;
    struct qe_cplane *c;
    struct qe_lane *lanes[LANES];
};

static struct qe_node_id id_of(unsigned number)
{
    struct qe_node_id id = {{(uint8_t)(number * 37), (uint8_t)number, 1}};
    return id;
}

static void begin(struct parts *p)
{
    world_init(&p->world, 1);
    p->host = world_add(&p->world);
    p->host->config.lanes = LANES;
    qe_list_init(&p->outbox);
    p->pool = (struct qe_pool){.host = &p->host->host, .credit = WORLD_BUFFERS};
    const struct qe_cplane_options options = {
        .host = &p->host->host, .config = &p->host->config, .outbox = &p->outbox, .lane_count = LANES};
    CU_ASSERT_EQUAL_FATAL(qe_cplane_new(&p->c, &options, p->world.now_ns, 0), 0);
    for (uint8_t i = 0; i < LANES; i++) {
        const struct qe_lane_options lane = {.host = &p->host->host,
            .pool = &p->pool,
            .outbox = &p->outbox,
            .index = i,
            .lane_count = LANES,
            .mtu = 1420,
            .connections_max = 64};
        CU_ASSERT_EQUAL_FATAL(qe_lane_new(&p->lanes[i], &lane, p->world.now_ns, 0), 0);
    }
    struct qe_event start = {.kind = QE_EVENT_START, .now_ns = p->world.now_ns};
    qe_cplane_step(p->c, &start);
}

// Carries one letter; false where there is none.
static bool carry(struct parts *p)
{
    if (qe_list_empty(&p->outbox)) return false;
    struct qe_mail *mail = qe_container(p->outbox.next, struct qe_mail, link);
    qe_list_remove(&mail->link);
    bool kept = mail->to == QE_MAIL_CONTROL ? qe_cplane_read(p->c, mail, p->world.now_ns, 0)
                                            : qe_lane_read(p->lanes[mail->to], mail, p->world.now_ns, 0);
    if (!kept) qe_mail_free(&p->host->host, mail);
    return true;
}

static void step(struct parts *p)
{
    struct qe_event event = {.kind = QE_EVENT_TIMEOUT, .now_ns = p->world.now_ns += 200 * QE_NS_PER_MS};
    qe_cplane_step(p->c, &event);
}

static void carry_all(struct parts *p)
{
    do
        step(p);
    while (carry(p) || p->c->leaving_count > 0 || p->c->unpublished);
}

static size_t end(struct parts *p)
{
    for (uint8_t i = 0; i < LANES; i++)
        qe_lane_free(p->lanes[i]);
    qe_cplane_free(p->c);
    while (!qe_list_empty(&p->outbox))
        qe_mail_free(&p->host->host, qe_container(p->outbox.next, struct qe_mail, link));
    return world_fini(&p->world);
}

// A packet for the peer's derived address, which makes its lane keep something of it.
static void send_packet(struct parts *p, unsigned number)
{
    struct world_host to = {.id = id_of(number)};
    uint8_t bytes[100];
    size_t size = world_packet(p->host, &to, 6, number, sizeof bytes, bytes);
    struct qe_packet_in in = {p->host->host.buf_new(p->host), {0}};
    memcpy(qe_buf_bytes(in.buf), bytes, size);
    in.buf->size = (uint32_t)size;
    struct qe_event event = {.kind = QE_EVENT_PACKETS, .now_ns = p->world.now_ns, .packets = {.list = &in, .count = 1}};
    qe_lane_step(p->lanes[0], &event);
}

static void check(const struct parts *p, const bool *present)
{
    size_t count = 0;
    for (unsigned i = 0; i < IDS; i++) {
        struct qe_node_id id = id_of(i);
        const struct cplane_peer *peer = cplane_peer_find(p->c, &id);
        CU_ASSERT_EQUAL(peer != NULL, present[i]);
        if (peer) CU_ASSERT_PTR_EQUAL(p->c->peers[peer->index], peer);
        count += present[i];
    }
    CU_ASSERT_EQUAL(p->c->peer_count, count);
    for (size_t i = 1; i < p->c->peer_count; i++)
        CU_ASSERT_TRUE(qe_node_id_compare(&p->c->by_id[i - 1]->id, &p->c->by_id[i]->id) < 0);
}

// What a lane has of a peer is always of the peer that its snapshot has at that index, or of one that leaves.
static void check_lanes(const struct parts *p)
{
    for (uint8_t lane = 0; lane < LANES; lane++) {
        const struct qe_snapshot *s = p->lanes[lane]->snapshot;
        for (uint32_t i = 0; s && i < s->peer_slots; i++) {
            if (!s->peers[i].known) continue;
            CU_ASSERT_EQUAL(qe_snapshot_find(s, &s->peers[i].id), i);
            // The slot is either still this peer's, or it is leaving.
            const struct cplane_peer *peer = p->c->peers[i];
            CU_ASSERT_TRUE(peer && qe_node_id_equal(&peer->id, &s->peers[i].id));
        }
    }
}

static void an_index_never_means_two_peers(void)
{
    struct parts *p = calloc(1, sizeof *p);
    struct unit_random random = unit_random();
    bool present[IDS] = {false};
    begin(p);
    for (int round = 0; round < 20000; round++) {
        unsigned number = (unsigned)unit_random_below(&random, IDS);
        struct qe_node_id id = id_of(number);
        struct cplane_peer *peer = cplane_peer_find(p->c, &id);
        switch (unit_random_below(&random, 6)) {
        case 0:
            CU_ASSERT_PTR_NOT_NULL(cplane_peer_add(p->c, &id, NULL, CPLANE_WHY_MEMBER));
            present[number] = true;
            break;
        case 1:
            if (peer) cplane_peer_disallow(p->c, peer, CPLANE_WHY_MEMBER);
            present[number] = false;
            break;
        case 2:
            if (p->host->lent < WORLD_BUFFERS / 2) send_packet(p, number);
            break;
        case 3:
            step(p);
            break;
        default:
            for (uint64_t i = unit_random_below(&random, 12); i > 0; i--)
                carry(p);
            break;
        }
        if (round % 16 == 0) check(p, present);
        check_lanes(p);
    }
    carry_all(p);
    check(p, present);
    for (uint32_t i = 0; i < p->c->peer_slots; i++)
        for (uint8_t lane = 0; lane < LANES; lane++)
            if (i < p->lanes[lane]->peer_slots && p->lanes[lane]->peers[i]) CU_ASSERT_PTR_NOT_NULL(p->c->peers[i]);
    // Indexes were used again: there are hardly more than there are IDs.
    CU_ASSERT_TRUE(p->c->peer_slots <= 2 * IDS);
    CU_ASSERT_EQUAL(end(p), 0);
    CU_ASSERT_EQUAL(p->host->lent, 0);
    free(p);
}

static void a_peer_with_a_reason_left_stays(void)
{
    struct parts *p = calloc(1, sizeof *p);
    begin(p);
    struct qe_node_id id = id_of(3);
    struct cplane_peer *peer = cplane_peer_add(p->c, &id, "three", CPLANE_WHY_CONFIG);
    CU_ASSERT_PTR_EQUAL(cplane_peer_add(p->c, &id, NULL, CPLANE_WHY_MEMBER), peer);
    CU_ASSERT_STRING_EQUAL(peer->name, "three");
    cplane_peer_disallow(p->c, peer, CPLANE_WHY_CONFIG);
    carry_all(p);
    CU_ASSERT_PTR_EQUAL(cplane_peer_find(p->c, &id), peer);
    cplane_peer_disallow(p->c, peer, CPLANE_WHY_MEMBER);
    CU_ASSERT_PTR_NULL(cplane_peer_find(p->c, &id));
    carry_all(p);
    CU_ASSERT_PTR_NULL(p->c->peers[0]);
    // The next one has its place.
    id = id_of(4);
    CU_ASSERT_EQUAL(cplane_peer_add(p->c, &id, NULL, CPLANE_WHY_MEMBER)->index, 0);
    CU_ASSERT_EQUAL(end(p), 0);
    free(p);
}

static void no_allocation_that_fails_loses_a_peer(void)
{
    struct parts *p = calloc(1, sizeof *p);
    for (uint64_t nth = 1; nth <= 60; nth++) {
        begin(p);
        p->world.fail_at = p->world.allocations + nth;
        p->world.fail_count = 3;
        for (unsigned i = 0; i < 12; i++) {
            struct qe_node_id id = id_of(i);
            cplane_peer_add(p->c, &id, NULL, CPLANE_WHY_MEMBER);
            step(p);
            carry(p);
            struct cplane_peer *peer = cplane_peer_find(p->c, &id);
            if (peer && i % 3 == 0) cplane_peer_disallow(p->c, peer, CPLANE_WHY_MEMBER);
        }
        p->world.fail_count = 0;
        carry_all(p);
        for (uint8_t lane = 0; lane < LANES; lane++) {
            const struct qe_snapshot *s = p->lanes[lane]->snapshot;
            CU_ASSERT_PTR_NOT_NULL_FATAL(s);
            CU_ASSERT_EQUAL(s->peer_count, p->c->peer_count);
        }
        CU_ASSERT_EQUAL(end(p), 0);
    }
    free(p);
}

#define PATH (UINT64_C(1) << 48 | 1)

// A letter of lane 0 about a connection of that peer, read at once.
static void say(struct parts *p, enum qe_mail_kind kind, uint32_t peer, const struct qe_key *key, struct qe_span bytes)
{
    struct qe_list list;
    qe_list_init(&list);
    struct qe_mail *mail = qe_mail_post(&p->host->host.mem, &list, QE_MAIL_CONTROL, kind, bytes.data, bytes.size);
    qe_list_remove(&mail->link);
    mail->peer = peer;
    mail->path = PATH;
    if (kind == QE_MAIL_CONNECTED) {
        mail->conn.key = *key;
        mail->conn.gated = peer == QE_PEER_NONE;
        mail->conn.info.remote = (struct qe_addr){{4, {192, 0, 2, 1}}, 7000, 0};
    }
    if (!qe_cplane_read(p->c, mail, p->world.now_ns, 0)) qe_mail_free(&p->host->host, mail);
}

// What comes after it was dropped, and before its lanes have closed its connections, is another peer's if it stays.
static void who_leaves_claims_nothing(void)
{
    struct parts *p = calloc(1, sizeof *p);
    uint8_t message[2 + QE_MESSAGE_SIZE_MAX];
    const struct qe_key key = {{7}};
    const struct qe_hello hello = {.version = QE_WIRE_VERSION, .boot_epoch = 1};
    const struct qe_claims claims = {.number = 1, .subnets = {{{4, {192, 168, 7}}, 24}}, .subnet_count = 1};
    for (int leaves = 0; leaves < 2; leaves++) {
        begin(p);
        struct qe_node_id id = qe_node_id_from_key(&key), next = id_of(4);
        struct cplane_peer *peer = cplane_peer_add(p->c, &id, NULL, CPLANE_WHY_CONFIG);
        say(p, QE_MAIL_CONNECTED, peer->index, &key, qe_span(NULL, 0));
        say(p, QE_MAIL_RECEIVED, peer->index, &key, qe_span(message, qe_hello_encode(&hello, message, sizeof message)));
        if (leaves) cplane_peer_disallow(p->c, peer, CPLANE_WHY_CONFIG);
        say(p, QE_MAIL_RECEIVED, peer->index, &key,
            qe_span(message, qe_claims_encode(&claims, message, sizeof message)));
        CU_ASSERT_EQUAL(p->c->claims.subnets.count, leaves ? 0 : 1);
        carry_all(p);
        // Whoever is next has no part in it.
        CU_ASSERT_EQUAL(cplane_peer_add(p->c, &next, NULL, CPLANE_WHY_CONFIG)->index, leaves ? 0 : 1);
        CU_ASSERT_EQUAL(p->c->claims.subnets.count, leaves ? 0 : 1);
        cplane_claims_on_link(p->c);
        CU_ASSERT_EQUAL(end(p), 0);
    }
    free(p);
}

// Each has routes and a snapshot made anew: a peer that says them all the time would keep this node busy.
static void claims_without_end_end_the_connection(void)
{
    struct parts *p = calloc(1, sizeof *p);
    uint8_t message[2 + QE_MESSAGE_SIZE_MAX];
    const struct qe_key key = {{7}};
    const struct qe_hello hello = {.version = QE_WIRE_VERSION, .boot_epoch = 1};
    const uint64_t id_of_path = PATH;
    begin(p);
    struct qe_node_id id = qe_node_id_from_key(&key);
    struct cplane_peer *peer = cplane_peer_add(p->c, &id, NULL, CPLANE_WHY_CONFIG);
    say(p, QE_MAIL_CONNECTED, peer->index, &key, qe_span(NULL, 0));
    say(p, QE_MAIL_RECEIVED, peer->index, &key, qe_span(message, qe_hello_encode(&hello, message, sizeof message)));
    const struct cplane_path *path = qe_table_get(p->c->paths, &id_of_path);
    struct qe_claims claims = {.subnets = {{{4, {192, 168, 7}}, 24}}, .subnet_count = 1};
    // Now and then is as often as it likes.
    for (unsigned i = 0; i < 200; i++) {
        claims.number++;
        p->world.now_ns += QE_NS_PER_S;
        say(p, QE_MAIL_RECEIVED, peer->index, &key,
            qe_span(message, qe_claims_encode(&claims, message, sizeof message)));
    }
    CU_ASSERT_FALSE(path->refused);
    uint64_t generation = p->c->generation;
    for (unsigned i = 0; i < 500; i++) {
        claims.number++;
        claims.subnets[0].ip.bytes[2] ^= 1;
        say(p, QE_MAIL_RECEIVED, peer->index, &key,
            qe_span(message, qe_claims_encode(&claims, message, sizeof message)));
    }
    CU_ASSERT_TRUE(path->refused);
    CU_ASSERT_TRUE(p->c->generation - generation < 100);
    CU_ASSERT_EQUAL(end(p), 0);
    free(p);
}

// A lane took it for a stranger, so no lane closes the connection when the peer is forgotten.
static void no_path_outlives_its_peer(void)
{
    struct parts *p = calloc(1, sizeof *p);
    const struct qe_key key = {{7}};
    const uint64_t id_of_path = PATH;
    begin(p);
    struct qe_node_id id = qe_node_id_from_key(&key);
    struct cplane_peer *peer = cplane_peer_add(p->c, &id, NULL, CPLANE_WHY_MEMBER);
    say(p, QE_MAIL_CONNECTED, QE_PEER_NONE, &key, qe_span(NULL, 0));
    struct cplane_path *path = qe_table_get(p->c->paths, &id_of_path);
    CU_ASSERT_PTR_NOT_NULL_FATAL(path);
    CU_ASSERT_PTR_EQUAL(path->peer, peer);
    cplane_peer_disallow(p->c, peer, CPLANE_WHY_MEMBER);
    carry_all(p);
    CU_ASSERT_PTR_NULL(p->c->peers[0]);
    CU_ASSERT_PTR_NULL(path->peer);
    CU_ASSERT_TRUE(path->refused);
    say(p, QE_MAIL_CLOSED, QE_PEER_NONE, &key, qe_span(NULL, 0));
    CU_ASSERT_PTR_NULL(qe_table_get(p->c->paths, &id_of_path));
    CU_ASSERT_EQUAL(end(p), 0);
    free(p);
}

// Else so many that leave would end all looking for others.
static void a_lookup_for_who_leaves_is_over(void)
{
    struct parts *p = calloc(1, sizeof *p);
    begin(p);
    struct qe_node_id id = id_of(3);
    struct cplane_peer *peer = cplane_peer_add(p->c, &id, NULL, CPLANE_WHY_MEMBER);
    peer->seek.operation = 77;
    p->c->discovery->seek.running = 3;
    cplane_peer_disallow(p->c, peer, CPLANE_WHY_MEMBER);
    carry_all(p);
    CU_ASSERT_EQUAL(p->c->discovery->seek.running, 2);
    CU_ASSERT_EQUAL(end(p), 0);
    free(p);
}

static const struct unit_case cases[] = {
    {"an index never means two peers", an_index_never_means_two_peers},
    {"a peer with a reason left stays", a_peer_with_a_reason_left_stays},
    {"no allocation that fails loses a peer", no_allocation_that_fails_loses_a_peer},
    {"who leaves claims nothing", who_leaves_claims_nothing},
    {"claims without end end the connection", claims_without_end_end_the_connection},
    {"no path outlives its peer", no_path_outlives_its_peer},
    {"a lookup for who leaves is over", a_lookup_for_who_leaves_is_over},
};
UNIT_MAIN("peers", cases)
