// Joins what segmentation cut, so that the kernel takes one large packet in place of many. What is joined could be cut
// again into exactly the packets that came, but for the PSH flag's place and the IDs of unfragmentable IPv4 packets;
// that is why nearly every header field must be equal. Checksums are verified before a packet joins: the result's
// checksum is only begun, and completing it would otherwise make damaged bytes look right. The payload is copied once,
// and summed on the way.
#include "flow/coalesce.h"

#include "base/mem.h"
#include "base/mutants.h"
#include "flow/packet.h"

#include <assert.h>

enum { IPV4_HEADER = 20, IPV6_HEADER = 40, TCP_HEADER = 20, UDP_HEADER = 8 };
enum { TCP_SEQUENCE = 4, TCP_FLAGS = 13, TCP_WINDOW = 14, TCP_CHECKSUM = 16, TCP_URGENT = 18 };
enum { UDP_LENGTH = 4, UDP_CHECKSUM = 6 };
enum { TCP_PSH = 0x08, TCP_ACK = 0x10 };
// The largest length that an IPv4 header can state, and how many datagrams the kernel takes as one (UDP_MAX_SEGMENTS).
enum { SIZE_MAX_JOINED = 65535, UDP_COUNT_MAX = 64 };

// A packet whose next one may be joined to it.
struct held {
    struct qe_buf *buf;
    uint64_t flow_key;
    uint64_t address_key;
    uint64_t pseudo_sum; // without the length
    uint32_t next_sequence;
    uint32_t count;
    uint16_t transport_offset;
    uint16_t header_size;
    uint16_t segment_size;
    bool udp;
};

struct qe_coalescer {
    const struct qe_mem *mem;
    struct qe_coalesce_owner owner;
    // The first `count` are in use, the longest unused first.
    struct held *order[QE_COALESCE_FLOWS];
    size_t count;
    struct held slots[QE_COALESCE_FLOWS];
};

// How a packet may be treated.
enum kind {
    KIND_ALONE,    // belongs to no flow that is held
    KIND_UNCLEAR,  // may belong to any flow between its addresses
    KIND_SEPARATE, // a flow's packet that cannot be joined to others
    KIND_JOINABLE,
};

struct arrival {
    const uint8_t *data;
    uint32_t size;
    enum kind kind;
    bool ipv6;
    bool udp;
    uint16_t transport_offset;
    uint16_t header_size;
    uint64_t flow_key;
    uint64_t address_key;
};

struct qe_coalescer *qe_coalescer_new(const struct qe_mem *mem, const struct qe_coalesce_owner *owner)
{
    struct qe_coalescer *c = qe_zalloc(mem, 1, sizeof *c);
    if (!c) return NULL;
    c->mem = mem;
    c->owner = *owner;
    for (size_t i = 0; i < QE_COALESCE_FLOWS; i++)
        c->order[i] = &c->slots[i];
    return c;
}

void qe_coalescer_free(struct qe_coalescer *c)
{
    if (c) qe_free(c->mem, c);
}

