#include "net/pipe.h"

#include "base/list.h"

#include <assert.h>

enum sim_pipe_chance {
    CHANCE_LOSS,
    CHANCE_JITTER,
};

const char *sim_drop_name(enum sim_drop reason)
{
    static const char *const names[SIM_DROP_COUNT] = {"queue", "loss", "mtu", "down", "no-route", "no-neighbour",
        "not-here", "hops", "no-socket", "socket-full", "asleep", "partition", "no-source", "trigger", "no-mapping",
        "filtered", "exhausted", "hairpin", "firewall", "rebooting"};
    return names[reason];
}

static void occur(struct sim_source *source);

// The limit in bytes that a limit in time stands for at this rate.
static struct sim_pipe_settings settle(const struct sim_pipe_settings *settings)
{
    struct sim_pipe_settings s = *settings;
    if (s.queue_ns && s.rate_bits) {
        unsigned __int128 bytes = (unsigned __int128)s.rate_bits * s.queue_ns / 8 / 1000000000;
        s.queue_bytes = bytes > UINT64_MAX / 2 ? UINT64_MAX / 2 : (uint64_t)bytes;
        if (s.queue_bytes < SIM_QUEUE_BYTES_MIN) s.queue_bytes = SIM_QUEUE_BYTES_MIN;
    }
    return s;
}

void sim_pipe_init(struct sim_pipe *pipe, struct sim_engine *engine, const struct sim_pipe_settings *settings,
    uint64_t seed, const char *name, struct sim_pipe_owner owner)
{
    *pipe = (struct sim_pipe){.engine = engine,
        .owner = owner,
        .settings = settle(settings),
        .loss = sim_stream(seed, SIM_STREAM_PIPE, name, CHANCE_LOSS),
        .jitter = sim_stream(seed, SIM_STREAM_PIPE, name, CHANCE_JITTER)};
    sim_source_init(&pipe->source, SIM_PRIORITY_PIPE, occur);
}

void sim_pipe_fini(struct sim_pipe *pipe)
{
    sim_pipe_set_down(pipe, true);
    sim_engine_cancel(pipe->engine, &pipe->source);
}

void sim_pipe_set(struct sim_pipe *pipe, const struct sim_pipe_settings *settings)
{
    pipe->settings = settle(settings);
}

static uint64_t wire_size(const struct sim_pipe *pipe, const struct sim_packet *packet)
{
    return (uint64_t)sim_packet_ip_size(packet) + pipe->settings.overhead;
}

static void drop(struct sim_pipe *pipe, struct sim_packet *packet, enum sim_drop reason)
{
    pipe->stats.dropped[reason]++;
    pipe->owner.dropped(pipe->owner.user, pipe, packet, reason);
}

// Forgets the packets whose sending has begun. They are a prefix of the queue: it is sent in order.
static void look_at_queue(struct sim_pipe *pipe)
{
    while (pipe->first_waiting && pipe->first_waiting->start_ns <= pipe->engine->now_ns) {
        pipe->waiting--;
        pipe->waiting_bytes -= wire_size(pipe, pipe->first_waiting);
        pipe->first_waiting = pipe->first_waiting->next_waiting;
    }
    if (!pipe->first_waiting) pipe->last_waiting = NULL;
}

static bool queue_full(const struct sim_pipe *pipe, uint64_t size)
{
    const struct sim_pipe_settings *s = &pipe->settings;
    if (s->queue_packets && pipe->waiting >= s->queue_packets) return true;
    return s->queue_bytes && pipe->waiting_bytes + size > s->queue_bytes;
}

static void append_waiting(struct sim_pipe *pipe, struct sim_packet *packet, uint64_t size)
{
    packet->next_waiting = NULL;
    if (pipe->last_waiting)
        pipe->last_waiting->next_waiting = packet;
    else
        pipe->first_waiting = packet;
    pipe->last_waiting = packet;
    pipe->waiting++;
    pipe->waiting_bytes += size;
    if (pipe->waiting > pipe->stats.queue_packets_peak) pipe->stats.queue_packets_peak = pipe->waiting;
}

// In order of arrival, behind those that arrive at the same time. From the end: with the order kept it is always the
// last, else few have overtaken it.
static void insert(struct sim_pipe *pipe, struct sim_packet *packet)
{
    struct sim_packet *before = pipe->last;
    while (before && before->arrive_ns > packet->arrive_ns)
        before = before->prev;
    packet->prev = before;
    packet->next = before ? before->next : pipe->first;
    if (packet->next)
        packet->next->prev = packet;
    else
        pipe->last = packet;
    if (before)
        before->next = packet;
    else
        pipe->first = packet;
    pipe->under_way++;
    if (pipe->first == packet) sim_engine_schedule_as(pipe->engine, &pipe->source, packet->arrive_ns, packet->sequence);
}

