// Datagrams are led from box to box at one instant, through middleboxes' doubles: NATs and firewalls with the settings
// of the real ones and nothing in their tables.
#include "net/crossing.h"

#include "engine/memory.h"
#include "net/middlebox.h"

#include <stdio.h>

#define CANDIDATES_MAX 64
#define ROUNDS_MAX     8
// Those nodes that see the sender are as many as a lookup asks, at most.
#define HELPERS_MAX 8

struct double_box {
    const struct sim_middlebox *real;
    struct sim_nat *nat;
    struct sim_firewall *firewall;
};

struct stage {
    struct double_box *doubles;
    size_t count, capacity;
};

struct flight {
    struct sim_box *box;
    struct qe_addr source, destination;
    // Of the NATs on the way: whether any one's mappings depend on the destination, and cannot be guessed.
    bool hard, random, asks;
};

enum course { ARRIVED, ONWARD, LOST };

static uint32_t *outside_addresses(const struct sim_middlebox *m, size_t *count, const struct qe_cidr **inside)
{
    uint32_t *addresses = NULL;
    size_t capacity = 0;
    *count = 0;
    *inside = NULL;
    for (size_t i = 0; i < m->box->interface_count; i++)
        for (size_t k = 0; k < m->box->interfaces[i]->address_count; k++) {
            const struct qe_cidr *address = &m->box->interfaces[i]->addresses[k];
            if (address->ip.family != 4) continue;
            if (!m->outside[i]) {
                if (!*inside) *inside = address;
                continue;
            }
            SIM_ROOM(addresses, *count, capacity);
            addresses[(*count)++] = qe_ip4_to_u32(&address->ip);
        }
    return addresses;
}

static struct double_box *double_of(struct stage *stage, const struct sim_middlebox *real)
{
    for (size_t i = 0; i < stage->count; i++)
        if (stage->doubles[i].real == real) return &stage->doubles[i];
    SIM_ROOM(stage->doubles, stage->count, stage->capacity);
    struct double_box *d = &stage->doubles[stage->count++];
    *d = (struct double_box){.real = real};
    char name[64];
    snprintf(name, sizeof(name), "double %.40s", real->box->name);
    if (real->nat) {
        size_t count;
        const struct qe_cidr *inside;
        uint32_t *addresses = outside_addresses(real, &count, &inside);
        d->nat = sim_nat_new(sim_nat_settings(real->nat), real->box->network->seed, name, addresses, count, inside);
        sim_release(addresses);
    }
    if (real->firewall)
        d->firewall = sim_firewall_new(sim_firewall_settings(real->firewall), real->box->network->seed, name);
    return d;
}

static void stage_fini(struct stage *stage)
{
    for (size_t i = 0; i < stage->count; i++) {
        sim_nat_free(stage->doubles[i].nat);
        sim_firewall_free(stage->doubles[i].firewall);
    }
    sim_release(stage->doubles);
}

static const struct sim_interface *neighbour(const struct sim_interface *own, const struct qe_ip *ip)
{
    for (size_t i = 0; i < own->link->port_count; i++) {
        const struct sim_interface *other = own->link->ports[i].interface;
        for (size_t k = 0; other != own && k < other->address_count; k++)
            if (qe_ip_equal(&other->addresses[k].ip, ip)) return other;
    }
    return NULL;
}

static bool passes_nat(struct flight *f, const struct double_box *d, bool out)
{
    const struct sim_nat_settings *s = sim_nat_settings(d->real->nat);
    enum sim_drop why;
    if (!out) return sim_nat_inbound(d->nat, 0, &f->source, &f->destination, &why);
    bool dependent = s->mapping != SIM_ENDPOINT_INDEPENDENT;
    f->hard |= dependent;
    f->random |= dependent && (s->allocation == SIM_NAT_RANDOM || s->pooling_arbitrary ||
                                  (s->allocation == SIM_NAT_PRESERVE && s->collision == SIM_NAT_RANDOM));
    f->asks |= d->real->portmap != NULL;
    return sim_nat_outbound(d->nat, 0, &f->source, &f->destination, &why);
}

