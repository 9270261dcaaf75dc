#include "world/ledger.h"

#include "engine/digest.h"

#include <string.h>

// Delivered packets are remembered for one to two turns, undelivered ones for UNDELIVERED_NS.
#define TURN_NS        UINT64_C(10000000000)
#define UNDELIVERED_NS UINT64_C(180000000000)

enum { ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58 };
// What an ICMP answer quotes of a packet at most: 576 and 1280 bytes less its own headers.
enum { QUOTED4 = 548, QUOTED6 = 1232 };

// What the ledger sees of one packet, or of a super-packet's headers.
struct view {
    struct qe_ip source, destination;
    uint8_t protocol, class, hops;
    size_t transport; // where its header begins
};

void sim_ledger_init(struct sim_ledger *ledger, struct sim_hosts *hosts, struct sim_host *const *list, size_t count)
{
    *ledger = (struct sim_ledger){.hosts = hosts, .list = list, .host_count = count};
    ledger->per_host = sim_obtain(count, sizeof(*ledger->per_host));
}

void sim_ledger_fini(struct sim_ledger *ledger)
{
    for (size_t i = 0; i < ledger->host_count; i++)
        sim_release(ledger->per_host[i].oversize);
    sim_release(ledger->per_host);
    sim_release(ledger->newer.entries);
    sim_release(ledger->older.entries);
}

void sim_ledger_started(struct sim_ledger *ledger, const struct sim_host *host)
{
    struct sim_ledger_host *own = &ledger->per_host[host->box.index];
    own->in_segments = own->out_segments = 0;
    own->super_in = false;
}

static struct sim_ledger_entry *slot_of(const struct sim_ledger_table *table, uint64_t key)
{
    size_t mask = table->capacity - 1;
    for (size_t at = (size_t)(key >> 16) & mask;; at = (at + 1) & mask)
        if (table->entries[at].key == key || table->entries[at].key == 0) return &table->entries[at];
}

static void grow(struct sim_ledger_table *table)
{
    struct sim_ledger_table larger = {.capacity = table->capacity ? table->capacity * 2 : 256};
    if (table->count * 2 < table->capacity) return;
    larger.entries = sim_obtain(larger.capacity, sizeof(*larger.entries));
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->entries[i].key == 0) continue;
        *slot_of(&larger, table->entries[i].key) = table->entries[i];
        larger.count++;
    }
    sim_release(table->entries);
    *table = larger;
}

static struct sim_ledger_entry *put(struct sim_ledger_table *table, uint64_t key)
{
    grow(table);
    struct sim_ledger_entry *entry = slot_of(table, key);
    if (entry->key == 0) table->count++;
    entry->key = key;
    return entry;
}

// The older table goes, but for what may still be under way.
static void turn(struct sim_ledger *ledger, uint64_t now_ns)
{
    if (now_ns - ledger->turned_ns < TURN_NS) return;
    struct sim_ledger_table old = ledger->newer;
    ledger->newer = (struct sim_ledger_table){0};
    sim_release(ledger->older.entries);
    for (size_t i = 0; i < old.capacity; i++) {
        struct sim_ledger_entry *entry = &old.entries[i];
        if (entry->key == 0 || entry->left >= entry->entered || now_ns - entry->at_ns > UNDELIVERED_NS) continue;
        *put(&ledger->newer, entry->key) = *entry;
        entry->moved = true;
    }
    ledger->older = old;
    ledger->turned_ns = now_ns;
}

static struct sim_ledger_entry *find(struct sim_ledger *ledger, uint64_t key)
{
    struct sim_ledger_table *tables[] = {&ledger->newer, &ledger->older};
    for (size_t i = 0; i < 2; i++) {
        if (!tables[i]->capacity) continue;
        struct sim_ledger_entry *entry = slot_of(tables[i], key);
        if (entry->key && !entry->moved) return entry;
    }
    return NULL;
}

static bool view6(struct qe_span packet, struct view *v)
{
    const uint8_t *p = packet.data;
    size_t at = 40;
    if (packet.size < 40) return false;
    v->source = qe_ip6(p + 8);
    v->destination = qe_ip6(p + 24);
    v->class = (uint8_t)(qe_load16(p) >> 4);
    v->hops = p[7];
    // Hop-by-hop, routing and destination options; whatever else stands there is content.
    for (v->protocol = p[6]; v->protocol == 0 || v->protocol == 43 || v->protocol == 60;) {
        if (packet.size < at + 8) return false;
        v->protocol = p[at];
        at += (p[at + 1] + (size_t)1) * 8;
    }
    v->transport = at;
    return at <= packet.size;
}

static bool view(struct qe_span packet, struct view *v)
{
    const uint8_t *p = packet.data;
    if (packet.size >= 1 && p[0] >> 4 == 6) return view6(packet, v);
    if (packet.size < 20 || p[0] >> 4 != 4) return false;
    v->source = qe_ip4(p[12], p[13], p[14], p[15]);
    v->destination = qe_ip4(p[16], p[17], p[18], p[19]);
    v->class = p[1];
    v->hops = p[8];
    v->protocol = p[9];
    v->transport = (p[0] & 0x0fu) * 4u;
    // A piece of a packet has no header to look at.
    if (qe_load16(p + 6) & 0x3fff) v->protocol = 255;
    return v->transport >= 20 && v->transport <= packet.size;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ (hash >> 31);
}

