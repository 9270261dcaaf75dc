// The UDP datagrams of a capture as hostile input: a lone node, which allows nobody, gets them at their times, in
// virtual time. It must live, in bounded memory, and account for each of them.
#ifndef QE_SIM_HOSTILE_H
#define QE_SIM_HOSTILE_H

#include "pcap/pcap_reader.h"

#include "quic/library.h"

#define SIM_HOSTILE_ERROR_SIZE 640
// More memory than this is a leak: the node has connections_max, and each a bounded size.
#define SIM_HOSTILE_MEMORY_MAX (UINT64_C(256) << 20)

struct sim_hostile_result {
    uint64_t datagrams, bytes; // given to the node
    uint64_t cut_short;        // not given: the capture does not have them whole
    uint64_t other;            // not given: no UDP
    uint64_t sent, sent_bytes; // by the node
    uint64_t memory_peak;
    uint64_t virtual_ns;
    char *metrics;                        // the node's, as JSON; malloc'ed
    char error[SIM_HOSTILE_ERROR_SIZE];   // the capture is at fault
    char failure[SIM_HOSTILE_ERROR_SIZE]; // the node is
};

// Reads the capture to its end.
void sim_hostile(struct sim_pcap_reader *capture, struct qe_tls_library *tls, struct sim_hostile_result *result);
void sim_hostile_result_fini(struct sim_hostile_result *result);

#endif
