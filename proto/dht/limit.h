// How much each address may ask. Two buckets an address (an IPv4 address, or an IPv6 /64): queries, and bytes of
// replies beyond three times their query. The second one holds over all addresses together, too.
#ifndef QE_DHT_LIMIT_H
#define QE_DHT_LIMIT_H

#include "base/addr.h"
#include "base/mem.h"

#define QE_DHT_LIMIT_QUERIES_S   32   // a second and address
#define QE_DHT_LIMIT_QUERIES_MAX 64   // at once
#define QE_DHT_LIMIT_SIGNAL      8    // a query that has something sent to somebody else counts as so many
#define QE_DHT_LIMIT_BYTES_S     2048 // beyond three times the query, a second and address
#define QE_DHT_LIMIT_BYTES_MAX   16384
#define QE_DHT_LIMIT_ALL_S       65536 // the same for all addresses together
#define QE_DHT_LIMIT_ALL_MAX     262144
#define QE_DHT_LIMIT_ADDRESSES   4096

struct qe_dht_limit;

// NULL without memory.
struct qe_dht_limit *qe_dht_limit_new(const struct qe_mem *mem, const uint8_t secret[16]);
void qe_dht_limit_free(struct qe_dht_limit *limit);
// One more query from that address: false where it is one too many. Loopback is without limits.
bool qe_dht_limit_query(struct qe_dht_limit *limit, const struct qe_ip *from, uint64_t now_ns);
// The query is to be passed on to somebody else: false where that is too much.
bool qe_dht_limit_signal(struct qe_dht_limit *limit, const struct qe_ip *from, uint64_t now_ns);
// How many bytes beyond three times the query a reply may have now.
size_t qe_dht_limit_bytes(struct qe_dht_limit *limit, const struct qe_ip *from, uint64_t now_ns);
// A reply had that many of them.
void qe_dht_limit_spend(struct qe_dht_limit *limit, const struct qe_ip *from, size_t bytes, uint64_t now_ns);
size_t qe_dht_limit_memory(const struct qe_dht_limit *limit);

#endif
