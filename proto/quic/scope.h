// Whose turn it is: while a node runs, OpenSSL's calls for randomness, time and signatures reach that node's host. This
// pointer is the one writable global of the core; it is a thread's own, so that nodes may run in threads.
#ifndef QE_QUIC_SCOPE_H
#define QE_QUIC_SCOPE_H

#include "node/host.h"

struct qe_tls_scope {
    const struct qe_host *host;
    uint64_t wall_ms; // of the event that the node works on
    const struct qe_tls_scope *outer;
};

extern _Thread_local const struct qe_tls_scope *qe_quic_current;

// Scopes nest: an owner may step another node from inside a callback.
static inline void qe_tls_scope_enter(struct qe_tls_scope *scope, const struct qe_host *host, uint64_t wall_ms)
{
    *scope = (struct qe_tls_scope){host, wall_ms, qe_quic_current};
    qe_quic_current = scope;
}

static inline void qe_tls_scope_leave(const struct qe_tls_scope *scope)
{
    qe_quic_current = scope->outer;
}

#endif
