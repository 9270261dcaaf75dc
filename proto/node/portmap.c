#include "node/portmap.h"

#include "nat/port_client.h"
#include "node/discovery_internal.h"

#include <stdio.h>

// A NAT that began anew without a word is found out by the next renewal: that is after half of this at the latest.
#define LIFETIME_S     1200
#define SETTLE_NS      (200 * QE_NS_PER_MS) // interfaces come with several events
#define AGAIN_NS       (5 * QE_NS_PER_S)    // between two requests for a port, whatever happens
#define RETRY_FIRST_NS (120 * QE_NS_PER_S)
#define RETRY_LAST_NS  (3600 * QE_NS_PER_S)
// A host that does not answer is not waited for longer.
#define ANSWER_NS (120 * QE_NS_PER_S)
// The first record waits for answers so long: one without the port would be looked up, and not soon again.
#define FIRST_NS (1500 * QE_NS_PER_MS)
// Slots' places in a request's number.
#define SLOT_BITS 8

struct cplane_portmaps {
    struct cplane_portmap list[CPLANE_PORTMAPS_MAX];
    uint64_t serial; // of requests
    struct qe_ip seen;
    uint64_t at_ns; // not later than anything is due
};

uint64_t cplane_portmap_pending(const struct qe_cplane *c)
{
    for (size_t i = 0; c->portmaps && i < CPLANE_PORTMAPS_MAX; i++) {
        const struct cplane_portmap *map = &c->portmaps->list[i];
        if (map->interface && map->state == CPLANE_PORTMAP_NEW && c->now_ns < map->asked_ns + FIRST_NS)
            return map->asked_ns + FIRST_NS;
    }
    return 0;
}

const struct cplane_portmap *cplane_portmaps(const struct qe_cplane *c)
{
    return c->portmaps ? c->portmaps->list : NULL;
}

static void wake(struct qe_cplane *c, uint64_t at_ns)
{
    c->portmaps->at_ns = qe_time_min(c->portmaps->at_ns, at_ns);
}

// Some time between half and five eighths of it (RFC 6887 §11.2.1).
static uint64_t half_life(struct qe_cplane *c, uint32_t lifetime_s)
{
    uint64_t ns = (lifetime_s < LIFETIME_S ? lifetime_s : LIFETIME_S) * QE_NS_PER_S;
    return ns / 2 + ns / 8 * (cplane_random32(c, QE_RANDOM_NAT) >> 8) / (UINT32_MAX >> 8);
}

static uint64_t back_off(struct qe_cplane *c, unsigned failures)
{
    uint64_t wait = RETRY_FIRST_NS;
    for (unsigned i = 0; i < failures && wait < RETRY_LAST_NS; i++)
        wait *= 2;
    wait = qe_time_min(wait, RETRY_LAST_NS);
    return wait - wait / 4 + wait / 2 * (cplane_random32(c, QE_RANDOM_NAT) >> 8) / (UINT32_MAX >> 8);
}

// Whatever the NAT says, it is not asked without end.
static uint64_t not_before(const struct cplane_portmap *map, uint64_t at_ns)
{
    uint64_t least_ns = map->asked_ns + AGAIN_NS;
    return map->asked_ns && at_ns < least_ns ? least_ns : at_ns;
}

// The private IPv4 address of the link that a NAT would map; family 0: it has none, or a public one as well.
static struct qe_ip inside_of(const struct qe_cplane *c, const struct cplane_link *link)
{
    struct qe_ip found = {0};
    if (!link->up || strcmp(link->name, c->config->tun_name) == 0) return found;
    for (size_t i = 0; i < link->address_count; i++) {
        const struct qe_ip *ip = &link->addresses[i].ip;
        if (ip->family != 4 || qe_ip_is_loopback(ip) || qe_ip_is_link_local(ip)) continue;
        if (qe_ip_is_public(ip)) return (struct qe_ip){0};
        if (!found.family) found = *ip;
    }
    return found;
}

static bool is_reached(const struct qe_addr *bound, const struct qe_ip *ip)
{
    return bound->ip.family == 4 && (qe_ip_is_unspecified(&bound->ip) || qe_ip_equal(&bound->ip, ip));
}

static struct cplane_portmap *find(struct cplane_portmaps *p, uint32_t interface, uint16_t port)
{
    for (size_t i = 0; i < CPLANE_PORTMAPS_MAX; i++)
        if (p->list[i].interface == interface && (interface == 0 || p->list[i].port == port)) return &p->list[i];
    return NULL;
}

static void act(struct qe_cplane *c, uint64_t request, const struct cplane_portmap *map, uint32_t lifetime_s)
{
    struct cplane_action *a = cplane_act(c, QE_ACTION_MAP_PORT, 0);
    if (!a) return;
    a->action.map_port = (struct qe_map_port){request, map->interface, map->port, lifetime_s};
}

