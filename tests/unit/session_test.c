#include "base/time.h"
#include "session/session.h"
#include "unit.h"
#include "wire/relay.h"

#include <string.h>

#define MS   QE_NS_PER_MS
#define HALF (UINT32_MAX / 2) // jitter that changes a wait by next to nothing

static struct qe_session s;

// self_lower: whether this node's ID is the lower one.
static void begin(bool self_lower)
{
    struct qe_node_id low = {{1}}, high = {{2}};
    qe_session_init(&s, self_lower ? &low : &high, self_lower ? &high : &low);
}

static struct qe_addr addr(uint8_t last)
{
    return (struct qe_addr){qe_ip4(192, 0, 2, last), 9000, 0};
}

static void know(uint8_t last, bool configured)
{
    struct qe_addr a = addr(last);
    qe_session_on_address(&s, &a, configured);
}

static bool due(uint64_t now, uint8_t last)
{
    struct qe_addr target, expected = addr(last);
    return qe_session_dial_due(&s, now, &target) && qe_addr_equal(&target, &expected);
}

static void dial(uint64_t id, uint64_t now)
{
    struct qe_addr target;
    CU_ASSERT_TRUE_FATAL(qe_session_dial_due(&s, now, &target));
    CU_ASSERT_TRUE_FATAL(qe_session_on_dialled(&s, id, 0, &target, now));
}

static void open_path(uint64_t id, bool client, uint64_t now)
{
    const struct qe_conn_info info = {.client = client, .established = true};
    CU_ASSERT_PTR_NOT_NULL(qe_session_on_open(&s, id, 0, &info, now));
}

static void closed(uint64_t id, enum qe_conn_end end, uint64_t code, uint64_t now)
{
    qe_session_on_closed(&s, id, (struct qe_conn_close){end, code}, HALF, now);
}

static bool close_to(uint64_t value, uint64_t expected)
{
    return value + MS >= expected && value <= expected + MS;
}

static void without_an_address_it_waits(void)
{
    begin(true);
    CU_ASSERT_EQUAL(qe_session_state(&s), QE_SESSION_WAITING);
    CU_ASSERT_FALSE(due(0, 1));
    CU_ASSERT_EQUAL(qe_session_deadline(&s), QE_TIME_NEVER);
}

static void waits_double_up_to_ten_seconds(void)
{
    static const uint64_t waits_ms[] = {250, 500, 1000, 2000, 4000, 8000, 10000, 10000};
    uint64_t now = 5 * MS;
    begin(true);
    know(1, true);
    for (size_t i = 0; i < sizeof waits_ms / sizeof waits_ms[0]; i++) {
        dial(i + 1, now);
        CU_ASSERT_EQUAL(qe_session_state(&s), QE_SESSION_DIALING);
        closed(i + 1, QE_CONN_END_HANDSHAKE, 0, now);
        CU_ASSERT_EQUAL(qe_session_state(&s), QE_SESSION_BACKOFF);
        CU_ASSERT_TRUE(close_to(qe_session_deadline(&s), now + waits_ms[i] * MS));
        now = qe_session_deadline(&s);
    }
    CU_ASSERT_EQUAL(s.dials, 8);
}

static void jitter_spreads_a_wait_by_a_quarter(void)
{
    for (int high = 0; high < 2; high++) {
        begin(true);
        know(1, true);
        dial(1, 0);
        qe_session_on_closed(&s, 1, (struct qe_conn_close){QE_CONN_END_HANDSHAKE, 0}, high ? UINT32_MAX : 0, 0);
        CU_ASSERT_TRUE(close_to(qe_session_deadline(&s), high ? 312 * MS : 188 * MS));
    }
}

