// Arbitrary datagrams into an endpoint with an established connection: from its peer's address or others, as they are,
// or a real packet of the peer with bytes changed. Nothing may crash, leak or spin, and the connection must outlive it:
// nobody without its keys can end it (RFC 9000 §21.1).
#include "bare.h"
#include "base/cursor.h"
#include "base/time.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A real packet on its way, changed, and sent as one more.
static void change(struct world *w, struct qe_reader *r)
{
    uint8_t bytes[1500];
    const struct world_datagram *d = w->flight;
    for (uint8_t skip = qe_read8(r) % 4; d && skip > 0; skip--)
        d = d->next;
    if (!d || d->size == 0) return;
    const struct world_host *to = qe_ip_equal(&d->to.ip, &w->hosts[0].ip) ? &w->hosts[0] : &w->hosts[1];
    struct qe_addr from = d->from;
    size_t size = d->size - (qe_read8(r) % 2 ? qe_read16(r) % d->size : 0);
    memcpy(bytes, d->bytes, size);
    for (uint8_t changes = qe_read8(r) % 8; changes > 0; changes--)
        bytes[qe_read16(r) % size] = qe_read8(r);
    if (qe_read8(r) % 4 == 0) from.port++;
    world_inject(w, to, &from, bytes, size);
}

// Bytes of the input, as a short packet to a connection ID in use or as they are.
static void invent(struct world *w, struct qe_reader *r)
{
    uint8_t bytes[600], how = qe_read8(r);
    const struct world_host *to = &w->hosts[how & 1];
    const struct qe_addr stranger = {qe_ip4(192, 0, 2, how), 1234, 0},
                         friend = {w->hosts[1 - to->index].ip, QE_DEFAULT_PORT, 0};
    struct qe_span raw = qe_read_bytes(r, qe_read8(r));
    size_t pad = how & 2 ? 300 : 0;
    memset(bytes, how, sizeof bytes);
    if (raw.size) memcpy(bytes, raw.data, raw.size);
    for (const struct world_datagram *d = w->flight; how & 4 && d; d = d->next)
        if (qe_ip_equal(&d->to.ip, &to->ip) && d->size > 5 && !(d->bytes[0] & 0x80)) memcpy(bytes, d->bytes, 5);
    world_inject(w, to, how & 8 ? &stranger : &friend, bytes, raw.size + pad);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    static struct bare ends[2];
    struct qe_reader r = qe_reader(qe_span(data, size));
    world_init(&w, 1);
    for (size_t i = 0; i < 2; i++)
        bare_init(&ends[i], world_add(&w));
    bare_dial(&ends[0], &w.hosts[1]);
    world_run(&w, w.now_ns + 100 * QE_NS_PER_MS);
    assert(ends[0].connected);
    for (int i = 0; i < 200 && !r.failed && qe_reader_left(&r) > 0; i++) {
        switch (qe_read8(&r) % 4) {
        case 0:
            invent(&w, &r);
            break;
        case 1:
            change(&w, &r);
            break;
        case 2:
            bare_datagram(&ends[0], data, size < 200 ? size : 200);
            break;
        default:
            world_run(&w, w.now_ns + qe_read8(&r) * QE_NS_PER_MS);
            break;
        }
    }
    world_run(&w, w.now_ns + QE_NS_PER_S);
    if (!ends[0].connected) abort();
    for (size_t i = 0; i < 2; i++)
        bare_fini(&ends[i]);
    if (world_fini(&w) != 0) abort();
    return 0;
}
