#include "route/subnets.h"

#include "unit.h"

#include <string.h>

static struct qe_node_id id_of(uint8_t n)
{
    return (struct qe_node_id){{n}};
}

static struct qe_cidr cidr(const char *text)
{
    struct qe_cidr out;
    CU_ASSERT_TRUE_FATAL(qe_cidr_parse(text, &out));
    return out;
}

static void claim(struct qe_subnets *s, uint8_t owner, const char *text, int64_t now_s)
{
    struct qe_node_id id = id_of(owner);
    struct qe_cidr subnet = cidr(text);
    qe_subnets_set(s, owner, &id, &subnet, 1, 1000000, now_s);
}

static void witness(struct qe_subnets *s, uint8_t owner, const char *text, uint64_t age_s, int64_t now_s)
{
    struct qe_node_id id = id_of(owner);
    struct qe_cidr subnet = cidr(text);
    qe_subnets_witness(s, &id, &subnet, age_s, now_s);
}

static const struct qe_subnet_claim *find(const struct qe_subnets *s, uint8_t owner)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->claims[i].owner.bytes[0] == owner) return &s->claims[i];
    return NULL;
}

static enum qe_subnet_verdict verdict(const struct qe_subnets *s, uint8_t owner)
{
    const struct qe_subnet_claim *claim = find(s, owner);
    CU_ASSERT_PTR_NOT_NULL_FATAL(claim);
    return claim->verdict;
}

static struct qe_cidr overlay[2], own[1], accept[3];

static struct qe_subnet_rules rules(void)
{
    overlay[0] = cidr("100.64.0.0/16");
    overlay[1] = cidr("fd71:6574:6872::/48");
    own[0] = cidr("192.168.1.7/24");
    return (struct qe_subnet_rules){.overlay = overlay, .overlay_count = 2, .own = own, .own_count = 1};
}

static void a_claim_alone_is_judged_by_what_it_covers(void)
{
    static const struct {
        const char *subnet;
        enum qe_subnet_verdict open, restricted; // restricted: to 10.0.0.0/8, 192.168.1.0/24 and ::/0
    } table[] = {
        {"10.1.0.0/16", QE_SUBNET_ACCEPTED, QE_SUBNET_ACCEPTED},
        {"10.0.0.0/8", QE_SUBNET_ACCEPTED, QE_SUBNET_ACCEPTED},
        {"10.1.2.3/32", QE_SUBNET_ACCEPTED, QE_SUBNET_ACCEPTED},
        {"172.16.0.0/12", QE_SUBNET_ACCEPTED, QE_SUBNET_NOT_ACCEPTED},
        {"0.0.0.0/0", QE_SUBNET_UNASKED, QE_SUBNET_UNASKED},
        {"0.0.0.0/1", QE_SUBNET_UNASKED, QE_SUBNET_UNASKED},
        {"128.0.0.0/1", QE_SUBNET_UNASKED, QE_SUBNET_UNASKED},
        {"8.0.0.0/7", QE_SUBNET_UNASKED, QE_SUBNET_UNASKED},
        {"::/0", QE_SUBNET_UNASKED, QE_SUBNET_ACCEPTED},
        {"2000::/3", QE_SUBNET_UNASKED, QE_SUBNET_UNASKED},
        {"2001:db8::/32", QE_SUBNET_ACCEPTED, QE_SUBNET_ACCEPTED},
        {"192.168.1.0/24", QE_SUBNET_OWN, QE_SUBNET_ACCEPTED},
        {"192.168.1.128/25", QE_SUBNET_OWN, QE_SUBNET_OWN},
        {"192.168.0.0/16", QE_SUBNET_OWN, QE_SUBNET_NOT_ACCEPTED},
        {"192.168.2.0/24", QE_SUBNET_ACCEPTED, QE_SUBNET_NOT_ACCEPTED},
        {"100.64.0.0/16", QE_SUBNET_OVERLAY, QE_SUBNET_OVERLAY},
        {"100.64.7.0/24", QE_SUBNET_OVERLAY, QE_SUBNET_OVERLAY},
        {"100.0.0.0/8", QE_SUBNET_OVERLAY, QE_SUBNET_OVERLAY},
        {"fd71:6574:6872:1::/64", QE_SUBNET_OVERLAY, QE_SUBNET_OVERLAY},
        {"fd71:6574:6873::/48", QE_SUBNET_ACCEPTED, QE_SUBNET_ACCEPTED},
        {"127.0.0.0/8", QE_SUBNET_NO_HOSTS, QE_SUBNET_NO_HOSTS},
        {"169.254.1.0/24", QE_SUBNET_NO_HOSTS, QE_SUBNET_NO_HOSTS},
        {"224.0.0.0/8", QE_SUBNET_NO_HOSTS, QE_SUBNET_NO_HOSTS},
        {"0.0.0.0/8", QE_SUBNET_NO_HOSTS, QE_SUBNET_NO_HOSTS},
        {"fe80::/64", QE_SUBNET_NO_HOSTS, QE_SUBNET_NO_HOSTS},
        {"::1/128", QE_SUBNET_NO_HOSTS, QE_SUBNET_NO_HOSTS},
        {"ff02::/16", QE_SUBNET_NO_HOSTS, QE_SUBNET_NO_HOSTS},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct qe_subnets s;
        struct qe_subnet_rules r = rules();
        char text[160];
        qe_subnets_init(&s, unit_mem());
        claim(&s, 1, table[i].subnet, 0);
        qe_subnets_decide(&s, &r, 0);
        CU_ASSERT_EQUAL(verdict(&s, 1), table[i].open);
        CU_ASSERT_EQUAL(qe_subnet_reason(&s.claims[0], text) == NULL, table[i].open == QE_SUBNET_ACCEPTED);
        accept[0] = cidr("10.0.0.0/8"), accept[1] = cidr("192.168.1.0/24"), accept[2] = cidr("::/0");
        r.restricted = true;
        r.accept = accept;
        r.accept_count = 3;
        qe_subnets_decide(&s, &r, 0);
        CU_ASSERT_EQUAL(verdict(&s, 1), table[i].restricted);
        r.accept_count = 0;
        qe_subnets_decide(&s, &r, 0);
        CU_ASSERT_NOT_EQUAL(verdict(&s, 1), QE_SUBNET_ACCEPTED);
        qe_subnets_fini(&s);
    }
}

