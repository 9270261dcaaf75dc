// What this node claims in the index: its overlay addresses, in a private network its name, and the networks behind it.
// Each claim is looked up first, then written, looked up again, and from then on now and then: another may have come
// from the other side of a partition. Where only one can have it, the older claim by the word of third nodes keeps it
// (route/subnets.h): who loses an address takes another, who loses a name does without.
//
// Answers are noted when they come; what follows is done when the step ends.
#include "node/discovery_internal.h"

#include "base/cursor.h"
#include "base/mutants.h"
#include "node/underlay.h"
#include "route/overlay.h"

#include <stdio.h>

#define WRITE_NS       (2700 * QE_NS_PER_S) // records live for 7200 s
#define RENEW_NS       (240 * QE_NS_PER_S)  // with a look, so that nodes that came since begin to count
#define VERIFY_NS      (3 * QE_NS_PER_S)    // whoever wrote at the same time has been heard by then
#define LOOK_FIRST_NS  (30 * QE_NS_PER_S)
#define LOOK_LAST_NS   (900 * QE_NS_PER_S)
#define LOST_NS        (300 * QE_NS_PER_S) // until a lost name is looked for again
#define RETRY_FIRST_NS (2 * QE_NS_PER_S)
#define RETRY_LAST_NS  (120 * QE_NS_PER_S)
#define POLL_NS        (250 * QE_NS_PER_MS) // while the DHT is being joined; later
#define POLL_LATER_NS  (5 * QE_NS_PER_S)
#define POLL_SOON_NS   (10 * QE_NS_PER_S) // that begins
#define RUNNING_MAX    8
#define CLAIMANTS_MAX  64
#define TRIES_MAX      1000 // of addresses in a row, where none is free

#define STATE_VERSION 1

// Whether it is the configured address, which is not given up, whoever else has it.
static bool is_given(const struct qe_cplane *c, const struct own_claim *claim)
{
    return claim->kind == QE_INDEX_ADDRESS && claim->key_size == 4 && c->config->tun_addr.ip.family == 4;
}

static void wake(struct qe_cplane *c, uint64_t at_ns)
{
    c->claims.own_at_ns = qe_time_min(c->claims.own_at_ns, at_ns);
}

static void add(struct qe_cplane *c, enum qe_index_kind kind, const void *key, size_t size, bool contested)
{
    struct own_claim *claim = &c->claims.own[c->claims.own_count++];
    *claim = (struct own_claim){.kind = kind, .key_size = size, .contested = contested};
    memcpy(claim->key, key, size);
    wake(c, c->now_ns);
}

static void begin(struct qe_cplane *c)
{
    c->claims.own_count = 0;
    c->claims.in_network = discovery_in_network(c);
    add(c, QE_INDEX_ADDRESS, c->own[0].ip.bytes, 4, true);
    add(c, QE_INDEX_ADDRESS, c->own[1].ip.bytes, 16, false);
    if (c->claims.in_network && c->config->name[0])
        add(c, QE_INDEX_NAME, c->config->name, strlen(c->config->name), true);
    for (size_t i = 0; i < c->config->advertise.count && c->claims.own_count < OWN_CLAIMS_MAX; i++) {
        uint8_t key[QE_INDEX_SUBNET_KEY_MAX];
        add(c, QE_INDEX_SUBNET, key, qe_index_subnet_key(&c->config->advertise.list[i], key), false);
    }
}

void cplane_own_claims_init(struct qe_cplane *c)
{
    c->claims.own_at_ns = c->now_ns;
}

static void store_counter(struct qe_cplane *c)
{
    static const char key[] = CPLANE_ADDRESS_KEY;
    struct cplane_action *a = cplane_act(c, QE_ACTION_STORE, sizeof key + 5);
    if (!a) return;
    memcpy(a->bytes, key, sizeof key);
    uint8_t *value = (uint8_t *)a->bytes + sizeof key;
    value[0] = STATE_VERSION;
    qe_store32(value + 1, c->claims.address_counter);
    a->action.store.key = a->bytes;
    a->action.store.value = qe_span(value, 5);
}