static void a_refusal_is_not_hurried_and_a_goodbye_hardly(void)
{
    begin(true);
    know(1, true);
    dial(1, 0);
    closed(1, QE_CONN_END_REFUSED, 46, 0);
    CU_ASSERT_TRUE(close_to(qe_session_deadline(&s), 5000 * MS));
    begin(true);
    know(1, true);
    dial(1, 0);
    open_path(1, true, 10 * MS);
    closed(1, QE_CONN_END_REMOTE, QE_CLOSE_GOODBYE, 20 * MS);
    CU_ASSERT_STRING_EQUAL(s.last_error, "the peer stopped");
    CU_ASSERT_TRUE(close_to(qe_session_deadline(&s), 1020 * MS));
}

static void what_worked_is_dialled_again_at_once(void)
{
    begin(true);
    know(1, true);
    dial(1, 0);
    open_path(1, true, 10 * MS);
    CU_ASSERT_EQUAL(s.active, 1);
    CU_ASSERT_EQUAL(qe_session_state(&s), QE_SESSION_CONNECTED);
    closed(1, QE_CONN_END_RESET, 0, 500 * MS);
    CU_ASSERT_EQUAL(s.active, 0);
    CU_ASSERT_TRUE(due(500 * MS, 1));
}

static void what_opens_only_to_close_is_not_dialled_in_a_circle(void)
{
    begin(true);
    know(1, true);
    dial(1, 0);
    open_path(1, true, 10 * MS);
    closed(1, QE_CONN_END_REMOTE, QE_CLOSE_LIMIT, 11 * MS);
    CU_ASSERT_FALSE(due(11 * MS, 1));
    CU_ASSERT_TRUE(close_to(qe_session_deadline(&s), 261 * MS));
}

// Both sides dialled. This one has retired its own, as the other's was better; the other has retired that one, because
// this one's was the only one that it heard.
static void a_path_that_waits_for_its_end_serves_again(void)
{
    begin(false);
    know(1, true);
    dial(1, 0);
    open_path(1, true, 0);
    open_path(2, false, 10 * MS);
    CU_ASSERT_EQUAL(qe_session_active(&s)->id, 2);
    closed(2, QE_CONN_END_REMOTE, QE_CLOSE_SUPERSEDED, 20 * MS);
    CU_ASSERT_PTR_NOT_NULL_FATAL(qe_session_active(&s));
    CU_ASSERT_EQUAL(qe_session_active(&s)->id, 1);
    CU_ASSERT_EQUAL(qe_session_state(&s), QE_SESSION_CONNECTED);
    CU_ASSERT_EQUAL(qe_session_retired(&s, 10 * QE_NS_PER_S), 0);
    // Nor does it where nothing is heard on it, or where its lane has been told.
    open_path(3, false, 100 * MS);
    qe_session_on_silent(&s, 1, 110 * MS);
    closed(3, QE_CONN_END_REMOTE, QE_CLOSE_SUPERSEDED, 120 * MS);
    CU_ASSERT_PTR_NULL(qe_session_active(&s));
    qe_session_on_heard(&s, 1, 130 * MS);
    open_path(4, false, 200 * MS);
    CU_ASSERT_EQUAL(qe_session_retired(&s, 200 * MS + QE_PATH_LINGER_NS), 1);
    qe_session_path(&s, 1)->retire_ns = QE_TIME_NEVER;
    closed(4, QE_CONN_END_REMOTE, QE_CLOSE_SUPERSEDED, 210 * MS);
    CU_ASSERT_PTR_NULL(qe_session_active(&s));
    CU_ASSERT_EQUAL(qe_session_state(&s), QE_SESSION_BACKOFF);
}

static void of_two_clients_the_lower_id_stays_and_only_a_client_retires(void)
{
    for (int self_lower = 0; self_lower < 2; self_lower++) {
        begin(self_lower);
        know(1, true);
        dial(1, 0);
        open_path(1, true, 10 * MS);  // ours
        open_path(2, false, 11 * MS); // the peer's
        CU_ASSERT_EQUAL(s.active, self_lower ? 1 : 2);
        const struct qe_path *ours = qe_session_path(&s, 1), *theirs = qe_session_path(&s, 2);
        CU_ASSERT_EQUAL(ours->state, self_lower ? QE_PATH_OPEN : QE_PATH_RETIRED);
        CU_ASSERT_EQUAL(theirs->state, QE_PATH_OPEN);
        CU_ASSERT_EQUAL(qe_session_retired(&s, 10 * MS), 0);
        CU_ASSERT_EQUAL(qe_session_retired(&s, 11 * MS + QE_PATH_LINGER_NS), self_lower ? 0 : 1);
    }
}

