#include "net/packet.h"

#include "engine/memory.h"

#include <assert.h>
#include <string.h>

// Room of a pooled packet: any datagram of an Ethernet link. Larger ones are allocated by themselves.
#define POOLED_SIZE 1536

void sim_packet_pool_init(struct sim_packet_pool *pool)
{
    *pool = (struct sim_packet_pool){0};
}

void sim_packet_pool_fini(struct sim_packet_pool *pool)
{
    while (pool->free) {
        struct sim_packet *packet = pool->free;
        pool->free = packet->next;
        sim_release(packet);
    }
}

struct sim_packet *sim_packet_new(struct sim_packet_pool *pool, const uint8_t *bytes, size_t size)
{
    struct sim_packet *packet = pool->free;
    uint32_t capacity = size > POOLED_SIZE ? (uint32_t)size : POOLED_SIZE;
    if (packet && capacity == POOLED_SIZE)
        pool->free = packet->next;
    else
        packet = sim_obtain(1, sizeof(*packet) + capacity);
    memset(packet, 0, sizeof(*packet));
    packet->capacity = capacity;
    packet->size = (uint32_t)size;
    packet->number = ++pool->number;
    packet->hops_left = SIM_HOPS_MAX;
    if (size) memcpy(packet->bytes, bytes, size);
    pool->out++;
    return packet;
}

struct sim_packet *sim_packet_copy(struct sim_packet_pool *pool, const struct sim_packet *packet)
{
    uint64_t number = pool->number;
    struct sim_packet *copy = sim_packet_new(pool, packet->bytes, packet->size);
    uint32_t capacity = copy->capacity;
    *copy = *packet;
    copy->capacity = capacity;
    copy->next = copy->prev = copy->next_waiting = NULL;
    pool->number = number;
    return copy;
}

void sim_packet_free(struct sim_packet_pool *pool, struct sim_packet *packet)
{
    assert(pool->out > 0);
    pool->out--;
    if (packet->capacity != POOLED_SIZE) {
        sim_release(packet);
        return;
    }
    packet->next = pool->free;
    pool->free = packet;
}

uint32_t sim_packet_ip_size(const struct sim_packet *packet)
{
    uint32_t ip = packet->destination.ip.family == 6 ? SIM_IP6_HEADER : SIM_IP4_HEADER;
    return packet->size + SIM_UDP_HEADER + ip;
}