static enum course from_outside(struct flight *f, const struct double_box *d)
{
    enum sim_drop why;
    bool four = f->destination.ip.family == 4;
    if (d->nat && four && sim_nat_owns(d->nat, &f->destination.ip)) {
        if (!passes_nat(f, d, false)) return LOST;
    } else if (sim_box_has(f->box, &f->destination.ip)) {
        return ARRIVED;
    } else if (d->nat && four) {
        return LOST;
    }
    if (d->firewall && !sim_firewall_inbound(d->firewall, 0, &f->destination, &f->source, &why)) return LOST;
    return ONWARD;
}

static enum course from_inside(struct flight *f, const struct double_box *d)
{
    enum sim_drop why;
    bool four = f->destination.ip.family == 4;
    if (d->nat && four && sim_nat_owns(d->nat, &f->destination.ip))
        return sim_nat_hairpin(d->nat, 0, &f->source, &f->destination, &why) ? ONWARD : LOST;
    if (sim_box_has(f->box, &f->destination.ip)) return ARRIVED;
    const struct sim_route *route = sim_box_route(f->box, &f->destination.ip, 0);
    if (!route || !sim_middlebox_is_outside(d->real, route->interface)) return ONWARD;
    if (d->firewall && !sim_firewall_outbound(d->firewall, 0, &f->source, &f->destination, &why)) return LOST;
    return d->nat && four && !passes_nat(f, d, true) ? LOST : ONWARD;
}

static enum course come(struct stage *stage, struct flight *f, const struct sim_interface *by)
{
    enum sim_drop why;
    const struct double_box *d = by->box->middlebox ? double_of(stage, by->box->middlebox) : NULL;
    f->box = by->box;
    if (d && f->box->forwards) return sim_middlebox_is_outside(d->real, by) ? from_outside(f, d) : from_inside(f, d);
    if (!sim_box_has(f->box, &f->destination.ip)) return f->box->forwards ? ONWARD : LOST;
    if (d && d->firewall && !sim_firewall_inbound(d->firewall, 0, &f->destination, &f->source, &why)) return LOST;
    return ARRIVED;
}

static const struct sim_interface *next_hop(struct sim_box *box, const struct qe_ip *destination)
{
    const struct sim_route *route = sim_box_route(box, destination, 0);
    if (!route || route->interface->absent) return NULL;
    return neighbour(route->interface, route->via.family ? &route->via : destination);
}

static uint16_t port_of(const struct sim_crossing_node *node, uint8_t family)
{
    return family == 4 ? node->port4 : node->port6;
}

// Leads a datagram from a node to an address; true where it comes to `to`'s socket. *f says how it looks there.
static bool fly(struct stage *stage, const struct sim_crossing_node *from, const struct qe_addr *destination,
    const struct sim_crossing_node *to, struct flight *f)
{
    enum sim_drop why;
    *f = (struct flight){.box = from->box, .destination = *destination};
    f->source.ip = sim_box_source(from->box, &destination->ip, 0);
    f->source.port = port_of(from, destination->ip.family);
    if (!f->source.ip.family || !f->source.port || sim_box_has(from->box, &destination->ip)) return false;
    const struct double_box *own =
        from->box->middlebox && !from->box->forwards ? double_of(stage, from->box->middlebox) : NULL;
    if (own && own->firewall && !sim_firewall_outbound(own->firewall, 0, &f->source, destination, &why)) return false;
    enum course course = ONWARD;
    for (int hops = 0; course == ONWARD; hops++) {
        const struct sim_interface *next = hops < SIM_HOPS_MAX ? next_hop(f->box, &f->destination.ip) : NULL;
        course = next ? come(stage, f, next) : LOST;
    }
    return course == ARRIVED && f->box == to->box && f->destination.port == port_of(to, f->destination.ip.family);
}

// Where one side may be reached, as far as anybody knows.
struct side {
    const struct sim_crossing_node *node;
    struct qe_addr candidates[CANDIDATES_MAX];
    size_t count;
    bool hard, random, asks;
};

