// Ports at the NATs in front of this host, which its host asks for (QE_ACTION_MAP_PORT): one for each interface with a
// private IPv4 address and each socket that can be reached there. They are asked for at the start and whenever an
// interface, or what others see of this node, changes; renewed at half of their life; and given back at the end.
#ifndef QE_NODE_PORTMAP_H
#define QE_NODE_PORTMAP_H

#include "base/addr.h"
#include "node/event.h"

struct qe_cplane;
struct cplane_link;

#define CPLANE_REQUEST_PORTMAP UINT64_C(0x100000000)
// Ports at a time; more interfaces than that do without.
#define CPLANE_PORTMAPS_MAX 32

enum cplane_portmap_state {
    CPLANE_PORTMAP_NEW,     // not asked for yet
    CPLANE_PORTMAP_GRANTED, // until `until_ns`
    CPLANE_PORTMAP_REFUSED, // the NAT says no, or nothing
    CPLANE_PORTMAP_NO_NAT,  // there is nobody to ask on that interface
};

struct cplane_portmap {
    uint32_t interface; // 0: free
    struct qe_ip inside;
    uint16_t port;
    enum cplane_portmap_state state; // after the last answer
    uint64_t request;                // the last one; 0: none
    bool asking;                     // it is not answered yet
    uint64_t at_ns;                  // when to ask again; QE_TIME_NEVER while asking
    uint64_t asked_ns, until_ns;
    unsigned failures;
    struct qe_addr outside; // where granted
    uint32_t lifetime_s;    // where granted
    char text[96];          // the protocol, or why not
};

// The sockets are bound.
void cplane_portmap_on_up(struct qe_cplane *c);
// The link has changed.
void cplane_portmap_on_link(struct qe_cplane *c, const struct cplane_link *link);
// The IPv4 address that others see this node at is another one: there is another NAT, or it began anew.
void cplane_portmap_on_seen(struct qe_cplane *c, const struct qe_ip *seen);
// True where the result was for it.
bool cplane_portmap_on_result(struct qe_cplane *c, const struct qe_result *result);
void cplane_portmap_on_stop(struct qe_cplane *c);
void cplane_portmap_expire(struct qe_cplane *c);
uint64_t cplane_portmap_deadline(const struct qe_cplane *c);
void cplane_portmap_fini(struct qe_cplane *c);

// Adds up to `max` mapped ports that can be reached from the internet to `out`; returns how many. confirmed: those at
// the address that others see this node at; else the others, behind another NAT maybe, or another address of this one.
size_t cplane_portmap_list(const struct qe_cplane *c, bool confirmed, struct qe_addr *out, size_t max);
// Until when the first answers are worth waiting for before others hear of this node; 0: they are there.
uint64_t cplane_portmap_pending(const struct qe_cplane *c);
// CPLANE_PORTMAPS_MAX of them, or NULL where there was never one.
const struct cplane_portmap *cplane_portmaps(const struct qe_cplane *c);

#endif
