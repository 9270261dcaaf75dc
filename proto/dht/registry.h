// Who is registered here, and at which address: whoever last proved that it receives there. A registration has an end
// unless it is renewed, and how many signals it gets has a limit.
#ifndef QE_DHT_REGISTRY_H
#define QE_DHT_REGISTRY_H

#include "base/addr.h"
#include "base/mem.h"
#include "identity/identity.h"

#define QE_DHT_REGISTRATIONS_MAX         4096
#define QE_DHT_REGISTRATIONS_ADDRESS_MAX 256 // of one address (IPv6: a /64): a carrier's NAT has many behind it
#define QE_DHT_CALLS_S                   4   // signals to one registered node, a second
#define QE_DHT_CALLS_MAX                 64  // at once

struct qe_dht_registry;

// Nothing is allocated before the first registration but the registry itself. NULL without memory.
struct qe_dht_registry *qe_dht_registry_new(const struct qe_mem *mem, const uint8_t secret[16]);
void qe_dht_registry_free(struct qe_dht_registry *registry);
// Registers or renews. False where there is no room.
bool qe_dht_registry_put(
    struct qe_dht_registry *registry, const struct qe_node_id *id, const struct qe_addr *addr, uint64_t now_ns);
// Where it is registered, of that family. False: nowhere.
bool qe_dht_registry_find(
    const struct qe_dht_registry *registry, const struct qe_node_id *id, uint8_t family, struct qe_addr *out);
// One more signal to it: false where it has had enough for now, or is not registered.
bool qe_dht_registry_call(
    struct qe_dht_registry *registry, const struct qe_node_id *id, uint8_t family, uint64_t now_ns);
// Those that were not renewed in time are forgotten.
void qe_dht_registry_expire(struct qe_dht_registry *registry, uint64_t now_ns);
uint64_t qe_dht_registry_deadline(const struct qe_dht_registry *registry);
size_t qe_dht_registry_count(const struct qe_dht_registry *registry);
size_t qe_dht_registry_memory(const struct qe_dht_registry *registry);

#endif
