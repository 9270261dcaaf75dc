// Who there is: how nodes come at the start, go, and are replaced.
#include "crowd/internal.h"

#include <assert.h>
#include <stdlib.h>

#define KNOWN_BOOTSTRAPS 3 // well-known addresses that a node is given

void sim_population_bootstrap(struct sim_crowd *crowd, uint32_t index)
{
    uint64_t all = crowd->plan->bootstraps, first = sim_random_below(&crowd->work_chance, all);
    // Whoever has a table needs no bootstrap, and remembers few.
    if (crowd->plan->begin == SIM_BEGIN_TABLES && crowd->now_ns == 0) return;
    for (uint64_t i = 0; i < all && i < KNOWN_BOOTSTRAPS; i++) {
        uint32_t other = (uint32_t)((first + i) % all);
        if (other == index) continue;
        struct qe_addr addr = sim_place_addr(crowd->members[other].place);
        qe_dht_add_bootstrap(crowd->members[index].dht, &addr, crowd->now_ns);
    }
}

// -log2(x / 2^64) in 2^-24ths, bit by bit: the square of a number has twice its logarithm.
static uint64_t log2_below_one(uint64_t x)
{
    unsigned zeros = 0;
    while (zeros < 64 && !(x >> (63 - zeros)))
        zeros++;
    if (zeros == 64) return UINT64_C(64) << 24;
    uint64_t mantissa = x << zeros >> 32; // in [2^31, 2^32), stands for [1/2, 1)
    uint64_t log = 0;                     // of 2·mantissa, in [0, 1)
    for (int bit = 23; bit >= 0; bit--) {
        uint64_t square = mantissa * mantissa; // 2^62 stands for (1/2)², 2^63 for 1/2
        if (square >> 63) {
            log |= UINT64_C(1) << bit;
            mantissa = square >> 32;
        } else {
            mantissa = square >> 31;
        }
    }
    return ((uint64_t)(zeros + 1) << 24) - log;
}

static void schedule_death(struct sim_crowd *crowd, uint32_t index)
{
    struct sim_member *m = &crowd->members[index];
    if (m->role == SIM_ROLE_BOOTSTRAP || m->role > SIM_ROLE_LIAR) return;
    uint64_t lifetimes = log2_below_one(sim_random_word(&crowd->churn_chance));
    uint64_t lasts_ns = (uint64_t)((unsigned __int128)crowd->plan->churn_median_ns * lifetimes >> 24);
    // The life it is for goes along: one who has gone meanwhile does not take the next one with it.
    sim_crowd_schedule(crowd, crowd->now_ns + lasts_ns, SIM_EVENT_DEATH | m->life << 8, index);
}

void sim_population_churn(struct sim_crowd *crowd)
{
    crowd->churning = true;
    for (uint32_t i = 0; i < crowd->member_count; i++)
        if (crowd->members[i].dht) schedule_death(crowd, i);
}

// Somebody else comes at once, elsewhere, with another ID: the number of nodes stays.
void sim_population_death(struct sim_crowd *crowd, uint32_t index, uint32_t life)
{
    struct sim_member *m = &crowd->members[index];
    if (!m->dht || m->life != life) return;
    sim_member_stop(crowd, index);
    sim_places_leave(&crowd->places, m->place.ip);
    m->place = sim_places_draw(&crowd->places);
    sim_places_enter(&crowd->places, m->place.ip, index);
    m->life = (m->life + 1) & 0xFFFFFF;
    crowd->born++;
    sim_member_start(crowd, index, NULL);
    schedule_death(crowd, index);
}

void sim_population_kill(struct sim_crowd *crowd, uint32_t ppb)
{
    for (uint32_t i = 0; i < crowd->member_count; i++) {
        struct sim_member *m = &crowd->members[i];
        if (!m->dht || m->role != SIM_ROLE_HONEST || !sim_random_chance(&crowd->churn_chance, ppb)) continue;
        sim_member_stop(crowd, i);
        sim_places_leave(&crowd->places, m->place.ip);
    }
}

static int compare_by_id(const struct sim_crowd *crowd, uint32_t a, uint32_t b)
{
    return qe_node_id_compare(&crowd->members[a].id, &crowd->members[b].id);
}

// Heap sort, because qsort has no place for the members.
static void sift(struct sim_crowd *crowd, size_t i, size_t count)
{
    uint32_t *list = crowd->sorted, moved = list[i];
    for (size_t child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && compare_by_id(crowd, list[child], list[child + 1]) < 0) child++;
        if (compare_by_id(crowd, moved, list[child]) >= 0) break;
        list[i] = list[child];
    }
    list[i] = moved;
}

