// Cuts super-packets. What all segments share is summed once when the packet comes in; each segment then costs a patch
// of a few header fields and one pass over its own payload for the checksum.
#include "flow/segment.h"

#include "base/mutants.h"
#include "flow/packet.h"

#include <assert.h>

enum { IPV4_HEADER = 20, IPV6_HEADER = 40, TCP_HEADER = 20, UDP_HEADER = 8 };
enum { TCP_SEQUENCE = 4, TCP_FLAGS = 13, TCP_CHECKSUM = 16, UDP_LENGTH = 4, UDP_CHECKSUM = 6 };
enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };

static bool is_tcp(const struct qe_segmenter *s)
{
    return s->offload.kind == QE_OFFLOAD_TCP4 || s->offload.kind == QE_OFFLOAD_TCP6;
}

static bool is_ipv4(const struct qe_segmenter *s)
{
    return s->offload.kind == QE_OFFLOAD_TCP4 || s->offload.kind == QE_OFFLOAD_UDP4;
}

// Where the transport header starts, or 0 where the packet is not what the offload says. The IPv4 total length is not
// looked at: segments get lengths of their own.
static size_t find_transport4(struct qe_span packet, uint8_t protocol)
{
    const uint8_t *p = packet.data;
    if (packet.size < IPV4_HEADER || p[0] >> 4 != 4 || p[9] != protocol) return 0;
    size_t header = (p[0] & 0x0fu) * 4;
    bool is_fragment = (qe_load16(p + 6) & 0x3fff) != 0;
    return header < IPV4_HEADER || header > packet.size || is_fragment ? 0 : header;
}

// Only options may stand between (RFC 8200 §4): a routing header would change the pseudo-header's destination, and a
// fragment cannot be cut.
static size_t find_transport6(struct qe_span packet, uint8_t protocol)
{
    const uint8_t *p = packet.data;
    if (packet.size < IPV6_HEADER || p[0] >> 4 != 6) return 0;
    uint8_t next = p[6];
    size_t at = IPV6_HEADER;
    while (next != protocol) {
        if ((next != 0 && next != 60) || packet.size < at + 8) return 0;
        next = p[at];
        at += (p[at + 1] + 1u) * 8;
    }
    return at > packet.size ? 0 : at;
}

// Finds the headers of a packet that is to be cut. False where they are not as the offload says.
static bool find_headers(struct qe_segmenter *s)
{
    struct qe_span packet = s->packet;
    uint8_t protocol = is_tcp(s) ? QE_IPPROTO_TCP : QE_IPPROTO_UDP;
    if (s->offload.segment_size == 0) return false;
    size_t at = is_ipv4(s) ? find_transport4(packet, protocol) : find_transport6(packet, protocol);
    if (at == 0 || packet.size - at < (is_tcp(s) ? TCP_HEADER : UDP_HEADER)) return false;
    size_t header = at + (is_tcp(s) ? (packet.data[at + 12] >> 4) * 4u : UDP_HEADER);
    if (is_tcp(s) && header < at + TCP_HEADER) return false;
    // Every segment has at least a byte of payload, so a super-packet without any is none.
    if (header >= packet.size || header > QE_SEGMENT_HEADER_MAX) return false;
    if (s->offload.needs_checksum && s->offload.checksum_start != at) return false;
    s->transport_offset = (uint16_t)at;
    s->header_size = (uint16_t)header;
    return true;
}

// Copies the headers and sums what no segment changes. Fields that differ are zero in the copy for that.
static void prepare_header(struct qe_segmenter *s)
{
    uint8_t *ip = s->header, *transport = s->header + s->transport_offset;
    memcpy(s->header, s->packet.data, s->header_size);
    if (is_ipv4(s)) {
        memset(ip + 2, 0, 4); // total length, identification
        memset(ip + 10, 0, 2);
        s->ip_sum = qe_checksum_add(0, ip, s->transport_offset);
    }
    if (is_tcp(s)) {
        memset(transport + TCP_SEQUENCE, 0, 4);
        transport[TCP_FLAGS] = 0;
        memset(transport + TCP_CHECKSUM, 0, 2);
    } else {
        memset(transport + UDP_LENGTH, 0, 4); // length, checksum
    }
    s->transport_sum = qe_packet_pseudo_sum(ip, is_tcp(s) ? QE_IPPROTO_TCP : QE_IPPROTO_UDP);
    s->transport_sum = qe_checksum_add(s->transport_sum, transport, (size_t)(s->header_size - s->transport_offset));
}

