#include "routes.h"

#include "rules.h"
#include "slot.h"
#include "sysctl.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int compare(const void *a, const void *b)
{
    const struct qe_cidr *left = a, *right = b;
    int order = qe_ip_compare(&left->ip, &right->ip);
    return order ? order : (left->bits > right->bits) - (left->bits < right->bits);
}

static size_t family_index(const struct qe_cidr *cidr)
{
    return cidr->ip.family == 4 ? 0 : 1;
}

static int refuse(char error[QE_KERNEL_TEXT_SIZE], const char *what, const struct qe_cidr *cidr, int reason)
{
    char text[QE_ADDR_TEXT_SIZE];
    snprintf(error, QE_KERNEL_TEXT_SIZE, "%s %s: %s", what, qe_cidr_format(cidr, text), strerror(reason));
    return -1;
}

// A route of the node, in its table or in the main one: into the TUN, or RTN_THROW to the next rule. 0 or errno.
static int change(struct qe_routes *routes, bool add, const struct qe_cidr *cidr, uint32_t table, uint8_t protocol,
    unsigned char type)
{
    bool into_tun = type == RTN_UNICAST;
    struct qe_cidr network = qe_cidr_network(*cidr);
    uint16_t flags = add ? NLM_F_CREATE | NLM_F_REPLACE : 0;
    struct rtmsg *message =
        qe_rtnetlink_begin(routes->netlink, add ? RTM_NEWROUTE : RTM_DELROUTE, flags, sizeof *message);
    struct nlmsghdr *header = qe_rtnetlink_header(routes->netlink);
    message->rtm_family = network.ip.family == 4 ? AF_INET : AF_INET6;
    message->rtm_dst_len = network.bits;
    message->rtm_table = RT_TABLE_UNSPEC;
    message->rtm_protocol = protocol;
    message->rtm_scope = network.ip.family == 4 && into_tun ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    message->rtm_type = type;
    mnl_attr_put_u32(header, RTA_TABLE, table);
    if (network.bits > 0) mnl_attr_put(header, RTA_DST, qe_ip_size(&network.ip), network.ip.bytes);
    if (into_tun) mnl_attr_put_u32(header, RTA_OIF, routes->interface);
    int error = qe_rtnetlink_commit(routes->netlink);
    return !add && error == ESRCH ? 0 : error;
}

static int route(struct qe_routes *routes, bool add, const struct qe_cidr *cidr, uint32_t table, uint8_t protocol)
{
    return change(routes, add, cidr, table, protocol, RTN_UNICAST);
}

static struct qe_rule rule(const struct qe_routes *routes, size_t family, unsigned step)
{
    struct qe_rule rule = {.family = family == 0 ? 4 : 6,
        .priority = qe_slot_priority(routes->slot) + step,
        .table = step == 1 ? RT_TABLE_MAIN : qe_slot_table(routes->slot),
        .suppress_default = step < 2};
    return rule;
}

// The two rules that a default route needs, or none.
static int set_defaulted(struct qe_routes *routes, size_t family, bool wanted)
{
    if (routes->defaulted[family] == wanted) return 0;
    int error = 0;
    for (unsigned step = 1; step <= 2; step++) {
        struct qe_rule r = rule(routes, family, step);
        int result = wanted ? qe_rules_add(routes->netlink, &r) : qe_rules_delete(routes->netlink, &r);
        if (result) error = result;
    }
    routes->defaulted[family] = wanted;
    return error;
}

// The network of one of the TUN's addresses leaves the main table for ours.
static int lead(struct qe_routes *routes, const struct qe_cidr *address)
{
    if (!routes->ruled[family_index(address)]) return 0;
    int error = route(routes, true, address, qe_slot_table(routes->slot), QE_PROTOCOL);
    if (error) return error;
    return route(routes, false, address, RT_TABLE_MAIN, RTPROT_KERNEL);
}

