// What the own address looks like from outside, by a vote: each reply says it (BEP 42, "ip"), and a network has one
// voice.
#ifndef QE_DHT_ADDRESS_H
#define QE_DHT_ADDRESS_H

#include "base/addr.h"

#define QE_DHT_VOTES_MAX 8
#define QE_DHT_VOTES_MIN 2 // that agree

struct qe_dht_votes {
    struct {
        struct qe_ip voter;
        struct qe_addr seen;
    } votes[QE_DHT_VOTES_MAX]; // the newest first
    uint8_t count;
};

// A node of `voter` says that it sees us at `seen`. With `exempt_private` each host of a private network has a voice.
void qe_dht_votes_add(
    struct qe_dht_votes *votes, const struct qe_ip *voter, const struct qe_addr *seen, bool exempt_private);
// The address that most agree on, the newest vote deciding a tie; false where no two do.
bool qe_dht_votes_winner(const struct qe_dht_votes *votes, struct qe_addr *out);

#endif
