// A datagram is led through the boxes by their own routes and settings, with notes of every translation, and then the
// way back is looked at, from one translation to the one before.
#include "net/reach.h"

#include "net/middlebox.h"

#define TRANSLATIONS_MAX 16

// An address that the sender had on a part of the way, and the box that answers to it.
struct name {
    struct sim_box *box;
    struct qe_ip ip;
};

struct walk {
    struct sim_box *box;
    struct qe_addr destination;
    uint16_t port; // the sender's, at home
    bool depends;
    struct name names[TRANSLATIONS_MAX];
    size_t name_count;
};

static const struct sim_interface *neighbour(const struct sim_interface *own, const struct qe_ip *ip)
{
    for (size_t i = 0; i < own->link->port_count; i++) {
        const struct sim_interface *other = own->link->ports[i].interface;
        for (size_t k = 0; other != own && k < other->address_count; k++)
            if (qe_ip_equal(&other->addresses[k].ip, ip)) return other;
    }
    return NULL;
}

static const struct sim_interface *next_hop(struct sim_box *box, const struct qe_ip *destination)
{
    const struct sim_route *route = sim_box_route(box, destination, 0);
    if (!route) return NULL;
    return neighbour(route->interface, route->via.family ? &route->via : destination);
}

// Whether the plain way from a box leads to the one that is named so. Routers with NATs on the way do not matter: what
// they would do to the answer has a name of its own.
static bool leads_to(struct sim_box *box, const struct name *name)
{
    for (int hops = 0; box && hops < SIM_HOPS_MAX; hops++) {
        if (box == name->box) return true;
        if (hops && !box->forwards) return false;
        const struct sim_interface *next = next_hop(box, &name->ip);
        box = next ? next->box : NULL;
    }
    return false;
}

// What a firewall makes of the first datagram, and, where it is on the sender's side, of the answers.
static enum sim_reach passes_in(const struct sim_firewall_settings *s, uint16_t port)
{
    if (sim_firewall_lets_in(s, port)) return SIM_REACH_YES;
    return s->blocks_udp || s->inbound == SIM_FIREWALL_BLOCK ? SIM_REACH_NO : SIM_REACH_MAYBE;
}

static enum sim_reach passes_out(const struct sim_firewall_settings *s, uint16_t inside_port, uint16_t remote_port)
{
    if (s->blocks_udp) return SIM_REACH_NO;
    if (!sim_firewall_lets_out(s, remote_port))
        return sim_firewall_lets_in(s, inside_port) ? SIM_REACH_MAYBE : SIM_REACH_NO;
    return s->inbound == SIM_FIREWALL_BLOCK ? SIM_REACH_NO : SIM_REACH_YES;
}

static bool note(struct walk *w, enum sim_reach passed)
{
    w->depends |= passed == SIM_REACH_MAYBE;
    return passed != SIM_REACH_NO;
}

static bool rename_sender(struct walk *w, const struct sim_nat *nat)
{
    if (w->name_count == TRANSLATIONS_MAX) return false;
    uint32_t inside = qe_ip4_to_u32(&w->names[w->name_count - 1].ip);
    w->names[w->name_count++] = (struct name){w->box, qe_ip4_from_u32(sim_nat_address_of(nat, inside))};
    return true;
}

// A datagram for one of the NAT's own addresses: a forward takes it inside. Without one it is anybody's guess.
static enum sim_reach enter_nat(struct walk *w, const struct sim_nat *nat)
{
    const struct sim_nat_settings *s = sim_nat_settings(nat);
    for (size_t i = 0; i < s->forward_count; i++) {
        if (s->forwards[i].port != w->destination.port) continue;
        w->destination.ip = qe_ip4_from_u32(s->forwards[i].to.ip);
        w->destination.port = s->forwards[i].to.port;
        return SIM_REACH_YES;
    }
    return SIM_REACH_MAYBE;
}

enum step { ENDS, GOES_ON, UNKNOWN, LOST };

static enum step come_from_outside(struct walk *w, const struct sim_middlebox *m)
{
    bool four = w->destination.ip.family == 4;
    if (m->nat && four && sim_nat_owns(m->nat, &w->destination.ip)) {
        if (enter_nat(w, m->nat) == SIM_REACH_MAYBE) return UNKNOWN;
    } else if (sim_box_has(w->box, &w->destination.ip)) {
        return ENDS;
    } else if (m->nat && four) {
        return LOST;
    }
    if (m->firewall && !note(w, passes_in(sim_firewall_settings(m->firewall), w->destination.port))) return LOST;
    return GOES_ON;
}

