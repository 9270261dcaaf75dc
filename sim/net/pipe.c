#include "net/pipe.h"

#include "base/list.h"

#include <assert.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)
#define NEVER     UINT64_MAX
// Copies draw from the upper half of the streams, so that they move nobody else's luck.
#define COPY (UINT64_C(1) << 63)
#define CE   3

const char *sim_drop_name(enum sim_drop reason)
{
    static const char *const names[SIM_DROP_COUNT] = {"queue", "loss", "mtu", "down", "no-route", "no-neighbour",
        "not-here", "hops", "no-socket", "socket-full", "asleep", "partition", "no-source", "trigger", "no-mapping",
        "filtered", "exhausted", "hairpin", "firewall", "rebooting", "burst", "codel", "checksum"};
    return names[reason];
}

static void occur(struct sim_source *source);

static uint64_t bytes_in(uint64_t rate_bits, uint64_t ns)
{
    unsigned __int128 bytes = (unsigned __int128)rate_bits * ns / 8 / SECOND_NS;
    return bytes > UINT64_MAX / 2 ? UINT64_MAX / 2 : (uint64_t)bytes;
}

static uint64_t queue_bytes_in(uint64_t rate_bits, uint64_t ns)
{
    uint64_t bytes = bytes_in(rate_bits, ns);
    return bytes < SIM_QUEUE_BYTES_MIN ? SIM_QUEUE_BYTES_MIN : bytes;
}

// The settings with the limits in bytes that limits in time stand for at this rate.
static void settle(struct sim_pipe *pipe, const struct sim_pipe_settings *settings)
{
    struct sim_pipe_settings s = *settings;
    if (s.queue_ns && s.rate_bits) s.queue_bytes = queue_bytes_in(s.rate_bits, s.queue_ns);
    if (s.mark_above.ns && s.rate_bits) s.mark_above.bytes = bytes_in(s.rate_bits, s.mark_above.ns);
    pipe->settings = s;
    pipe->plain = !s.plan && s.jitter_model == SIM_JITTER_UNIFORM && !s.gilbert.on && !s.bursts.every_ns &&
                  !s.mark_above.packets && !s.mark_above.bytes && !s.mark_above.ns && !s.codel.target_ns &&
                  !s.late_ppb && !s.duplicate_ppb && !s.corrupt_ppb && !pipe->queued;
}

void sim_pipe_init(struct sim_pipe *pipe, struct sim_engine *engine, const struct sim_pipe_settings *settings,
    uint64_t seed, const char *name, struct sim_pipe_owner owner)
{
    *pipe = (struct sim_pipe){.engine = engine, .owner = owner};
    for (uint32_t i = 0; i < SIM_CHANCE_COUNT; i++)
        pipe->streams[i] = sim_stream(seed, SIM_STREAM_PIPE, name, i);
    settle(pipe, settings);
    sim_source_init(&pipe->source, SIM_PRIORITY_PIPE, occur);
}

void sim_pipe_fini(struct sim_pipe *pipe)
{
    sim_pipe_set_down(pipe, true);
    sim_engine_cancel(pipe->engine, &pipe->source);
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
        pipe->waiting_bytes -= pipe->first_waiting->wire_size;
        pipe->first_waiting = pipe->first_waiting->next_waiting;
    }
    if (!pipe->first_waiting) pipe->last_waiting = NULL;
}

static bool queue_full(const struct sim_pipe *pipe, uint32_t size)
{
    const struct sim_pipe_settings *s = &pipe->settings;
    uint64_t bytes_max = s->queue_bytes;
    if (s->queue_ns && s->plan)
        bytes_max = queue_bytes_in(sim_rate_plan_rate(s->plan, pipe->engine->now_ns), s->queue_ns);
    if (s->queue_packets && pipe->waiting + pipe->queued >= s->queue_packets) return true;
    return bytes_max && pipe->waiting_bytes + pipe->queued_bytes + size > bytes_max;
}

static void mark(struct sim_pipe *pipe, struct sim_packet *packet)
{
    if (packet->ecn == CE) return;
    packet->ecn = CE;
    pipe->stats.marked++;
}

