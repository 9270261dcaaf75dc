// What one direction of a link is like. Plain values, so that settings are copied and compared freely; a plan of rates
// belongs to the scenario.
#ifndef QE_SIM_PIPE_SETTINGS_H
#define QE_SIM_PIPE_SETTINGS_H

#include "net/codel.h"
#include "net/jitter.h"
#include "net/loss.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_rate_plan;

// A queue's length, in whatever it is given.
struct sim_queue_length {
    uint64_t packets; // 0: not in packets
    uint64_t bytes;   // on the wire; 0: not in bytes
    uint64_t ns;      // what the rate sends in that time; 0: not in time
};

struct sim_pipe_settings {
    uint64_t rate_bits;               // a second; 0: unlimited
    const struct sim_rate_plan *plan; // how the rate changes, instead of rate_bits; NULL: it does not
    uint64_t delay_ns;
    uint64_t jitter_ns; // what it means is the model's
    enum sim_jitter jitter_model;
    uint32_t loss_ppb; // each packet alone
    struct sim_gilbert gilbert;
    struct sim_bursts bursts;
    bool reorder;           // jitter may change the order
    uint64_t queue_packets; // 0: no limit in packets
    uint64_t queue_bytes;   // on the wire; 0: no limit in bytes
    uint64_t queue_ns;      // what the rate sends in that time, but at least SIM_QUEUE_BYTES_MIN; 0: no such limit
    struct sim_queue_length mark_above; // CE where that much waits; all 0: never
    struct sim_codel_settings codel;
    uint32_t late_ppb; // so many are held back by late_ns, and overtaken
    uint64_t late_ns;
    uint32_t duplicate_ppb;
    uint32_t corrupt_ppb; // so many have bits flipped in their payload
    bool checksum;        // the receiver's UDP checksum finds that
    uint32_t mtu;         // bytes of an IP packet
    bool icmp;            // who sends more than the MTU is told
    uint32_t overhead;    // bytes that the link adds to an IP packet
};

// A queue given as a time always has room for this: 20 packets of Ethernet's size.
#define SIM_QUEUE_BYTES_MIN 30000

#endif
