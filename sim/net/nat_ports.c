// Which outside address and port a mapping gets, and what each inside host has of them.
#include "net/nat_internal.h"

#include "engine/memory.h"

#include <assert.h>

// A run of ports, both included.
struct range {
    uint32_t first, last;
};

static uint32_t size_of(struct range range)
{
    return range.last - range.first + 1;
}

static struct range all_ports(const struct sim_nat *nat)
{
    return (struct range){nat->settings->port_min, nat->settings->port_max};
}

// Blocks that each outside address has.
static uint32_t blocks_of_address(const struct sim_nat *nat)
{
    return size_of(all_ports(nat)) / nat->settings->block_ports;
}

// RFC 7422: how many inside hosts share an address follows from the size of what each of them gets.
static uint32_t inside_number(const struct sim_nat *nat, uint32_t inside)
{
    return (inside & ~nat->inside_mask) - (nat->inside_base & ~nat->inside_mask);
}

size_t nat_choose_address(struct sim_nat *nat, uint32_t inside)
{
    const struct sim_nat_settings *s = nat->settings;
    if (s->renumber) return nat->address_now;
    if (s->block_ports && s->blocks_computed)
        return inside_number(nat, inside) * s->blocks_max / blocks_of_address(nat) % nat->address_count;
    if (s->pooling_arbitrary) return (size_t)sim_random_below(&nat->pool, nat->address_count);
    return nat->address_next++ % nat->address_count;
}

uint32_t sim_nat_address_of(const struct sim_nat *nat, uint32_t inside)
{
    const struct nat_host *host = qe_table_get(nat->hosts, &inside);
    if (host) return nat->addresses[host->address].ip;
    if (nat->settings->renumber) return nat->addresses[nat->address_now].ip;
    if (nat->settings->block_ports && nat->settings->blocks_computed)
        return nat->addresses[nat_choose_address((struct sim_nat *)nat, inside)].ip;
    return nat->addresses[nat->address_next % nat->address_count].ip;
}

struct nat_host *nat_host(struct sim_nat *nat, uint32_t ip)
{
    struct nat_host *host = qe_table_get(nat->hosts, &ip);
    if (host) return host;
    host = sim_obtain(1, sizeof(*host));
    host->ip = ip;
    if (!nat->settings->pooling_arbitrary) host->address = nat_choose_address(nat, ip);
    int put = qe_table_put(nat->hosts, &ip, host);
    assert(put == 0);
    return host;
}

void nat_release_host(struct sim_nat *nat, struct nat_host *host)
{
    if (host->mappings) return;
    assert(host->block_count == 0);
    qe_table_remove(nat->hosts, &host->ip);
    sim_release(host->blocks);
    sim_release(host);
}

static bool is_taken(const struct nat_address *address, uint32_t port)
{
    return address->taken[port / 64] >> port % 64 & 1;
}

// Whether the mapping may have this port: nobody has it, or only others that are told apart by their remote endpoint.
static bool is_free(const struct sim_nat *nat, const struct nat_mapping *mapping, size_t address, uint32_t port)
{
    if (is_taken(&nat->addresses[address], port)) return false;
    if (!nat->settings->share_ports || mapping->kind != NAT_DYNAMIC) return true;
    struct sim_endpoint outside = {nat->addresses[address].ip, (uint16_t)port};
    return !nat_find_outside(nat, outside, mapping->remote);
}

// The first free port from `start` on, around the end; 0: none.
static uint32_t find_free(
    const struct sim_nat *nat, const struct nat_mapping *mapping, size_t address, struct range range, uint32_t start)
{
    const struct nat_address *a = &nat->addresses[address];
    uint32_t port = start;
    for (uint32_t looked = 0; looked < size_of(range);) {
        // A word of ports that are all taken is passed over as a whole.
        uint32_t step = port % 64 == 0 && a->taken[port / 64] == UINT64_MAX ? 64 : 1;
        if (step == 1 && is_free(nat, mapping, address, port)) return port;
        if (step > range.last - port + 1) step = range.last - port + 1;
        looked += step;
        port = port + step > range.last ? range.first : port + step;
    }
    return 0;
}

static uint32_t place_in(struct range range, uint32_t port)
{
    return range.first + port % size_of(range);
}

static bool is_in(struct range range, uint32_t port)
{
    return port >= range.first && port <= range.last;
}

// *next: where sequential allocation goes on in this range.
static uint32_t choose_port(struct sim_nat *nat, const struct nat_mapping *mapping, size_t address, struct range range,
    uint32_t *next, uint16_t wanted)
{
    const struct sim_nat_settings *s = nat->settings;
    enum sim_nat_allocation how = s->allocation;
    if (how == SIM_NAT_PRESERVE || (mapping->kind == NAT_EXPLICIT && wanted)) {
        if (is_in(range, wanted) && is_free(nat, mapping, address, wanted)) return wanted;
        if (how == SIM_NAT_PRESERVE) how = s->collision;
    }
    uint32_t port;
    switch (how) {
    case SIM_NAT_RANDOM:
        return find_free(
            nat, mapping, address, range, range.first + (uint32_t)sim_random_below(&nat->ports, size_of(range)));
    case SIM_NAT_SEQUENTIAL:
        if (s->allocation == SIM_NAT_PRESERVE)
            return find_free(nat, mapping, address, range, is_in(range, wanted) ? wanted : place_in(range, wanted));
        port = find_free(nat, mapping, address, range, is_in(range, *next) ? *next : range.first);
        if (port) *next = place_in(range, port - range.first + s->step);
        return port;
    case SIM_NAT_PRESERVE:
    case SIM_NAT_REFUSE:
        break;
    }
    return 0;
}

