#include "replay/redact_packet.h"

#include "replay/redact_invitation.h"

#include "base/cursor.h"
#include "flow/checksum.h"
#include "flow/fragment.h"
#include "flow/packet.h"
#include "wire/relay.h"

#include <string.h>

#define TCP_HEADER_SIZE    20
#define UDP_HEADER_SIZE    8
#define ICMP_HEADER_SIZE   8
#define FRAGMENT_MORE_MASK 0x8000

static void clear(uint8_t *packet, size_t size, size_t from)
{
    if (from < size) memset(packet + from, 0, size - from);
}

// Where a transport header's checksum stands; 0: it has none.
static size_t checksum_place(uint8_t protocol)
{
    switch (protocol) {
    case QE_IPPROTO_TCP:
        return 16;
    case QE_IPPROTO_UDP:
        return 6;
    case QE_IPPROTO_ICMP:
    case QE_IPPROTO_ICMPV6:
        return 2;
    default:
        return 0;
    }
}

static size_t transport_size(uint8_t protocol, const uint8_t *header, size_t size)
{
    size_t tcp = size > 12 ? (size_t)(header[12] >> 4) * 4 : TCP_HEADER_SIZE;
    switch (protocol) {
    case QE_IPPROTO_TCP:
        return tcp < TCP_HEADER_SIZE ? TCP_HEADER_SIZE : tcp;
    case QE_IPPROTO_UDP:
        return UDP_HEADER_SIZE;
    case QE_IPPROTO_ICMP:
    case QE_IPPROTO_ICMPV6:
        return ICMP_HEADER_SIZE;
    default:
        return 0;
    }
}

// The complement of the sum over transport header, payload and pseudo header: 0 where the checksum is right.
static uint16_t verify(const uint8_t *packet, const struct qe_packet_info *info)
{
    size_t size = info->size - info->transport_offset;
    uint64_t sum = info->protocol == QE_IPPROTO_ICMP ? 0 : qe_packet_pseudo_sum(packet, info->protocol) + size;
    return qe_checksum_fold(qe_checksum_add(sum, packet + info->transport_offset, size));
}

static void clear_transport(uint8_t *packet, const struct qe_packet_info *info, bool partial)
{
    uint8_t *transport = packet + info->transport_offset;
    size_t size = info->size - info->transport_offset, place = checksum_place(info->protocol);
    size_t header = transport_size(info->protocol, transport, size);
    bool summed = !partial && !info->more_fragments && place && place + 2 <= size &&
                  !(info->protocol == QE_IPPROTO_UDP && qe_load16(transport + place) == 0);
    bool right = summed && verify(packet, info) == 0;
    clear(transport, size, header);
    if (!summed) return;
    if (right) {
        qe_store16(transport + place, 0);
        uint16_t sum = verify(packet, info);
        qe_store16(transport + place, sum || info->protocol != QE_IPPROTO_UDP ? sum : 0xffff);
    } else if (verify(packet, info) == 0) {
        transport[place] ^= 1;
    }
}

void sim_redact_ip(uint8_t *packet, size_t size, const struct qe_offload *offload)
{
    struct qe_packet_info info;
    if (!qe_packet_parse(qe_span(packet, size), &info)) {
        // A node looks no farther than that either.
        clear(packet, size, size && packet[0] >> 4 == 6 ? 40 : 20);
        return;
    }
    clear(packet, size, info.size);
    if (info.fragment)
        clear(packet, info.size, info.transport_offset);
    else
        clear_transport(packet, &info, offload && offload->needs_checksum);
}

// The 16-bit sum over bytes that stand at this offset of a packet.
static uint16_t sum_at(const uint8_t *bytes, size_t size, size_t offset)
{
    uint16_t sum = (uint16_t)~qe_checksum_fold(qe_checksum_add(0, bytes, size));
    return offset & 1 ? (uint16_t)(sum << 8 | sum >> 8) : sum;
}

