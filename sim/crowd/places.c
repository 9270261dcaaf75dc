#include "crowd/places.h"

#include "engine/memory.h"

#include <assert.h>

#define SOME_MAX  4096
#define DRAWS_MAX 10000

void sim_places_init(struct sim_places *places, uint64_t seed, size_t count_max)
{
    size_t slots = 64;
    while (slots < count_max * 2)
        slots *= 2;
    *places = (struct sim_places){.chance = sim_stream(seed, SIM_STREAM_CROWD, "places", 0), .mask = slots - 1};
    places->secret = sim_random_word(&places->chance);
    places->slots = sim_obtain(slots, sizeof(*places->slots));
    places->some = sim_obtain(SOME_MAX, sizeof(*places->some));
    for (size_t i = 0; i < slots; i++)
        places->slots[i].who = SIM_NOBODY;
}

void sim_places_fini(struct sim_places *places)
{
    sim_release(places->slots);
    sim_release(places->some);
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static size_t home(const struct sim_places *places, uint32_t ip)
{
    return mix(ip) & places->mask;
}

static size_t find(const struct sim_places *places, uint32_t ip)
{
    size_t i = home(places, ip);
    while (places->slots[i].who != SIM_NOBODY && places->slots[i].ip != ip)
        i = (i + 1) & places->mask;
    return i;
}

uint32_t sim_places_at(const struct sim_places *places, uint32_t ip)
{
    return places->slots[find(places, ip)].who;
}

void sim_places_enter(struct sim_places *places, uint32_t ip, uint32_t who)
{
    size_t i = find(places, ip);
    assert(places->slots[i].who == SIM_NOBODY && places->count < places->mask);
    places->slots[i].ip = ip;
    places->slots[i].who = who;
    places->count++;
}

// Moves what stands behind into the gap where it may (linear probing without tombstones).
void sim_places_leave(struct sim_places *places, uint32_t ip)
{
    size_t gap = find(places, ip);
    assert(places->slots[gap].who != SIM_NOBODY);
    for (size_t i = (gap + 1) & places->mask; places->slots[i].who != SIM_NOBODY; i = (i + 1) & places->mask) {
        size_t wanted = home(places, places->slots[i].ip);
        if (((i - wanted) & places->mask) < ((i - gap) & places->mask)) continue;
        places->slots[gap] = places->slots[i];
        gap = i;
    }
    places->slots[gap].who = SIM_NOBODY;
    places->count--;
}

// Networks of this host, of the neighbourhood, of nobody, shared ones (RFC 6598), documentation, multicast.
static bool is_public(uint32_t ip)
{
    uint32_t top = ip >> 24, two = ip >> 16;
    return top != 0 && top != 10 && top != 127 && top < 224 && two != 0xA9FE && two >> 4 != 0xAC1 && two != 0xC0A8 &&
           !(top == 100 && (two & 0xC0) == 0x40) && two != 0xC000 && two != 0xC612 && two != 0xC613 &&
           ip >> 8 != 0xC63364 && ip >> 8 != 0xCB0071 && (ip & 0xFF) != 0 && (ip & 0xFF) != 0xFF;
}

// A /16 by the product of three uniform draws: the fullest has some sixty times the mean.
static uint32_t draw_anywhere(struct sim_stream *chance)
{
    uint64_t rank = sim_random_below(chance, 65536) * sim_random_below(chance, 65536) >> 16;
    rank = rank * sim_random_below(chance, 65536) >> 16;
    uint32_t network = (uint32_t)(rank * 40503 + 12345) & 0xFFFF; // an odd factor: one to one
    return network << 16 | (uint32_t)sim_random_below(chance, 65536);
}

static struct sim_place finish(struct sim_places *places, uint32_t ip)
{
    return (struct sim_place){ip, (uint16_t)(1024 + sim_random_below(&places->chance, 64512))};
}

struct sim_place sim_places_draw(struct sim_places *places)
{
    for (int i = 0; i < DRAWS_MAX; i++) {
        uint32_t ip = draw_anywhere(&places->chance);
        if (places->some_count && sim_random_chance(&places->chance, places->neighbours_ppb))
            ip = (places->some[sim_random_below(&places->chance, places->some_count)] & ~UINT32_C(0xFF)) | (ip & 0xFF);
        if (!is_public(ip) || sim_places_at(places, ip) != SIM_NOBODY) continue;
        if (places->some_count < SOME_MAX) places->some[places->some_count++] = ip;
        return finish(places, ip);
    }
    assert(!"addresses are used up");
    return (struct sim_place){0};
}

bool sim_places_draw_in(struct sim_places *places, uint32_t in, unsigned bits, struct sim_place *out)
{
    for (int i = 0; i < DRAWS_MAX; i++) {
        uint64_t size = UINT64_C(1) << (32 - bits);
        uint32_t ip = (uint32_t)((in & ~(size - 1)) | sim_random_below(&places->chance, size));
        if (!is_public(ip) || sim_places_at(places, ip) != SIM_NOBODY) continue;
        *out = finish(places, ip);
        return true;
    }
    return false;
}

uint64_t sim_places_delay_ns(const struct sim_places *places, uint32_t a, uint32_t b)
{
    uint64_t pair = a < b ? (uint64_t)a << 32 | b : (uint64_t)b << 32 | a;
    uint64_t spread = places->rtt_max_ns - places->rtt_min_ns + 1;
    uint64_t word = mix(mix(pair ^ places->secret) + places->secret);
    return (places->rtt_min_ns + (uint64_t)((unsigned __int128)word * spread >> 64)) / 2;
}

struct qe_addr sim_place_addr(struct sim_place place)
{
    return (struct qe_addr){.ip = qe_ip4_from_u32(place.ip), .port = place.port};
}

struct sim_place sim_place_of(const struct qe_addr *addr)
{
    if (addr->ip.family != 4) return (struct sim_place){0};
    return (struct sim_place){qe_ip4_to_u32(&addr->ip), addr->port};
}
