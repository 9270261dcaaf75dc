// What can happen in a run, as [[at]] and [[trigger]] say it.
#ifndef QE_SIM_AT_H
#define QE_SIM_AT_H

#include "toml/toml.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_NONE SIZE_MAX

enum sim_at_kind {
    SIM_AT_LINK_DOWN,
    SIM_AT_LINK_UP,
    SIM_AT_LINK_BLACKHOLE,
    SIM_AT_LINK_CHANGE,
    // of a host on a link
    SIM_AT_LEAVE,
    SIM_AT_JOIN,
    SIM_AT_ADDRESSES,
    // of a host
    SIM_AT_HOST_START,
    SIM_AT_HOST_STOP,
    SIM_AT_HOST_CRASH,
    SIM_AT_HOST_RESTART,
    SIM_AT_HOST_CLOCK,
    SIM_AT_REBOOT, // of a router
    SIM_AT_CRASH_AT_WRITE,
    SIM_AT_CRASH_BEFORE_WRITE,
    SIM_AT_CORRUPT_STATE,
    SIM_AT_TRUNCATE_STATE,
    SIM_AT_ERASE_STATE,
    SIM_AT_CLOCK_DRIFT,
    SIM_AT_SUSPEND,
    SIM_AT_STALL,
    SIM_AT_HOLD_BUFFERS,
    SIM_AT_MEMORY,
    SIM_AT_FAIL_ALLOCATION,
    SIM_AT_FAIL_ALLOCATIONS,
    SIM_AT_FAIL_STORES,
    SIM_AT_REFUSE_SOCKETS,
    SIM_AT_REFUSE_TUN,
    SIM_AT_ROAM,
    SIM_AT_RESOLVE,
    // of the network
    SIM_AT_PARTITION,
};

// Between which hosts the network carries nothing; the lists are of host indices.
struct sim_scenario_partition {
    size_t *between;
    size_t between_count; // 0: heals everything
    size_t *and;
    size_t and_count; // 0: all hosts that are not in `between`
    bool one_way;     // only from `between` to `and`
    bool heal;
};

// Addresses that an interface may be given.
#define SIM_AT_ADDRESSES_MAX 8

struct sim_scenario_at {
    uint64_t time_ns;
    enum sim_at_kind kind;
    size_t link, host;                  // SIM_NONE: not about one
    size_t port;                        // SIM_NONE: both directions; else what leaves this port
    const struct qe_toml_value *change; // LINK_CHANGE: the table with new settings; ADDRESSES: the list
    int64_t clock_ms;                   // HOST_CLOCK: how far the wall clock jumps
    int64_t drift_ppm;                  // CLOCK_DRIFT: how much faster than true it runs
    uint64_t duration_ns;               // SUSPEND, STALL, HOLD_BUFFERS, REBOOT
    uint64_t number;                    // FAIL_ALLOCATION, CRASH_AT_WRITE, CRASH_BEFORE_WRITE: the how-manieth from now
    uint64_t bytes;                     // MEMORY; 0: no limit
    uint32_t share_ppb;                 // FAIL_ALLOCATIONS
    uint64_t for_ns;                    // how long it holds; UINT64_MAX: to the end
    uint64_t start_after_ns;            // crashes: starts again after this; UINT64_MAX: does not
    uint64_t unsynced_ns;               // crashes: what was stored within this long before is lost
    bool silently;                      // ROAM, LEAVE: the host is not told that the old link is gone
    const char *state_key; // a key of stored state, or the beginning of one before a '*'; RESOLVE: a name; the file's
    size_t to_link;        // ROAM
    struct sim_scenario_partition partition;
    size_t place; // in the file
    unsigned line;
};

#define SIM_AT_NOTHING                                                                                                 \
    ((struct sim_scenario_at){.time_ns = UINT64_MAX,                                                                   \
        .link = SIM_NONE,                                                                                              \
        .host = SIM_NONE,                                                                                              \
        .port = SIM_NONE,                                                                                              \
        .to_link = SIM_NONE,                                                                                           \
        .for_ns = UINT64_MAX,                                                                                          \
        .start_after_ns = UINT64_MAX})

void sim_scenario_at_fini(struct sim_scenario_at *at);

#endif
