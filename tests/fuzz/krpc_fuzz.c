// Any bytes as a datagram: what is read is written to a message that means the same, canonical and stable; and whatever
// compact forms it holds are read within their bounds.
#include "dht/krpc.h"

#include <assert.h>
#include <stdlib.h>

static void read_compact(const struct qe_krpc *m)
{
    struct qe_dht_contact contact;
    struct qe_addr peer;
    struct qe_dht_record record;
    uint8_t out[QE_KRPC_RECORD_MAX], addr[QE_KRPC_ADDR_MAX];
    for (size_t i = 0; qe_krpc_node(m->nodes, 4, i, &contact); i++)
        assert(contact.addr.ip.family == 4 && qe_krpc_addr_write(&contact.addr, addr) == 6);
    for (size_t i = 0; qe_krpc_node(m->nodes6, 6, i, &contact); i++)
        assert(contact.addr.ip.family == 6 && qe_krpc_addr_write(&contact.addr, addr) == 18);
    struct qe_reader r = qe_reader(m->values);
    while (qe_krpc_each_peer(&r, &peer))
        assert(peer.ip.family == 4 || peer.ip.family == 6);
    r = qe_reader(m->records);
    while (qe_krpc_each_record(&r, m, &record)) {
        assert(record.value.size <= QE_DHT_RECORD_MAX);
        assert(qe_krpc_record_write(&record, out, sizeof out) > 0);
    }
    if (qe_krpc_record_read(m->record, m->authority, &record)) {
        size_t size = qe_krpc_record_write(&record, out, sizeof out);
        assert(qe_span_equal(qe_span(out, size), m->record));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1), first[2 * QE_KRPC_READ_MAX], second[2 * QE_KRPC_READ_MAX];
    memcpy(copy, data, size);
    struct qe_krpc m, again;
    if (qe_krpc_read(qe_span(copy, size), &m)) {
        assert(size <= QE_KRPC_READ_MAX && qe_bencode_check(qe_span(copy, size), NULL));
        assert(m.type == QE_KRPC_ERROR || m.has_id);
        read_compact(&m);
        if (m.type != QE_KRPC_QUERY || m.method != QE_KRPC_UNKNOWN) {
            size_t written = qe_krpc_write(&m, first, sizeof first);
            // A value, a list or an address that is none is written as it was read, so everything fits.
            assert(written > 0);
            if (written <= QE_KRPC_READ_MAX) {
                assert(qe_krpc_read(qe_span(first, written), &again));
                assert(!m.canonical || again.canonical);
                assert(qe_krpc_write(&again, second, sizeof second) == written && memcmp(first, second, written) == 0);
            }
        }
    }
    free(copy);
    return 0;
}