static void mark_if_above(struct sim_pipe *pipe, struct sim_packet *packet)
{
    const struct sim_queue_length *above = &pipe->settings.mark_above;
    uint64_t bytes_max = above->bytes, bytes = pipe->waiting_bytes + pipe->queued_bytes;
    if (above->ns && pipe->settings.plan)
        bytes_max = bytes_in(sim_rate_plan_rate(pipe->settings.plan, pipe->engine->now_ns), above->ns);
    bool is_above = (above->packets && pipe->waiting + pipe->queued >= above->packets) ||
                    ((above->bytes || above->ns) && bytes && bytes >= bytes_max);
    if (is_above && packet->ecn) mark(pipe, packet);
}

static void note_peak(struct sim_pipe *pipe)
{
    uint64_t count = pipe->waiting + pipe->queued;
    if (count > pipe->stats.queue_packets_peak) pipe->stats.queue_packets_peak = count;
}

static void append_waiting(struct sim_pipe *pipe, struct sim_packet *packet)
{
    packet->next_waiting = NULL;
    if (pipe->last_waiting)
        pipe->last_waiting->next_waiting = packet;
    else
        pipe->first_waiting = packet;
    pipe->last_waiting = packet;
    pipe->waiting++;
    pipe->waiting_bytes += packet->wire_size;
    note_peak(pipe);
}

// When the transmitter can begin with something new.
static uint64_t ready_ns(struct sim_pipe *pipe)
{
    uint64_t now = pipe->engine->now_ns, ready = pipe->free_ns > now ? pipe->free_ns : now;
    return pipe->settings.plan ? sim_rate_plan_start(pipe->settings.plan, &pipe->cursor, ready) : ready;
}

