// Keeps true: a value that passes here needs no second look. Nothing is resolved, opened or asked for; only the text
// counts.
#include "config/check.h"

#include "identity/identity.h"

#include <stdio.h>
#include <string.h>

#define PATH_SIZE_MAX 4095

const char *qe_check_name(const char *text)
{
    if (qe_name_valid(text)) return NULL;
    return "a name: 1 to 63 of a-z, 0-9, '_' and '-', and not a node ID";
}

const char *qe_check_interface(const char *text)
{
    static const char expected[] = "an interface name: 1 to 15 printable characters without '/', ':', '%' or a space";
    size_t size = strlen(text);
    if (size < 1 || size > 15 || strcmp(text, ".") == 0 || strcmp(text, "..") == 0) return expected;
    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] > '~' || strchr("/:%", text[i])) return expected;
    return NULL;
}

const char *qe_check_path(const char *text)
{
    size_t size = strlen(text);
    return text[0] == '/' && size > 1 && size <= PATH_SIZE_MAX ? NULL : "an absolute path";
}

const char *qe_check_log_level(const char *text, enum qe_log_level *out)
{
    static const char *const levels[] = {
        [QE_LOG_ERROR] = "error", [QE_LOG_WARN] = "warn", [QE_LOG_INFO] = "info", [QE_LOG_DEBUG] = "debug"};
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
        if (strcmp(text, levels[i]) == 0) {
            *out = (enum qe_log_level)i;
            return NULL;
        }
    return "\"error\", \"warn\", \"info\" or \"debug\"";
}

static bool usable(const struct qe_ip *ip)
{
    return !qe_ip_is_unspecified(ip) && !qe_ip_is_multicast(ip) &&
           !(ip->family == 4 && qe_ip4_to_u32(ip) == UINT32_MAX);
}

const char *qe_check_tun_addr(const char *text, struct qe_cidr *out)
{
    static const char expected[] = "an IPv4 address of this node with the overlay's prefix, such as 100.64.0.1/16";
    struct qe_cidr cidr;
    if (!strchr(text, '/') || !qe_cidr_parse(text, &cidr) || cidr.ip.family != 4) return expected;
    if (!usable(&cidr.ip) || qe_ip_is_loopback(&cidr.ip) || cidr.bits == 0) return expected;
    if (cidr.bits < 31) { // RFC 3021: a /31 has neither network nor broadcast address
        uint32_t host_bits = UINT32_MAX >> cidr.bits, host = qe_ip4_to_u32(&cidr.ip) & host_bits;
        if (host == 0 || host == host_bits) return expected;
    }
    *out = cidr;
    return NULL;
}

const char *qe_check_subnet(const char *text, struct qe_cidr *out)
{
    struct qe_cidr cidr;
    if (!strchr(text, '/') || !qe_cidr_parse(text, &cidr)) return "a subnet such as 10.0.0.0/16";
    struct qe_cidr network = qe_cidr_network(cidr);
    if (!qe_ip_equal(&network.ip, &cidr.ip)) return "a subnet without host bits, such as 10.0.0.0/16";
    *out = cidr;
    return NULL;
}

const char *qe_check_listen(const char *text, struct qe_addr *out)
{
    struct qe_addr addr;
    if (!qe_addr_parse(text, &addr) || (!usable(&addr.ip) && !qe_ip_is_unspecified(&addr.ip)))
        return "ADDR:PORT, such as 0.0.0.0:9000 or [::]:9000";
    *out = addr;
    return NULL;
}

const char *qe_check_serve(const char *text, struct qe_addr *out)
{
    struct qe_addr addr;
    const char *expected = qe_check_listen(text, &addr);
    if (expected || addr.port == 0) return "ADDR:PORT, such as 127.0.0.1:9090 or [::1]:9090";
    *out = addr;
    return NULL;
}

const char *qe_check_remote(const char *text, struct qe_addr *out)
{
    struct qe_addr addr;
    if (!qe_addr_parse(text, &addr) || !usable(&addr.ip) || addr.port == 0)
        return "the ADDR:PORT of another host, such as 192.0.2.1:9000 or [2001:db8::1]:9000";
    *out = addr;
    return NULL;
}

const char *qe_check_public_ip(const char *text, struct qe_ip *out)
{
    struct qe_ip ip;
    if (!qe_ip_parse(text, &ip) || !usable(&ip) || qe_ip_is_loopback(&ip) || qe_ip_is_link_local(&ip))
        return "an IP address that others can reach, such as 198.51.100.5";
    *out = ip;
    return NULL;
}

// RFC 1123 §2.1: labels of letters, digits and inner hyphens, 255 characters at most. '_' occurs in practice.
static bool host_valid(const char *text, size_t size)
{
    if (size < 1 || size > 255) return false;
    size_t label = 0;
    for (size_t i = 0; i <= size; i++) {
        if (i == size || text[i] == '.') {
            if (label == 0) return i == size && i > 0; // one dot at the end is the root
            if (label > 63 || text[i - 1] == '-' || text[i - label] == '-') return false;
            label = 0;
            continue;
        }
        bool letter = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z');
        if (!letter && !(text[i] >= '0' && text[i] <= '9') && text[i] != '-' && text[i] != '_') return false;
        label++;
    }
    return true;
}

const char *qe_check_port(const char *text, uint16_t *out)
{
    unsigned port = 0;
    size_t size = strlen(text);
    bool valid = size >= 1 && size <= 5 && strspn(text, "0123456789") == size && text[0] != '0';
    for (size_t i = 0; valid && i < size; i++)
        port = port * 10 + (unsigned)(text[i] - '0');
    if (!valid || port > UINT16_MAX) return "1..65535";
    *out = (uint16_t)port;
    return NULL;
}

const char *qe_check_host_port(const char *text)
{
    static const char expected[] = "HOST:PORT, such as bootstrap.example.org:9000 or 192.0.2.1:9000";
    struct qe_addr addr;
    uint16_t port;
    if (qe_addr_parse(text, &addr)) return usable(&addr.ip) && addr.port ? NULL : expected;
    const char *colon = strrchr(text, ':');
    if (!colon || qe_check_port(colon + 1, &port) || !host_valid(text, (size_t)(colon - text))) return expected;
    // What has only digits and dots was meant as an address, and is none.
    return strspn(text, "0123456789.") == (size_t)(colon - text) ? expected : NULL;
}

const char *qe_check_quote(const char *text, char out[QE_CHECK_QUOTE_SIZE])
{
    static const char more[] = "...";
    size_t room = QE_CHECK_QUOTE_SIZE - 3; // both quotes and the NUL
    size_t size = strlen(text);
    bool cut = size > room;
    if (cut) {
        size = room - (sizeof(more) - 1);
        while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80) // not within a UTF-8 character
            size--;
    }
    char *at = out;
    *at++ = '"';
    for (size_t i = 0; i < size; i++)
        *at++ = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
    snprintf(at, QE_CHECK_QUOTE_SIZE - (size_t)(at - out), "%s\"", cut ? more : "");
    return out;
}