static void of_one_clients_paths_the_newest_stays(void)
{
    begin(true);
    know(1, true);
    open_path(7, false, 10 * MS);
    open_path(8, false, 20 * MS);
    CU_ASSERT_EQUAL(s.active, 8);
    CU_ASSERT_EQUAL(qe_session_path(&s, 7)->state, QE_PATH_OPEN); // the peer's to close
}

static void a_silent_path_is_used_only_while_there_is_no_open_one(void)
{
    begin(true);
    know(1, true);
    dial(1, 0);
    open_path(1, true, 10 * MS);
    qe_session_on_silent(&s, 1, 1000 * MS);
    CU_ASSERT_EQUAL(qe_session_state(&s), QE_SESSION_UNRESPONSIVE);
    CU_ASSERT_EQUAL(s.active, 1);
    CU_ASSERT_TRUE(due(1000 * MS, 1));
    dial(2, 1000 * MS);
    open_path(2, true, 1100 * MS);
    CU_ASSERT_EQUAL(s.active, 2);
    CU_ASSERT_EQUAL(qe_session_path(&s, 1)->state, QE_PATH_RETIRED);
    CU_ASSERT_EQUAL(qe_session_state(&s), QE_SESSION_CONNECTED);
}

static void a_silence_that_ends_is_forgiven(void)
{
    begin(true);
    know(1, true);
    dial(1, 0);
    open_path(1, true, 10 * MS);
    qe_session_on_silent(&s, 1, 1000 * MS);
    qe_session_on_heard(&s, 1, 1200 * MS);
    CU_ASSERT_EQUAL(qe_session_state(&s), QE_SESSION_CONNECTED);
    CU_ASSERT_FALSE(due(5000 * MS, 1));
}

static void another_boot_kills_the_older_paths_only(void)
{
    uint64_t dead[QE_SESSION_PATHS_MAX];
    begin(true);
    know(1, true);
    open_path(1, false, 10 * MS);
    CU_ASSERT_EQUAL(qe_session_on_hello(&s, 1, 100, dead, 10 * MS), 0);
    open_path(2, false, 20 * MS);
    CU_ASSERT_EQUAL(qe_session_on_hello(&s, 2, 100, dead, 20 * MS), 0);
    open_path(3, false, 30 * MS);
    CU_ASSERT_EQUAL_FATAL(qe_session_on_hello(&s, 3, 200, dead, 30 * MS), 2);
    CU_ASSERT_TRUE(dead[0] != 3 && dead[1] != 3);
    // A hello of the dead boot that was under way says nothing about the newer path.
    CU_ASSERT_EQUAL(qe_session_on_hello(&s, 1, 100, dead, 31 * MS), 0);
    CU_ASSERT_EQUAL(qe_session_on_hello(&s, 2, 100, dead, 31 * MS), 0);
}

static void configured_addresses_go_first_and_learned_ones_are_few(void)
{
    begin(true);
    know(1, true);
    for (uint8_t i = 2; i < 12; i++)
        know(i, false);
    CU_ASSERT_EQUAL(s.candidate_count, QE_SESSION_CANDIDATES_MAX);
    CU_ASSERT_EQUAL(s.candidates[0].ip.bytes[3], 1);
    CU_ASSERT_EQUAL(s.candidates[1].ip.bytes[3], 11);
    CU_ASSERT_EQUAL(s.candidates[2].ip.bytes[3], 10);
    know(10, false);
    CU_ASSERT_EQUAL(s.candidates[1].ip.bytes[3], 10);
    CU_ASSERT_EQUAL(s.candidates[2].ip.bytes[3], 11);
    CU_ASSERT_EQUAL(s.candidate_count, QE_SESSION_CANDIDATES_MAX);
}