static bool same(const struct qe_addr *a, const struct qe_addr *b)
{
    return a->port == b->port && qe_ip_equal(&a->ip, &b->ip);
}

static bool add(struct side *side, const struct qe_addr *addr)
{
    for (size_t i = 0; i < side->count; i++)
        if (same(&side->candidates[i], addr)) return false;
    if (side->count == CANDIDATES_MAX) return false;
    side->candidates[side->count++] = *addr;
    return true;
}

static void add_own(struct side *side)
{
    const struct sim_box *box = side->node->box;
    for (size_t i = 0; i < box->interface_count; i++)
        for (size_t k = 0; k < box->interfaces[i]->address_count; k++) {
            struct qe_addr addr = {.ip = box->interfaces[i]->addresses[k].ip};
            addr.port = port_of(side->node, addr.ip.family);
            if (addr.port) add(side, &addr);
        }
}

// Some address of `to` at which a datagram of `from` arrives and from which an answer comes back. *seen: the source.
static bool exchange(
    struct stage *stage, const struct sim_crossing_node *from, const struct sim_crossing_node *to, struct flight *seen)
{
    struct side there = {.node = to};
    struct flight back;
    add_own(&there);
    for (size_t i = 0; i < there.count; i++)
        if (fly(stage, from, &there.candidates[i], to, seen) && fly(stage, to, &seen->source, from, &back)) return true;
    return false;
}

static bool ask(struct stage *stage, struct side *side, const struct sim_crossing_node *helper)
{
    struct flight seen;
    if (!exchange(stage, side->node, helper, &seen)) return false;
    add(side, &seen.source);
    side->hard |= seen.hard;
    side->random |= seen.random;
    side->asks |= seen.asks;
    return true;
}

// Everything that `from` knows of `to` is tried once. *news: something was learned.
static enum sim_crossing probe(struct stage *stage, struct side *from, struct side *to, bool *news)
{
    enum sim_crossing met = SIM_CROSSING_NO;
    for (size_t i = 0; i < to->count; i++) {
        struct flight there, back;
        if (!fly(stage, from->node, &to->candidates[i], to->node, &there)) continue;
        *news |= add(from, &there.source);
        if (!fly(stage, to->node, &there.source, from->node, &back)) continue;
        met = SIM_CROSSING_ASYMMETRIC;
        if (same(&back.source, &to->candidates[i])) return SIM_CROSSING_DIRECT;
        *news |= add(to, &back.source);
    }
    return met;
}

enum sim_crossing sim_crossing_pair(const struct sim_crossing_node *a, const struct sim_crossing_node *b,
    const struct sim_crossing_node *helpers, size_t helper_count)
{
    struct stage stage = {0};
    struct side x = {.node = a}, y = {.node = b};
    size_t helped = 0;
    enum sim_crossing met = SIM_CROSSING_NO;
    bool news = true;
    add_own(&x);
    add_own(&y);
    for (size_t i = 0; i < helper_count && helped < HELPERS_MAX; i++) {
        bool reached = ask(&stage, &x, &helpers[i]);
        helped += ask(&stage, &y, &helpers[i]) && reached;
    }
    for (int round = 0; helped && news && met != SIM_CROSSING_DIRECT && round < ROUNDS_MAX; round++) {
        news = round == 0; // what was sent may have opened a way for what was lost before
        enum sim_crossing there = probe(&stage, &x, &y, &news), back = probe(&stage, &y, &x, &news);
        if (there > met) met = there;
        if (back > met) met = back;
    }
    stage_fini(&stage);
    bool guessable = (x.hard || y.hard) && !(x.random && y.random);
    if (met == SIM_CROSSING_NO && helped && (guessable || x.asks || y.asks)) return SIM_CROSSING_MAYBE;
    return met;
}

bool sim_crossing_reaches(const struct sim_crossing_node *from, const struct sim_crossing_node *to)
{
    struct stage stage = {0};
    struct flight seen;
    bool reaches = exchange(&stage, from, to, &seen);
    stage_fini(&stage);
    return reaches;
}
