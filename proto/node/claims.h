// What the control plane knows of claims: its own, and those of peers (route/subnets.h decides between them).
#ifndef QE_NODE_CLAIMS_H
#define QE_NODE_CLAIMS_H

#include "config/config.h"
#include "discovery/index.h"
#include "route/subnets.h"
#include "wire/wire.h"

// Requests to the host, beside those of cplane.c.
#define CPLANE_REQUEST_ROUTES    UINT64_C(2)
#define CPLANE_REQUEST_FORWARD   UINT64_C(3)
#define CPLANE_REQUEST_ADDRESSES UINT64_C(4)
#define CPLANE_REQUEST_DNS       UINT64_C(5)
#define CPLANE_REQUEST_DNS_OPEN  UINT64_C(6)
#define CPLANE_REQUEST_SPARE     UINT64_C(7)
#define CPLANE_REQUEST_OTHER     UINT64_C(8)

// Where the counter of the own IPv4 address is stored.
#define CPLANE_ADDRESS_KEY "overlay/address"

// What a peer said counts for so long after it was heard last.
#define CPLANE_CLAIMS_KEPT_S 3600
// What a peer does not repeat when it is back ends after this.
#define CPLANE_CLAIMS_DOUBTED_S 3
// Another owner of a network must be nearer by a quarter, and this, to take over from one that works.
#define CPLANE_NEARER_US 2000

// The longest key: a name.
#define OWN_CLAIM_KEY_MAX QE_NAME_SIZE
// Two addresses, a name, and networks.
#define OWN_CLAIMS_MAX (2 + 1 + QE_CONFIG_SUBNETS_MAX)

enum own_claim_state {
    OWN_CLAIMING, // it is being looked whether anybody else has it, or it is being written
    OWN_HELD,
    OWN_LOST, // another node has it
};

// Something that this node claims in the index.
struct own_claim {
    enum qe_index_kind kind;
    uint8_t key[OWN_CLAIM_KEY_MAX];
    size_t key_size;
    bool contested; // only one can have it, and who is older keeps it
    enum own_claim_state state;
    uint64_t operation; // under way; 0: none
    bool writes;        // the operation
    uint64_t at_ns;     // when to look or write next
    uint64_t write_at_ns;
    unsigned looks;      // since it was written first
    unsigned failures;   // in a row
    bool seen;           // it was looked up in this boot, and is this node's
    bool written;        // in this boot
    uint64_t written_ns; // last
    uint64_t seq;        // the highest one used
    int64_t since_s;     // it stands since then, as others say, in seconds of this node's clock; 0: nobody said
    bool has_other;      // `other` lost it to this node, or, where it is LOST, has it
    struct qe_node_id other;
};

// A question about how long others have known the claims to one network.
#define CPLANE_WITNESS_MAX 4
struct claim_witness {
    uint64_t operation; // 0: free
    bool network;
    struct qe_cidr subnet;
};

// A name that somebody asked for.
#define CPLANE_NAMES_MAX 64
struct cplane_name {
    char name[QE_NAME_SIZE]; // "": free
    uint64_t operation;      // 0: answered
    uint64_t until_ns;       // the answer holds
    bool network, found;
    struct qe_node_id owner; // where found, likewise
    struct qe_ip addresses[QE_HELLO_ADDRESSES_MAX];
    size_t address_count;
};

// Names are answered at the overlay's IPv4 address (dns/answer.h).
#define CPLANE_DNS_DOMAIN  "qe"
#define CPLANE_DNS_PORT    53
#define CPLANE_DNS_WAITING 16                   // queries that wait for the index to answer, and
#define CPLANE_DNS_WAIT_NS UINT64_C(2000000000) // for how long
#define CPLANE_DNS_QUERY   512
#define CPLANE_DNS_ANSWERS 16 // that wait for a buffer

enum cplane_dns_state {
    CPLANE_DNS_OFF,
    CPLANE_DNS_OPENING,
    CPLANE_DNS_SERVED, // the system's resolver does not know, or has not been asked yet
    CPLANE_DNS_ON,
};

struct cplane_dns_message {
    struct qe_addr remote; // whom it is from, or for
    uint64_t until_ns;     // a query that waits; 0: free
    size_t size;
    uint8_t bytes[CPLANE_DNS_QUERY];
};

struct cplane_dns {
    enum cplane_dns_state state;
    struct qe_addr server;
    char error[192];
    struct cplane_dns_message *waiting; // CPLANE_DNS_WAITING; NULL: none did yet
    size_t waiting_count;
    struct cplane_dns_message *answers; // a ring of CPLANE_DNS_ANSWERS; NULL likewise
    size_t answer_first, answer_count;
};

struct cplane_claims {
    struct qe_subnets subnets; // of peers
    uint64_t number;           // of the last change of what this node claims; 0: hello says it all
    struct qe_cidr *routes;    // as the host was told last
    size_t route_count, route_capacity;
    int64_t next_s; // when something expires or is to be decided; INT64_MAX: never
    struct own_claim own[OWN_CLAIMS_MAX];
    size_t own_count;
    bool in_network;          // the claims are made in a private network
    uint64_t own_at_ns;       // when one of them has something to do
    uint32_t address_counter; // of the own IPv4 address (qe_overlay_ip4)
    bool address_lost;        // a conflict took the address before it, which
    struct qe_ip lost_address;
    struct qe_node_id lost_to; // has now
    struct claim_witness witness[CPLANE_WITNESS_MAX];
    struct cplane_name names[CPLANE_NAMES_MAX];
    struct cplane_dns dns;
    bool names_answered;     // since anybody who waits for one looked
    char routes_error[192];  // why the host has no routes; "": it has
    char forward_error[192]; // why it does not forward
};

#endif
