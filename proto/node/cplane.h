// The control plane of a node: which peers there are, the sessions with them, what is published to the lanes, what is
// stored, and the answers to commands. It moves no packets. Same shape as the node: step, next, deadline.
#ifndef QE_NODE_CPLANE_H
#define QE_NODE_CPLANE_H

#include "config/config.h"
#include "node/action.h"
#include "node/event.h"
#include "node/host.h"
#include "node/mail.h"
#include "node/pool.h"

// The ID of the socket at which names are answered.
#define CPLANE_DNS_SOCKET 100
// Those that find out what NATs do (natcheck.c): the one that asks, and the other port of one that is asked.
#define CPLANE_SPARE_SOCKET 101
#define CPLANE_OTHER_SOCKET 102

struct qe_cplane;

struct qe_cplane_options {
    const struct qe_host *host;
    struct qe_config *config; // outlives the control plane
    struct qe_list *outbox;   // where its letters go
    uint8_t lane_count;
};

int qe_cplane_new(
    struct qe_cplane **cplane, const struct qe_cplane_options *options, uint64_t now_ns, uint64_t wall_ms);
void qe_cplane_free(struct qe_cplane *cplane);
void qe_cplane_step(struct qe_cplane *cplane, const struct qe_event *event);
// The host has slept for a while: its addresses, and NATs' mappings, may be others.
void qe_cplane_on_sleep(struct qe_cplane *cplane, uint64_t now_ns, uint64_t wall_ms);
// Reads a letter. True: it is kept; false: the caller frees it.
bool qe_cplane_read(struct qe_cplane *cplane, struct qe_mail *mail, uint64_t now_ns, uint64_t wall_ms);
// Takes in one datagram of a DHT.
void qe_cplane_datagram(struct qe_cplane *cplane, const struct qe_datagrams *in, uint64_t now_ns, uint64_t wall_ms);
// Takes in one probe of an address (nat/probe.h).
void qe_cplane_probe(struct qe_cplane *cplane, const struct qe_datagrams *in, uint64_t now_ns, uint64_t wall_ms);
// Takes in queries that came to the DNS socket (CPLANE_DNS_SOCKET).
void qe_cplane_dns_datagram(struct qe_cplane *cplane, const struct qe_datagrams *in, uint64_t now_ns, uint64_t wall_ms);
// The next datagram of the DHT, probe, or answer of the DNS, in a buffer of the pool; false where there is none, or no
// buffer.
bool qe_cplane_send(struct qe_cplane *cplane, struct qe_pool *pool, struct qe_action *action);
// The next action that is no packet. QE_ACTION_STOPPED never comes from here.
bool qe_cplane_next(struct qe_cplane *cplane, struct qe_action *action);
uint64_t qe_cplane_deadline(const struct qe_cplane *cplane);
// Whether the node is to end, and why where it cannot go on.
bool qe_cplane_stopping(const struct qe_cplane *cplane, const char **failure);

#endif