static void attempts_take_turns_among_the_addresses(void)
{
    uint64_t now = 0;
    begin(true);
    know(1, true);
    know(2, false);
    for (uint64_t i = 0; i < 4; i++) {
        CU_ASSERT_TRUE(due(now, i % 2 ? 2 : 1));
        dial(i + 1, now);
        closed(i + 1, QE_CONN_END_HANDSHAKE, 0, now);
        now = qe_session_deadline(&s);
    }
}

static void where_it_was_met_it_is_looked_for_first(void)
{
    begin(true);
    know(1, true);
    know(2, false);
    know(3, false);
    // It is met at 2, which the first attempts were not to; then nothing is heard of it.
    struct qe_conn_info info = {.client = false, .established = true, .remote = addr(2)};
    CU_ASSERT_PTR_NOT_NULL(qe_session_on_open(&s, 1, 0, &info, 0));
    know(2, false);
    qe_session_on_silent(&s, 1, 10 * MS);
    CU_ASSERT_TRUE(due(10 * MS, 2));
    dial(2, 10 * MS);
    closed(2, QE_CONN_END_HANDSHAKE, 0, 20 * MS);
    CU_ASSERT_FALSE(due(10 * QE_NS_PER_S, 2));
    // It answers there again, and the attempt that was meant for the next one does not stay behind.
    qe_session_on_heard(&s, 1, 30 * MS);
    know(2, false);
    qe_session_on_silent(&s, 1, 40 * MS);
    CU_ASSERT_TRUE(due(10 * QE_NS_PER_S, 2));
}

static void packets_that_wait_bring_an_attempt_forward_to_a_second(void)
{
    begin(true);
    know(1, true);
    dial(1, 0);
    closed(1, QE_CONN_END_REFUSED, 0, 0);
    qe_session_on_wanted(&s, 100 * MS);
    CU_ASSERT_EQUAL(qe_session_deadline(&s), 1100 * MS);
    qe_session_on_wanted(&s, 200 * MS);
    CU_ASSERT_EQUAL(qe_session_deadline(&s), 1100 * MS);
}

static void a_network_that_comes_up_is_tried_at_once(void)
{
    begin(true);
    know(1, true);
    for (uint64_t i = 1; i < 6; i++) {
        uint64_t now = qe_session_deadline(&s);
        dial(i, now);
        closed(i, QE_CONN_END_HANDSHAKE, 0, now);
    }
    uint64_t now = s.dial_at_ns - 1000 * MS;
    qe_session_on_link_up(&s, now);
    CU_ASSERT_TRUE(qe_session_deadline(&s) <= now);
    dial(9, now);
    closed(9, QE_CONN_END_HANDSHAKE, 0, now);
    CU_ASSERT_TRUE(close_to(qe_session_deadline(&s), now + 250 * MS));
}

static void there_is_room_for_so_many_paths(void)
{
    const struct qe_conn_info info = {.established = true};
    begin(true);
    for (uint64_t i = 1; i <= QE_SESSION_PATHS_MAX; i++)
        CU_ASSERT_PTR_NOT_NULL(qe_session_on_open(&s, i, 0, &info, i));
    CU_ASSERT_PTR_NULL(qe_session_on_open(&s, 99, 0, &info, 100));
}

static void a_session_that_stops_dials_no_more(void)
{
    begin(true);
    know(1, true);
    s.stopping = true;
    CU_ASSERT_FALSE(due(0, 1));
    CU_ASSERT_EQUAL(qe_session_deadline(&s), QE_TIME_NEVER);
}