bool cplane_own_claims_load(struct qe_cplane *c, const char *key, struct qe_span value)
{
    if (strcmp(key, CPLANE_ADDRESS_KEY) != 0) return false;
    struct qe_reader r = qe_reader(value);
    uint8_t version = qe_read8(&r);
    uint32_t counter = qe_read32(&r);
    if (r.failed || qe_reader_left(&r) > 0 || version != STATE_VERSION) {
        cplane_log(c, QE_LOG_WARN, "stored item %s is damaged; ignored", key);
        return true;
    }
    c->claims.address_counter = counter;
    if (c->config->tun_addr.ip.family != 4) c->own[0] = qe_overlay_ip4(&c->self, counter);
    return true;
}

// Whether an address is free as far as this node knows.
static bool seems_free(const struct qe_cplane *c, const struct qe_ip *ip)
{
    if (cplane_underlay_has(c, ip)) return false;
    for (size_t i = 0; i < c->peer_count; i++) {
        const struct cplane_peer *peer = c->by_id[i];
        struct qe_cidr derived = qe_overlay_ip4(&peer->id, 0);
        if (qe_ip_equal(&derived.ip, ip)) return false;
        for (size_t j = 0; j < peer->address_count; j++)
            if (qe_ip_equal(&peer->addresses[j], ip)) return false;
    }
    return true;
}

// The next IPv4 address that this node's ID gives is taken, and everybody is told.
static void take_next(struct qe_cplane *c)
{
    struct cplane_claims *claims = &c->claims;
    struct qe_ip old = c->own[0].ip;
    unsigned tries = 0;
    do
        c->own[0] = qe_overlay_ip4(&c->self, ++claims->address_counter);
    while ((qe_ip_equal(&c->own[0].ip, &old) || !seems_free(c, &c->own[0].ip)) && ++tries < TRIES_MAX);
    store_counter(c);
    struct cplane_action *a = c->tun_up ? cplane_act(c, QE_ACTION_ADDRESSES, 0) : NULL;
    if (a) a->action.addresses = (struct qe_prefixes){CPLANE_REQUEST_ADDRESSES, c->own, 2};
    cplane_dns_open(c);
    claims->number++;
    cplane_reclaim(c, NULL);
    c->snapshot_due = true;
    cplane_say_claims_to_all(c);
    cplane_claims_on_link(c);
    announce_wake(c, 0);
    claims->own_count = 0; // all of them are made anew, under the new address
    wake(c, c->now_ns);
}

void cplane_own_claims_on_link(struct qe_cplane *c)
{
    char was[QE_ADDR_TEXT_SIZE], is[QE_ADDR_TEXT_SIZE];
    struct qe_ip old = c->own[0].ip;
    if (c->config->tun_addr.ip.family == 4 || !cplane_underlay_has(c, &old)) return;
    take_next(c);
    cplane_log(c, QE_LOG_WARN,
        "the overlay address %s lies in a network of this host's underlay: this node's is %s now",
        qe_ip_format(&old, was), qe_ip_format(&c->own[0].ip, is));
}

// The IPv4 address is another's.
static void rehash(struct qe_cplane *c, const struct qe_node_id *owner)
{
    char was[QE_ADDR_TEXT_SIZE], is[QE_ADDR_TEXT_SIZE], id[QE_NODE_ID_TEXT_SIZE];
    struct cplane_claims *claims = &c->claims;
    struct qe_ip old = c->own[0].ip;
    take_next(c);
    claims->address_lost = true;
    claims->lost_address = old;
    claims->lost_to = *owner;
    cplane_log(c, QE_LOG_WARN, "the overlay address %s is %s's, whose claim comes first: this node's is %s now",
        qe_ip_format(&old, was), qe_node_id_format(owner, id), qe_ip_format(&c->own[0].ip, is));
    cplane_trace(c, "address.lost", cplane_peer_find(c, owner), claims->address_counter, 0);
}

