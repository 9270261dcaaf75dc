// The checks that every run gets, each shown something that breaks it, and the same without the fault.
#include "traffic/inner.h"
#include "traffic/probe.h"
#include "unit.h"
#include "world/contacts.h"
#include "world/ledger.h"

#include <string.h>

// Two hosts with a TUN each, and what is told of them.
static struct sim_engine engine;
static struct sim_hosts hosts;
static struct sim_host a, b;
static struct sim_host *const list[] = {&a, &b};
static struct sim_ledger ledger;
static enum sim_failure told;
static bool b_lets_a_in;

static void violated(void *user, struct sim_host *host, enum sim_failure kind, const char *what)
{
    (void)user;
    (void)host;
    (void)what;
    if (told == SIM_FAILURE_NONE) told = kind;
}

static bool allowed(void *user, uint32_t host, uint32_t from)
{
    (void)user;
    return !(host == 1 && from == 0) || b_lets_a_in;
}

static void make_host(struct sim_host *host, uint32_t index)
{
    uint8_t six[16] = {0xfd, [15] = (uint8_t)(index + 1)};
    *host = (struct sim_host){.hosts = &hosts, .tun_mtu = 1420, .tun_address_count = 2};
    host->box.index = index;
    host->tun_addresses[0].ip = qe_ip4(100, 64, 0, (uint8_t)(index + 1));
    host->tun_addresses[1].ip = qe_ip6(six);
}

static void begin(void)
{
    engine = (struct sim_engine){.now_ns = 1000};
    hosts = (struct sim_hosts){.engine = &engine, .violated = violated};
    make_host(&a, 0);
    make_host(&b, 1);
    sim_ledger_init(&ledger, &hosts, list, 2);
    ledger.allowed = allowed;
    told = SIM_FAILURE_NONE;
    b_lets_a_in = true;
}

static const struct qe_offload none;

static size_t make_probe(uint8_t *out, uint8_t family, uint64_t number)
{
    struct sim_probe probe = {a.tun_addresses[family == 6].ip, b.tun_addresses[family == 6].ip, 0, 1, number};
    sim_probe_write(&probe, out, 200);
    return 200;
}

// Gives the probe to a's TUN, lets `spoil` change it (NULL: nothing), and takes it out at `host`. What was told.
static enum sim_failure carry(uint8_t family, struct sim_host *host, void (*spoil)(uint8_t *packet))
{
    uint8_t packet[SIM_PROBE_SIZE_MAX];
    begin();
    size_t size = make_probe(packet, family, 7);
    sim_ledger_entered(&ledger, &a, qe_span(packet, size), &none);
    if (spoil) spoil(packet);
    sim_ledger_left(&ledger, host, qe_span(packet, size), &none);
    sim_ledger_fini(&ledger);
    return told;
}

static void change_content(uint8_t *packet)
{
    packet[150] ^= 1;
}

static void change_source(uint8_t *packet)
{
    packet[15] ^= 4;
}

static void clear_ecn(uint8_t *packet)
{
    packet[1] &= 0xfc;
}

static void mark_ce(uint8_t *packet)
{
    packet[1] |= 3;
}

static void change_class(uint8_t *packet)
{
    packet[1] ^= 0x40;
}

static void add_hops(uint8_t *packet)
{
    packet[8]++;
}

static void what_went_in_comes_out(void)
{
    CU_ASSERT_EQUAL(carry(4, &b, NULL), SIM_FAILURE_NONE);
    CU_ASSERT_EQUAL(carry(6, &b, NULL), SIM_FAILURE_NONE);
    CU_ASSERT_EQUAL(carry(4, &b, mark_ce), SIM_FAILURE_NONE); // it was ECN-capable
}

static void what_was_changed_is_seen(void)
{
    CU_ASSERT_EQUAL(carry(4, &b, change_content), SIM_FAILURE_FORGED);
    CU_ASSERT_EQUAL(carry(4, &b, change_source), SIM_FAILURE_FORGED);
    CU_ASSERT_EQUAL(carry(4, &b, clear_ecn), SIM_FAILURE_DAMAGED);
    CU_ASSERT_EQUAL(carry(4, &b, change_class), SIM_FAILURE_DAMAGED);
    CU_ASSERT_EQUAL(carry(4, &b, add_hops), SIM_FAILURE_DAMAGED);
    CU_ASSERT_EQUAL(carry(4, &a, NULL), SIM_FAILURE_LOOP);
}

