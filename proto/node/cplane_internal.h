// The inside of the control plane, shared by cplane.c (life, events), peers.c (who may connect), peering.c (sessions),
// publish.c (addresses and the snapshot), state.c (what is stored) report.c (commands), traversal.c (addresses that
// are not proven yet) and metrics.c.
#ifndef QE_NODE_CPLANE_INTERNAL_H
#define QE_NODE_CPLANE_INTERNAL_H

#include "base/heap.h"
#include "base/table.h"
#include "base/time.h"
#include "discovery/node_record.h"
#include "identity/invitation.h"
#include "node/claims.h"
#include "node/cplane.h"
#include "node/exit.h"
#include "node/gateways.h"
#include "node/notices.h"
#include "node/snapshot.h"
#include "session/session.h"
#include "wire/wire.h"

#define CPLANE_TICKET_SIZE_MAX 8192
#define CPLANE_LINKS_MAX       64
#define CPLANE_LINK_ADDRESSES  8
#define CPLANE_COMMANDS_MAX    64
#define CPLANE_OWED_MAX        16
#define CPLANE_PING_TIMEOUT_NS (5 * QE_NS_PER_S)
// "ticket/" or "peer/", and an ID.
#define CPLANE_KEY_SIZE (8 + QE_NODE_ID_TEXT_SIZE)
// The nodes of the DHT to begin with next time.
#define CPLANE_DHT_KEY "dht/nodes"
// Host names of bootstrap nodes: this and their place in the configuration.
#define CPLANE_REQUEST_RESOLVE UINT64_C(256)

// Peers in all; those beyond are not taken in.
#define CPLANE_PEERS_MAX 16384

// Why a peer may connect, as bits.
enum cplane_why {
    CPLANE_WHY_CONFIG = 1,
    CPLANE_WHY_MEMBER = 2,   // of this node's private network, as its record says
    CPLANE_WHY_PROVEN = 4,   // likewise, as it has proven itself (proof.c)
    CPLANE_WHY_INVITER = 8,  // it invited this node
    CPLANE_WHY_GATEWAY = 16, // it relays for this node; by itself that lets no overlay packet go to it, or come from it
};

// How a peer is connected.
enum cplane_way { CPLANE_WAY_NONE, CPLANE_WAY_DIRECT, CPLANE_WAY_RELAYED };

// The lookup of a peer's record (seek.c).
struct cplane_seek {
    uint64_t at_ns;     // when to look for it; 0: not decided
    uint64_t operation; // under way; 0: none
    uint64_t asked_ns;  // the last time
    uint64_t issued_ms; // of the newest record; 0: none was found
    uint32_t lifetime_s;
    unsigned failures;
    bool wanted;             // packets wait
    uint64_t public_at_ns;   // when to look for it in the public DHT; 0: at once
    unsigned public_lookups; // there, in a row
};

// How the node crosses NATs to a peer (traversal.c).
struct cplane_crossing {
    struct qe_endpoint said[QE_NODE_RECORD_ENDPOINTS_MAX]; // where it is, as somebody says
    size_t said_count;
    uint64_t at_ns;        // when to try; QE_TIME_NEVER: while one attempt is under way, or there is no need
    uint64_t tried_ns;     // when the last attempt began; 0: none did
    uint64_t attempt;      // this node's own that is under way; 0: none
    unsigned failures;     // in a row
    bool wanted;           // packets wait
    bool unanswered;       // the last call was
    uint64_t search_at_ns; // its port is not searched for before
    unsigned searches;
    uint64_t called_ms;    // the time of the peer's last call, by its own clock
    uint64_t called_at_ns; // when it came; 0: none did
};

