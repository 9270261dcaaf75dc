// Where invited and inviter find each other although the inviter has moved since: an item of the DHT for each
// invitation that is open, under a key that follows from the invitation's token. The inviter says there where it is,
// and says it again as it does its node record, until the invitation ends; the invited looks there when the addresses
// in the line do not answer. What is found is dialled and nothing else: it may be anybody's who has the line.
#include "node/discovery_internal.h"

#include <sodium.h>

#define LOOK_NS         (15 * QE_NS_PER_S) // for what nobody tells: addresses as others see them, and ends
#define SETTLE_NS       QE_NS_PER_S        // between a change and its publication
#define RETRY_FIRST_NS  (5 * QE_NS_PER_S)
#define RETRY_LAST_NS   (300 * QE_NS_PER_S)
#define PATIENCE_NS     (2 * QE_NS_PER_S) // for the addresses in the line
#define SEEK_FIRST_NS   (2 * QE_NS_PER_S)
#define SEEK_LAST_NS    (60 * QE_NS_PER_S)
#define ERROR_SEQ_LOWER 302 // BEP 44
// Invitations that are published at a time, the first ones that are open; and puts under way.
#define PUBLISHED_MAX 16
#define RUNNING_MAX   4

static struct cplane_invite *find(struct qe_cplane *c, uint64_t number)
{
    for (size_t i = 0; i < c->invite_count; i++)
        if (c->invites[i].number == number) return &c->invites[i];
    return NULL;
}

static bool is_open(const struct qe_cplane *c, const struct cplane_invite *invite)
{
    return c->member && invite->uses_left > 0 && invite->expires_ms > c->wall_ms;
}

static void compose(struct qe_cplane *c, struct qe_rendezvous *out)
{
    struct qe_node_record record;
    announce_compose(c, &record);
    *out = (struct qe_rendezvous){.endpoint_count = 0};
    for (size_t i = 0; i < record.endpoint_count && i < QE_RENDEZVOUS_ENDPOINTS_MAX; i++)
        out->endpoints[out->endpoint_count++] = record.endpoints[i].addr;
}

static void on_put_end(struct qe_cplane *c, struct cplane_invite *invite, bool stored)
{
    struct cplane_meeting *m = &invite->meeting;
    m->running = false;
    if (stored) {
        m->failures = 0;
        m->at_ns = c->now_ns + discovery_spread(c, qe_dht_republish_s(c->discovery->dht) * QE_NS_PER_S);
        cplane_trace(c, "rendezvous.announced", NULL, m->seq, invite->number);
    } else {
        m->at_ns = c->now_ns + discovery_back_off(c, m->failures++, RETRY_FIRST_NS, RETRY_LAST_NS);
    }
    rendezvous_wake(c, 0); // others may have waited for room
}

static void on_own_found(struct qe_cplane *c, const struct qe_dht_answer *answer, uint64_t user)
{
    struct cplane_invite *invite = find(c, user);
    if (!invite || !answer->final) return;
    if (answer->item && answer->item->mutable && answer->item->seq > 0 && answer->item->seq < INT64_MAX &&
        (uint64_t)answer->item->seq > invite->meeting.seq)
        invite->meeting.seq = (uint64_t)answer->item->seq;
    on_put_end(c, invite, false);
}

static void on_put(struct qe_cplane *c, const struct qe_dht_answer *answer, uint64_t user)
{
    struct cplane_invite *invite = find(c, user);
    if (!invite || !answer->final) return;
    if (answer->error_code == ERROR_SEQ_LOWER) {
        // This node's clock was ahead once, or somebody else has the line: what is there is written over.
        const struct qe_dht_request request = {.kind = QE_DHT_GET, .target = answer->target};
        if (discovery_ask(c, &request, on_own_found, user) != 0) return;
    }
    on_put_end(c, invite, answer->stored > 0);
}

static void publish(struct qe_cplane *c, struct cplane_invite *invite)
{
    uint8_t room[QE_RENDEZVOUS_VALUE_SIZE];
    struct discovery_rendezvous *r = &c->discovery->rendezvous;
    struct cplane_meeting *m = &invite->meeting;
    struct qe_dht_item item;
    m->seq = c->wall_ms > m->seq ? c->wall_ms : m->seq + 1;
    m->generation = r->generation;
    m->running = true;
    bool sealed = qe_rendezvous_seal(&r->here, c->host, invite->seed, (int64_t)m->seq, room, &item);
    const struct qe_dht_request request = {.kind = QE_DHT_PUT, .target = qe_dht_item_target(&item), .item = &item};
    if (!sealed || discovery_ask(c, &request, on_put, invite->number) == 0) on_put_end(c, invite, false);
}

// Publishes what is due; when there is something to do next.
static uint64_t publish_due(struct qe_cplane *c)
{
    const struct discovery_rendezvous *r = &c->discovery->rendezvous;
    uint64_t next_ns = QE_TIME_NEVER;
    unsigned running = 0, published = 0;
    for (size_t i = 0; i < c->invite_count; i++)
        running += c->invites[i].meeting.running;
    for (size_t i = 0; i < c->invite_count && published < PUBLISHED_MAX; i++) {
        struct cplane_invite *invite = &c->invites[i];
        struct cplane_meeting *m = &invite->meeting;
        if (!is_open(c, invite)) continue;
        published++;
        next_ns = qe_time_min(next_ns, c->now_ns + LOOK_NS);
        if (m->running) continue;
        // What changed is said at once, but not faster than puts that fail are repeated.
        bool due = m->at_ns <= c->now_ns || (m->generation != r->generation && m->failures == 0);
        if (due && running < RUNNING_MAX) {
            publish(c, invite);
            running += m->running;
        }
        if (!m->running && m->at_ns > c->now_ns) next_ns = qe_time_min(next_ns, m->at_ns);
    }
    return next_ns;
}

