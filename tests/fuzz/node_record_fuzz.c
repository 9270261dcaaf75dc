// Arbitrary bytes as a node record: what is read lies within its limits, and reads the same when it is written again.
#include "discovery/node_record.h"

#include "../unit/secrets.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct qe_node_record *r)
{
    assert(r->endpoint_count <= QE_NODE_RECORD_ENDPOINTS_MAX && r->address_count <= QE_NODE_RECORD_ADDRESSES_MAX);
    assert(r->gateway_count <= QE_NODE_RECORD_GATEWAYS_MAX && r->subnet_count <= QE_NODE_RECORD_SUBNETS_MAX);
    for (size_t i = 0; i < r->endpoint_count; i++)
        assert(r->endpoints[i].addr.port != 0 && !qe_ip_is_multicast(&r->endpoints[i].addr.ip));
    for (size_t i = 0; i < r->subnet_count; i++)
        assert(r->subnets[i].bits <= 8 * qe_ip_size(&r->subnets[i].ip));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct secrets s;
    struct qe_node_record record, again;
    if (!s.host.user) secrets_init(&s, 1, 1);
    if (qe_node_record_decode(qe_span(data, size), &s.host.identity, &s.host, &record) == QE_NODE_RECORD_FINE)
        check(&record);
    // Past the signature: the same contents as the owner would have signed them.
    if (size == 0 || size > 300) return 0;
    uint8_t inner[QE_NODE_RECORD_INNER_MAX] = {0};
    memcpy(inner, data, size);
    if (qe_node_record_read(qe_span(inner, size + 64), &s.host.identity, &record) == QE_NODE_RECORD_MALFORMED) return 0;
    check(&record);
    size_t written = qe_node_record_write(&record, &s.host, inner);
    assert(written > 0 && written <= sizeof inner);
    assert(qe_node_record_read(qe_span(inner, written), &s.host.identity, &again) == QE_NODE_RECORD_FINE);
    assert(again.issued_ms == record.issued_ms);
    assert(again.endpoint_count <= record.endpoint_count && again.subnet_count <= record.subnet_count);
    return 0;
}
