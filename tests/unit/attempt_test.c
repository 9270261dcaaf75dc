// When which address is asked, and that two sides that start apart meet.
#include "nat/attempt.h"
#include "unit.h"

#define MS QE_NS_PER_MS

static const struct qe_node_id peer = {{1}};

static struct qe_addr numbered(uint8_t n)
{
    return (struct qe_addr){qe_ip4(192, 0, 2, n), 9000, 0};
}

// Asks whatever is due until nothing is asked any more; when the address was asked.
static size_t times_of(struct qe_attempt *a, const struct qe_addr *addr, uint64_t *out)
{
    size_t count = 0;
    uint64_t now;
    while ((now = qe_attempt_deadline(a)) < a->until_ns) {
        struct qe_candidate *c = qe_attempt_due(a, now);
        CU_ASSERT_PTR_NOT_NULL_FATAL(c);
        if (qe_addr_equal(&c->addr, addr)) out[count++] = now;
        CU_ASSERT_TRUE_FATAL(count <= QE_ATTEMPT_ASKS);
        qe_attempt_on_asked(a, c, now);
    }
    return count;
}

static void each_address_is_asked_three_times(void)
{
    struct qe_attempt a;
    uint64_t at[QE_ATTEMPT_ASKS];
    struct qe_addr last = numbered(7);
    qe_attempt_init(&a, 1, &peer, true, 1000 * MS);
    for (uint8_t i = 0; i < 8; i++) {
        struct qe_addr addr = numbered(i);
        CU_ASSERT_PTR_NOT_NULL(qe_attempt_add(&a, &addr, QE_CANDIDATE_HOST, 1000 * MS));
        CU_ASSERT_PTR_NOT_NULL(qe_attempt_add(&a, &addr, QE_CANDIDATE_REFLEXIVE, 1000 * MS));
    }
    CU_ASSERT_EQUAL(a.count, 8);
    CU_ASSERT_EQUAL(times_of(&a, &last, at), 3);
    CU_ASSERT_EQUAL(at[0], 1000 * MS + 7 * QE_ATTEMPT_STAGGER_NS);
    CU_ASSERT_EQUAL(at[1] - at[0], QE_ATTEMPT_SECOND_NS);
    CU_ASSERT_EQUAL(at[2] - at[0], QE_ATTEMPT_THIRD_NS);
    CU_ASSERT_EQUAL(qe_attempt_deadline(&a), a.until_ns);
}

static void where_the_peer_is_seen_is_asked_at_once(void)
{
    struct qe_attempt a;
    struct qe_addr addr;
    qe_attempt_init(&a, 1, &peer, true, 0);
    for (uint8_t i = 0; i < 8; i++) {
        addr = numbered(i);
        qe_attempt_add(&a, &addr, QE_CANDIDATE_HOST, 0);
    }
    addr = numbered(9);
    qe_attempt_add(&a, &addr, QE_CANDIDATE_SEEN, 0);
    struct qe_candidate *first = qe_attempt_due(&a, 0);
    CU_ASSERT_TRUE(first && qe_addr_equal(&first->addr, &addr));
}

static void what_may_not_be_asked_is_left_out(void)
{
    struct qe_attempt a;
    struct qe_addr addr = numbered(1);
    qe_attempt_init(&a, 1, &peer, true, 0);
    qe_attempt_add(&a, &addr, QE_CANDIDATE_HOST, 0);
    qe_attempt_on_refused(&a, qe_attempt_due(&a, 0));
    CU_ASSERT_PTR_NULL(qe_attempt_due(&a, 5000 * MS));
    CU_ASSERT_EQUAL(qe_attempt_deadline(&a), QE_ATTEMPT_NS);
}

static void who_was_heard_is_left_to_answer_for_a_while(void)
{
    struct qe_attempt a;
    struct qe_addr addr = numbered(1);
    qe_attempt_init(&a, 1, &peer, false, 0);
    struct qe_candidate *c = qe_attempt_add(&a, &addr, QE_CANDIDATE_HOST, 0);
    qe_attempt_on_asked(&a, c, 0);
    qe_attempt_on_heard(&a, c, 100 * MS);
    CU_ASSERT_PTR_NULL(qe_attempt_due(&a, 1500 * MS));
    CU_ASSERT_PTR_EQUAL(qe_attempt_due(&a, 100 * MS + QE_ATTEMPT_THIRD_NS), c);
    qe_attempt_on_proven(&a, c);
    CU_ASSERT_PTR_NULL(qe_attempt_due(&a, 5000 * MS));
    CU_ASSERT_TRUE(a.proven && c->proven);
}