static void sort_members(struct sim_crowd *crowd, size_t count)
{
    crowd->sorted = sim_obtain(count, sizeof(*crowd->sorted));
    for (size_t i = 0; i < count; i++)
        crowd->sorted[i] = (uint32_t)i;
    for (size_t i = count / 2; i-- > 0;)
        sift(crowd, i, count);
    for (size_t end = count; end-- > 1;) {
        uint32_t last = crowd->sorted[0];
        crowd->sorted[0] = crowd->sorted[end];
        crowd->sorted[end] = last;
        sift(crowd, 0, end);
    }
    crowd->sorted_tops = sim_obtain(count, sizeof(*crowd->sorted_tops));
    for (size_t i = 0; i < count; i++)
        crowd->sorted_tops[i] = qe_load64(crowd->members[crowd->sorted[i]].id.bytes);
}

static bool has_bit(uint64_t top, unsigned bit)
{
    return top >> (63 - bit) & 1;
}

// The first in [low, high) of the sorted list that has this bit; all before it share what is above the bit.
static size_t split(const struct sim_crowd *crowd, size_t low, size_t high, unsigned bit)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (has_bit(crowd->sorted_tops[middle], bit))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

// Some of the range, evenly spread over it.
static size_t pick(
    struct sim_crowd *crowd, struct sim_member *m, const size_t range[2], struct qe_dht_contact out[QE_DHT_K])
{
    size_t count = range[1] - range[0], step = 1, at = range[0], picked = 0;
    if (count > QE_DHT_K) {
        step = count / QE_DHT_K;
        at += sim_random_below(&m->chance, step);
        count = QE_DHT_K;
    }
    for (size_t i = 0; i < count; i++, at += step) {
        const struct sim_member *other = &crowd->members[crowd->sorted[at]];
        if (other != m && other->dht) out[picked++] = (struct qe_dht_contact){other->id, sim_place_addr(other->place)};
    }
    return picked;
}

// The part of the sorted list that shares the first `bits` bits with the ID; *other: that which shares one less, and
// has another last one.
static bool find_range(const struct sim_crowd *crowd, const struct qe_node_id *id, unsigned bits, size_t other[2])
{
    size_t low = 0, high = crowd->plan->nodes;
    for (unsigned bit = 0; bit < bits; bit++) {
        if (high - low < 2) return false;
        size_t middle = split(crowd, low, high, bit);
        bool upper = has_bit(qe_load64(id->bytes), bit);
        other[0] = upper ? low : middle;
        other[1] = upper ? middle : high;
        low = upper ? middle : low;
        high = upper ? high : middle;
    }
    return true;
}

// From the nearest to the farthest.
size_t sim_population_contacts(struct sim_crowd *crowd, struct sim_member *m, struct qe_dht_contact out[SIM_TOLD_MAX])
{
    size_t other[2], count = 0;
    unsigned bits = 0;
    while (bits < 64 && find_range(crowd, &m->id, bits + 1, other))
        bits++;
    for (; bits > 0 && count + QE_DHT_K <= SIM_TOLD_MAX; bits--)
        if (find_range(crowd, &m->id, bits, other)) count += pick(crowd, m, other, out + count);
    return count;
}

// What happens between nodes begins when all tables are full.
static void begin_with_tables(struct sim_crowd *crowd)
{
    uint32_t nodes = (uint32_t)crowd->plan->nodes;
    for (uint32_t i = 0; i < nodes; i++)
        sim_member_start(crowd, i, NULL);
    sort_members(crowd, nodes);
    for (uint32_t i = 0; i < nodes; i++)
        sim_fill(crowd, i);
    crowd->now_ns = SIM_FILLED_NS;
    for (uint32_t i = 0; i < nodes; i++)
        sim_member_settle(crowd, i);
}

void sim_population_begin(struct sim_crowd *crowd)
{
    uint32_t nodes = (uint32_t)crowd->plan->nodes;
    for (uint32_t i = 0; i < nodes; i++)
        sim_member_add(
            crowd, i < crowd->plan->bootstraps ? SIM_ROLE_BOOTSTRAP : SIM_ROLE_HONEST, sim_places_draw(&crowd->places));
    if (crowd->plan->begin == SIM_BEGIN_TABLES) {
        begin_with_tables(crowd);
        return;
    }
    for (uint32_t i = 0; i < nodes; i++) {
        bool first = i < crowd->plan->bootstraps;
        sim_crowd_schedule(crowd, first ? 0 : sim_moment(0, crowd->plan->join_ns, i, nodes), SIM_EVENT_START, i);
    }
}
