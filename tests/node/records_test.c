// What a node makes of records that are not what they should be: somebody with a DHT of his own puts them where a
// peer's record is looked for.
#include "base/time.h"
#include "dht/dht.h"
#include "discovery/node_record.h"
#include "node/cplane.h"
#include "unit.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world world;
static struct world_host *first, *seeker, *absent, *attacker;
static struct qe_dht *dht;
static struct unit_random attacker_random;
static unsigned stored;
static bool put_done;
static unsigned seen_found, seen_expired, seen_old, seen_refused;

static void watch(void *user, const struct qe_trace *trace)
{
    (void)user;
    seen_found += strcmp(trace->name, "record.found") == 0;
    seen_expired += strcmp(trace->name, "record.expired") == 0;
    seen_old += strcmp(trace->name, "record.old") == 0;
    seen_refused += strcmp(trace->name, "record.refused") == 0;
}

static void draw(void *user, uint8_t *out, size_t size)
{
    (void)user;
    unit_random_fill(&attacker_random, out, size);
}

static void on_answer(void *user, const struct qe_dht_answer *answer)
{
    (void)user;
    if (!answer->final || answer->kind != QE_DHT_PUT) return;
    put_done = true;
    stored = answer->stored;
}

static void flush(void)
{
    uint8_t bytes[QE_DHT_DATAGRAM_MAX];
    struct qe_dht_send send;
    const struct qe_addr from = {attacker->ip, QE_DEFAULT_PORT, 0};
    while (qe_dht_next(dht, bytes, &send, world.now_ns))
        for (size_t i = 0; i < world.host_count; i++)
            if (qe_ip_equal(&world.hosts[i].ip, &send.to.ip))
                world_inject(&world, &world.hosts[i], &from, bytes, send.size);
}

static void receive(struct world_host *h, const struct qe_addr *from, struct qe_span bytes)
{
    (void)h;
    qe_dht_receive(dht, 1, from, bytes, world.now_ns);
    flush();
}

static void run_for(uint64_t ns)
{
    for (uint64_t until = world.now_ns + ns; world.now_ns < until;) {
        world_run(&world, world.now_ns + (ns > 1000 * QE_NS_PER_S ? 200 : 20) * QE_NS_PER_MS);
        qe_dht_expire(dht, world.now_ns);
        flush();
    }
}

static struct world_host *add(void)
{
    struct world_host *h = world_add(&world);
    h->tells_link = true;
    h->config.bootstrap = calloc(1, sizeof *h->config.bootstrap);
    snprintf(h->config.bootstrap[0].text, sizeof h->config.bootstrap[0].text, "10.0.0.1:9000");
    h->config.bootstrap_count = h->index > 0;
    return h;
}

// What goes to whom: there is nobody at the addresses of these tests.
static unsigned asked[256];

static bool note(const struct world *w, const struct qe_ip *from, const struct qe_ip *to)
{
    (void)w;
    if (qe_ip_equal(from, &seeker->ip)) asked[to->bytes[3]]++;
    return false;
}

static void begin(bool network)
{
    static const uint8_t secret[QE_SECRET_SIZE] = {4};
    world_init(&world, 3);
    world.loses = note;
    memset(asked, 0, sizeof asked);
    seen_found = seen_expired = seen_old = seen_refused = 0;
    first = add();
    first->config.bootstrap_mode = true;
    seeker = add();
    absent = add();
    attacker = add();
    for (int i = 0; i < 3; i++)
        add();
    world_allow(seeker, absent, false);
    seeker->host.trace = watch;
    if (network) world_join(seeker, secret);
    attacker->receives = receive;
    attacker_random = unit_random();
    const struct qe_dht_options options = {
        .mem = unit_mem(), .id = attacker->id, .random = draw, .answer = on_answer, .exempt_private = true};
    CU_ASSERT_EQUAL_FATAL(qe_dht_new(&dht, &options, world.now_ns), 0);
    for (size_t i = 0; i < world.host_count; i++)
        if (&world.hosts[i] != absent && &world.hosts[i] != attacker) world_start(&world.hosts[i]);
    const struct qe_addr boot = {first->ip, QE_DEFAULT_PORT, 0};
    qe_dht_add_bootstrap(dht, &boot, world.now_ns);
    run_for(5 * QE_NS_PER_S);
}

