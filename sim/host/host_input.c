// Datagrams on their way into a node: which socket they are for, and batches as a kernel with GRO would make them.
#include "host/host.h"

#include <string.h>

// A socket bound to the very address, else one bound to all of that family.
static const struct sim_socket *find_socket(const struct sim_host *host, const struct qe_addr *to)
{
    const struct sim_socket *wild = NULL;
    for (size_t i = 0; i < host->socket_count; i++) {
        const struct sim_socket *s = &host->sockets[i];
        if (s->bind.port != to->port || s->bind.ip.family != to->ip.family) continue;
        if (qe_ip_equal(&s->bind.ip, &to->ip)) return s;
        if (qe_ip_is_unspecified(&s->bind.ip)) wild = s;
    }
    return wild;
}

// Not for a node: for something else on the machine, or for nobody.
static void deliver_plain(struct sim_host *host, struct sim_packet *packet)
{
    struct sim_hosts *hosts = host->hosts;
    if (!sim_host_take_mapped(host, packet) && !sim_host_take_resolved(host, packet) &&
        !sim_host_unmasquerade(host, packet) && (!hosts->plain || !hosts->plain(hosts->user, host, packet))) {
        sim_box_drop(&host->box, packet, SIM_DROP_NO_SOCKET);
        return;
    }
    hosts->network->received++;
    sim_trace_moved(hosts->trace, sim_box_who(&host->box), SIM_TRACE_RECEIVED, packet);
    sim_packet_free(&hosts->network->pool, packet);
}

void sim_host_deliver(struct sim_box *box, struct sim_packet *packet)
{
    struct sim_host *host = (struct sim_host *)box;
    if (!host->node || !find_socket(host, &packet->destination)) {
        deliver_plain(host, packet);
        return;
    }
    if (sim_host_idle(host) && (sim_host_asleep(host) || host->received_bytes > SIM_RECEIVED_BYTES_MAX)) {
        sim_box_drop(box, packet, sim_host_asleep(host) ? SIM_DROP_ASLEEP : SIM_DROP_SOCKET_FULL);
        return;
    }
    host->hosts->network->received++;
    host->hosts->held++;
    host->counts.datagrams_received++;
    const struct sim_watch *watch = &host->hosts->watch;
    if (watch->received) watch->received(watch->user, host, packet);
    sim_trace_moved(host->hosts->trace, sim_box_who(box), SIM_TRACE_RECEIVED, packet);
    host->received_bytes += packet->size;
    packet->next = NULL;
    if (host->last_received)
        host->last_received->next = packet;
    else
        host->first_received = packet;
    host->last_received = packet;
    sim_host_wake(host);
}

static struct sim_packet *take_received(struct sim_host *host)
{
    struct sim_packet *packet = host->first_received;
    host->first_received = packet->next;
    if (!host->first_received) host->last_received = NULL;
    host->hosts->held--;
    host->received_bytes -= packet->size;
    return packet;
}

void sim_host_forget_datagrams(struct sim_host *host)
{
    while (host->first_received)
        sim_packet_free(&host->hosts->network->pool, take_received(host));
}

// Whether `packet` may follow in the same batch of one origin: what UDP_GRO asks for (linux, udp_gro_receive).
static bool joins(const struct qe_datagrams *run, const struct sim_packet *packet, uint32_t socket)
{
    return run->socket == socket && run->interface == packet->interface && run->ecn == packet->ecn &&
           qe_addr_equal(&run->remote, &packet->source) && qe_addr_equal(&run->local, &packet->destination) &&
           packet->size > 0 && packet->size <= run->segment_size && run->size % run->segment_size == 0 &&
           run->size / run->segment_size < SIM_BATCH_MAX && run->size + packet->size <= UINT16_MAX;
}

// Puts the datagrams into `list`, those of one origin together in the arena. Returns how many entries there are.
static size_t gather(struct sim_host *host, struct sim_packet *const *packets, size_t count, struct qe_datagrams *list)
{
    size_t total = 0, entries = 0, used = 0;
    for (size_t i = 0; i < count; i++)
        total += packets[i]->size;
    if (total > host->arena_size) {
        host->arena = sim_resize(host->arena, total, 1);
        host->arena_size = total;
    }
    for (size_t i = 0; i < count; i++) {
        const struct sim_packet *packet = packets[i];
        const struct sim_socket *socket = find_socket(host, &packet->destination);
        if (!socket) continue; // closed since
        struct qe_datagrams *run = entries ? &list[entries - 1] : NULL;
        if (run && joins(run, packet, socket->id)) {
            if (run->size == run->segment_size) { // the second one: the first is still where it arrived
                memcpy(host->arena + used, run->bytes, run->size);
                run->bytes = host->arena + used;
                used += run->size;
            }
            memcpy(host->arena + used, packet->bytes, packet->size);
            used += packet->size;
            run->size += packet->size;
            continue;
        }
        list[entries++] = (struct qe_datagrams){.socket = socket->id,
            .interface = packet->interface,
            .local = packet->destination,
            .remote = packet->source,
            .bytes = packet->bytes,
            .size = packet->size,
            .segment_size = (uint16_t)(packet->size ? packet->size : 1),
            .ecn = packet->ecn};
    }
    return entries;
}

void sim_host_feed_datagrams(struct sim_host *host)
{
    struct sim_packet *packets[SIM_BATCH_MAX];
    struct qe_datagrams list[SIM_BATCH_MAX];
    size_t count = 0;
    while (host->first_received && count < SIM_BATCH_MAX)
        packets[count++] = take_received(host);
    if (!count) return;
    struct qe_event event = {.kind = QE_EVENT_DATAGRAMS, .datagrams = {list, gather(host, packets, count, list)}};
    if (event.datagrams.count) sim_host_step(host, &event);
    for (size_t i = 0; i < count; i++)
        sim_packet_free(&host->hosts->network->pool, packets[i]);
}
