// One peer as the control part sees it: the QUIC connections to it (paths), which of them carries packets, and when to
// dial again. Decisions only: whoever calls does the dialling, closing and sending.
//
// What is kept true:
//  - a path in use is open; a silent one is used only while there is no open one; one through a gateway (relayed) only
//  while there is no open direct one;
//  - while all that is open is relayed, the peer is still dialled where it was, now and then, and a path through a
//  second gateway is kept where there is one;
//  - two open paths that say the same are reduced to one, and only a path's client closes it, so that both ends never
//  close
//    different ones: of two clients the one with the lower node ID stays, of one client's paths the newest;
//  - a peer without an open path that has an address is being dialled, or will be after a bounded, growing wait.
#ifndef QE_SESSION_SESSION_H
#define QE_SESSION_SESSION_H

#include "base/addr.h"
#include "identity/identity.h"
#include "quic/quic.h"

#define QE_SESSION_PATHS_MAX      8
#define QE_SESSION_CANDIDATES_MAX 8

// Waits before dialling again: doubling from the first to the last, each spread by a quarter.
#define QE_DIAL_WAIT_FIRST_NS (UINT64_C(250) * 1000000)
#define QE_DIAL_WAIT_LAST_NS  (UINT64_C(10) * 1000000000)
// After a refusal there is no hurry.
#define QE_DIAL_WAIT_REFUSED_NS (UINT64_C(5) * 1000000000)
// An address that does not answer keeps the next one waiting no longer than this (RFC 8305 §5 has 250 ms for TCP).
#define QE_DIAL_STAGGER_NS (UINT64_C(500) * 1000000)
// The same for attempts to reach a peer directly while it is connected through a gateway.
#define QE_DIRECT_WAIT_FIRST_NS (UINT64_C(10) * 1000000000)
#define QE_DIRECT_WAIT_LAST_NS  (UINT64_C(300) * 1000000000)
// The least time between two of them that the loss of a gateway asks for.
#define QE_DIRECT_LOST_NS (UINT64_C(5) * 1000000000)
// How long a path that lost its place still receives what is under way on it.
#define QE_PATH_LINGER_NS (UINT64_C(2) * 1000000000)

enum qe_path_state {
    QE_PATH_FREE, // an unused slot
    QE_PATH_DIALING,
    QE_PATH_OPEN,
    QE_PATH_SILENT,  // open, but nothing has been heard although something should have
    QE_PATH_RETIRED, // open, no longer used, closed when its linger is over
};

struct qe_path {
    enum qe_path_state state;
    uint64_t id; // unique in the node
    uint8_t lane;
    bool client; // we dialled
    bool resumed, early;
    bool relayed; // by way of a gateway: used only while no direct one is open
    bool heard_hello;
    uint64_t boot_epoch; // the peer's, where heard_hello
    uint64_t since_ns;   // when it opened; before that, when it was dialled
    uint64_t retire_ns;  // RETIRED: when to close it; QE_TIME_NEVER: the lane has been told to
    bool silent;         // nothing is heard on it, whatever its state
    bool quiet;          // relayed: nothing is heard of a connection that it goes by
    struct qe_addr local, remote;
};

enum qe_session_state {
    QE_SESSION_WAITING, // no address to dial: it has to come
    QE_SESSION_DIALING,
    QE_SESSION_CONNECTED,
    QE_SESSION_UNRESPONSIVE, // connected once, silent now, being dialled anew
    QE_SESSION_BACKOFF,      // between two attempts
};

struct qe_session {
    struct qe_node_id self, peer;
    struct qe_path paths[QE_SESSION_PATHS_MAX];
    uint64_t active;                                      // ID of the path that carries packets; 0: none
    struct qe_addr candidates[QE_SESSION_CANDIDATES_MAX]; // where to dial, best first
    size_t candidate_count;
    bool first_is_configured; // candidates[0] was given by the user and stays first
    size_t next_candidate;
    unsigned failures;     // attempts since the last success
    uint64_t dial_at_ns;   // not before
    uint64_t dials;        // attempts ever
    uint64_t connected_ns; // when the session last became connected; 0: it is not
    char last_error[96];   // "" for none
    bool stopping;
    // Where true, only so many more attempts are made on its own account; more when packets want it, or it is found.
    bool limited, lazy;
    unsigned attempts_left;
    bool hurried; // the next candidate has just been proven: it waits for no other
    // While all that is open is relayed: when to try directly again, the addresses left to try this time, and how often
    // all of them were tried in vain.
    uint64_t direct_at_ns;
    size_t direct_left;
    unsigned direct_failures;
    uint64_t direct_tried_ns; // the last time; 0: never
};

