// A whole node in the simulator, and the machine around it: what qe_host asks for, sockets over the simulated underlay,
// a TUN, stored state that outlives the node, and a clock.
//
// A host acts once an instant, after everything else of that instant: the node sees its arrivals in batches of at most
// SIM_BATCH_MAX, then packets from the TUN, then results, commands and timers; then its actions are done until it has
// no more. Consecutive datagrams of one origin and size come as one, as UDP_GRO would have it.
#ifndef QE_SIM_HOST_H
#define QE_SIM_HOST_H

#include "engine/failure.h"
#include "engine/memory.h"
#include "engine/random.h"
#include "net/network.h"

#include "node/node.h"

#define SIM_BATCH_MAX     64
#define SIM_SOCKETS_MAX   1024
#define SIM_ADDRESSES_MAX 16
#define SIM_SENDS         64                               // output buffers that a node may have for sends
#define SIM_CREDITS       (QE_NODE_DELIVERIES + SIM_SENDS) // output buffers a node may have
// Steps and actions of one node without time moving that count as a storm.
#define SIM_STORM_MAX 1000000

// The node under test, as functions. Tests put scripted ones in its place.
struct sim_core {
    int (*create)(
        void **node, const struct qe_config *config, const struct qe_host *host, uint64_t now_ns, uint64_t wall_ms);
    void (*destroy)(void *node);
    void (*step)(void *node, const struct qe_event *event);
    bool (*next)(void *node, struct qe_action *action);
    uint64_t (*deadline)(const void *node);
    bool counts; // it has the counters of proto/observe/counters.h, and stores where it met peers
};

struct sim_host;
struct sim_record_writer; // replay/recording.h

// Who looks at everything that hosts do, for the checks of a run; each may be NULL.
struct sim_watch {
    void *user;
    void (*started)(void *user, struct sim_host *host);
    // The TUN took a packet from the machine; borrowed.
    void (*entered)(void *user, struct sim_host *host, struct qe_span packet, const struct qe_offload *offload);
    void (*sending)(void *user, struct sim_host *host, const struct qe_send *send);
    void (*received)(void *user, struct sim_host *host, const struct sim_packet *packet);
    void (*stored)(void *user, struct sim_host *host, const char *key, struct qe_span value);
    // The node was stepped and has nothing to do until its deadline. idle: it was only a timer, and nothing came of it.
    void (*settled)(void *user, struct sim_host *host, bool idle);
};

// How a node ended.
enum sim_host_end {
    SIM_HOST_STOPPED, // it was told to
    SIM_HOST_CRASHED,
    SIM_HOST_FAILED, // it gave up, or could not be made
};

// What all hosts of a run share, and whom they tell.
struct sim_hosts {
    void *user;
    struct sim_engine *engine;
    struct sim_network *network;
    struct sim_trace *trace;
    struct sim_buffers buffers;
    const struct sim_core *core;
    struct qe_tls_library *tls; // lent to every node
    uint64_t seed;
    uint64_t wall_base_ms;               // unix time at the start of the run
    struct sim_record_writer *recording; // for sim_core_recorder; NULL for none
    uint64_t held;                       // datagrams in the hosts' sockets

    // A packet came out of a TUN; borrowed.
    void (*delivered)(void *user, struct sim_host *host, struct qe_span packet, const struct qe_offload *offload);
    // A datagram came for which the host has no socket: whether it is for something else there. Borrowed; may be NULL.
    bool (*plain)(void *user, struct sim_host *host, const struct sim_packet *packet);
    void (*traced)(void *user, struct sim_host *host, const struct qe_trace *trace);
    void (*logged)(void *user, struct sim_host *host, enum qe_log_level level, const char *text);
    void (*replied)(void *user, struct sim_host *host, uint64_t command, int status, struct qe_span body);
    void (*ended)(void *user, struct sim_host *host, enum sim_host_end how);
    // What the DNS has under a name, `*count` addresses that stay for the run; NULL: the host cannot ask. May be NULL.
    const struct qe_ip *(*resolve)(void *user, struct sim_host *host, const char *name, size_t *count);
    // The node or its host broke a rule; the run has failed.
    void (*violated)(void *user, struct sim_host *host, enum sim_failure kind, const char *what);
    struct sim_watch watch;
};