// An address from which a question came finds room; what was heard is never pushed out.
static void there_is_room_for_who_is_met(void)
{
    struct qe_attempt a;
    qe_attempt_init(&a, 1, &peer, false, 0);
    for (uint8_t i = 0; i < QE_ATTEMPT_CANDIDATES_MAX; i++) {
        struct qe_addr addr = numbered(i);
        qe_attempt_add(&a, &addr, i < 3 ? QE_CANDIDATE_REFLEXIVE : QE_CANDIDATE_HOST, 0);
    }
    struct qe_addr more = numbered(100), one = numbered(200);
    CU_ASSERT_PTR_NULL(qe_attempt_add(&a, &more, QE_CANDIDATE_SEEN, 0));
    struct qe_candidate *c = qe_attempt_add(&a, &one, QE_CANDIDATE_MET, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    qe_attempt_on_heard(&a, c, 0);
    for (uint8_t i = 1; i < 100; i++) {
        struct qe_addr met = numbered((uint8_t)(100 + i));
        struct qe_candidate *next = qe_attempt_add(&a, &met, QE_CANDIDATE_MET, 0);
        if (next) qe_attempt_on_heard(&a, next, 0);
    }
    CU_ASSERT_EQUAL(a.count, QE_ATTEMPT_CANDIDATES_MAX);
    CU_ASSERT_PTR_NOT_NULL(qe_attempt_find(&a, &one));
}

// A caller whose NAT chooses a port for each destination is met only where one of its questions arrives after the other
// side has asked, which opens that side's NAT. The called side begins up to 1.5 s after the caller.
static void two_that_start_apart_meet(void)
{
    struct qe_addr ca = numbered(1), cb = numbered(2);
    for (uint64_t apart = 0; apart <= 1500; apart += 50) {
        for (uint64_t delay = 5; delay <= 800; delay += 53) {
            struct qe_attempt a, b;
            uint64_t ta[QE_ATTEMPT_ASKS], tb[QE_ATTEMPT_ASKS];
            qe_attempt_init(&a, 1, &peer, true, MS);
            qe_attempt_init(&b, 1, &peer, false, MS + apart * MS);
            qe_attempt_add(&a, &cb, QE_CANDIDATE_REFLEXIVE, MS);
            qe_attempt_add(&b, &ca, QE_CANDIDATE_REFLEXIVE, MS + apart * MS);
            size_t na = times_of(&a, &cb, ta);
            bool met = false;
            CU_ASSERT_EQUAL(times_of(&b, &ca, tb), QE_ATTEMPT_ASKS);
            for (size_t i = 0; i < na; i++)
                met |= ta[i] + delay * MS >= tb[0];
            CU_ASSERT_TRUE(met);
        }
    }
}

// A caller opens its NAT with the first question, and asks again when the other side may know.
static void questions_wait_for_the_other_side(void)
{
    struct qe_attempt a;
    struct qe_addr addr = numbered(1), other = numbered(2);
    qe_attempt_init(&a, 1, &peer, true, MS);
    a.asks = 1;
    struct qe_candidate *c = qe_attempt_add(&a, &addr, QE_CANDIDATE_REFLEXIVE, MS);
    CU_ASSERT_PTR_EQUAL(qe_attempt_due(&a, MS), c);
    qe_attempt_on_asked(&a, c, MS);
    CU_ASSERT_PTR_NULL(qe_attempt_due(&a, 3000 * MS));
    CU_ASSERT_EQUAL(qe_attempt_deadline(&a), a.until_ns);
    qe_attempt_allow(&a, 2, 100 * MS);
    CU_ASSERT_PTR_EQUAL(qe_attempt_due(&a, 100 * MS), c);
    qe_attempt_on_asked(&a, c, 100 * MS);
    CU_ASSERT_PTR_NULL(qe_attempt_due(&a, 3000 * MS));
    qe_attempt_allow(&a, 1, 3000 * MS);
    CU_ASSERT_PTR_NULL(qe_attempt_due(&a, 3000 * MS));
    qe_attempt_allow(&a, 3, 3000 * MS);
    CU_ASSERT_PTR_EQUAL(qe_attempt_due(&a, 3000 * MS), c);
    // One that becomes known late has all its questions.
    CU_ASSERT_PTR_NOT_NULL(qe_attempt_add(&a, &other, QE_CANDIDATE_SEEN, 3000 * MS));
    CU_ASSERT_EQUAL(qe_attempt_deadline(&a), 3000 * MS);
}

// Whoever has an IPv6 /64 has more addresses in it than there are nodes.
static void one_household_vouches_once(void)
{
    static const char *const texts[] = {"2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::1", "2001:db8:0:1::1"};
    struct qe_candidate c = {.vouchers = 0};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct qe_ip ip;
        CU_ASSERT_TRUE_FATAL(qe_ip_parse(texts[i], &ip));
        qe_attempt_on_vouched(&c, &ip);
        CU_ASSERT_EQUAL(c.vouchers, i < 3 ? 1 : 2);
    }
    const struct qe_ip one = qe_ip4(192, 0, 2, 1), other = qe_ip4(192, 0, 2, 2);
    c.vouchers = 0;
    qe_attempt_on_vouched(&c, &one);
    qe_attempt_on_vouched(&c, &one);
    CU_ASSERT_EQUAL(c.vouchers, 1);
    qe_attempt_on_vouched(&c, &other);
    CU_ASSERT_EQUAL(c.vouchers, 2);
}

static const struct unit_case cases[] = {
    {"each address is asked three times", each_address_is_asked_three_times},
    {"where the peer is seen is asked at once", where_the_peer_is_seen_is_asked_at_once},
    {"what may not be asked is left out", what_may_not_be_asked_is_left_out},
    {"who was heard is left to answer for a while", who_was_heard_is_left_to_answer_for_a_while},
    {"there is room for who is met", there_is_room_for_who_is_met},
    {"two that start apart meet", two_that_start_apart_meet},
    {"questions wait for the other side", questions_wait_for_the_other_side},
    {"one household vouches once", one_household_vouches_once},
};
UNIT_MAIN("attempt", cases)