// Zeroes a later piece of a packet; its part of the packet's checksum, 16 bits of sum, is all that stays.
static void clear_later_piece(uint8_t *piece, size_t size, size_t offset)
{
    uint16_t sum = sum_at(piece, size, offset);
    size_t at = offset & 1;
    memset(piece, 0, size);
    // Of a few bytes the sum would tell too much.
    if (size >= 16) qe_store16(piece + at, sum);
}

// The first piece of a packet has its headers; the packet's end, and so its checksum, is elsewhere.
static void clear_first_piece(uint8_t *piece, size_t size, enum sim_redact_use use)
{
    size_t ip = size && piece[0] >> 4 == 6 ? 40 : 20;
    if (size <= ip) return;
    uint8_t protocol = ip == 40 ? piece[6] : piece[9];
    if (ip == 20) ip = (size_t)(piece[0] & 15) * 4;
    if (ip >= size || ip < 20) return;
    uint8_t *transport = piece + ip;
    size_t place = checksum_place(protocol), header = transport_size(protocol, transport, size - ip);
    uint16_t sum = header < size - ip ? sum_at(transport + header, size - ip - header, 0) : 0;
    clear(transport, size - ip, header);
    if (!place || place + 2 > size - ip) return;
    uint16_t field = qe_load16(transport + place);
    if (use == SIM_REDACT_COMPARE)
        field = 0;
    else if (field || protocol != QE_IPPROTO_UDP)
        field = qe_checksum_fold((uint64_t)(uint16_t)~field + (uint16_t)~sum);
    qe_store16(transport + place, field);
}

static void clear_fragment(uint8_t *frame, size_t size, enum sim_redact_use use)
{
    if (size <= QE_FRAGMENT_HEADER_SIZE) return;
    size_t offset = qe_load16(frame + 3) & (FRAGMENT_MORE_MASK - 1);
    uint8_t *piece = frame + QE_FRAGMENT_HEADER_SIZE;
    size -= QE_FRAGMENT_HEADER_SIZE;
    if (offset == 0 && piece[0] == QE_FRAME_RELAYED)
        clear(piece, size, QE_RELAYED_HEADER_SIZE);
    else if (offset == 0)
        clear_first_piece(piece, size, use);
    else if (use == SIM_REDACT_COMPARE)
        memset(piece, 0, size);
    else
        clear_later_piece(piece, size, offset);
}

static void clear_relayed(uint8_t *frame, size_t size, const struct sim_redact_inside *inside)
{
    if (inside && size > QE_RELAYED_HEADER_SIZE)
        inside->redact(inside->user, frame + QE_RELAYED_HEADER_SIZE, size - QE_RELAYED_HEADER_SIZE);
    else
        clear(frame, size, QE_RELAYED_HEADER_SIZE);
}

static void clear_datagram(uint8_t *frame, size_t size, enum sim_redact_use use, const struct sim_redact_inside *inside)
{
    if (size == 0) return;
    if (frame[0] >> 4 == 4 || frame[0] >> 4 == 6)
        sim_redact_ip(frame, size, NULL);
    else if (frame[0] == QE_FRAME_FRAGMENT)
        clear_fragment(frame, size, use);
    else if (frame[0] == QE_FRAME_RELAYED)
        clear_relayed(frame, size, inside);
    else if (frame[0] != QE_FRAME_ECHO && frame[0] != QE_FRAME_ECHO_REPLY)
        clear(frame, size, 1);
}

// RFC 9000 §16.
static uint64_t read_integer(struct qe_reader *r)
{
    uint8_t first = qe_read8(r);
    uint64_t v = first & 0x3f;
    for (size_t more = ((size_t)1 << (first >> 6)) - 1; more > 0; more--)
        v = v << 8 | qe_read8(r);
    return v;
}

static void skip_integers(struct qe_reader *r, size_t count)
{
    while (count-- > 0)
        read_integer(r);
}