struct sim_socket {
    uint32_t id;
    struct qe_addr bind;
};

struct sim_stored {
    char *key;
    uint8_t *value;
    size_t size;
};

// A connection of the overlay that goes out of this machine under its own address.
struct sim_masquerade {
    struct qe_addr inside, remote;
};

struct sim_pending_result {
    uint64_t request;
    enum qe_result_code code;
    struct qe_addr local;
    uint32_t lifetime_s;
    const struct qe_ip *addresses; // as long as the run
    size_t address_count;
    const char *text; // constant
};

struct sim_pending_command {
    uint64_t id;
    enum qe_command_verb verb;
    char *argument;
};

// What goes wrong with a host; all zero: nothing. A time is that of the end.
struct sim_host_faults {
    uint64_t idle_until_ns;   // does nothing: stalled or suspended
    uint64_t asleep_until_ns; // what comes meanwhile is lost
    uint64_t buffers_held_until_ns;
    uint64_t stores_fail_until_ns, sockets_refused_until_ns, tun_refused_until_ns;
    uint64_t crash_in_writes; // crashes at the so-manieth change of its state from now; 0: does not
    bool crash_before_write;  // and that change is lost
    bool state_damaged;       // once was; the node may believe in what is not there any more
    bool crash_now;           // when the action at hand is done
    uint64_t unsynced_ns;     // what such a crash takes back
    int64_t drift_ppm;        // of the wall clock,
    uint64_t drift_since_ns;  // from then on
    struct sim_memory_faults memory;
    struct sim_stream damage;
};

enum sim_fault_chance {
    SIM_FAULT_CHANCE_MEMORY,
    SIM_FAULT_CHANCE_DAMAGE,
    SIM_FAULT_CHANCE_POINT = 256, // and above: fault points, two each
};

enum sim_damage {
    SIM_DAMAGE_CORRUPT,
    SIM_DAMAGE_TRUNCATE,
    SIM_DAMAGE_ERASE,
};

// What waits in a host that does nothing: beyond these its kernel drops.
#define SIM_RECEIVED_BYTES_MAX (4 << 20) // of datagrams in its sockets
#define SIM_TUN_PACKETS_MAX    500

struct sim_host_counts {
    uint64_t steps;
    uint64_t actions;
    uint64_t starts;
    uint64_t tun_in, tun_in_refused; // refused: the TUN was not open
    uint64_t tun_out;
    uint64_t datagrams_sent, datagrams_received;
    uint64_t writes, writes_failed;    // of stored state
    uint64_t forwarded, not_forwarded; // packets out of the TUN for hosts behind this one
};

// Which fault points of a node may fire (node/fault.h). Chances in parts per billion.
struct sim_point_settings {
    const bool *points; // by enum qe_fault_point; the caller's, for the run
    uint32_t drawn_ppb; // that one of them is on at all
    uint32_t chance_ppb;
    uint64_t after_ns, before_ns;
};

struct sim_undo;      // host_state.c
struct sim_points;    // host_point.c
struct sim_port_asks; // host_portmap.c

struct sim_host {
    struct sim_box box; // the first member: the network's callbacks know the box
    struct sim_hosts *hosts;
    struct sim_source source;
    struct qe_config config; // borrowed pointers
    bool runs_node;          // false: a router, or a host without quicether
    int64_t wall_offset_ms;
    struct qe_host lent;
    struct qe_node_id id;
    struct qe_secret identity, network;
    bool member; // there is a network secret
    struct sim_memory memory;
    struct sim_stream streams[QE_RANDOM_COUNT];

    void *node; // NULL: not running
    bool stopping;
    uint64_t deadline_ns; // the node's, as of its last action
    uint64_t instant_ns, instant_steps;
    uint64_t inputs;   // buffers that went in by events and did not come back
    uint32_t in_use;   // buffers lent, and not yet announced back
    uint32_t returned; // of these, done with and to be announced