static uint64_t load_word(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

// Equal addresses have equal keys; the reverse is checked where it matters.
static uint64_t address_key(const uint8_t *packet, bool ipv6)
{
    if (!ipv6) return load_word(packet + 12);
    return load_word(packet + 8) + load_word(packet + 16) * 3 + load_word(packet + 24) * 5 + load_word(packet + 32) * 7;
}

static void read_tcp(struct arrival *a)
{
    const uint8_t *tcp = a->data + a->transport_offset;
    uint32_t header = (tcp[12] >> 4) * 4u;
    if (header < TCP_HEADER || a->transport_offset + header >= a->size) return;
    a->header_size = (uint16_t)(a->transport_offset + header);
    // Anything else than plain data has a meaning of its own, congestion echoes among it.
    if (tcp[TCP_FLAGS] == TCP_ACK || tcp[TCP_FLAGS] == (TCP_ACK | TCP_PSH)) a->kind = KIND_JOINABLE;
}

static void read_udp(struct arrival *a)
{
    const uint8_t *udp = a->data + a->transport_offset;
    a->header_size = (uint16_t)(a->transport_offset + UDP_HEADER);
    bool whole = qe_load16(udp + UDP_LENGTH) == a->size - a->transport_offset;
    bool summed = qe_load16(udp + UDP_CHECKSUM) != 0;
    if (whole && summed && a->size > a->header_size) a->kind = KIND_JOINABLE;
}

static void read_transport(struct arrival *a, uint8_t protocol)
{
    a->udp = protocol == QE_IPPROTO_UDP;
    a->kind = KIND_UNCLEAR;
    if (a->size < a->transport_offset + (a->udp ? (uint32_t)UDP_HEADER : (uint32_t)TCP_HEADER)) return;
    uint32_t ports;
    memcpy(&ports, a->data + a->transport_offset, sizeof ports);
    a->flow_key = (a->address_key ^ ports ^ (uint64_t)protocol << 56) * UINT64_C(0x9E3779B97F4A7C15);
    a->kind = KIND_SEPARATE;
    if (a->udp)
        read_udp(a);
    else
        read_tcp(a);
}

static bool is_tcp_or_udp(uint8_t protocol)
{
    return protocol == QE_IPPROTO_TCP || protocol == QE_IPPROTO_UDP;
}

static struct arrival read_arrival(struct qe_span packet)
{
    const uint8_t *p = packet.data;
    struct arrival a = {.data = p, .size = (uint32_t)packet.size, .kind = KIND_ALONE};
    if (packet.size >= IPV4_HEADER && p[0] >> 4 == 4) {
        if (!is_tcp_or_udp(p[9])) return a;
        a.address_key = address_key(p, false);
        a.transport_offset = IPV4_HEADER;
        bool is_fragment = (qe_load16(p + 6) & 0xbfff) != 0; // all but DF
        if (p[0] == 0x45 && !is_fragment && qe_load16(p + 2) == packet.size)
            read_transport(&a, p[9]);
        else
            a.kind = KIND_UNCLEAR;
    } else if (packet.size >= IPV6_HEADER && p[0] >> 4 == 6) {
        if (p[6] == QE_IPPROTO_ICMPV6) return a;
        a.ipv6 = true;
        a.address_key = address_key(p, true);
        a.transport_offset = IPV6_HEADER;
        if (is_tcp_or_udp(p[6]) && qe_load16(p + 4) == packet.size - IPV6_HEADER)
            read_transport(&a, p[6]);
        else
            a.kind = KIND_UNCLEAR;
    }
    return a;
}

// Takes the one at `index` out of those in use.
static struct held *release(struct qe_coalescer *c, size_t index)
{
    struct held *held = c->order[index];
    c->count--;
    for (size_t i = index; i < c->count; i++)
        c->order[i] = c->order[i + 1];
    c->order[c->count] = held;
    return held;
}

static void finish_ip(const struct held *held, uint8_t *ip, uint32_t size)
{
    if (held->transport_offset == IPV6_HEADER) {
        qe_store16(ip + 4, (uint16_t)(size - IPV6_HEADER));
        return;
    }
    qe_store16(ip + 2, (uint16_t)size);
    qe_store16(ip + 10, 0);
    qe_store16(ip + 10, qe_checksum_fold(qe_checksum_add(0, ip, IPV4_HEADER)));
}

// Emits the one at `index`: as it came where it is one packet, else with the lengths of the whole and the checksum
// begun.
static void emit(struct qe_coalescer *c, size_t index)
{
    struct held *held = release(c, index);
    struct qe_coalesce_out out = {held->buf, {.kind = QE_OFFLOAD_NONE, .checksum_valid = true}};
    if (held->count > 1) {
        uint8_t *ip = qe_buf_bytes(held->buf), *transport = ip + held->transport_offset;
        bool ipv6 = held->transport_offset == IPV6_HEADER;
        uint16_t length = (uint16_t)(held->buf->size - held->transport_offset);
        out.offload = (struct qe_offload){
            .kind = held->udp ? (ipv6 ? QE_OFFLOAD_UDP6 : QE_OFFLOAD_UDP4) : (ipv6 ? QE_OFFLOAD_TCP6 : QE_OFFLOAD_TCP4),
            .needs_checksum = true,
            .header_size = held->header_size,
            .segment_size = held->segment_size,
            .checksum_start = held->transport_offset,
            .checksum_offset = held->udp ? UDP_CHECKSUM : TCP_CHECKSUM,
        };
        finish_ip(held, ip, held->buf->size);
        if (held->udp && !QE_MUTANT(coalesce_length)) qe_store16(transport + UDP_LENGTH, length);
        uint16_t begun = (uint16_t)~qe_checksum_fold(held->pseudo_sum + (QE_MUTANT(coalesce_checksum) ? 0 : length));
        qe_store16(transport + out.offload.checksum_offset, begun);
    }
    held->buf = NULL;
    c->owner.emit(c->owner.user, &out);
}

static bool emit_alone(struct qe_coalescer *c, const struct arrival *a)
{
    struct qe_buf *buf = c->owner.buf_new(c->owner.user);
    if (!buf) return false;
    assert(a->size <= buf->capacity - buf->offset);
    memcpy(qe_buf_bytes(buf), a->data, a->size);
    buf->size = a->size;
    struct qe_coalesce_out out = {buf, {.kind = QE_OFFLOAD_NONE}};
    c->owner.emit(c->owner.user, &out);
    return true;
}

static bool same_flow(const struct held *held, const struct arrival *a)
{
    if (held->flow_key != a->flow_key || held->udp != a->udp || held->transport_offset != a->transport_offset)
        return false;
    const uint8_t *h = qe_buf_bytes(held->buf);
    uint16_t at = a->transport_offset;
    bool same_addresses = a->ipv6 ? memcmp(h + 8, a->data + 8, 32) == 0 : memcmp(h + 12, a->data + 12, 8) == 0;
    return same_addresses && memcmp(h + at, a->data + at, 4) == 0;
}

// The index of the flow's held packet, or c->count.
static size_t find(const struct qe_coalescer *c, const struct arrival *a)
{
    // The flow that was added to last is the likeliest.
    for (size_t i = c->count; i-- > 0;)
        if (same_flow(c->order[i], a)) return i;
    return c->count;
}

static void emit_between(struct qe_coalescer *c, uint64_t key)
{
    for (size_t i = 0; i < c->count;)
        if (c->order[i]->address_key == key)
            emit(c, i);
        else
            i++;
}

static bool ip_headers_join(const struct held *held, const struct arrival *a)
{
    const uint8_t *h = qe_buf_bytes(held->buf), *p = a->data;
    if (a->ipv6) return memcmp(h, p, 4) == 0 && h[7] == p[7];
    if (h[1] != p[1] || h[8] != p[8] || h[6] != p[6]) return false;
    // The ID of a packet that may not be fragmented means nothing (RFC 6864 §4.1). Others are told apart by it, and
    // cutting anew counts up.
    bool dont_fragment = (p[6] & 0x40) != 0;
    if (!dont_fragment && qe_load16(p + 4) != (uint16_t)(qe_load16(h + 4) + held->count)) return false;
    return true;
}

static bool transport_headers_join(const struct held *held, const struct arrival *a)
{
    if (a->udp) return held->count < UDP_COUNT_MAX;
    const uint8_t *h = qe_buf_bytes(held->buf) + held->transport_offset, *p = a->data + a->transport_offset;
    return qe_load32(p + TCP_SEQUENCE) == held->next_sequence && memcmp(h + 8, p + 8, 4) == 0 && // acknowledgement
           memcmp(h + TCP_WINDOW, p + TCP_WINDOW, 2) == 0 && memcmp(h + TCP_URGENT, p + TCP_URGENT, 2) == 0 &&
           memcmp(h + TCP_HEADER, p + TCP_HEADER, (size_t)(a->header_size - a->transport_offset) - TCP_HEADER) == 0;
}

static bool may_join(const struct held *held, const struct arrival *a)
{
    uint32_t payload = a->size - a->header_size;
    return held->header_size == a->header_size && payload <= held->segment_size &&
           held->buf->size + payload <= SIZE_MAX_JOINED && ip_headers_join(held, a) && transport_headers_join(held, a);
}

static bool ip_checksum_holds(const struct arrival *a)
{
    return a->ipv6 || qe_checksum_fold(qe_checksum_add(0, a->data, IPV4_HEADER)) == 0;
}

// Copies the payload to `out` and tells whether the transport checksum was right.
static bool copy_payload(const struct arrival *a, uint64_t pseudo_sum, uint8_t *out)
{
    uint64_t sum = pseudo_sum + (a->size - a->transport_offset);
    sum = qe_checksum_add(sum, a->data + a->transport_offset, (size_t)(a->header_size - a->transport_offset));
    sum = qe_checksum_copy(sum, out, a->data + a->header_size, a->size - a->header_size);
    return qe_checksum_fold(sum) == 0;
}

static bool has_push(const struct arrival *a)
{
    return !a->udp && (a->data[a->transport_offset + TCP_FLAGS] & TCP_PSH) != 0;
}

// Appends the arrival's payload to the one at `index`. False where a checksum is wrong: nothing is changed then.
static bool join(struct qe_coalescer *c, size_t index, const struct arrival *a)
{
    struct held *held = c->order[index];
    uint32_t payload = a->size - a->header_size;
    uint8_t *bytes = qe_buf_bytes(held->buf);
    if (!ip_checksum_holds(a) || !copy_payload(a, held->pseudo_sum, bytes + held->buf->size)) return false;
    held->buf->size += payload;
    held->count++;
    held->next_sequence += payload;
    if (has_push(a)) bytes[held->transport_offset + TCP_FLAGS] |= TCP_PSH;

    bool another_fits = held->buf->size + held->segment_size <= SIZE_MAX_JOINED;
    if (payload < held->segment_size || has_push(a) || !another_fits) {
        emit(c, index);
    } else if (index + 1 != c->count) {
        release(c, index);
        c->order[c->count++] = held;
    }
    return true;
}

// Keeps the arrival as the first of what may follow, or emits it where nothing may. False without a buffer.
static bool hold(struct qe_coalescer *c, const struct arrival *a)
{
    struct qe_buf *buf = c->owner.buf_new(c->owner.user);
    if (!buf) return false;
    assert(a->size <= buf->capacity - buf->offset && buf->capacity - buf->offset >= SIZE_MAX_JOINED);
    uint8_t *bytes = qe_buf_bytes(buf);
    uint64_t pseudo_sum = qe_packet_pseudo_sum(a->data, a->udp ? QE_IPPROTO_UDP : QE_IPPROTO_TCP);
    memcpy(bytes, a->data, a->header_size);
    bool valid = copy_payload(a, pseudo_sum, bytes + a->header_size) && ip_checksum_holds(a);
    buf->size = a->size;
    if (!valid || has_push(a)) {
        struct qe_coalesce_out out = {buf, {.kind = QE_OFFLOAD_NONE, .checksum_valid = valid}};
        c->owner.emit(c->owner.user, &out);
        return true;
    }
    if (c->count == QE_COALESCE_FLOWS) emit(c, 0);
    uint32_t payload = a->size - a->header_size;
    struct held *held = c->order[c->count++];
    *held = (struct held){
        .buf = buf,
        .flow_key = a->flow_key,
        .address_key = a->address_key,
        .pseudo_sum = pseudo_sum,
        .next_sequence = a->udp ? 0 : qe_load32(a->data + a->transport_offset + TCP_SEQUENCE) + payload,
        .count = 1,
        .transport_offset = a->transport_offset,
        .header_size = a->header_size,
        .segment_size = (uint16_t)payload,
        .udp = a->udp,
    };
    return true;
}

bool qe_coalescer_add(struct qe_coalescer *c, struct qe_span packet)
{
    if (packet.size > QE_BUF_SIZE - QE_BUF_HEADROOM) return false;
    struct arrival a = read_arrival(packet);
    if (a.kind == KIND_UNCLEAR) emit_between(c, a.address_key);
    if (a.kind == KIND_ALONE || a.kind == KIND_UNCLEAR) return emit_alone(c, &a);

    size_t index = find(c, &a);
    bool found = index != c->count;
    if (found && a.kind == KIND_JOINABLE && may_join(c->order[index], &a) && join(c, index, &a)) return true;
    if (found) emit(c, index);
    return a.kind == KIND_JOINABLE ? hold(c, &a) : emit_alone(c, &a);
}

void qe_coalescer_flush(struct qe_coalescer *c)
{
    while (c->count != 0)
        emit(c, 0);
}
