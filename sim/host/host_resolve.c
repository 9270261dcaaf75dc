// The machine's resolver: it asks its node for names in the node's domain, and for the names of overlay addresses, over
// the loopback, as one that was told so would; and says in the log what it was answered.
#include "host/host.h"

#include "base/cursor.h"

#include <stdio.h>
#include <string.h>

#define RESOLVER_PORT 29999
#define TYPE_A        1
#define TYPE_PTR      12
#define TYPE_AAAA     28
#define NAME_MAX      255

void sim_host_loop_back(struct sim_host *host, struct sim_packet *packet)
{
    struct sim_network *network = host->box.network;
    packet->interface = 1;
    packet->origin = host->box.index;
    network->sent++;
    sim_trace_sent(network->trace, sim_box_who(&host->box), packet);
    sim_host_deliver(&host->box, packet);
}

static void say(struct sim_host *host, const char *name, const char *answer)
{
    char text[400];
    snprintf(text, sizeof(text), "resolver: %s: %s", name, answer);
    host->hosts->logged(host->hosts->user, host, QE_LOG_INFO, text);
}

static void write_name(struct qe_writer *w, const char *name)
{
    while (*name) {
        size_t size = strcspn(name, ".");
        qe_write8(w, (uint8_t)size);
        qe_write_bytes(w, name, size);
        name += size + (name[size] == '.');
    }
    qe_write8(w, 0);
}

// "6.5.64.100.in-addr.arpa"
static bool reverse_name(const char *text, char out[64])
{
    struct qe_ip ip;
    if (!qe_ip_parse(text, &ip) || ip.family != 4) return false;
    snprintf(out, 64, "%u.%u.%u.%u.in-addr.arpa", ip.bytes[3], ip.bytes[2], ip.bytes[1], ip.bytes[0]);
    return true;
}

void sim_host_resolve(struct sim_host *host, const char *name)
{
    uint8_t query[NAME_MAX + 64];
    char reverse[64];
    struct qe_writer w = qe_writer(query, sizeof(query));
    bool is_address = reverse_name(name, reverse);
    size_t size = strlen(name), domain = strlen(host->dns_domain);
    bool inside = domain > 0 && size > domain && name[size - domain - 1] == '.' &&
                  strcmp(name + size - domain, host->dns_domain) == 0;
    if (!host->node || !domain || (!inside && !is_address)) {
        say(host, name, "not asked of the node");
        return;
    }
    qe_write16(&w, ++host->dns_id);
    qe_write16(&w, 0x0100);
    qe_write16(&w, 1);
    qe_write32(&w, 0);
    qe_write16(&w, 0);
    write_name(&w, is_address ? reverse : name);
    qe_write16(&w, is_address ? TYPE_PTR : TYPE_A);
    qe_write16(&w, 1);
    struct sim_packet *packet = sim_packet_new(&host->box.network->pool, query, qe_writer_size(&w));
    packet->source = (struct qe_addr){host->dns_server.ip, RESOLVER_PORT, 0};
    packet->destination = host->dns_server;
    sim_host_loop_back(host, packet);
}

// The name at the cursor, with dots; one pointer is followed.
static void read_name(struct qe_reader *r, struct qe_span packet, char out[NAME_MAX + 1])
{
    struct qe_reader at = *r;
    size_t used = 0;
    bool jumped = false;
    for (uint8_t size; (size = qe_read8(&at)) != 0 && !at.failed;) {
        if ((size & 0xc0) == 0xc0) {
            size_t offset = (size_t)(size & 0x3f) << 8 | qe_read8(&at);
            if (jumped || offset >= packet.size) return;
            *r = at;
            at = qe_reader(qe_span(packet.data + offset, packet.size - offset));
            jumped = true;
            continue;
        }
        struct qe_span label = qe_read_bytes(&at, size);
        if (used + size + 2 > NAME_MAX) return;
        if (used) out[used++] = '.';
        memcpy(out + used, label.data, label.size);
        used += label.size;
    }
    out[used] = '\0';
    if (!jumped) *r = at;
}

static void read_record(struct qe_reader *r, struct qe_span packet, char *out, size_t size)
{
    char owner[NAME_MAX + 1] = "", value[NAME_MAX + 1] = "?";
    read_name(r, packet, owner);
    uint16_t type = qe_read16(r);
    qe_read_bytes(r, 6);
    struct qe_span data = qe_read_bytes(r, qe_read16(r));
    if (type == TYPE_A && data.size == 4) {
        struct qe_ip ip = qe_ip4(data.data[0], data.data[1], data.data[2], data.data[3]);
        qe_ip_format(&ip, value);
    } else if (type == TYPE_PTR && data.size) {
        struct qe_reader name = qe_reader(data);
        read_name(&name, packet, value);
    }
    size_t used = strlen(out);
    snprintf(out + used, size - used, "%s%s", used ? ", " : "", value);
}

bool sim_host_take_resolved(struct sim_host *host, const struct sim_packet *packet)
{
    char name[NAME_MAX + 1] = "", answer[300] = "";
    if (packet->destination.port != RESOLVER_PORT || !qe_addr_equal(&packet->source, &host->dns_server)) return false;
    struct qe_span bytes = qe_span(packet->bytes, packet->size);
    struct qe_reader r = qe_reader(bytes);
    uint16_t id = qe_read16(&r), flags = qe_read16(&r);
    qe_read16(&r);
    uint16_t answers = qe_read16(&r);
    qe_read32(&r);
    read_name(&r, bytes, name);
    qe_read32(&r);
    if (r.failed || id > host->dns_id || !(flags & 0x8000)) return false;
    static const char *const codes[] = {"", "malformed", "failed", "no such name"};
    unsigned code = flags & 0xf;
    for (uint16_t i = 0; i < answers && !r.failed; i++)
        read_record(&r, bytes, answer, sizeof(answer));
    if (code) snprintf(answer, sizeof(answer), "%s", code < 4 ? codes[code] : "refused");
    say(host, name, answer[0] ? answer : "nothing of that kind");
    return true;
}