    struct sim_stored *stored; // by key
    size_t stored_count, stored_capacity;
    struct sim_undo *journal; // changes of it, oldest first
    size_t journal_count, journal_capacity;
    uint64_t journal_ns; // for so long; 0: none is kept
    struct sim_socket *sockets;
    size_t socket_count, socket_capacity;
    uint16_t next_port;
    struct sim_packet *first_received, *last_received;
    uint64_t received_bytes;
    uint8_t *arena; // where datagrams of one origin are put together
    size_t arena_size;
    struct qe_packet_in *tun_in;
    size_t tun_in_count, tun_in_capacity;
    struct sim_pending_result *results;
    size_t result_count, result_capacity;
    struct sim_pending_command *commands;
    size_t command_count, command_capacity;
    bool *links_changed; // by place in box.interfaces
    bool any_link_changed;
    bool *links_down;

    bool tun_open;
    uint16_t tun_mtu;
    struct qe_cidr tun_addresses[SIM_ADDRESSES_MAX]; // the last ones known, also while the TUN is closed
    size_t tun_address_count;
    struct qe_ip
        tun_was[SIM_ADDRESSES_MAX]; // addresses given up since the node's start: packets from them are under way
    size_t tun_was_count;
    struct qe_cidr *routes, *forwarded; // as the node asked for them
    size_t route_count, forwarded_count;
    bool masquerade;
    struct sim_masquerade *nat; // by port
    size_t nat_count, nat_next;
    char dns_domain[64]; // whose names the machine's resolver asks its node for; "": none
    struct qe_addr dns_server;
    uint16_t dns_id; // of the last query
    struct sim_host_counts counts;
    struct sim_host_faults faults;
    struct sim_points *points;  // NULL: none fires
    struct sim_port_asks *asks; // for ports at a NAT; NULL: none yet
};

void sim_hosts_init(struct sim_hosts *hosts, struct sim_engine *engine, struct sim_network *network,
    struct sim_trace *trace, const struct sim_core *core, uint64_t seed, uint64_t wall_base_ms);
void sim_hosts_fini(struct sim_hosts *hosts);

// The identity of the host of that name, from the seed.
void sim_host_identity(uint64_t seed, const char *name, struct qe_key *key, uint8_t secret[64]);

// A host without interfaces yet. `config` is set afterwards, before the first start.
void sim_host_init(struct sim_host *host, struct sim_hosts *hosts, const char *name, uint32_t index, bool forwards);
// Makes it a member of the private network of that name, whose secret follows from the seed. Before the first start.
void sim_host_join(struct sim_host *host, const char *network);
// The node must be stopped.
void sim_host_fini(struct sim_host *host);

// Starts the node with what is stored; it must not be running.
void sim_host_start(struct sim_host *host);
// Asks the node to say goodbye; it ends when it says so.
void sim_host_stop(struct sim_host *host);
// Ends the node at once. Says what it left behind by hosts->violated.
void sim_host_crash(struct sim_host *host);
bool sim_host_running(const struct sim_host *host);

// Gives the TUN a packet from the machine's own network stack; false where it is not open.
bool sim_host_tun_input(struct sim_host *host, const uint8_t *bytes, size_t size, const struct qe_offload *offload);
// Whether the machine routes packets for `ip` into the TUN. The node's own sockets do not ask.
bool sim_host_into_tun(struct sim_host *host, const struct qe_ip *ip);
// Sends a UDP datagram from the machine, by the TUN or a link. from: its address may be left open (family 0). False
// where there is no way.
bool sim_host_send_udp(
    struct sim_host *host, const struct qe_addr *from, const struct qe_addr *to, const uint8_t *bytes, size_t size);
