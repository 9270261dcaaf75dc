#include "replay/redact_input.h"

#include "engine/memory.h"
#include "replay/redact_packet.h"

#include "dht/dht.h"
#include "nat/probe.h"
#include "quic/quic.h"

#include <ngtcp2/ngtcp2.h>
#include <string.h>

#define TAG_SIZE      16
#define SAMPLE_OFFSET 4 // behind the start of the packet number (RFC 9001 §5.4.2)
#define LONG          0x80
#define RETRY_MASK    0xf0
#define RETRY         0xf0

void sim_redact_input_init(struct sim_redact_input *in)
{
    *in = (struct sim_redact_input){0};
}

void sim_redact_input_fini(struct sim_redact_input *in)
{
    sim_release(in->opened);
    sim_release(in->late);
    sim_release(in->masks);
    sim_release(in->bytes);
    sim_release(in->late_bytes);
}

void sim_redact_input_begin(struct sim_redact_input *in, const struct qe_event *event)
{
    bool datagrams = event && event->kind == QE_EVENT_DATAGRAMS;
    in->opened_count = in->mask_count = in->byte_count = 0;
    in->current = datagrams ? event->datagrams.list : NULL;
    in->current_count = datagrams ? event->datagrams.count : 0;
}

void sim_redact_input_unmasked(struct sim_redact_input *in, const uint8_t *sample, const uint8_t mask[5])
{
    SIM_ROOM(in->masks, in->mask_count, in->mask_capacity);
    struct sim_mask *kept = &in->masks[in->mask_count++];
    kept->sample = sample;
    memcpy(kept->mask, mask, sizeof kept->mask);
}

static bool is_current(const struct sim_redact_input *in, const uint8_t *at)
{
    for (size_t i = 0; i < in->current_count; i++)
        if (at >= in->current[i].bytes && at < in->current[i].bytes + in->current[i].size) return true;
    return false;
}

// Keeps a copy; returns its offset.
static size_t keep(uint8_t **bytes, size_t *count, size_t *capacity, const uint8_t *from, size_t size)
{
    size_t at = *count;
    if (*capacity - *count < size) {
        *capacity = 2 * *capacity + size;
        *bytes = sim_resize(*bytes, *capacity, 1);
    }
    if (size) memcpy(*bytes + at, from, size);
    *count += size;
    return at;
}

void sim_redact_input_opened(
    struct sim_redact_input *in, struct qe_span header, struct qe_span sealed, const uint8_t *plain, bool keep_late)
{
    bool late = !is_current(in, sealed.data);
    if (late != keep_late) return;
    uint8_t **bytes = late ? &in->late_bytes : &in->bytes;
    size_t *count = late ? &in->late_byte_count : &in->byte_count;
    size_t *capacity = late ? &in->late_byte_capacity : &in->byte_capacity;
    struct sim_opened opened = {.at = late ? NULL : sealed.data,
        .header_size = header.size,
        .sealed_size = sealed.size,
        .right = plain != NULL};
    opened.header = keep(bytes, count, capacity, header.data, header.size);
    opened.sealed = keep(bytes, count, capacity, sealed.data, sealed.size);
    if (plain) opened.plain = keep(bytes, count, capacity, plain, sealed.size - TAG_SIZE);
    if (late) {
        SIM_ROOM(in->late, in->late_count, in->late_capacity);
        in->late[in->late_count++] = opened;
    } else {
        SIM_ROOM(in->opened, in->opened_count, in->opened_capacity);
        in->opened[in->opened_count++] = opened;
    }
}

// The decryption of what lies at `at`, in a packet that begins at `start`; *bytes: what its offsets are into.
static const struct sim_opened *find(
    const struct sim_redact_input *in, const uint8_t *start, const uint8_t *end, const uint8_t **bytes)
{
    *bytes = in->bytes;
    for (size_t i = 0; i < in->opened_count; i++)
        if (in->opened[i].at == start + in->opened[i].header_size) return &in->opened[i];
    *bytes = in->late_bytes;
    for (size_t i = 0; i < in->late_count; i++) {
        const struct sim_opened *o = &in->late[i];
        if (o->header_size + o->sealed_size > (size_t)(end - start)) continue;
        if (memcmp(start + o->header_size, in->late_bytes + o->sealed, o->sealed_size) == 0) return o;
    }
    return NULL;
}

static const uint8_t *find_mask(const struct sim_redact_input *in, const uint8_t *sample)
{
    for (size_t i = 0; i < in->mask_count; i++)
        if (in->masks[i].sample == sample) return in->masks[i].mask;
    return NULL;
}