static void skip_bytes(struct qe_reader *r, uint64_t size)
{
    if (size > qe_reader_left(r))
        r->failed = true;
    else
        qe_read_bytes(r, (size_t)size);
}

static void skip_ack(struct qe_reader *r, bool ecn)
{
    skip_integers(r, 2);
    uint64_t ranges = read_integer(r);
    read_integer(r);
    for (; ranges > 0 && !r->failed; ranges--)
        skip_integers(r, 2);
    if (ecn) skip_integers(r, 3);
}

// A frame's content that is cleared, or passed over: `size` bytes of what is left, or all of it.
static uint8_t *content(struct qe_reader *r, bool sized, size_t *size)
{
    uint64_t wanted = sized ? read_integer(r) : qe_reader_left(r);
    uint8_t *at = (uint8_t *)(uintptr_t)r->at;
    skip_bytes(r, wanted);
    *size = r->failed ? 0 : (size_t)wanted;
    return at;
}

// One frame of RFC 9000 §19 or RFC 9221 §4; the reader fails at anything else.
static void redact_frame(struct qe_reader *r, enum sim_redact_use use, const struct sim_redact_inside *inside)
{
    size_t size;
    uint8_t *at;
    uint64_t type = read_integer(r);
    switch (type) {
    case 0x00: // PADDING
    case 0x01: // PING
    case 0x1e: // HANDSHAKE_DONE
        break;
    case 0x02: // ACK
    case 0x03:
        skip_ack(r, type == 0x03);
        break;
    case 0x04: // RESET_STREAM
        skip_integers(r, 3);
        break;
    case 0x05: // STOP_SENDING
    case 0x11: // MAX_STREAM_DATA
    case 0x15: // STREAM_DATA_BLOCKED
        skip_integers(r, 2);
        break;
    case 0x06: // CRYPTO
        read_integer(r);
        at = content(r, true, &size);
        if (size) memset(at, 0, size);
        break;
    case 0x07: // NEW_TOKEN
        content(r, true, &size);
        break;
    case 0x10: // MAX_DATA
    case 0x12: // MAX_STREAMS
    case 0x13:
    case 0x14: // DATA_BLOCKED
    case 0x16: // STREAMS_BLOCKED
    case 0x17:
    case 0x19: // RETIRE_CONNECTION_ID
        read_integer(r);
        break;
    case 0x18: // NEW_CONNECTION_ID
        skip_integers(r, 2);
        skip_bytes(r, (uint64_t)qe_read8(r) + 16);
        break;
    case 0x1a: // PATH_CHALLENGE
    case 0x1b: // PATH_RESPONSE
        skip_bytes(r, 8);
        break;
    case 0x1c: // CONNECTION_CLOSE
    case 0x1d:
        skip_integers(r, type == 0x1c ? 2 : 1);
        content(r, true, &size);
        break;
    case 0x30: // DATAGRAM
    case 0x31:
        at = content(r, type == 0x31, &size);
        clear_datagram(at, size, use, inside);
        break;
    default:
        if (type < 0x08 || type > 0x0f) {
            r->failed = true;
            break;
        }
        // STREAM: control messages, which say nothing of what programs send
        skip_integers(r, type & 0x04 ? 2 : 1);
        at = content(r, (type & 0x02) != 0, &size);
        sim_redact_joins(at, size);
    }
}

void sim_redact_frames(uint8_t *plain, size_t size, enum sim_redact_use use, const struct sim_redact_inside *inside)
{
    struct qe_reader r = qe_reader(qe_span(plain, size));
    const uint8_t *at = r.at;
    while (!r.failed && qe_reader_left(&r) > 0) {
        at = r.at;
        redact_frame(&r, use, inside);
    }
    // What is no frame is refused by whoever reads it, from its type on.
    if (r.failed) clear(plain, size, (size_t)(at - plain) + 1);
}