// A packet came out of the TUN: true where it is for somebody else, and was forwarded, or dropped and counted.
bool sim_host_forward(struct sim_host *host, struct qe_span packet, const struct qe_offload *offload);
// A datagram came for this machine: whether it answers one that was forwarded under its address. It is copied.
bool sim_host_unmasquerade(struct sim_host *host, const struct sim_packet *packet);
// A datagram came that is for somebody else: whether the machine forwards it into the TUN. It is copied.
bool sim_host_take_into_tun(struct sim_box *box, const struct sim_packet *packet);
// An address of the machine, of the TUN's too.
bool sim_host_is_own(const struct sim_host *host, const struct qe_ip *ip);
// Hands over a datagram that the machine sends to itself.
void sim_host_loop_back(struct sim_host *host, struct sim_packet *packet);
// The machine's resolver looks for a name's addresses, or an address's name, where its node answers for that. What
// comes of it is in the log.
void sim_host_resolve(struct sim_host *host, const char *name);
// Whether the datagram is the answer.
bool sim_host_take_resolved(struct sim_host *host, const struct sim_packet *packet);
// The TUN's address of that family, or NULL where none is known.
const struct qe_cidr *sim_host_tun_address(const struct sim_host *host, uint8_t family);
void sim_host_command(struct sim_host *host, uint64_t id, enum qe_command_verb verb, const char *argument);
void sim_host_link_changed(struct sim_host *host, const struct sim_interface *interface, bool up);
// A datagram for the host, from the network.
void sim_host_deliver(struct sim_box *box, struct sim_packet *packet);

uint64_t sim_host_wall_ms(const struct sim_host *host);

// Faults (host_fault.c). Durations are from now on.
//
// Does nothing for so long, as a machine without a CPU to run on: what comes waits, and is dropped beyond a limit.
void sim_host_stall(struct sim_host *host, uint64_t duration_ns);
// The same for a machine that is asleep: what comes is lost. Monotonic time goes on.
void sim_host_suspend(struct sim_host *host, uint64_t duration_ns);
// Gives no output buffer back for so long, as sockets that are full.
void sim_host_hold_buffers(struct sim_host *host, uint64_t duration_ns);
void sim_host_drift(struct sim_host *host, int64_t ppm);
// The countdown-th allocation fails; a share of all of them does for so long (UINT64_MAX: for ever).
void sim_host_fail_allocation(struct sim_host *host, uint64_t countdown);
void sim_host_fail_allocations(struct sim_host *host, uint32_t share_ppb, uint64_t duration_ns);
// When a fault that lasts so long ends.
uint64_t sim_host_fault_end(const struct sim_host *host, uint64_t duration_ns);
// Crashes when it changes its stored state for the count-th time from now, before or after that change is there.
void sim_host_crash_in_writes(struct sim_host *host, uint64_t count, bool before, uint64_t unsynced_ns);
// Takes back what was stored less than so long ago; journal_ns must be at least that.
void sim_host_lose_unsynced(struct sim_host *host, uint64_t unsynced_ns);
// Damages the stored items of that key, or of those that begin so where it ends in a '*'.
void sim_host_damage_state(struct sim_host *host, const char *pattern, enum sim_damage damage);
// Call it before the first start.
void sim_host_set_points(struct sim_host *host, const struct sim_point_settings *settings);
uint64_t sim_host_point_fired(const struct sim_host *host, enum qe_fault_point point);
bool sim_host_idle(const struct sim_host *host);
bool sim_host_asleep(const struct sim_host *host);

// For the other files of the host.
void sim_host_wake(struct sim_host *host);
void sim_host_step(struct sim_host *host, struct qe_event *event);
void sim_host_feed_datagrams(struct sim_host *host);
void sim_host_forget_datagrams(struct sim_host *host);
void sim_host_act(struct sim_host *host, const struct qe_action *action);
void sim_host_answer(struct sim_host *host, struct sim_pending_result result);
void sim_host_map_port(struct sim_host *host, const struct qe_map_port *wanted);
// Whether the datagram is an answer to that.
bool sim_host_take_mapped(struct sim_host *host, const struct sim_packet *packet);
void sim_host_forget_asks(struct sim_host *host);
void sim_host_set_prefixes(struct qe_cidr **list, size_t *count, const struct qe_prefixes *prefixes);
void sim_host_lend(struct sim_host *host);
void sim_host_store(struct sim_host *host, const char *key, struct qe_span value);
void sim_host_erase(struct sim_host *host, const char *key);
void sim_host_forget_state(struct sim_host *host);
void sim_host_forget_journal(struct sim_host *host);
const struct sim_stored *sim_host_stored(const struct sim_host *host, const char *key);

#endif
