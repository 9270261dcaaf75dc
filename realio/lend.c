// What the node borrows from the daemon (struct qe_host): memory, randomness, buffers, the use of its secret key.
#include "io.h"
#include "quic/library.h"

#include <sodium.h>
#include <stdlib.h>

static void *host_alloc(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void *host_realloc(void *user, void *old, size_t size)
{
    (void)user;
    return realloc(old, size);
}

static void host_free(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

static void host_random(void *user, enum qe_random purpose, uint8_t *out, size_t size)
{
    struct qe_io *io = user;
    (void)purpose;
    qe_random_fill(&io->random, out, size);
}

// A member of another network stays one: leaving it is the user's decision.
static int take_over(struct qe_io *io, struct qe_span handed)
{
    struct qe_fault fault;
    uint8_t seed[QE_SECRET_SIZE];
    int result = qe_identity_open_handed(io->options.identity, handed, seed);
    if (result == 0) result = qe_network_member(io->options.network);
    if (result == 0) {
        result = qe_network_take(io->options.network, seed, &fault);
        if (result) qe_log(io->options.log, QE_LOG_ERROR, "%s", fault.text);
    }
    sodium_memzero(seed, sizeof seed);
    return result == 0 ? 0 : -1;
}

static int host_secret(void *user, enum qe_secret_key key, enum qe_secret_operation operation, struct qe_span input,
    uint8_t *out, size_t size)
{
    struct qe_io *io = user;
    if (key == QE_SECRET_IDENTITY) return qe_identity_secret(io->options.identity, operation, input, out, size);
    // Whoever gets the secret has paid with an invitation: that it is spent must be on the disk first.
    if (operation == QE_SECRET_HAND_OVER && !qe_store_settle(io->options.store)) return -1;
    if (operation == QE_SECRET_TAKE_OVER) return take_over(io, input);
    return qe_network_secret(io->options.network, operation, input, out, size);
}

static struct qe_buf *host_buf_new(void *user)
{
    struct qe_io *io = user;
    return qe_bufpool_lend(&io->pool);
}

static void host_buf_free(void *user, struct qe_buf *buf)
{
    struct qe_io *io = user;
    // Its credit is the node's again by this call alone.
    qe_bufpool_free(&io->pool, buf);
}

static void host_trace(void *user, const struct qe_trace *trace)
{
    struct qe_io *io = user;
    char peer[QE_NODE_ID_TEXT_SIZE];
    qe_log(io->options.log, QE_LOG_DEBUG, "trace %s peer=%s a=%llu b=%llu", trace->name,
        qe_node_id_format(&trace->peer, peer), (unsigned long long)trace->a, (unsigned long long)trace->b);
}

int qe_io_lend(struct qe_io *io)
{
    io->host = (struct qe_host){.user = io,
        .tls = qe_tls_library_new(),
        .mem = {NULL, host_alloc, host_realloc, host_free},
        .identity = qe_identity_public(io->options.identity),
        .random = host_random,
        .secret = host_secret,
        .buf_new = host_buf_new,
        .buf_free = host_buf_free,
        .trace = io->options.log->level >= QE_LOG_DEBUG ? host_trace : NULL};
    return io->host.tls ? 0 : -1;
}

void qe_io_unlend(struct qe_io *io)
{
    qe_tls_library_free(io->host.tls);
    io->host.tls = NULL;
}