static void a_packet_comes_out_as_often_as_it_went_in(void)
{
    uint8_t packet[SIM_PROBE_SIZE_MAX];
    begin();
    size_t size = make_probe(packet, 6, 1);
    sim_ledger_entered(&ledger, &a, qe_span(packet, size), &none);
    sim_ledger_entered(&ledger, &a, qe_span(packet, size), &none);
    sim_ledger_left(&ledger, &b, qe_span(packet, size), &none);
    sim_ledger_left(&ledger, &b, qe_span(packet, size), &none);
    CU_ASSERT_EQUAL(told, SIM_FAILURE_NONE);
    sim_ledger_left(&ledger, &b, qe_span(packet, size), &none);
    CU_ASSERT_EQUAL(told, SIM_FAILURE_DUPLICATE);
    CU_ASSERT_EQUAL(ledger.per_host[0].in_segments, 2);
    CU_ASSERT_EQUAL(ledger.per_host[1].out_segments, 3);
    sim_ledger_fini(&ledger);
}

static void policy_and_sources_are_the_nodes(void)
{
    uint8_t packet[SIM_PROBE_SIZE_MAX];
    begin();
    size_t size = make_probe(packet, 4, 1);
    b_lets_a_in = false;
    sim_ledger_entered(&ledger, &a, qe_span(packet, size), &none);
    sim_ledger_left(&ledger, &b, qe_span(packet, size), &none);
    CU_ASSERT_EQUAL(told, SIM_FAILURE_POLICY);
    sim_ledger_fini(&ledger);
    // Into a's TUN with an address that a does not have.
    begin();
    change_source(packet);
    sim_ledger_entered(&ledger, &a, qe_span(packet, size), &none);
    sim_ledger_left(&ledger, &b, qe_span(packet, size), &none);
    CU_ASSERT_EQUAL(told, SIM_FAILURE_FORGED);
    sim_ledger_fini(&ledger);
}

static void late_packets_are_remembered(void)
{
    uint8_t late[SIM_PROBE_SIZE_MAX], packet[SIM_PROBE_SIZE_MAX];
    begin();
    size_t size = make_probe(late, 4, 0);
    sim_ledger_entered(&ledger, &a, qe_span(late, size), &none);
    for (uint64_t i = 1; i <= 5000; i++) {
        engine.now_ns += 20000000; // 100 s in all
        make_probe(packet, 4, i);
        sim_ledger_entered(&ledger, &a, qe_span(packet, size), &none);
        sim_ledger_left(&ledger, &b, qe_span(packet, size), &none);
    }
    sim_ledger_left(&ledger, &b, qe_span(late, size), &none);
    CU_ASSERT_EQUAL(told, SIM_FAILURE_NONE);
    CU_ASSERT(ledger.newer.count + ledger.older.count < 1200); // not all of them
    sim_ledger_left(&ledger, &b, qe_span(late, size), &none);
    CU_ASSERT_EQUAL(told, SIM_FAILURE_DUPLICATE);
    sim_ledger_fini(&ledger);
}

static void super_packets_are_their_segments(void)
{
    uint8_t super[28 + 300], one[28 + 100];
    struct qe_offload offload;
    begin();
    for (size_t i = 0; i < 300; i++)
        super[28 + i] = (uint8_t)(i * 7);
    struct sim_inner inner = {.kind = SIM_INNER_UDP,
        .source = a.tun_addresses[0].ip,
        .destination = b.tun_addresses[0].ip,
        .id = 5,
        .payload = qe_span(super + 28, 300),
        .segment_size = 100};
    sim_inner_write(&inner, super, &offload);
    sim_ledger_entered(&ledger, &a, qe_span(super, sizeof(super)), &offload);
    CU_ASSERT_EQUAL(ledger.per_host[0].in_segments, 3);
    inner.segment_size = 0;
    inner.payload = qe_span(super + 28 + 100, 100);
    memcpy(one + 28, super + 28 + 100, 100);
    inner.payload_sum = sim_inner_sum(one + 28, 100);
    sim_inner_write(&inner, one, NULL);
    sim_ledger_left(&ledger, &b, qe_span(one, sizeof(one)), &none);
    CU_ASSERT_EQUAL(told, SIM_FAILURE_NONE);
    one[28 + 5] ^= 1;
    sim_ledger_left(&ledger, &b, qe_span(one, sizeof(one)), &none);
    CU_ASSERT_EQUAL(told, SIM_FAILURE_FORGED);
    sim_ledger_fini(&ledger);
}