// A path through the gateway with that index.
static void open_relayed(uint64_t id, uint32_t gateway, bool client, uint64_t now)
{
    const struct qe_addr at = qe_circuit_addr(gateway, 2);
    const struct qe_conn_info info = {.client = client, .established = true, .remote = at};
    if (client) CU_ASSERT_TRUE(qe_session_on_relay_dialled(&s, id, 0, &at, now));
    CU_ASSERT_PTR_NOT_NULL(qe_session_on_open(&s, id, 0, &info, now));
    CU_ASSERT_TRUE(qe_session_path(&s, id)->relayed);
}

static void a_direct_path_is_preferred_whoever_dialled_it(void)
{
    for (int client = 0; client < 2; client++) {
        begin(client);
        know(1, true);
        open_relayed(1, 5, true, 0);
        CU_ASSERT_EQUAL(s.active, 1);
        CU_ASSERT_EQUAL(qe_session_state(&s), QE_SESSION_CONNECTED);
        CU_ASSERT_TRUE(qe_session_is_relayed(&s));
        open_path(2, client, 10 * MS);
        CU_ASSERT_EQUAL(s.active, 2);
        CU_ASSERT_TRUE(qe_session_is_direct(&s));
        // What is under way on the other still arrives.
        CU_ASSERT_EQUAL(qe_session_path(&s, 1)->state, QE_PATH_RETIRED);
        CU_ASSERT_EQUAL(qe_session_retired(&s, 10 * MS + QE_PATH_LINGER_NS - 1), 0);
        CU_ASSERT_EQUAL(qe_session_retired(&s, 10 * MS + QE_PATH_LINGER_NS), 1);
    }
}

static void one_path_through_another_gateway_stands_by(void)
{
    begin(true);
    open_relayed(1, 5, true, 0);
    open_relayed(2, 6, true, 10 * MS);
    CU_ASSERT_EQUAL(s.active, 1);
    CU_ASSERT_EQUAL(qe_session_path(&s, 2)->state, QE_PATH_OPEN);
    // A third, and a second through the same one, are too many.
    open_relayed(3, 7, true, 20 * MS);
    CU_ASSERT_EQUAL(s.active, 1);
    CU_ASSERT_EQUAL(qe_session_path(&s, 2)->state, QE_PATH_OPEN);
    CU_ASSERT_EQUAL(qe_session_path(&s, 3)->state, QE_PATH_RETIRED);
    open_relayed(4, 5, true, 30 * MS);
    CU_ASSERT_EQUAL(s.active, 4);
    CU_ASSERT_EQUAL(qe_session_path(&s, 1)->state, QE_PATH_RETIRED);
    CU_ASSERT_EQUAL(qe_session_path(&s, 2)->state, QE_PATH_OPEN);
    closed(4, QE_CONN_END_IDLE, 0, 40 * MS);
    CU_ASSERT_EQUAL(s.active, 2);
}

static void a_relayed_path_is_as_silent_as_what_it_goes_by(void)
{
    begin(true);
    open_relayed(1, 5, true, 0);
    open_relayed(2, 6, true, 10 * MS);
    qe_session_on_quiet(&s, 1, true, 20 * MS);
    CU_ASSERT_EQUAL(s.active, 2);
    qe_session_on_silent(&s, 1, 30 * MS);
    qe_session_on_quiet(&s, 1, false, 40 * MS);
    CU_ASSERT_EQUAL(s.active, 2);
    qe_session_on_heard(&s, 1, 50 * MS);
    CU_ASSERT_EQUAL(qe_session_path(&s, 1)->state, QE_PATH_OPEN);
    qe_session_on_quiet(&s, 2, true, 60 * MS);
    CU_ASSERT_EQUAL(s.active, 1);
}

