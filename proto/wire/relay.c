#include "wire/relay.h"

#include "base/cursor.h"

static const uint8_t prefix[8] = {0x01, 0x00};

// The port means nothing; 0 would be none.
#define CIRCUIT_PORT 1

static void write24(struct qe_writer *w, uint32_t value)
{
    qe_write8(w, (uint8_t)(value >> 16));
    qe_write16(w, (uint16_t)value);
}

static uint32_t read24(struct qe_reader *r)
{
    uint32_t high = qe_read8(r);
    return high << 16 | qe_read16(r);
}

size_t qe_relay_encode(const struct qe_relay_message *message, uint8_t *out, size_t size)
{
    struct qe_writer w = qe_writer(out, size);
    qe_write16(&w, 0);
    qe_write8(&w, (uint8_t)message->type);
    write24(&w, message->circuit);
    if (message->type == QE_MESSAGE_RELAY_OPEN || message->type == QE_MESSAGE_RELAY_OFFER)
        qe_write_bytes(&w, message->node.bytes, sizeof message->node.bytes);
    else if (message->type == QE_MESSAGE_RELAY_CLOSE)
        qe_write8(&w, (uint8_t)message->why);
    else if (message->type == QE_MESSAGE_RELAY_QUIET)
        qe_write8(&w, message->quiet);
    if (w.failed) return 0;
    qe_store16(out, (uint16_t)(qe_writer_size(&w) - 2));
    return qe_writer_size(&w);
}

bool qe_relay_decode(enum qe_message_type type, struct qe_span body, struct qe_relay_message *message)
{
    struct qe_reader r = qe_reader(body);
    struct qe_relay_message m = {.type = type, .circuit = read24(&r)};
    uint8_t code = 0;
    switch (type) {
    case QE_MESSAGE_RELAY_OPEN:
    case QE_MESSAGE_RELAY_OFFER:
        qe_read_copy(&r, m.node.bytes, sizeof m.node.bytes);
        break;
    case QE_MESSAGE_RELAY_ACCEPT:
        break;
    case QE_MESSAGE_RELAY_CLOSE:
        code = qe_read8(&r);
        m.why = code < QE_RELAY_END_TIMEOUT ? (enum qe_relay_end)code : QE_RELAY_END_REFUSED;
        break;
    case QE_MESSAGE_RELAY_QUIET:
        code = qe_read8(&r);
        m.quiet = code != 0;
        if (code > 1) return false;
        break;
    default:
        return false;
    }
    if (r.failed || m.circuit > QE_CIRCUIT_MAX) return false;
    *message = m;
    return true;
}

const char *qe_relay_end_text(enum qe_relay_end why)
{
    switch (why) {
    case QE_RELAY_END_DONE:
        return "not needed any more";
    case QE_RELAY_END_REFUSED:
        return "the gateway does not relay for this node";
    case QE_RELAY_END_UNREACHABLE:
        return "the gateway is not connected to the peer";
    case QE_RELAY_END_UNWANTED:
        return "the peer does not want it";
    case QE_RELAY_END_LIMIT:
        return "the gateway relays as much as it may";
    case QE_RELAY_END_UNKNOWN:
        return "the gateway has forgotten it";
    case QE_RELAY_END_TIMEOUT:
        return "no answer";
    }
    return "?";
}

void qe_relayed_header(uint32_t circuit, bool whole, uint8_t out[QE_RELAYED_HEADER_SIZE])
{
    qe_store32(out, (uint32_t)QE_FRAME_RELAYED << 24 | (whole ? QE_RELAYED_WHOLE : 0) | circuit);
}

bool qe_relayed_read(struct qe_span frame, uint32_t *circuit, bool *whole, struct qe_span *packet)
{
    if (frame.size <= QE_RELAYED_HEADER_SIZE || frame.size > QE_RELAYED_HEADER_SIZE + QE_RELAYED_PACKET_MAX)
        return false;
    uint32_t header = qe_load32(frame.data);
    if (header >> 24 != QE_FRAME_RELAYED) return false;
    *circuit = header & QE_CIRCUIT_MAX;
    *whole = (header & QE_RELAYED_WHOLE) != 0;
    *packet = qe_span(frame.data + QE_RELAYED_HEADER_SIZE, frame.size - QE_RELAYED_HEADER_SIZE);
    return true;
}

struct qe_addr qe_circuit_addr(uint32_t gateway, uint32_t circuit)
{
    struct qe_addr addr = {.ip.family = 6, .port = CIRCUIT_PORT};
    memcpy(addr.ip.bytes, prefix, sizeof prefix);
    qe_store32(addr.ip.bytes + 8, gateway);
    qe_store32(addr.ip.bytes + 12, circuit);
    return addr;
}

bool qe_circuit_is_addr(const struct qe_ip *ip)
{
    return ip->family == 6 && memcmp(ip->bytes, prefix, sizeof prefix) == 0;
}

uint32_t qe_circuit_gateway(const struct qe_addr *addr)
{
    return qe_load32(addr->ip.bytes + 8);
}

uint32_t qe_circuit_number(const struct qe_addr *addr)
{
    return qe_load32(addr->ip.bytes + 12);
}
