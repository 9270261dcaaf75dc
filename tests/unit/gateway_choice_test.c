#include "base/time.h"
#include "relay/choice.h"
#include "relay/refusals.h"
#include "unit.h"

#include <stdio.h>

#define S QE_NS_PER_S

static struct qe_node_id id_of(unsigned number)
{
    struct qe_node_id id = {{0}};
    id.bytes[18] = (uint8_t)(number >> 8);
    id.bytes[19] = (uint8_t)number;
    return id;
}

static struct qe_gateway *add(struct qe_gateways *g, unsigned number, unsigned why, uint64_t rtt_us)
{
    struct qe_node_id id = id_of(number);
    struct qe_gateway *gateway = qe_gateways_add(g, &id, (enum qe_gateway_why)why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(gateway);
    if (rtt_us) qe_gateway_on_present(gateway, rtt_us);
    return gateway;
}

// The numbers of those in the order, as text: "3 1 2".
static const char *order_text(const struct qe_gateways *g, const unsigned *named, size_t named_count, uint64_t now_ns)
{
    static char text[256];
    const struct qe_gateway *order[QE_GATEWAYS_MAX];
    struct qe_node_id ids[8];
    size_t used = 0;
    for (size_t i = 0; i < named_count; i++)
        ids[i] = id_of(named[i]);
    size_t count = qe_gateways_order(g, ids, named_count, now_ns, order);
    text[0] = 0;
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%u", i ? " " : "",
            order[i]->id.bytes[18] * 256u + order[i]->id.bytes[19]);
    return text;
}

static void the_users_come_first_then_the_peers_then_the_networks(void)
{
    struct qe_gateways g = {.count = 0};
    static const unsigned named[] = {4, 5};
    add(&g, 1, QE_GATEWAY_EMERGENCY, 1000);
    add(&g, 2, QE_GATEWAY_LISTED, 2000);
    add(&g, 3, QE_GATEWAY_ALLOWED, 1000);
    add(&g, 4, QE_GATEWAY_NAMED, 9000);
    add(&g, 5, QE_GATEWAY_LISTED, 0);
    add(&g, 6, QE_GATEWAY_PREFERRED, 90000)->place = 1;
    add(&g, 7, QE_GATEWAY_PREFERRED, 0)->place = 0;
    CU_ASSERT_STRING_EQUAL(order_text(&g, named, 2, 0), "7 6 4 5 3 2 1");
    // To another peer, whose record names none, what a third one's names is no way.
    CU_ASSERT_STRING_EQUAL(order_text(&g, NULL, 0, 0), "7 6 3 2 5 1");
}

static void of_a_kind_those_that_are_there_and_near_come_first(void)
{
    struct qe_gateways g = {.count = 0};
    add(&g, 1, QE_GATEWAY_LISTED, 0);
    add(&g, 2, QE_GATEWAY_LISTED, 30000);
    add(&g, 3, QE_GATEWAY_LISTED, 10000);
    add(&g, 4, QE_GATEWAY_LISTED, 10000);
    add(&g, 5, QE_GATEWAY_LISTED, 5000)->present = false;
    CU_ASSERT_STRING_EQUAL(order_text(&g, NULL, 0, 0), "3 4 2 5 1");
}

static void one_that_failed_is_left_alone_for_a_growing_while(void)
{
    struct qe_gateways g = {.count = 0};
    struct qe_gateway *gateway = add(&g, 1, QE_GATEWAY_PREFERRED, 1000);
    uint64_t now = 100 * S, wait = QE_GATEWAY_UNWELL_FIRST_NS;
    add(&g, 2, QE_GATEWAY_LISTED, 1000);
    for (unsigned i = 0; i < 20; i++) {
        qe_gateway_on_failed(gateway, UINT32_MAX / 2, now);
        CU_ASSERT_STRING_EQUAL(order_text(&g, NULL, 0, now), "2");
        uint64_t until = qe_gateways_deadline(&g, now);
        CU_ASSERT(until > now + wait * 3 / 4 - S && until < now + wait * 5 / 4);
        now = until;
        CU_ASSERT_STRING_EQUAL(order_text(&g, NULL, 0, now), "1 2");
        wait = wait * 2 < QE_GATEWAY_UNWELL_LAST_NS ? wait * 2 : QE_GATEWAY_UNWELL_LAST_NS;
    }
    qe_gateway_on_failed(gateway, 0, now);
    qe_gateway_on_present(gateway, 500);
    CU_ASSERT_STRING_EQUAL(order_text(&g, NULL, 0, now), "1 2");
    CU_ASSERT_EQUAL(qe_gateways_deadline(&g, now), QE_TIME_NEVER);
    CU_ASSERT_EQUAL(gateway->failures, 0);
}