static void a_default_route_is_the_exit_s_alone(void)
{
    struct qe_subnets s;
    struct qe_subnet_rules r = rules();
    qe_subnets_init(&s, unit_mem());
    claim(&s, 1, "0.0.0.0/0", 0);
    claim(&s, 2, "0.0.0.0/0", 0);
    struct qe_node_id exit = id_of(2);
    // Also where the user asks for default routes, or restricts what is used.
    accept[0] = cidr("0.0.0.0/0");
    for (int restricted = 0; restricted < 3; restricted++) {
        r.restricted = restricted > 0;
        r.accept = accept;
        r.accept_count = restricted == 2;
        r.exit_only = true;
        r.exit = &exit;
        qe_subnets_decide(&s, &r, 0);
        CU_ASSERT_EQUAL(verdict(&s, 1), QE_SUBNET_UNASKED);
        CU_ASSERT_EQUAL(verdict(&s, 2), QE_SUBNET_ACCEPTED);
        r.exit = NULL;
        qe_subnets_decide(&s, &r, 0);
        CU_ASSERT_EQUAL(verdict(&s, 1), QE_SUBNET_UNASKED);
        CU_ASSERT_EQUAL(verdict(&s, 2), QE_SUBNET_UNASKED);
    }
    qe_subnets_fini(&s);
}

