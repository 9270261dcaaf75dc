#include "node/exit.h"

#include "base/mutants.h"
#include "node/report.h"

// The look at an exit that works, and at one that does not.
#define LOOK_NS      (5 * QE_NS_PER_S)
#define LOOK_SOON_NS (1 * QE_NS_PER_S)
#define WANTED_NS    (5 * QE_NS_PER_S)
// It may take so long before the user hears of it: a start, a change of network.
#define PATIENCE_NS (15 * QE_NS_PER_S)

static bool wanted(const struct qe_cplane *c)
{
    return c->config->exit_node.text[0] != '\0';
}

static struct cplane_peer *peer_of(const struct qe_cplane *c)
{
    return c->exit.known ? cplane_peer_find(c, &c->exit.id) : NULL;
}

static bool connected(const struct cplane_peer *peer)
{
    return peer && qe_session_state(&peer->session) == QE_SESSION_CONNECTED;
}

static bool has_default(const struct qe_cplane *c, const struct cplane_peer *peer)
{
    const struct qe_subnets *s = &c->claims.subnets;
    for (size_t i = 0; i < s->count; i++)
        if (s->claims[i].subnet.bits == 0 && s->claims[i].peer == peer->index && s->claims[i].in_use) return true;
    return false;
}

enum cplane_exit_state cplane_exit_state(const struct qe_cplane *c)
{
    const struct cplane_peer *peer = peer_of(c);
    if (!wanted(c)) return CPLANE_EXIT_OFF;
    if (!c->exit.known) return CPLANE_EXIT_UNKNOWN;
    if (!connected(peer)) return CPLANE_EXIT_AWAY;
    return has_default(c, peer) ? CPLANE_EXIT_ACTIVE : CPLANE_EXIT_SILENT;
}

// Whose default routes count changes with whom the name stands for.
static void resolve(struct qe_cplane *c)
{
    struct qe_ip addresses[QE_HELLO_ADDRESSES_MAX];
    struct qe_node_id id;
    size_t count;
    enum cplane_name_found found = cplane_name_find(c, c->config->exit_node.text, &id, addresses, &count);
    if (found == CPLANE_NAME_LATER) return;
    // A name that nobody is found to have for a while stays who it was.
    if (found == CPLANE_NAME_ABSENT || qe_node_id_equal(&id, &c->self)) return;
    if (c->exit.known && qe_node_id_equal(&c->exit.id, &id)) return;
    c->exit.known = true;
    c->exit.id = id;
    cplane_trace(c, "exit.found", cplane_peer_find(c, &id), 0, 0);
    cplane_claims_decide(c);
}

// Packets are not what it takes to have it dialled: its networks may not be known before it is there.
static void want(struct qe_cplane *c, struct cplane_peer *peer)
{
    if (!peer || connected(peer) || (c->exit.wanted_ns && c->now_ns - c->exit.wanted_ns < WANTED_NS)) return;
    c->exit.wanted_ns = c->now_ns;
    qe_session_on_wanted(&peer->session, c->now_ns);
    cplane_discovery_on_wanted(c, peer);
    cplane_peer_timer(c, peer);
}

static void tell(struct qe_cplane *c, enum cplane_exit_state state)
{
    char name[QE_NAME_SIZE];
    const struct cplane_peer *peer = peer_of(c);
    const char *who = peer ? cplane_peer_text(peer, name) : c->config->exit_node.text;
    const char *what = state == CPLANE_EXIT_UNKNOWN ? "is not known"
                       : state == CPLANE_EXIT_AWAY  ? "is not connected"
                                                    : "advertises no default route";
    cplane_notify(c, "the exit node %s %s: what goes beyond the overlay %s", who, what,
        c->config->exit_leak ? "goes without it" : "goes nowhere");
    c->exit.told = true;
}

void cplane_exit_expire(struct qe_cplane *c)
{
    char name[QE_NAME_SIZE];
    if (!wanted(c) || !c->up || c->stopping || c->now_ns < c->exit.look_at_ns) return;
    resolve(c);
    enum cplane_exit_state state = cplane_exit_state(c);
    c->exit.look_at_ns = c->now_ns + (state == CPLANE_EXIT_ACTIVE ? LOOK_NS : LOOK_SOON_NS);
    if (state != CPLANE_EXIT_ACTIVE) {
        want(c, peer_of(c));
        if (c->exit.since_ns == 0) c->exit.since_ns = c->now_ns;
        if (!c->exit.told && c->now_ns - c->exit.since_ns >= PATIENCE_NS) tell(c, state);
        return;
    }
    if (c->exit.told) cplane_log(c, QE_LOG_INFO, "the exit node %s is there again", cplane_peer_text(peer_of(c), name));
    c->exit.since_ns = 0;
    c->exit.told = false;
}

void cplane_exit_on_setting(struct qe_cplane *c)
{
    c->exit = (struct cplane_exit){.known = false};
    if (wanted(c)) resolve(c);
    cplane_claims_decide(c);
}

uint64_t cplane_exit_deadline(const struct qe_cplane *c)
{
    return wanted(c) && c->up && !c->stopping ? c->exit.look_at_ns : QE_TIME_NEVER;
}

bool cplane_exit_routes(const struct qe_cplane *c, const struct qe_cidr *subnet, bool in_use)
{
    if (!wanted(c) || subnet->bits != 0) return in_use;
    if (!c->config->exit_leak && !QE_MUTANT(exit_leaks)) return true;
    return in_use && connected(peer_of(c));
}

void cplane_write_exit(const struct qe_cplane *c, struct qe_json *json)
{
    static const char *const names[] = {[CPLANE_EXIT_OFF] = "off",
        [CPLANE_EXIT_UNKNOWN] = "unknown",
        [CPLANE_EXIT_AWAY] = "away",
        [CPLANE_EXIT_SILENT] = "silent",
        [CPLANE_EXIT_ACTIVE] = "active"};
    char id[QE_NODE_ID_TEXT_SIZE];
    const struct cplane_peer *peer = peer_of(c);
    qe_json_key(json, "exit");
    qe_json_object_begin(json);
    member(json, "state", names[cplane_exit_state(c)]);
    qe_json_key(json, "node_id");
    if (wanted(c) && c->exit.known)
        qe_json_string(json, qe_node_id_format(&c->exit.id, id));
    else
        qe_json_null(json);
    qe_json_key(json, "name");
    if (peer && peer_name(peer)[0])
        qe_json_string(json, peer_name(peer));
    else if (wanted(c) && !c->exit.known)
        qe_json_string(json, c->config->exit_node.text);
    else
        qe_json_null(json);
    flag(json, "leak", c->config->exit_leak);
    qe_json_object_end(json);
}
