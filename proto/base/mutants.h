// Seeded faults: each breaks one rule of the core at one place, so that it can be proven that the simulator's checkers
// see it (docs/testing.md, "Mutants"). Only a build with -DQE_MUTANTS=ON has them, and there the simulator switches at
// most one on (quicether-sim run --mutant NAME); in any other build QE_MUTANT is a constant and costs nothing.
#ifndef QE_BASE_MUTANTS_H
#define QE_BASE_MUTANTS_H

// X(name, what is wrong)
#define QE_MUTANTS_LIST(X)                                                                                             \
    X(segment_size, "a segment of a super-packet is a byte longer than its size says")                                 \
    X(segment_length, "a segment's UDP length leaves the header out")                                                  \
    X(segment_checksum, "a segment's UDP checksum counts the length once only")                                        \
    X(coalesce_checksum, "the checksum begun for a joined packet leaves the length out")                               \
    X(coalesce_length, "the UDP length of a joined packet stays that of its first")                                    \
    X(fragment_last, "the last fragment of a packet says that more follow")                                            \
    X(fragment_offset, "fragments but the first say an offset that is one too high")                                   \
    X(fragment_id, "all fragmented packets have the same number")                                                      \
    X(fragment_leak, "a reassembled packet is not freed where there is a spare one already")                           \
    X(reassembly_bound, "a reassembled packet may have 1400 bytes only")                                               \
    X(queue_bytes, "a packet that leaves a queue stays in its count of bytes")                                         \
    X(queue_unbounded, "a queue takes more than it may")                                                               \
    X(queue_one_flow, "all flows share one queue")                                                                     \
    X(queue_drop_leak, "the buffer of a packet that a queue drops is not given back")                                  \
    X(codel_never, "CoDel never drops")                                                                                \
    X(codel_eager, "CoDel takes its target of 5 ms for microseconds, and waits for no interval")                       \
    X(ecn_cleared, "the ECN bits of IPv6 packets do not reach the other side (RFC 6040)")                              \
    X(ce_without_ect, "packets that do not know ECN are marked as well")                                               \
    X(extension_header, "packets with an IPv6 extension header are taken for malformed")                               \
    X(icmp_quote, "an ICMP message quotes the packet from its fifth byte on")                                          \
    X(icmp_mtu, "an ICMP message names an MTU that is too large by a header")                                          \
    X(icmp_source, "an ICMP message comes from the address of the packet's sender")                                    \
    X(route_compare, "a lookup does not compare the bits that a shortened path left out")                              \
    X(route_prefix, "the route to a peer is one bit too short")                                                        \
    X(subnet_own, "a network of the host's own may be claimed by others")                                              \
    X(subnet_taken, "a claim may overlap an older one of another owner")                                               \
    X(owner_failed, "an owner of a network is used although it has failed and another has not")                        \
    X(exit_leaks, "while an exit node is away, packets beyond the overlay go without it")                              \
    X(claim_kept, "an overlay address or a name that another has had for longer is kept")                              \
    X(snapshot_stale, "a lane keeps the first routes that it got")                                                     \
    X(table_compare, "keys of a table are equal where two bits of their hashes are")                                   \
    X(heap_order, "a timer that sinks in the heap trades places with the later child")                                 \
    X(timer_not_moved, "a timer that is set to an earlier time stays where it is")                                     \
    X(wrong_key_dialled, "whoever answers a dialling is taken for the peer that was dialled, if it is any peer")       \
    X(unknown_key, "a key that nobody configured is taken for the first peer's")                                       \
    X(keep_alive_none, "nothing keeps an idle connection alive")                                                       \
    X(closed_unsaid, "the control plane does not hear of a connection's end")                                          \
    X(path_id_reused, "accepted connections all get the same ID")                                                      \
    X(delivery_lost, "one delivery in 32 is lost without being counted")                                               \
    X(credit_lost, "of buffers that come back in one go one is forgotten")                                             \
    X(credit_untake, "a buffer that was not used after all does not count as free")                                    \
    X(tun_source, "packets from the TUN may have any source address")                                                  \
    X(source_unchecked, "neither the sender nor the receiver of a packet looks at its source address")                 \
    X(activate_no_wake, "a new connection is not asked to send what waited for it")                                    \
    X(enqueue_no_wake, "a connection is not told of a new packet")                                                     \
    X(datagram_twice, "one packet in 32 is sent twice")                                                                \
    X(freed_twice, "the buffer of a packet that was sent is given back twice")                                         \
    X(drop_uncounted, "packets for which a peer's queue has no place are not counted")                                 \
    X(drop_leak, "a packet from the TUN that goes nowhere is not given back")                                          \
    X(sent_twice_counted, "a packet that was sent counts as two")                                                      \
    X(stale_kept, "packets wait for a peer for ever")                                                                  \
    X(wall_clock, "the control plane's timers follow the wall clock")                                                  \
    X(redial_forgotten, "a peer that said goodbye is not dialled again")                                               \
    X(backoff_none, "waits between diallings do not grow")                                                             \
    X(dial_storm, "there are no waits between diallings")                                                              \
    X(dial_while_open, "a peer is dialled although it is connected")                                                   \
    X(silence_kept, "an answer does not end the silence that is being measured")                                       \
    X(silence_unheard, "silence is never noticed")                                                                     \
    X(goodbye_unsaid, "a node that stops says no goodbye")                                                             \
    X(goodbye_ignored, "a connection whose peer said goodbye still counts as open")                                    \
    X(epoch_compare, "connections of the same boot are the dead ones, those of an earlier one live on")                \
    X(hello_unsaid, "the side that was dialled does not say hello")                                                    \
    X(hello_addresses, "the last overlay address of a hello is overlooked")                                            \
    X(claim_unchecked, "a peer may claim any overlay address")                                                         \
    X(store_late, "where a peer was met is stored only when it moves")                                                 \
    X(store_damaged, "a stored address lacks its port")                                                                \
    X(stored_ignored, "what was stored is not read at the start")                                                      \
    X(ticket_kept, "a ticket that was used stays stored")                                                              \
    X(superseded_kept, "of two connections that say the same neither is given up")                                     \
    X(duplicate_preference, "each side prefers the connection that it dialled itself")                                 \
    X(slot_leak, "the place of a connection that ended is not free again")                                             \
    X(link_up_ignored, "a link that comes up is no reason to dial")                                                    \
    X(moved_ignored, "the control plane does not hear that a peer moved")                                              \
    X(stop_never, "a node that is told to stop does not end")                                                          \
    X(deadline_missing, "the node's deadline leaves the control plane's timers out")                                   \
    X(wakeups, "a connection wakes every millisecond")                                                                 \
    X(mail_leak, "letters to lanes are not freed once read")                                                           \
    X(path_leak, "the control plane forgets connections that ended without freeing them")                              \
    X(mtu_overhead, "what a packet adds to its datagram is not counted")                                               \
    X(pmtu_none, "the path MTU is not looked for")                                                                     \
    X(stray_lost, "a packet that goes another way than its batch is lost")                                             \
    X(reset_token, "a stateless reset ends in another token than the one that was promised")                           \
    X(lane_dispatch, "the lane of a datagram is taken from the wrong byte of its connection ID")                       \
    X(handover_lost, "packets for a peer whose lane changes are lost without being counted")                           \
    X(early_not_repeated, "a hello in 0-RTT data that was refused is not said again")                                  \
    X(krpc_token_any, "any token of the right size lets one store from any address")                                   \
    X(krpc_bytes_unlimited, "replies of the DHT may be as large as they like")                                         \
    X(krpc_replay_taken, "an item or record takes the place of a newer one")                                           \
    X(krpc_signature_unchecked, "items and records are believed whoever signed them")                                  \
    X(krpc_crowded_out, "records without a certificate take the places of certified ones")                             \
    X(cid_leak, "connection IDs that are no longer used stay in the table")                                            \
    X(dht_signal_unlimited, "any address may have as many signals passed on as it likes")                              \
    X(dht_signal_stranger, "a signal is taken from anybody")                                                           \
    X(dht_register_unsigned, "a registration needs no signature")                                                      \
    X(dht_register_unlimited, "one address may have as many registrations as it likes")                                \
    X(dht_probe_anybody, "an address that nobody proved is probed as often as asked for")                              \
    X(dht_source_any, "an answer to a query of the DHT counts from whatever address")                                  \
    X(dht_asker_let_in, "a node that asks is in the routing table without having answered")                            \
    X(dht_bad_stays, "a node that does not answer any more keeps its place in the routing table")                      \
    X(dht_crowd, "one network may have all places of a bucket and of a shortlist")                                     \
    X(dht_item_unverified, "an item of the DHT is found whatever its signature")                                       \
    X(dht_late_waited, "a lookup waits for a silent node to the end before it asks another one")                       \
    X(dht_lost_forgotten, "nodes that were lost are not asked again")                                                  \
    X(dht_put_on_one, "what is put goes to one node only")                                                             \
    X(dht_cas_lost, "what is put says nothing of the version that it replaces")                                        \
    X(dht_index_first, "of an owner's records the one that was found first counts")                                    \
    X(dht_read_only_asked, "a read-only node does not say that it is one")                                             \
    X(relay_unlimited, "what one node relays has no limits")                                                           \
    X(dht_bogus_sent, "nodes are asked at whatever address others say")

enum qe_mutant {
    QE_MUTANT_none,
#define QE_MUTANT_ID(name, what) QE_MUTANT_##name,
    QE_MUTANTS_LIST(QE_MUTANT_ID)
#undef QE_MUTANT_ID
        QE_MUTANT_COUNT
};

#ifdef QE_MUTANTS
extern enum qe_mutant qe_mutant_active;
#define QE_MUTANT(name) (qe_mutant_active == QE_MUTANT_##name)
// The mutant of that name; QE_MUTANT_none where there is none.
enum qe_mutant qe_mutant_find(const char *name);
const char *qe_mutant_name(enum qe_mutant mutant);
const char *qe_mutant_help(enum qe_mutant mutant);
#else
#define QE_MUTANT(name) (QE_MUTANT_##name == QE_MUTANT_none)
#endif

#endif
