// The inside of discovery, the part of the control plane that has the DHT: discovery.c (datagrams and questions),
// bootstrap.c (whom to ask first), announce.c (what this node says of itself), seek.c (where peers are), members.c (who
// else is in the network), owners.c (who has an overlay address), allowed.c (who has a name that may connect),
// rendezvous.c (whom this node invited, or who invited it) and inquiry.c (commands).
//
// Answers are only noted when they come, because they come from inside the DHT; what follows from them is done when the
// step ends (cplane_discovery_expire).
#ifndef QE_NODE_DISCOVERY_INTERNAL_H
#define QE_NODE_DISCOVERY_INTERNAL_H

#include "dht/dht.h"
#include "discovery/index.h"
#include "discovery/node_record.h"
#include "discovery/rendezvous.h"
#include "nat/checker.h"
#include "node/cplane_internal.h"

// Hears of a question's answers, the last one too. `user` is what the asker gave.
typedef void cplane_heard(struct qe_cplane *c, const struct qe_dht_answer *answer, uint64_t user);

// bootstrap.c
#define BOOTSTRAP_ADDRESSES_MAX 32
#define BOOTSTRAP_CACHED_MAX    32
#define BOOTSTRAP_PROBES_MAX    4

// A host name to begin with. `at_ns`: when to ask for its addresses; QE_TIME_NEVER: it is being asked, or is an
// address.
struct bootstrap_name {
    uint64_t at_ns;
    unsigned failures, resolved;
};

struct discovery_bootstrap {
    struct bootstrap_name names[QE_CONFIG_BOOTSTRAP_MAX];
    struct qe_addr addresses[BOOTSTRAP_ADDRESSES_MAX];
    size_t address_count, next_address;
    // Nodes to begin with next time, and those that were good and are not any more, in case they come back.
    struct qe_dht_contact cached[BOOTSTRAP_CACHED_MAX];
    size_t cached_count, next_cached;
    uint64_t check_at_ns; // when to look at how things are
    uint64_t retry_at_ns; // when to ask again everybody who is not there
    uint64_t store_at_ns;
    uint64_t begun_ns, joined_ns; // joined_ns: how long it took; 0: not yet
    bool joined, partitioned;
};

// announce.c
struct discovery_announce {
    struct qe_node_record said; // what was published last; issued_ms 0: nothing
    uint64_t at_ns;             // when to look whether there is something to say
    uint64_t refresh_at_ns;     // when to say it again in any case
    uint64_t seq;               // the highest one used
    unsigned failures;
    uint64_t published_ns;
    uint8_t under_way; // puts
    uint8_t looks;     // how often it was looked at; no more than it can count
    bool failed, sealed;
};

// seek.c
struct discovery_seek {
    unsigned running, spent;
    uint64_t refilled_ns;
    size_t turn;
};

// members.c
struct discovery_members {
    uint64_t at_ns; // when to read who is listed
    unsigned running, reads;
    bool failed;
    bool read; // just now, all of it
};

// owners.c
#define DISCOVERY_OWNERS_MAX 64
struct discovery_owner {
    struct qe_ip ip;    // family 0: free
    uint64_t operation; // 0: answered
    uint64_t until_ns;  // the answer holds
    bool network, found;
    struct qe_node_id owner; // where found
};
struct discovery_owners {
    struct discovery_owner list[DISCOVERY_OWNERS_MAX];
    unsigned running, spent;
    uint64_t refilled_ns;
};

// allowed.c: a name that may connect (qe_config.allowed_names).
struct discovery_allowed {
    uint64_t at_ns; // when to look for its owner
    unsigned failures;
    bool running, found;
    struct qe_node_id owner; // where found
};

// rendezvous.c
struct discovery_rendezvous {
    uint64_t at_ns;            // when to look whether there is something to say
    struct qe_rendezvous here; // where this node can be reached, and
    uint64_t generation;       // how often that changed; 0: it was not looked at yet
    // Of an invitation that this node redeems.
    uint64_t joins; // how many there were
    uint64_t seek_at_ns, operation;
    unsigned failures;
    int64_t found_seq; // of the newest item found; 0: none
};

