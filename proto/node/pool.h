// The node's side of the lent buffers: how many more it may ask for. Sends stop before deliveries do, so that a blocked
// socket cannot keep what has arrived from being delivered.
#ifndef QE_NODE_POOL_H
#define QE_NODE_POOL_H

#include "base/mutants.h"
#include "node/host.h"

struct qe_pool {
    const struct qe_host *host;
    uint32_t credit;
};

// A buffer, or NULL where the credit would fall below `reserve`.
static inline struct qe_buf *qe_pool_take(struct qe_pool *pool, uint32_t reserve)
{
    if (pool->credit <= reserve) return NULL;
    struct qe_buf *buf = pool->host->buf_new(pool->host->user);
    if (buf) pool->credit--;
    return buf;
}

// Gives back one that qe_pool_take lent and no action took.
static inline void qe_pool_untake(struct qe_pool *pool, struct qe_buf *buf)
{
    pool->host->buf_free(pool->host->user, buf);
    if (!QE_MUTANT(credit_untake)) pool->credit++;
}

#endif
