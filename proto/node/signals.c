// Registrations of this node with holders of its record, and the signals that come through them (dht/signal.h).
#include "node/discovery_internal.h"

#include "dht/signal.h"

// Before it is known what the NAT asks for: many home routers forget a mapping that is idle for 30 s (RFC 4787 §4.3).
#define KEEP_NS (20 * QE_NS_PER_S)

static bool sign(void *user, struct qe_span text, uint8_t signature[64])
{
    const struct qe_cplane *c = user;
    return c->host->secret(c->host->user, QE_SECRET_IDENTITY, QE_SECRET_SIGN, text, signature, 64) == 0;
}

static void on_signal(void *user, const struct qe_dht_signal *signal)
{
    struct qe_cplane *c = user;
    if (c->discovery->closing) return;
    switch (signal->kind) {
    case QE_DHT_SIGNAL_REGISTERED:
        cplane_trace(c, "signal.registered", NULL, signal->seen.port, 0);
        cplane_gateways_look(c);
        break;
    case QE_DHT_SIGNAL_LOST:
        cplane_trace(c, "signal.holder_lost", NULL, 0, 0);
        break;
    case QE_DHT_SIGNAL_PORT:
        natcheck_on_port_wanted(c);
        break;
    default:
        cplane_on_signal(c, signal);
        break;
    }
}

void signals_options(struct qe_cplane *c, struct qe_dht_options *options)
{
    options->signal = on_signal;
    options->sign = sign;
    options->key = c->host->identity;
}

void signals_begin(struct qe_cplane *c)
{
    qe_dht_register(c->discovery->dht, KEEP_NS, c->now_ns);
}
