// Fault points: places where the core, when its host says so, takes a branch that is rare in life: a batch of one, a
// Retry without need, a ticket that is lost. A simulator says so by its seed, so that such branches run in every sweep
// and not once a year (FoundationDB's "buggify"). Whatever they do is within the rules: a peer cannot tell it from bad
// luck, and everything must go on. A daemon's host says nothing, and a point costs it a test of a pointer.
#ifndef QE_NODE_FAULT_H
#define QE_NODE_FAULT_H

#include <stdbool.h>

// X(identifier, name, what happens)
#define QE_FAULT_POINTS(X)                                                                                             \
    X(BATCH_OF_ONE, "batch-of-one", "a batch of QUIC packets ends after the first")                                    \
    X(CONTROL_BYTEWISE, "control-bytewise", "one byte of the control stream goes at a time")                           \
    X(CONTROL_UNKNOWN, "control-unknown", "a message of an unknown type follows the hello")                            \
    X(EARLY_REFUSED, "early-refused", "a server does not take 0-RTT")                                                  \
    X(EARLY_TIMER, "early-timer", "a connection's timer fires before it is due")                                       \
    X(FLUSH_EACH, "flush-each", "a received packet is not joined with those before it")                                \
    X(FORCE_FRAGMENTS, "force-fragments", "a packet that would fit goes in fragments")                                 \
    X(FORCE_RETRY, "force-retry", "a client must pass Retry although there is room")                                   \
    X(HELLO_EXTRA, "hello-extra", "a hello has bytes after its name, as of a later version")                           \
    X(INITIAL_REFUSED, "initial-refused", "a client's Initial is dropped as at the limit of connections")              \
    X(KEY_UPDATE, "key-update", "QUIC keys are updated")                                                               \
    X(NEW_CONNECTION_ID, "new-connection-id", "a client migrates to where it is: other IDs, and a path to validate")   \
    X(NO_DELIVERY_BUFFER, "no-delivery-buffer", "there is no buffer for a received packet")                            \
    X(QUEUE_FULL, "queue-full", "a peer's queue takes no packet")                                                      \
    X(RETRY_LATER, "retry-later", "a lane is told of the active path only when that is tried again")                   \
    X(PUBLISH_LATER, "publish-later", "new routes reach the lanes only when that is tried again")                      \
    X(REDIAL, "redial", "a connected peer is dialled once more")                                                       \
    X(TICKET_LOST, "ticket-lost", "a session ticket is not used")

enum qe_fault_point {
#define QE_FAULT_IDENTIFIER(id, name, what) QE_FAULT_##id,
    QE_FAULT_POINTS(QE_FAULT_IDENTIFIER)
#undef QE_FAULT_IDENTIFIER
        QE_FAULT_COUNT,
};

// Whether the point of that identifier fires now; `host` is a struct qe_host *.
#define QE_FAULT(host, id) ((host)->fault && (host)->fault((host)->user, QE_FAULT_##id))

const char *qe_fault_point_name(enum qe_fault_point which);
// False where there is no point of that name.
bool qe_fault_point_find(const char *name, enum qe_fault_point *which);

#endif
