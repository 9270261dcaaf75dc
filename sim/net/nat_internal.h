// What the files of the NAT share.
#ifndef QE_SIM_NAT_INTERNAL_H
#define QE_SIM_NAT_INTERNAL_H

#include "net/nat.h"

#include "base/bytes.h"
#include "base/heap.h"
#include "base/table.h"
#include "engine/random.h"

#define NAT_PORTS          65536
#define NAT_INSIDE_KEY     13
#define NAT_OUTSIDE_KEY    12
#define NAT_PERMISSION_KEY 15

enum nat_chance {
    NAT_CHANCE_PORT,
    NAT_CHANCE_ADDRESS,
    NAT_CHANCE_HASH,
};

// What ends by time. Its place in the heap may be earlier than its end: a refresh moves only the latter.
struct nat_entry {
    struct qe_timer timer;
    uint64_t end_ns;
    bool answered;
    bool is_mapping;
};

enum nat_kind {
    NAT_DYNAMIC,  // made by a datagram from inside
    NAT_EXPLICIT, // asked for
    NAT_FORWARD,  // configured
};

struct nat_block {
    uint32_t first;
    uint32_t used, next;
};

// An inside host that has mappings.
struct nat_host {
    uint32_t ip;
    size_t address; // where pooling is paired
    uint32_t mappings, explicit_count;
    struct nat_block *blocks;
    size_t block_count, block_capacity;
};

struct nat_mapping {
    struct nat_entry entry; // the first member
    uint64_t id;
    enum nat_kind kind;
    struct sim_endpoint inside, outside;
    struct sim_endpoint remote; // zero as far as the mapping does not depend on it
    size_t address;
    bool has_port; // the outside port is nobody else's
    uint8_t nonce[SIM_NAT_NONCE_SIZE];
    struct nat_host *host;
};

struct nat_permission {
    struct nat_entry entry; // the first member
    uint8_t key[NAT_PERMISSION_KEY];
};

struct nat_address {
    uint32_t ip;
    uint64_t taken[NAT_PORTS / 64];
    uint32_t taken_count;
    uint32_t next;
    uint8_t *blocks_taken;
};

struct sim_nat {
    const struct sim_nat_settings *settings;
    struct sim_stream ports, pool;
    struct nat_address *addresses;
    size_t address_count, address_now, address_next;
    uint32_t inside_base, inside_mask;
    struct qe_table *by_inside, *by_outside, *permissions, *hosts;
    struct qe_heap ends;
    uint64_t ids, boot_ns;
    size_t explicit_count; // and forwards: most NATs have none to look for
    struct sim_nat_counts counts;
};

// nat_table.c: mappings and permissions by key and by time.
void nat_tables_init(struct sim_nat *nat, uint64_t seed, const char *name);
void nat_tables_fini(struct sim_nat *nat);
void nat_expire(struct sim_nat *nat, uint64_t now_ns);
// Ends all that is there.
void nat_forget(struct sim_nat *nat);
struct nat_mapping *nat_find_explicit(const struct sim_nat *nat, struct sim_endpoint inside);
struct nat_mapping *nat_find_dynamic(const struct sim_nat *nat, struct sim_endpoint inside, struct sim_endpoint remote);
struct nat_mapping *nat_find_outside(
    const struct sim_nat *nat, struct sim_endpoint outside, struct sim_endpoint remote);
// Puts a mapping that has its endpoints into the tables, which have room.
void nat_add(struct sim_nat *nat, struct nat_mapping *mapping, uint64_t end_ns);
// A dynamic mapping of an endpoint becomes one that was asked for.
void nat_make_explicit(struct sim_nat *nat, struct nat_mapping *mapping, const uint8_t *nonce);
void nat_remove(struct sim_nat *nat, struct nat_mapping *mapping);
void nat_set_end(struct sim_nat *nat, struct nat_entry *entry, uint64_t end_ns);
bool nat_full(const struct sim_nat *nat);
struct nat_permission *nat_permission(
    struct sim_nat *nat, const struct nat_mapping *mapping, struct sim_endpoint remote, bool make);
// The part of a remote endpoint that something of this dependence looks at.
struct sim_endpoint nat_part(enum sim_dependence dependence, struct sim_endpoint remote);

// nat_ports.c: hosts, outside addresses and ports.
struct nat_host *nat_host(struct sim_nat *nat, uint32_t ip);
// Forgets the host where it has no mapping left.
void nat_release_host(struct sim_nat *nat, struct nat_host *host);
// Finds an outside endpoint for the mapping and takes it. wanted: the port that preservation would have. False: there
// is none.
bool nat_take_port(struct sim_nat *nat, struct nat_mapping *mapping, uint16_t wanted);
// Takes exactly this port of the host's address, in no block's account.
bool nat_take_this_port(struct sim_nat *nat, struct nat_mapping *mapping, size_t address, uint16_t port);
void nat_give_port(struct sim_nat *nat, struct nat_mapping *mapping);
size_t nat_choose_address(struct sim_nat *nat, uint32_t inside);

#endif
