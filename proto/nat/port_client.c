#include "nat/port_client.h"

#include "base/cursor.h"
#include "base/time.h"

#include <stdio.h>
#include <string.h>

#define TRIES       3
#define WAIT_NS     (250 * QE_NS_PER_MS) // doubled with each try
#define UDP         17
#define PCP_VERSION 2
#define PCP_MAP     1
#define ANSWER_BIT  0x80
// RFC 6887 §7.4, and the same in RFC 6886 §3.5.
#define UNSUPPORTED_VERSION 1

enum nat_pmp_op { NAT_PMP_ADDRESS, NAT_PMP_MAP_UDP };

// Bits of qe_port_client.due; PCP has the second alone.
#define DUE_ADDRESS 1
#define DUE_MAP     2

static const uint8_t four_in_six[12] = {[10] = 0xff, [11] = 0xff};

const char *qe_port_protocol_name(enum qe_port_protocol protocol)
{
    static const char *const names[] = {"PCP", "NAT-PMP", "UPnP"};
    return names[protocol];
}

static void refuse(struct qe_port_client *client)
{
    client->state = QE_PORT_REFUSED;
    client->due = 0;
    client->at_ns = QE_TIME_NEVER;
    if (!client->text[0]) snprintf(client->text, sizeof client->text, "no answer by PCP or NAT-PMP");
}

static void note(struct qe_port_client *client, const char *what, unsigned code)
{
    size_t used = strlen(client->text);
    snprintf(client->text + used, sizeof client->text - used, "%s%s: %s (%u)", used ? "; " : "",
        qe_port_protocol_name(client->protocol), what, code);
}

static void begin_try(struct qe_port_client *client, uint64_t now_ns)
{
    client->due = DUE_MAP;
    if (client->protocol == QE_PORT_NAT_PMP) {
        client->due = (uint8_t)((client->address_known ? 0 : DUE_ADDRESS) | (client->port_known ? 0 : DUE_MAP));
        // The end of a mapping needs no address.
        if (client->request.lifetime_s == 0) client->due &= DUE_MAP;
    }
    client->at_ns = now_ns + (WAIT_NS << client->tries);
    client->tries++;
}

// The first of the protocols from `from` on that is to be tried.
static void begin_protocol(struct qe_port_client *client, enum qe_port_protocol from, uint64_t now_ns)
{
    while (from < QE_PORT_UPNP && !client->request.spoken[from])
        from++;
    if (from >= QE_PORT_UPNP) {
        refuse(client);
        return;
    }
    client->protocol = from;
    client->tries = 0;
    begin_try(client, now_ns);
}

void qe_port_client_begin(struct qe_port_client *client, const struct qe_port_request *request, uint64_t now_ns)
{
    *client = (struct qe_port_client){.request = *request, .at_ns = QE_TIME_NEVER};
    begin_protocol(client, QE_PORT_PCP, now_ns);
}

// RFC 6887 §7.1, §11.1. No IPv4 address in particular is wished for.
static size_t write_pcp(const struct qe_port_request *request, uint8_t out[QE_PORT_DATAGRAM_SIZE])
{
    memset(out, 0, QE_PORT_DATAGRAM_SIZE);
    out[0] = PCP_VERSION;
    out[1] = PCP_MAP;
    qe_store32(out + 4, request->lifetime_s);
    memcpy(out + 8, four_in_six, sizeof four_in_six);
    memcpy(out + 20, request->client.bytes, 4);
    memcpy(out + 24, request->nonce, sizeof request->nonce);
    out[36] = UDP;
    qe_store16(out + 40, request->port);
    qe_store16(out + 42, request->lifetime_s ? request->port : 0);
    memcpy(out + 44, four_in_six, sizeof four_in_six);
    return QE_PORT_DATAGRAM_SIZE;
}

