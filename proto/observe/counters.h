// Everything that is counted, by one list. Each lane and the control part has counters of its own; a report adds them
// up. A packet or datagram that does not reach its destination is counted by exactly one drop reason.
#ifndef QE_OBSERVE_COUNTERS_H
#define QE_OBSERVE_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

// X(identifier, name in metrics, help)
#define QE_COUNTERS(X)                                                                                                 \
    X(TUN_RECEIVED_PACKETS, "tun_received_packets", "Packets (super-packets count once) read from the TUN interface")  \
    X(TUN_RECEIVED_BYTES, "tun_received_bytes", "Bytes read from the TUN interface")                                   \
    X(TUN_SENT_PACKETS, "tun_sent_packets", "Packets (super-packets count once) written to the TUN interface")         \
    X(TUN_SENT_BYTES, "tun_sent_bytes", "Bytes written to the TUN interface")                                          \
    X(PACKETS_SENT, "packets_sent", "Overlay packets sent to peers")                                                   \
    X(BYTES_SENT, "bytes_sent", "Bytes of overlay packets sent to peers")                                              \
    X(PACKETS_RECEIVED, "packets_recv", "Overlay packets received from peers and delivered")                           \
    X(BYTES_RECEIVED, "bytes_recv", "Bytes of overlay packets received from peers and delivered")                      \
    X(FRAGMENTED_PACKETS, "fragmented_packets", "Overlay packets sent as fragments")                                   \
    X(REASSEMBLED_PACKETS, "reassembled_packets", "Overlay packets put together from fragments")                       \
    X(TOO_BIG_SENT, "too_big_sent", "ICMP too-big messages written to the TUN interface")                              \
    X(ECHO_REQUESTS, "echo_requests", "Echo requests answered")                                                        \
    X(RELAYED_PACKETS, "relayed_packets", "QUIC packets of others passed on")                                          \
    X(RELAYED_BYTES, "relayed_bytes", "Bytes of QUIC packets of others passed on")                                     \
    X(DROP_CIRCUIT, "drop_circuit", "Relayed packets in a circuit that is none, or over a relayed connection")         \
    X(DROP_RELAY_LIMIT, "drop_relay_limit", "QUIC packets of others beyond what is relayed for them")                  \
    X(DROP_RELAY_QUEUE, "drop_relay_queue", "Relayed packets dropped for want of room, or of a connection")            \
    X(DROP_RELAY_SIZE, "drop_relay_size", "Relayed probes of a path MTU that did not fit the next connection")         \
    X(STRANGERS, "strangers", "Connections of unknown nodes, taken in until they prove membership")                    \
    X(MEMBERS_PROVEN, "members_proven", "Proofs of membership that were right")                                        \
    X(INVITATIONS_REDEEMED, "invitations_redeemed", "Times that the network's secret was handed over")                 \
    X(DROP_PROOF, "drop_proof", "Connections closed because a proof of membership was wrong")                          \
    X(DROP_STRANGER, "drop_stranger", "Connections of strangers closed: too many, or no proof of membership")          \
    X(DROP_JOIN, "drop_join", "Invitations shown that are not, or no longer, good")                                    \
    X(DROP_NOT_IP, "drop_not_ip", "TUN packets that are no IP packets, or contradict their offload")                   \
    X(DROP_NO_ROUTE, "drop_no_route", "TUN packets whose destination nobody owns")                                     \
    X(DROP_TUN_SOURCE, "drop_tun_source", "TUN packets whose source is not an address of this node")                   \
    X(DROP_MULTICAST, "drop_multicast", "TUN packets to multicast or broadcast addresses")                             \
    X(DROP_NO_PATH, "drop_no_path", "TUN packets for a peer that is not connected, beyond the few that wait")          \
    X(DROP_TOO_BIG, "drop_too_big", "TUN packets larger than the overlay MTU")                                         \
    X(DROP_QUEUE_FULL, "drop_queue_full", "Packets dropped because a peer's queue was full")                           \
    X(DROP_QUEUE_CODEL, "drop_queue_codel", "Packets dropped to keep a peer's queue short")                            \
    X(DROP_STALE, "drop_stale", "Packets that waited too long for a peer to connect")                                  \
    X(DROP_UNSENDABLE, "drop_unsendable", "Packets that no path could carry")                                          \
    X(DROP_SOURCE, "drop_source", "Packets from a peer whose source address is not that peer's")                       \
    X(DROP_NOT_LOCAL, "drop_not_local", "Packets from a peer for somebody else")                                       \
    X(DROP_MALFORMED, "drop_malformed", "Frames from a peer that are malformed")                                       \
    X(DROP_UNKNOWN_FRAME, "drop_unknown_frame", "Frames from a peer of an unknown type")                               \
    X(DROP_EARLY, "drop_early", "Packets from a peer before its hello or in 0-RTT data")                               \
    X(DROP_NO_BUFFER, "drop_no_buffer", "Packets dropped because the host lent no buffer")                             \
    X(DROP_MEMORY, "drop_memory", "Things dropped because memory ran out")                                             \
    X(DROP_CONTROL, "drop_control", "Control messages from a peer that are malformed or of an unknown type")           \
    X(DROP_ECHO, "drop_echo", "Echo requests beyond the few that wait")                                                \
    X(DROP_CLAIM, "drop_claim", "Overlay addresses that a peer claimed and may not have")                              \
    X(DNS_QUERIES, "dns_queries", "DNS queries received")                                                              \
    X(DNS_ANSWERS, "dns_answers", "DNS answers sent")                                                                  \
    X(DROP_DNS, "drop_dns", "DNS queries that are none, come from elsewhere, or are too many")                         \
    X(DHT_DATAGRAMS_SENT, "dht_datagrams_sent", "UDP datagrams of the DHT sent")                                       \
    X(DHT_DATAGRAMS_RECEIVED, "dht_datagrams_recv", "UDP datagrams of the DHT received")                               \
    X(DROP_DHT_SOCKET, "drop_dht_socket", "Datagrams of the DHT to addresses of a family that no socket is open for")  \
    X(PUNCH_ATTEMPTS, "punch_attempts", "Attempts at a direct path to a peer")                                         \
    X(PUNCH_SEARCHES, "punch_searches", "Searches for the port that a peer's NAT chose")                               \
    X(PUNCH_PROVEN, "punch_proven", "Addresses of peers that were proven by an echo")                                  \
    X(PROBES_SENT, "probes_sent", "Probes of addresses sent")                                                          \
    X(PROBES_RECEIVED, "probes_recv", "Probes of addresses received")                                                  \
    X(DROP_PROBE, "drop_probe", "Probes that are malformed, for somebody else, or answer nothing that was asked")      \
    X(DROP_CALL, "drop_call", "Calls of other nodes that are malformed, forged, repeated, late, or not allowed")       \
    X(DROP_PROBE_LIMIT, "drop_probe_limit", "Probes not sent or answered: their address has had what it may have")

enum qe_counter {
#define QE_COUNTER_ID(id, name, help) QE_COUNT_##id,
    QE_COUNTERS(QE_COUNTER_ID)
#undef QE_COUNTER_ID
        QE_COUNT_MAX
};

struct qe_counters {
    uint64_t values[QE_COUNT_MAX];
};

static inline void qe_count(struct qe_counters *counters, enum qe_counter which)
{
    counters->values[which]++;
}

static inline void qe_count_by(struct qe_counters *counters, enum qe_counter which, uint64_t by)
{
    counters->values[which] += by;
}

void qe_counters_add(struct qe_counters *to, const struct qe_counters *from);
// Name and help of one, as in the list above.
const char *qe_counter_name(enum qe_counter which);
const char *qe_counter_help(enum qe_counter which);

#endif