static struct sim_packet *take_first(struct sim_pipe *pipe)
{
    struct sim_packet *packet = pipe->first;
    pipe->first = packet->next;
    if (pipe->first)
        pipe->first->prev = NULL;
    else
        pipe->last = NULL;
    packet->next = packet->prev = NULL;
    pipe->under_way--;
    return packet;
}

void sim_pipe_enter(struct sim_pipe *pipe, struct sim_packet *packet)
{
    const struct sim_pipe_settings *s = &pipe->settings;
    uint64_t now = pipe->engine->now_ns;
    uint32_t ip_size = sim_packet_ip_size(packet);
    uint64_t size = wire_size(pipe, packet);
    // The n-th packet that enters has the n-th draw, whatever became of the others.
    pipe->loss.counter = pipe->jitter.counter = pipe->stats.entered;
    pipe->stats.entered++;
    pipe->stats.entered_bytes += ip_size;
    bool lost = s->loss_ppb && sim_random_chance(&pipe->loss, s->loss_ppb);
    uint64_t jitter = s->jitter_ns ? sim_random_below(&pipe->jitter, s->jitter_ns + 1) : 0;
    if (pipe->down) {
        drop(pipe, packet, SIM_DROP_DOWN);
        return;
    }
    if (ip_size > s->mtu) {
        drop(pipe, packet, SIM_DROP_MTU);
        return;
    }
    look_at_queue(pipe);
    bool waits = pipe->free_ns > now;
    if (waits && queue_full(pipe, size)) {
        drop(pipe, packet, SIM_DROP_QUEUE);
        return;
    }
    packet->lost = lost;
    packet->start_ns = waits ? pipe->free_ns : now;
    pipe->free_ns = packet->start_ns + (s->rate_bits ? size * 8 * UINT64_C(1000000000) / s->rate_bits : 0);
    packet->arrive_ns = pipe->free_ns + s->delay_ns + jitter;
    if (!s->reorder && packet->arrive_ns < pipe->last_arrival_ns) packet->arrive_ns = pipe->last_arrival_ns;
    if (packet->arrive_ns > pipe->last_arrival_ns) pipe->last_arrival_ns = packet->arrive_ns;
    packet->sequence = sim_engine_sequence(pipe->engine);
    if (waits) append_waiting(pipe, packet, size);
    insert(pipe, packet);
}

static void occur(struct sim_source *source)
{
    struct sim_pipe *pipe = qe_container(source, struct sim_pipe, source);
    look_at_queue(pipe);
    struct sim_packet *packet = take_first(pipe);
    if (pipe->first) sim_engine_schedule_as(pipe->engine, &pipe->source, pipe->first->arrive_ns, pipe->first->sequence);
    if (packet->lost) {
        drop(pipe, packet, SIM_DROP_LOSS);
        return;
    }
    pipe->stats.delivered++;
    pipe->stats.delivered_bytes += sim_packet_ip_size(packet);
    pipe->owner.arrived(pipe->owner.user, pipe, packet);
}

void sim_pipe_set_down(struct sim_pipe *pipe, bool down)
{
    pipe->down = down;
    if (!down) return;
    pipe->first_waiting = pipe->last_waiting = NULL;
    pipe->waiting = pipe->waiting_bytes = 0;
    pipe->free_ns = pipe->engine->now_ns;
    pipe->last_arrival_ns = 0;
    sim_engine_cancel(pipe->engine, &pipe->source);
    while (pipe->first)
        drop(pipe, take_first(pipe), SIM_DROP_DOWN);
}

void sim_pipe_queue(const struct sim_pipe *pipe, uint64_t *packets, uint64_t *bytes)
{
    const struct sim_packet *packet = pipe->first_waiting;
    *packets = pipe->waiting;
    *bytes = pipe->waiting_bytes;
    for (; packet && packet->start_ns <= pipe->engine->now_ns; packet = packet->next_waiting) {
        --*packets;
        *bytes -= wire_size(pipe, packet);
    }
}

bool sim_pipe_conserves(const struct sim_pipe *pipe)
{
    uint64_t way = 0, dropped = 0;
    for (const struct sim_packet *packet = pipe->first; packet; packet = packet->next)
        way++;
    for (int i = 0; i < SIM_DROP_PIPE_COUNT; i++)
        dropped += pipe->stats.dropped[i];
    return way == pipe->under_way && pipe->stats.entered == pipe->stats.delivered + dropped + way;
}