static void while_it_is_relayed_a_peer_is_still_dialled_now_and_then(void)
{
    static const uint64_t waits_s[] = {10, 10, 20, 40, 80, 160, 300, 300};
    uint64_t now = 0, id = 10;
    begin(true);
    know(1, true);
    know(2, false);
    open_relayed(1, 5, true, now);
    for (size_t i = 0; i < sizeof waits_s / sizeof waits_s[0]; i++) {
        CU_ASSERT_TRUE(close_to(qe_session_deadline(&s), now + waits_s[i] * QE_NS_PER_S));
        now = qe_session_deadline(&s);
        // All addresses are, one soon after the other.
        dial(id++, now);
        CU_ASSERT_TRUE(close_to(qe_session_deadline(&s), now + 500 * MS));
        dial(id++, now + 500 * MS);
        closed(id - 2, QE_CONN_END_HANDSHAKE, 0, now + 500 * MS);
        closed(id - 1, QE_CONN_END_HANDSHAKE, 0, now + 500 * MS);
        now += 500 * MS;
    }
    CU_ASSERT_EQUAL(qe_session_state(&s), QE_SESSION_CONNECTED);
    qe_session_on_link_up(&s, now + MS);
    CU_ASSERT_EQUAL(qe_session_deadline(&s), now + MS);
}

static void a_direct_path_that_fails_is_looked_for_at_once_and_may_come_back(void)
{
    begin(true);
    know(1, true);
    dial(1, 0);
    open_path(1, true, 0);
    qe_session_on_silent(&s, 1, 1000 * MS);
    open_relayed(2, 5, true, 1100 * MS);
    CU_ASSERT_EQUAL(s.active, 2);
    CU_ASSERT_EQUAL(qe_session_path(&s, 1)->state, QE_PATH_SILENT);
    qe_session_on_heard(&s, 1, 1200 * MS);
    CU_ASSERT_EQUAL(s.active, 1);
    CU_ASSERT_EQUAL(qe_session_path(&s, 2)->state, QE_PATH_RETIRED);
}

static void where_it_is_proven_to_be_it_is_dialled_before_all_else(void)
{
    begin(true);
    know(1, true);
    dial(1, 0);
    struct qe_addr proven = addr(9);
    qe_session_on_proven(&s, &proven, 10 * MS);
    CU_ASSERT_TRUE(due(10 * MS, 9));
    dial(2, 10 * MS);
    CU_ASSERT_FALSE(due(10 * MS, 9));
    // Through a gateway it makes no difference.
    begin(true);
    open_relayed(1, 5, false, 0);
    qe_session_on_proven(&s, &proven, 10 * MS);
    CU_ASSERT_TRUE(due(10 * MS, 9));
}

static void nobody_is_dialled_at_the_address_of_a_circuit(void)
{
    const struct qe_addr at = qe_circuit_addr(5, 2);
    begin(true);
    qe_session_on_address(&s, &at, false);
    CU_ASSERT_EQUAL(s.candidate_count, 0);
    CU_ASSERT_EQUAL(qe_session_deadline(&s), QE_TIME_NEVER);
}

static void a_gateway_that_fails_does_not_slow_down_direct_attempts(void)
{
    const struct qe_addr at = qe_circuit_addr(5, 2);
    begin(true);
    know(1, true);
    CU_ASSERT_TRUE(qe_session_on_relay_dialled(&s, 7, 0, &at, 0));
    CU_ASSERT_TRUE(due(0, 1));
    dial(1, 0);
    closed(7, QE_CONN_END_HANDSHAKE, 0, 10 * MS);
    CU_ASSERT_EQUAL(s.failures, 0);
}

