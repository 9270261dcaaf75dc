#include "net/outer.h"

#include "base/cursor.h"
#include "dht/dht.h"

#define FORM_LONG 0x80
#define FIXED_BIT 0x40

// A variable-length integer (RFC 9000 §16).
static uint64_t read_varint(struct qe_reader *r)
{
    uint64_t first = qe_read8(r), value = first & 0x3f;
    for (unsigned more = (1u << (first >> 6)) - 1; more > 0; more--)
        value = value << 8 | qe_read8(r);
    return value;
}

static void skip(struct qe_reader *r, uint64_t size)
{
    if (size > qe_reader_left(r))
        r->failed = true;
    else
        qe_read_bytes(r, (size_t)size);
}

// One packet with a long header; moves behind it.
static uint64_t read_long(struct qe_reader *r, uint8_t first)
{
    static const uint64_t types[] = {
        QE_CARRIED_BIT(INITIAL), QE_CARRIED_BIT(ZERO_RTT), QE_CARRIED_BIT(HANDSHAKE), QE_CARRIED_BIT(RETRY)};
    uint32_t version = qe_read32(r);
    unsigned type = first >> 4 & 3;
    skip(r, qe_read8(r)); // the destination's ID
    skip(r, qe_read8(r)); // the source's
    if (r->failed) return 0;
    if (version == 0 || !(first & FIXED_BIT) || type == 3) {
        // Neither has a length: the rest of the datagram is theirs.
        skip(r, qe_reader_left(r));
        return version == 0 ? QE_CARRIED_BIT(VERSION_NEGOTIATION) : first & FIXED_BIT ? types[3] : 0;
    }
    if (type == 0) skip(r, read_varint(r)); // the token
    skip(r, read_varint(r));
    return r->failed ? 0 : types[type];
}

uint64_t sim_outer_classes(const uint8_t *bytes, size_t size)
{
    struct qe_reader r = qe_reader(qe_span(bytes, size));
    uint64_t classes = 0;
    if (qe_dht_is_krpc(bytes, size)) return QE_CARRIED_BIT(KRPC);
    while (!r.failed && qe_reader_left(&r) > 0) {
        uint8_t first = qe_read8(&r);
        if (!(first & FORM_LONG)) {
            // Padding behind a long header is zeros.
            if (first & FIXED_BIT) classes |= QE_CARRIED_BIT(ONE_RTT);
            break;
        }
        classes |= read_long(&r, first);
    }
    return classes;
}