// Header and size of the packet at `start`: *number is the offset of its packet number. Returns its size.
static size_t measure(const uint8_t *start, size_t left, size_t *number)
{
    ngtcp2_pkt_hd header;
    *number = left < 1 + QE_CID_SIZE ? left : 1 + QE_CID_SIZE;
    if (!(start[0] & LONG)) return left;
    ngtcp2_ssize size = ngtcp2_pkt_decode_hd_long(&header, start, left);
    // What cannot be read is dropped for what its first bytes say.
    if (size <= 0) {
        *number = left < 64 ? left : 64;
        return left;
    }
    *number = (size_t)size;
    return (size_t)size + header.len < left ? (size_t)size + header.len : left;
}

// A zero tag would be a right one. Else it stays: it may be the token of a stateless reset (RFC 9000 §10.3).
static void spoil(uint8_t *tag)
{
    static const uint8_t right[TAG_SIZE];
    if (memcmp(tag, right, sizeof right) == 0) tag[TAG_SIZE - 1] = 1;
}

// What nobody decrypted.
static void keep_outside(
    const struct sim_redact_input *in, const uint8_t *start, size_t size, size_t number, uint8_t *out)
{
    memset(out, 0, size);
    memcpy(out, start, number);
    size_t tail = size - number < TAG_SIZE ? size - number : TAG_SIZE;
    if (tail) memcpy(out + size - tail, start + size - tail, tail);
    const uint8_t *mask = find_mask(in, start + number + SAMPLE_OFFSET);
    if (mask && size > number + SAMPLE_OFFSET) {
        out[0] ^= mask[0] & (start[0] & LONG ? 0x0f : 0x1f);
        for (size_t i = 0; i < (size_t)(out[0] & 3) + 1; i++)
            out[number + i] = start[number + i] ^ mask[1 + i];
    }
    if (tail == TAG_SIZE) spoil(out + size - TAG_SIZE);
}

// A packet inside another was decrypted at another place than it arrived at, so it is among the late ones.
static void redact_inside(void *user, uint8_t *packet, size_t size)
{
    uint8_t *copy = sim_obtain(size, 1);
    memcpy(copy, packet, size);
    sim_redact_datagram(user, qe_span(copy, size), packet);
    sim_release(copy);
}

static void open_packet(
    const struct sim_redact_input *in, size_t size, const struct sim_opened *opened, const uint8_t *bytes, uint8_t *out)
{
    const struct sim_redact_inside inside = {(void *)(uintptr_t)in, redact_inside};
    size_t plain_size = opened->sealed_size - TAG_SIZE;
    uint8_t *payload = out + opened->header_size;
    memcpy(out, bytes + opened->header, opened->header_size);
    if (opened->right) {
        memcpy(payload, bytes + opened->plain, plain_size);
        sim_redact_frames(payload, plain_size, SIM_REDACT_INPUT, &inside);
        memset(payload + plain_size, 0, TAG_SIZE);
    } else {
        memset(payload, 0, plain_size);
        memcpy(payload + plain_size, bytes + opened->sealed + plain_size, TAG_SIZE);
        spoil(payload + plain_size);
    }
    size_t used = opened->header_size + opened->sealed_size;
    if (used < size) memset(out + used, 0, size - used);
}

// Without keys of their own: version negotiation (RFC 9000 §17.2.1) and Retry (§17.2.5), whose tag everybody can make.
static bool is_plain(const uint8_t *start, size_t left, uint8_t *out)
{
    if (!(start[0] & LONG) || left < 5) return false;
    bool negotiation = qe_load32(start + 1) == 0;
    if (!negotiation && (start[0] & RETRY_MASK) != RETRY) return false;
    memcpy(out, start, left);
    if (!negotiation && left > TAG_SIZE) memset(out + left - TAG_SIZE, 0, TAG_SIZE);
    return true;
}

void sim_redact_datagram(const struct sim_redact_input *in, struct qe_span datagram, uint8_t *out)
{
    const uint8_t *at = datagram.data, *end = datagram.data + datagram.size;
    // What anybody may read stays.
    if (qe_dht_is_krpc(at, datagram.size) || qe_probe_is(at, datagram.size)) {
        memcpy(out, at, datagram.size);
        return;
    }
    while (at < end) {
        size_t number, size = measure(at, (size_t)(end - at), &number);
        const uint8_t *bytes;
        if (is_plain(at, (size_t)(end - at), out)) return;
        const struct sim_opened *opened = find(in, at, end, &bytes);
        if (opened && opened->header_size + opened->sealed_size <= size)
            open_packet(in, size, opened, bytes, out);
        else
            keep_outside(in, at, size, number, out);
        at += size;
        out += size;
    }
}
