// A small world for tests of whole nodes: virtual time, hosts that lend what a node needs, and a network with one
// delay. A host can be made hostile: it gives buffers back late, refuses every n-th send, and lets the wall clock jump.
#ifndef QE_TESTS_WORLD_H
#define QE_TESTS_WORLD_H

#include "node/node.h"
#include "quic/library.h"
#include "quic/quic.h"

#define WORLD_HOSTS_MAX  64
#define WORLD_NAMES_MAX  4
#define WORLD_NAME_IPS   4
#define WORLD_BUFFERS    (QE_NODE_DELIVERIES + 64)
#define WORLD_STORED_MAX 256
#define WORLD_TUN_MAX    4096
#define WORLD_PREFIXES   32

struct world;

struct world_datagram {
    struct world_datagram *next;
    uint64_t at_ns;
    struct qe_addr from, to;
    uint8_t ecn;
    uint32_t size;
    uint8_t bytes[];
};

struct world_stored {
    char key[128];
    uint8_t *value;
    size_t size;
};

struct world_host {
    struct world *world;
    size_t index;
    struct qe_host host;
    struct qe_config config;
    struct qe_node *node; // NULL: not running
    struct qe_quic *bare; // instead of a node: an endpoint that a test speaks through (bare.h)
    // Instead of a node: sees what comes.
    void (*receives)(struct world_host *h, const struct qe_addr *from, struct qe_span bytes);
    struct qe_node_id id;
    struct qe_secret secret, network;
    bool member; // of the network whose secret that is
    uint64_t draws[QE_RANDOM_COUNT];
    struct qe_ip ip;                    // on the underlay
    uint32_t lent;                      // buffers out
    uint32_t done;                      // buffers to give back with the next step
    struct qe_buf *late[WORLD_BUFFERS]; // hostile: kept for a while
    size_t late_count;
    struct world_stored stored[WORLD_STORED_MAX];
    struct qe_span *delivered; // packets written to the TUN, owned by the world; WORLD_TUN_MAX at most
    struct qe_offload *delivered_offload;
    size_t delivered_count;
    char log[16384];      // all log lines
    struct qe_span reply; // the last reply, owned
    int reply_status;
    // As the node asked for them last.
    struct qe_cidr routes[WORLD_PREFIXES], forwarded[WORLD_PREFIXES], addresses[WORLD_PREFIXES];
    size_t route_count, forwarded_count, address_count;
    bool masquerade;
    uint64_t sends, sent_bytes;
    size_t memory;     // bytes that it has allocated
    uint64_t rate_bps; // of its link, both ways each; 0: no limit
    uint64_t out_busy_ns, in_busy_ns;
    struct qe_span marker; // looked for in all memory that the node gives back
    uint64_t marked;       // how often it was there
    // The NAT that gives out ports: where to (family 0: none is there), and for how long.
    struct qe_addr maps_at;
    uint32_t maps_for_s;
    const char *maps_not;   // it refuses, with these words
    uint64_t mapped;        // requests so far
    struct qe_map_port map; // the last one
    bool tells_link;        // the node hears of an interface with the underlay address
    bool stopped;
    char failure[256];
    // Hostility.
    uint32_t return_every; // give buffers back only every n-th step; 0: at once
    uint32_t refuse_every; // every n-th send is lost; 0: none
    bool wall_jumps;       // an hour back and forth
    uint64_t wall_ahead_ms;
    uint64_t steps;
    const char *refuse_tun; // the TUN cannot be opened, with these words
    const char *refuse_socket;
    const char *refuse_dns; // no name can be resolved, with these words
};

// A name in the DNS.
struct world_name {
    char name[64];
    struct qe_ip ips[WORLD_NAME_IPS];
    size_t count;
    bool hidden; // does not exist for now
};

struct world {
    uint64_t now_ns;
    uint64_t seed;
    uint64_t delay_ns;
    uint64_t link_ns; // what a limited link holds before it loses
    bool cut;         // the network carries nothing
    // Whether the network loses what goes from one to the other; NULL: nothing.
    bool (*loses)(const struct world *w, const struct qe_ip *from, const struct qe_ip *to);
    struct world_name names[WORLD_NAMES_MAX];
    uint64_t resolved;             // questions to the DNS
    uint32_t mtu;                  // larger datagrams (with 28 or 48 bytes of headers) are lost; 0: 1500
    struct world_datagram *flight; // sorted by time
    struct world_host hosts[WORLD_HOSTS_MAX];
    size_t host_count;
    size_t memory;     // bytes that nodes have allocated
    size_t memory_max; // the most there ever were
    size_t blocks;
    uint64_t allocations;
    uint64_t fail_at, fail_count; // allocations fail_at, fail_at + 1, … fail, counted from 1; fail_count 0: none does
    struct qe_tls_library *tls;
    uint64_t sent_datagrams;
    uint64_t hash; // over every datagram: time, addresses, bytes
};

void world_init(struct world *w, uint64_t seed);
// Stops every node at once and checks that nothing leaked; returns the blocks still out.
size_t world_fini(struct world *w);
// A host at 10.0.0.(index + 1), not started; its configuration listens on 0.0.0.0:9000 and knows no peers.
struct world_host *world_add(struct world *w);
// Makes `h` a member of the network with that secret.
void world_join(struct world_host *h, const uint8_t seed[QE_SECRET_SIZE]);
// Lets `a` accept `b`; with an address, dial it too.
void world_allow(struct world_host *a, const struct world_host *b, bool dial);
// `h` has that network behind it.
void world_advertise(struct world_host *h, const char *subnet);
// Tells `h` that it has an interface with these addresses (text, NULL-terminated); it must be running.
void world_link(struct world_host *h, uint32_t interface, const char *const *addresses);
// False, and it does not run, where an allocation was made to fail.
bool world_start(struct world_host *h);
// Gives the node an event, and does what it then asks for.
void world_step(struct world_host *h, struct qe_event *event);
// As a crash: no goodbye. The stored state stays.
void world_kill(struct world_host *h);
// Sends what the endpoint in this host's place has to say.
void world_bare_flush(struct world_host *h);
// Runs until `until_ns`.
void world_run(struct world *w, uint64_t until_ns);
// Runs until the condition holds or the time is up; whether it held.
bool world_until(struct world *w, bool (*condition)(struct world *w), uint64_t for_ns);

// An IP packet into the TUN of `h`, copied.
void world_tun(struct world_host *h, const uint8_t *packet, size_t size, const struct qe_offload *offload);
// A UDP/IP packet with a running number as payload, of `size` bytes in all, from `a` to `b`'s derived address.
size_t world_packet(
    const struct world_host *a, const struct world_host *b, uint8_t family, uint32_t number, size_t size, uint8_t *out);
// Sends a command and runs until it is answered, 6 s at most. The body is in h->reply, NUL-terminated.
int world_command(struct world_host *h, enum qe_command_verb verb, const char *argument);
// Sends one and waits for nothing.
void world_ask(struct world_host *h, enum qe_command_verb verb, const char *argument);
// Raw bytes from a stranger's address to the host's socket.
void world_inject(
    struct world *w, const struct world_host *to, const struct qe_addr *from, const uint8_t *bytes, size_t size);
// The value of a counter of that host, by its name in metrics.
uint64_t world_metric(struct world_host *h, const char *name);
// Whether the two are connected, as `h` says.
bool world_connected(struct world_host *h, const struct world_host *peer);

#endif
