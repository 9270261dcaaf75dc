// The NAT beside a naive model of RFC 4787's words: lists that are searched from end to end and in which everything has
// its time of death. The model does not choose ports; it takes note of them, and says what must be the same, what must
// be different, and what passes.
#include "net/nat.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define ITEMS_MAX 4096
#define SECOND    UINT64_C(1000000000)

struct mapping {
    struct sim_endpoint inside, remote, outside;
    uint64_t born_ns, end_ns;
    bool answered;
};

struct permission {
    size_t mapping;             // where state is by mapping
    struct sim_endpoint inside; // where it is by endpoint
    struct sim_endpoint remote;
    uint64_t end_ns;
    bool answered;
};

static struct mapping mappings[ITEMS_MAX];
static struct permission permissions[ITEMS_MAX];
static size_t mapping_count, permission_count;
static struct sim_nat_settings settings;
static struct sim_nat *nat;
static uint64_t now_ns;

static bool same(struct sim_endpoint a, struct sim_endpoint b)
{
    return a.ip == b.ip && a.port == b.port;
}

static bool agrees(enum sim_dependence dependence, struct sim_endpoint a, struct sim_endpoint b)
{
    return dependence == SIM_ENDPOINT_INDEPENDENT ||
           (a.ip == b.ip && (dependence == SIM_ADDRESS_DEPENDENT || a.port == b.port));
}

static struct qe_addr addr(struct sim_endpoint endpoint)
{
    return (struct qe_addr){.ip = qe_ip4_from_u32(endpoint.ip), .port = endpoint.port};
}

static struct sim_endpoint endpoint(const struct qe_addr *from)
{
    return (struct sim_endpoint){qe_ip4_to_u32(&from->ip), from->port};
}

static struct mapping *find_inside(struct sim_endpoint inside, struct sim_endpoint remote)
{
    for (size_t i = 0; i < mapping_count; i++)
        if (mappings[i].end_ns > now_ns && same(mappings[i].inside, inside) &&
            agrees(settings.mapping, mappings[i].remote, remote))
            return &mappings[i];
    return NULL;
}

static struct mapping *find_outside(struct sim_endpoint outside)
{
    for (size_t i = 0; i < mapping_count; i++)
        if (mappings[i].end_ns > now_ns && same(mappings[i].outside, outside)) return &mappings[i];
    return NULL;
}

static struct permission *find_permission(const struct mapping *mapping, struct sim_endpoint remote)
{
    for (size_t i = 0; i < permission_count; i++) {
        const struct permission *p = &permissions[i];
        bool belongs =
            settings.filter_by_endpoint ? same(p->inside, mapping->inside) : p->mapping == (size_t)(mapping - mappings);
        if (p->end_ns > now_ns && belongs && agrees(settings.filtering, p->remote, remote)) return &permissions[i];
    }
    return NULL;
}

static void touch_mapping(struct mapping *m)
{
    m->end_ns = now_ns + (m->answered ? settings.timeout_ns : settings.unanswered_ns);
}

static void touch_permission(struct permission *p)
{
    p->end_ns = now_ns + (p->answered ? settings.filter_ns : settings.filter_unanswered_ns);
}

static void send_out(struct sim_endpoint inside, struct sim_endpoint remote)
{
    enum sim_drop why;
    bool refreshes = settings.refresh != SIM_REFRESH_INBOUND;
    struct qe_addr source = addr(inside), destination = addr(remote);
    struct mapping *m = find_inside(inside, remote);
    CU_ASSERT_TRUE_FATAL(sim_nat_outbound(nat, now_ns, &source, &destination, &why));
    if (m) {
        CU_ASSERT_TRUE(same(endpoint(&source), m->outside));
        if (refreshes) touch_mapping(m);
    } else {
        // What is new takes nothing from what lives.
        CU_ASSERT_PTR_NULL(find_outside(endpoint(&source)));
        CU_ASSERT_FATAL(mapping_count < ITEMS_MAX);
        m = &mappings[mapping_count++];
        *m = (struct mapping){.inside = inside, .remote = remote, .outside = endpoint(&source), .born_ns = now_ns};
        touch_mapping(m);
    }
    struct permission *p = find_permission(m, remote);
    if (p && refreshes) touch_permission(p);
    if (p) return;
    CU_ASSERT_FATAL(permission_count < ITEMS_MAX);
    p = &permissions[permission_count++];
    *p = (struct permission){.mapping = (size_t)(m - mappings), .inside = inside, .remote = remote};
    touch_permission(p);
}

