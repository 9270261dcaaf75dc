#include "traffic/replay_flow.h"

#include "engine/memory.h"

#include <assert.h>
#include <string.h>

#define TABLE_MIN 1024

static struct qe_ip source_of(struct qe_span ip)
{
    const uint8_t *p = ip.data;
    return p[0] >> 4 == 6 ? qe_ip6(p + 8) : qe_ip4(p[12], p[13], p[14], p[15]);
}

// The next packet of the capture, copied; its time never goes back.
static void read_next(struct sim_replay_flow *r)
{
    uint64_t before = r->next.time_ns;
    enum sim_pcap_result result;
    bool is_first = r->sent_ns == NULL && !r->has_next;
    // Damage was looked for when the scenario was read (scenario_flow_kind.c); what changed since ends the flow.
    do
        result = sim_pcap_next(r->reader, &r->next);
    while (result == SIM_PCAP_PACKET && r->next.total_size > SIM_REWRITE_MAX);
    r->has_next = result == SIM_PCAP_PACKET;
    if (!r->has_next) return;
    if (is_first) {
        r->first_source = source_of(r->next.ip);
        r->first_ns = r->next.time_ns;
    } else if (r->next.time_ns < before) {
        r->next.time_ns = before;
    }
    memcpy(r->bytes, r->next.ip.data, r->next.ip.size);
    r->next.ip.data = r->bytes;
}

struct sim_replay_flow *sim_replay_flow_new(struct sim_flow *flow)
{
    char error[SIM_PCAP_ERROR_SIZE];
    struct sim_replay_flow *r = sim_obtain(1, sizeof(*r));
    r->flow = flow;
    r->reader = sim_pcap_open(flow->settings->file, error);
    if (r->reader) read_next(r);
    return r;
}

void sim_replay_flow_free(struct sim_replay_flow *r)
{
    if (!r) return;
    sim_pcap_close(r->reader);
    sim_release(r->sent_ns);
    sim_release(r->awaited);
    sim_release(r);
}

static size_t place_of(const struct sim_replay_flow *r, uint64_t identity)
{
    return (size_t)(identity * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (r->awaited_capacity - 1);
}

static void insert(struct sim_replay_flow *r, struct sim_awaited item)
{
    size_t place = place_of(r, item.identity);
    while (r->awaited[place].identity)
        place = (place + 1) & (r->awaited_capacity - 1);
    r->awaited[place] = item;
    r->awaited_count++;
}

static void grow(struct sim_replay_flow *r)
{
    struct sim_awaited *old = r->awaited;
    size_t capacity = r->awaited_capacity;
    if (r->awaited_count * 2 < capacity) return;
    r->awaited_capacity = capacity ? capacity * 2 : TABLE_MIN;
    r->awaited = sim_obtain(r->awaited_capacity, sizeof(*r->awaited));
    r->awaited_count = 0;
    for (size_t i = 0; i < capacity; i++)
        if (old[i].identity) insert(r, old[i]);
    sim_release(old);
}

// Takes an entry out and closes the gap behind it.
static void remove_at(struct sim_replay_flow *r, size_t place)
{
    size_t mask = r->awaited_capacity - 1, hole = place;
    r->awaited_count--;
    for (size_t i = (place + 1) & mask; r->awaited[i].identity; i = (i + 1) & mask) {
        size_t home = place_of(r, r->awaited[i].identity);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            r->awaited[hole] = r->awaited[i];
            hole = i;
        }
    }
    r->awaited[hole].identity = 0;
}

static uint64_t due_ns(const struct sim_replay_flow *r)
{
    return r->flow->settings->start_ns + (r->next.time_ns - r->first_ns);
}

static void send_next(struct sim_replay_flow *r)
{
    static const struct qe_offload none;
    struct sim_flow *flow = r->flow;
    uint8_t packet[SIM_REWRITE_MAX];
    uint8_t family = r->next.ip.data[0] >> 4;
    struct qe_ip captured = source_of(r->next.ip);
    bool forward = qe_ip_equal(&captured, &r->first_source);
    struct sim_host *from = forward ? flow->from : flow->to, *to = forward ? flow->to : flow->from;
    const struct qe_cidr *source = sim_host_tun_address(from, family), *target = sim_host_tun_address(to, family);
    SIM_ROOM(flow->latency_ns, flow->sent, flow->latency_capacity);
    SIM_ROOM(r->sent_ns, flow->sent, r->sent_capacity);
    r->sent_ns[flow->sent] = flow->flows->engine->now_ns;
    flow->latency_ns[flow->sent] = UINT64_MAX;
    uint64_t number = flow->sent++;
    size_t size = source && target ? sim_rewrite(r->next.ip, r->next.total_size, &source->ip, &target->ip, packet) : 0;
    if (!size || !sim_host_tun_input(from, packet, size, &none)) {
        flow->refused++;
        return;
    }
    grow(r);
    insert(r, (struct sim_awaited){sim_rewrite_identity(qe_span(packet, size)), number, forward});
}

void sim_replay_flow_occur(struct sim_replay_flow *r)
{
    struct sim_engine *engine = r->flow->flows->engine;
    while (r->has_next && due_ns(r) <= engine->now_ns && engine->now_ns < r->flow->settings->stop_ns) {
        send_next(r);
        read_next(r);
    }
    if (r->has_next && due_ns(r) < r->flow->settings->stop_ns) sim_engine_schedule(engine, &r->flow->source, due_ns(r));
}

bool sim_replay_flow_claim(struct sim_replay_flow *r, const struct sim_host *host, struct qe_span packet)
{
    struct sim_flow *flow = r->flow;
    uint64_t identity = sim_rewrite_identity(packet);
    size_t found = SIZE_MAX;
    if (!identity || !r->awaited_capacity || (host != flow->from && host != flow->to)) return false;
    for (size_t i = place_of(r, identity); r->awaited[i].identity; i = (i + 1) & (r->awaited_capacity - 1)) {
        const struct sim_awaited *item = &r->awaited[i];
        if (item->identity != identity || item->forward != (host == flow->to)) continue;
        // Of several that look the same the one that was sent first.
        if (found == SIZE_MAX || item->number < r->awaited[found].number) found = i;
    }
    if (found == SIZE_MAX) return false;
    uint64_t number = r->awaited[found].number;
    flow->latency_ns[number] = flow->flows->engine->now_ns - r->sent_ns[number];
    flow->delivered++;
    r->received += packet.size;
    sim_flow_tell(flow, host, number, (uint32_t)packet.size);
    remove_at(r, found);
    return true;
}
