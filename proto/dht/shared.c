// Two nodes of two networks behind one socket. Nothing in a datagram says which network it is of.
#include "dht/dht_internal.h"

#include <string.h>

static bool awaits(const struct qe_dht *dht, const struct qe_addr *from, struct qe_span transaction)
{
    if (transaction.size != 4) return false;
    uint32_t number = qe_load32(transaction.data);
    for (size_t i = 0; i < dht->queries.count; i++)
        if (dht->queries.items[i].transaction == number && qe_addr_equal(&dht->queries.items[i].to.addr, from))
            return true;
    return false;
}

bool qe_dht_is_public(
    const struct qe_dht *own, const struct qe_dht *mainline, const struct qe_addr *from, struct qe_span bytes)
{
    struct qe_krpc message;
    if (bytes.size > QE_KRPC_READ_MAX || !qe_krpc_read(bytes, &message)) return false;
    if (message.type != QE_KRPC_QUERY) return awaits(mainline, from, message.transaction);
    if (message.version.size >= 2 && memcmp(message.version.data, QE_KRPC_VERSION, 2) == 0) return false;
    const struct qe_dht_contact contact = {.id = message.id, .addr = *from};
    return !qe_dht_table_has(&own->tables[qe_dht_family(from)], &contact);
}