static void the_longer_standing_owner_keeps_what_overlaps(void)
{
    struct qe_subnets s;
    struct qe_subnet_rules r = rules();
    char text[160];
    qe_subnets_init(&s, unit_mem());
    claim(&s, 1, "10.1.0.0/16", 100);
    claim(&s, 2, "10.1.2.0/24", 100);
    qe_subnets_decide(&s, &r, 100);
    CU_ASSERT_EQUAL(verdict(&s, 1), QE_SUBNET_UNDECIDED);
    CU_ASSERT_EQUAL(verdict(&s, 2), QE_SUBNET_UNDECIDED);
    CU_ASSERT_EQUAL(qe_subnets_deadline(&s, 100), 110);
    witness(&s, 1, "10.1.0.0/16", 500, 101);
    qe_subnets_decide(&s, &r, 101);
    CU_ASSERT_EQUAL(verdict(&s, 1), QE_SUBNET_ACCEPTED);
    CU_ASSERT_EQUAL(verdict(&s, 2), QE_SUBNET_UNDECIDED);
    // Older by more than a minute.
    witness(&s, 2, "10.1.2.0/24", 561, 101);
    CU_ASSERT_TRUE(qe_subnets_decide(&s, &r, 101));
    CU_ASSERT_EQUAL(verdict(&s, 1), QE_SUBNET_TAKEN);
    CU_ASSERT_EQUAL(verdict(&s, 2), QE_SUBNET_ACCEPTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(qe_subnet_reason(find(&s, 1), text), "10.1.2.0/24"));
    // Within a minute the lower ID.
    witness(&s, 2, "10.1.2.0/24", 560, 101);
    CU_ASSERT_TRUE(qe_subnets_decide(&s, &r, 101));
    CU_ASSERT_EQUAL(verdict(&s, 1), QE_SUBNET_ACCEPTED);
    CU_ASSERT_EQUAL(verdict(&s, 2), QE_SUBNET_TAKEN);
    CU_ASSERT_FALSE(qe_subnets_decide(&s, &r, 101));
    qe_subnets_fini(&s);
}

static void a_newcomer_does_not_disturb_what_stands(void)
{
    struct qe_subnets s;
    struct qe_subnet_rules r = rules();
    qe_subnets_init(&s, unit_mem());
    claim(&s, 9, "10.1.0.0/16", 0);
    qe_subnets_decide(&s, &r, 0);
    CU_ASSERT_EQUAL(verdict(&s, 9), QE_SUBNET_ACCEPTED);
    claim(&s, 1, "10.1.2.0/24", 1000);
    qe_subnets_decide(&s, &r, 1000);
    CU_ASSERT_EQUAL(verdict(&s, 9), QE_SUBNET_ACCEPTED);
    CU_ASSERT_EQUAL(verdict(&s, 1), QE_SUBNET_UNDECIDED);
    qe_subnets_decide(&s, &r, 1010); // nobody knows it: this node's own word counts
    CU_ASSERT_EQUAL(verdict(&s, 9), QE_SUBNET_ACCEPTED);
    CU_ASSERT_EQUAL(verdict(&s, 1), QE_SUBNET_TAKEN);
    // Its own record of the same age as ever, or a young one, changes nothing.
    witness(&s, 9, "10.1.0.0/16", 3, 1010);
    qe_subnets_decide(&s, &r, 1010);
    CU_ASSERT_EQUAL(verdict(&s, 9), QE_SUBNET_ACCEPTED);
    qe_subnets_fini(&s);
}

static void owners_of_the_same_network_share_it(void)
{
    struct qe_subnets s;
    struct qe_subnet_rules r = rules();
    qe_subnets_init(&s, unit_mem());
    claim(&s, 1, "10.1.0.0/16", 0);
    claim(&s, 2, "10.1.255.255/16", 0); // host bits say nothing
    qe_subnets_decide(&s, &r, 0);
    CU_ASSERT_EQUAL(verdict(&s, 1), QE_SUBNET_ACCEPTED);
    CU_ASSERT_EQUAL(verdict(&s, 2), QE_SUBNET_ACCEPTED);
    qe_subnets_fini(&s);
}

static void a_claim_ends_when_it_expires_or_is_not_made_any_more(void)
{
    struct qe_subnets s;
    struct qe_node_id one = id_of(1);
    const struct qe_cidr list[] = {cidr("10.1.0.0/16"), cidr("10.2.0.0/16")};
    qe_subnets_init(&s, unit_mem());
    CU_ASSERT_TRUE(qe_subnets_set(&s, 0, &one, list, 2, 50, 0));
    CU_ASSERT_FALSE(qe_subnets_set(&s, 0, &one, list, 2, 60, 10));
    CU_ASSERT_EQUAL(qe_subnets_deadline(&s, 10), 60 < 10 + QE_SUBNETS_PATIENCE_S ? 60 : 60);
    CU_ASSERT_TRUE(qe_subnets_set(&s, 0, &one, list + 1, 1, 60, 20));
    CU_ASSERT_EQUAL(s.count, 1);
    CU_ASSERT_EQUAL(s.claims[0].first_seen_s, 0);
    CU_ASSERT_FALSE(qe_subnets_expire(&s, 59));
    CU_ASSERT_TRUE(qe_subnets_expire(&s, 60));
    CU_ASSERT_EQUAL(s.count, 0);
    qe_subnets_fini(&s);
}