static enum step come_from_inside(struct walk *w, const struct sim_middlebox *m)
{
    bool four = w->destination.ip.family == 4;
    if (m->nat && four && sim_nat_owns(m->nat, &w->destination.ip)) {
        if (sim_nat_settings(m->nat)->hairpin == SIM_NAT_HAIRPIN_NONE) return LOST;
        if (sim_nat_settings(m->nat)->hairpin == SIM_NAT_HAIRPIN_EXTERNAL && !rename_sender(w, m->nat)) return LOST;
        return enter_nat(w, m->nat) == SIM_REACH_YES ? GOES_ON : UNKNOWN;
    }
    if (sim_box_has(w->box, &w->destination.ip)) return ENDS;
    const struct sim_route *route = sim_box_route(w->box, &w->destination.ip, 0);
    if (!route || !sim_middlebox_is_outside(m, route->interface)) return GOES_ON;
    if (m->firewall && !note(w, passes_out(sim_firewall_settings(m->firewall), w->port, w->destination.port)))
        return LOST;
    return m->nat && four && !rename_sender(w, m->nat) ? LOST : GOES_ON;
}

static enum step come(struct walk *w, const struct sim_interface *by)
{
    const struct sim_middlebox *m = by->box->middlebox;
    w->box = by->box;
    if (m && w->box->forwards)
        return sim_middlebox_is_outside(m, by) ? come_from_outside(w, m) : come_from_inside(w, m);
    if (!sim_box_has(w->box, &w->destination.ip)) return w->box->forwards ? GOES_ON : LOST;
    if (m && m->firewall && !note(w, passes_in(sim_firewall_settings(m->firewall), w->destination.port))) return LOST;
    return ENDS;
}

static enum step leave_home(struct walk *w)
{
    const struct sim_middlebox *m = w->box->middlebox;
    if (sim_box_has(w->box, &w->destination.ip)) return ENDS;
    if (!m || !m->firewall || w->box->forwards) return GOES_ON;
    return note(w, passes_out(sim_firewall_settings(m->firewall), w->port, w->destination.port)) ? GOES_ON : LOST;
}

static bool answers_come_back(const struct walk *w)
{
    struct sim_box *from = w->box;
    for (size_t i = w->name_count; i-- > 0;) {
        if (!leads_to(from, &w->names[i])) return false;
        from = w->names[i].box;
    }
    return true;
}

enum sim_reach sim_reach_dial(
    struct sim_box *from, uint16_t port, const struct qe_addr *remote, struct sim_reach_end *end)
{
    struct walk w = {.box = from, .destination = *remote, .port = port, .name_count = 1};
    w.names[0] = (struct name){from, sim_box_source(from, &remote->ip, 0)};
    if (end) *end = (struct sim_reach_end){0};
    enum step step = w.names[0].ip.family || sim_box_has(from, &remote->ip) ? leave_home(&w) : LOST;
    for (int hops = 0; step == GOES_ON; hops++) {
        const struct sim_interface *next = hops < SIM_HOPS_MAX ? next_hop(w.box, &w.destination.ip) : NULL;
        step = next ? come(&w, next) : LOST;
    }
    if (step == UNKNOWN) return SIM_REACH_MAYBE;
    if (step == LOST || (w.box != from && !answers_come_back(&w))) return SIM_REACH_NO;
    if (end) *end = (struct sim_reach_end){w.box, w.destination};
    return w.depends ? SIM_REACH_MAYBE : SIM_REACH_YES;
}

static enum sim_reach dial(const struct sim_reach_node *from, const struct sim_reach_node *to)
{
    struct sim_reach_end end;
    if (!from->dials) return SIM_REACH_NO;
    enum sim_reach reach = sim_reach_dial(from->box, from->port, from->dials, &end);
    if (end.box && (end.box != to->box || end.address.port != to->port)) return SIM_REACH_NO;
    return reach;
}

enum sim_reach sim_reach_connect(const struct sim_reach_node *a, const struct sim_reach_node *b)
{
    enum sim_reach there = dial(a, b), back = dial(b, a);
    return there > back ? there : back;
}