static void ask(struct qe_cplane *c, struct cplane_portmap *map)
{
    struct cplane_portmaps *p = c->portmaps;
    map->request = CPLANE_REQUEST_PORTMAP + (++p->serial << SLOT_BITS) + (uint64_t)(map - p->list);
    map->asking = true;
    map->asked_ns = c->now_ns;
    map->at_ns = c->now_ns + ANSWER_NS;
    act(c, map->request, map, LIFETIME_S);
}

// Others hear of it; nothing else about the network has changed.
static void tell(struct qe_cplane *c)
{
    announce_wake(c, 0);
    rendezvous_on_addresses(c);
}

// It is as if it had never been granted; what was published of it is taken back.
static void lose(struct qe_cplane *c, struct cplane_portmap *map, const char *why)
{
    char outside[QE_ADDR_TEXT_SIZE];
    if (map->outside.ip.family == 0) return;
    cplane_log(c, QE_LOG_INFO, "port %u is no longer mapped at %s: %s", map->port,
        qe_addr_format(&map->outside, outside), why);
    cplane_trace(c, "portmap.lost", NULL, map->port, map->outside.port);
    map->outside = (struct qe_addr){0};
    map->until_ns = 0;
    tell(c);
}

static void drop(struct qe_cplane *c, struct cplane_portmap *map, const char *why)
{
    lose(c, map, why);
    *map = (struct cplane_portmap){0};
}

// That link and socket are to have a port; anew: it is asked for again.
static void want(struct qe_cplane *c, uint32_t interface, const struct qe_ip *inside, uint16_t port, bool anew)
{
    struct cplane_portmap *map = find(c->portmaps, interface, port);
    if (!map) map = find(c->portmaps, 0, 0);
    if (!map) return;
    uint64_t soon = c->now_ns + SETTLE_NS;
    if (map->interface == 0) {
        *map = (struct cplane_portmap){.interface = interface, .inside = *inside, .port = port, .at_ns = c->now_ns};
    } else if (anew && !map->asking) {
        if (map->asked_ns && soon < map->asked_ns + AGAIN_NS) soon = map->asked_ns + AGAIN_NS;
        map->failures = 0;
        map->at_ns = qe_time_min(map->at_ns, soon);
    }
    wake(c, map->at_ns);
}

static bool is_wanted(const struct qe_cplane *c, const struct cplane_portmap *map)
{
    for (size_t i = 0; i < c->link_count; i++) {
        struct qe_ip inside = inside_of(c, &c->links[i]);
        if (c->links[i].interface == map->interface) return qe_ip_equal(&inside, &map->inside);
    }
    return false;
}

// changed: the interface whose ports are to be asked for again; 0: all.
static void look(struct qe_cplane *c, uint32_t changed)
{
    if (!c->up || c->stopping || !c->config->port_mapping || c->config->public_ip.family == 4) return;
    if (!c->portmaps && !(c->portmaps = qe_zalloc(c->mem, 1, sizeof *c->portmaps))) return;
    for (size_t i = 0; i < CPLANE_PORTMAPS_MAX; i++) {
        struct cplane_portmap *map = &c->portmaps->list[i];
        if (map->interface && !is_wanted(c, map)) drop(c, map, "the interface is gone, or has another address");
    }
    for (size_t i = 0; i < c->link_count; i++) {
        struct qe_ip inside = inside_of(c, &c->links[i]);
        for (size_t j = 0; j < c->config->listen_count && inside.family; j++)
            if (is_reached(&c->sockets[j].bound, &inside))
                want(c, c->links[i].interface, &inside, c->sockets[j].bound.port,
                    changed == 0 || changed == c->links[i].interface);
    }
}

void cplane_portmap_on_up(struct qe_cplane *c)
{
    look(c, 0);
}

// It may be as it was, or elsewhere with the same address.
void cplane_portmap_on_link(struct qe_cplane *c, const struct cplane_link *link)
{
    look(c, link->interface);
}

void cplane_portmap_on_seen(struct qe_cplane *c, const struct qe_ip *seen)
{
    struct cplane_portmaps *p = c->portmaps;
    if (!p || qe_ip_equal(&p->seen, seen)) return;
    bool first = p->seen.family == 0;
    p->seen = *seen;
    if (!first) look(c, 0);
}

