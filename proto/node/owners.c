// Who has an overlay address that no peer is known to have: a packet to it waits in its lane while the index is asked.
// A scan of the overlay costs no more than one lookup now and then: those beyond the rate, and addresses that nobody
// had a short while ago, are answered at once with nobody.
#include "node/discovery_internal.h"

#define OWNERS_RUNNING_MAX 8
#define OWNERS_BURST       16
#define OWNERS_REFILL_NS   (2 * QE_NS_PER_S)
#define NOBODY_NS          (60 * QE_NS_PER_S)
#define UNREACHED_NS       (5 * QE_NS_PER_S) // where nobody could be asked, or the rate is exceeded

static struct discovery_owner *find(struct discovery_owners *o, const struct qe_ip *ip)
{
    for (size_t i = 0; i < DISCOVERY_OWNERS_MAX; i++)
        if (qe_ip_equal(&o->list[i].ip, ip)) return &o->list[i];
    return NULL;
}

// A place for an address: a free one, or that of the answer that would be forgotten first. NULL: all are being asked.
static struct discovery_owner *make(struct discovery_owners *o, const struct qe_ip *ip)
{
    struct discovery_owner *best = NULL;
    for (size_t i = 0; i < DISCOVERY_OWNERS_MAX; i++) {
        struct discovery_owner *place = &o->list[i];
        if (place->operation) continue;
        if (!best || place->until_ns < best->until_ns) best = place;
    }
    if (best) *best = (struct discovery_owner){.ip = *ip};
    return best;
}

// Tells the lane that reads the TUN that nobody has it.
static void tell_nobody(struct qe_cplane *c, const struct qe_ip *ip)
{
    struct qe_mail *mail = cplane_post(c, 0, QE_MAIL_NOBODY, NULL, 0);
    if (mail) mail->address = *ip;
}

static void settle(struct qe_cplane *c, struct discovery_owner *place, uint64_t for_ns)
{
    place->operation = 0;
    place->until_ns = c->now_ns + for_ns;
    tell_nobody(c, &place->ip);
}

// Whether the owner may be a peer; then it becomes one that has the address.
static bool take_owner(struct qe_cplane *c, const struct qe_ip *ip, const struct qe_node_id *owner, bool member)
{
    struct cplane_peer *peer = cplane_peer_find(c, owner);
    if (!peer && member) {
        peer = cplane_peer_add(c, owner, NULL, CPLANE_WHY_MEMBER);
        if (peer) qe_session_limit(&peer->session, c->peer_count > DISCOVERY_EAGER_MAX);
    }
    if (!peer || peer->said_hello) return false; // who says what it has itself does not have this
    if (peer->announced_count < sizeof peer->announced / sizeof peer->announced[0])
        peer->announced[peer->announced_count++] = *ip;
    c->snapshot_due = true;
    cplane_trace(c, "owner.found", peer, 0, 0);
    cplane_peer_timer(c, peer);
    cplane_discovery_on_wanted(c, peer);
    return true;
}

static void on_owners(struct qe_cplane *c, const struct qe_dht_answer *answer, uint64_t user)
{
    struct discovery_owner *place = &c->discovery->owners.list[user];
    uint8_t room[2][QE_DHT_RECORD_MAX];
    struct qe_index_entry best, entry;
    struct qe_index_place index;
    bool found = false;
    if (place->operation != answer->operation) return;
    bool located = qe_index_locate(c->host, place->network, QE_INDEX_ADDRESS,
                       qe_span(place->ip.bytes, qe_ip_size(&place->ip)), &index) &&
                   qe_node_id_equal(&index.target, &answer->target);
    for (size_t i = 0; located && i < answer->record_count; i++) {
        if (!qe_index_read(c->host, &index, &answer->records[i], room[found], &entry)) continue;
        if (qe_node_id_equal(&entry.id, &c->self)) continue;
        // In the open anybody can write anything: those count who are allowed.
        if (!place->network && !cplane_peer_find(c, &entry.id)) continue;
        if (!found || qe_index_precedes(&entry, &best)) best = entry;
        found = true;
    }
    // The first answer is enough to begin with; the last one corrects it.
    if (found && (!place->found || !qe_node_id_equal(&place->owner, &best.id))) {
        place->owner = best.id;
        place->found = take_owner(c, &place->ip, &best.id, place->network);
    }
    if (!answer->final) return;
    c->discovery->owners.running--;
    bool asked = answer->outcome == QE_DHT_DONE || answer->outcome == QE_DHT_NOT_FOUND;
    if (place->found) {
        place->operation = 0;
        place->until_ns = c->now_ns + UNREACHED_NS;
    } else {
        settle(c, place, asked ? NOBODY_NS : UNREACHED_NS);
    }
}

static bool may_ask(struct qe_cplane *c)
{
    struct discovery_owners *o = &c->discovery->owners;
    uint64_t more = (c->now_ns - o->refilled_ns) / OWNERS_REFILL_NS;
    o->refilled_ns += more * OWNERS_REFILL_NS;
    o->spent = more > o->spent ? 0 : o->spent - (unsigned)more;
    if (o->spent == OWNERS_BURST || o->running == OWNERS_RUNNING_MAX) return false;
    o->spent++;
    return true;
}

void cplane_discovery_on_unrouted(struct qe_cplane *c, const struct qe_ip *ip)
{
    struct discovery_owners *o = &c->discovery->owners;
    struct discovery_owner *place = find(o, ip);
    if (place && place->operation) return;
    if (place && place->until_ns > c->now_ns) {
        if (!place->found) tell_nobody(c, ip);
        return;
    }
    if (!place) place = make(o, ip);
    if (!place || !discovery_joined(c)) {
        if (place) place->ip.family = 0;
        tell_nobody(c, ip);
        return;
    }
    struct qe_index_place index;
    *place = (struct discovery_owner){.ip = *ip, .network = discovery_in_network(c)};
    bool located =
        qe_index_locate(c->host, place->network, QE_INDEX_ADDRESS, qe_span(ip->bytes, qe_ip_size(ip)), &index);
    const struct qe_dht_request request = {.kind = QE_DHT_INDEX_GET, .target = index.target};
    if (located && may_ask(c)) place->operation = discovery_ask(c, &request, on_owners, (uint64_t)(place - o->list));
    if (place->operation)
        o->running++;
    else
        settle(c, place, UNREACHED_NS);
}
