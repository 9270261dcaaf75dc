// One direction of a link: a queue, a transmitter of some rate, and a wire of some delay that may lose packets, hold
// them back, double or damage them.
//
// A packet waits until the transmitter is free, takes (wire size × 8 / rate) to send, truncated to nanoseconds, and
// arrives after delay plus jitter. Jitter keeps the order unless reordering is asked for. The packet being sent is not
// in the queue. A lost packet takes its time like any other and vanishes where it would have arrived.
//
// With tail drop everything is known when a packet enters, so a pipe needs one place in the engine: that of its next
// arrival. CoDel decides when a packet leaves the queue; with it, that place is of whichever comes first, the next
// arrival or the end of the packet being sent.
#ifndef QE_SIM_PIPE_H
#define QE_SIM_PIPE_H

#include "engine/engine.h"
#include "engine/random.h"
#include "net/packet.h"
#include "net/pipe_settings.h"
#include "net/rate.h"

// Why a datagram did not arrive. The numbers are part of the trace's encoding: new ones come last.
enum sim_drop {
    SIM_DROP_QUEUE, // the queue was full
    SIM_DROP_LOSS,  // lost on the wire
    SIM_DROP_MTU,   // too big for the link
    SIM_DROP_DOWN,  // the link was down, or went down
    SIM_DROP_NO_ROUTE,
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
    SIM_DROP_BURST,        // everything was lost for a while
    SIM_DROP_CODEL,        // the queue had been standing for too long
    SIM_DROP_CHECKSUM,     // damaged, and the receiver's UDP checksum says so
    SIM_DROP_COUNT,
};

const char *sim_drop_name(enum sim_drop reason);

struct sim_pipe_stats {
    uint64_t entered, entered_bytes; // bytes of IP packets
    uint64_t delivered, delivered_bytes;
    uint64_t duplicated; // copies that were made
    uint64_t marked;     // CE was set
    uint64_t corrupted;  // arrived damaged, whether found by the checksum or not
    uint64_t dropped[SIM_DROP_COUNT];
    uint64_t queue_packets_peak;
};

struct sim_pipe;

// What a pipe tells its owner, who takes the packet.
struct sim_pipe_owner {
    void *user;
    void (*arrived)(void *user, struct sim_pipe *pipe, struct sim_packet *packet);
    void (*dropped)(void *user, struct sim_pipe *pipe, struct sim_packet *packet, enum sim_drop reason);
    // A packet like it, for the pipe. NULL where nothing is ever duplicated.
    struct sim_packet *(*copy)(void *user, struct sim_pipe *pipe, const struct sim_packet *packet);
};

// What a pipe's streams are for. The numbers name the streams: new ones come last.
enum sim_pipe_chance {
    SIM_CHANCE_LOSS,
    SIM_CHANCE_JITTER,
    SIM_CHANCE_GILBERT,
    SIM_CHANCE_BURST,
    SIM_CHANCE_LATE,
    SIM_CHANCE_DUPLICATE,
    SIM_CHANCE_CORRUPT,
    SIM_CHANCE_DAMAGE, // where
    SIM_CHANCE_COUNT,
};

struct sim_pipe {
    struct sim_source source;
    struct sim_engine *engine;
    struct sim_pipe_owner owner;
    struct sim_pipe_settings settings;
    bool plain; // nothing but a constant rate, delay, uniform jitter, independent loss, tail drop
    bool down;
    bool bad; // the Gilbert-Elliott channel's state
    struct sim_stream streams[SIM_CHANCE_COUNT];
    struct sim_burst_state burst;
    struct sim_codel codel;
    struct sim_rate_cursor cursor;
    uint64_t free_ns; // when the transmitter is done with all it was given
    uint64_t last_arrival_ns;
    struct sim_packet *first, *last;                 // given to the transmitter, in order of arrival
    struct sim_packet *first_waiting, *last_waiting; // of these, not yet being sent, as of the last look
    uint64_t waiting, waiting_bytes;
    uint64_t under_way;
    struct sim_packet *first_queued, *last_queued; // with CoDel: not yet given to the transmitter
    uint64_t queued, queued_bytes;
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
// Holds for packets that enter from now on; the rate, with CoDel, for those that wait too.
void sim_pipe_set(struct sim_pipe *pipe, const struct sim_pipe_settings *settings);

// What waits now, behind the packet that is being sent; only looks.
void sim_pipe_queue(const struct sim_pipe *pipe, uint64_t *packets, uint64_t *bytes);

uint64_t sim_pipe_dropped(const struct sim_pipe *pipe);

// What entered, and its copies, is delivered, dropped for a reason, or on the way. Counts anew what is on the way.
bool sim_pipe_conserves(const struct sim_pipe *pipe);

// For the other file of the pipe: draws a packet's fate by everything that `plain` is not.
void sim_pipe_draw(struct sim_pipe *pipe, struct sim_packet *packet, uint64_t place);

#endif