static uint64_t key_of(const struct view *v, uint64_t header, struct qe_span content)
{
    uint8_t digest[SIM_DIGEST_SIZE];
    sim_digest(content.data, content.size, digest);
    uint64_t key = mix(qe_load64(digest), qe_load64(digest + 8));
    key = mix(mix(key, qe_load64(v->source.bytes)), qe_load64(v->source.bytes + 8));
    key = mix(mix(key, qe_load64(v->destination.bytes)), qe_load64(v->destination.bytes + 8));
    key = mix(mix(key, header), (uint64_t)v->protocol << 32 | content.size);
    return key ? key : 1;
}

// The key of the packet with this view whose content after the transport header is `content`, `index` packets of
// `segment` bytes into a super-packet.
static uint64_t segment_key(struct qe_span packet, const struct view *v, struct qe_span content, uint64_t offset)
{
    const uint8_t *transport = packet.data + v->transport;
    size_t left = packet.size - v->transport;
    switch (v->protocol) {
    case UDP:
        if (left >= 8) return key_of(v, qe_load32(transport), content);
        break;
    case TCP:
        if (left >= 20) {
            uint64_t sequence = (uint32_t)(qe_load32(transport + 4) + offset);
            return key_of(v, (uint64_t)qe_load32(transport) << 32 | sequence, content);
        }
        break;
    case ICMP:
    case ICMPV6:
        if (left >= 8) return key_of(v, (uint64_t)qe_load16(transport) << 32 | qe_load32(transport + 4), content);
        break;
    default:
        break;
    }
    return key_of(v, 0, qe_span(transport, left));
}

static size_t content_offset(struct qe_span packet, const struct view *v)
{
    const uint8_t *transport = packet.data + v->transport;
    size_t left = packet.size - v->transport;
    size_t header = v->protocol == UDP || v->protocol == ICMP || v->protocol == ICMPV6 ? 8 : 0;
    if (v->protocol == TCP && left >= 20) header = (transport[12] >> 4) * 4u;
    return v->transport + (header <= left ? header : left);
}

// What to do with each packet that a (super-)packet stands for.
typedef void visit(struct sim_ledger *ledger, struct sim_host *host, const struct view *v, uint64_t key);

static void each_segment(struct sim_ledger *ledger, struct sim_host *host, struct qe_span packet,
    const struct qe_offload *offload, const struct view *v, visit *what)
{
    size_t start = content_offset(packet, v), size = packet.size - start;
    size_t segment = offload->kind != QE_OFFLOAD_NONE && offload->segment_size ? offload->segment_size : size;
    for (size_t done = 0; done == 0 || done < size; done += segment) {
        size_t part = size - done < segment ? size - done : segment;
        what(ledger, host, v, segment_key(packet, v, qe_span(packet.data + start + done, part), done));
        if (segment == 0) break;
    }
}

static uint64_t quoted(struct qe_span packet, size_t most)
{
    uint8_t digest[SIM_DIGEST_SIZE];
    sim_digest(packet.data, packet.size < most ? packet.size : most, digest);
    return qe_load64(digest);
}

static void note_oversize(struct sim_ledger *ledger, struct sim_host *host, struct qe_span packet, const struct view *v)
{
    struct sim_ledger_host *own = &ledger->per_host[host->box.index];
    if (!own->oversize) own->oversize = sim_obtain(SIM_LEDGER_OVERSIZE, sizeof(*own->oversize));
    own->oversize[own->oversize_count++ % SIM_LEDGER_OVERSIZE] =
        (struct sim_oversize){quoted(packet, QUOTED4), quoted(packet, QUOTED6), v->source, v->destination};
}

static void enter(struct sim_ledger *ledger, struct sim_host *host, const struct view *v, uint64_t key)
{
    struct sim_ledger_entry *entry = put(&ledger->newer, key);
    entry->at_ns = ledger->hosts->engine->now_ns;
    entry->host = host->box.index;
    entry->class = v->class;
    entry->hops = v->hops;
    if (entry->entered != UINT16_MAX) entry->entered++;
    ledger->per_host[host->box.index].in_segments++;
}

void sim_ledger_entered(
    struct sim_ledger *ledger, struct sim_host *host, struct qe_span packet, const struct qe_offload *offload)
{
    struct view v;
    turn(ledger, ledger->hosts->engine->now_ns);
    if (offload->kind != QE_OFFLOAD_NONE) ledger->per_host[host->box.index].super_in = true;
    if (!view(packet, &v)) return;
    if (packet.size > host->tun_mtu) note_oversize(ledger, host, packet, &v);
    if (offload->kind == QE_OFFLOAD_TCP4 || offload->kind == QE_OFFLOAD_TCP6)
        ledger->cut_anywhere = true; // cut to what the path carries at that moment
    else
        each_segment(ledger, host, packet, offload, &v, enter);
}

