// Traffic as applications make it: a transfer of bytes, or requests and their answers, over QUIC inside the overlay.
// The flow's first host is the client, the second the server. A connection that is lost is dialled again; a transfer
// goes on with what the other end does not have, requests that were under way are lost.
#ifndef QE_SIM_EXCHANGE_H
#define QE_SIM_EXCHANGE_H

#include "scenario/measure.h"
#include "traffic/flow.h"
#include "traffic/inner_quic.h"

struct sim_exchange {
    struct sim_flow *flow;
    struct sim_quic_end client, server;
    uint64_t opened;   // requests that have a stream
    uint64_t received; // bytes that arrived in order and are right: a transfer's at the server, answers' at the client
    uint64_t completed_ns; // when the last byte of a transfer arrived; 0: it has not
    uint64_t dial_ns;      // not to be dialled before
    uint32_t *history;     // bytes that arrived in each SIM_EXCHANGE_STEP_NS of the run
    size_t history_count, history_capacity;
};

// Windows of time are looked at in steps of this.
#define SIM_EXCHANGE_STEP_NS UINT64_C(100000000)

struct sim_exchange *sim_exchange_new(
    struct sim_flow *flow, struct sim_inner_tls *tls, const uint8_t *pattern, uint64_t seed, uint64_t wall_ms);
void sim_exchange_free(struct sim_exchange *exchange); // NULL is fine
// The flow's time has come: to begin, for a request, to dial again, to end.
void sim_exchange_occur(struct sim_exchange *exchange);
// Datagrams of the flow have come out of the TUN of one of its hosts, each so large but for the last; segment 0: one.
void sim_exchange_datagrams(
    struct sim_exchange *exchange, const struct sim_host *host, struct qe_span payload, size_t segment);
// The host's TUN said that an IP packet of the flow was larger than this.
void sim_exchange_too_big(struct sim_exchange *exchange, const struct sim_host *host, uint32_t mtu);
// Whether a measure is the exchange's own; the others are of its requests, and the flow's.
bool sim_exchange_has(const struct sim_exchange *exchange, enum sim_measure_id id);
bool sim_exchange_measure(const struct sim_exchange *exchange, enum sim_measure_id id, uint64_t after_ns,
    uint64_t before_ns, uint64_t *value);

#endif
