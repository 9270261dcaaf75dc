// Names and whose they are. What the user configured goes first: nobody takes such a name away. Then, in a private
// network, whoever the index says has had the name for longest; outside of one only configured names and IDs count, as
// anybody could call himself anything.
#include "node/discovery_internal.h"

#include "base/cursor.h"

#include <stdio.h>

#define KNOWN_NS    (60 * QE_NS_PER_S)
#define NOBODY_NS   (10 * QE_NS_PER_S)
#define UNASKED_NS  (2 * QE_NS_PER_S)
#define RUNNING_MAX 8

static bool in_overlay(const struct qe_cplane *c, const struct qe_ip *ip)
{
    return qe_cidr_contains(&c->own[0], ip) || qe_cidr_contains(&c->own[1], ip);
}

// What the owner says in its entry.
static void read_addresses(const struct qe_cplane *c, struct cplane_name *place, struct qe_span value)
{
    struct qe_reader r = qe_reader(value);
    place->address_count = 0;
    while (qe_reader_left(&r) > 0 && place->address_count < QE_HELLO_ADDRESSES_MAX) {
        struct qe_ip ip = {.family = qe_read8(&r)};
        if (ip.family != 4 && ip.family != 6) return;
        qe_read_copy(&r, ip.bytes, qe_ip_size(&ip));
        if (r.failed) return;
        if (in_overlay(c, &ip)) place->addresses[place->address_count++] = ip;
    }
}

static void on_answer(struct qe_cplane *c, const struct qe_dht_answer *answer, uint64_t user)
{
    struct cplane_name *place = &c->claims.names[user];
    struct qe_index_place index;
    struct qe_index_entry best, entry;
    uint8_t room[2][QE_DHT_RECORD_MAX];
    unsigned next = 0;
    bool found = false;
    if (place->operation != answer->operation) return;
    bool located =
        qe_index_locate(c->host, place->network, QE_INDEX_NAME, qe_span(place->name, strlen(place->name)), &index) &&
        qe_node_id_equal(&index.target, &answer->target);
    for (size_t i = 0; located && i < answer->record_count; i++) {
        if (!qe_index_read(c->host, &index, &answer->records[i], room[next], &entry)) continue;
        if (found && !qe_index_precedes(&entry, &best)) continue;
        best = entry;
        found = true;
        next ^= 1; // the best one's bytes stay where they are
    }
    if (!answer->final) return;
    bool asked = answer->outcome == QE_DHT_DONE || answer->outcome == QE_DHT_NOT_FOUND;
    place->operation = 0;
    place->found = found;
    place->until_ns = c->now_ns + (found ? KNOWN_NS : asked ? NOBODY_NS : UNASKED_NS);
    if (found) {
        place->owner = best.id;
        read_addresses(c, place, best.value);
        cplane_trace(c, "name.found", cplane_peer_find(c, &best.id), answer->record_count, 0);
    }
    c->claims.names_answered = true;
}

// The name's place: one where it is already, a free one, or that of the answer which is forgotten first.
static struct cplane_name *place_of(struct qe_cplane *c, const char *name)
{
    struct cplane_name *best = NULL;
    for (size_t i = 0; i < CPLANE_NAMES_MAX; i++) {
        struct cplane_name *place = &c->claims.names[i];
        if (strcmp(place->name, name) == 0) return place;
        if (!place->operation && (!best || place->until_ns < best->until_ns)) best = place;
    }
    if (!best) return NULL;
    *best = (struct cplane_name){.until_ns = 0};
    snprintf(best->name, sizeof best->name, "%s", name);
    return best;
}

static unsigned running(const struct qe_cplane *c)
{
    unsigned count = 0;
    for (size_t i = 0; i < CPLANE_NAMES_MAX; i++)
        count += c->claims.names[i].operation != 0;
    return count;
}

