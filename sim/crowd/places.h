// Where nodes are: IPv4 addresses spread over networks as the internet's are, unevenly, some of them many in one /24,
// and who is at an address. A pair of addresses has its round-trip time from a hash of both, so no table of pairs is
// needed and it is the same whenever it is asked.
#ifndef QE_SIM_CROWD_PLACES_H
#define QE_SIM_CROWD_PLACES_H

#include "engine/random.h"

#include "base/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_place {
    uint32_t ip; // in host order
    uint16_t port;
};

struct sim_places {
    struct sim_stream chance;
    uint64_t secret; // of round-trip times
    uint64_t rtt_min_ns, rtt_max_ns;
    uint32_t neighbours_ppb; // share of addresses that are in a /24 with another
    size_t mask;             // slots − 1
    size_t count;
    struct {
        uint32_t ip;
        uint32_t who; // SIM_NOBODY: free
    } * slots;
    uint32_t *some; // addresses given so far, for neighbours in the same /24
    size_t some_count;
};

#define SIM_NOBODY UINT32_MAX

// Times of round trips and the share of neighbours are set by the caller.
void sim_places_init(struct sim_places *places, uint64_t seed, size_t count_max);
void sim_places_fini(struct sim_places *places);
// A public address that nobody has, and a port.
struct sim_place sim_places_draw(struct sim_places *places);
// The same in the network of 2^(32−bits) addresses that `in` lies in; false where it seems to be full.
bool sim_places_draw_in(struct sim_places *places, uint32_t in, unsigned bits, struct sim_place *out);
void sim_places_enter(struct sim_places *places, uint32_t ip, uint32_t who);
void sim_places_leave(struct sim_places *places, uint32_t ip);
// Who is there, or SIM_NOBODY.
uint32_t sim_places_at(const struct sim_places *places, uint32_t ip);
// One way.
uint64_t sim_places_delay_ns(const struct sim_places *places, uint32_t a, uint32_t b);

struct qe_addr sim_place_addr(struct sim_place place);
// An IPv4 address; anything else is 0.0.0.0:0, where nobody is.
struct sim_place sim_place_of(const struct qe_addr *addr);

#endif