static void take(struct sim_nat *nat, struct nat_mapping *mapping, size_t address, uint32_t port)
{
    struct nat_address *a = &nat->addresses[address];
    mapping->address = address;
    mapping->outside = (struct sim_endpoint){a->ip, (uint16_t)port};
    mapping->has_port = !nat->settings->share_ports || mapping->kind != NAT_DYNAMIC;
    if (!mapping->has_port) return;
    a->taken[port / 64] |= UINT64_C(1) << port % 64;
    a->taken_count++;
}

bool nat_take_this_port(struct sim_nat *nat, struct nat_mapping *mapping, size_t address, uint16_t port)
{
    if (is_taken(&nat->addresses[address], port)) return false;
    take(nat, mapping, address, port);
    return true;
}

static struct range range_of_block(const struct sim_nat *nat, const struct nat_block *block)
{
    return (struct range){block->first, block->first + nat->settings->block_ports - 1};
}

// The block that the host gets next, by its index; UINT32_MAX: none.
static uint32_t choose_block(struct sim_nat *nat, const struct nat_host *host)
{
    const struct nat_address *a = &nat->addresses[host->address];
    uint32_t count = blocks_of_address(nat);
    if (nat->settings->blocks_computed) {
        uint32_t first = inside_number(nat, host->ip) * nat->settings->blocks_max % count;
        for (uint32_t i = 0; i < nat->settings->blocks_max && first + i < count; i++)
            if (!a->blocks_taken[first + i]) return first + i;
        return UINT32_MAX;
    }
    uint32_t start = nat->settings->allocation == SIM_NAT_RANDOM ? (uint32_t)sim_random_below(&nat->ports, count) : 0;
    for (uint32_t i = 0; i < count; i++)
        if (!a->blocks_taken[(start + i) % count]) return (start + i) % count;
    return UINT32_MAX;
}

static struct nat_block *add_block(struct sim_nat *nat, struct nat_host *host)
{
    if (host->block_count == nat->settings->blocks_max) return NULL;
    uint32_t index = choose_block(nat, host);
    if (index == UINT32_MAX) return NULL;
    nat->addresses[host->address].blocks_taken[index] = 1;
    SIM_ROOM(host->blocks, host->block_count, host->block_capacity);
    uint32_t first = nat->settings->port_min + index * nat->settings->block_ports;
    host->blocks[host->block_count] = (struct nat_block){.first = first, .next = first};
    return &host->blocks[host->block_count++];
}

static void drop_block(struct sim_nat *nat, struct nat_host *host, size_t place)
{
    uint32_t index = (host->blocks[place].first - nat->settings->port_min) / nat->settings->block_ports;
    nat->addresses[host->address].blocks_taken[index] = 0;
    // Their order is the order in which they are filled.
    for (host->block_count--; place < host->block_count; place++)
        host->blocks[place] = host->blocks[place + 1];
}

static bool take_in_block(struct sim_nat *nat, struct nat_mapping *mapping, struct nat_block *block, uint16_t wanted)
{
    uint32_t port = choose_port(nat, mapping, mapping->host->address, range_of_block(nat, block), &block->next, wanted);
    if (!port) return false;
    take(nat, mapping, mapping->host->address, port);
    block->used++;
    return true;
}

static bool take_in_blocks(struct sim_nat *nat, struct nat_mapping *mapping, uint16_t wanted)
{
    struct nat_host *host = mapping->host;
    for (size_t i = 0; i < host->block_count; i++)
        if (take_in_block(nat, mapping, &host->blocks[i], wanted)) return true;
    struct nat_block *block = add_block(nat, host);
    if (!block) return false;
    if (take_in_block(nat, mapping, block, wanted)) return true;
    drop_block(nat, host, host->block_count - 1);
    return false;
}

bool nat_take_port(struct sim_nat *nat, struct nat_mapping *mapping, uint16_t wanted)
{
    const struct sim_nat_settings *s = nat->settings;
    struct nat_host *host = mapping->host;
    if (s->host_ports_max && host->mappings >= s->host_ports_max) return false;
    if (s->block_ports) return take_in_blocks(nat, mapping, wanted);
    size_t address = s->pooling_arbitrary ? nat_choose_address(nat, host->ip) : host->address;
    uint32_t port = choose_port(nat, mapping, address, all_ports(nat), &nat->addresses[address].next, wanted);
    if (!port) return false;
    take(nat, mapping, address, port);
    return true;
}

static void leave_block(struct sim_nat *nat, struct nat_host *host, uint16_t port)
{
    for (size_t i = 0; i < host->block_count; i++) {
        if (!is_in(range_of_block(nat, &host->blocks[i]), port)) continue;
        if (--host->blocks[i].used == 0) drop_block(nat, host, i);
        return;
    }
}

void nat_give_port(struct sim_nat *nat, struct nat_mapping *mapping)
{
    struct nat_address *a = &nat->addresses[mapping->address];
    uint16_t port = mapping->outside.port;
    if (mapping->has_port) {
        a->taken[port / 64] &= ~(UINT64_C(1) << port % 64);
        a->taken_count--;
    }
    if (nat->settings->block_ports && mapping->kind != NAT_FORWARD) leave_block(nat, mapping->host, port);
}
