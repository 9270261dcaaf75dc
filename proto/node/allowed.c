// Peers that are allowed by a name which local configuration does not know: whoever has it in the private network, as
// the index says. Another owner takes the former one's place. Outside of a network anybody could call himself anything,
// and such a name allows nobody.
#include "node/discovery_internal.h"

#define LOOK_FIRST_NS (2 * QE_NS_PER_S)
#define LOOK_LAST_NS  (300 * QE_NS_PER_S)
#define LOOK_AGAIN_NS (600 * QE_NS_PER_S) // names that have an owner
#define RUNNING_MAX   4

static const struct qe_config_allowed_name *name_of(const struct qe_cplane *c, size_t index)
{
    return &c->config->allowed_names[index];
}

static bool locate(const struct qe_cplane *c, size_t index, struct qe_index_place *place)
{
    const char *name = name_of(c, index)->name;
    return qe_index_locate(c->host, true, QE_INDEX_NAME, qe_span(name, strlen(name)), place);
}

// Whoever has the name now is allowed for it, and nobody else is.
static void allow(struct qe_cplane *c, size_t index, const struct qe_node_id *owner)
{
    struct discovery_allowed *a = &c->discovery->allowed[index];
    char id[QE_NODE_ID_TEXT_SIZE];
    if (a->found && qe_node_id_equal(&a->owner, owner)) return;
    struct cplane_peer *before = a->found ? cplane_peer_find(c, &a->owner) : NULL;
    // The user's own list stands whatever a name says.
    if (before && !qe_config_find_peer(c->config, &a->owner)) cplane_peer_disallow(c, before, CPLANE_WHY_CONFIG);
    a->found = false;
    if (qe_node_id_equal(owner, &c->self)) return;
    struct cplane_peer *peer = cplane_peer_add(c, owner, name_of(c, index)->name, CPLANE_WHY_CONFIG);
    if (!peer) return;
    a->found = true;
    a->owner = *owner;
    cplane_log(c, QE_LOG_INFO, "%s is %s, which may connect", name_of(c, index)->name, qe_node_id_format(owner, id));
    cplane_trace(c, "name.allowed", peer, index, 0);
    cplane_peer_timer(c, peer);
    cplane_discovery_on_peer(c, peer);
}

static void on_owners(struct qe_cplane *c, const struct qe_dht_answer *answer, uint64_t user)
{
    struct discovery_allowed *a = &c->discovery->allowed[user];
    struct qe_index_place place;
    struct qe_index_entry best, entry;
    uint8_t room[QE_DHT_RECORD_MAX];
    bool found = false;
    if (!answer->final) return;
    bool located = locate(c, (size_t)user, &place) && qe_node_id_equal(&place.target, &answer->target);
    for (size_t i = 0; located && i < answer->record_count; i++) {
        if (!qe_index_read(c->host, &place, &answer->records[i], room, &entry)) continue;
        if (!found || qe_index_precedes(&entry, &best)) best = entry;
        found = true;
    }
    c->discovery->allowed_running--;
    a->running = false;
    if (found) {
        a->failures = 0;
        allow(c, (size_t)user, &best.id);
    }
    a->at_ns = c->now_ns + (found ? discovery_spread(c, LOOK_AGAIN_NS)
                                  : discovery_back_off(c, a->failures++, LOOK_FIRST_NS, LOOK_LAST_NS));
    discovery_wake(c, a->at_ns);
}

void allowed_expire(struct qe_cplane *c)
{
    struct cplane_discovery *d = c->discovery;
    if (c->config->allowed_name_count == 0 || !discovery_joined(c) || !discovery_in_network(c)) return;
    for (size_t i = 0; i < c->config->allowed_name_count; i++) {
        struct discovery_allowed *a = &d->allowed[i];
        struct qe_index_place place;
        if (a->running) continue;
        if (a->at_ns > c->now_ns || d->allowed_running == RUNNING_MAX) {
            discovery_wake(c, a->at_ns > c->now_ns ? a->at_ns : c->now_ns + LOOK_FIRST_NS);
            continue;
        }
        const struct qe_dht_request request = {
            .kind = QE_DHT_INDEX_GET, .target = locate(c, i, &place) ? place.target : (struct qe_node_id){{0}}};
        a->running = discovery_ask(c, &request, on_owners, i) != 0;
        d->allowed_running += a->running;
        if (!a->running) a->at_ns = c->now_ns + discovery_spread(c, LOOK_FIRST_NS);
        discovery_wake(c, a->running ? QE_TIME_NEVER : a->at_ns);
    }
}
