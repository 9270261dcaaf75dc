// Any packet to the DNS answerer: no crash, no answer larger than its room or than the client takes, an answer is never
// answered again, and it reads the same twice.
#include "dns/answer.h"
#include "dns/message.h"

#include <assert.h>
#include <stdlib.h>

static enum qe_dns_found find_addresses(void *user, const char *name, struct qe_ip *out, size_t *count)
{
    (void)user;
    assert(strlen(name) < QE_NAME_SIZE);
    for (*count = 0; *count < QE_DNS_ADDRESSES_MAX; (*count)++)
        out[*count] = *count % 2 ? qe_ip4(100, 64, 1, 2) : qe_ip6((const uint8_t[16]){0xfd, 0x71});
    return name[0] == 'x' ? QE_DNS_ABSENT : name[0] == 'y' ? QE_DNS_LATER : QE_DNS_FOUND;
}

static enum qe_dns_found find_name(void *user, const struct qe_ip *ip, char out[QE_NAME_SIZE])
{
    (void)user;
    memset(out, 'n', QE_NAME_SIZE - 1);
    out[QE_NAME_SIZE - 1] = '\0';
    return ip->bytes[3] & 1 ? QE_DNS_ABSENT : QE_DNS_FOUND;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct qe_cidr networks[] = {
        {{4, {100, 64}}, 16}, {{6, {0xfd, 0x71, 0x65, 0x74, 0x68, 0x72}}, 48}, {{4, {10, 8}}, 13}};
    const struct qe_dns_zone zone = {"qe", networks, 3, NULL, find_addresses, find_name};
    uint8_t *packet = malloc(size ? size : 1), out[2][1500];
    bool later, again;
    memcpy(packet, data, size);
    size_t room = size > 0 && data[0] & 1 ? 512 : sizeof out[0];
    size_t first = qe_dns_answer(&zone, qe_span(packet, size), false, out[0], room, &later);
    assert(first <= room && first <= QE_DNS_ANSWER_SIZE);
    assert(!later || first == 0);
    size_t second = qe_dns_answer(&zone, qe_span(packet, size), false, out[1], room, &again);
    assert(second == first && again == later && memcmp(out[0], out[1], first) == 0);
    if (later) assert(qe_dns_answer(&zone, qe_span(packet, size), true, out[1], room, &again) > 0);
    if (first > 0) assert(qe_dns_answer(&zone, qe_span(out[0], first), true, out[1], room, &again) == 0);
    free(packet);
    return 0;
}
