// A network address translator for UDP over IPv4, with the behaviours that RFC 4787 names.
//
// It knows addresses and time and nothing of boxes and packets. *Inside* is what it hides, *outside* where its own
// addresses are seen. A mapping binds an inside endpoint (or a pair of it and a remote one, as mapping says) to an
// outside endpoint; a permission says from which remote endpoints a mapping takes packets (as filtering says). Both are
// found by hash, and both end when their time is over.
#ifndef QE_SIM_NAT_H
#define QE_SIM_NAT_H

#include "base/addr.h"
#include "net/pipe.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// RFC 4787 §4.1, §5.
enum sim_dependence {
    SIM_ENDPOINT_INDEPENDENT,
    SIM_ADDRESS_DEPENDENT,
    SIM_ADDRESS_AND_PORT_DEPENDENT,
};

// Which outside port a new mapping gets. RFC 4787 §4.2.1.
enum sim_nat_allocation {
    SIM_NAT_PRESERVE,   // the inside port, while it is free
    SIM_NAT_SEQUENTIAL, // the next one
    SIM_NAT_RANDOM,
    SIM_NAT_REFUSE, // only as what happens when preservation cannot be: no mapping
};

// A datagram from inside to an outside address of the NAT itself. RFC 4787 §6.
enum sim_nat_hairpin {
    SIM_NAT_HAIRPIN_NONE,
    SIM_NAT_HAIRPIN_EXTERNAL, // REQ-9: it shows the sender's outside endpoint
    SIM_NAT_HAIRPIN_INTERNAL, // it shows the sender's inside endpoint
};

// Which datagrams start a mapping's time anew. RFC 4787 §4.3.
enum sim_refresh {
    SIM_REFRESH_OUTBOUND,
    SIM_REFRESH_INBOUND,
    SIM_REFRESH_BOTH,
};

struct sim_endpoint {
    uint32_t ip; // host order
    uint16_t port;
};

// A mapping that is there always: outside port to inside endpoint.
struct sim_nat_forward {
    uint16_t port;
    struct sim_endpoint to;
};

struct sim_nat_settings {
    enum sim_dependence mapping, filtering;
    bool filter_by_endpoint; // permissions belong to the inside endpoint and not to one mapping of it
    enum sim_nat_allocation allocation;
    enum sim_nat_allocation collision; // instead of a port that cannot be preserved
    uint32_t step;                     // of sequential allocation
    uint16_t port_min, port_max;
    bool share_ports;        // mappings to different remote endpoints may have one outside port
    uint32_t block_ports;    // ports come in blocks of so many; 0: one by one
    uint32_t blocks_max;     // of one inside host
    bool blocks_computed;    // the inside address says which block (RFC 7422)
    uint32_t host_ports_max; // mappings of one inside host; 0: no limit of its own
    uint32_t mappings_max;   // and as many permissions
    bool pooling_arbitrary;  // an inside host has any outside address, not one while it has mappings
    bool renumber;           // one outside address at a time; a reboot moves on to the next
    enum sim_nat_hairpin hairpin;
    enum sim_refresh refresh;
    uint64_t timeout_ns;
    uint64_t unanswered_ns; // before the first datagram came back
    uint64_t filter_ns;     // of permissions
    uint64_t filter_unanswered_ns;
    struct sim_nat_forward *forwards;
    size_t forward_count;
};

struct sim_nat_counts {
    uint64_t mappings, mappings_peak;
    uint64_t created, expired, refused;
};

struct sim_nat;

// `settings` is borrowed; `name` is unique in the run and names the NAT's random stream. addresses: the outside ones,
// at least one. inside: the prefix from which computed blocks are counted.
struct sim_nat *sim_nat_new(const struct sim_nat_settings *settings, uint64_t seed, const char *name,
    const uint32_t *addresses, size_t address_count, const struct qe_cidr *inside);
void sim_nat_free(struct sim_nat *nat);

// Forgets everything but forwards.
void sim_nat_reboot(struct sim_nat *nat, uint64_t now_ns);
// Whether it is one of the outside addresses that are in use now.
bool sim_nat_owns(const struct sim_nat *nat, const struct qe_ip *ip);
const struct sim_nat_settings *sim_nat_settings(const struct sim_nat *nat);
const struct sim_nat_counts *sim_nat_counts(const struct sim_nat *nat);
// When it last started.
uint64_t sim_nat_boot_ns(const struct sim_nat *nat);

// Each rewrites what it must and returns true; or returns false and says why the datagram is dropped.
bool sim_nat_outbound(struct sim_nat *nat, uint64_t now_ns, struct qe_addr *source, const struct qe_addr *destination,
    enum sim_drop *why);
bool sim_nat_inbound(struct sim_nat *nat, uint64_t now_ns, const struct qe_addr *source, struct qe_addr *destination,
    enum sim_drop *why);
// From inside to an address that sim_nat_owns.
bool sim_nat_hairpin(
    struct sim_nat *nat, uint64_t now_ns, struct qe_addr *source, struct qe_addr *destination, enum sim_drop *why);
// The inside endpoint behind `outside` for what came of a datagram that went from there to `remote` (an ICMP error, RFC
// 5508 §4.2): nothing is refreshed. False where there is no mapping or the NAT would not take a datagram from `remote`.
bool sim_nat_error(struct sim_nat *nat, uint64_t now_ns, struct qe_addr *outside, const struct qe_addr *remote);

// The other way: the outside endpoint of `inside` for what came of a datagram that came there from `remote`.
bool sim_nat_error_out(struct sim_nat *nat, uint64_t now_ns, struct qe_addr *inside, const struct qe_addr *remote);

#define SIM_NAT_NONCE_SIZE 12

// An explicit mapping, as a port mapping protocol asks for it. It takes packets from everywhere and serves what the
// inside endpoint sends.
struct sim_nat_request {
    struct sim_endpoint inside;
    struct sim_endpoint suggested; // 0: none
    bool suggestion_binds;         // that one or none
    uint64_t lifetime_ns;
    uint8_t nonce[SIM_NAT_NONCE_SIZE]; // whose mapping it is
};

enum sim_nat_answer {
    SIM_NAT_GRANTED,
    SIM_NAT_NOT_YOURS, // there is one with another nonce, or a forward
    SIM_NAT_NO_PORT,   // or no room for another mapping
    SIM_NAT_NOT_THAT_PORT,
};

// Makes or renews one; *outside: where it is.
enum sim_nat_answer sim_nat_map(
    struct sim_nat *nat, uint64_t now_ns, const struct sim_nat_request *request, struct sim_endpoint *outside);
// Ends one; granted too where there is none.
enum sim_nat_answer sim_nat_unmap(struct sim_nat *nat, uint64_t now_ns, const struct sim_nat_request *request);
// Ends all of an inside address with that nonce.
void sim_nat_unmap_all(struct sim_nat *nat, uint64_t now_ns, uint32_t inside, const uint8_t *nonce);
// Explicit mappings that an inside address has now.
uint32_t sim_nat_explicit_count(struct sim_nat *nat, uint64_t now_ns, uint32_t inside);
bool sim_nat_has_explicit(struct sim_nat *nat, uint64_t now_ns, struct sim_endpoint inside);
// The outside address that an inside one has, or would get.
uint32_t sim_nat_address_of(const struct sim_nat *nat, uint32_t inside);

#endif