// What this node says of itself has changed.
static void say_again(struct qe_cplane *c)
{
    c->claims.number++;
    cplane_say_claims_to_all(c);
}

static void keep(struct qe_cplane *c, struct own_claim *claim, const struct qe_node_id *other)
{
    char id[QE_NODE_ID_TEXT_SIZE];
    if (other && (!claim->has_other || !qe_node_id_equal(&claim->other, other)))
        cplane_log(c, QE_LOG_WARN, "%s claims this node's %s%s", qe_node_id_format(other, id),
            claim->kind == QE_INDEX_NAME ? "name" : "overlay address",
            is_given(c, claim) ? ", which is kept as it is configured: one of the two is to be given another"
                               : ", and has to give it up: this node's claim comes first");
    if (other) claim->other = *other;
    claim->has_other = other != NULL || (claim->has_other && claim->state != OWN_LOST);
    bool was_lost = claim->state == OWN_LOST;
    if (was_lost) claim->state = OWN_CLAIMING;
    if (was_lost) say_again(c);
    claim->seen = true;
    if (claim->written && claim->state != OWN_HELD) {
        claim->state = OWN_HELD;
        cplane_trace(c, "claim.held", NULL, claim->kind, claim->looks);
    }
    uint64_t wait = LOOK_FIRST_NS;
    for (unsigned i = 0; i < claim->looks && wait < LOOK_LAST_NS; i++)
        wait *= 2;
    claim->looks += claim->written;
    if (claim->written && c->now_ns - claim->written_ns > RENEW_NS) claim->write_at_ns = c->now_ns;
    claim->at_ns =
        claim->written ? c->now_ns + discovery_spread(c, wait < LOOK_LAST_NS ? wait : LOOK_LAST_NS) : c->now_ns;
}

static void retry(struct qe_cplane *c, struct own_claim *claim)
{
    claim->at_ns = c->now_ns + discovery_back_off(c, claim->failures++, RETRY_FIRST_NS, RETRY_LAST_NS);
}

// Whose claims are heard: members', elsewhere those of peers.
static bool counts(const struct qe_cplane *c, const struct qe_node_id *id)
{
    return c->claims.in_network || cplane_peer_find(c, id);
}

static bool locate(struct qe_cplane *c, const struct own_claim *claim, struct qe_index_place *place)
{
    return qe_index_locate(c->host, c->claims.in_network, claim->kind, qe_span(claim->key, claim->key_size), place);
}

// Reads who claims the same; this node comes first.
static size_t read_claimants(struct qe_cplane *c, struct own_claim *claim, const struct qe_dht_answer *answer,
    struct qe_claimant list[CLAIMANTS_MAX])
{
    struct qe_index_place place;
    struct qe_index_entry entry;
    uint8_t room[QE_DHT_RECORD_MAX];
    int64_t now_s = (int64_t)(c->now_ns / QE_NS_PER_S);
    size_t count = 1;
    list[0] = (struct qe_claimant){c->self, now_s};
    if (!locate(c, claim, &place) || !qe_node_id_equal(&place.target, &answer->target)) return count;
    for (size_t i = 0; i < answer->record_count; i++) {
        if (!qe_index_read(c->host, &place, &answer->records[i], room, &entry)) continue;
        int64_t since_s = now_s - (int64_t)(entry.age_s < INT32_MAX ? entry.age_s : INT32_MAX);
        if (qe_node_id_equal(&entry.id, &c->self)) {
            list[0].since_s = claim->since_s = since_s;
            if (entry.seq > claim->seq) claim->seq = entry.seq;
        } else if (claim->contested && counts(c, &entry.id) && count < CLAIMANTS_MAX) {
            list[count++] = (struct qe_claimant){entry.id, since_s};
        }
    }
    return count;
}

static struct own_claim *claim_of(struct qe_cplane *c, uint64_t operation)
{
    for (size_t i = 0; i < c->claims.own_count; i++)
        if (c->claims.own[i].operation == operation) return &c->claims.own[i];
    return NULL;
}