// mainline.c
struct discovery_mainline;

// natcheck.c
enum discovery_socket_state {
    DISCOVERY_SOCKET_SHUT,
    DISCOVERY_SOCKET_OPENING,
    DISCOVERY_SOCKET_OPEN,
    DISCOVERY_SOCKET_REFUSED,
};
struct discovery_socket {
    enum discovery_socket_state state;
    uint16_t port; // where open
};
struct discovery_nat {
    struct qe_nat_checker checker;
    struct qe_nat_behaviour known;
    struct discovery_socket spare, other;
    uint64_t at_ns;             // of the next round; 0: not decided
    uint32_t connection_keep_s; // that lanes were told; 0: nothing
};
// A datagram that leaves by the spare socket (qe_dht_send.socket).
#define DISCOVERY_SPARE_PLACE (UINT32_MAX - 1)

struct cplane_question {
    struct qe_list link;
    uint64_t operation;
    cplane_heard *heard;
    uint64_t user;
};

// Where a query came in: a reply leaves by the same socket, from the same address.
#define DISCOVERY_PLACES 16
struct discovery_place {
    uint32_t socket;
    struct qe_addr local;
};

struct cplane_discovery {
    struct qe_dht *dht;
    struct qe_list questions;
    bool closing;
    struct qe_list inquiries; // commands that wait for the DHT
    unsigned inquiry_count;
    bool stirred; // the DHT may have datagrams to send
    struct discovery_place places[DISCOVERY_PLACES];
    size_t next_place;
    struct qe_dht_send staged; // size 0: none
    uint8_t staged_bytes[QE_DHT_DATAGRAM_MAX];
    uint64_t at_ns;                      // not later than anything below is due
    struct discovery_mainline *mainline; // NULL: not to be joined
    struct discovery_bootstrap bootstrap;
    struct discovery_announce announce;
    struct discovery_seek seek;
    struct discovery_members members;
    struct discovery_owners owners;
    struct discovery_allowed *allowed; // one for each name; NULL for none
    unsigned allowed_running;
    struct discovery_rendezvous rendezvous;
    struct discovery_nat nat;
};

// Has cplane_discovery_expire called by then.
void discovery_wake(struct qe_cplane *c, uint64_t at_ns);
// From `wait_ns` ± 25 %, so that nodes do not do things all at once.
uint64_t discovery_spread(struct qe_cplane *c, uint64_t wait_ns);
// `first` doubled with each failure up to `last`, and spread.
uint64_t discovery_back_off(struct qe_cplane *c, unsigned failures, uint64_t first_ns, uint64_t last_ns);
// Asks the DHT: the operation's number, or 0 where that is not possible now.
uint64_t discovery_ask(struct qe_cplane *c, const struct qe_dht_request *request, cplane_heard *heard, uint64_t user);
// Drops a question; nothing more is heard of it.
void discovery_unask(struct qe_cplane *c, uint64_t operation);
// The number of the socket for that family, 0 where there is none.
uint32_t discovery_socket(const struct qe_cplane *c, const struct qe_ip *to);
// There are nodes to ask.
bool discovery_joined(const struct qe_cplane *c);
// This node is a member of a private network.
bool discovery_in_network(struct qe_cplane *c);

// With more peers than this, members are dialled only when there are packets for them.
#define DISCOVERY_EAGER_MAX 64

// Where a member is listed.
#define DISCOVERY_SHARDS 4
static inline uint8_t discovery_shard(const struct qe_node_id *id)
{
    return id->bytes[0] % DISCOVERY_SHARDS;
}

// bootstrap.c
void bootstrap_begin(struct qe_cplane *c);
void bootstrap_expire(struct qe_cplane *c);
void bootstrap_load(struct qe_cplane *c, struct qe_span value);
void bootstrap_on_resolved(struct qe_cplane *c, size_t index, const struct qe_result *result);
// Writes down whom to begin with next time.
void bootstrap_store(struct qe_cplane *c);

