// One direction of a link: a queue, a transmitter of some rate, and a wire of some delay that may lose packets.
//
// A packet waits until the transmitter is free, takes (wire size × 8 / rate) to send, truncated to nanoseconds, and
// arrives after delay plus jitter. Jitter keeps the order unless reordering is asked for. The packet being sent is not
// in the queue. A lost packet takes its time like any other and vanishes where it would have arrived.
//
// Everything is known when a packet enters, so a pipe needs one place in the engine: that of its next arrival.
#ifndef QE_SIM_PIPE_H
#define QE_SIM_PIPE_H

#include "engine/engine.h"
#include "engine/random.h"
#include "net/packet.h"

// Why a datagram did not arrive. The first four are a pipe's.
enum sim_drop {
    SIM_DROP_QUEUE, // the queue was full
    SIM_DROP_LOSS,  // lost on the wire
    SIM_DROP_MTU,   // too big for the link
    SIM_DROP_DOWN,  // the link was down, or went down
    SIM_DROP_PIPE_COUNT,
    SIM_DROP_NO_ROUTE = SIM_DROP_PIPE_COUNT,
    SIM_DROP_NO_NEIGHBOUR, // nobody on the link has the next hop's address
    SIM_DROP_NOT_HERE,     // arrived at a host that neither has the address nor forwards
    SIM_DROP_HOPS,         // forwarded too often
    SIM_DROP_NO_SOCKET,    // nobody listens
    SIM_DROP_SOCKET_FULL,  // a host that stands still has had enough
    SIM_DROP_ASLEEP,       // the host is suspended
    SIM_DROP_PARTITION,    // between two hosts that a partition keeps apart
    SIM_DROP_NO_SOURCE,    // from an address that the host does not have any more
    SIM_DROP_TRIGGER,      // a [[trigger]] says so
    SIM_DROP_NO_MAPPING,   // a NAT has no mapping for it
    SIM_DROP_FILTERED,     // a NAT has one, but not for this sender
    SIM_DROP_EXHAUSTED,    // a NAT or firewall has no port or no room for it
    SIM_DROP_HAIRPIN,      // a NAT does not turn it back inside
    SIM_DROP_FIREWALL,     // a firewall forbids it
    SIM_DROP_REBOOTING,    // a router is not up
    SIM_DROP_COUNT,
};

const char *sim_drop_name(enum sim_drop reason);

struct sim_pipe_settings {
    uint64_t rate_bits; // a second; 0: unlimited
    uint64_t delay_ns;
    uint64_t jitter_ns; // uniform in [0, jitter], both included
    uint32_t loss_ppb;
    bool reorder;           // jitter may change the order
    uint64_t queue_packets; // 0: no limit in packets
    uint64_t queue_bytes;   // on the wire; 0: no limit in bytes
    uint64_t queue_ns;      // what the rate sends in that time, but at least SIM_QUEUE_BYTES_MIN; 0: no such limit
    uint32_t mtu;           // bytes of an IP packet
    uint32_t overhead;      // bytes that the link adds to an IP packet
};

// A queue given as a time always has room for this: 20 packets of Ethernet's size.
#define SIM_QUEUE_BYTES_MIN 30000

struct sim_pipe_stats {
    uint64_t entered, entered_bytes; // bytes of IP packets
    uint64_t delivered, delivered_bytes;
    uint64_t dropped[SIM_DROP_PIPE_COUNT];
    uint64_t queue_packets_peak;
};

struct sim_pipe;

// What a pipe tells its owner, who takes the packet.
struct sim_pipe_owner {
    void *user;
    void (*arrived)(void *user, struct sim_pipe *pipe, struct sim_packet *packet);
    void (*dropped)(void *user, struct sim_pipe *pipe, struct sim_packet *packet, enum sim_drop reason);
};

struct sim_pipe {
    struct sim_source source;
    struct sim_engine *engine;
    struct sim_pipe_owner owner;
    struct sim_pipe_settings settings;
    struct sim_stream loss, jitter;
    uint64_t free_ns; // when the transmitter is done with all it was given
    uint64_t last_arrival_ns;
    struct sim_packet *first, *last;                 // on the way, in order of arrival
    struct sim_packet *first_waiting, *last_waiting; // not yet being sent, as of the last look
    uint64_t waiting, waiting_bytes;
    uint64_t under_way;
    bool down;
    struct sim_pipe_stats stats;
};

// `name` is unique in the run; it names the pipe's random streams.
void sim_pipe_init(struct sim_pipe *pipe, struct sim_engine *engine, const struct sim_pipe_settings *settings,
    uint64_t seed, const char *name, struct sim_pipe_owner owner);
// Drops what is on the way, as going down does.
void sim_pipe_fini(struct sim_pipe *pipe);

// Takes the packet; its destination's family is set.
void sim_pipe_enter(struct sim_pipe *pipe, struct sim_packet *packet);
// While a pipe is down it drops everything, first of all what is on the way.
void sim_pipe_set_down(struct sim_pipe *pipe, bool down);
// Holds for packets that enter from now on.
void sim_pipe_set(struct sim_pipe *pipe, const struct sim_pipe_settings *settings);

// What waits now, behind the packet that is being sent; only looks.
void sim_pipe_queue(const struct sim_pipe *pipe, uint64_t *packets, uint64_t *bytes);

// What entered is delivered, dropped for a reason, or on the way. Counts anew what is on the way.
bool sim_pipe_conserves(const struct sim_pipe *pipe);

#endif