static void there_is_a_limit_of_claims(void)
{
    struct qe_subnets s;
    static struct qe_cidr list[100];
    qe_subnets_init(&s, unit_mem());
    for (uint32_t owner = 0; owner < 70; owner++) {
        struct qe_node_id id = id_of((uint8_t)owner);
        for (uint32_t i = 0; i < 100; i++)
            list[i] = (struct qe_cidr){qe_ip4_from_u32(10u << 24 | owner << 16 | i << 8), 24};
        qe_subnets_set(&s, owner, &id, list, 100, 10, 0);
    }
    CU_ASSERT_EQUAL(s.count, QE_SUBNETS_MAX);
    CU_ASSERT_EQUAL(s.passed_over, 7000 - QE_SUBNETS_MAX);
    qe_subnets_fini(&s);
}

static void without_memory_verdicts_stay(void)
{
    struct qe_subnets s;
    struct qe_subnet_rules r = rules();
    qe_subnets_init(&s, unit_mem());
    unit_mem_fail_at(1);
    claim(&s, 1, "10.1.0.0/16", 0);
    CU_ASSERT_EQUAL(s.count, 0);
    CU_ASSERT_EQUAL(s.passed_over, 1);
    unit_mem_fail_at(0);
    claim(&s, 1, "10.1.0.0/16", 0);
    unit_mem_fail_at(1);
    CU_ASSERT_FALSE(qe_subnets_decide(&s, &r, 0));
    CU_ASSERT_EQUAL(verdict(&s, 1), QE_SUBNET_UNDECIDED);
    unit_mem_fail_at(0);
    qe_subnets_fini(&s);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

// The naive model: claims over 256 addresses as sets of them.
enum { MODEL_MAX = 24 };

struct model {
    uint8_t owner;
    unsigned from, size; // of addresses
    int64_t first_seen_s, since_s;
    bool witnessed, heard;
    enum qe_subnet_verdict verdict;
};

static bool model_contradicts(const struct model *a, const struct model *b)
{
    bool meet = false;
    for (unsigned i = 0; i < 256; i++)
        meet = meet || (i - a->from < a->size && i - b->from < b->size);
    return meet && a->owner != b->owner && (a->from != b->from || a->size != b->size);
}

static struct model *model_next(struct model *list, size_t count, bool *taken, int64_t *group_s)
{
    struct model *best = NULL;
    int64_t oldest = INT64_MAX;
    for (size_t i = 0; i < count; i++)
        if (!taken[i] && list[i].since_s < oldest) oldest = list[i].since_s;
    // A group ends when its last is heard.
    if (oldest > *group_s + QE_CLAIM_TIE_S || *group_s == INT64_MIN) *group_s = oldest;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        struct model *m = &list[i];
        if (taken[i] || m->since_s > *group_s + QE_CLAIM_TIE_S) continue;
        if (best && m->owner > best->owner) continue;
        if (best && m->owner == best->owner && m->since_s >= best->since_s) continue;
        best = m, at = i;
    }
    if (best) taken[at] = true;
    return best;
}

static void model_decide(struct model *list, size_t count, int64_t now_s)
{
    bool taken[MODEL_MAX] = {false};
    int64_t group_s = INT64_MIN;
    for (size_t i = 0; i < count; i++)
        list[i].heard = false;
    for (struct model *m; (m = model_next(list, count, taken, &group_s)); m->heard = true) {
        bool waits = !m->witnessed && now_s - m->first_seen_s < QE_SUBNETS_PATIENCE_S;
        m->verdict = QE_SUBNET_ACCEPTED;
        for (size_t i = 0; i < count; i++) {
            const struct model *other = &list[i];
            if (other == m || !model_contradicts(m, other)) continue;
            if (other->heard && other->verdict == QE_SUBNET_ACCEPTED)
                m->verdict = waits ? QE_SUBNET_UNDECIDED : QE_SUBNET_TAKEN;
            else if (waits && (!other->heard || other->verdict == QE_SUBNET_UNDECIDED))
                m->verdict = QE_SUBNET_UNDECIDED;
        }
    }
}

