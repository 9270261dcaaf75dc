// Each bucket is a time: when it will be empty again at its rate (the "generic cell rate algorithm"). An address whose
// buckets are empty is forgotten. The places are sets of four: where one is full the table grows, and at its limit a
// new address takes over the place of the one that used least, and what that had used with it, so that addresses that
// are made up cannot wash away what others have used.
#include "dht/limit.h"

#include "base/mutants.h"
#include "base/time.h"
#include "dht/source.h"

#include <sodium/crypto_shorthash.h>
#include <string.h>

#define WAYS        4
#define FIRST_COUNT 64
#define QUERY_NS    (QE_NS_PER_S / QE_DHT_LIMIT_QUERIES_S)
#define BYTE_NS     (QE_NS_PER_S / QE_DHT_LIMIT_BYTES_S)
#define ALL_BYTE_NS (QE_NS_PER_S / QE_DHT_LIMIT_ALL_S)

struct place {
    uint64_t address;
    uint64_t queries_ns; // when that bucket is empty
    uint64_t bytes_ns;
};

struct qe_dht_limit {
    const struct qe_mem *mem;
    uint8_t secret[16];
    size_t count; // places, a power of two
    struct place *places;
    uint64_t all_ns;
};

struct qe_dht_limit *qe_dht_limit_new(const struct qe_mem *mem, const uint8_t secret[16])
{
    struct qe_dht_limit *limit = qe_zalloc(mem, 1, sizeof *limit);
    if (!limit) return NULL;
    limit->mem = mem;
    limit->count = FIRST_COUNT;
    memcpy(limit->secret, secret, sizeof limit->secret);
    limit->places = qe_zalloc(mem, limit->count, sizeof *limit->places);
    if (limit->places) return limit;
    qe_free(mem, limit);
    return NULL;
}

void qe_dht_limit_free(struct qe_dht_limit *limit)
{
    if (!limit) return;
    qe_free(limit->mem, limit->places);
    qe_free(limit->mem, limit);
}

size_t qe_dht_limit_memory(const struct qe_dht_limit *limit)
{
    return sizeof *limit + limit->count * sizeof *limit->places;
}

static struct place *set_of(const struct qe_dht_limit *limit, uint64_t address)
{
    uint8_t text[8], hash[8];
    qe_store64(text, address);
    crypto_shorthash(hash, text, sizeof text, limit->secret);
    return limit->places + (qe_load64(hash) & (limit->count / WAYS - 1)) * WAYS;
}

static uint64_t latest(const struct place *place)
{
    return place->queries_ns > place->bytes_ns ? place->queries_ns : place->bytes_ns;
}

static void grow(struct qe_dht_limit *limit, uint64_t now_ns)
{
    struct place *old = limit->places, *wider = qe_zalloc(limit->mem, limit->count * 2, sizeof *wider);
    size_t old_count = limit->count;
    if (!wider) return;
    limit->places = wider;
    limit->count *= 2;
    for (size_t i = 0; i < old_count; i++) {
        if (latest(&old[i]) <= now_ns) continue;
        // A set's places go to two sets, so there is always room.
        struct place *set = set_of(limit, old[i].address);
        while (latest(set) != 0)
            set++;
        *set = old[i];
    }
    qe_free(limit->mem, old);
}

static struct place *find(const struct qe_dht_limit *limit, uint64_t address)
{
    struct place *set = set_of(limit, address);
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].address == address) return &set[i];
    return NULL;
}

static struct place *least_used(const struct qe_dht_limit *limit, uint64_t address)
{
    struct place *set = set_of(limit, address), *least = set;
    for (size_t i = 1; i < WAYS; i++)
        if (latest(&set[i]) < latest(least)) least = &set[i];
    return least;
}

static struct place *place_of(struct qe_dht_limit *limit, uint64_t address, uint64_t now_ns)
{
    struct place *place = find(limit, address);
    if (place) return place;
    place = least_used(limit, address);
    while (latest(place) > now_ns && limit->count < QE_DHT_LIMIT_ADDRESSES) {
        size_t count = limit->count;
        grow(limit, now_ns);
        if (limit->count == count) break;
        place = least_used(limit, address);
    }
    place->address = address;
    return place;
}

// Whether `amount` more units of `unit_ns` each fit into a bucket of `max` units.
static bool fits(uint64_t empty_ns, uint64_t now_ns, uint64_t unit_ns, uint64_t max, uint64_t amount)
{
    uint64_t used_ns = empty_ns > now_ns ? empty_ns - now_ns : 0;
    return used_ns + amount * unit_ns <= max * unit_ns;
}

static void fill(uint64_t *empty_ns, uint64_t now_ns, uint64_t amount_ns)
{
    *empty_ns = (*empty_ns > now_ns ? *empty_ns : now_ns) + amount_ns;
}

static size_t room(uint64_t empty_ns, uint64_t now_ns, uint64_t unit_ns, uint64_t max)
{
    uint64_t used = empty_ns > now_ns ? (empty_ns - now_ns + unit_ns - 1) / unit_ns : 0;
    return used < max ? (size_t)(max - used) : 0;
}

static bool count_queries(struct qe_dht_limit *limit, const struct qe_ip *from, uint64_t now_ns, uint64_t count)
{
    if (qe_ip_is_loopback(from)) return true;
    struct place *place = place_of(limit, qe_dht_source_address(from), now_ns);
    if (!fits(place->queries_ns, now_ns, QUERY_NS, QE_DHT_LIMIT_QUERIES_MAX, count)) return false;
    fill(&place->queries_ns, now_ns, count * QUERY_NS);
    return true;
}

bool qe_dht_limit_query(struct qe_dht_limit *limit, const struct qe_ip *from, uint64_t now_ns)
{
    return count_queries(limit, from, now_ns, 1);
}

bool qe_dht_limit_signal(struct qe_dht_limit *limit, const struct qe_ip *from, uint64_t now_ns)
{
    return QE_MUTANT(dht_signal_unlimited) || count_queries(limit, from, now_ns, QE_DHT_LIMIT_SIGNAL - 1);
}

size_t qe_dht_limit_bytes(struct qe_dht_limit *limit, const struct qe_ip *from, uint64_t now_ns)
{
    if (qe_ip_is_loopback(from) || QE_MUTANT(krpc_bytes_unlimited)) return QE_DHT_LIMIT_BYTES_MAX;
    const struct place *place = place_of(limit, qe_dht_source_address(from), now_ns);
    size_t own = room(place->bytes_ns, now_ns, BYTE_NS, QE_DHT_LIMIT_BYTES_MAX);
    size_t all = room(limit->all_ns, now_ns, ALL_BYTE_NS, QE_DHT_LIMIT_ALL_MAX);
    return own < all ? own : all;
}

void qe_dht_limit_spend(struct qe_dht_limit *limit, const struct qe_ip *from, size_t bytes, uint64_t now_ns)
{
    if (bytes == 0 || qe_ip_is_loopback(from)) return;
    struct place *place = place_of(limit, qe_dht_source_address(from), now_ns);
    fill(&place->bytes_ns, now_ns, bytes * BYTE_NS);
    fill(&limit->all_ns, now_ns, bytes * ALL_BYTE_NS);
}
