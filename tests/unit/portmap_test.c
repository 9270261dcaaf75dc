// Port mapping protocols: requests as bytes to the router's inside address, answers as bytes, and whether the mapping
// that was promised lets datagrams in.
#include "net/portmap.h"
#include "probe.h"

#include "base/cursor.h"

#include <stdio.h>
#include <string.h>

static struct qe_addr gateway, server;

static void build(const char *nat, const char *portmap)
{
    char text[4096];
    snprintf(text, sizeof(text),
        "[[host]]\nname = \"r\"\nrouter = true\n[host.nat]\noutside = \"wan\"\n%s[host.nat.portmap]\n%s"
        "[[host]]\nname = \"a\"\nnode = false\n[[host]]\nname = \"b\"\nnode = false\n"
        "[[host]]\nname = \"s\"\nnode = false\n"
        "[[link]]\nname = \"lan\"\nbetween = [\"r\", \"a\", \"b\"]\nsubnets = [\"192.168.1.0/24\"]\n"
        "[[link]]\nname = \"wan\"\nbetween = [\"r\", \"s\"]\naddresses.r = [\"203.0.113.10/24\", \"203.0.113.11/24\"]\n"
        "addresses.s = [\"203.0.113.1/24\"]\n",
        nat, portmap);
    probe_build(text);
    gateway = probe_addr("192.168.1.1:5351");
    server = probe_addr("203.0.113.1:3478");
}

// What the router answers to the host; an empty span for nothing.
static struct qe_span ask(const char *host, const uint8_t *request, size_t size)
{
    const struct probe_seen *seen = probe_send_bytes(host, (struct qe_addr){.port = 5350}, gateway, request, size);
    if (!seen->box) return qe_span(NULL, 0);
    CU_ASSERT_STRING_EQUAL(seen->box, host);
    CU_ASSERT_TRUE(qe_addr_equal(&seen->source, &gateway));
    CU_ASSERT_EQUAL(seen->destination.port, 5350);
    return qe_span(seen->bytes, seen->size);
}

static const char *reaches(struct qe_addr to)
{
    const struct probe_seen *seen = probe_send("s", server, to);
    return seen->box ? seen->box : "";
}

struct pmp {
    size_t size;
    uint16_t result;
    uint32_t epoch;
    uint16_t inside, outside;
    uint32_t seconds;
};

static struct pmp pmp_map(const char *host, uint8_t op, uint16_t inside, uint16_t outside, uint32_t seconds)
{
    uint8_t request[12];
    struct qe_writer w = qe_writer(request, sizeof(request));
    qe_write8(&w, 0);
    qe_write8(&w, op);
    qe_write16(&w, 0);
    qe_write16(&w, inside);
    qe_write16(&w, outside);
    qe_write32(&w, seconds);
    struct qe_span answer = ask(host, request, sizeof(request));
    struct pmp got = {.size = answer.size};
    if (!answer.size) return got;
    struct qe_reader r = qe_reader(answer);
    CU_ASSERT_EQUAL(qe_read8(&r), 0);
    CU_ASSERT_EQUAL(qe_read8(&r), op | 128);
    got.result = qe_read16(&r);
    got.epoch = qe_read32(&r);
    got.inside = qe_read16(&r);
    got.outside = qe_read16(&r);
    got.seconds = qe_read32(&r);
    CU_ASSERT_FALSE(r.failed);
    return got;
}

static void nat_pmp_says_the_outside_address(void)
{
    static const uint8_t request[2] = {0, 0};
    static const uint8_t expected[12] = {0, 128, 0, 0, 0, 0, 0, 77, 203, 0, 113, 10};
    build("renumber = true\n", "");
    probe_wait(77 * PROBE_S);
    struct qe_span answer = ask("a", request, sizeof(request));
    CU_ASSERT_TRUE(qe_span_equal(answer, qe_span(expected, sizeof(expected))));
    probe_reboot("r", 0);
    answer = ask("a", request, sizeof(request));
    static const uint8_t rebooted[12] = {0, 128, 0, 0, 0, 0, 0, 0, 203, 0, 113, 11};
    CU_ASSERT_TRUE(qe_span_equal(answer, qe_span(rebooted, sizeof(rebooted))));
    probe_unbuild();
}

