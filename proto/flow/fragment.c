// Fragments and their way back. A held packet knows byte by byte what it has, so fragments may be cut anywhere;
// whatever disagrees with what is held makes both worthless, since nobody can tell which is right. What is held is in
// order of arrival, so the first is always the next to time out.
#include "flow/fragment.h"

#include "base/mutants.h"
#include "wire/wire.h"

#include <assert.h>

enum { MORE = 0x8000, WORDS = QE_FRAGMENT_PACKET_MAX / 64 };

struct partial {
    uint64_t started_ns;
    uint16_t id;
    uint16_t total; // 0: the last fragment has not come
    uint16_t reach; // where the furthest fragment so far ends
    uint16_t have;  // bytes that have come
    uint64_t present[WORDS];
    uint8_t bytes[QE_FRAGMENT_PACKET_MAX];
};

struct qe_reassembler {
    const struct qe_mem *mem;
    struct partial *held[QE_FRAGMENT_SLOTS]; // the oldest first
    size_t count;
    struct partial *complete; // handed out by the last call
    struct partial *spare;    // so that a steady stream allocates nothing
    uint16_t newest_id;
    uint64_t lost;
};

bool qe_fragment_header(
    uint16_t id, size_t offset, size_t total, size_t size_max, uint8_t header[QE_FRAGMENT_HEADER_SIZE], size_t *piece)
{
    if (size_max <= QE_FRAGMENT_HEADER_SIZE || total > QE_FRAGMENT_PACKET_MAX || offset >= total) return false;
    size_t room = size_max - QE_FRAGMENT_HEADER_SIZE, left = total - offset;
    *piece = left < room ? left : room;
    bool more = QE_MUTANT(fragment_last) ? *piece <= left : *piece < left;
    header[0] = QE_FRAME_FRAGMENT;
    qe_store16(header + 1, id);
    if (QE_MUTANT(fragment_offset) && offset) offset++;
    qe_store16(header + 3, (uint16_t)(offset | (more ? MORE : 0)));
    return true;
}

struct qe_reassembler *qe_reassembler_new(const struct qe_mem *mem)
{
    struct qe_reassembler *r = qe_zalloc(mem, 1, sizeof *r);
    if (r) r->mem = mem;
    return r;
}

void qe_reassembler_free(struct qe_reassembler *r)
{
    if (!r) return;
    for (size_t i = 0; i < r->count; i++)
        qe_free(r->mem, r->held[i]);
    qe_free(r->mem, r->complete);
    qe_free(r->mem, r->spare);
    qe_free(r->mem, r);
}

uint64_t qe_reassembler_lost(const struct qe_reassembler *r)
{
    return r->lost;
}

static void recycle(struct qe_reassembler *r, struct partial *p)
{
    if (QE_MUTANT(fragment_leak)) return;
    if (r->spare)
        qe_free(r->mem, p);
    else
        r->spare = p;
}

static struct partial *take_out(struct qe_reassembler *r, size_t index)
{
    struct partial *p = r->held[index];
    r->count--;
    memmove(&r->held[index], &r->held[index + 1], (r->count - index) * sizeof r->held[0]);
    return p;
}

static void give_up(struct qe_reassembler *r, size_t index)
{
    recycle(r, take_out(r, index));
    r->lost++;
}

static bool is_behind(uint16_t id, uint16_t newest)
{
    return (uint16_t)(newest - id) <= QE_FRAGMENT_WINDOW;
}

static void give_up_stale(struct qe_reassembler *r, uint64_t now_ns)
{
    while (r->count != 0) {
        const struct partial *oldest = r->held[0];
        bool in_time = now_ns < oldest->started_ns || now_ns - oldest->started_ns < QE_FRAGMENT_TIMEOUT_NS;
        if (in_time && is_behind(oldest->id, r->newest_id)) return;
        give_up(r, 0);
    }
}

// The index of the packet, held already or from now on; SIZE_MAX without memory.
static size_t find_or_start(struct qe_reassembler *r, uint16_t id, uint64_t now_ns)
{
    for (size_t i = r->count; i-- > 0;)
        if (r->held[i]->id == id) return i;
    if (r->count == QE_FRAGMENT_SLOTS) give_up(r, 0);
    struct partial *p = r->spare;
    r->spare = NULL;
    if (!p) p = qe_alloc(r->mem, sizeof *p);
    if (!p) return SIZE_MAX;
    p->started_ns = now_ns;
    p->id = id;
    p->total = p->reach = p->have = 0;
    memset(p->present, 0, sizeof p->present);
    r->held[r->count] = p;
    return r->count++;
}

