// Addresses as values, and their text forms. Parsers accept exactly one value and nothing around it; formatters write
// the one canonical text (RFC 5952), so that equal addresses have equal texts.
#include "base/addr.h"

#include <stdio.h>
#include <string.h>

struct qe_ip qe_ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (struct qe_ip){4, {a, b, c, d}};
}

struct qe_ip qe_ip4_from_u32(uint32_t v)
{
    return qe_ip4((uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v);
}

uint32_t qe_ip4_to_u32(const struct qe_ip *ip)
{
    return (uint32_t)ip->bytes[0] << 24 | (uint32_t)ip->bytes[1] << 16 | (uint32_t)ip->bytes[2] << 8 | ip->bytes[3];
}

struct qe_ip qe_ip6(const uint8_t bytes[16])
{
    struct qe_ip ip = {6, {0}};
    memcpy(ip.bytes, bytes, 16);
    return ip;
}

int qe_ip_compare(const struct qe_ip *a, const struct qe_ip *b)
{
    if (a->family != b->family) return a->family < b->family ? -1 : 1;
    return memcmp(a->bytes, b->bytes, 16);
}

bool qe_ip_equal(const struct qe_ip *a, const struct qe_ip *b)
{
    return qe_ip_compare(a, b) == 0;
}

bool qe_addr_equal(const struct qe_addr *a, const struct qe_addr *b)
{
    return a->port == b->port && a->scope == b->scope && qe_ip_equal(&a->ip, &b->ip);
}

size_t qe_ip_size(const struct qe_ip *ip)
{
    return ip->family == 4 ? 4 : 16;
}

bool qe_ip_is_unspecified(const struct qe_ip *ip)
{
    static const uint8_t zero[16];
    return memcmp(ip->bytes, zero, 16) == 0;
}

bool qe_ip_is_multicast(const struct qe_ip *ip)
{
    return ip->family == 4 ? ip->bytes[0] >> 4 == 14 : ip->bytes[0] == 0xff;
}

bool qe_ip_is_loopback(const struct qe_ip *ip)
{
    static const uint8_t one[16] = {[15] = 1};
    return ip->family == 4 ? ip->bytes[0] == 127 : memcmp(ip->bytes, one, 16) == 0;
}

bool qe_ip_is_link_local(const struct qe_ip *ip)
{
    if (ip->family == 4) return ip->bytes[0] == 169 && ip->bytes[1] == 254;
    return ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    if (memcmp(a, b, bits / 8) != 0) return false;
    if (bits % 8 == 0) return true;
    return (a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8) == 0;
}

bool qe_cidr_contains(const struct qe_cidr *net, const struct qe_ip *ip)
{
    return net->ip.family == ip->family && same_prefix(net->ip.bytes, ip->bytes, net->bits);
}

bool qe_cidr_overlaps(const struct qe_cidr *a, const struct qe_cidr *b)
{
    return a->bits <= b->bits ? qe_cidr_contains(a, &b->ip) : qe_cidr_contains(b, &a->ip);
}

struct qe_cidr qe_cidr_network(struct qe_cidr c)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned kept = c.bits > i * 8 ? c.bits - i * 8 : 0;
        if (kept < 8) c.ip.bytes[i] &= (uint8_t)(0xff00 >> kept);
    }
    return c;
}

// Reads a decimal number of at most `max` without sign or leading zeros; NULL where there is none.
static const char *parse_decimal(const char *p, uint64_t max, uint64_t *out)
{
    if (*p < '0' || *p > '9' || (*p == '0' && p[1] >= '0' && p[1] <= '9')) return NULL;
    uint64_t v = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        v = v * 10 + (uint64_t)(*p - '0');
        if (v > max) return NULL;
    }
    *out = v;
    return p;
}