static bool expected_in(struct sim_endpoint remote, struct sim_endpoint outside, struct sim_endpoint *inside)
{
    bool refreshes = settings.refresh != SIM_REFRESH_OUTBOUND;
    struct mapping *m = find_outside(outside);
    if (!m) return false;
    struct permission *p = find_permission(m, remote);
    if (settings.filtering != SIM_ENDPOINT_INDEPENDENT && !p) return false;
    if (p) p->answered = true;
    if (p && refreshes) touch_permission(p);
    m->answered = true;
    if (refreshes) touch_mapping(m);
    *inside = m->inside;
    return true;
}

static void send_in(struct sim_endpoint remote, struct sim_endpoint outside)
{
    enum sim_drop why;
    struct sim_endpoint inside = {0};
    struct qe_addr source = addr(remote), destination = addr(outside);
    bool passes = sim_nat_inbound(nat, now_ns, &source, &destination, &why);
    CU_ASSERT_EQUAL(passes, expected_in(remote, outside, &inside));
    if (passes) CU_ASSERT_TRUE(same(endpoint(&destination), inside));
}

static size_t living(void)
{
    size_t count = 0;
    for (size_t i = 0; i < mapping_count; i++)
        count += mappings[i].end_ns > now_ns;
    return count;
}

// To the last nanosecond of something, or the first one after it.
static void go_to_an_end(struct unit_random *random)
{
    if (!mapping_count || unit_random_below(random, 8)) return;
    uint64_t end_ns = mappings[unit_random_below(random, mapping_count)].end_ns;
    if (unit_random_below(random, 2) && permission_count)
        end_ns = permissions[unit_random_below(random, permission_count)].end_ns;
    if (end_ns > now_ns) now_ns = end_ns - unit_random_below(random, 2);
}

// Few hosts, ports and remotes, so that they meet again and again.
static void run_random(struct unit_random *random, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        struct sim_endpoint inside = {
            0xc0a80102 + (uint32_t)unit_random_below(random, 3), (uint16_t)(5000 + unit_random_below(random, 3))};
        struct sim_endpoint remote = {
            0xcb007101 + (uint32_t)unit_random_below(random, 3), (uint16_t)(1 + unit_random_below(random, 2))};
        switch (unit_random_below(random, 4)) {
        case 0:
            send_out(inside, remote);
            break;
        case 1:
        case 2:
            if (mapping_count) send_in(remote, mappings[unit_random_below(random, mapping_count)].outside);
            break;
        default:
            now_ns += unit_random_below(random, 5) * SECOND;
            go_to_an_end(random);
        }
    }
    struct sim_endpoint nobody = {1, 1};
    struct sim_endpoint inside;
    CU_ASSERT_FALSE(expected_in(nobody, nobody, &inside));
    send_in(nobody, nobody); // ends what is over
    CU_ASSERT_EQUAL(sim_nat_counts(nat)->mappings, living());
}

static void the_nat_is_the_naive_nat(void)
{
    static const uint32_t addresses[] = {0xcb00710a};
    struct unit_random random = unit_random();
    size_t made = 0;
    for (size_t n = 0; n < 3 * 3 * 2 * 3 * 3; n++) {
        settings = (struct sim_nat_settings){.mapping = (enum sim_dependence)(n % 3),
            .filtering = (enum sim_dependence)(n / 3 % 3),
            .filter_by_endpoint = n / 9 % 2,
            .refresh = (enum sim_refresh)(n / 18 % 3),
            .allocation = (enum sim_nat_allocation)(n / 54 % 3),
            .collision = SIM_NAT_SEQUENTIAL,
            .step = 1,
            .port_min = 1024,
            .port_max = 65535,
            .blocks_max = 1,
            .mappings_max = ITEMS_MAX,
            .timeout_ns = 60 * SECOND,
            .unanswered_ns = 20 * SECOND,
            .filter_ns = (30 + 60 * (n % 2)) * SECOND,
            .filter_unanswered_ns = 15 * SECOND};
        nat = sim_nat_new(&settings, n, "nat", addresses, 1, NULL);
        mapping_count = permission_count = 0;
        now_ns = 0;
        run_random(&random, 1500);
        made += mapping_count;
        sim_nat_free(nat);
    }
    CU_ASSERT(made > 162 * 20);
}

static const struct unit_case cases[] = {
    {"the NAT is the naive NAT", the_nat_is_the_naive_nat},
};

UNIT_MAIN("nat_model", cases)
