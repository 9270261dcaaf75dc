// What redaction leaves of packets: headers, sizes, and checksums that are as right or wrong as before.
#include "flow/packet.h"
#include "replay/hostile.h"
#include "replay/redact_invitation.h"
#include "replay/redact_packet.h"
#include "unit.h"
#include "wire/member.h"

#include <string.h>

// IPv4, UDP, `size` bytes of payload, with a right checksum where `right`.
static size_t make_udp(uint8_t *out, size_t size, bool right)
{
    size_t total = 28 + size;
    memset(out, 0, total);
    out[0] = 0x45;
    qe_store16(out + 2, (uint16_t)total);
    out[8] = 64;
    out[9] = QE_IPPROTO_UDP;
    memcpy(out + 12, "\x64\x40\x00\x01\x64\x40\x00\x02", 8);
    qe_store16(out + 20, 1000);
    qe_store16(out + 22, 2000);
    qe_store16(out + 24, (uint16_t)(8 + size));
    for (size_t i = 0; i < size; i++)
        out[28 + i] = (uint8_t)(i * 7 + 1);
    uint64_t sum = qe_packet_pseudo_sum(out, QE_IPPROTO_UDP) + 8 + size;
    qe_store16(out + 26, qe_checksum_fold(qe_checksum_add(sum, out + 20, 8 + size)));
    if (!right) out[26] ^= 0x55;
    return total;
}

static uint16_t left_over(const uint8_t *packet, size_t total)
{
    uint64_t sum = qe_packet_pseudo_sum(packet, QE_IPPROTO_UDP) + total - 20;
    return qe_checksum_fold(qe_checksum_add(sum, packet + 20, total - 20));
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i]) return false;
    return true;
}

static void payload_goes_and_checksums_stay_what_they_were(void)
{
    for (size_t size = 0; size < 70; size++)
        for (int right = 0; right < 2; right++) {
            uint8_t packet[128], before[128];
            size_t total = make_udp(packet, size, right);
            memcpy(before, packet, total);
            sim_redact_ip(packet, total, NULL);
            CU_ASSERT(memcmp(packet, before, 26) == 0);
            CU_ASSERT(is_zero(packet + 28, size));
            CU_ASSERT_EQUAL(left_over(packet, total) == 0, right);
        }
    // A partial checksum is the kernel's affair.
    uint8_t packet[128];
    size_t total = make_udp(packet, 40, false);
    const struct qe_offload partial = {.needs_checksum = true, .checksum_start = 20, .checksum_offset = 6};
    uint16_t field = qe_load16(packet + 26);
    sim_redact_ip(packet, total, &partial);
    CU_ASSERT_EQUAL(qe_load16(packet + 26), field);
    CU_ASSERT(is_zero(packet + 28, 40));
}

// DATAGRAM frames with the pieces of one packet, each redacted by itself, put together again.
static void pieces_add_up(void)
{
    for (size_t cut = 28; cut < 90; cut++) {
        uint8_t packet[128], frames[2][160], whole[128];
        size_t total = make_udp(packet, 100, true);
        const size_t at[3] = {0, cut, total};
        for (int i = 0; i < 2; i++) {
            size_t size = at[i + 1] - at[i];
            frames[i][0] = 0x30;
            frames[i][1] = 0x02;
            qe_store16(frames[i] + 2, 7);
            qe_store16(frames[i] + 4, (uint16_t)(at[i] | (i == 0 ? 0x8000 : 0)));
            memcpy(frames[i] + 6, packet + at[i], size);
            sim_redact_frames(frames[i], 6 + size, SIM_REDACT_INPUT, NULL);
            memcpy(whole + at[i], frames[i] + 6, size);
        }
        CU_ASSERT_EQUAL(left_over(whole, total), 0);
        CU_ASSERT(is_zero(whole + 28, cut - 28));
        CU_ASSERT(is_zero(whole + cut + 3, total - cut - 3));
    }
}

static void frames_keep_what_nodes_say_to_each_other(void)
{
    // PING, ACK with one more range, CRYPTO of 3 bytes, STREAM with length, DATAGRAM with an echo, PADDING
    uint8_t plain[] = {0x01, 0x02, 0x05, 0x00, 0x01, 0x01, 0x00, 0x01, 0x06, 0x00, 0x03, 0xaa, 0xbb, 0xcc, 0x0a, 0x00,
        0x02, 0x11, 0x22, 0x31, 0x09, 0x10, 1, 2, 3, 4, 5, 6, 7, 8, 0x00};
    uint8_t wanted[sizeof plain];
    memcpy(wanted, plain, sizeof plain);
    memset(wanted + 11, 0, 3);
    sim_redact_frames(plain, sizeof plain, SIM_REDACT_INPUT, NULL);
    CU_ASSERT(memcmp(plain, wanted, sizeof plain) == 0);
    // What is no frame goes, from behind its type.
    uint8_t unknown[] = {0x01, 0x3f, 1, 2, 3};
    sim_redact_frames(unknown, sizeof unknown, SIM_REDACT_INPUT, NULL);
    CU_ASSERT(memcmp(unknown, (const uint8_t[]){0x01, 0x3f, 0, 0, 0}, sizeof unknown) == 0);
}