// announce.c
void announce_expire(struct qe_cplane *c);
// What this node would say of itself now.
void announce_compose(struct qe_cplane *c, struct qe_node_record *record);
// Looks soon whether there is something to say.
void announce_wake(struct qe_cplane *c, uint64_t within_ns);

// seek.c
// Takes in what a peer's record says. False where it is void, or older than what is known.
bool discovery_learn(struct qe_cplane *c, struct cplane_peer *peer, const struct qe_node_record *record);
void seek_expire(struct qe_cplane *c);
// Looks for everybody who is not connected, now.
void seek_all(struct qe_cplane *c);

// mainline.c
int mainline_new(struct qe_cplane *c);
void mainline_free(struct qe_cplane *c);
void mainline_begin(struct qe_cplane *c);
// Takes a datagram, if it is one of the public network.
bool mainline_receive(struct qe_cplane *c, uint32_t place, const struct qe_datagrams *in);
bool mainline_next(struct qe_cplane *c, uint8_t out[QE_DHT_DATAGRAM_MAX], struct qe_dht_send *send);
void mainline_expire(struct qe_cplane *c);
uint64_t mainline_deadline(const struct qe_cplane *c);
void mainline_on_addresses(struct qe_cplane *c);
// The answer to one of its requests for a name's addresses; false: it is none.
bool mainline_on_result(struct qe_cplane *c, const struct qe_result *result);
bool mainline_external(const struct qe_cplane *c, uint8_t family, struct qe_addr *out);
// NULL: not joined, nor to be.
struct qe_dht *mainline_dht(const struct qe_cplane *c, struct qe_node_id *id);

// members.c
void members_expire(struct qe_cplane *c);
void members_wake(struct qe_cplane *c);

// allowed.c
void allowed_expire(struct qe_cplane *c);

// signals.c
void signals_options(struct qe_cplane *c, struct qe_dht_options *options);
void signals_begin(struct qe_cplane *c);
// A signal came, or one of this node's was passed on or not: RECEIVED, ANSWERED, PASSED or UNKNOWN. From inside the
// DHT: what it borrows is gone afterwards.
void cplane_on_signal(struct qe_cplane *c, const struct qe_dht_signal *signal);

// natcheck.c
void natcheck_init(struct qe_cplane *c);
void natcheck_expire(struct qe_cplane *c);
// What is due to the moment.
void natcheck_run(struct qe_cplane *c);
void natcheck_on_addresses(struct qe_cplane *c);
bool natcheck_on_result(struct qe_cplane *c, const struct qe_result *result);
// Somebody would like a probe from another port of this node's.
void natcheck_on_port_wanted(struct qe_cplane *c);
// True: the datagram was for it.
bool natcheck_receive(struct qe_cplane *c, const struct qe_datagrams *in);
bool natcheck_next(struct qe_cplane *c, uint8_t out[QE_DHT_DATAGRAM_MAX], struct qe_dht_send *send);
// What is known of the NATs in front of this node; never NULL, and known_ns 0 while nothing is.
const struct qe_nat_behaviour *cplane_nat(const struct qe_cplane *c);
// Finds it out anew. Whether that goes on; measuring how long mappings last aside.
void cplane_nat_check(struct qe_cplane *c);
bool cplane_nat_checking(const struct qe_cplane *c);

// rendezvous.c
void rendezvous_expire(struct qe_cplane *c);
// Looks soon whether there is something to say to those who are invited.
void rendezvous_wake(struct qe_cplane *c, uint64_t within_ns);
void rendezvous_on_addresses(struct qe_cplane *c);

// report_discovery.c
// Hexadecimal digits of `bytes` in `out`, which has room for 2 · size + 1.
const char *discovery_hex(const uint8_t *bytes, size_t size, char *out);

// inquiry.c
void discovery_inquiries_free(struct qe_cplane *c);

#endif