static void announce(struct qe_cplane *c)
{
    struct discovery_rendezvous *r = &c->discovery->rendezvous;
    struct qe_rendezvous here;
    if (c->invite_count == 0 || !c->discovery->bootstrap.joined) return;
    if (r->at_ns <= c->now_ns) {
        compose(c, &here);
        if (r->generation == 0 || !qe_rendezvous_same(&here, &r->here)) r->generation++;
        r->here = here;
        // Nowhere to be reached: there is nothing to say.
        r->at_ns = here.endpoint_count ? publish_due(c) : c->now_ns + LOOK_NS;
    }
    discovery_wake(c, r->at_ns);
}

void rendezvous_wake(struct qe_cplane *c, uint64_t within_ns)
{
    struct discovery_rendezvous *r = &c->discovery->rendezvous;
    r->at_ns = qe_time_min(r->at_ns, c->now_ns + within_ns);
    discovery_wake(c, r->at_ns);
}

void cplane_discovery_on_invited(struct qe_cplane *c)
{
    if (c->up) rendezvous_wake(c, 0);
}

void rendezvous_on_addresses(struct qe_cplane *c)
{
    rendezvous_wake(c, SETTLE_NS);
}

// The inviter, while this node waits for it.
static struct cplane_peer *inviter(struct qe_cplane *c)
{
    struct cplane_peer *peer = c->join.active && !c->member ? cplane_peer_find(c, &c->join.inviter) : NULL;
    return peer && !peer->leaving && qe_session_state(&peer->session) != QE_SESSION_CONNECTED ? peer : NULL;
}

static void learn(struct qe_cplane *c, struct cplane_peer *peer, const struct qe_dht_item *item)
{
    struct discovery_rendezvous *r = &c->discovery->rendezvous;
    struct qe_rendezvous there;
    uint8_t seed[QE_SECRET_SIZE];
    if (item->seq <= r->found_seq) return;
    qe_invitation_rendezvous(c->join.invitation.token, seed);
    bool fine = qe_rendezvous_open(item->value, c->host, seed, &there);
    sodium_memzero(seed, sizeof seed);
    if (!fine) {
        cplane_trace(c, "rendezvous.refused", peer, (uint64_t)item->seq, 0);
        return;
    }
    r->found_seq = item->seq;
    cplane_trace(c, "rendezvous.found", peer, (uint64_t)item->seq, there.endpoint_count);
    struct qe_endpoint list[QE_RENDEZVOUS_ENDPOINTS_MAX];
    for (size_t i = 0; i < there.endpoint_count; i++)
        list[i] = (struct qe_endpoint){QE_ENDPOINT_REFLEXIVE, there.endpoints[i]};
    cplane_traversal_learn(c, peer, list, there.endpoint_count);
}

static void on_found(struct qe_cplane *c, const struct qe_dht_answer *answer, uint64_t user)
{
    struct discovery_rendezvous *r = &c->discovery->rendezvous;
    struct cplane_peer *peer = inviter(c);
    // Of an invitation that is another one by now.
    if (user != r->joins) return;
    if (peer && answer->item && answer->item->mutable) learn(c, peer, answer->item);
    if (!answer->final) return;
    r->operation = 0;
    r->seek_at_ns = c->now_ns + discovery_back_off(c, r->failures++, SEEK_FIRST_NS, SEEK_LAST_NS);
    discovery_wake(c, r->seek_at_ns);
}

static void ask(struct qe_cplane *c)
{
    struct discovery_rendezvous *r = &c->discovery->rendezvous;
    uint8_t seed[QE_SECRET_SIZE];
    struct qe_key key;
    qe_invitation_rendezvous(c->join.invitation.token, seed);
    if (qe_rendezvous_key(c->host, seed, &key)) {
        const struct qe_dht_request request = {.kind = QE_DHT_GET, .target = qe_node_id_from_key(&key)};
        r->operation = discovery_ask(c, &request, on_found, r->joins);
    }
    sodium_memzero(seed, sizeof seed);
    if (r->operation == 0) r->seek_at_ns = c->now_ns + discovery_spread(c, SEEK_FIRST_NS);
}

void cplane_discovery_on_join(struct qe_cplane *c)
{
    struct discovery_rendezvous *r = &c->discovery->rendezvous;
    const struct cplane_peer *peer = inviter(c);
    if (r->operation) discovery_unask(c, r->operation);
    r->joins++;
    r->operation = 0;
    r->failures = 0;
    r->found_seq = 0;
    r->seek_at_ns = c->now_ns + (peer && cplane_knows_address(peer) ? PATIENCE_NS : 0);
    discovery_wake(c, r->seek_at_ns);
}

static void seek(struct qe_cplane *c)
{
    struct discovery_rendezvous *r = &c->discovery->rendezvous;
    if (!discovery_joined(c) || r->operation || !inviter(c)) return;
    if (r->seek_at_ns <= c->now_ns) ask(c);
    if (!r->operation) discovery_wake(c, r->seek_at_ns);
}

void rendezvous_expire(struct qe_cplane *c)
{
    announce(c);
    seek(c);
}
