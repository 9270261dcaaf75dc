// Traffic inside the overlay, and what becomes of it: ping and constant-rate UDP, each packet numbered, its latency
// kept, its content checked on arrival. A flow knows of every packet whether and when it arrived.
#ifndef QE_SIM_FLOW_H
#define QE_SIM_FLOW_H

#include "host/host.h"
#include "scenario/measure.h"
#include "scenario/scenario.h"
#include "traffic/inner.h"

struct qe_tls_library;
struct sim_exchange;
struct sim_replay_flow;
struct sim_inner_tls;

struct sim_flow {
    struct sim_source source;
    struct sim_flows *flows;
    const struct sim_scenario_flow *settings;
    uint32_t index;
    struct sim_host *from, *to;
    size_t payload_size;
    uint8_t *payload;     // room for a batch; each packet's content but for its number is fixed
    uint32_t pattern_sum; // of the content behind the number
    uint64_t sent;        // packets, also those that the TUN refused
    uint64_t refused;     // the sender's TUN was closed, or an address unknown
    uint64_t delivered, duplicated, reordered, too_big;
    uint64_t next_expected; // one above the highest number that arrived
    uint64_t *latency_ns;   // by number; UINT64_MAX: not arrived
    size_t latency_capacity;
    struct qe_addr address;         // PLAIN: where it is sent; family 0: nowhere
    struct sim_exchange *exchange;  // a transfer or requests; else NULL
    struct sim_replay_flow *replay; // a capture; else NULL
};

struct sim_flows {
    struct sim_flow *list;
    size_t count;
    struct sim_engine *engine;
    void *user;
    // Something arrived that should not have, or not so; `host` is where.
    void (*violated)(void *user, struct sim_host *host, enum sim_failure kind, const char *what);
    uint64_t unclaimed;         // packets out of TUNs that no flow knows
    struct sim_inner_tls *tls;  // of exchanges, where there are any
    struct qe_tls_library *own; // where the hosts have none to lend
    uint8_t *pattern;           // what exchanges carry
    size_t replay_count;        // flows that are captures
    uint8_t *super;             // room to cut a super-packet, where there are any
};

// `hosts`: by index in the scenario.
void sim_flows_init(struct sim_flows *flows, const struct sim_scenario *scenario, struct sim_host *const *hosts,
    struct sim_engine *engine, uint64_t seed);
void sim_flows_fini(struct sim_flows *flows);
// Schedules the first packet of each.
void sim_flows_start(struct sim_flows *flows);
// A packet came out of a host's TUN: answers echo requests, and counts what flows sent.
void sim_flows_delivered(
    struct sim_flows *flows, struct sim_host *host, struct qe_span packet, const struct qe_offload *offload);

// For the files of flows. The echo identifier or UDP source port of a flow.
#define SIM_FLOW_ID(index) ((uint16_t)(40000 + (index)))
// Numbers the next packet, at that place of the batch, and returns the sum of its content.
uint32_t sim_flow_number(struct sim_flow *flow, size_t place);
// The flow that this content is of, or NULL.
struct sim_flow *sim_flow_of(struct sim_flows *flows, struct qe_span payload);
// Whether it is what was sent.
bool sim_flow_is_whole(const struct sim_flow *flow, struct qe_span payload);
// Counts it. False where it had arrived before.
bool sim_flow_note_arrival(struct sim_flow *flow, struct sim_host *host, struct qe_span payload);

// When a packet, or request, was due.
uint64_t sim_flow_send_time(const struct sim_flow *flow, uint64_t number);
// Tells the traces that a numbered packet, or answer, has arrived, with its latency.
void sim_flow_tell(const struct sim_flow *flow, const struct sim_host *host, uint64_t number, uint32_t bytes);
// What has arrived so far: bytes of packets, or of streams.
uint64_t sim_flow_bytes(const struct sim_flow *flow);
// What was measured of the packets sent in [after, before). False where there is nothing to say (no packet arrived).
bool sim_flow_measure(
    const struct sim_flow *flow, enum sim_measure_id id, uint64_t after_ns, uint64_t before_ns, uint64_t *value);

#endif