static void schedule(struct sim_pipe *pipe)
{
    uint64_t service = pipe->first_queued ? ready_ns(pipe) : NEVER;
    if (pipe->first && pipe->first->arrive_ns <= service)
        sim_engine_schedule_as(pipe->engine, &pipe->source, pipe->first->arrive_ns, pipe->first->sequence);
    else if (service != NEVER)
        sim_engine_schedule(pipe->engine, &pipe->source, service);
    else
        sim_engine_cancel(pipe->engine, &pipe->source);
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
    if (pipe->first == packet) schedule(pipe);
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

// Gives a packet to the transmitter, which begins with it then: ready_ns().
static void transmit(struct sim_pipe *pipe, struct sim_packet *packet, uint64_t start_ns)
{
    const struct sim_pipe_settings *s = &pipe->settings;
    uint64_t size = packet->wire_size;
    packet->start_ns = start_ns;
    if (s->plan)
        pipe->free_ns = sim_rate_plan_send(s->plan, &pipe->cursor, start_ns, size);
    else
        pipe->free_ns = start_ns + (s->rate_bits ? size * 8 * SECOND_NS / s->rate_bits : 0);
    packet->burst = s->bursts.every_ns &&
                    sim_bursts_at(&s->bursts, &pipe->streams[SIM_CHANCE_BURST], &pipe->burst, packet->start_ns);
    // Jitter either way never outruns light.
    int64_t jitter = packet->jitter_ns;
    packet->arrive_ns = pipe->free_ns;
    if (jitter >= 0 || (uint64_t)-jitter < s->delay_ns) packet->arrive_ns += s->delay_ns + (uint64_t)jitter;
    if (packet->late) {
        packet->arrive_ns += s->late_ns;
    } else {
        if (!s->reorder && packet->arrive_ns < pipe->last_arrival_ns) packet->arrive_ns = pipe->last_arrival_ns;
        if (packet->arrive_ns > pipe->last_arrival_ns) pipe->last_arrival_ns = packet->arrive_ns;
    }
    packet->sequence = sim_engine_sequence(pipe->engine);
    insert(pipe, packet);
}

static void enqueue(struct sim_pipe *pipe, struct sim_packet *packet)
{
    packet->enter_ns = pipe->engine->now_ns;
    packet->next_waiting = NULL;
    if (pipe->last_queued)
        pipe->last_queued->next_waiting = packet;
    else
        pipe->first_queued = packet;
    pipe->last_queued = packet;
    pipe->queued++;
    pipe->queued_bytes += packet->wire_size;
}

static struct sim_packet *dequeue(struct sim_pipe *pipe)
{
    struct sim_packet *packet = pipe->first_queued;
    pipe->first_queued = packet->next_waiting;
    if (!pipe->first_queued) pipe->last_queued = NULL;
    pipe->queued--;
    pipe->queued_bytes -= packet->wire_size;
    return packet;
}

// The packet to be sent next; NULL where CoDel has dropped them all.
static struct sim_packet *next_to_send(struct sim_pipe *pipe)
{
    const struct sim_codel_settings *codel = &pipe->settings.codel;
    uint64_t now = pipe->engine->now_ns;
    for (bool again = false; pipe->first_queued; again = true) {
        struct sim_packet *packet = dequeue(pipe);
        if (!codel->target_ns) return packet; // it was switched off while packets waited
        enum sim_codel_verdict verdict = sim_codel_judge(
            &pipe->codel, codel, now, now - packet->enter_ns, pipe->queued_bytes, packet->ecn != 0, again);
        if (verdict == SIM_CODEL_MARK) mark(pipe, packet);
        if (verdict != SIM_CODEL_DROP) return packet;
        drop(pipe, packet, SIM_DROP_CODEL);
    }
    sim_codel_on_empty(&pipe->codel);
    return NULL;
}

// Lets the transmitter have what it can begin with now.
static void serve(struct sim_pipe *pipe)
{
    uint64_t now = pipe->engine->now_ns;
    while (pipe->first_queued && ready_ns(pipe) <= now) {
        struct sim_packet *packet = next_to_send(pipe);
        if (packet) transmit(pipe, packet, now);
    }
    schedule(pipe);
    // Nothing is left of a CoDel that was switched off.
    if (!pipe->queued && !pipe->settings.codel.target_ns) settle(pipe, &pipe->settings);
}

static void enter(struct sim_pipe *pipe, struct sim_packet *packet, uint64_t place)
{
    const struct sim_pipe_settings *s = &pipe->settings;
    uint64_t now = pipe->engine->now_ns;
    uint32_t ip_size = sim_packet_ip_size(packet);
    packet->wire_size = ip_size + s->overhead;
    if (pipe->plain) {
        pipe->streams[SIM_CHANCE_LOSS].counter = pipe->streams[SIM_CHANCE_JITTER].counter = place;
        packet->lost = s->loss_ppb && sim_random_chance(&pipe->streams[SIM_CHANCE_LOSS], s->loss_ppb);
        packet->jitter_ns =
            s->jitter_ns ? (int64_t)sim_random_below(&pipe->streams[SIM_CHANCE_JITTER], s->jitter_ns + 1) : 0;
        packet->late = packet->damaged = false;
    } else {
        sim_pipe_draw(pipe, packet, place);
    }
    if (pipe->down) {
        drop(pipe, packet, SIM_DROP_DOWN);
        return;
    }
    if (ip_size > s->mtu) {
        drop(pipe, packet, SIM_DROP_MTU);
        return;
    }
    look_at_queue(pipe);
    uint64_t start = ready_ns(pipe);
    bool waits = start > now || pipe->first_queued;
    if (waits && queue_full(pipe, packet->wire_size)) {
        drop(pipe, packet, SIM_DROP_QUEUE);
        return;
    }
    if (!pipe->plain) mark_if_above(pipe, packet);
    if (s->codel.target_ns || pipe->first_queued) {
        if (!waits) sim_codel_on_empty(&pipe->codel);
        enqueue(pipe, packet);
        if (waits) note_peak(pipe);
        serve(pipe);
        return;
    }
    if (waits) append_waiting(pipe, packet);
    transmit(pipe, packet, start);
}

void sim_pipe_enter(struct sim_pipe *pipe, struct sim_packet *packet)
{
    uint64_t place = pipe->stats.entered++;
    struct sim_packet *copy = NULL;
    pipe->stats.entered_bytes += sim_packet_ip_size(packet);
    if (pipe->settings.duplicate_ppb) {
        pipe->streams[SIM_CHANCE_DUPLICATE].counter = place;
        if (sim_random_chance(&pipe->streams[SIM_CHANCE_DUPLICATE], pipe->settings.duplicate_ppb))
            copy = pipe->owner.copy(pipe->owner.user, pipe, packet);
    }
    enter(pipe, packet, place);
    if (!copy) return;
    pipe->stats.duplicated++;
    enter(pipe, copy, place | COPY);
}

static void arrive(struct sim_pipe *pipe, struct sim_packet *packet)
{
    if (packet->lost || packet->burst) {
        drop(pipe, packet, packet->lost ? SIM_DROP_LOSS : SIM_DROP_BURST);
        return;
    }
    if (packet->damaged) {
        pipe->stats.corrupted++;
        if (pipe->settings.checksum) {
            drop(pipe, packet, SIM_DROP_CHECKSUM);
            return;
        }
    }
    pipe->stats.delivered++;
    pipe->stats.delivered_bytes += sim_packet_ip_size(packet);
    pipe->owner.arrived(pipe->owner.user, pipe, packet);
}

static void occur(struct sim_source *source)
{
    struct sim_pipe *pipe = qe_container(source, struct sim_pipe, source);
    look_at_queue(pipe);
    if (!pipe->first || pipe->first->arrive_ns > pipe->engine->now_ns) {
        serve(pipe);
        return;
    }
    struct sim_packet *packet = take_first(pipe);
    if (pipe->first || pipe->first_queued) schedule(pipe);
    arrive(pipe, packet);
}

void sim_pipe_set(struct sim_pipe *pipe, const struct sim_pipe_settings *settings)
{
    const struct sim_pipe_settings *old = &pipe->settings;
    if (settings->plan != old->plan) pipe->cursor = (struct sim_rate_cursor){0};
    if (settings->bursts.every_ns != old->bursts.every_ns || settings->bursts.lasts_ns != old->bursts.lasts_ns ||
        settings->bursts.random != old->bursts.random) {
        pipe->burst = (struct sim_burst_state){0};
        pipe->streams[SIM_CHANCE_BURST].counter = 0;
    }
    if (!settings->gilbert.on) pipe->bad = false;
    settle(pipe, settings);
    if (pipe->first_queued) schedule(pipe);
}

void sim_pipe_set_down(struct sim_pipe *pipe, bool down)
{
    pipe->down = down;
    if (!down) return;
    pipe->first_waiting = pipe->last_waiting = NULL;
    pipe->waiting = pipe->waiting_bytes = 0;
    pipe->free_ns = pipe->engine->now_ns;
    pipe->last_arrival_ns = 0;
    pipe->cursor = (struct sim_rate_cursor){0};
    pipe->codel = (struct sim_codel){0};
    sim_engine_cancel(pipe->engine, &pipe->source);
    while (pipe->first)
        drop(pipe, take_first(pipe), SIM_DROP_DOWN);
    while (pipe->first_queued)
        drop(pipe, dequeue(pipe), SIM_DROP_DOWN);
}

uint64_t sim_pipe_dropped(const struct sim_pipe *pipe)
{
    uint64_t dropped = 0;
    for (int i = 0; i < SIM_DROP_COUNT; i++)
        dropped += pipe->stats.dropped[i];
    return dropped;
}

void sim_pipe_queue(const struct sim_pipe *pipe, uint64_t *packets, uint64_t *bytes)
{
    const struct sim_packet *packet = pipe->first_waiting;
    *packets = pipe->waiting + pipe->queued;
    *bytes = pipe->waiting_bytes + pipe->queued_bytes;
    for (; packet && packet->start_ns <= pipe->engine->now_ns; packet = packet->next_waiting) {
        --*packets;
        *bytes -= packet->wire_size;
    }
}

bool sim_pipe_conserves(const struct sim_pipe *pipe)
{
    uint64_t way = 0, queued = 0;
    for (const struct sim_packet *packet = pipe->first; packet; packet = packet->next)
        way++;
    for (const struct sim_packet *packet = pipe->first_queued; packet; packet = packet->next_waiting)
        queued++;
    return way == pipe->under_way && queued == pipe->queued &&
           pipe->stats.entered + pipe->stats.duplicated ==
               pipe->stats.delivered + sim_pipe_dropped(pipe) + way + queued;
}