int qe_routes_begin(struct qe_routes *routes, const char *name, uint32_t interface, const struct qe_cidr *addresses,
    size_t count, char error[QE_KERNEL_TEXT_SIZE])
{
    *routes = (struct qe_routes){.netlink = qe_rtnetlink_open(), .interface = interface, .slot = qe_slot(name)};
    if (!routes->netlink) {
        snprintf(error, QE_KERNEL_TEXT_SIZE, "netlink: %s", strerror(errno));
        return -1;
    }
    int result = 0;
    // Else the first address of a network takes the others along when it goes.
    char setting[QE_SYSCTL_NAME_SIZE];
    snprintf(setting, sizeof setting, "ipv4/conf/%s/promote_secondaries", name);
    qe_sysctl_set(setting, 1);
    qe_rules_clean(routes->netlink, routes->slot);
    for (size_t family = 0; family < 2; family++) {
        struct qe_rule first = rule(routes, family, 0);
        int refused = qe_rules_add(routes->netlink, &first);
        routes->ruled[family] = refused == 0;
        // A machine without IPv6 has no rules for it either.
        bool missing = family == 1 && (refused == EAFNOSUPPORT || refused == EOPNOTSUPP);
        if (!refused || missing) continue;
        snprintf(error, QE_KERNEL_TEXT_SIZE, "the kernel takes no routing rules: %s", strerror(refused));
        result = -1;
    }
    for (size_t i = 0; i < count && i < QE_ROUTES_ADDRESSES_MAX; i++) {
        routes->addresses[routes->address_count++] = addresses[i];
        int refused = lead(routes, &addresses[i]);
        // Where IPv6 is off, the TUN has no such address.
        if (refused && addresses[i].ip.family == 4) result = refuse(error, "the route to", &addresses[i], refused);
    }
    return result;
}

static bool has_address(const struct qe_cidr *list, size_t count, const struct qe_cidr *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (compare(&list[i], wanted) == 0) return true;
    return false;
}

// Whether another address of the list has the same network.
static bool has_network(const struct qe_cidr *list, size_t count, const struct qe_cidr *wanted)
{
    struct qe_cidr network = qe_cidr_network(*wanted);
    for (size_t i = 0; i < count; i++) {
        struct qe_cidr other = qe_cidr_network(list[i]);
        if (compare(&other, &network) == 0) return true;
    }
    return false;
}

// Old addresses may have taken others along, the last one all routes; and an old network may be a peer's, too.
static void restore(struct qe_routes *routes)
{
    for (size_t i = 0; i < routes->address_count; i++) {
        const struct qe_cidr *address = &routes->addresses[i];
        bool ruled = routes->ruled[family_index(address)];
        qe_rtnetlink_address(routes->netlink, true, routes->interface, address, ruled);
        lead(routes, address);
    }
    for (size_t i = 0; i < routes->count; i++)
        route(routes, true, &routes->list[i], qe_slot_table(routes->slot), QE_PROTOCOL);
}

int qe_routes_set_addresses(
    struct qe_routes *routes, const struct qe_cidr *list, size_t count, char error[QE_KERNEL_TEXT_SIZE])
{
    int result = 0;
    if (count > QE_ROUTES_ADDRESSES_MAX) {
        snprintf(error, QE_KERNEL_TEXT_SIZE, "%zu addresses: at most %d", count, QE_ROUTES_ADDRESSES_MAX);
        return -1;
    }
    // The new ones first, so that there is no moment without any.
    for (size_t i = 0; i < count; i++) {
        bool ruled = routes->ruled[family_index(&list[i])];
        if (has_address(routes->addresses, routes->address_count, &list[i])) continue;
        int refused = qe_rtnetlink_address(routes->netlink, true, routes->interface, &list[i], ruled);
        bool missing = list[i].ip.family == 6 && (refused == EACCES || refused == EAFNOSUPPORT);
        if (!refused) refused = lead(routes, &list[i]);
        if (refused && !missing) result = refuse(error, "the address", &list[i], refused);
    }
    for (size_t i = 0; i < routes->address_count; i++) {
        const struct qe_cidr *old = &routes->addresses[i];
        if (has_address(list, count, old)) continue;
        int refused = qe_rtnetlink_address(routes->netlink, false, routes->interface, old, false);
        if (!has_network(list, count, old)) route(routes, false, old, qe_slot_table(routes->slot), QE_PROTOCOL);
        if (refused && refused != EADDRNOTAVAIL && old->ip.family == 4)
            result = refuse(error, "the old address", old, refused);
    }
    if (count > 0) memcpy(routes->addresses, list, count * sizeof *list);
    routes->address_count = count;
    restore(routes);
    return result;
}