struct cplane_peer {
    uint32_t index;
    struct qe_node_id id;
    char name[QE_NAME_SIZE]; // "" for none
    unsigned why;            // 0: nobody allows it any more, and it leaves
    bool leaving;
    uint32_t told, forgot; // lanes, as bits: that are to forget it, and that have
    struct qe_session session;
    struct qe_timer timer;
    bool pinned; // the whole key is known
    struct qe_key key;
    struct qe_list circuits;     // that go by it (relay_internal.h)
    struct qe_list circuit_ends; // of this node, with it at the other end
    size_t circuit_count;
    uint32_t circuit_number;    // the last one that was used
    uint64_t circuits_asked_ns; // of those that are counted together
    unsigned circuits_asked;
    bool circuits_quiet;        // those that go by it have been told that nothing is heard of it
    uint8_t home;               // the lane that its packets belong to
    uint64_t published;         // the active path that its lane was told
    bool was_connected;         // as last logged
    enum cplane_way way;        // as last traced
    uint64_t relayed_by;        // the relayed path that carries its packets; 0: none does
    uint64_t last_connected_ns; // when it last became so
    uint64_t session_id;        // ours for the session with it
    bool said_hello; // addresses are what it said, as far as it may have them; before that, what its ID gives
    struct qe_ip addresses[QE_HELLO_ADDRESSES_MAX];
    size_t address_count;
    struct qe_ip said[QE_HELLO_ADDRESSES_MAX]; // what it said, whether it may have it or not
    size_t said_count;
    struct qe_ip announced[4]; // overlay addresses, as the DHT has them
    size_t announced_count;
    struct cplane_seek seek;
    struct cplane_crossing *crossing; // NULL: nobody has said where it is
    // As its record says; none was found: 0.
    uint8_t role;
    uint32_t capabilities;
    struct qe_node_id gateways[4];
    size_t gateway_count;
    struct cplane_detour *detour;   // NULL: it is reached directly, or nobody tries
    char said_name[QE_NAME_SIZE];   // how it calls itself; "" for not at all
    uint64_t claims_boot;           // the boot that it said claims in, and
    uint64_t claims_number;         // which of them were the last; 0: it said none
    bool has_subnets;               // it claims networks
    bool doubted;                   // it is there, and has not said so itself
    enum qe_session_state standing; // of its session, as of when owners of networks were last chosen
    uint64_t rtt_us;                // of its newest path, when that opened; 0: not known
    uint8_t *ticket;                // for the next dialling; NULL: none
    size_t ticket_size;
    bool ticket_stored;
    struct qe_addr stored_addr; // as in the state
    bool stored_proven;         // likewise, that it is a member
};

// Where those who are invited find this node (rendezvous.c).
struct cplane_meeting {
    uint64_t at_ns;      // when to say it again
    uint64_t seq;        // the highest one used
    uint64_t generation; // of what was said last
    unsigned failures;
    bool running;
};

// An invitation that this node has made (invite.c).
struct cplane_invite {
    uint64_t number;     // unique in the life of the node
    uint8_t mac[32];     // of the token
    uint8_t seed[32];    // qe_invitation_rendezvous
    uint64_t expires_ms; // unix time
    uint32_t uses_left;
    struct qe_node_id *taken; // who redeemed it
    size_t taken_count;
    struct cplane_meeting meeting;
};

// An invitation that this node redeems (join.c).
struct cplane_join {
    bool active;
    struct qe_invitation invitation; // where active
    struct qe_node_id inviter;
    char error[96]; // why the last one could not be redeemed; "" for none
};

// A connection's control stream, while the connection lives.
struct cplane_path {
    uint64_t id;
    struct cplane_peer *peer; // NULL: a stranger
    uint8_t lane;
    bool open;    // proven fresh: hello may be acted on
    bool refused; // on its way out: nothing opens it any more
    bool gated;   // its lane hears nothing but the control stream yet
    bool waiting; // for a proof of membership, until its timer is due
    bool proof_said;
    bool proof_held; // the other side's came before this node could tell whether it is right
    uint8_t held[32];
    bool join_seen;   // it has shown an invitation; one is enough
    bool join_said;   // this node has
    bool welcome_due; // the network's secret is to be handed over
    bool exported;
    uint8_t exporter[QE_EXPORT_SIZE]; // where exported
    struct qe_key key;                // of the node behind it
    struct qe_conn_info info;         // as it was when that was known
    struct qe_timer timer;            // in the heap of proofs
    bool greeted;
    bool has_hello;
    struct qe_hello hello;
    struct qe_claims *claims; // said before it was open; NULL: none
    uint64_t claims_since_ns; // of those that are counted together
    unsigned claims_count;
    struct qe_mail *close; // CLOSE, made ahead; NULL: sent
    size_t size;           // bytes in `bytes`
    uint8_t bytes[2 + QE_MESSAGE_SIZE_MAX];
};