// The bits of word `word` that stand for bytes in [from, to).
static uint64_t word_mask(size_t word, size_t from, size_t to)
{
    size_t base = word * 64;
    uint64_t mask = UINT64_MAX;
    if (from > base) mask &= UINT64_MAX << (from - base);
    if (to < base + 64) mask &= UINT64_MAX >> (base + 64 - to);
    return mask;
}

static bool has_any(const struct partial *p, size_t from, size_t to)
{
    for (size_t word = from / 64; word <= (to - 1) / 64; word++)
        if (p->present[word] & word_mask(word, from, to)) return true;
    return false;
}

static bool has_byte(const struct partial *p, size_t at)
{
    return (p->present[at / 64] >> at % 64 & 1) != 0;
}

// Whether the fragment could be one of the packet's, given what has come of it.
static bool agrees(const struct partial *p, size_t offset, struct qe_span payload, bool more)
{
    size_t end = offset + payload.size;
    if (p->total != 0 && (more ? end >= p->total : end != p->total)) return false;
    // Everything that came before had more after it.
    if (!more && p->total == 0 && end <= p->reach) return false;
    if (!has_any(p, offset, end)) return true;
    for (size_t i = 0; i < payload.size; i++)
        if (has_byte(p, offset + i) && p->bytes[offset + i] != payload.data[i]) return false;
    return true;
}

static void store(struct partial *p, size_t offset, struct qe_span payload, bool more)
{
    size_t end = offset + payload.size;
    size_t fresh = payload.size;
    if (has_any(p, offset, end))
        for (size_t i = offset; i < end; i++)
            fresh -= has_byte(p, i);
    for (size_t word = offset / 64; word <= (end - 1) / 64; word++)
        p->present[word] |= word_mask(word, offset, end);
    memcpy(p->bytes + offset, payload.data, payload.size);
    p->have = (uint16_t)(p->have + fresh);
    if (end > p->reach) p->reach = (uint16_t)end;
    if (!more) p->total = (uint16_t)end;
}

enum qe_reassembly qe_reassembler_add(
    struct qe_reassembler *r, struct qe_span frame, struct qe_span *packet, uint64_t now_ns)
{
    *packet = qe_span(NULL, 0);
    if (r->complete) recycle(r, r->complete);
    r->complete = NULL;

    if (frame.size <= QE_FRAGMENT_HEADER_SIZE || frame.data[0] != QE_FRAME_FRAGMENT) return QE_REASSEMBLY_MALFORMED;
    uint16_t id = qe_load16(frame.data + 1), place = qe_load16(frame.data + 3);
    bool more = (place & MORE) != 0;
    size_t offset = place & (MORE - 1);
    struct qe_span payload = {frame.data + QE_FRAGMENT_HEADER_SIZE, frame.size - QE_FRAGMENT_HEADER_SIZE};
    size_t end = offset + payload.size + (more ? 1 : 0);
    if (payload.size > QE_FRAGMENT_PACKET_MAX || end > (QE_MUTANT(reassembly_bound) ? 1400u : QE_FRAGMENT_PACKET_MAX))
        return QE_REASSEMBLY_MALFORMED;

    // An id far behind is as good as one ahead: the sender has jumped, and its packets must pass all the same.
    if (!is_behind(id, r->newest_id)) r->newest_id = id;
    give_up_stale(r, now_ns);
    size_t index = find_or_start(r, id, now_ns);
    if (index == SIZE_MAX) return QE_REASSEMBLY_MEMORY;
    struct partial *p = r->held[index];
    if (!agrees(p, offset, payload, more)) {
        give_up(r, index);
        return QE_REASSEMBLY_MALFORMED;
    }
    store(p, offset, payload, more);
    if (p->have != p->total) return QE_REASSEMBLY_WAITING;
    r->complete = take_out(r, index);
    *packet = qe_span(p->bytes, p->total);
    return QE_REASSEMBLY_COMPLETE;
}
