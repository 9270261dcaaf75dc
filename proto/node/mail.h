// What the control part and the lanes tell each other. They share nothing else, so that a lane can run on a thread of
// its own: a letter belongs to whoever holds it, and travels through outboxes that the node empties.
#ifndef QE_NODE_MAIL_H
#define QE_NODE_MAIL_H

#include "base/list.h"
#include "flow/queue.h"
#include "node/event.h"
#include "observe/counters.h"
#include "quic/quic.h"

// Where a letter goes: a lane's index, or the control part.
#define QE_MAIL_CONTROL 0xff
// No peer.
#define QE_PEER_NONE UINT32_MAX

enum qe_mail_kind {
    // To a lane.
    QE_MAIL_SNAPSHOT, // a new forwarding snapshot, one reference with it
    QE_MAIL_DIAL,     // path, peer, dial; bytes: ticket, then early control bytes
    QE_MAIL_CLOSE,    // path, close.code
    QE_MAIL_SEND,     // path; bytes for its control stream
    QE_MAIL_ACTIVATE, // peer; path that carries its packets from now on, 0 for none
    QE_MAIL_ECHO,     // peer, cookie: ask for an echo on the active path
    QE_MAIL_REPORT,   // cookie: answer with REPORT_PEER for each peer and REPORT_PATH for each path, then REPORT_END
    QE_MAIL_PACKET,   // peer, item, flow_hash: a packet of another lane's peer
    QE_MAIL_ADMIT,    // path, peer: its node has proven membership, and is that peer
    QE_MAIL_FORGET,   // peer, which no snapshot has any more: end what there is with it; the letter goes back
    QE_MAIL_NOBODY,   // address: nobody has it
    QE_MAIL_KEEP,     // cookie: ns of silence after which connections are kept alive
    QE_MAIL_CIRCUIT,  // peer, circuit: it is there, or gone (wire/relay.h)
    QE_MAIL_DOUBT,    // path, cookie: another one carries what it has carried since then
    // From lane to lane.
    QE_MAIL_RELAYED, // peer, cookie: its flow; bytes: a frame for that peer
    QE_MAIL_INSIDE,  // from; bytes: a packet of an inner connection
    // To the control part.
    QE_MAIL_CONNECTED,   // path, peer (none: a stranger), lane, info, key, early, gated, exporter unless early
    QE_MAIL_CONFIRMED,   // path, info, exporter
    QE_MAIL_CLOSED,      // path, peer, close
    QE_MAIL_RECEIVED,    // path; bytes of its control stream
    QE_MAIL_TICKET,      // path, peer; bytes
    QE_MAIL_MOVED,       // path, info
    QE_MAIL_SILENT,      // path
    QE_MAIL_HEARD,       // path
    QE_MAIL_BEGUN,       // path, peer, cookie: after a pause packets come by it, the last ones came at that time
    QE_MAIL_WANTED,      // peer: packets wait and there is no path
    QE_MAIL_UNROUTED,    // address: packets wait for whoever has it
    QE_MAIL_ECHO_REPLY,  // path, cookie
    QE_MAIL_REPORT_PEER, // peer, cookie, traffic, relayed
    QE_MAIL_REPORT_PATH, // path, peer, cookie, info
    QE_MAIL_REPORT_END,  // lane, cookie, counters, quic
    QE_MAIL_FORGOTTEN,   // peer, lane: no letter of it follows
    QE_MAIL_NO_CIRCUIT,  // peer, circuit.number: packets come in it, and it is none
};

// What a peer and this node have exchanged in this lane, in overlay packets.
struct qe_traffic {
    uint64_t sent_packets, sent_bytes, received_packets, received_bytes;
};

// What came from a peer to be passed on to others: QUIC packets without the frames around them.
struct qe_relayed {
    uint64_t packets, bytes;
    uint64_t dropped_packets; // beyond its limits; or, among `packets` of whomever, for want of room towards this peer
    uint64_t waiting_bytes;   // towards this peer, now
};

struct qe_snapshot;

struct qe_mail {
    struct qe_list link;
    uint8_t to; // a lane, or QE_MAIL_CONTROL
    enum qe_mail_kind kind;
    uint8_t lane; // the sender, where it is one
    uint32_t peer;
    uint64_t path;
    uint64_t cookie;
    union {
        struct qe_snapshot *snapshot;
        struct qe_ip address;
        struct qe_addr from;
        struct {
            uint32_t number;
            bool gone;
            bool ends;                   // in this node; else it is passed on to
            uint32_t to_peer, to_number; // these
        } circuit;
        struct {
            uint32_t socket;
            struct qe_addr local, remote;
            size_t ticket_size; // of bytes; the rest is early data
            struct qe_key key;  // where pinned
            bool pinned;
            bool doubtful; // it may well be that nobody is there
        } dial;
        struct qe_conn_close close;
        struct {
            struct qe_queue_item item;
            uint32_t flow_hash;
        } packet;
        struct {
            struct qe_conn_info info;
            struct qe_traffic traffic;
            struct qe_relayed relayed;
            struct qe_key key;
            bool early;
            bool gated; // the lane hears nothing but its control stream until ADMIT
            bool exported;
            uint8_t exporter[QE_EXPORT_SIZE];
        } conn;
        struct {
            struct qe_counters counters;
            struct qe_quic_stats quic;
        } report;
    };
    size_t size;
    uint8_t bytes[];
};

// A letter with room for `size` bytes (copied from `bytes` where that is not NULL), appended to `outbox`. NULL without
// memory.
struct qe_mail *qe_mail_post(const struct qe_mem *mem, struct qe_list *outbox, uint8_t to, enum qe_mail_kind kind,
    const void *bytes, size_t size);
// A letter that is not posted yet, for what must be said even without memory. NULL without memory.
struct qe_mail *qe_mail_prepare(const struct qe_mem *mem, enum qe_mail_kind kind, size_t size);
// Posts a prepared letter, or one that was read and goes back as another (its bytes mean nothing then).
void qe_mail_send(struct qe_list *outbox, struct qe_mail *mail, uint8_t to, enum qe_mail_kind kind);
// Frees a letter and what it owns (a packet's buffer, a snapshot's reference).
void qe_mail_free(const struct qe_host *host, struct qe_mail *mail);

#endif
