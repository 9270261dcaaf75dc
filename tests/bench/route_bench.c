// Lookups in a table of 100,000 prefixes, for addresses that hit all of it in turn (so that most of the way is not in
// the nearest cache), and its memory.
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include "route/route.h"
#include "unit.h"

#include <malloc.h>

enum { PREFIXES = 100000, LOOKUPS = 1 << 16 };

static struct qe_route_table *table;
static struct qe_ip addresses[LOOKUPS];
static volatile uint64_t keep;

static uint64_t look_up_all(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < LOOKUPS; i++)
        sum += qe_route_table_lookup(table, &addresses[i]);
    keep += sum;
    return LOOKUPS;
}

static uint64_t look_up_one(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < LOOKUPS; i++)
        sum += qe_route_table_lookup(table, &addresses[i & 7]);
    keep += sum;
    return LOOKUPS;
}

// Each lookup waits for the one before: what a packet that comes by itself sees.
static uint64_t look_up_in_turn(void)
{
    uint32_t last = 0;
    for (size_t i = 0; i < LOOKUPS; i++) {
        struct qe_ip ip = addresses[i ^ (last & 1)];
        last = qe_route_table_lookup(table, &ip);
    }
    keep += last;
    return LOOKUPS;
}

// Lengths as the public routing tables have them: IPv4 mostly /24, some /16 to /23; IPv6 mostly /48, /32 to /47.
static struct qe_cidr public_like(struct unit_random *random, bool ipv6)
{
    uint8_t bytes[16];
    unit_random_fill(random, bytes, sizeof bytes);
    bool longest = unit_random_below(random, 10) < 6;
    if (!ipv6) {
        uint8_t bits = longest ? 24 : (uint8_t)(16 + unit_random_below(random, 8));
        return (struct qe_cidr){qe_ip4((uint8_t)(1 + bytes[0] % 223), bytes[1], bytes[2], bytes[3]), bits};
    }
    bytes[0] = 0x20 | (bytes[0] & 15);
    bytes[1] &= 0x0f;
    return (struct qe_cidr){qe_ip6(bytes), longest ? 48 : (uint8_t)(32 + unit_random_below(random, 16))};
}

// An overlay: a host route for each node.
static struct qe_cidr overlay_like(struct unit_random *random, bool ipv6)
{
    uint8_t bytes[16];
    unit_random_fill(random, bytes, sizeof bytes);
    if (!ipv6) return (struct qe_cidr){qe_ip4(100, (uint8_t)(64 + bytes[1] % 64), bytes[2], bytes[3]), 32};
    static const uint8_t ula[] = {0xfd, 0x71, 0x65, 0x74, 0x68, 0x72};
    memcpy(bytes, ula, sizeof ula);
    return (struct qe_cidr){qe_ip6(bytes), 128};
}

static void measure(const char *what, bool ipv6, struct qe_cidr (*draw)(struct unit_random *, bool))
{
    static struct qe_cidr prefixes[PREFIXES];
    char text[64];
    struct unit_random random = unit_random();
    size_t before = mallinfo2().uordblks;
    table = qe_route_table_new(unit_mem());
    uint64_t start = bench_now_ns();
    for (uint32_t i = 0; i < PREFIXES; i++) {
        prefixes[i] = draw(&random, ipv6);
        if (qe_route_table_set(table, &prefixes[i], i) != 0) return;
    }
    uint64_t built_ns = bench_now_ns() - start;
    size_t memory = mallinfo2().uordblks - before;
    for (size_t i = 0; i < LOOKUPS; i++) {
        addresses[i] = prefixes[unit_random_below(&random, PREFIXES)].ip;
        addresses[i].bytes[ipv6 ? 15 : 3] ^= (uint8_t)(unit_random_below(&random, 2));
    }
    printf("%s: %zu prefixes, %.1f MiB, %.0f bytes and %.0f ns to set each\n", what, qe_route_table_count(table),
        (double)memory / 1048576, (double)memory / (double)qe_route_table_count(table), (double)built_ns / PREFIXES);
    snprintf(text, sizeof text, "  lookup of any of %d addresses", LOOKUPS);
    bench(text, "lookup", 9, look_up_all);
    bench("  the same, each after the one before", "lookup", 9, look_up_in_turn);
    bench("  lookup of the same 8 addresses", "lookup", 9, look_up_one);
    start = bench_now_ns();
    for (uint32_t i = 0; i < PREFIXES; i++)
        qe_route_table_remove(table, &prefixes[i]);
    printf("  removing each: %.0f ns\n", (double)(bench_now_ns() - start) / PREFIXES);
    qe_route_table_free(table);
}

int main(void)
{
    measure("IPv4, as in public tables", false, public_like);
    measure("IPv6, as in public tables", true, public_like);
    measure("IPv4, a host route a node", false, overlay_like);
    measure("IPv6, a host route a node", true, overlay_like);
    return 0;
}