static void what_the_user_named_is_never_pushed_out(void)
{
    struct qe_gateways g = {.count = 0};
    struct qe_node_id id;
    for (unsigned i = 0; i < QE_GATEWAYS_MAX; i++)
        add(&g, i, i % 2 ? QE_GATEWAY_LISTED : QE_GATEWAY_ALLOWED, i == 3 ? 0 : 1000);
    id = id_of(100);
    CU_ASSERT_PTR_NOT_NULL_FATAL(qe_gateways_add(&g, &id, QE_GATEWAY_PREFERRED));
    CU_ASSERT_EQUAL(g.count, QE_GATEWAYS_MAX);
    id = id_of(3);
    CU_ASSERT_PTR_NULL(qe_gateways_find(&g, &id)); // the one that was not there
    // One that is worth no more than any of those here finds no room.
    id = id_of(101);
    CU_ASSERT_PTR_NULL(qe_gateways_add(&g, &id, QE_GATEWAY_EMERGENCY));
    for (unsigned i = 0; i < 64; i++) {
        id = id_of(200 + i);
        qe_gateways_add(&g, &id, QE_GATEWAY_NAMED);
    }
    for (unsigned i = 0; i < QE_GATEWAYS_MAX; i += 2) {
        id = id_of(i);
        CU_ASSERT_PTR_NOT_NULL(qe_gateways_find(&g, &id));
    }
    id = id_of(100);
    CU_ASSERT_PTR_NOT_NULL(qe_gateways_find(&g, &id));
}

static void one_without_a_reason_is_gone(void)
{
    struct qe_gateways g = {.count = 0};
    struct qe_node_id id = id_of(1);
    add(&g, 1, QE_GATEWAY_ALLOWED | QE_GATEWAY_LISTED, 0);
    add(&g, 2, QE_GATEWAY_LISTED, 0);
    CU_ASSERT(!qe_gateways_drop(&g, &id, QE_GATEWAY_LISTED));
    CU_ASSERT(qe_gateways_drop(&g, &id, QE_GATEWAY_ALLOWED));
    CU_ASSERT(!qe_gateways_drop(&g, &id, QE_GATEWAY_ALLOWED));
    CU_ASSERT_STRING_EQUAL(order_text(&g, NULL, 0, 0), "2");
}

// The order by the plainest reading of its rules: how many of the others go before each.
static bool model_before(const struct qe_gateway *a, bool a_named, const struct qe_gateway *b, bool b_named)
{
    unsigned x = a->why & QE_GATEWAY_PREFERRED                       ? 0
                 : a_named                                           ? 1
                 : a->why & (QE_GATEWAY_ALLOWED | QE_GATEWAY_LISTED) ? 2
                                                                     : 3;
    unsigned y = b->why & QE_GATEWAY_PREFERRED                       ? 0
                 : b_named                                           ? 1
                 : b->why & (QE_GATEWAY_ALLOWED | QE_GATEWAY_LISTED) ? 2
                                                                     : 3;
    if (x != y) return x < y;
    if (x == 0 && a->place != b->place) return a->place < b->place;
    if (a->present != b->present) return a->present;
    if (a->rtt_us != b->rtt_us) return a->rtt_us && (!b->rtt_us || a->rtt_us < b->rtt_us);
    return qe_node_id_compare(&a->id, &b->id) < 0;
}