struct cplane_link {
    uint32_t interface;
    char name[16];
    struct qe_cidr addresses[CPLANE_LINK_ADDRESSES];
    size_t address_count;
    bool up;
    bool overlap_told; // that its network shares addresses with the overlay
};

struct cplane_socket {
    struct qe_addr bound; // family 0: not bound
    bool answered;
};

// A command that waits for lanes or for a peer.
struct cplane_command {
    uint64_t id; // of the command; meaningless where cookie is 0
    uint64_t cookie;
    enum qe_command_verb verb;
    unsigned lanes_left;    // reports still to come
    struct qe_list letters; // REPORT_PATH and REPORT_PEER
    struct qe_counters counters;
    struct qe_quic_stats quic;
    uint32_t peer;    // PING
    char *sought;     // PING: who is to be found or reached first; NULL: the echo is on its way
    uint64_t look_ns; // where sought: when to look again
    uint64_t begun_ns;
};

// What lanes could not be told for want of memory is tried again after this.
#define CPLANE_RETRY_NS (100 * QE_NS_PER_MS)

// How long connections lasted, as a cumulative histogram.
#define CPLANE_DURATIONS 6
extern const uint64_t cplane_duration_bounds_s[CPLANE_DURATIONS];

struct cplane_action {
    struct qe_list link;
    struct qe_action action;
    char bytes[]; // what the action points at
};

struct qe_cplane {
    struct qe_cplane_options options;
    const struct qe_host *host;
    const struct qe_mem *mem;
    struct qe_config *config; // the node's own, which SET changes
    uint64_t now_ns, wall_ms, started_ns;
    struct qe_node_id self;
    uint64_t boot_epoch;
    struct qe_cidr own[2]; // IPv4, IPv6
    struct cplane_claims claims;
    struct cplane_peer **peers; // by index; NULL: free
    size_t peer_slots, peer_capacity;
    struct cplane_peer **by_id; // in the order of their IDs, without those that leave
    size_t peer_count, leaving_count;
    struct qe_table *paths;    // of cplane_path, by ID
    struct qe_table *circuits; // of cplane_circuit (relay_internal.h)
    uint64_t circuits_due_ns;
    uint64_t path_sequence;
    struct qe_heap timers;
    struct qe_heap proofs; // of paths that wait for one
    struct cplane_invite *invites;
    size_t invite_count, invite_capacity, welcomes_due;
    uint64_t invite_sequence;
    struct cplane_join join;
    bool member;           // of a private network
    uint8_t network_id[8]; // where member
    struct cplane_socket sockets[QE_CONFIG_LISTEN_MAX];
    bool tun_up, up;
    uint64_t generation;  // of the snapshot
    bool snapshot_due;    // peers came or went since
    bool begun;           // START has come
    bool unpublished;     // a lane lacks the newest snapshot
    uint64_t retry_at_ns; // QE_TIME_NEVER: nothing is owed to a lane
    struct cplane_link links[CPLANE_LINKS_MAX];
    size_t link_count;
    struct cplane_command commands[CPLANE_COMMANDS_MAX];
    size_t waiting_commands;
    uint64_t owed[CPLANE_OWED_MAX]; // commands whose answers found no memory
    size_t owed_count;
    uint64_t cookie;
    struct qe_list actions;
    struct cplane_action *current; // the one handed out last
    struct qe_counters counters;
    uint64_t durations[CPLANE_DURATIONS + 1], duration_sum_s, duration_count;
    struct cplane_discovery *discovery;
    struct cplane_traversal *traversal;
    struct cplane_gateways gateways;
    struct cplane_portmaps *portmaps; // portmap.c; NULL: none was wanted yet
    struct cplane_exit exit;
    struct cplane_notice *notices; // CPLANE_NOTICES_MAX; NULL: none was told yet
    bool stopping;
    char failure[192]; // "" for none
};