static void when_the_gateway_is_lost_direct_is_tried_at_once(void)
{
    begin(true);
    know(1, true);
    open_relayed(1, 5, false, 0);
    open_relayed(2, 6, false, 10 * MS);
    open_relayed(3, 7, false, 20 * MS);
    qe_session_on_silent(&s, 2, 1000 * MS);
    CU_ASSERT_FALSE(due(1000 * MS, 1)); // it carried nothing
    qe_session_on_heard(&s, 2, 1010 * MS);
    qe_session_on_silent(&s, 1, 2000 * MS);
    CU_ASSERT_EQUAL(s.active, 2);
    CU_ASSERT_TRUE(due(2000 * MS, 1));
    dial(10, 2000 * MS);
    closed(10, QE_CONN_END_HANDSHAKE, 0, 3000 * MS);
    // Not as often as gateways may be lost.
    closed(2, QE_CONN_END_REMOTE, 0, 4000 * MS);
    CU_ASSERT_EQUAL(s.active, 3);
    CU_ASSERT_FALSE(due(4000 * MS, 1));
    CU_ASSERT_TRUE(qe_session_deadline(&s) <= 4000 * MS + QE_DIRECT_WAIT_FIRST_NS);
    open_relayed(4, 8, false, 5000 * MS);
    qe_session_on_quiet(&s, 3, true, 2000 * MS + QE_DIRECT_LOST_NS);
    CU_ASSERT_EQUAL(s.active, 4);
    CU_ASSERT_TRUE(due(2000 * MS + QE_DIRECT_LOST_NS, 1));
}

static const struct unit_case cases[] = {
    {"without an address it waits", without_an_address_it_waits},
    {"waits double up to ten seconds", waits_double_up_to_ten_seconds},
    {"jitter spreads a wait by a quarter", jitter_spreads_a_wait_by_a_quarter},
    {"a refusal is not hurried, and a goodbye hardly", a_refusal_is_not_hurried_and_a_goodbye_hardly},
    {"what worked is dialled again at once", what_worked_is_dialled_again_at_once},
    {"what opens only to close is not dialled in a circle", what_opens_only_to_close_is_not_dialled_in_a_circle},
    {"a path that waits for its end serves again where it is the last", a_path_that_waits_for_its_end_serves_again},
    {"of two clients the lower ID stays, and only a client retires",
        of_two_clients_the_lower_id_stays_and_only_a_client_retires},
    {"of one client's paths the newest stays", of_one_clients_paths_the_newest_stays},
    {"a silent path is used only while there is no open one", a_silent_path_is_used_only_while_there_is_no_open_one},
    {"a silence that ends is forgiven", a_silence_that_ends_is_forgiven},
    {"another boot kills the older paths only", another_boot_kills_the_older_paths_only},
    {"configured addresses go first and learned ones are few", configured_addresses_go_first_and_learned_ones_are_few},
    {"attempts take turns among the addresses", attempts_take_turns_among_the_addresses},
    {"where it was met it is looked for first", where_it_was_met_it_is_looked_for_first},
    {"packets that wait bring an attempt forward to a second", packets_that_wait_bring_an_attempt_forward_to_a_second},
    {"a network that comes up is tried at once", a_network_that_comes_up_is_tried_at_once},
    {"there is room for so many paths", there_is_room_for_so_many_paths},
    {"a session that stops dials no more", a_session_that_stops_dials_no_more},
    {"a direct path is preferred to a relayed one, whoever dialled it", a_direct_path_is_preferred_whoever_dialled_it},
    {"one path through another gateway stands by", one_path_through_another_gateway_stands_by},
    {"a relayed path is as silent as what it goes by", a_relayed_path_is_as_silent_as_what_it_goes_by},
    {"while it is relayed a peer is still dialled now and then",
        while_it_is_relayed_a_peer_is_still_dialled_now_and_then},
    {"a direct path that fails may come back", a_direct_path_that_fails_is_looked_for_at_once_and_may_come_back},
    {"when the gateway is lost direct is tried at once", when_the_gateway_is_lost_direct_is_tried_at_once},
    {"where it is proven to be it is dialled before all else", where_it_is_proven_to_be_it_is_dialled_before_all_else},
    {"nobody is dialled at the address of a circuit", nobody_is_dialled_at_the_address_of_a_circuit},
    {"a gateway that fails does not slow down direct attempts",
        a_gateway_that_fails_does_not_slow_down_direct_attempts},
};
UNIT_MAIN("session", cases)