static void probes_are_packets_as_machines_read_them(void)
{
    uint8_t packet[SIM_PROBE_SIZE_MAX];
    struct sim_inner inner;
    struct sim_probe probe;
    const char *wrong = "";
    begin();
    size_t size = make_probe(packet, 4, 9);
    CU_ASSERT_TRUE(sim_inner_read(qe_span(packet, size), &none, &inner, &wrong));
    CU_ASSERT_EQUAL(inner.kind, SIM_INNER_ECHO_REPLY);
    size = make_probe(packet, 6, 9);
    CU_ASSERT_TRUE(sim_inner_read(qe_span(packet, size), &none, &inner, &wrong));
    CU_ASSERT_TRUE(sim_probe_read(qe_span(packet, size), &probe));
    CU_ASSERT(probe.from == 0 && probe.to == 1 && probe.number == 9);
    packet[60] ^= 1; // the mark
    CU_ASSERT_FALSE(sim_probe_read(qe_span(packet, size), &probe));
    sim_ledger_fini(&ledger);
}

static const struct qe_addr friend = {.ip = {.family = 4, .bytes = {192, 0, 2, 1}}, .port = 9000};
static const struct qe_addr stranger = {.ip = {.family = 4, .bytes = {192, 0, 2, 2}}, .port = 9000};

static void nobody_is_sent_to_who_is_not_known(void)
{
    struct sim_contacts contacts = {0};
    sim_contacts_configured(&contacts, &friend);
    CU_ASSERT_EQUAL(sim_contacts_sent(&contacts, &friend, 100000), SIM_CONTACT_FINE);
    CU_ASSERT_EQUAL(sim_contacts_sent(&contacts, &stranger, 1), SIM_CONTACT_STRANGER);
    CU_ASSERT_PTR_NOT_NULL(sim_contacts_find(&contacts, &friend));
    sim_contacts_fini(&contacts);
}

static void an_unproven_address_gets_three_times_what_it_sent(void)
{
    struct sim_contacts contacts = {0};
    // Long headers of version 1 with IDs of 8 and 4 bytes: an Initial without a token, one with, and a Handshake
    // packet.
    uint8_t initial[1200] = {0xc0, 0, 0, 0, 1, 8, [14] = 4, [19] = 0}, token[1200], handshake[60];
    memcpy(token, initial, sizeof(token));
    token[19] = 16;
    memcpy(handshake, initial, sizeof(handshake));
    handshake[0] = 0xe0;
    sim_contacts_received(&contacts, &stranger, qe_span(initial, sizeof(initial)), 1);
    CU_ASSERT_EQUAL(sim_contacts_sent(&contacts, &stranger, 3600), SIM_CONTACT_FINE);
    CU_ASSERT_EQUAL(sim_contacts_sent(&contacts, &stranger, 1), SIM_CONTACT_AMPLIFIED);
    sim_contacts_received(&contacts, &stranger, qe_span(handshake, sizeof(handshake)), 1);
    CU_ASSERT_EQUAL(sim_contacts_sent(&contacts, &stranger, 100000), SIM_CONTACT_FINE);
    sim_contacts_received(&contacts, &friend, qe_span(token, sizeof(token)), 1);
    CU_ASSERT_EQUAL(sim_contacts_sent(&contacts, &friend, 100000), SIM_CONTACT_FINE);
    sim_contacts_fini(&contacts);
}

static void many_contacts_are_told_apart(void)
{
    struct sim_contacts contacts = {0};
    uint8_t byte = 0x40;
    struct qe_addr addr = friend;
    for (uint16_t port = 1; port < 5000; port += 2) {
        addr.port = port;
        sim_contacts_received(&contacts, &addr, qe_span(&byte, 1), port);
    }
    for (uint16_t port = 1; port < 5000; port++) {
        addr.port = port;
        const struct sim_contact *contact = sim_contacts_find(&contacts, &addr);
        CU_ASSERT(port % 2 ? contact && contact->received_ns == port : !contact);
    }
    sim_contacts_fini(&contacts);
}

static const struct unit_case cases[] = {
    {"what went in comes out", what_went_in_comes_out},
    {"what was changed is seen", what_was_changed_is_seen},
    {"a packet comes out as often as it went in", a_packet_comes_out_as_often_as_it_went_in},
    {"policy and sources are the nodes'", policy_and_sources_are_the_nodes},
    {"late packets are remembered", late_packets_are_remembered},
    {"super-packets are their segments", super_packets_are_their_segments},
    {"probes are packets as machines read them", probes_are_packets_as_machines_read_them},
    {"nobody is sent to who is not known", nobody_is_sent_to_who_is_not_known},
    {"an unproven address gets three times what it sent", an_unproven_address_gets_three_times_what_it_sent},
    {"many contacts are told apart", many_contacts_are_told_apart},
};
UNIT_MAIN("invariants", cases)