// cplane.c
void cplane_trace(struct qe_cplane *c, const char *name, const struct cplane_peer *peer, uint64_t a, uint64_t b);
// Queues an action with room for `size` bytes; NULL (counted) without memory.
struct cplane_action *cplane_act(struct qe_cplane *c, enum qe_action_kind kind, size_t size);
void cplane_log(struct qe_cplane *c, enum qe_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void cplane_fail(struct qe_cplane *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct qe_mail *cplane_post(struct qe_cplane *c, uint8_t lane, enum qe_mail_kind kind, const void *bytes, size_t size);
uint32_t cplane_random32(struct qe_cplane *c, enum qe_random purpose);
uint64_t cplane_random64(struct qe_cplane *c, enum qe_random purpose);
// The peer's name, or its ID; in a buffer of the caller's.
const char *cplane_peer_text(const struct cplane_peer *peer, char out[QE_NAME_SIZE]);

// peers.c
// The peer with that ID, made where there is none, which may connect for that reason too. `name`: NULL or "" for none.
// NULL without memory or room.
struct cplane_peer *cplane_peer_add(
    struct qe_cplane *c, const struct qe_node_id *id, const char *name, enum cplane_why why);
// NULL: there is none, or it leaves.
struct cplane_peer *cplane_peer_find(const struct qe_cplane *c, const struct qe_node_id *id);
// Takes a reason back. A peer without any is disconnected and forgotten: `peer` may be gone at the next letter.
void cplane_peer_disallow(struct qe_cplane *c, struct cplane_peer *peer, enum cplane_why why);
// Whether overlay packets may be exchanged with it.
static inline bool cplane_carries(const struct cplane_peer *peer)
{
    return (peer->why & ~(unsigned)CPLANE_WHY_GATEWAY) != 0;
}
// Tells lanes to forget those that leave.
void cplane_forget_leaving(struct qe_cplane *c);
void cplane_on_forgotten(struct qe_cplane *c, const struct qe_mail *mail);
void cplane_peer_free(struct qe_cplane *c, struct cplane_peer *peer);
int cplane_peers_init(struct qe_cplane *c);
void cplane_peers_fini(struct qe_cplane *c);

// peering.c
void cplane_peer_timer(struct qe_cplane *c, struct cplane_peer *peer);
// What the peer said while it was no more than a gateway counts from now on.
void cplane_peer_on_carries(struct qe_cplane *c, struct cplane_peer *peer);
// Does what the session's new state asks for.
void cplane_peer_refresh(struct qe_cplane *c, struct cplane_peer *peer);
// True: the letter is kept.
bool cplane_on_connected(struct qe_cplane *c, struct qe_mail *mail);
void cplane_on_confirmed(struct qe_cplane *c, struct qe_mail *mail);
void cplane_on_closed(struct qe_cplane *c, const struct qe_mail *mail);
void cplane_on_received(struct qe_cplane *c, const struct qe_mail *mail);
void cplane_on_moved(struct qe_cplane *c, const struct qe_mail *mail);
// Tells lanes what they could not be told.
void cplane_retry(struct qe_cplane *c);
void cplane_path_free(struct qe_cplane *c, struct cplane_path *path);
void cplane_goodbye(struct qe_cplane *c);

// Dials the peer through a circuit, from that lane: the path's ID, or 0 where it cannot begin.
uint64_t cplane_dial_inside(struct qe_cplane *c, struct cplane_peer *peer, const struct qe_addr *circuit, uint8_t lane);
void cplane_close_path(struct qe_cplane *c, uint64_t id, enum qe_close_code code);
// The node behind the path is its peer: the key is the one that the peer had before, if any.
void cplane_identify_peer(struct qe_cplane *c, struct cplane_path *path);
// Opens a path whose handshake is complete, once it may be.
void cplane_open_path(struct qe_cplane *c, struct cplane_path *path);

// proof.c
// Looks whether there is a network's secret.
void cplane_network_look(struct qe_cplane *c);
// Whether the peer's connections need no proof of membership.
bool cplane_trusts(const struct qe_cplane *c, const struct cplane_peer *peer);
// The handshake is complete: who is there is known.
void cplane_on_identified(struct qe_cplane *c, struct cplane_path *path, const struct qe_mail *mail);
void cplane_say_proof(struct qe_cplane *c, struct cplane_path *path);
// Whether the path may be opened now; where not, it has a while to prove itself.
bool cplane_may_open(struct qe_cplane *c, struct cplane_path *path);
void cplane_on_proof(struct qe_cplane *c, struct cplane_path *path, struct qe_span body);
void cplane_refuse(struct qe_cplane *c, struct cplane_path *path, enum qe_counter reason);
void cplane_proofs_expire(struct qe_cplane *c);

// publish.c
// Takes over what the peer claims as its overlay addresses, as far as it may.
void cplane_claim(struct qe_cplane *c, struct cplane_peer *peer, const struct qe_ip *said, size_t said_count);
// The same for what peers said before and could not have then. True where anything changed.
bool cplane_reclaim(struct qe_cplane *c, const struct cplane_peer *except);
// Builds a snapshot and posts it to every lane.
void cplane_publish(struct qe_cplane *c);

// discovery.c
int cplane_discovery_new(struct qe_cplane *c);
void cplane_discovery_free(struct qe_cplane *c);
// Sockets are bound: nodes can be asked.
void cplane_discovery_on_up(struct qe_cplane *c);
// True: the result was for it.
bool cplane_discovery_on_result(struct qe_cplane *c, const struct qe_result *result);
bool cplane_discovery_load(struct qe_cplane *c, const char *key, struct qe_span value);
// This node's addresses, on the underlay or in the overlay, or what lies behind it, changed.
void cplane_discovery_on_addresses(struct qe_cplane *c);
// A peer is there: it is a node to ask, too.
void cplane_discovery_on_connected(struct qe_cplane *c, const struct qe_node_id *id, const struct qe_addr *at);
// The peer's session is in another state, maybe.
void cplane_discovery_on_peer(struct qe_cplane *c, struct cplane_peer *peer);
// An address to begin with, from an invitation.
void cplane_discovery_begin_with(struct qe_cplane *c, const struct qe_addr *addr);
// There is another invitation.
void cplane_discovery_on_invited(struct qe_cplane *c);
// This node begins to redeem an invitation.
void cplane_discovery_on_join(struct qe_cplane *c);
// Adds where this node can be reached, in at most that many places, and nodes to begin with.
void cplane_invitation_places(struct qe_cplane *c, struct qe_invitation *invitation, size_t own_max);
// Packets wait for a peer that is not connected.
// Looks the peer up now, connected or not.
void cplane_discovery_seek(struct qe_cplane *c, struct cplane_peer *peer);
void cplane_discovery_on_wanted(struct qe_cplane *c, struct cplane_peer *peer);
// Packets wait for an overlay address that no peer has.
void cplane_discovery_on_unrouted(struct qe_cplane *c, const struct qe_ip *ip);
// This node became a member of a network, or left it.
void cplane_discovery_on_network(struct qe_cplane *c);
// The peer is about to be freed.
void cplane_discovery_forget(struct qe_cplane *c, struct cplane_peer *peer);
void cplane_discovery_on_stop(struct qe_cplane *c);
void cplane_discovery_expire(struct qe_cplane *c);
uint64_t cplane_discovery_deadline(const struct qe_cplane *c);
// claims.c
void cplane_claims_init(struct qe_cplane *c);
void cplane_claims_fini(struct qe_cplane *c);
// The TUN is there: the host hears what is to be forwarded and routed.
void cplane_claims_start(struct qe_cplane *c);
// Tells the peer on that path, or every peer, what this node claims, where the hello did not say it all.
void cplane_say_claims(struct qe_cplane *c, struct cplane_path *path);
void cplane_say_claims_to_all(struct qe_cplane *c);
// What a peer said, on a path that is open.
void cplane_claims_said(struct qe_cplane *c, struct cplane_path *path, const struct qe_claims *claims);
// What a peer's record in the DHT says, which holds for so long; less than what the peer itself says.
void cplane_claims_recorded(
    struct qe_cplane *c, struct cplane_peer *peer, const struct qe_cidr *subnets, size_t count, uint64_t lifetime_s);
// It began anew, or says nothing yet: what is known of its networks ends soon unless it repeats it.
void cplane_claims_doubt(struct qe_cplane *c, struct cplane_peer *peer);
// The peer's session may have changed.
void cplane_claims_on_session(struct qe_cplane *c, struct cplane_peer *peer);
void cplane_claims_forget(struct qe_cplane *c, const struct cplane_peer *peer);
// The host's own networks may have changed.
void cplane_claims_on_link(struct qe_cplane *c);
bool cplane_claims_on_result(struct qe_cplane *c, const struct qe_result *result);
// Judges all claims anew: what is asked for has changed.
void cplane_claims_decide(struct qe_cplane *c);
void cplane_claims_expire(struct qe_cplane *c);
uint64_t cplane_claims_deadline(const struct qe_cplane *c);

// own_claims.c
void cplane_own_claims_init(struct qe_cplane *c);
// A stored item; false where it is none of claims.
// An overlay address that lies in an underlay network of this host is given up.
void cplane_own_claims_on_link(struct qe_cplane *c);
bool cplane_own_claims_load(struct qe_cplane *c, const char *key, struct qe_span value);
void cplane_own_claims_expire(struct qe_cplane *c);
uint64_t cplane_own_claims_deadline(const struct qe_cplane *c);
// What that peer calls itself may be this node's name.
void cplane_own_claims_heard(struct qe_cplane *c, const struct cplane_peer *peer);
// What this node calls itself: its name, "" where it has none or has lost it to another.
const char *cplane_own_name(const struct qe_cplane *c);
// That peer says that it has this node's IPv4 address.
void cplane_own_claims_contest(struct qe_cplane *c, const struct cplane_peer *peer);

// witness.c
// Asks how long others have known peers' claims to networks.
void cplane_witness_expire(struct qe_cplane *c);
// When there is something to ask next, in seconds; INT64_MAX: never.
int64_t cplane_witness_deadline_s(const struct qe_cplane *c);

// names.c
// What is known of a name, or a node's ID as text, beside this node's own: its owner, and its overlay addresses, at
// most QE_HELLO_ADDRESSES_MAX. Where it is not known it is looked for: ask again.
enum cplane_name_found { CPLANE_NAME_FOUND, CPLANE_NAME_ABSENT, CPLANE_NAME_LATER };
enum cplane_name_found cplane_name_find(
    struct qe_cplane *c, const char *name, struct qe_node_id *owner, struct qe_ip *addresses, size_t *count);
// Tells of allowed names that nobody can have.
void cplane_names_warn(struct qe_cplane *c);
// The name that stands for an address: a peer's or this node's, or its ID as text. False: nobody is known to have it.
bool cplane_name_of(const struct qe_cplane *c, const struct qe_ip *ip, char out[QE_NAME_SIZE]);

// dns.c
// Opens the socket at the own address, or the one at the new address.
void cplane_dns_open(struct qe_cplane *c);
void cplane_dns_fini(struct qe_cplane *c);
bool cplane_dns_on_result(struct qe_cplane *c, const struct qe_result *result);
// Answers what has become known, and what waits no longer.
void cplane_dns_expire(struct qe_cplane *c);
uint64_t cplane_dns_deadline(const struct qe_cplane *c);
// The next answer to be sent. False where there is none, or no buffer.
bool cplane_dns_send(struct qe_cplane *c, struct qe_pool *pool, struct qe_action *action);

// subnet_routes.c
// Chooses which owner of each accepted network is used. True where that has changed.
bool cplane_choose_owners(struct qe_cplane *c);
// Tells the host which networks are routed here, where that has changed.
void cplane_tell_routes(struct qe_cplane *c);
// Adds the routes to accepted networks. False without memory.
bool cplane_add_subnets(const struct qe_cplane *c, struct qe_snapshot *snapshot);

// traversal.c
int cplane_traversal_new(struct qe_cplane *c);
void cplane_traversal_free(struct qe_cplane *c);
// Addresses at which the peer may be: whether it is there is found out before it is dialled.
void cplane_traversal_learn(
    struct qe_cplane *c, struct cplane_peer *peer, const struct qe_endpoint *list, size_t count);
// There is an address at which the peer was met, or may be.
bool cplane_knows_address(const struct cplane_peer *peer);
void cplane_traversal_on_wanted(struct qe_cplane *c, struct cplane_peer *peer);
// Nodes have answered that may pass a call on to the peer.
void cplane_traversal_on_looked_up(struct qe_cplane *c, struct cplane_peer *peer);
// The peer's session is in another state, maybe, or it is time to try.
void cplane_traversal_on_peer(struct qe_cplane *c, struct cplane_peer *peer);
uint64_t cplane_crossing_deadline(const struct cplane_peer *peer);
// The gateway by which the peer was reached is lost, and it is not connected directly.
void cplane_traversal_on_lost(struct qe_cplane *c, struct cplane_peer *peer);
// This node's addresses changed.
void cplane_traversal_on_network(struct qe_cplane *c);
// A connection has fallen silent: what is out of the ordinary ends.
void cplane_traversal_on_damage(struct qe_cplane *c);
// True: the result was for it.
bool cplane_traversal_on_result(struct qe_cplane *c, const struct qe_result *result);
// The socket from which the peer was found there, and its own address; 0: any will do.
uint32_t cplane_traversal_socket(const struct qe_cplane *c, const struct qe_addr *to, struct qe_addr *local);
void cplane_traversal_forget(struct qe_cplane *c, struct cplane_peer *peer);
void cplane_traversal_expire(struct qe_cplane *c);
uint64_t cplane_traversal_deadline(const struct qe_cplane *c);
// The next probe to be sent. False where there is none, or no buffer.
bool cplane_probe_send(struct qe_cplane *c, struct qe_pool *pool, struct qe_action *action);

// state.c
// False without memory.
bool cplane_store(struct qe_cplane *c, const char *key, const void *value, size_t size);
void cplane_erase(struct qe_cplane *c, const char *key);
void cplane_load(struct qe_cplane *c, const char *key, struct qe_span value);
void cplane_store_peer(struct qe_cplane *c, struct cplane_peer *peer, const struct qe_addr *addr);
void cplane_on_ticket(struct qe_cplane *c, struct cplane_peer *peer, struct qe_span ticket);
// Forgets the ticket, here and in the state: it has been used.
void cplane_spend_ticket(struct qe_cplane *c, struct cplane_peer *peer);

// report.c
void cplane_command(struct qe_cplane *c, const struct qe_command *command);
bool cplane_on_report(struct qe_cplane *c, struct qe_mail *mail);
void cplane_on_echo_reply(struct qe_cplane *c, const struct qe_mail *mail);
// Commands that waited too long.
void cplane_commands_expire(struct qe_cplane *c);
// Answers that could not be given.
void cplane_retry_replies(struct qe_cplane *c);
uint64_t cplane_commands_deadline(const struct qe_cplane *c);
void cplane_commands_drop(struct qe_cplane *c);
// What waits for the peer with that index waits no more.
void cplane_commands_forget(struct qe_cplane *c, uint32_t index);
uint64_t cplane_count_open(const struct qe_cplane *c);

#endif
