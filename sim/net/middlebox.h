// What a box does with datagrams beside forwarding them: a firewall, a NAT and the answers of a port mapping protocol,
// in that order from inside to outside, so that the firewall sees inside addresses.
//
// On a router, its interfaces are outside or inside; what goes from one inside interface to another is only forwarded.
// A NAT takes part in IPv4 alone. On a host that forwards nothing there is only a firewall, between it and all its
// links.
#ifndef QE_SIM_MIDDLEBOX_H
#define QE_SIM_MIDDLEBOX_H

#include "net/firewall.h"
#include "net/nat.h"
#include "net/network.h"
#include "net/portmap.h"

struct sim_middlebox {
    struct sim_box *box;
    struct sim_nat *nat;                        // or NULL
    struct sim_firewall *firewall;              // or NULL
    const struct sim_portmap_settings *portmap; // or NULL
    bool *outside;                              // by place in box->interfaces
    struct sim_source up;                       // when it is up again
    bool rebooting;
    uint64_t dropped[SIM_DROP_COUNT]; // by this box
};

// settings: of each part, or NULL. outside: for each interface of the box, which are all there; copied.
struct sim_middlebox *sim_middlebox_new(struct sim_box *box, const struct sim_nat_settings *nat,
    const struct sim_firewall_settings *firewall, const struct sim_portmap_settings *portmap, const bool *outside);
void sim_middlebox_free(struct sim_middlebox *middlebox);

bool sim_middlebox_is_outside(const struct sim_middlebox *middlebox, const struct sim_interface *interface);
// A datagram has come to the interface. Takes it.
void sim_middlebox_receive(struct sim_middlebox *middlebox, struct sim_interface *interface, struct sim_packet *packet);
// The box itself sends a datagram: true where it may, otherwise it is dropped and taken.
bool sim_middlebox_sends(struct sim_middlebox *middlebox, struct sim_packet *packet);
// It forgets all it knows; for so long it drops what comes.
void sim_middlebox_reboot(struct sim_middlebox *middlebox, uint64_t takes_ns);

#endif