static void nat_pmp_maps_and_unmaps(void)
{
    build("kind = \"symmetric\"\nrenumber = true\n", "");
    struct qe_addr outside = probe_addr("203.0.113.10:7000");
    struct pmp got = pmp_map("a", 1, 9000, 7000, 3600);
    CU_ASSERT(got.size == 16 && got.result == 0 && got.inside == 9000 && got.outside == 7000 && got.seconds == 3600);
    CU_ASSERT_STRING_EQUAL(reaches(outside), "a");
    // It is for what the endpoint sends as well, and lasts as long as it was promised.
    const struct probe_seen *seen = probe_from("a", 9000, server);
    CU_ASSERT(seen->box && seen->source.port == 7000);
    // Somebody else who wants that port gets another.
    got = pmp_map("b", 1, 9000, 7000, 3600);
    CU_ASSERT(got.result == 0 && got.outside != 7000 && got.outside != 0);
    probe_wait(3000 * PROBE_S);
    CU_ASSERT_EQUAL(pmp_map("a", 1, 9000, 0, 3600).outside, 7000);
    probe_wait(3599 * PROBE_S);
    CU_ASSERT_STRING_EQUAL(reaches(outside), "a");
    probe_wait(1 * PROBE_S);
    CU_ASSERT_STRING_EQUAL(reaches(outside), "");
    got = pmp_map("a", 1, 9000, 7000, 3600);
    CU_ASSERT_EQUAL(got.outside, 7000);
    got = pmp_map("a", 1, 9000, 0, 0);
    CU_ASSERT(got.result == 0 && got.outside == 0 && got.seconds == 0);
    CU_ASSERT_STRING_EQUAL(reaches(outside), "");
    pmp_map("a", 1, 9000, 7000, 3600);
    pmp_map("a", 1, 9001, 7001, 3600);
    CU_ASSERT_EQUAL(pmp_map("a", 1, 0, 0, 0).result, 0); // all of them
    CU_ASSERT_STRING_EQUAL(reaches(outside), "");
    CU_ASSERT_STRING_EQUAL(reaches(probe_addr("203.0.113.10:7001")), "");
    probe_unbuild();
}

static void nat_pmp_refuses(void)
{
    static const uint8_t opcode[2] = {0, 9}, version[2] = {3, 0}, answer[12] = {0, 129}, cut[11] = {0, 1};
    build("forward = [{port = 80, to = \"192.168.1.2:80\"}]\n", "protocols = [\"nat-pmp\"]\nhost_mappings = 2\n");
    struct qe_span got = ask("a", opcode, 2);
    CU_ASSERT(got.size == 8 && got.data[1] == 137 && qe_load16(got.data + 2) == 5);
    got = ask("a", version, 2);
    CU_ASSERT(got.size == 8 && got.data[0] == 0 && qe_load16(got.data + 2) == 1);
    CU_ASSERT_EQUAL(ask("a", answer, sizeof(answer)).size, 0);
    CU_ASSERT_EQUAL(ask("a", cut, sizeof(cut)).size, 0);
    CU_ASSERT_EQUAL(pmp_map("a", 2, 9000, 9000, 600).result, 5);
    CU_ASSERT_EQUAL(pmp_map("a", 1, 80, 0, 0).result, 2); // a forward is not the client's
    CU_ASSERT_EQUAL(pmp_map("a", 1, 1, 0, 600).result, 0);
    CU_ASSERT_EQUAL(pmp_map("a", 1, 2, 0, 600).result, 0);
    CU_ASSERT_EQUAL(pmp_map("a", 1, 3, 0, 600).result, 4);
    CU_ASSERT_EQUAL(pmp_map("a", 1, 2, 0, 600).result, 0); // renewed
    probe_unbuild();
}

static void policies_are_told_by_both(void)
{
    static const struct {
        const char *answer;
        uint16_t pmp;
        uint8_t pcp;
    } policies[] = {{"not-authorized", 2, 2}, {"network-failure", 3, 7}, {"no-resources", 4, 8}};
    for (size_t i = 0; i < 3; i++) {
        char portmap[64];
        uint8_t request[60] = {2,
            1, [7] = 100, [18] = 0xff, [19] = 0xff, [20] = 192, [21] = 168, [22] = 1, [23] = 2, [36] = 17, [41] = 90};
        snprintf(portmap, sizeof(portmap), "answer = \"%s\"\n", policies[i].answer);
        build("", portmap);
        CU_ASSERT_EQUAL(pmp_map("a", 1, 9000, 9000, 600).result, policies[i].pmp);
        struct qe_span got = ask("a", request, sizeof(request));
        CU_ASSERT(got.size == 60 && got.data[3] == policies[i].pcp);
        probe_unbuild();
    }
    build("", "answer = \"silent\"\n");
    CU_ASSERT_EQUAL(pmp_map("a", 1, 9000, 9000, 600).size, 0);
    probe_unbuild();
}