static void nobody_redeems_what_was_redacted(void)
{
    static const uint8_t key[QE_RECORD_HASH_KEY_SIZE] = {1};
    struct qe_invitation invitation = {.inviter = {{5}}, .token = "0123456789abcde", .place_count = 1}, read;
    invitation.places[0] = (struct qe_place){.kind = QE_PLACE_BOOTSTRAP, .addr.port = 7, .host = "example.org"};
    char line[QE_INVITATION_TEXT_SIZE], before[QE_INVITATION_TEXT_SIZE];
    CU_ASSERT_TRUE_FATAL(qe_invitation_format(&invitation, line));
    memcpy(before, line, sizeof line);
    sim_redact_invitation(key, line, strlen(line));
    CU_ASSERT_EQUAL(strlen(line), strlen(before));
    CU_ASSERT_TRUE_FATAL(qe_invitation_parse(line, &read));
    CU_ASSERT(memcmp(read.token, invitation.token, sizeof read.token) != 0);
    CU_ASSERT(memcmp(&read.inviter, &invitation.inviter, sizeof read.inviter) == 0);
    CU_ASSERT_STRING_EQUAL(read.places[0].host, "example.org");
    sim_redact_token(key, invitation.token);
    CU_ASSERT(memcmp(read.token, invitation.token, sizeof read.token) == 0);
    // One with a slip in it tells as much.
    before[9] = before[9] == 'A' ? 'B' : 'A';
    sim_redact_invitation(key, before, strlen(before));
    CU_ASSERT_EQUAL(strspn(before, "?"), strlen(line));
    // STREAM with length: something, JOIN, and the beginning of another
    uint8_t plain[3 + 2 + 3 + QE_TOKEN_SIZE + 3 + 5] = {0x0a, 0x00, sizeof plain - 3, 7, 7};
    CU_ASSERT_EQUAL(qe_join_encode(invitation.token, plain + 5, 3 + QE_TOKEN_SIZE), 3 + QE_TOKEN_SIZE);
    memcpy(plain + 5 + 3 + QE_TOKEN_SIZE, "\0\x11\3abcde", 8);
    sim_redact_frames(plain, sizeof plain, SIM_REDACT_INPUT, NULL);
    CU_ASSERT(is_zero(plain + 8, QE_TOKEN_SIZE));
    CU_ASSERT(memcmp(plain, "\x0a\0\x1d\7\7\0\x11\3", 8) == 0);
    CU_ASSERT(memcmp(plain + 8 + QE_TOKEN_SIZE, "\0\x11\3\0\0\0\0\0", 8) == 0);
}

static void a_capture_of_nothing_does_nothing(void)
{
    char error[SIM_PCAP_ERROR_SIZE];
    static const uint8_t empty[24] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1};
    FILE *in = tmpfile();
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    fwrite(empty, 1, sizeof empty, in);
    rewind(in);
    struct sim_pcap_reader *capture = sim_pcap_read(in, "empty.pcap", error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(capture);
    struct qe_tls_library *tls = qe_tls_library_new();
    struct sim_hostile_result result;
    sim_hostile(capture, tls, &result);
    CU_ASSERT_STRING_EQUAL(result.failure, "");
    CU_ASSERT_STRING_EQUAL(result.error, "");
    CU_ASSERT_EQUAL(result.datagrams, 0);
    CU_ASSERT_EQUAL(result.sent, 0);
    sim_hostile_result_fini(&result);
    sim_pcap_close(capture);
    qe_tls_library_free(tls);
}

static const struct unit_case cases[] = {
    {"payload goes, and checksums stay what they were", payload_goes_and_checksums_stay_what_they_were},
    {"pieces add up", pieces_add_up},
    {"frames keep what nodes say to each other", frames_keep_what_nodes_say_to_each_other},
    {"nobody redeems what was redacted", nobody_redeems_what_was_redacted},
    {"a capture of nothing does nothing", a_capture_of_nothing_does_nothing},
};
UNIT_MAIN("redact", cases)