static void on_written(struct qe_cplane *c, const struct qe_dht_answer *answer, uint64_t user)
{
    (void)user;
    struct own_claim *claim = claim_of(c, answer->operation);
    if (!claim || !answer->final) return;
    claim->operation = 0;
    wake(c, c->now_ns);
    if (answer->stored == 0) {
        retry(c, claim);
        return;
    }
    claim->failures = 0;
    claim->write_at_ns = c->now_ns + discovery_spread(c, WRITE_NS);
    if (!claim->written && claim->state != OWN_LOST) claim->at_ns = c->now_ns + VERIFY_NS;
    claim->written = true;
    claim->written_ns = c->now_ns;
    cplane_trace(c, "claim.written", NULL, claim->kind, answer->stored);
}

// The owner's addresses, so that who asks for a name needs not ask again.
static size_t write_value(const struct qe_cplane *c, const struct own_claim *claim, uint8_t *out, size_t size)
{
    struct qe_writer w = qe_writer(out, size);
    for (size_t i = 0; i < 2 && claim->kind == QE_INDEX_NAME; i++) {
        qe_write8(&w, c->own[i].ip.family);
        qe_write_bytes(&w, c->own[i].ip.bytes, qe_ip_size(&c->own[i].ip));
    }
    return qe_writer_size(&w);
}

static void write(struct qe_cplane *c, struct own_claim *claim)
{
    struct qe_index_place place;
    struct qe_dht_record record;
    uint8_t room[QE_DHT_RECORD_MAX], value[64];
    claim->seq = c->wall_ms > claim->seq ? c->wall_ms : claim->seq + 1;
    size_t size = write_value(c, claim, value, sizeof value);
    if (!locate(c, claim, &place) ||
        !qe_index_write(c->host, &place, claim->seq, qe_span(value, size), room, &record)) {
        retry(c, claim);
        return;
    }
    const struct qe_dht_request request = {.kind = QE_DHT_INDEX_PUT, .target = place.target, .record = &record};
    claim->writes = true;
    claim->operation = discovery_ask(c, &request, on_written, 0);
    if (claim->operation == 0) retry(c, claim);
}

// The claim is written all the same, once: so the other hears of it.
static void lose(struct qe_cplane *c, struct own_claim *claim, const struct qe_node_id *owner)
{
    char id[QE_NODE_ID_TEXT_SIZE];
    bool was_lost = claim->state == OWN_LOST;
    if (!was_lost && !claim->written) write(c, claim);
    if (claim->kind == QE_INDEX_ADDRESS) {
        rehash(c, owner);
        return;
    }
    if (!was_lost || !qe_node_id_equal(&claim->other, owner))
        cplane_log(c, QE_LOG_WARN, "the name %s is %s's, whose claim comes first", c->config->name,
            qe_node_id_format(owner, id));
    cplane_trace(c, "name.lost", cplane_peer_find(c, owner), 0, 0);
    claim->state = OWN_LOST;
    if (!was_lost) say_again(c);
    claim->has_other = true;
    claim->other = *owner;
    claim->at_ns = c->now_ns + discovery_spread(c, LOST_NS);
}

static void on_looked(struct qe_cplane *c, const struct qe_dht_answer *answer, uint64_t user)
{
    (void)user;
    struct own_claim *claim = claim_of(c, answer->operation);
    struct qe_claimant list[CLAIMANTS_MAX];
    if (!claim || !answer->final) return;
    claim->operation = 0;
    wake(c, c->now_ns);
    if (answer->outcome != QE_DHT_DONE && answer->outcome != QE_DHT_NOT_FOUND) {
        retry(c, claim);
        return;
    }
    claim->failures = 0;
    size_t count = read_claimants(c, claim, answer, list);
    size_t keeper = QE_MUTANT(claim_kept) ? 0 : qe_claim_keeper(list, count);
    if (keeper != 0 && is_given(c, claim))
        keep(c, claim, &list[keeper].id);
    else if (keeper != 0)
        lose(c, claim, &list[keeper].id);
    else
        keep(c, claim, count > 1 ? &list[1].id : NULL);
}