static void tell(struct sim_ledger *ledger, struct sim_host *host, enum sim_failure kind, const char *what)
{
    ledger->hosts->violated(ledger->hosts->user, host, kind, what);
}

static bool owns(const struct sim_host *host, const struct qe_ip *ip)
{
    for (size_t i = 0; i < host->tun_address_count; i++)
        if (qe_ip_equal(&host->tun_addresses[i].ip, ip)) return true;
    for (size_t i = 0; i < host->tun_was_count && i < SIM_ADDRESSES_MAX; i++)
        if (qe_ip_equal(&host->tun_was[i], ip)) return true;
    for (size_t i = 0; i < host->config.advertise.count; i++)
        if (qe_cidr_contains(&host->config.advertise.list[i], ip)) return true;
    return false;
}

static bool ecn_kept(uint8_t in, uint8_t out)
{
    return in == out || (out == 3 && in != 0);
}

static void leave(struct sim_ledger *ledger, struct sim_host *host, const struct view *v, uint64_t key)
{
    struct sim_ledger_entry *entry = find(ledger, key);
    ledger->per_host[host->box.index].out_segments++;
    if (!entry) {
        if (!ledger->cut_anywhere || v->protocol != TCP)
            tell(ledger, host, SIM_FAILURE_FORGED, "a packet came out of the TUN that went into none");
        return;
    }
    if (entry->left++ >= entry->entered) tell(ledger, host, SIM_FAILURE_DUPLICATE, "a packet was delivered twice");
    if (entry->host == host->box.index) {
        tell(ledger, host, SIM_FAILURE_LOOP, "a packet came back out of the TUN that it went into");
        return;
    }
    if (!owns(ledger->list[entry->host], &v->source))
        tell(ledger, host, SIM_FAILURE_FORGED, "a packet was delivered whose source is not its sender's");
    if (!owns(host, &v->destination))
        tell(
            ledger, host, SIM_FAILURE_MISDELIVERED, "a packet was delivered to a node that does not serve its address");
    if (ledger->allowed && !ledger->allowed(ledger->user, host->box.index, entry->host))
        tell(ledger, host, SIM_FAILURE_POLICY, "a packet was delivered from a node that is not allowed");
    if (!ecn_kept(entry->class & 3, v->class & 3))
        tell(ledger, host, SIM_FAILURE_DAMAGED, "a packet's ECN bits are not what the sender set");
    if (entry->class >> 2 != v->class >> 2)
        tell(ledger, host, SIM_FAILURE_DAMAGED, "a packet's traffic class is not what the sender set");
    if (v->hops > entry->hops) tell(ledger, host, SIM_FAILURE_DAMAGED, "a packet has more hops left than it had");
}

static bool is_too_big(struct qe_span packet, const struct view *v)
{
    const uint8_t *icmp = packet.data + v->transport;
    if (packet.size - v->transport < 8) return false;
    if (v->protocol == ICMP) return icmp[0] == 3 && icmp[1] == 4;
    return v->protocol == ICMPV6 && icmp[0] == 2;
}

// What a node answers by itself: the packet that it quotes must have gone into its own TUN.
static void check_too_big(struct sim_ledger *ledger, struct sim_host *host, struct qe_span packet, const struct view *v)
{
    struct sim_ledger_host *own = &ledger->per_host[host->box.index];
    const uint8_t *icmp = packet.data + v->transport;
    bool six = v->protocol == ICMPV6;
    uint64_t digest = quoted(qe_span(icmp + 8, packet.size - v->transport - 8), SIZE_MAX);
    uint32_t mtu = six ? qe_load32(icmp + 4) : qe_load16(icmp + 6);
    if (mtu != host->tun_mtu)
        tell(ledger, host, SIM_FAILURE_DAMAGED, "an ICMP message names another MTU than the TUN's");
    own->out_segments++;
    for (size_t i = 0; i < own->oversize_count && i < SIM_LEDGER_OVERSIZE; i++) {
        const struct sim_oversize *o = &own->oversize[i];
        if ((six ? o->quoted6 : o->quoted4) != digest) continue;
        if (!qe_ip_equal(&o->source, &v->destination) || !qe_ip_equal(&o->destination, &v->source))
            tell(ledger, host, SIM_FAILURE_DAMAGED, "an ICMP message goes from or to another than the packet's");
        return;
    }
    tell(ledger, host, SIM_FAILURE_DAMAGED, "an ICMP message quotes a packet that never came");
}

void sim_ledger_left(
    struct sim_ledger *ledger, struct sim_host *host, struct qe_span packet, const struct qe_offload *offload)
{
    struct view v;
    if (!view(packet, &v)) {
        tell(ledger, host, SIM_FAILURE_DAMAGED, "what came out of the TUN is no IP packet");
        return;
    }
    if (is_too_big(packet, &v))
        check_too_big(ledger, host, packet, &v);
    else
        each_segment(ledger, host, packet, offload, &v, leave);
}
