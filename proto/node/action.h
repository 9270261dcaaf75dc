// What a node asks of its host. Text and bytes that an action points at stay valid until the next qe_node_next or
// qe_node_step; a buffer in it becomes the host's, which gives the room back with QE_EVENT_BUFFERS when it is done.
#ifndef QE_NODE_ACTION_H
#define QE_NODE_ACTION_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "flow/offload.h"
#include "identity/identity.h"

enum qe_action_kind {
    QE_ACTION_SEND,        // datagrams to the underlay
    QE_ACTION_DELIVER,     // a packet to the TUN
    QE_ACTION_SOCKET_OPEN, // bind a UDP socket; RESULT follows
    QE_ACTION_SOCKET_CLOSE,
    QE_ACTION_TUN_OPEN,  // create and configure the TUN; RESULT follows
    QE_ACTION_STORE,     // keep these bytes under this key across restarts
    QE_ACTION_ERASE,     // forget that key
    QE_ACTION_LOG,       // a line for the log
    QE_ACTION_REPLY,     // the answer to a command
    QE_ACTION_ADDRESSES, // the TUN's addresses are these from now on; RESULT follows
    QE_ACTION_RESOLVE,   // ask the DNS for a name's addresses; RESULT follows
    QE_ACTION_ROUTES,    // the kernel's routes into the TUN are these from now on; RESULT follows
    QE_ACTION_FORWARD,   // peers may reach these networks through this host from now on; RESULT follows
    QE_ACTION_DNS,       // the system's resolver asks the node for names of this domain; RESULT follows
    QE_ACTION_MAP_PORT,  // ask the NATs in front of the host for a port, or to end that; RESULT follows
    QE_ACTION_NOTIFY,    // something that the user should hear of although nobody reads the log
    QE_ACTION_STOPPED,   // everything is said; the host may end the node
};

enum qe_log_level { QE_LOG_ERROR, QE_LOG_WARN, QE_LOG_INFO, QE_LOG_DEBUG };

struct qe_send {
    uint32_t socket;
    uint32_t interface;   // leave by this one; 0: as routed
    struct qe_addr local; // source; family 0: as routed
    struct qe_addr remote;
    struct qe_buf *buf;    // one or more datagrams back to back
    uint16_t segment_size; // each this long but for the last; ≥ buf->size where there is one
    uint8_t ecn;
    bool whole; // it measures the path MTU; hosts never let their system cut a datagram up anyhow
    // For each datagram the classes of what it carries (observe/carried.h), as bits; valid as long as an action's text.
    // NULL where the host does not ask (qe_host.tell_carried).
    const uint64_t *carried;
};

struct qe_deliver {
    struct qe_buf *buf; // an IP packet, or a super-packet as `offload` says
    struct qe_offload offload;
};

struct qe_tun_open {
    uint64_t request;
    const char *name;
    uint16_t mtu;
    const struct qe_cidr *addresses;
    size_t address_count;
};

// The whole of what is to be, not a change of it: the host finds the difference.
struct qe_prefixes {
    uint64_t request;
    const struct qe_cidr *list;
    size_t count;
};

// By PCP (RFC 6887), NAT-PMP (RFC 6886) or UPnP IGD, whichever answers.
struct qe_map_port {
    uint64_t request;
    uint32_t interface;  // whose network's NAT; 0: that of the default route
    uint16_t port;       // UDP, of this host; the same one outside is asked for
    uint32_t lifetime_s; // 0: the mapping is not wanted any more
};

struct qe_action {
    enum qe_action_kind kind;
    union {
        struct qe_send send;
        struct qe_deliver deliver;
        struct {
            uint64_t request;
            uint32_t socket; // the ID the node gives it
            struct qe_addr bind;
        } socket_open;
        uint32_t socket_close;
        struct qe_tun_open tun_open;
        struct {
            const char *key;
            struct qe_span value;
        } store;
        const char *erase_key;
        struct {
            enum qe_log_level level;
            const char *text; // one line, without time or newline
        } log;
        struct {
            uint64_t command;
            int status;          // as an HTTP status
            struct qe_span body; // JSON
        } reply;
        struct qe_prefixes addresses; // each with its network's prefix, as in TUN_OPEN
        struct qe_prefixes routes;    // networks of peers; those of the overlay itself follow from the TUN's addresses
        struct {
            struct qe_prefixes prefixes; // none: forwarding as it was before the node
            bool masquerade;             // hosts there see this host's address, and need no route back
        } forward;
        struct {
            uint64_t request;
            const char *name; // a host name
        } resolve;
        struct {
            uint64_t request;
            const char *domain;    // without dots at its ends
            struct qe_addr server; // where the node answers; family 0: the resolver as it was before the node
        } dns;
        struct qe_map_port map_port;
        const char *notify;  // one line
        const char *stopped; // why the node cannot go on; NULL where it was asked to stop
    };
};

#endif