static enum cplane_name_found look_up(struct qe_cplane *c, const char *name, struct cplane_name **out)
{
    struct qe_index_place index;
    if (!discovery_in_network(c)) return CPLANE_NAME_ABSENT;
    struct cplane_name *place = *out = place_of(c, name);
    if (!place) return CPLANE_NAME_LATER;
    if (place->operation) return CPLANE_NAME_LATER;
    if (place->until_ns > c->now_ns) return place->found ? CPLANE_NAME_FOUND : CPLANE_NAME_ABSENT;
    if (!c->up || !discovery_joined(c) || running(c) == RUNNING_MAX) return CPLANE_NAME_LATER;
    place->network = true;
    if (!qe_index_locate(c->host, true, QE_INDEX_NAME, qe_span(name, strlen(name)), &index)) return CPLANE_NAME_ABSENT;
    const struct qe_dht_request request = {.kind = QE_DHT_INDEX_GET, .target = index.target};
    place->operation = discovery_ask(c, &request, on_answer, (uint64_t)(place - c->claims.names));
    return CPLANE_NAME_LATER;
}

static void copy_peer(const struct cplane_peer *peer, struct qe_ip *addresses, size_t *count)
{
    *count = peer->address_count;
    memcpy(addresses, peer->addresses, peer->address_count * sizeof *addresses);
}

static void copy_own(const struct qe_cplane *c, struct qe_ip *addresses, size_t *count)
{
    *count = 2;
    addresses[0] = c->own[0].ip;
    addresses[1] = c->own[1].ip;
}

enum cplane_name_found cplane_name_find(
    struct qe_cplane *c, const char *name, struct qe_node_id *owner, struct qe_ip *addresses, size_t *count)
{
    struct cplane_name *place = NULL;
    struct cplane_peer *peer = NULL;
    bool is_id = qe_node_id_parse(name, owner);
    for (size_t i = 0; i < c->peer_count && !is_id && !peer; i++)
        if (strcmp(c->by_id[i]->name, name) == 0) peer = c->by_id[i];
    *count = 0;
    if (!is_id && !peer) {
        const char *called = cplane_own_name(c);
        bool own = called[0] && strcmp(called, name) == 0;
        enum cplane_name_found found = look_up(c, name, &place);
        // Its own name is a node's until it is known to be another's.
        if (own && found != CPLANE_NAME_FOUND) {
            *owner = c->self;
        } else if (found != CPLANE_NAME_FOUND) {
            return found;
        } else {
            *owner = place->owner;
        }
    }
    if (peer) *owner = peer->id;
    if (qe_node_id_equal(owner, &c->self)) {
        copy_own(c, addresses, count);
        return CPLANE_NAME_FOUND;
    }
    if (!peer) peer = cplane_peer_find(c, owner);
    if (peer) copy_peer(peer, addresses, count);
    if (*count == 0 && place) {
        *count = place->address_count;
        memcpy(addresses, place->addresses, place->address_count * sizeof *addresses);
    }
    return peer || place ? CPLANE_NAME_FOUND : CPLANE_NAME_ABSENT;
}

void cplane_names_warn(struct qe_cplane *c)
{
    // Whoever has a name of the network is a member, and may connect anyway; elsewhere nobody could have it.
    for (size_t i = 0; i < c->config->allowed_name_count && !discovery_in_network(c); i++)
        cplane_log(c, QE_LOG_WARN,
            "the allowed name %s is nobody's: neither [peers.names] nor a [[peer]] knows it, and this node is in no "
            "private network",
            c->config->allowed_names[i].name);
}

bool cplane_name_of(const struct qe_cplane *c, const struct qe_ip *ip, char out[QE_NAME_SIZE])
{
    char id[QE_NODE_ID_TEXT_SIZE];
    if (qe_ip_equal(ip, &c->own[0].ip) || qe_ip_equal(ip, &c->own[1].ip)) {
        const char *name = cplane_own_name(c);
        snprintf(out, QE_NAME_SIZE, "%s", name[0] ? name : qe_node_id_format(&c->self, id));
        return true;
    }
    for (size_t i = 0; i < c->peer_count; i++) {
        const struct cplane_peer *peer = c->by_id[i];
        for (size_t j = 0; j < peer->address_count; j++) {
            if (!qe_ip_equal(&peer->addresses[j], ip)) continue;
            cplane_peer_text(peer, out);
            return true;
        }
    }
    return false;
}
