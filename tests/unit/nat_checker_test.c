// What a node finds out about its NAT is what the NAT does: every mapping × filtering × allocation × hairpinning of the
// simulator's NATs, asked about through nodes of a DHT in virtual time.
#include "nat/checker.h"

#include "dht/krpc.h"
#include "dht/signal.h"
#include "dht_net.h"
#include "net/nat.h"

#include <stdio.h>
#include <string.h>

#define NODES 24

static struct dht_net *net;
static struct sim_nat *nat; // NULL: none, the host has the outside address
static struct qe_nat_checker checker;
static struct unit_random entropy;
static struct qe_addr spare, main_socket;
static struct qe_node_id self = {{9, 9, 9}};
static unsigned sent;
static uint16_t next_port;

static const struct qe_dht_options options = {.exempt_private = true};

static void random_bytes(void *user, uint8_t *out, size_t size)
{
    (void)user;
    unit_random_fill(&entropy, out, size);
}

static void to_inside(const struct dht_net_datagram *datagram)
{
    struct qe_addr to = datagram->to;
    enum sim_drop why;
    if (nat && !sim_nat_inbound(nat, net->now_ns, &datagram->from, &to, &why)) return;
    bool is_spare = qe_addr_equal(&to, &spare);
    if (is_spare || qe_addr_equal(&to, &main_socket))
        qe_nat_checker_receive(
            &checker, is_spare, &datagram->from, qe_span(datagram->bytes, datagram->size), net->now_ns);
}

static void on_stranger(void *user, const struct dht_net_datagram *datagram)
{
    (void)user;
    to_inside(datagram);
}

static void send_all(void)
{
    uint8_t bytes[QE_DHT_DATAGRAM_MAX];
    struct qe_nat_checker_send send;
    enum sim_drop why;
    while (qe_nat_checker_next(&checker, bytes, &send, net->now_ns)) {
        struct qe_addr from = send.spare ? spare : main_socket, to = send.to;
        sent++;
        if (nat && sim_nat_owns(nat, &to.ip)) {
            if (!sim_nat_hairpin(nat, net->now_ns, &from, &to, &why)) continue;
            bool is_spare = qe_addr_equal(&to, &spare);
            qe_nat_checker_receive(&checker, is_spare, &from, qe_span(bytes, send.size), net->now_ns);
        } else if (!nat || sim_nat_outbound(nat, net->now_ns, &from, &to, &why)) {
            dht_net_send(net, &from, &to, qe_span(bytes, send.size));
        }
    }
}

static void run(uint64_t ns)
{
    uint64_t end_ns = net->now_ns + ns;
    while (net->now_ns < end_ns) {
        send_all();
        dht_net_run_for(net, 5 * QE_NS_PER_MS);
        if (qe_nat_checker_deadline(&checker) <= net->now_ns) qe_nat_checker_expire(&checker, net->now_ns);
    }
}

static void grow(void)
{
    net = dht_net_new();
    net->stranger = on_stranger;
    entropy = unit_random();
    for (size_t i = 0; i < NODES; i++) {
        struct dht_net_node *node = dht_net_add(net, &options);
        if (i > 0) qe_dht_add_bootstrap(node->dht, &net->nodes[0].addr, net->now_ns);
        node->other_port = 9001;
        qe_dht_set_other_port(node->dht, 4, 9001);
        dht_net_flush(net, node);
        dht_net_run_for(net, 20 * QE_NS_PER_MS);
    }
    dht_net_run_for(net, 120 * QE_NS_PER_S);
    next_port = 20000;
    const struct qe_nat_checker_options checks = {.id = self, .random = random_bytes};
    qe_nat_checker_init(&checker, &checks);
}