static void end(void)
{
    qe_dht_free(dht);
    CU_ASSERT_EQUAL(world_fini(&world), 0);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

#define NOW_MS (UINT64_C(1700000000000) + world.now_ns / QE_NS_PER_MS)

// The attacker puts what the absent host once signed: a record with one endpoint.
static void put(uint64_t issued_ms, const char *endpoint, bool sealed)
{
    uint8_t value[QE_NODE_RECORD_SIZE_MAX], text[QE_DHT_SIGNED_MAX];
    struct qe_node_record record = {.issued_ms = issued_ms, .lifetime_s = 86400, .endpoint_count = 1};
    record.endpoints[0].kind = QE_ENDPOINT_HOST;
    CU_ASSERT(qe_addr_parse(endpoint, &record.endpoints[0].addr));
    size_t size = qe_node_record_encode(&record, sealed, &absent->host, value);
    struct qe_dht_item item = {
        .mutable = true, .key = absent->host.identity, .seq = (int64_t)issued_ms, .value = qe_span(value, size)};
    size = qe_dht_item_signed(&item, text);
    qe_secret_do(&absent->secret, QE_SECRET_SIGN, qe_span(text, size), item.signature, sizeof item.signature);
    const struct qe_dht_request request = {.kind = QE_DHT_PUT, .target = absent->id, .item = &item};
    put_done = false;
    CU_ASSERT(qe_dht_start(dht, &request, world.now_ns) != 0);
    for (int i = 0; i < 500 && !put_done; i++)
        run_for(20 * QE_NS_PER_MS);
    CU_ASSERT(put_done);
}

static void a_good_record_is_used(void)
{
    begin(false);
    put(NOW_MS - 1000, "10.0.0.77:9000", false);
    CU_ASSERT(stored >= 3);
    run_for(60 * QE_NS_PER_S);
    CU_ASSERT(asked[77] > 0);
    CU_ASSERT(asked[77] <= 6); // 3 in 30 s
    CU_ASSERT(seen_found > 0);
    end();
}

static void an_expired_one_is_not(void)
{
    begin(false);
    put(NOW_MS - 2 * UINT64_C(86400000), "10.0.0.77:9000", false);
    CU_ASSERT(stored >= 3);
    run_for(60 * QE_NS_PER_S);
    CU_ASSERT_EQUAL(asked[77], 0);
    CU_ASSERT(seen_expired > 0 && seen_found == 0);
    end();
}

static void one_of_another_network_is_not(void)
{
    static const uint8_t other[QE_SECRET_SIZE] = {5};
    begin(true);
    world_join(absent, other);
    put(NOW_MS - 1000, "10.0.0.77:9000", true);
    CU_ASSERT(stored >= 3);
    run_for(60 * QE_NS_PER_S);
    CU_ASSERT_EQUAL(asked[77], 0);
    CU_ASSERT(seen_refused > 0 && seen_found == 0);
    end();
}

// Every node that had the newer one has forgotten it, so that the older one is stored again.
static void an_older_one_does_not_replace_a_newer_one(void)
{
    begin(false);
    put(NOW_MS - 1000, "10.0.0.77:9000", false);
    run_for(60 * QE_NS_PER_S);
    CU_ASSERT(asked[77] > 0);
    run_for(7300 * QE_NS_PER_S);
    put(NOW_MS - 10000000, "10.0.0.78:9000", false);
    CU_ASSERT(stored >= 2);
    run_for(600 * QE_NS_PER_S);
    CU_ASSERT_EQUAL(asked[78], 0);
    CU_ASSERT(asked[77] > 0);
    CU_ASSERT(seen_old > 0);
    end();
}

static const struct unit_case cases[] = {
    {"a good record is used", a_good_record_is_used},
    {"an expired one is not", an_expired_one_is_not},
    {"one of another network is not", one_of_another_network_is_not},
    {"an older one does not replace a newer one", an_older_one_does_not_replace_a_newer_one},
};
UNIT_MAIN("records", cases)
