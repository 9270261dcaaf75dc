#include "dht/address.h"

#include "dht/network.h"

#include <string.h>

void qe_dht_votes_add(
    struct qe_dht_votes *votes, const struct qe_ip *voter, const struct qe_addr *seen, bool exempt_private)
{
    bool own_voice = exempt_private && qe_dht_address_private(voter);
    unsigned i = 0;
    for (; i < votes->count; i++) {
        const struct qe_ip *other = &votes->votes[i].voter;
        if (own_voice ? qe_ip_equal(other, voter) : qe_dht_same_provider(other, voter)) break;
    }
    if (i == votes->count) {
        if (votes->count < QE_DHT_VOTES_MAX) votes->count++;
        i = votes->count - 1u;
    }
    memmove(&votes->votes[1], &votes->votes[0], i * sizeof votes->votes[0]);
    votes->votes[0].voter = *voter;
    votes->votes[0].seen = *seen;
}

bool qe_dht_votes_winner(const struct qe_dht_votes *votes, struct qe_addr *out)
{
    unsigned best = QE_DHT_VOTES_MIN - 1;
    bool found = false;
    for (unsigned i = 0; i < votes->count; i++) {
        unsigned agree = 0;
        for (unsigned j = 0; j < votes->count; j++)
            agree += qe_addr_equal(&votes->votes[i].seen, &votes->votes[j].seen);
        if (agree <= best) continue;
        best = agree;
        found = true;
        *out = votes->votes[i].seen;
    }
    return found;
}