static void fell(void)
{
    dht_net_free(net);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static void begin_round(bool lifetime)
{
    struct qe_addr servers[QE_NAT_SERVERS_MAX];
    struct qe_ip own = qe_ip4(192, 168, 1, 5);
    if (!nat) own = qe_ip4(203, 0, 113, 7);
    next_port = (uint16_t)(next_port + 11);
    spare = (struct qe_addr){own, next_port, 0};
    main_socket = (struct qe_addr){own, 7777, 0};
    for (size_t i = 0; i < QE_NAT_SERVERS_MAX; i++)
        servers[i] = net->nodes[3 + 2 * i].addr;
    struct qe_nat_round round = {.port = spare.port,
        .servers = servers,
        .server_count = QE_NAT_SERVERS_MAX,
        .own = &own,
        .own_count = 1,
        .lifetime = lifetime};
    // A registration would say it.
    round.main_seen = main_socket;
    enum sim_drop why;
    if (nat) sim_nat_outbound(nat, net->now_ns, &round.main_seen, &net->nodes[1].addr, &why);
    qe_nat_checker_start(&checker, &round, net->now_ns);
}

static struct sim_nat *new_nat(struct sim_nat_settings *settings)
{
    static const uint32_t outside = 0xcb007105; // 203.0.113.5
    static const struct qe_cidr inside = {{4, {192, 168, 1}}, 24};
    settings->collision = SIM_NAT_RANDOM;
    settings->step = settings->step ? settings->step : 1;
    settings->port_min = 1024;
    settings->port_max = 65535;
    settings->mappings_max = 10000;
    settings->refresh = SIM_REFRESH_OUTBOUND;
    if (!settings->timeout_ns) settings->timeout_ns = 120 * QE_NS_PER_S;
    settings->unanswered_ns = settings->filter_ns = settings->filter_unanswered_ns = settings->timeout_ns;
    return sim_nat_new(settings, 7, "box", &outside, 1, &inside);
}

static void check(struct sim_nat_settings settings)
{
    struct qe_nat_behaviour b = {0};
    static struct sim_nat_settings kept;
    kept = settings;
    nat = new_nat(&kept);
    dht_net_run_for(net, 60 * QE_NS_PER_S);
    sent = 0;
    begin_round(false);
    run(30 * QE_NS_PER_S);
    CU_ASSERT_TRUE(qe_nat_checker_take(&checker, &b) && b.known_ns != 0);
    CU_ASSERT_FALSE(qe_nat_checker_busy(&checker));
    bool right = b.translated == QE_NAT_YES && (int)b.mapping == (int)settings.mapping + 1 &&
                 (int)b.filtering == (int)settings.filtering + 1 && b.external_count == 1;
    bool moves = settings.mapping != SIM_ENDPOINT_INDEPENDENT;
    if (settings.allocation == SIM_NAT_PRESERVE) right = right && b.preserves == QE_NAT_YES;
    if (settings.allocation != SIM_NAT_PRESERVE) right = right && b.preserves == QE_NAT_NO;
    if (moves && settings.allocation == SIM_NAT_SEQUENTIAL)
        right = right && b.allocation == QE_NAT_SEQUENTIAL && b.step == (int32_t)settings.step;
    if (moves && settings.allocation == SIM_NAT_RANDOM) right = right && b.allocation == QE_NAT_RANDOM;
    bool turns = settings.hairpin != SIM_NAT_HAIRPIN_NONE;
    if (moves && settings.filtering != SIM_ENDPOINT_INDEPENDENT)
        right = right && b.hairpin != (turns ? QE_NAT_NO : QE_NAT_YES);
    else
        right = right && b.hairpin == (turns ? QE_NAT_YES : QE_NAT_NO);
    CU_ASSERT_TRUE(right);
    if (!right)
        printf("mapping %d filtering %d (by endpoint %d) allocation %d hairpin %d: found mapping %d filtering %d "
               "allocation %d step %d preserves %d hairpin %d\n",
            (int)settings.mapping, (int)settings.filtering, settings.filter_by_endpoint, (int)settings.allocation,
            (int)settings.hairpin, (int)b.mapping, (int)b.filtering, (int)b.allocation, (int)b.step, (int)b.preserves,
            (int)b.hairpin);
    CU_ASSERT_TRUE(sent <= 24);
    sim_nat_free(nat);
    nat = NULL;
}

static void every_behaviour_is_found_out(void)
{
    grow();
    for (int mapping = 0; mapping < 3; mapping++)
        for (int filtering = 0; filtering < 3; filtering++)
            for (int allocation = 0; allocation < 3; allocation++)
                for (int hairpin = 0; hairpin < 2; hairpin++)
                    check((struct sim_nat_settings){.mapping = (enum sim_dependence)mapping,
                        .filtering = (enum sim_dependence)filtering,
                        .filter_by_endpoint = (mapping + filtering + allocation) % 2 != 0,
                        .allocation = (enum sim_nat_allocation)allocation,
                        .step = (uint32_t)(1 + filtering),
                        .hairpin = (enum sim_nat_hairpin)hairpin});
    fell();
}

static void without_a_nat_there_is_none(void)
{
    struct qe_nat_behaviour b = {0};
    grow();
    nat = NULL;
    begin_round(true);
    run(20 * QE_NS_PER_S);
    CU_ASSERT_TRUE(qe_nat_checker_take(&checker, &b));
    CU_ASSERT_TRUE(b.translated == QE_NAT_NO && b.mapping == QE_NAT_INDEPENDENT && b.filtering == QE_NAT_INDEPENDENT);
    CU_ASSERT_TRUE(qe_nat_is_open(&b) && b.hairpin == QE_NAT_NOT_KNOWN && b.lives_s == 0);
    CU_ASSERT_EQUAL(checker.step, QE_NAT_IDLE);
    fell();
}

static void lifetime_is(uint32_t timeout_s, uint32_t keep_min_s, uint32_t keep_max_s)
{
    struct sim_nat_settings settings = {.mapping = SIM_ENDPOINT_INDEPENDENT,
        .filtering = SIM_ADDRESS_AND_PORT_DEPENDENT,
        .allocation = SIM_NAT_RANDOM,
        .timeout_ns = timeout_s * QE_NS_PER_S};
    struct qe_nat_behaviour b = {0};
    nat = new_nat(&settings);
    checker.result = (struct qe_nat_behaviour){0};
    sent = 0;
    begin_round(true);
    run(2400 * QE_NS_PER_S);
    CU_ASSERT_TRUE(qe_nat_checker_take(&checker, &b));
    CU_ASSERT_TRUE(b.lives_s <= timeout_s && (b.dies_s == 0 || b.dies_s >= timeout_s));
    uint32_t keep_s = qe_nat_keep_s(&b, 20, 110);
    CU_ASSERT_TRUE(keep_s >= keep_min_s && keep_s <= keep_max_s && (keep_s < timeout_s || timeout_s <= 2));
    if (keep_s < keep_min_s || keep_s > keep_max_s)
        printf("timeout %u: lives %u, dies %u, keep %u\n", timeout_s, b.lives_s, b.dies_s, keep_s);
    CU_ASSERT_EQUAL(checker.step, QE_NAT_IDLE);
    CU_ASSERT_TRUE(sent <= 80);
    sim_nat_free(nat);
    nat = NULL;
}

static void how_long_mappings_last_is_measured(void)
{
    grow();
    lifetime_is(5, 2, 4);
    lifetime_is(20, 12, 18);
    lifetime_is(30, 18, 28);
    lifetime_is(65, 40, 60);
    lifetime_is(120, 75, 110);
    lifetime_is(600, 110, 110);
    fell();
}

static void loss_does_not_mislead_for_long(void)
{
    grow();
    net->loss_percent = 10;
    unsigned right = 0, known = 0;
    for (int i = 0; i < 20; i++) {
        struct sim_nat_settings settings = {.mapping = SIM_ENDPOINT_INDEPENDENT,
            .filtering = (enum sim_dependence)(i % 3),
            .allocation = SIM_NAT_PRESERVE};
        struct qe_nat_behaviour b = {0};
        nat = new_nat(&settings);
        dht_net_run_for(net, 60 * QE_NS_PER_S);
        begin_round(false);
        run(60 * QE_NS_PER_S);
        if (qe_nat_checker_take(&checker, &b)) {
            known++;
            right += (int)b.mapping == (int)settings.mapping + 1 && (int)b.filtering == (int)settings.filtering + 1;
        }
        sim_nat_free(nat);
        nat = NULL;
    }
    CU_ASSERT_TRUE(known >= 19 && right >= 16);
    if (right < 16) printf("%u of %u\n", right, known);
    fell();
}

static void hostile_answers_do_no_harm(void)
{
    grow();
    begin_round(true);
    run(100 * QE_NS_PER_MS);
    // Anybody's words, whatever they are, and a server's that make no sense.
    uint8_t bytes[400];
    for (int i = 0; i < 20000; i++) {
        struct qe_addr from = i % 2 ? checker.servers[0] : (struct qe_addr){qe_ip4(1, 2, 3, 4), 5, 0};
        unit_random_fill(&entropy, bytes, sizeof bytes);
        size_t size = unit_random_below(&entropy, sizeof bytes);
        qe_nat_checker_receive(&checker, i % 3 != 0, &from, qe_span(bytes, size), net->now_ns);
    }
    CU_ASSERT_TRUE(checker.step == QE_NAT_ASK_FIRST || checker.step == QE_NAT_FILTER_NODE);
    // A probe that nobody asked for: with another nonce, or from who was asked.
    uint8_t nonce[8] = {0}, probe[200];
    struct qe_krpc m = {.type = QE_KRPC_QUERY, .method = QE_KRPC_PROBE, .transaction = qe_span("s", 1), .has_id = true};
    run(3 * QE_NS_PER_S);
    checker.step = QE_NAT_FILTER_NODE;
    checker.waits = true;
    checker.found.filtering = QE_NAT_UNKNOWN;
    m.nonce = qe_span(nonce, 8);
    struct qe_addr from = {qe_ip4(1, 2, 3, 4), 5, 0};
    size_t size = qe_krpc_write(&m, probe, sizeof probe);
    CU_ASSERT_FALSE(qe_nat_checker_receive(&checker, true, &from, qe_span(probe, size), net->now_ns));
    m.nonce = qe_span(checker.nonce, 8);
    size = qe_krpc_write(&m, probe, sizeof probe);
    qe_nat_checker_receive(&checker, true, &checker.servers[0], qe_span(probe, size), net->now_ns);
    CU_ASSERT_TRUE(checker.step == QE_NAT_FILTER_NODE && checker.found.filtering == QE_NAT_UNKNOWN);
    fell();
}

static const struct unit_case cases[] = {
    {"every mapping, filtering, allocation and hairpinning is found out", every_behaviour_is_found_out},
    {"without a NAT there is none", without_a_nat_there_is_none},
    {"how long mappings last is measured", how_long_mappings_last_is_measured},
    {"loss does not mislead for long", loss_does_not_mislead_for_long},
    {"hostile answers do no harm", hostile_answers_do_no_harm},
};

UNIT_MAIN("nat_checker", cases)