int qe_routes_set(struct qe_routes *routes, const struct qe_cidr *list, size_t count, char error[QE_KERNEL_TEXT_SIZE])
{
    int result = 0;
    struct qe_cidr *sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted) {
        snprintf(error, QE_KERNEL_TEXT_SIZE, "no memory");
        return -1;
    }
    bool defaulted[2] = {false, false};
    for (size_t i = 0; i < count; i++) {
        sorted[i] = qe_cidr_network(list[i]);
        if (sorted[i].bits == 0) defaulted[family_index(&sorted[i])] = true;
    }
    qsort(sorted, count, sizeof *sorted, compare);
    // Before the first route comes and after the last has gone: a default route without its rules is never used.
    for (size_t family = 0; family < 2; family++)
        if (defaulted[family]) set_defaulted(routes, family, true);
    size_t old = 0, kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && compare(&sorted[kept - 1], &sorted[i]) == 0) continue;
        while (old < routes->count && compare(&routes->list[old], &sorted[i]) < 0)
            route(routes, false, &routes->list[old++], qe_slot_table(routes->slot), QE_PROTOCOL);
        bool had = old < routes->count && compare(&routes->list[old], &sorted[i]) == 0;
        // Without a rule nobody looks into the table.
        int refused = !routes->ruled[family_index(&sorted[i])] ? EAFNOSUPPORT
                      : had                                    ? 0
                            : route(routes, true, &sorted[i], qe_slot_table(routes->slot), QE_PROTOCOL);
        old += had;
        if (refused)
            result = refuse(error, "the route to", &sorted[i], refused);
        else
            sorted[kept++] = sorted[i];
    }
    while (old < routes->count)
        route(routes, false, &routes->list[old++], qe_slot_table(routes->slot), QE_PROTOCOL);
    for (size_t family = 0; family < 2; family++)
        if (!defaulted[family]) set_defaulted(routes, family, false);
    free(routes->list);
    routes->list = sorted;
    routes->count = kept;
    // A peer's network may have been the overlay's own.
    for (size_t i = 0; i < routes->address_count; i++)
        lead(routes, &routes->addresses[i]);
    return result;
}

void qe_routes_set_beside(struct qe_routes *routes, const struct qe_cidr *list, size_t count)
{
    uint32_t table = qe_slot_table(routes->slot);
    if (count > QE_ROUTES_BESIDE_MAX) count = QE_ROUTES_BESIDE_MAX;
    for (size_t i = 0; i < routes->beside_count; i++)
        if (!has_address(list, count, &routes->beside[i]))
            change(routes, false, &routes->beside[i], table, QE_PROTOCOL, RTN_THROW);
    for (size_t i = 0; i < count; i++)
        if (routes->ruled[family_index(&list[i])]) change(routes, true, &list[i], table, QE_PROTOCOL, RTN_THROW);
    if (count > 0) memcpy(routes->beside, list, count * sizeof *list);
    routes->beside_count = count;
}

void qe_routes_end(struct qe_routes *routes)
{
    char error[QE_KERNEL_TEXT_SIZE];
    if (!routes->netlink) return;
    qe_routes_set(routes, NULL, 0, error);
    qe_routes_set_beside(routes, NULL, 0);
    for (size_t family = 0; family < 2; family++) {
        struct qe_rule first = rule(routes, family, 0);
        if (routes->ruled[family]) qe_rules_delete(routes->netlink, &first);
    }
    free(routes->list);
    qe_rtnetlink_close(routes->netlink);
    *routes = (struct qe_routes){0};
}
