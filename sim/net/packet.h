// A UDP datagram (or an ICMP message about one) on the simulated wire, and the pool it comes from. A packet has one
// owner: the pipe it is in, the host that received it, or whoever has just taken it out of one of these.
#ifndef QE_SIM_PACKET_H
#define QE_SIM_PACKET_H

#include "base/addr.h"

#include <stddef.h>
#include <stdint.h>

// Bytes of headers that a datagram has on the wire beside its payload.
#define SIM_UDP_HEADER 8 // ICMP's is as large
#define SIM_IP4_HEADER 20
#define SIM_IP6_HEADER 40
#define SIM_HOPS_MAX   64

enum sim_packet_kind {
    SIM_PACKET_UDP,
    SIM_PACKET_TOO_BIG, // ICMP: the payload is the beginning of the datagram that it is about, from its IP header on
};

struct sim_packet {
    struct sim_packet *next, *prev;  // in the owner's list
    struct sim_packet *next_waiting; // in a pipe's queue
    uint64_t number;                 // of the datagram, from 1, in the order of sending over the whole run
    uint64_t sequence;               // place in the engine's order
    uint64_t enter_ns;               // when it came into the pipe's queue
    uint64_t start_ns;               // when its first bit leaves the pipe's queue
    uint64_t arrive_ns;
    int64_t jitter_ns;
    struct qe_addr source, destination;
    struct qe_ip next_hop;
    uint32_t interface; // by which it came in, at the host that received it
    uint32_t origin;    // index of the box that sent it first
    uint64_t carried;   // what is in it (observe/carried.h), as far as somebody has asked
    uint32_t size;      // bytes of UDP payload
    uint32_t capacity;
    uint32_t wire_size; // bytes on the link it is on
    uint16_t mtu;       // TOO_BIG: of the link that it was too big for
    uint8_t kind;       // enum sim_packet_kind
    uint8_t ecn;
    uint8_t hops_left;
    bool lost;    // will not arrive; it takes its time on the wire all the same
    bool burst;   // the same, for the reason that everything is lost at that time
    bool late;    // is held back, and overtaken
    bool damaged; // on the link it is on
    uint8_t bytes[];
};

struct sim_packet_pool {
    struct sim_packet *free;
    size_t out; // packets that somebody owns
    uint64_t number;
};

void sim_packet_pool_init(struct sim_packet_pool *pool);
void sim_packet_pool_fini(struct sim_packet_pool *pool);

// A packet with `size` bytes of payload copied from `bytes`; everything else is zero but number and hops_left.
struct sim_packet *sim_packet_new(struct sim_packet_pool *pool, const uint8_t *bytes, size_t size);
// The same packet once more, number and all.
struct sim_packet *sim_packet_copy(struct sim_packet_pool *pool, const struct sim_packet *packet);
void sim_packet_free(struct sim_packet_pool *pool, struct sim_packet *packet);

// Bytes of the IP packet: payload, IP header, and that of UDP or ICMP.
uint32_t sim_packet_ip_size(const struct sim_packet *packet);

#endif
