// What a host lends its node: randomness, its secret, memory and buffers. Nothing here depends on anything but the
// seed, the host's name and what was asked before.
#include "host/host.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static void lend_random(void *user, enum qe_random purpose, uint8_t *out, size_t size)
{
    struct sim_host *host = user;
    assert(purpose < QE_RANDOM_COUNT);
    sim_random_fill(&host->streams[purpose], out, size);
}

// Kept at once and for good, as realio's file is: no crash takes it back.
static int take_over(struct sim_host *host, struct qe_span handed)
{
    uint8_t seed[QE_SECRET_SIZE];
    if (qe_secret_open_handed(&host->identity, handed, seed) != 0) return -1;
    if (host->member) return memcmp(host->network.seed, seed, sizeof(seed)) == 0 ? 0 : -1;
    qe_secret_init(&host->network, seed);
    host->member = true;
    return 0;
}

void sim_host_join(struct sim_host *host, const char *network)
{
    uint8_t seed[QE_SECRET_SIZE];
    struct sim_stream stream = sim_stream(host->hosts->seed, SIM_STREAM_IDENTITY, network, 1);
    sim_random_fill(&stream, seed, sizeof(seed));
    qe_secret_init(&host->network, seed);
    host->member = true;
}

static int lend_secret(void *user, enum qe_secret_key key, enum qe_secret_operation operation, struct qe_span input,
    uint8_t *out, size_t size)
{
    struct sim_host *host = user;
    if (key == QE_SECRET_IDENTITY) return qe_secret_do(&host->identity, operation, input, out, size);
    if (operation == QE_SECRET_TAKE_OVER) return take_over(host, input);
    if (operation == QE_SECRET_HAND_OVER) sim_host_forget_journal(host);
    return host->member ? qe_secret_do(&host->network, operation, input, out, size) : -1;
}

static struct qe_buf *lend_buf_new(void *user)
{
    struct sim_host *host = user;
    if (host->in_use >= SIM_CREDITS)
        host->hosts->violated(
            host->hosts->user, host, SIM_FAILURE_CONTRACT, "the node asked for more buffers than it has credit for");
    host->in_use++;
    return sim_buffers_lend(&host->hosts->buffers, host);
}

static void lend_buf_free(void *user, struct qe_buf *buf)
{
    struct sim_host *host = user;
    bool input;
    if (!sim_buffers_held(buf, host, &input)) {
        host->hosts->violated(
            host->hosts->user, host, SIM_FAILURE_CONTRACT, "the node gave a buffer back that it does not own");
        return;
    }
    if (input)
        host->inputs--;
    else
        host->in_use--;
    sim_buffers_give(&host->hosts->buffers, buf);
}

static void lend_trace(void *user, const struct qe_trace *trace)
{
    struct sim_host *host = user;
    host->hosts->traced(host->hosts->user, host, trace);
}

static void lend_keylog(void *user, const char *line)
{
    struct sim_host *host = user;
    sim_trace_tell(host->hosts->trace,
        &(struct sim_trace_item){.event = SIM_TRACE_KEYLOG, .who = sim_box_who(&host->box), .text = line});
}

static void lend_qlog(void *user, const struct qe_qlog *qlog)
{
    struct sim_host *host = user;
    sim_trace_tell(host->hosts->trace, &(struct sim_trace_item){.event = SIM_TRACE_QLOG,
                                           .who = sim_box_who(&host->box),
                                           .ok = qlog->client,
                                           .bytes = qlog->data,
                                           .a = qlog->connection,
                                           .b = qlog->end});
}

void sim_host_identity(uint64_t seed, const char *name, struct qe_key *key, uint8_t secret[64])
{
    uint8_t identity[crypto_sign_SEEDBYTES];
    struct sim_stream stream = sim_stream(seed, SIM_STREAM_IDENTITY, name, 0);
    sim_random_fill(&stream, identity, sizeof(identity));
    crypto_sign_seed_keypair(key->bytes, secret, identity);
}

void sim_host_lend(struct sim_host *host)
{
    uint8_t secret[64];
    uint64_t seed = host->hosts->seed;
    host->lent = (struct qe_host){.user = host,
        .mem = sim_memory_mem(&host->memory),
        .random = lend_random,
        .secret = lend_secret,
        .buf_new = lend_buf_new,
        .buf_free = lend_buf_free,
        .trace = lend_trace,
        .keylog = sim_trace_wants(host->hosts->trace, SIM_TRACE_KEYLOG) ? lend_keylog : NULL,
        .qlog = sim_trace_wants(host->hosts->trace, SIM_TRACE_QLOG) ? lend_qlog : NULL};
    sim_host_identity(seed, host->box.name, &host->lent.identity, secret);
    qe_secret_init(&host->identity, secret);
    host->id = qe_node_id_from_key(&host->lent.identity);
    for (uint32_t i = 0; i < QE_RANDOM_COUNT; i++)
        host->streams[i] = sim_stream(seed, SIM_STREAM_HOST, host->box.name, i);
}
