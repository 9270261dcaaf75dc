// Longest-prefix match over IPv4 and IPv6 (docs/architecture.md): a value under each prefix, 100,000 of them, looked up
// in tens of nanoseconds. Built by the control part, then only read by lanes.
#ifndef QE_ROUTE_ROUTE_H
#define QE_ROUTE_ROUTE_H

#include "base/addr.h"
#include "base/mem.h"

#include <stddef.h>
#include <stdint.h>

#define QE_ROUTE_NONE UINT32_MAX

struct qe_route_table;

struct qe_route_table *qe_route_table_new(const struct qe_mem *mem);
void qe_route_table_free(struct qe_route_table *table);
// Sets the value of a prefix (host bits are cleared), replacing another. 0, or -1 without memory. value <
// QE_ROUTE_NONE.
int qe_route_table_set(struct qe_route_table *table, const struct qe_cidr *prefix, uint32_t value);
// Removes a prefix; false where it was not there.
bool qe_route_table_remove(struct qe_route_table *table, const struct qe_cidr *prefix);
// The value of the longest prefix that contains `ip`, or QE_ROUTE_NONE.
uint32_t qe_route_table_lookup(const struct qe_route_table *table, const struct qe_ip *ip);
size_t qe_route_table_count(const struct qe_route_table *table);

#endif