static const char *parse_ip4(const char *p, uint8_t out[4])
{
    for (int i = 0; i < 4; i++) {
        uint64_t octet;
        if (i && *p++ != '.') return NULL;
        p = parse_decimal(p, 255, &octet);
        if (!p) return NULL;
        out[i] = (uint8_t)octet;
    }
    return p;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// RFC 4291 §2.2: up to eight groups, one "::", and a dotted quad as the last two groups.
static const char *parse_ip6(const char *p, uint8_t out[16])
{
    uint8_t head[16] = {0}, tail[16] = {0};
    size_t head_size = 0, tail_size = 0;
    bool gap = false;

    if (p[0] == ':') {
        if (p[1] != ':') return NULL;
        gap = true;
        p += 2;
    }
    while (hex_digit(*p) >= 0) {
        uint8_t *to = gap ? tail : head;
        size_t *size = gap ? &tail_size : &head_size;
        uint8_t quad[4];
        const char *after = parse_ip4(p, quad);
        if (after && head_size + tail_size <= 12) {
            memcpy(to + *size, quad, 4);
            *size += 4;
            p = after;
            break;
        }
        unsigned v = 0;
        int digits = 0;
        for (; hex_digit(*p) >= 0; p++, digits++) {
            if (digits == 4) return NULL;
            v = v << 4 | (unsigned)hex_digit(*p);
        }
        if (head_size + tail_size >= 16) return NULL;
        to[(*size)++] = (uint8_t)(v >> 8);
        to[(*size)++] = (uint8_t)v;
        if (*p != ':') break;
        if (p[1] == ':') {
            if (gap) return NULL;
            gap = true;
            p += 2;
        } else if (hex_digit(p[1]) >= 0) {
            p++;
        } else {
            return NULL;
        }
    }
    if (gap ? head_size + tail_size > 14 : head_size != 16) return NULL;
    memset(out, 0, 16);
    memcpy(out, head, head_size);
    memcpy(out + 16 - tail_size, tail, tail_size);
    return p;
}

static const char *parse_any(const char *p, struct qe_ip *out)
{
    uint8_t bytes[16];
    const char *end = parse_ip4(p, bytes);
    if (end) {
        *out = qe_ip4(bytes[0], bytes[1], bytes[2], bytes[3]);
        return end;
    }
    end = parse_ip6(p, bytes);
    if (end) *out = qe_ip6(bytes);
    return end;
}

bool qe_ip_parse(const char *text, struct qe_ip *out)
{
    struct qe_ip ip;
    const char *end = parse_any(text, &ip);
    if (!end || *end) return false;
    *out = ip;
    return true;
}

bool qe_addr_parse(const char *text, struct qe_addr *out)
{
    struct qe_addr addr = {{0, {0}}, 0, 0};
    uint64_t number;
    bool bracket = *text == '[';
    const char *p = parse_any(text + bracket, &addr.ip);
    if (!p || addr.ip.family != (bracket ? 6 : 4)) return false;
    if (bracket) {
        if (*p == '%') {
            p = parse_decimal(p + 1, UINT32_MAX, &number);
            if (!p) return false;
            addr.scope = (uint32_t)number;
        }
        if (*p++ != ']') return false;
    }
    if (*p++ != ':') return false;
    p = parse_decimal(p, UINT16_MAX, &number);
    if (!p || *p) return false;
    addr.port = (uint16_t)number;
    *out = addr;
    return true;
}

bool qe_cidr_parse(const char *text, struct qe_cidr *out)
{
    struct qe_cidr cidr = {{0, {0}}, 0};
    const char *p = parse_any(text, &cidr.ip);
    if (!p) return false;
    uint64_t bits = cidr.ip.family == 4 ? 32 : 128;
    if (*p == '/') p = parse_decimal(p + 1, bits, &bits);
    if (!p || *p) return false;
    cidr.bits = (uint8_t)bits;
    *out = cidr;
    return true;
}

// RFC 5952 §4: lower case, no leading zeros, the longest run of at least two zero groups (the first of equals) as "::",
// and mapped addresses with a dotted quad (§5).
static size_t format_ip6(const uint8_t *b, char *out, size_t size)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (memcmp(b, mapped, 12) == 0)
        return (size_t)snprintf(out, size, "::ffff:%u.%u.%u.%u", b[12], b[13], b[14], b[15]);

    int best = -1, best_length = 1;
    for (int i = 0; i < 8; i++) {
        int length = 0;
        while (i + length < 8 && b[(i + length) * 2] == 0 && b[(i + length) * 2 + 1] == 0)
            length++;
        if (length > best_length) {
            best = i;
            best_length = length;
        }
        if (length > 0) i += length - 1;
    }
    size_t n = 0;
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            n += (size_t)snprintf(out + n, size - n, "::");
            i += best_length - 1;
            continue;
        }
        const char *colon = i == 0 || i == best + best_length ? "" : ":";
        if (best < 0) colon = i == 0 ? "" : ":";
        n += (size_t)snprintf(out + n, size - n, "%s%x", colon, (unsigned)(b[i * 2] << 8 | b[i * 2 + 1]));
    }
    return n;
}

static size_t format_ip(const struct qe_ip *ip, char *out, size_t size)
{
    const uint8_t *b = ip->bytes;
    if (ip->family == 4) return (size_t)snprintf(out, size, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
    if (ip->family == 6) return format_ip6(b, out, size);
    return (size_t)snprintf(out, size, "-");
}

const char *qe_ip_format(const struct qe_ip *ip, char out[QE_ADDR_TEXT_SIZE])
{
    format_ip(ip, out, QE_ADDR_TEXT_SIZE);
    return out;
}

const char *qe_addr_format(const struct qe_addr *addr, char out[QE_ADDR_TEXT_SIZE])
{
    size_t n = 0, size = QE_ADDR_TEXT_SIZE;
    bool six = addr->ip.family == 6;
    if (six) out[n++] = '[';
    n += format_ip(&addr->ip, out + n, size - n);
    if (six && addr->scope) n += (size_t)snprintf(out + n, size - n, "%%%u", (unsigned)addr->scope);
    snprintf(out + n, size - n, "%s:%u", six ? "]" : "", addr->port);
    return out;
}

const char *qe_cidr_format(const struct qe_cidr *cidr, char out[QE_ADDR_TEXT_SIZE])
{
    size_t n = format_ip(&cidr->ip, out, QE_ADDR_TEXT_SIZE);
    snprintf(out + n, QE_ADDR_TEXT_SIZE - n, "/%u", cidr->bits);
    return out;
}