static void decisions_equal_the_naive_models(void)
{
    struct unit_random random = unit_random();
    struct qe_subnet_rules r = rules();
    for (int round = 0; round < 20000; round++) {
        struct model list[MODEL_MAX];
        struct qe_subnets s;
        size_t count = 0, most = 1 + unit_random_below(&random, MODEL_MAX);
        int64_t now_s = 0;
        qe_subnets_init(&s, unit_mem());
        for (size_t i = 0; i < most; i++) {
            now_s += (int64_t)unit_random_below(&random, 5);
            unsigned bits = 24 + (unsigned)unit_random_below(&random, 6), size = 1u << (32 - bits);
            struct model m = {.owner = (uint8_t)(1 + unit_random_below(&random, 200)),
                .from = (unsigned)unit_random_below(&random, 256 / size) * size,
                .size = size,
                .first_seen_s = now_s,
                .since_s = now_s};
            bool known = false;
            for (size_t j = 0; j < count; j++)
                known = known || list[j].owner == m.owner;
            if (known) continue;
            struct qe_node_id id = id_of(m.owner);
            struct qe_cidr subnet = {qe_ip4(10, 0, 0, (uint8_t)m.from), (uint8_t)bits};
            qe_subnets_set(&s, m.owner, &id, &subnet, 1, 1000000, now_s);
            if (unit_random_below(&random, 3) > 0) {
                uint64_t age_s = unit_random_below(&random, 200);
                qe_subnets_witness(&s, &id, &subnet, age_s, now_s);
                m.witnessed = true;
                m.since_s = now_s - (int64_t)age_s;
            }
            list[count++] = m;
        }
        now_s += (int64_t)unit_random_below(&random, 12);
        qe_subnets_decide(&s, &r, now_s);
        model_decide(list, count, now_s);
        for (size_t i = 0; i < count; i++)
            CU_ASSERT_EQUAL_FATAL(verdict(&s, list[i].owner), list[i].verdict);
        // No two accepted ones contradict each other.
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < i; j++)
                CU_ASSERT_FALSE(model_contradicts(&list[i], &list[j]) &&
                                verdict(&s, list[i].owner) == QE_SUBNET_ACCEPTED &&
                                verdict(&s, list[j].owner) == QE_SUBNET_ACCEPTED);
        qe_subnets_fini(&s);
    }
}

static void of_claimants_the_oldest_keeps_and_in_a_minute_the_lowest(void)
{
    static const struct {
        struct {
            uint8_t id;
            int64_t since_s;
        } list[3];
        size_t count, keeper;
    } table[] = {
        {{{5, 0}}, 1, 0}, {{{5, 0}, {1, 61}}, 2, 0}, {{{5, 0}, {1, 60}}, 2, 1}, {{{5, -100}, {1, -161}}, 2, 1},
        {{{9, 0}, {5, 50}, {1, 100}}, 3, 1}, // the third is not within a minute of the oldest
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct qe_claimant list[3];
        for (size_t j = 0; j < table[i].count; j++)
            list[j] = (struct qe_claimant){id_of(table[i].list[j].id), table[i].list[j].since_s};
        CU_ASSERT_EQUAL(qe_claim_keeper(list, table[i].count), table[i].keeper);
    }
}

static const struct unit_case cases[] = {
    {"a claim alone is judged by what it covers", a_claim_alone_is_judged_by_what_it_covers},
    {"a default route is the exit's alone", a_default_route_is_the_exit_s_alone},
    {"the longer-standing owner keeps what overlaps", the_longer_standing_owner_keeps_what_overlaps},
    {"a newcomer does not disturb what stands", a_newcomer_does_not_disturb_what_stands},
    {"owners of the same network share it", owners_of_the_same_network_share_it},
    {"a claim ends when it expires or is not made any more", a_claim_ends_when_it_expires_or_is_not_made_any_more},
    {"there is a limit of claims", there_is_a_limit_of_claims},
    {"without memory verdicts stay", without_memory_verdicts_stay},
    {"decisions equal the naive model's", decisions_equal_the_naive_models},
    {"of claimants the oldest keeps, and in a minute the lowest",
        of_claimants_the_oldest_keeps_and_in_a_minute_the_lowest},
};
UNIT_MAIN("subnets", cases)