static void look(struct qe_cplane *c, struct own_claim *claim)
{
    struct qe_index_place place;
    if (!locate(c, claim, &place)) {
        retry(c, claim);
        return;
    }
    const struct qe_dht_request request = {.kind = QE_DHT_INDEX_GET, .target = place.target};
    claim->writes = false;
    claim->operation = discovery_ask(c, &request, on_looked, 0);
    if (claim->operation == 0) retry(c, claim);
}

// A claim that another has is not written again.
static bool write_due(const struct qe_cplane *c, const struct own_claim *claim)
{
    return claim->state != OWN_LOST && claim->write_at_ns <= c->now_ns && claim->seen;
}

static uint64_t due_at(const struct own_claim *claim)
{
    bool writes = claim->written && claim->state != OWN_LOST;
    return writes ? qe_time_min(claim->at_ns, claim->write_at_ns) : claim->at_ns;
}

void cplane_own_claims_expire(struct qe_cplane *c)
{
    struct cplane_claims *claims = &c->claims;
    unsigned running = 0;
    if (!c->up || c->stopping || claims->own_at_ns > c->now_ns) return;
    claims->own_at_ns = QE_TIME_NEVER;
    if (!discovery_joined(c)) {
        wake(c, c->now_ns + (c->now_ns - c->started_ns < POLL_SOON_NS ? POLL_NS : POLL_LATER_NS));
        return;
    }
    if (claims->own_count == 0 || claims->in_network != discovery_in_network(c)) begin(c);
    claims->own_at_ns = QE_TIME_NEVER;
    for (size_t i = 0; i < claims->own_count; i++)
        running += claims->own[i].operation != 0;
    for (size_t i = 0; i < claims->own_count; i++) {
        struct own_claim *claim = &claims->own[i];
        if (claim->operation) continue;
        if (due_at(claim) <= c->now_ns && running == RUNNING_MAX) continue; // woken when one is answered
        if (due_at(claim) <= c->now_ns) {
            running++;
            if (write_due(c, claim))
                write(c, claim);
            else
                look(c, claim);
        }
        if (!claim->operation) wake(c, due_at(claim));
    }
}

uint64_t cplane_own_claims_deadline(const struct qe_cplane *c)
{
    return c->up && !c->stopping ? c->claims.own_at_ns : QE_TIME_NEVER;
}

void cplane_own_claims_heard(struct qe_cplane *c, const struct cplane_peer *peer)
{
    for (size_t i = 0; i < c->claims.own_count && peer->said_name[0]; i++) {
        struct own_claim *claim = &c->claims.own[i];
        if (claim->kind != QE_INDEX_NAME || claim->state != OWN_HELD || strcmp(peer->said_name, c->config->name) != 0)
            continue;
        claim->at_ns = qe_time_min(claim->at_ns, c->now_ns + VERIFY_NS); // it has written by then
        wake(c, claim->at_ns);
    }
}

void cplane_own_claims_contest(struct qe_cplane *c, const struct cplane_peer *peer)
{
    struct own_claim *claim = c->claims.own_count > 0 ? &c->claims.own[0] : NULL;
    if (c->config->tun_addr.ip.family == 4) return;
    if (!discovery_joined(c)) {
        // Nobody is there to say who was first.
        if (qe_node_id_compare(&peer->id, &c->self) < 0) rehash(c, &peer->id);
        return;
    }
    if (!claim || claim->state != OWN_HELD) return;
    claim->at_ns = qe_time_min(claim->at_ns, c->now_ns + VERIFY_NS);
    wake(c, claim->at_ns);
}

const char *cplane_own_name(const struct qe_cplane *c)
{
    for (size_t i = 0; i < c->claims.own_count; i++)
        if (c->claims.own[i].kind == QE_INDEX_NAME && c->claims.own[i].state == OWN_LOST) return "";
    return c->config->name;
}