bool qe_segmenter_init(struct qe_segmenter *s, uint8_t *packet, size_t size, const struct qe_offload *offload)
{
    // The header is left as it is: it is written where it is needed.
    s->offload = *offload;
    s->packet = qe_span(packet, size);
    s->done = s->index = s->pending = 0;
    s->header_size = s->transport_offset = 0;
    s->taken_whole = false;
    s->ip_sum = s->transport_sum = 0;
    if (offload->kind == QE_OFFLOAD_NONE)
        return size != 0 && size <= UINT32_MAX && qe_packet_finish_checksum(packet, size, offload);
    // A segment must not outgrow the 16-bit length fields.
    if (offload->kind > QE_OFFLOAD_UDP6 || size > 2 * (size_t)UINT16_MAX || !find_headers(s)) return false;
    if (s->header_size + (size_t)offload->segment_size > UINT16_MAX) return false;
    prepare_header(s);
    return true;
}

static uint32_t payload_size(const struct qe_segmenter *s)
{
    return (uint32_t)s->packet.size - s->header_size;
}

static void write_ip(struct qe_segmenter *s, uint16_t size)
{
    uint8_t *ip = s->header;
    if (!is_ipv4(s)) {
        qe_store16(ip + 4, (uint16_t)(size - IPV6_HEADER));
        return;
    }
    uint16_t id = (uint16_t)(qe_load16(s->packet.data + 4) + s->index);
    qe_store16(ip + 2, size);
    qe_store16(ip + 4, id);
    qe_store16(ip + 10, qe_checksum_fold(s->ip_sum + size + id));
}

static void write_tcp(struct qe_segmenter *s, uint32_t chunk, uint64_t sum)
{
    uint8_t *tcp = s->header + s->transport_offset;
    const uint8_t *whole = s->packet.data + s->transport_offset;
    uint32_t sequence = qe_load32(whole + TCP_SEQUENCE) + s->done;
    uint8_t flags = whole[TCP_FLAGS];
    if (s->done + chunk < payload_size(s)) flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    if (s->index != 0) flags &= (uint8_t)~TCP_CWR;
    qe_store32(tcp + TCP_SEQUENCE, sequence);
    tcp[TCP_FLAGS] = flags;
    sum += (sequence >> 16) + (sequence & 0xffff) + flags;
    qe_store16(tcp + TCP_CHECKSUM, qe_checksum_fold(sum));
}

static void write_udp(struct qe_segmenter *s, uint32_t chunk, uint64_t sum)
{
    uint8_t *udp = s->header + s->transport_offset;
    uint16_t length = (uint16_t)((QE_MUTANT(segment_length) ? 0 : UDP_HEADER) + chunk);
    qe_store16(udp + UDP_LENGTH, length);
    // The length is in the header as well as in the pseudo-header.
    uint16_t checksum = qe_checksum_fold(sum + (QE_MUTANT(segment_checksum) ? 0 : length));
    qe_store16(udp + UDP_CHECKSUM, checksum == 0 ? 0xffff : checksum);
}

// Makes the header of a segment of `chunk` payload bytes from where the last one ended.
static void write_header(struct qe_segmenter *s, uint32_t chunk)
{
    uint16_t size = (uint16_t)(s->header_size + chunk);
    uint64_t sum = s->transport_sum + (uint64_t)(size - s->transport_offset);
    sum = qe_checksum_add(sum, s->packet.data + s->header_size + s->done, chunk);
    write_ip(s, size);
    if (is_tcp(s))
        write_tcp(s, chunk, sum);
    else
        write_udp(s, chunk, sum);
}

static int next_whole(struct qe_segmenter *s, size_t size_max, struct qe_span pieces[2])
{
    if (s->taken_whole) return 0;
    pieces[0] = s->packet;
    pieces[1] = qe_span(NULL, 0);
    s->pending = (uint32_t)s->packet.size;
    return s->packet.size <= size_max ? 1 : -1;
}

int qe_segmenter_next(struct qe_segmenter *s, size_t size_max, struct qe_span pieces[2])
{
    if (s->header_size == 0) return next_whole(s, size_max, pieces);
    uint32_t chunk = payload_size(s) - s->done;
    if (chunk == 0) return 0;
    if (chunk > s->offload.segment_size) chunk = s->offload.segment_size + (QE_MUTANT(segment_size) ? 1u : 0u);
    bool fits = s->header_size + (size_t)chunk <= size_max;
    if (!fits && is_tcp(s) && size_max > s->header_size) {
        chunk = (uint32_t)(size_max - s->header_size);
        fits = true;
    }
    // Offered before and not taken, most often because the path could not: the header stands ready.
    if (chunk != s->pending) write_header(s, chunk);
    s->pending = chunk;
    pieces[0] = qe_span(s->header, s->header_size);
    pieces[1] = qe_span(s->packet.data + s->header_size + s->done, chunk);
    return fits ? 2 : -1;
}

void qe_segmenter_taken(struct qe_segmenter *s)
{
    assert(s->pending != 0);
    if (s->header_size == 0)
        s->taken_whole = true;
    else
        s->done += s->pending;
    s->index++;
    s->pending = 0;
}

bool qe_segmenter_finished(const struct qe_segmenter *s)
{
    return s->header_size == 0 ? s->taken_whole : s->done == payload_size(s);
}
