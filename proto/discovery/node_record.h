// A node's record: where it can be reached, what it can do, and what lies behind it. It is the BEP 44 item under the
// node's own key, and the value of its entry in the index of its network. What its owner says is signed by the owner
// inside, so that it stands wherever the record is found, and sealed where there is a network to seal it for.
// docs/protocol.md has the bytes.
#ifndef QE_DISCOVERY_NODE_RECORD_H
#define QE_DISCOVERY_NODE_RECORD_H

#include "base/addr.h"
#include "base/bytes.h"
#include "identity/identity.h"
#include "node/host.h"

// A whole record as it is put into the DHT: then a reply with it stays under 1 KiB.
#define QE_NODE_RECORD_SIZE_MAX 450
// What is signed inside, with its signature. It is the value of an entry of the index as well.
#define QE_NODE_RECORD_INNER_MAX 375

#define QE_NODE_RECORD_ENDPOINTS_MAX 8
#define QE_NODE_RECORD_ADDRESSES_MAX 4
#define QE_NODE_RECORD_GATEWAYS_MAX  4
#define QE_NODE_RECORD_SUBNETS_MAX   8

// Clocks may differ by this much before a record is taken for an expired one.
#define QE_NODE_RECORD_SKEW_MS (UINT64_C(10) * 60 * 1000)

enum qe_endpoint_kind {
    QE_ENDPOINT_HOST = 1,  // an address of an interface of the node
    QE_ENDPOINT_REFLEXIVE, // what other nodes see it as
    QE_ENDPOINT_MAPPED,    // a port that a NAT granted
};

enum qe_node_role { QE_ROLE_NODE = 0, QE_ROLE_BOOTSTRAP, QE_ROLE_GATEWAY };

struct qe_endpoint {
    enum qe_endpoint_kind kind;
    struct qe_addr addr; // without a scope
};

struct qe_node_record {
    uint64_t issued_ms;  // unix time; the item's seq
    uint32_t lifetime_s; // it is void after issued_ms + lifetime_s
    uint8_t role;        // of a later version where it is none of enum qe_node_role
    uint32_t capabilities;
    struct qe_endpoint endpoints[QE_NODE_RECORD_ENDPOINTS_MAX]; // best first
    size_t endpoint_count;
    struct qe_ip addresses[QE_NODE_RECORD_ADDRESSES_MAX]; // in the overlay
    size_t address_count;
    struct qe_node_id gateways[QE_NODE_RECORD_GATEWAYS_MAX]; // through which it can be reached
    size_t gateway_count;
    struct qe_cidr subnets[QE_NODE_RECORD_SUBNETS_MAX];
    size_t subnet_count;
};

enum qe_node_record_fault {
    QE_NODE_RECORD_FINE,
    QE_NODE_RECORD_MALFORMED,
    QE_NODE_RECORD_SEALED, // for a network that this node is not a member of
    QE_NODE_RECORD_FORGED, // the owner did not sign it
};

// Writes the signed inside of the host's own record into `out` (QE_NODE_RECORD_INNER_MAX bytes). What does not fit is
// left out, the last of each list first. Its size, or 0 where the host does not sign.
size_t qe_node_record_write(const struct qe_node_record *record, const struct qe_host *host, uint8_t *out);
// Reads an inside that `owner` is to have signed.
enum qe_node_record_fault qe_node_record_read(
    struct qe_span inner, const struct qe_key *owner, struct qe_node_record *record);

// Writes the host's own record as a bencoded string, sealed for its network or open, into `out`
// (QE_NODE_RECORD_SIZE_MAX bytes). Its size, or 0 where the host does not sign or seal.
size_t qe_node_record_encode(
    const struct qe_node_record *record, bool sealed, const struct qe_host *host, uint8_t *out);
// Reads the value of the item that was found under `owner`. The item's signature is the DHT's affair.
enum qe_node_record_fault qe_node_record_decode(
    struct qe_span value, const struct qe_key *owner, const struct qe_host *host, struct qe_node_record *record);

bool qe_node_record_expired(const struct qe_node_record *record, uint64_t wall_ms);
// Whether the two say the same, but for when.
bool qe_node_record_same(const struct qe_node_record *a, const struct qe_node_record *b);

#endif