struct pcp {
    size_t size;
    uint8_t result;
    uint32_t seconds, epoch;
    struct qe_addr outside;
};

#define PCP_SIZE 60

// A MAP request; its bytes may be spoilt before it is sent.
static void pcp_request(uint8_t out[PCP_SIZE], uint8_t nonce, uint16_t inside, uint16_t outside, uint32_t seconds)
{
    static const uint8_t client[16] = {[10] = 0xff, [11] = 0xff, 192, 168, 1, 2}, none[16] = {[10] = 0xff, [11] = 0xff};
    struct qe_writer w = qe_writer(out, PCP_SIZE);
    uint8_t nonces[12];
    memset(nonces, nonce, sizeof(nonces));
    qe_write8(&w, 2);
    qe_write8(&w, 1);
    qe_write16(&w, 0);
    qe_write32(&w, seconds);
    qe_write_bytes(&w, client, sizeof(client));
    qe_write_bytes(&w, nonces, sizeof(nonces));
    qe_write32(&w, 17u << 24);
    qe_write16(&w, inside);
    qe_write16(&w, outside);
    qe_write_bytes(&w, none, sizeof(none));
    CU_ASSERT_EQUAL(qe_writer_size(&w), PCP_SIZE);
}

static struct pcp pcp_ask(const char *host, const uint8_t *request, size_t size)
{
    struct qe_span answer = ask(host, request, size);
    struct pcp got = {.size = answer.size};
    if (!answer.size) return got;
    struct qe_reader r = qe_reader(answer);
    CU_ASSERT_EQUAL(answer.size % 4, 0);
    CU_ASSERT_EQUAL(qe_read8(&r), 2);
    CU_ASSERT_EQUAL(qe_read8(&r), request[1] | 128);
    qe_read8(&r);
    got.result = qe_read8(&r);
    got.seconds = qe_read32(&r);
    got.epoch = qe_read32(&r);
    qe_read_bytes(&r, 12);
    if (request[1] != 1 || got.result) return got;
    CU_ASSERT_EQUAL(memcmp(qe_read_bytes(&r, 12).data, request + 24, 12), 0);
    CU_ASSERT_EQUAL(qe_read32(&r), 17u << 24);
    CU_ASSERT_EQUAL(qe_read16(&r), qe_load16(request + 40));
    got.outside.port = qe_read16(&r);
    qe_read_bytes(&r, 12);
    got.outside.ip = qe_ip4_from_u32(qe_read32(&r));
    CU_ASSERT_FALSE(r.failed);
    return got;
}

static void pcp_maps_with_a_nonce(void)
{
    uint8_t request[PCP_SIZE];
    build("kind = \"symmetric\"\nrenumber = true\n", "lifetime_max = \"1h\"\nlifetime_min = \"2min\"\n");
    probe_wait(55 * PROBE_S);
    pcp_request(request, 7, 9000, 7000, 100000);
    struct pcp got = pcp_ask("a", request, sizeof(request));
    CU_ASSERT(got.size == PCP_SIZE && got.result == 0 && got.seconds == 3600 && got.epoch == 55);
    CU_ASSERT_TRUE(qe_addr_equal(&got.outside, &(struct qe_addr){.ip = qe_ip4(203, 0, 113, 10), .port = 7000}));
    CU_ASSERT_STRING_EQUAL(reaches(got.outside), "a");
    // The same again is the same mapping; another nonce may neither renew nor delete it (RFC 6887 §11.3).
    struct pcp again = pcp_ask("a", request, sizeof(request));
    CU_ASSERT_TRUE(qe_addr_equal(&again.outside, &got.outside));
    pcp_request(request, 8, 9000, 7000, 600);
    CU_ASSERT_EQUAL(pcp_ask("a", request, sizeof(request)).result, 2);
    pcp_request(request, 8, 9000, 0, 0);
    CU_ASSERT_EQUAL(pcp_ask("a", request, sizeof(request)).result, 2);
    CU_ASSERT_STRING_EQUAL(reaches(got.outside), "a");
    pcp_request(request, 7, 9000, 0, 0);
    CU_ASSERT_EQUAL(pcp_ask("a", request, sizeof(request)).result, 0);
    CU_ASSERT_STRING_EQUAL(reaches(got.outside), "");
    pcp_request(request, 7, 9000, 7000, 1);
    CU_ASSERT_EQUAL(pcp_ask("a", request, sizeof(request)).seconds, 120);
    probe_wait(121 * PROBE_S);
    CU_ASSERT_STRING_EQUAL(reaches(got.outside), "");
    // A renewal may as well shorten.
    pcp_request(request, 7, 9000, 7000, 3600);
    pcp_ask("a", request, sizeof(request));
    pcp_request(request, 7, 9000, 7000, 200);
    CU_ASSERT_EQUAL(pcp_ask("a", request, sizeof(request)).seconds, 200);
    probe_wait(199 * PROBE_S);
    CU_ASSERT_STRING_EQUAL(reaches(got.outside), "a");
    probe_wait(1 * PROBE_S);
    CU_ASSERT_STRING_EQUAL(reaches(got.outside), "");
    probe_unbuild();
}

