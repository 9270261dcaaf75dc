#include "traffic/rewrite.h"

#include "engine/digest.h"
#include "traffic/inner.h"

#include <string.h>

enum {
    HOP_BY_HOP = 0,
    ICMP = 1,
    TCP = 6,
    UDP = 17,
    FRAGMENT = 44,
    ICMP6 = 58,
    DESTINATION = 60,
};

// Where the transport header is.
struct layout {
    bool six;
    uint8_t protocol;
    size_t start;
    bool is_fragment;       // has not the whole datagram
    bool is_first_fragment; // but its beginning
};

// Steps over IPv6 extension headers that only stand in the way.
static void step_over(struct qe_span ip, struct layout *l)
{
    while ((l->protocol == HOP_BY_HOP || l->protocol == DESTINATION) && ip.size >= l->start + 8) {
        l->protocol = ip.data[l->start];
        l->start += ((size_t)ip.data[l->start + 1] + 1) * 8;
    }
    if (l->protocol != FRAGMENT || ip.size < l->start + 8) return;
    uint16_t place = qe_load16(ip.data + l->start + 2);
    l->is_fragment = true;
    l->is_first_fragment = place >> 3 == 0;
    l->protocol = ip.data[l->start];
    l->start += 8;
}

static bool look(struct qe_span ip, struct layout *l)
{
    *l = (struct layout){0};
    if (ip.size >= 40 && ip.data[0] >> 4 == 6) {
        l->six = true;
        l->protocol = ip.data[6];
        l->start = 40;
        step_over(ip, l);
        return true;
    }
    if (ip.size < 20 || ip.data[0] >> 4 != 4) return false;
    l->protocol = ip.data[9];
    l->start = (size_t)(ip.data[0] & 15) * 4;
    l->is_fragment = (qe_load16(ip.data + 6) & 0x3FFF) != 0;
    l->is_first_fragment = (qe_load16(ip.data + 6) & 0x1FFF) == 0;
    return l->start >= 20 && l->start <= ip.size;
}

static uint16_t fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)sum;
}

static size_t checksum_offset(uint8_t protocol)
{
    return protocol == TCP ? 16 : protocol == UDP ? 6 : 2;
}

static bool has_checksum(const struct layout *l)
{
    return l->protocol == TCP || l->protocol == UDP || l->protocol == (l->six ? ICMP6 : ICMP);
}

// The sum of the addresses, which is in the checksum of everything but ICMP of IPv4.
static uint64_t address_sum(const uint8_t *packet, bool six)
{
    return six ? sim_inner_sum(packet + 8, 32) : sim_inner_sum(packet + 12, 8);
}

static void fix_transport(const struct layout *l, uint8_t *out, size_t size, uint64_t old_addresses)
{
    uint8_t *field = out + l->start + checksum_offset(l->protocol);
    if (!has_checksum(l) || size < l->start + checksum_offset(l->protocol) + 2) return;
    if (l->protocol == UDP && !l->six && qe_load16(field) == 0) return; // none was wanted
    bool has_pseudo = l->protocol != ICMP;
    uint16_t sum;
    if (l->is_fragment) {
        if (!l->is_first_fragment || !has_pseudo) return;
        // RFC 1624: the complement of the old sum, less the old addresses, plus the new ones.
        uint16_t less = (uint16_t)~fold(old_addresses);
        sum = fold((uint64_t)(uint16_t)~qe_load16(field) + less + address_sum(out, l->six));
    } else {
        qe_store16(field, 0);
        uint64_t all = sim_inner_sum(out + l->start, size - l->start);
        if (has_pseudo) all += address_sum(out, l->six) + l->protocol + (uint64_t)(size - l->start);
        sum = fold(all);
    }
    uint16_t checksum = (uint16_t)~sum;
    qe_store16(field, l->protocol == UDP && !checksum ? 0xFFFF : checksum);
}

size_t sim_rewrite(struct qe_span ip, uint32_t total_size, const struct qe_ip *source, const struct qe_ip *destination,
    uint8_t out[SIM_REWRITE_MAX])
{
    struct layout l;
    size_t size = total_size > ip.size ? total_size : ip.size;
    if (!look(ip, &l) || size > SIM_REWRITE_MAX) return 0;
    memcpy(out, ip.data, ip.size);
    memset(out + ip.size, 0, size - ip.size);
    uint64_t old_addresses = address_sum(out, l.six);
    if (l.six) {
        memcpy(out + 8, source->bytes, 16);
        memcpy(out + 24, destination->bytes, 16);
        qe_store16(out + 4, (uint16_t)(size - 40));
    } else {
        memcpy(out + 12, source->bytes, 4);
        memcpy(out + 16, destination->bytes, 4);
        qe_store16(out + 2, (uint16_t)size);
        qe_store16(out + 10, 0);
        qe_store16(out + 10, (uint16_t)~fold(sim_inner_sum(out, (size_t)(out[0] & 15) * 4)));
    }
    fix_transport(&l, out, size, old_addresses);
    return size;
}

uint64_t sim_rewrite_identity(struct qe_span packet)
{
    struct layout l;
    uint8_t head[16] = {0}, digest[SIM_DIGEST_SIZE];
    if (!look(packet, &l) || l.start > packet.size) return 0;
    struct qe_span rest = qe_span(packet.data + l.start, packet.size - l.start);
    size_t header = 0;
    head[0] = l.protocol;
    head[1] = l.six;
    // Ports, and of TCP sequence and acknowledgement: flags and options may move when segments are merged and cut.
    if (!l.is_fragment && l.protocol == TCP && rest.size >= 20) {
        header = (size_t)(rest.data[12] >> 4) * 4;
        memcpy(head + 2, rest.data, 12);
    } else if (!l.is_fragment && l.protocol == UDP && rest.size >= 8) {
        header = 8;
        memcpy(head + 2, rest.data, 4);
    } else if (!l.is_fragment && has_checksum(&l) && rest.size >= 4) {
        header = 4;
        memcpy(head + 2, rest.data, 2);
    }
    if (header > rest.size) header = rest.size;
    sim_digest(rest.data + header, rest.size - header, digest);
    uint64_t identity = qe_load64(digest);
    sim_digest(head, sizeof(head), digest);
    identity ^= qe_load64(digest);
    return identity ? identity : 1;
}
