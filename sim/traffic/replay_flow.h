// A capture as traffic: its IP packets enter TUNs with the capture's timing, and each is looked for where it should
// come out. What the capture's first source sent, the flow's first host sends; everything else, the second one.
#ifndef QE_SIM_REPLAY_FLOW_H
#define QE_SIM_REPLAY_FLOW_H

#include "pcap/pcap_reader.h"
#include "traffic/flow.h"
#include "traffic/rewrite.h"

// A packet that has not arrived; those with one identity in the order of sending.
struct sim_awaited {
    uint64_t identity; // 0: free
    uint64_t number;
    bool forward; // from the flow's first host
};

struct sim_replay_flow {
    struct sim_flow *flow;
    struct sim_pcap_reader *reader;
    struct qe_ip first_source;  // of the capture
    uint64_t first_ns, last_ns; // the capture's times
    uint64_t *sent_ns;          // by number
    size_t sent_capacity;
    uint64_t received;           // bytes of IP packets that arrived
    struct sim_awaited *awaited; // open addressing
    size_t awaited_count, awaited_capacity;
    struct sim_pcap_packet next; // its bytes are in `bytes`
    bool has_next;
    uint8_t bytes[SIM_REWRITE_MAX];
};

struct sim_replay_flow *sim_replay_flow_new(struct sim_flow *flow);
void sim_replay_flow_free(struct sim_replay_flow *replay); // NULL is fine
// The flow's time has come.
void sim_replay_flow_occur(struct sim_replay_flow *replay);
// A packet (no super-packet) came out of a host's TUN: whether it is one of the capture's, which is counted then.
bool sim_replay_flow_claim(struct sim_replay_flow *replay, const struct sim_host *host, struct qe_span packet);

#endif