// A client learns of a reboot by an epoch that is too small, and asks again (RFC 6887 §8.5).
static void a_reboot_forgets_and_shows(void)
{
    uint8_t request[PCP_SIZE], announce[24];
    build("renumber = true\n", "");
    probe_wait(1000 * PROBE_S);
    pcp_request(request, 7, 9000, 9000, 3600);
    memcpy(announce, request, sizeof(announce));
    announce[1] = 0;
    struct pcp got = pcp_ask("a", request, sizeof(request));
    CU_ASSERT_EQUAL(got.epoch, 1000);
    CU_ASSERT_EQUAL(pcp_ask("a", announce, sizeof(announce)).epoch, 1000);
    probe_reboot("r", 0);
    CU_ASSERT_STRING_NOT_EQUAL(reaches(got.outside), "a");
    probe_wait(3 * PROBE_S);
    struct pcp told = pcp_ask("a", announce, sizeof(announce));
    CU_ASSERT(told.size == 24 && told.result == 0 && told.epoch == 3);
    struct pcp renewed = pcp_ask("a", request, sizeof(request));
    CU_ASSERT(renewed.result == 0 && !qe_ip_equal(&renewed.outside.ip, &got.outside.ip));
    CU_ASSERT_STRING_EQUAL(reaches(renewed.outside), "a");
    probe_unbuild();
}

// A datagram's own mapping becomes the explicit one, in every kind that has one mapping for an endpoint.
static void what_was_mapped_already_keeps_its_place(void)
{
    uint8_t request[PCP_SIZE];
    build("kind = \"full-cone\"\nallocation = \"random\"\n", "");
    const struct probe_seen *seen = probe_from("a", 9000, server);
    struct qe_addr outside = seen->source;
    pcp_request(request, 7, 9000, 0, 3600);
    struct pcp got = pcp_ask("a", request, sizeof(request));
    CU_ASSERT_TRUE(qe_addr_equal(&got.outside, &outside));
    probe_wait(3000 * PROBE_S);
    CU_ASSERT_STRING_EQUAL(reaches(outside), "a");
    probe_unbuild();
}

static void pcp_refuses(void)
{
    static const struct {
        const char *what;
        size_t at;
        uint8_t value;
        size_t size;
        uint8_t result; // 255: no answer
    } spoilt[] = {{"version", 0, 1, 60, 1}, {"opcode", 1, 2, 60, 4}, {"an answer", 1, 129, 60, 255},
        {"another's address", 23, 3, 60, 12}, {"an IPv6 client", 19, 0, 60, 12},
        {"not a multiple of four", 0, 2, 59, 3}, {"cut in the header", 0, 2, 20, 3}, {"cut in the map", 0, 2, 56, 3},
        {"TCP", 36, 6, 60, 9}, {"every protocol, one port", 36, 0, 60, 3}, {"a mandatory option", 60, 1, 64, 5},
        {"an option beyond the end", 63, 8, 64, 6}, {"an optional option", 60, 200, 64, 0},
        {"PREFER_FAILURE of a taken port", 60, 2, 64, 11}};
    build("renumber = true\nforward = [{port = 7000, to = \"192.168.1.3:1\"}]\n", "");
    for (size_t i = 0; i < sizeof(spoilt) / sizeof(spoilt[0]); i++) {
        uint8_t request[64] = {0};
        pcp_request(request, 7, 9000, 7000, 600);
        if (spoilt[i].size == 64) request[60] = 200;
        request[spoilt[i].at] = spoilt[i].value;
        struct qe_span answer = ask("a", request, spoilt[i].size);
        uint8_t got = answer.size ? answer.data[3] : 255;
        if (got != spoilt[i].result) fprintf(stderr, "%s: %u\n", spoilt[i].what, got);
        CU_ASSERT_EQUAL(got, spoilt[i].result);
        // An error gives the request back and says for how long it holds.
        if (answer.size && got) CU_ASSERT(qe_load32(answer.data + 4) > 0 && answer.size >= 24);
    }
    probe_unbuild();
}

