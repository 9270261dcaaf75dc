// The underlay: boxes (machines with interfaces, addresses and routes) and the links between them.
//
// A link of two boxes is a pipe each way. A link of more is a switch: a pipe from each box to it and one from it to
// each box, all with the link's settings, so that a datagram passes two of them. A box delivers by longest prefix: what
// is for one of its own addresses goes to its host, the rest is forwarded where the box is a router.
#ifndef QE_SIM_NETWORK_H
#define QE_SIM_NETWORK_H

#include "engine/engine.h"
#include "net/packet.h"
#include "net/partition.h"
#include "net/pipe.h"
#include "world/trace.h"

#include <stdbool.h>

#define SIM_INTERFACE_NAME_SIZE 16
#define SIM_MTU_DEFAULT         1500

struct sim_box;
struct sim_link;
struct sim_middlebox;
struct sim_network;

struct sim_interface {
    struct sim_box *box;
    uint32_t index; // as the node sees it; 1 is the loopback, which is not here
    char name[SIM_INTERFACE_NAME_SIZE];
    struct sim_link *link;
    size_t port;
    struct qe_cidr *addresses;
    size_t address_count;
    struct qe_cidr *own; // those it has when it is there; NULL: it has never left
    size_t own_count;
    bool absent; // its host is not on the link
};

struct sim_route {
    struct qe_cidr to;
    struct sim_interface *interface;
    struct qe_ip via; // family 0: the destination is on the link
};

struct sim_box {
    struct sim_network *network;
    const char *name;
    uint32_t index;
    bool forwards;
    struct sim_middlebox *middlebox; // owned; NULL: it forwards and nothing else
    struct sim_interface **interfaces;
    size_t interface_count, interface_capacity;
    struct sim_route *routes; // longest prefixes first, then by prefix
    size_t route_count, route_capacity;
    bool routes_sorted;
    bool moves;             // its addresses have changed: it may send from one that it no longer has
    struct qe_ip recent_ip; // the last lookup and its answer; family 0: none
    uint32_t recent_interface;
    const struct sim_route *recent_route;
    uint64_t too_big_received; // ICMP
    void *user;                // for the callbacks of the network
};

struct sim_port {
    struct sim_interface *interface;
    struct sim_pipe out; // from the box
    struct sim_pipe in;  // from the switch to the box; not used between two
};

// What a switch knows of who is where.
struct sim_neighbour {
    struct qe_ip ip;
    size_t port;
};

struct sim_link {
    struct sim_network *network;
    const char *name;
    struct sim_port *ports;
    size_t port_count;
    bool is_switch;
    struct sim_neighbour *neighbours; // by address
    size_t neighbour_count;
};

struct sim_network {
    struct sim_engine *engine;
    struct sim_packet_pool pool;
    struct sim_trace *trace;
    uint64_t seed;
    uint64_t sent, received;
    uint64_t duplicated; // by links and triggers
    uint64_t corrupted;  // by links and triggers, and not dropped for it
    uint64_t dropped[SIM_DROP_COUNT];
    struct sim_partition partition;
    // A datagram for one of the box's addresses: the callee's now.
    void (*deliver)(struct sim_box *box, struct sim_packet *packet);
    // A datagram that is not for the box: whether it goes on by another way than a link, which takes a copy. May be
    // NULL.
    bool (*pass)(struct sim_box *box, const struct sim_packet *packet);
    // Sees each datagram that a box sends (interface: to leave by; 0: as routed), and each that arrives where it is
    // going; true: it has taken it. NULL: nobody looks.
    bool (*watch)(void *user, struct sim_box *box, struct sim_packet *packet, uint32_t interface, bool arrives);
    void *watch_user;
};

void sim_network_init(struct sim_network *network, struct sim_engine *engine, struct sim_trace *trace, uint64_t seed,
    void (*deliver)(struct sim_box *box, struct sim_packet *packet));
void sim_network_fini(struct sim_network *network);

void sim_box_init(struct sim_box *box, struct sim_network *network, const char *name, uint32_t index, bool forwards);
void sim_box_fini(struct sim_box *box);
struct sim_trace_who sim_box_who(const struct sim_box *box);
void sim_box_add_route(struct sim_box *box, struct sim_route route);
// The route of the longest prefix with `ip`; by `interface` only where that is not 0. NULL: none.
const struct sim_route *sim_box_route(struct sim_box *box, const struct qe_ip *ip, uint32_t interface);
bool sim_box_has(const struct sim_box *box, const struct qe_ip *ip);
struct sim_interface *sim_box_interface(const struct sim_box *box, uint32_t index);
// The address that a datagram to `destination` leaves with: the egress interface's first of that family. Family 0:
// none.
struct qe_ip sim_box_source(struct sim_box *box, const struct qe_ip *destination, uint32_t interface);
// Sends a datagram that has its addresses, by `interface` where that is not 0. It is counted and traced.
void sim_box_send(struct sim_box *box, struct sim_packet *packet, uint32_t interface);
// The same for one that is counted and traced, and that nobody watches any more.
void sim_box_leave(struct sim_box *box, struct sim_packet *packet, uint32_t interface);
// A datagram has come to an interface.
void sim_box_receive(struct sim_interface *interface, struct sim_packet *packet);
// What has come is for this box.
void sim_box_deliver(struct sim_box *box, struct sim_packet *packet);
// The same for what nobody watches any more, and no partition holds back.
void sim_box_hand_over(struct sim_box *box, struct sim_packet *packet);
// The same behind a middlebox: it is the box's own, or is forwarded.
void sim_box_take(struct sim_box *box, struct sim_packet *packet);
// Sends on what has come from elsewhere. Takes it.
void sim_box_forward(struct sim_box *box, struct sim_packet *packet);
// Drops a datagram with a reason, counted and traced. Takes it.
void sim_box_drop(struct sim_box *box, struct sim_packet *packet, enum sim_drop reason);

// A link between `count` boxes. settings: one for each port, for what leaves its box, and, on a switch, for what comes
// to it. Each box gets an interface.
void sim_link_init(struct sim_link *link, struct sim_network *network, const char *name, struct sim_box *const *boxes,
    const struct sim_pipe_settings *settings, size_t count);
void sim_link_fini(struct sim_link *link);
// Gives a port's interface an address, and its box a route to the prefix.
void sim_link_add_address(struct sim_link *link, size_t port, const struct qe_cidr *address);
// Call it when all addresses are there.
void sim_link_settle(struct sim_link *link);

// A host leaves a link, or comes (back) to it with the addresses it had there, or with others (attach.c). Nothing
// passes its port while it is away. The caller tells the host, and sees to its routes. silently: it keeps its
// addresses, and notices nothing.
void sim_link_leave(struct sim_link *link, size_t port, bool silently);
void sim_link_join(struct sim_link *link, size_t port);
void sim_link_readdress(struct sim_link *link, size_t port, const struct qe_cidr *addresses, size_t count);
// Forgets every route of the box, and adds those to the prefixes of its addresses.
void sim_box_reset_routes(struct sim_box *box);
bool sim_link_conserves(const struct sim_link *link);

// Datagrams sent, and links' copies of them, are received, dropped for a reason, or under way. held: packets that hosts
// have received and still own.
bool sim_network_conserves(const struct sim_network *network, uint64_t held);

#endif