// RFC 6886 §3.2, §3.3
static size_t write_nat_pmp(const struct qe_port_request *request, bool map, uint8_t out[QE_PORT_DATAGRAM_SIZE])
{
    memset(out, 0, 12);
    out[1] = map ? NAT_PMP_MAP_UDP : NAT_PMP_ADDRESS;
    if (!map) return 2;
    qe_store16(out + 4, request->port);
    qe_store16(out + 6, request->lifetime_s ? request->port : 0);
    qe_store32(out + 8, request->lifetime_s);
    return 12;
}

size_t qe_port_client_next(struct qe_port_client *client, uint64_t now_ns, uint8_t out[QE_PORT_DATAGRAM_SIZE])
{
    if (client->state == QE_PORT_ASKING && client->at_ns <= now_ns) {
        if (client->tries < TRIES)
            begin_try(client, now_ns);
        else
            begin_protocol(client, client->protocol + 1, now_ns);
    }
    if (client->state != QE_PORT_ASKING || !client->due) return 0;
    bool map = !(client->due & DUE_ADDRESS);
    client->due &= map ? (uint8_t)~DUE_MAP : (uint8_t)~DUE_ADDRESS;
    return client->protocol == QE_PORT_PCP ? write_pcp(&client->request, out)
                                           : write_nat_pmp(&client->request, map, out);
}

uint64_t qe_port_client_deadline(const struct qe_port_client *client)
{
    if (client->state != QE_PORT_ASKING) return QE_TIME_NEVER;
    return client->due ? 0 : client->at_ns;
}

static void grant(struct qe_port_client *client)
{
    client->outside.ip = client->outside.ip.family ? client->outside.ip : qe_ip4_from_u32(0);
    bool nonsense = client->outside.port == 0 || qe_ip_is_unspecified(&client->outside.ip) || client->lifetime_s == 0;
    client->state = QE_PORT_GRANTED;
    client->at_ns = QE_TIME_NEVER;
    client->due = 0;
    if (client->request.lifetime_s == 0 || !nonsense) return;
    note(client, "it granted nothing that could be used", client->outside.port);
    refuse(client);
}

static const char *pcp_words(unsigned code)
{
    static const char *const words[] = {"granted", "another version", "not authorized", "malformed", "no mappings",
        "option", "malformed option", "the NAT's network is down", "no resources", "no UDP", "too many mappings",
        "no such address", "another NAT lies between", "excessive peers"};
    return code < sizeof words / sizeof *words ? words[code] : "refused";
}

static void take_pcp(struct qe_port_client *client, struct qe_span datagram, uint64_t now_ns)
{
    uint8_t nonce[QE_PORT_NONCE_SIZE], prefix[12];
    struct qe_reader r = qe_reader(datagram);
    uint8_t version = qe_read8(&r), op = qe_read8(&r);
    if (version == 0 && datagram.size >= 8 && (op & ANSWER_BIT)) {
        // What a server of NAT-PMP alone says to it (RFC 6886 §3.5).
        begin_protocol(client, QE_PORT_NAT_PMP, now_ns);
        return;
    }
    if (op != (PCP_MAP | ANSWER_BIT)) return;
    qe_read8(&r);
    uint8_t code = qe_read8(&r);
    uint32_t lifetime_s = qe_read32(&r), epoch_s = qe_read32(&r);
    if (r.failed) return;
    if (version != PCP_VERSION || code == UNSUPPORTED_VERSION) {
        begin_protocol(client, QE_PORT_NAT_PMP, now_ns);
        return;
    }
    qe_read_bytes(&r, 12);
    qe_read_copy(&r, nonce, sizeof nonce);
    uint8_t protocol = qe_read8(&r);
    qe_read_bytes(&r, 3);
    uint16_t inside = qe_read16(&r), outside = qe_read16(&r);
    qe_read_copy(&r, prefix, sizeof prefix);
    uint32_t ip = qe_read32(&r);
    // Somebody else's, or a forged one (RFC 6887 §11.4).
    if (r.failed || memcmp(nonce, client->request.nonce, sizeof nonce) != 0 || protocol != UDP ||
        inside != client->request.port)
        return;
    client->spoke[QE_PORT_PCP] = true;
    client->epoch_s = epoch_s;
    if (code) {
        note(client, pcp_words(code), code);
        begin_protocol(client, QE_PORT_NAT_PMP, now_ns);
        return;
    }
    if (memcmp(prefix, four_in_six, sizeof prefix) == 0) client->outside.ip = qe_ip4_from_u32(ip);
    client->outside.port = outside;
    client->lifetime_s = lifetime_s;
    grant(client);
}