// Neither from outside, nor at an outside address, nor where nobody is to answer.
static void only_inside_is_answered(void)
{
    static const uint8_t request[2] = {0, 0};
    build("renumber = true\nhairpin = \"external\"\n", "");
    const struct probe_seen *seen =
        probe_send_bytes("s", (struct qe_addr){.port = 5350}, probe_addr("203.0.113.10:5351"), request, 2);
    CU_ASSERT_PTR_NULL(seen->box);
    seen = probe_send_bytes("a", (struct qe_addr){.port = 5350}, probe_addr("203.0.113.10:5351"), request, 2);
    CU_ASSERT_PTR_NULL(seen->box);
    probe_unbuild();
    build("", "protocols = [\"pcp\"]\n");
    struct qe_span got = ask("a", request, 2);
    CU_ASSERT(got.size == 24 && got.data[3] == 1);
    probe_unbuild();
}

// Behind a carrier's NAT a home router promises what is no use on the internet, and says so by the address it gives.
static void an_outside_address_may_be_private(void)
{
    uint8_t request[PCP_SIZE];
    probe_build("[[host]]\nname = \"cgn\"\nrouter = true\n[host.nat]\nkind = \"cgn\"\noutside = \"wan\"\n"
                "[[host]]\nname = \"r\"\nrouter = true\n[host.nat]\noutside = \"isp\"\n[host.nat.portmap]\n"
                "[[host]]\nname = \"a\"\nnode = false\n[[host]]\nname = \"s\"\nnode = false\n"
                "[[host]]\nname = \"n\"\nnode = false\n"
                "[[link]]\nname = \"wan\"\nbetween = [\"cgn\", \"s\"]\nsubnets = [\"203.0.113.0/24\"]\n"
                "[[link]]\nname = \"isp\"\nbetween = [\"cgn\", \"r\", \"n\"]\nsubnets = [\"100.64.0.0/24\"]\n"
                "[[link]]\nname = \"lan\"\nbetween = [\"r\", \"a\"]\nsubnets = [\"192.168.1.0/24\"]\n");
    gateway = probe_addr("192.168.1.1:5351");
    server = probe_addr("203.0.113.2:3478");
    pcp_request(request, 7, 9000, 7000, 600);
    struct pcp got = pcp_ask("a", request, sizeof(request));
    struct qe_addr expected = probe_addr("100.64.0.2:7000");
    CU_ASSERT_TRUE(got.result == 0 && qe_addr_equal(&got.outside, &expected));
    CU_ASSERT_STRING_EQUAL(reaches(got.outside), "");
    const struct probe_seen *seen = probe_from("n", 5, got.outside);
    CU_ASSERT_STRING_EQUAL(seen->box ? seen->box : "", "a");
    // What it sends has that port only as far as the carrier.
    seen = probe_from("a", 9000, server);
    CU_ASSERT(seen->box && seen->source.port != 7000);
    probe_unbuild();
}

static const struct unit_case cases[] = {
    {"NAT-PMP says the outside address", nat_pmp_says_the_outside_address},
    {"NAT-PMP maps and unmaps", nat_pmp_maps_and_unmaps},
    {"NAT-PMP refuses", nat_pmp_refuses},
    {"policies are told by both", policies_are_told_by_both},
    {"PCP maps with a nonce", pcp_maps_with_a_nonce},
    {"a reboot forgets and shows", a_reboot_forgets_and_shows},
    {"what was mapped already keeps its place", what_was_mapped_already_keeps_its_place},
    {"PCP refuses", pcp_refuses},
    {"only inside is answered", only_inside_is_answered},
    {"an outside address may be private", an_outside_address_may_be_private},
};

UNIT_MAIN("portmap", cases)