void qe_session_init(struct qe_session *s, const struct qe_node_id *self, const struct qe_node_id *peer);
enum qe_session_state qe_session_state(const struct qe_session *s);
// The path with that ID, or NULL.
struct qe_path *qe_session_path(struct qe_session *s, uint64_t id);
struct qe_path *qe_session_active(struct qe_session *s);

// Whether there is an open path that is not relayed.
bool qe_session_is_direct(const struct qe_session *s);
// Whether the peer is connected through gateways only.
bool qe_session_is_relayed(const struct qe_session *s);

// An address at which the peer may be dialled: one that is configured, or where it was met or proven to be. A
// configured one goes first and is never pushed out by a learned one.
void qe_session_on_address(struct qe_session *s, const struct qe_addr *addr, bool configured);

// The same for one where it has just been proven to be: it is dialled at once, unless there is a direct path.
void qe_session_on_proven(struct qe_session *s, const struct qe_addr *addr, uint64_t now_ns);

// Whether to dial now, and whom.
bool qe_session_dial_due(const struct qe_session *s, uint64_t now_ns, struct qe_addr *target);
// The dialling has begun. False where there is no room for another path (then it was not due).
bool qe_session_on_dialled(
    struct qe_session *s, uint64_t id, uint8_t lane, const struct qe_addr *target, uint64_t now_ns);
// Dialling through a gateway has begun; who chose it, and when, is the caller's affair. False where there is no room.
bool qe_session_on_relay_dialled(
    struct qe_session *s, uint64_t id, uint8_t lane, const struct qe_addr *target, uint64_t now_ns);
// The dialling could not even begin (no socket, no memory).
void qe_session_on_dial_failed(struct qe_session *s, const char *why, uint32_t jitter, uint64_t now_ns);
// A handshake is complete, whoever began it. NULL where an incoming one finds no room: close it. May change `active`.
struct qe_path *qe_session_on_open(
    struct qe_session *s, uint64_t id, uint8_t lane, const struct qe_conn_info *info, uint64_t now_ns);
// The peer said which boot it is in: paths from an earlier boot are dead, their IDs go to `dead` (room for
// QE_SESSION_PATHS_MAX). Returns how many.
size_t qe_session_on_hello(struct qe_session *s, uint64_t id, uint64_t boot_epoch, uint64_t *dead, uint64_t now_ns);
void qe_session_on_silent(struct qe_session *s, uint64_t id, uint64_t now_ns);
void qe_session_on_heard(struct qe_session *s, uint64_t id, uint64_t now_ns);
// A relayed path is as silent as a connection that it goes by, whatever is known of itself; or that is over.
void qe_session_on_quiet(struct qe_session *s, uint64_t id, bool quiet, uint64_t now_ns);
// A path is gone. `jitter`: 32 random bits that spread the next attempt.
void qe_session_on_closed(
    struct qe_session *s, uint64_t id, struct qe_conn_close why, uint32_t jitter, uint64_t now_ns);
// Packets wait for the peer, or a network came up: there is reason to try sooner. At most one early attempt a second.
void qe_session_on_wanted(struct qe_session *s, uint64_t now_ns);
// Somebody told addresses at which the peer is new.
void qe_session_on_found(struct qe_session *s, uint64_t now_ns);
// Tries only so many times until there is reason to try more, the last ones a minute apart; at first not at all where
// `lazy`.
#define QE_DIAL_ATTEMPTS      30
#define QE_DIAL_ATTEMPTS_SLOW 24
#define QE_DIAL_WAIT_SLOW_NS  (UINT64_C(60) * 1000000000)
void qe_session_limit(struct qe_session *s, bool lazy);
void qe_session_on_link_up(struct qe_session *s, uint64_t now_ns);
// A retired path whose linger is over: its ID, or 0. The caller closes it.
uint64_t qe_session_retired(const struct qe_session *s, uint64_t now_ns);
// When dial_due or retired may have something next.
uint64_t qe_session_deadline(const struct qe_session *s);

const char *qe_session_state_name(enum qe_session_state state);
// A few words on why a connection ended, for people.
const char *qe_conn_end_text(struct qe_conn_close why);

#endif