static void the_order_is_that_of_a_naive_model(void)
{
    struct unit_random random = unit_random();
    struct qe_gateways g = {.count = 0};
    for (uint64_t step = 0; step < 20000; step++) {
        struct qe_node_id id = id_of((unsigned)unit_random_below(&random, 60)), named[2];
        struct qe_gateway *gateway = qe_gateways_find(&g, &id);
        uint64_t now = step * S / 10;
        unsigned why = 1u << unit_random_below(&random, 5);
        switch (unit_random_below(&random, 4)) {
        case 0:
            gateway = qe_gateways_add(&g, &id, (enum qe_gateway_why)why);
            if (gateway) gateway->place = (unsigned)unit_random_below(&random, 8);
            break;
        case 1:
            qe_gateways_drop(&g, &id, (enum qe_gateway_why)why);
            break;
        case 2:
            if (gateway) qe_gateway_on_failed(gateway, (uint32_t)unit_random_below(&random, UINT32_MAX), now);
            break;
        default:
            if (gateway) qe_gateway_on_present(gateway, unit_random_below(&random, 4) * 1000);
        }
        named[0] = id_of((unsigned)unit_random_below(&random, 60));
        named[1] = id_of((unsigned)unit_random_below(&random, 60));
        const struct qe_gateway *order[QE_GATEWAYS_MAX];
        size_t count = qe_gateways_order(&g, named, 2, now, order), usable = 0;
        bool right = true, by_name[QE_GATEWAYS_MAX];
        for (size_t i = 0; i < count; i++)
            by_name[i] = qe_node_id_equal(&order[i]->id, &named[0]) || qe_node_id_equal(&order[i]->id, &named[1]);
        for (size_t i = 0; i < g.count; i++) {
            const struct qe_gateway *any = &g.list[i];
            bool here = qe_node_id_equal(&any->id, &named[0]) || qe_node_id_equal(&any->id, &named[1]);
            usable += any->well_at_ns <= now && (here || any->why != QE_GATEWAY_NAMED);
        }
        for (size_t i = 1; i < count; i++)
            right = right && model_before(order[i - 1], by_name[i - 1], order[i], by_name[i]);
        CU_ASSERT(right);
        CU_ASSERT_EQUAL(count, usable);
    }
    CU_ASSERT(g.count > 5);
}

static void a_gateway_that_refused_is_asked_again_later_and_another_at_once(void)
{
    struct qe_refusals r = {.count = 0};
    struct qe_node_id one = id_of(1), other = id_of(2);
    uint64_t now = 10 * S;
    CU_ASSERT(qe_refusals_allow(&r, &one, now));
    qe_refusals_note(&r, &one, UINT32_MAX / 2, now);
    CU_ASSERT(!qe_refusals_allow(&r, &one, now));
    CU_ASSERT(qe_refusals_allow(&r, &other, now));
    uint64_t first = qe_refusals_deadline(&r, now);
    CU_ASSERT(first > now + 3 * S / 8 - S / 100 && first < now + 5 * S / 8);
    CU_ASSERT(qe_refusals_allow(&r, &one, first));
    CU_ASSERT_EQUAL(qe_refusals_deadline(&r, first), QE_TIME_NEVER);
    qe_refusals_note(&r, &one, UINT32_MAX / 2, first);
    uint64_t second = qe_refusals_deadline(&r, first);
    CU_ASSERT(second - first > first - now);
    for (unsigned i = 0; i < 30; i++)
        qe_refusals_note(&r, &one, UINT32_MAX, first);
    CU_ASSERT(qe_refusals_deadline(&r, first) <= first + QE_REFUSAL_WAIT_LAST_NS * 5 / 4);
    // The oldest makes room.
    for (unsigned i = 0; i < QE_REFUSALS_MAX; i++) {
        other = id_of(10 + i);
        qe_refusals_note(&r, &other, 0, first + i + 1);
    }
    CU_ASSERT(qe_refusals_allow(&r, &one, first));
    CU_ASSERT(!qe_refusals_allow(&r, &other, first + 100));
    CU_ASSERT_EQUAL(r.count, QE_REFUSALS_MAX);
}

// However many gateways there are: when the last one has refused, the first one is still not to be asked.
static void all_that_refuse_are_left_alone(void)
{
    struct qe_refusals r = {.count = 0};
    for (unsigned i = 0; i < QE_GATEWAYS_MAX; i++) {
        struct qe_node_id id = id_of(10 + i);
        qe_refusals_note(&r, &id, 0, S + i);
    }
    for (unsigned i = 0; i < QE_GATEWAYS_MAX; i++) {
        struct qe_node_id id = id_of(10 + i);
        CU_ASSERT(!qe_refusals_allow(&r, &id, S + QE_GATEWAYS_MAX));
    }
}

static const struct unit_case cases[] = {
    {"the user's come first, then the peer's, then the network's",
        the_users_come_first_then_the_peers_then_the_networks},
    {"of a kind those that are there and near come first", of_a_kind_those_that_are_there_and_near_come_first},
    {"one that failed is left alone for a growing while", one_that_failed_is_left_alone_for_a_growing_while},
    {"what the user named is never pushed out", what_the_user_named_is_never_pushed_out},
    {"one without a reason is gone", one_without_a_reason_is_gone},
    {"the order is that of a naive model", the_order_is_that_of_a_naive_model},
    {"a gateway that refused is asked again later, and another at once",
        a_gateway_that_refused_is_asked_again_later_and_another_at_once},
    {"all that refuse are left alone", all_that_refuse_are_left_alone},
};
UNIT_MAIN("gateway choice", cases)
