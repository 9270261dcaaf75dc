// Where the parts of a DHT node meet: a datagram is told apart here, deadlines are handled here, and nothing here knows
// more of a part than its header.
#include "dht/dht.h"

#include "base/time.h"

struct qe_dht {
    struct qe_dht_options options;
};

int qe_dht_new(struct qe_dht **out, const struct qe_dht_options *options, uint64_t now_ns)
{
    (void)now_ns;
    struct qe_dht *dht = qe_zalloc(options->mem, 1, sizeof *dht);
    if (!dht) return -1;
    dht->options = *options;
    *out = dht;
    return 0;
}

void qe_dht_free(struct qe_dht *dht)
{
    if (dht) qe_free(dht->options.mem, dht);
}

bool qe_dht_is_krpc(const uint8_t *bytes, size_t size)
{
    return size >= 4 && bytes[0] == 'd' && bytes[1] >= '0' && bytes[1] <= '9' && bytes[size - 1] == 'e';
}

void qe_dht_receive(
    struct qe_dht *dht, uint32_t socket, const struct qe_addr *from, struct qe_span bytes, uint64_t now_ns)
{
    (void)dht, (void)socket, (void)from, (void)bytes, (void)now_ns;
}

bool qe_dht_next(struct qe_dht *dht, uint8_t out[QE_DHT_DATAGRAM_MAX], struct qe_dht_send *send, uint64_t now_ns)
{
    (void)dht, (void)out, (void)send, (void)now_ns;
    return false;
}

void qe_dht_expire(struct qe_dht *dht, uint64_t now_ns)
{
    (void)dht, (void)now_ns;
}

uint64_t qe_dht_deadline(const struct qe_dht *dht)
{
    (void)dht;
    return QE_TIME_NEVER;
}

void qe_dht_add_bootstrap(struct qe_dht *dht, const struct qe_addr *addr, uint64_t now_ns)
{
    (void)dht, (void)addr, (void)now_ns;
}

void qe_dht_clear_bootstrap(struct qe_dht *dht)
{
    (void)dht;
}

void qe_dht_add_contact(struct qe_dht *dht, const struct qe_dht_contact *contact, uint64_t now_ns)
{
    (void)dht, (void)contact, (void)now_ns;
}

size_t qe_dht_contacts(const struct qe_dht *dht, struct qe_dht_contact *out, size_t max)
{
    (void)dht, (void)out, (void)max;
    return 0;
}

bool qe_dht_joined(const struct qe_dht *dht)
{
    (void)dht;
    return false;
}

void qe_dht_on_network_change(struct qe_dht *dht, uint64_t now_ns)
{
    (void)dht, (void)now_ns;
}

bool qe_dht_external(const struct qe_dht *dht, uint8_t family, struct qe_addr *out)
{
    (void)dht, (void)family, (void)out;
    return false;
}

uint64_t qe_dht_start(struct qe_dht *dht, const struct qe_dht_request *request, uint64_t now_ns)
{
    (void)dht, (void)request, (void)now_ns;
    return 0;
}

void qe_dht_cancel(struct qe_dht *dht, uint64_t operation)
{
    (void)dht, (void)operation;
}

void qe_dht_stats(const struct qe_dht *dht, struct qe_dht_stats *out)
{
    (void)dht;
    *out = (struct qe_dht_stats){0};
}

size_t qe_dht_nodes(const struct qe_dht *dht, struct qe_dht_node_info *out, size_t max)
{
    (void)dht, (void)out, (void)max;
    return 0;
}
