// A firewall for UDP, as routers and hosts have one: what leaves opens the way back for a time, what comes by itself is
// let in only where a rule says so. It rewrites nothing; IPv4 and IPv6 are the same to it.
#ifndef QE_SIM_FIREWALL_H
#define QE_SIM_FIREWALL_H

#include "base/addr.h"
#include "net/nat.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_firewall_inbound {
    SIM_FIREWALL_ANSWERS, // only what belongs to something that left
    SIM_FIREWALL_ALLOW,
    SIM_FIREWALL_BLOCK, // nothing, not even answers
};

struct sim_firewall_settings {
    bool blocks_udp; // in both directions
    bool blocks_outbound;
    enum sim_firewall_inbound inbound;
    uint16_t *outbound_ports; // remote ports that may be sent to; none: all
    size_t outbound_port_count;
    uint16_t *inbound_ports; // inside ports that everybody may send to
    size_t inbound_port_count;
    enum sim_dependence filtering; // what an answer must have in common with what left
    enum sim_refresh refresh;
    uint64_t timeout_ns;
    uint64_t unanswered_ns;
    uint32_t states_max;
};

struct sim_firewall;

// `settings` is borrowed; `name` is unique in the run.
struct sim_firewall *sim_firewall_new(const struct sim_firewall_settings *settings, uint64_t seed, const char *name);
void sim_firewall_free(struct sim_firewall *firewall);
const struct sim_firewall_settings *sim_firewall_settings(const struct sim_firewall *firewall);
// Forgets what left.
void sim_firewall_reboot(struct sim_firewall *firewall);

// Whether a datagram may pass; if not, why.
bool sim_firewall_outbound(struct sim_firewall *firewall, uint64_t now_ns, const struct qe_addr *inside,
    const struct qe_addr *remote, enum sim_drop *why);
bool sim_firewall_inbound(struct sim_firewall *firewall, uint64_t now_ns, const struct qe_addr *inside,
    const struct qe_addr *remote, enum sim_drop *why);
// Whether `inside` has sent to `remote` lately, so that an ICMP error about it belongs to something. Nothing is
// refreshed.
bool sim_firewall_knows(
    struct sim_firewall *firewall, uint64_t now_ns, const struct qe_addr *inside, const struct qe_addr *remote);

// The rules alone, without what has left before: for whoever reasons about what can be reached.
bool sim_firewall_lets_out(const struct sim_firewall_settings *settings, uint16_t remote_port);
bool sim_firewall_lets_in(const struct sim_firewall_settings *settings, uint16_t inside_port);

#endif