static void take_nat_pmp(struct qe_port_client *client, struct qe_span datagram)
{
    struct qe_reader r = qe_reader(datagram);
    uint8_t version = qe_read8(&r), op = qe_read8(&r);
    uint16_t code = qe_read16(&r);
    uint32_t epoch_s = qe_read32(&r);
    bool map = op == (NAT_PMP_MAP_UDP | ANSWER_BIT);
    if (r.failed || version != 0 || (!map && op != (NAT_PMP_ADDRESS | ANSWER_BIT))) return;
    if (code == 0 && map) {
        uint16_t inside = qe_read16(&r), outside = qe_read16(&r);
        uint32_t lifetime_s = qe_read32(&r);
        if (r.failed || inside != client->request.port) return;
        client->outside.port = outside;
        client->lifetime_s = lifetime_s;
        client->port_known = true;
        client->due &= (uint8_t)~DUE_MAP;
    } else if (code == 0) {
        uint32_t ip = qe_read32(&r);
        if (r.failed) return;
        client->outside.ip = qe_ip4_from_u32(ip);
        client->address_known = true;
        client->due &= (uint8_t)~DUE_ADDRESS;
    }
    client->spoke[QE_PORT_NAT_PMP] = true;
    client->epoch_s = epoch_s;
    if (code) {
        note(client, "refused", code);
        refuse(client);
    } else if (client->port_known && (client->address_known || client->request.lifetime_s == 0)) {
        grant(client);
    }
}

void qe_port_client_take(struct qe_port_client *client, struct qe_span datagram, uint64_t now_ns)
{
    if (client->state != QE_PORT_ASKING || datagram.size > QE_PORT_ANSWER_MAX) return;
    if (client->protocol == QE_PORT_PCP)
        take_pcp(client, datagram, now_ns);
    else
        take_nat_pmp(client, datagram);
}

// RFC 6887 §8.5: the NAT's clock may be late by a second, and may go faster or slower than ours by a sixteenth.
bool qe_port_epoch_take(struct qe_port_epoch *epoch, uint32_t epoch_s, uint64_t now_ns)
{
    bool lost = false;
    if (epoch->known) {
        uint64_t ours_s = now_ns > epoch->at_ns ? (now_ns - epoch->at_ns) / QE_NS_PER_S : 0;
        uint64_t theirs_s = epoch_s > epoch->epoch_s ? epoch_s - epoch->epoch_s : 0;
        lost = (uint64_t)epoch_s + 1 < epoch->epoch_s || ours_s + 2 < theirs_s - theirs_s / 16 ||
               theirs_s + 2 < ours_s - ours_s / 16;
    }
    *epoch = (struct qe_port_epoch){true, epoch_s, now_ns};
    return lost;
}

bool qe_ip_is_public(const struct qe_ip *ip)
{
    static const struct {
        uint32_t network;
        unsigned bits;
    } others[] = {{0x00000000, 8}, {0x0a000000, 8}, {0x64400000, 10}, {0x7f000000, 8}, {0xa9fe0000, 16},
        {0xac100000, 12}, {0xc0000000, 24}, {0xc0a80000, 16}, {0xc6120000, 15}, {0xe0000000, 3}};
    if (ip->family == 6) return (ip->bytes[0] & 0xe0) == 0x20; // RFC 4291 §2.4: global unicast as it is given out
    if (ip->family != 4) return false;
    uint32_t address = qe_ip4_to_u32(ip);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if ((address ^ others[i].network) >> (32 - others[i].bits) == 0) return false;
    return true;
}
