// How a bucket's entries lie in memory: between table.c, which puts them there, and select.c, which reads them.
#ifndef QE_DHT_TABLE_INTERNAL_H
#define QE_DHT_TABLE_INTERNAL_H

#include "dht/table.h"

#include <string.h>

#define RTT_UNIT_US 64

enum {
    ANSWERED = 1, // a query of ours, at least once
    ASKED = 2,    // right now
};

// As it lies in a bucket: 40 bytes with an IPv4 address, 52 with one of IPv6.
struct qe_dht_entry {
    uint32_t heard_s;
    uint32_t since_s;
    uint16_t rtt; // in RTT_UNIT_US, 0: not known
    uint16_t port;
    uint8_t fails;
    uint8_t flags;
    uint8_t id[20];
    uint8_t ip[];
};

static inline size_t stride_of(const struct qe_dht_table *table)
{
    size_t align = _Alignof(struct qe_dht_entry);
    size_t size = offsetof(struct qe_dht_entry, ip) + (table->family == 4 ? 4 : 16);
    return (size + align - 1) / align * align;
}

static inline struct qe_dht_entry *slot(
    const struct qe_dht_table *table, const struct qe_dht_bucket *bucket, unsigned index)
{
    return (struct qe_dht_entry *)(void *)(bucket->slots + index * stride_of(table));
}

static inline struct qe_node_id entry_id(const struct qe_dht_entry *entry)
{
    struct qe_node_id id;
    memcpy(id.bytes, entry->id, sizeof id.bytes);
    return id;
}

static inline struct qe_dht_contact contact_of(const struct qe_dht_table *table, const struct qe_dht_entry *entry)
{
    struct qe_dht_contact contact = {.id = entry_id(entry), .addr = {.port = entry->port}};
    contact.addr.ip.family = table->family;
    memcpy(contact.addr.ip.bytes, entry->ip, table->family == 4 ? 4 : 16);
    return contact;
}

static inline struct qe_ip ip_of(const struct qe_dht_table *table, const struct qe_dht_entry *entry)
{
    struct qe_ip ip = {.family = table->family};
    memcpy(ip.bytes, entry->ip, table->family == 4 ? 4 : 16);
    return ip;
}

static inline bool is_bad(const struct qe_dht_entry *entry)
{
    return entry->fails >= QE_DHT_FAILS_BAD;
}

static inline bool is_good(const struct qe_dht_entry *entry, uint32_t now_s)
{
    return (entry->flags & ANSWERED) && entry->fails == 0 && now_s - entry->heard_s < QE_DHT_GOOD_S;
}

static inline unsigned used(const struct qe_dht_bucket *bucket)
{
    return (unsigned)bucket->count + bucket->spares;
}

#endif
