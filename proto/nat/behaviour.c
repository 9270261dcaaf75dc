#include "nat/behaviour.h"

#include <stdlib.h>

#define STEP_MAX 32 // that still counts as one: other hosts behind the same NAT take ports in between
#define KEEP_MIN 2

void qe_nat_seen_add(struct qe_nat_seen *seen, const struct qe_addr *to, const struct qe_addr *from)
{
    if (seen->count == QE_NAT_SEEN_MAX) return;
    seen->list[seen->count].to = *to;
    seen->list[seen->count++].from = *from;
}

static void note_external(struct qe_nat_behaviour *b, const struct qe_ip *ip)
{
    for (size_t i = 0; i < b->external_count; i++)
        if (qe_ip_equal(&b->externals[i], ip)) return;
    if (b->external_count < QE_NAT_EXTERNALS_MAX) b->externals[b->external_count++] = *ip;
}

// Two addresses differ, two ports of one address differ: what either does to the mapping.
static enum qe_nat_dependence mapping_of(const struct qe_nat_seen *seen)
{
    bool other_address = false, other_port = false, by_address = false, by_port = false;
    for (size_t i = 0; i < seen->count; i++)
        for (size_t j = 0; j < i; j++) {
            bool differs = !qe_addr_equal(&seen->list[i].from, &seen->list[j].from);
            if (qe_ip_equal(&seen->list[i].to.ip, &seen->list[j].to.ip)) {
                if (seen->list[i].to.port == seen->list[j].to.port) continue;
                other_port = true;
                by_port |= differs;
            } else {
                other_address = true;
                by_address |= differs;
            }
        }
    if (by_port) return QE_NAT_ADDRESS_AND_PORT;
    // Where no two ports of one address could be asked, the worse is assumed.
    if (by_address) return other_port ? QE_NAT_ADDRESS : QE_NAT_ADDRESS_AND_PORT;
    return other_address ? QE_NAT_INDEPENDENT : QE_NAT_UNKNOWN;
}

static void infer_allocation(struct qe_nat_behaviour *b, const struct qe_nat_seen *seen)
{
    int32_t smallest = 0;
    unsigned steps = 0;
    if (b->preserves == QE_NAT_YES) b->allocation = QE_NAT_PRESERVES;
    if (b->mapping == QE_NAT_INDEPENDENT || b->mapping == QE_NAT_UNKNOWN) return;
    for (size_t i = 1; i < seen->count; i++) {
        int32_t step = (int32_t)seen->list[i].from.port - (int32_t)seen->list[i - 1].from.port;
        if (step == 0) continue;
        bool turned = smallest != 0 && (step > 0) != (smallest > 0);
        if (turned || abs(step) > STEP_MAX) {
            // The first one may have been preserved, and the others chosen in a row.
            if (i == 1 && b->preserves == QE_NAT_YES) continue;
            b->allocation = QE_NAT_RANDOM;
            return;
        }
        if (smallest == 0 || abs(step) < abs(smallest)) smallest = step;
        steps++;
    }
    if (steps == 0) return;
    b->allocation = steps > 1 ? QE_NAT_SEQUENTIAL : QE_NAT_ALLOCATION_UNKNOWN;
    b->step = steps > 1 ? smallest : 0;
}

void qe_nat_infer(struct qe_nat_behaviour *b, const struct qe_nat_seen *seen, uint16_t port, const struct qe_ip *own,
    size_t own_count)
{
    b->mapping = mapping_of(seen);
    b->allocation = QE_NAT_ALLOCATION_UNKNOWN;
    b->step = 0;
    b->external_count = 0;
    b->translated = QE_NAT_NOT_KNOWN;
    b->preserves = QE_NAT_NOT_KNOWN;
    if (seen->count == 0) return;
    b->translated = QE_NAT_NO;
    for (size_t i = 0; i < seen->count; i++) {
        const struct qe_addr *from = &seen->list[i].from;
        bool is_own = false;
        for (size_t j = 0; j < own_count; j++)
            is_own |= qe_ip_equal(&own[j], &from->ip);
        if (!is_own || from->port != port) b->translated = QE_NAT_YES;
        note_external(b, &from->ip);
    }
    b->preserves = seen->list[0].from.port == port ? QE_NAT_YES : QE_NAT_NO;
    infer_allocation(b, seen);
}

bool qe_nat_is_open(const struct qe_nat_behaviour *b)
{
    return b->known_ns != 0 && b->mapping == QE_NAT_INDEPENDENT && b->filtering == QE_NAT_INDEPENDENT;
}

uint32_t qe_nat_keep_s(const struct qe_nat_behaviour *b, uint32_t unknown_s, uint32_t most_s)
{
    if (b->lives_s == 0 && b->dies_s == 0) return unknown_s < most_s ? unknown_s : most_s;
    uint32_t keep_s = b->lives_s * 3 / 4;
    if (keep_s < KEEP_MIN) keep_s = KEEP_MIN;
    return keep_s < most_s ? keep_s : most_s;
}