static void granted(struct qe_cplane *c, struct cplane_portmap *map, const struct qe_result *result)
{
    char outside[QE_ADDR_TEXT_SIZE], inside[QE_ADDR_TEXT_SIZE];
    bool changed = !qe_addr_equal(&map->outside, &result->local);
    map->state = CPLANE_PORTMAP_GRANTED;
    map->failures = 0;
    map->outside = result->local;
    map->lifetime_s = result->lifetime_s;
    map->until_ns = c->now_ns + result->lifetime_s * QE_NS_PER_S;
    map->at_ns = not_before(map, c->now_ns + half_life(c, result->lifetime_s));
    snprintf(map->text, sizeof map->text, "%s", result->text ? result->text : "");
    if (!changed) return;
    qe_addr_format(&map->outside, outside);
    qe_ip_format(&map->inside, inside);
    if (qe_ip_is_public(&map->outside.ip))
        cplane_log(c, QE_LOG_INFO, "%s port %u is mapped at %s (%s)", inside, map->port, outside, map->text);
    else
        cplane_log(c, QE_LOG_INFO,
            "%s port %u is mapped at %s (%s), which is no public address: there is another NAT beyond that one", inside,
            map->port, outside, map->text);
    cplane_trace(c, "portmap.granted", NULL, map->port, map->outside.port);
    tell(c);
}

static void refused(struct qe_cplane *c, struct cplane_portmap *map, const struct qe_result *result, bool first)
{
    enum cplane_portmap_state state =
        result->code == QE_RESULT_UNAVAILABLE ? CPLANE_PORTMAP_NO_NAT : CPLANE_PORTMAP_REFUSED;
    snprintf(map->text, sizeof map->text, "%s", result->text ? result->text : "refused");
    cplane_trace(c, "portmap.refused", NULL, map->port, result->code);
    if (map->state != state) cplane_log(c, QE_LOG_DEBUG, "port %u is not mapped: %s", map->port, map->text);
    map->state = state;
    // The NAT says of a mapping that it has that it is gone: it is to be had again.
    map->at_ns = not_before(map, c->now_ns + (first ? back_off(c, map->failures++) : SETTLE_NS));
    lose(c, map, map->text);
}

bool cplane_portmap_on_result(struct qe_cplane *c, const struct qe_result *result)
{
    if (result->request < CPLANE_REQUEST_PORTMAP) return false;
    size_t slot = result->request & ((1u << SLOT_BITS) - 1);
    if (!c->portmaps || slot >= CPLANE_PORTMAPS_MAX || c->stopping) return true;
    struct cplane_portmap *map = &c->portmaps->list[slot];
    // Of a mapping that is not wanted any more.
    if (map->interface == 0 || map->request != result->request) return true;
    bool first = map->asking;
    map->asking = false;
    bool good = result->code == QE_RESULT_OK && result->local.ip.family == 4 && result->local.port != 0 &&
                result->lifetime_s > 0;
    if (good)
        granted(c, map, result);
    else
        refused(c, map, result, first);
    wake(c, map->at_ns);
    return true;
}

void cplane_portmap_on_stop(struct qe_cplane *c)
{
    for (size_t i = 0; c->portmaps && i < CPLANE_PORTMAPS_MAX; i++) {
        const struct cplane_portmap *map = &c->portmaps->list[i];
        if (map->outside.ip.family) act(c, CPLANE_REQUEST_PORTMAP, map, 0);
    }
}

static void check(struct qe_cplane *c, struct cplane_portmap *map)
{
    if (map->until_ns && map->until_ns <= c->now_ns) lose(c, map, "it was not renewed");
    if (map->at_ns > c->now_ns) return;
    ask(c, map);
}

void cplane_portmap_expire(struct qe_cplane *c)
{
    struct cplane_portmaps *p = c->portmaps;
    if (!p || p->at_ns > c->now_ns || c->stopping) return;
    p->at_ns = QE_TIME_NEVER;
    for (size_t i = 0; i < CPLANE_PORTMAPS_MAX; i++) {
        struct cplane_portmap *map = &p->list[i];
        if (map->interface == 0) continue;
        check(c, map);
        wake(c, map->until_ns ? qe_time_min(map->at_ns, map->until_ns) : map->at_ns);
    }
}

uint64_t cplane_portmap_deadline(const struct qe_cplane *c)
{
    return c->portmaps && !c->stopping ? c->portmaps->at_ns : QE_TIME_NEVER;
}

void cplane_portmap_fini(struct qe_cplane *c)
{
    qe_free(c->mem, c->portmaps);
    c->portmaps = NULL;
}

size_t cplane_portmap_list(const struct qe_cplane *c, bool confirmed, struct qe_addr *out, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; c->portmaps && i < CPLANE_PORTMAPS_MAX; i++) {
        const struct cplane_portmap *map = &c->portmaps->list[i];
        // What a box behind another NAT has is nothing that others can use.
        if (map->outside.ip.family == 0 || !qe_ip_is_public(&map->outside.ip)) continue;
        if (qe_ip_equal(&map->outside.ip, &c->portmaps->seen) == confirmed && count < max) out[count++] = map->outside;
    }
    return count;
}
