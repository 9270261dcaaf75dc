// What a host tells a node. Everything that an event points at is borrowed for the step, but for the buffers of
// QE_EVENT_PACKETS, which become the node's.
#ifndef QE_NODE_EVENT_H
#define QE_NODE_EVENT_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "flow/offload.h"

enum qe_event_kind {
    QE_EVENT_START,     // first of all events but STORED ones
    QE_EVENT_TIMEOUT,   // the deadline has passed (or not: a step with nothing due is harmless)
    QE_EVENT_DATAGRAMS, // UDP datagrams from the underlay
    QE_EVENT_PACKETS,   // IP packets from the TUN
    QE_EVENT_BUFFERS,   // room for this many more output buffers: at start, and as the host is done with what it was
                        // given
    QE_EVENT_LINK,      // a network interface came, went or changed its addresses
    QE_EVENT_STORED,    // one item of stored state; all of them come before START
    QE_EVENT_RESULT,    // the answer to an action that asked for one
    QE_EVENT_COMMAND,   // a request from the control socket
};

// One or more datagrams of one origin, back to back: each segment_size bytes long but for the last (UDP GRO).
struct qe_datagrams {
    uint32_t socket;      // the ID of QE_ACTION_SOCKET_OPEN
    uint32_t interface;   // index of the interface they came in by; 0 unknown
    struct qe_addr local; // where they arrived; the port is the socket's
    struct qe_addr remote;
    const uint8_t *bytes;
    uint32_t size;
    uint16_t segment_size; // ≥ 1; ≥ size where there is one
    uint8_t ecn;           // the two ECN bits (RFC 3168)
};

struct qe_packet_in {
    struct qe_buf *buf; // an IP packet; the node's from now on
    struct qe_offload offload;
};

struct qe_link_event {
    uint32_t interface;
    const char *name;
    bool up;
    const struct qe_cidr *addresses; // with the prefix of each
    size_t address_count;
};

enum qe_result_code {
    QE_RESULT_OK,
    QE_RESULT_REFUSED,     // the system says no: rights, address in use, …
    QE_RESULT_UNAVAILABLE, // does not exist here
};

struct qe_result {
    uint64_t request; // as in the action
    enum qe_result_code code;
    struct qe_addr local;          // SOCKET_OPEN: the address really bound; MAP_PORT: where it is reached from outside
    uint32_t lifetime_s;           // MAP_PORT: for how long it was granted
    const struct qe_ip *addresses; // RESOLVE: what the name stands for
    size_t address_count;
    const char *text; // the system's own words where code is not OK; MAP_PORT: the protocol that did it; else NULL
};

// Requests of the control interface (docs/api.md). The answer is QE_ACTION_REPLY with the same ID.
enum qe_command_verb {
    QE_COMMAND_STATUS,
    QE_COMMAND_PEERS,
    QE_COMMAND_ROUTES,
    QE_COMMAND_METRICS,
    QE_COMMAND_PING, // argument: a peer's ID, unique ID prefix or name
    QE_COMMAND_STOP, // says goodbye to peers; QE_ACTION_STOPPED follows
    QE_COMMAND_DHT_STATUS,
    QE_COMMAND_DHT_NODES,
    QE_COMMAND_DHT_LOOKUP, // argument: a node's ID or name, an overlay address or a network
    QE_COMMAND_DHT_GET,    // argument: docs/api.md
    QE_COMMAND_DHT_PUT,    // argument: docs/api.md
    QE_COMMAND_INVITE,     // argument: docs/api.md
    QE_COMMAND_JOIN,       // argument: an invitation
    QE_COMMAND_NETCHECK,   // what stands between this node and others
    QE_COMMAND_GATEWAYS,   // those that are known
    QE_COMMAND_RELAY,      // who relays through this node
    QE_COMMAND_SET,        // argument: docs/api.md
    QE_COMMAND_COUNT,
};

struct qe_command {
    uint64_t id;
    enum qe_command_verb verb;
    const char *argument; // or NULL
};

struct qe_event {
    enum qe_event_kind kind;
    uint64_t now_ns;  // monotonic, counts through suspend; earlier than the last one counts as the last one
    uint64_t wall_ms; // unix time; may jump either way
    union {
        struct {
            const struct qe_datagrams *list;
            size_t count;
        } datagrams;
        struct {
            struct qe_packet_in *list;
            size_t count;
        } packets;
        uint32_t buffers;
        struct qe_link_event link;
        struct {
            const char *key; // [a-z0-9._/-]{1,127}
            struct qe_span value;
        } stored;
        struct qe_result result;
        struct qe_command command;
    };
};

#endif
