// Any body of a claims message: what is read is well formed, and written again reads the same; and whatever a peer
// claims, verdicts contradict neither the host's own networks nor each other.
#include "wire/claims.h"

#include "mem.h"
#include "route/subnets.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const struct qe_claims *claims, int64_t now_s)
{
    static const struct qe_cidr overlay[] = {{{4, {100, 64}}, 16}}, own[] = {{{4, {192, 168, 1, 7}}, 24}};
    const struct qe_subnet_rules rules = {.overlay = overlay, .overlay_count = 1, .own = own, .own_count = 1};
    struct qe_subnets s;
    qe_subnets_init(&s, fuzz_mem());
    // Two owners share what is claimed.
    for (uint8_t owner = 0; owner < 2; owner++) {
        const struct qe_node_id id = {{owner}};
        size_t half = claims->subnet_count / 2, count = owner ? claims->subnet_count - half : half;
        qe_subnets_set(&s, owner, &id, claims->subnets + (owner ? half : 0), count, now_s + 100, now_s - 20);
        for (size_t i = 0; i < count; i++)
            qe_subnets_witness(&s, &id, &claims->subnets[(owner ? half : 0) + i], claims->number >> i & 0xff, now_s);
    }
    qe_subnets_decide(&s, &rules, now_s);
    for (size_t i = 0; i < s.count; i++) {
        const struct qe_subnet_claim *a = &s.claims[i];
        char reason[160];
        assert((qe_subnet_reason(a, reason) == NULL) == (a->verdict == QE_SUBNET_ACCEPTED));
        if (a->verdict != QE_SUBNET_ACCEPTED) continue;
        assert(!qe_cidr_overlaps(&a->subnet, &own[0]) && !qe_cidr_overlaps(&a->subnet, &overlay[0]));
        for (size_t j = 0; j < i; j++) {
            const struct qe_subnet_claim *b = &s.claims[j];
            bool same = a->subnet.bits == b->subnet.bits && qe_ip_equal(&a->subnet.ip, &b->subnet.ip);
            if (b->verdict != QE_SUBNET_ACCEPTED || same || qe_node_id_equal(&a->owner, &b->owner)) continue;
            assert(!qe_cidr_overlaps(&a->subnet, &b->subnet));
        }
    }
    assert(!qe_subnets_decide(&s, &rules, now_s));
    qe_subnets_fini(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qe_claims claims, back;
    uint8_t message[2 + QE_MESSAGE_SIZE_MAX], *body = malloc(size ? size : 1);
    memcpy(body, data, size);
    if (qe_claims_decode(qe_span(body, size), &claims)) {
        assert(claims.address_count <= QE_HELLO_ADDRESSES_MAX && claims.subnet_count <= QE_CLAIMS_SUBNETS_MAX);
        size_t used = qe_claims_encode(&claims, message, sizeof message);
        if (used > 0) {
            assert(qe_claims_decode(qe_span(message + 3, used - 3), &back));
            assert(memcmp(&claims, &back, sizeof back) == 0);
        }
        judge(&claims, 1000);
    }
    free(body);
    return 0;
}
