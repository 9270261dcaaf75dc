// Fragments cut anywhere, in any order, among arbitrary ones: a packet comes out exactly when all its bytes have come,
// and is what was cut; the arbitrary ones never disturb it.
#include "flow/fragment.h"

#include "mem.h"

#include <assert.h>

enum { PACKETS = 8, OTHERS = 16 };

struct model {
    size_t size;
    bool done;
    bool came[QE_FRAGMENT_PACKET_MAX];
};

static uint8_t byte_of(unsigned id, size_t at)
{
    return (uint8_t)(id * 31 + at * 7 + at / 256);
}

static bool is_whole(const struct model *m)
{
    for (size_t i = 0; i < m->size; i++)
        if (!m->came[i]) return false;
    return true;
}

static void add_known(struct qe_reassembler *r, struct model *m, unsigned id, size_t offset, size_t size_max)
{
    uint8_t header[QE_FRAGMENT_HEADER_SIZE];
    size_t piece;
    if (m->done || !qe_fragment_header((uint16_t)id, offset, m->size, size_max, header, &piece)) return;
    uint8_t *frame = malloc(sizeof header + piece);
    memcpy(frame, header, sizeof header);
    for (size_t i = 0; i < piece; i++) {
        frame[sizeof header + i] = byte_of(id, offset + i);
        m->came[offset + i] = true;
    }
    m->done = is_whole(m);
    struct qe_span packet;
    enum qe_reassembly got = qe_reassembler_add(r, qe_span(frame, sizeof header + piece), &packet, 1);
    free(frame);
    assert(got == (m->done ? QE_REASSEMBLY_COMPLETE : QE_REASSEMBLY_WAITING));
    assert(packet.size == (m->done ? m->size : 0));
    for (size_t i = 0; i < packet.size; i++)
        assert(packet.data[i] == byte_of(id, i));
}

static void add_arbitrary(struct qe_reassembler *r, const uint8_t *data, size_t size)
{
    // Exactly as long as it is, so that a look beyond is seen.
    uint8_t *frame = malloc(size ? size : 1);
    memcpy(frame, data, size);
    if (size >= 3) {
        frame[0] = frame[0] & 1 ? 0x02 : frame[0];
        qe_store16(frame + 1, (uint16_t)(PACKETS + frame[2] % OTHERS));
    }
    struct qe_span packet;
    enum qe_reassembly got = qe_reassembler_add(r, qe_span(frame, size), &packet, 1);
    assert((got == QE_REASSEMBLY_COMPLETE) == (packet.size != 0));
    assert(packet.size <= QE_FRAGMENT_PACKET_MAX);
    for (size_t i = 0; i < packet.size; i++) {
        volatile uint8_t seen = packet.data[i];
        (void)seen;
    }
    free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct model model[PACKETS];
    memset(model, 0, sizeof model);
    for (unsigned i = 0; i < PACKETS; i++)
        model[i].size = 1 + (i * 331 + (size ? data[0] : 0) * 8u) % QE_FRAGMENT_PACKET_MAX;
    struct qe_reassembler *r = qe_reassembler_new(fuzz_mem());
    assert(r);
    while (size >= 5) {
        if (data[0] & 128) {
            unsigned id = data[0] % PACKETS;
            size_t offset = qe_load16(data + 1) % model[id].size;
            if (data[0] & 64) offset = 0;
            add_known(r, &model[id], id, offset, qe_load16(data + 3) % 1500);
            data += 5, size -= 5;
        } else {
            size_t take = data[0] % 64u + 1;
            if (take > size - 1) take = size - 1;
            add_arbitrary(r, data + 1, take);
            data += 1 + take, size -= 1 + take;
        }
    }
    qe_reassembler_free(r);
    return 0;
}
