#include "forward.h"

#include "nft.h"
#include "slot.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTING_SIZE 65536
#define TABLES_MAX   32

// The changes of a table's undo chain that are not in the list yet.
static void read_changes(unsigned slot, struct qe_forward_change *list, size_t *count, char listing[LISTING_SIZE])
{
    char command[96];
    snprintf(command, sizeof command, "list chain inet " QE_NFT_PREFIX "%u undo", slot);
    if (qe_nft_run(command, listing, LISTING_SIZE)) return;
    static const char before[] = "comment \"sysctl ";
    for (const char *at = listing; (at = strstr(at, before)) && *count < QE_FORWARD_CHANGES_MAX;) {
        struct qe_forward_change change;
        at += sizeof before - 1;
        if (sscanf(at, "%63s %d %d\"", change.name, &change.before, &change.after) != 3) continue;
        bool known = false;
        for (size_t i = 0; i < *count; i++)
            known = known || strcmp(list[i].name, change.name) == 0;
        if (!known) list[(*count)++] = change;
    }
}

// The slots that have tables. Returns how many.
static size_t list_tables(unsigned slots[TABLES_MAX], char listing[LISTING_SIZE])
{
    size_t count = 0;
    if (qe_nft_run("list tables inet", listing, LISTING_SIZE)) return 0;
    static const char before[] = "table inet " QE_NFT_PREFIX;
    for (const char *at = listing; (at = strstr(at, before)) && count < TABLES_MAX;) {
        char *end;
        at += sizeof before - 1;
        unsigned long slot = strtoul(at, &end, 10);
        if (end > at && slot < QE_SLOTS && (*end == '\n' || *end == '\0')) slots[count++] = (unsigned)slot;
    }
    return count;
}

// What other nodes on this host have changed and still need. Tables of nodes that are gone are not theirs.
static void read_others(unsigned slot, struct qe_forward_change *list, size_t *count, char listing[LISTING_SIZE])
{
    unsigned slots[TABLES_MAX];
    size_t tables = list_tables(slots, listing);
    for (size_t i = 0; i < tables; i++)
        if (slots[i] != slot && qe_slot_is_live(slots[i])) read_changes(slots[i], list, count, listing);
}

static const struct qe_forward_change *find(const struct qe_forward_change *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0) return &list[i];
    return NULL;
}

// Puts the settings back, but for those that were changed since, or that another node needs; then removes the table.
static void undo(unsigned slot, const struct qe_forward_change *changes, size_t count, char listing[LISTING_SIZE])
{
    struct qe_forward_change others[QE_FORWARD_CHANGES_MAX];
    size_t other_count = 0;
    if (count > 0) read_others(slot, others, &other_count, listing);
    for (size_t i = count; i-- > 0;) {
        if (find(others, other_count, changes[i].name)) continue;
        if (qe_sysctl_get(changes[i].name) == changes[i].after) qe_sysctl_set(changes[i].name, changes[i].before);
    }
    char command[96];
    snprintf(command, sizeof command, "delete table inet " QE_NFT_PREFIX "%u", slot);
    qe_nft_run(command, listing, LISTING_SIZE);
}

void qe_forward_begin(struct qe_forward *forward, const char *tun_name, uint32_t interface)
{
    unsigned slots[TABLES_MAX];
    char *listing = malloc(LISTING_SIZE);
    *forward = (struct qe_forward){.interface = interface, .slot = qe_slot(tun_name)};
    if (!listing) return;
    size_t tables = list_tables(slots, listing);
    for (size_t i = 0; i < tables; i++) {
        struct qe_forward_change changes[QE_FORWARD_CHANGES_MAX];
        size_t count = 0;
        if (slots[i] != forward->slot && qe_slot_is_live(slots[i])) continue;
        read_changes(slots[i], changes, &count, listing);
        undo(slots[i], changes, count, listing);
    }
    free(listing);
}

// Notes a setting that must become `after`. True where it has to be changed now; where another node did, it is noted,
// too.
static bool want(
    struct qe_forward *forward, const char *name, int after, const struct qe_forward_change *others, size_t other_count)
{
    int now = qe_sysctl_get(name);
    const struct qe_forward_change *other = find(others, other_count, name);
    if (find(forward->changes, forward->change_count, name)) return now != after;
    if (forward->change_count == QE_FORWARD_CHANGES_MAX || now < 0) return false;
    if (now == after && !other) return false;
    struct qe_forward_change *change = &forward->changes[forward->change_count++];
    snprintf(change->name, sizeof change->name, "%s", name);
    change->before = other ? other->before : now;
    change->after = after;
    return now != after;
}

// A router takes no router advertisements unless told to twice (Linux: accept_ra = 2): the host would lose its own
// default route.
static void want_advertisements(struct qe_forward *forward, const struct qe_forward_change *others, size_t other_count)
{
    struct if_nameindex *list = if_nameindex();
    if (!list) return;
    for (struct if_nameindex *at = list; at->if_name; at++) {
        char name[QE_SYSCTL_NAME_SIZE];
        if (at->if_index == forward->interface || strpbrk(at->if_name, "\"\\")) continue;
        snprintf(name, sizeof name, "ipv6/conf/%s/accept_ra", at->if_name);
        bool taken = find(others, other_count, name) || qe_sysctl_get(name) == 1;
        if (taken && strcmp(at->if_name, "lo") != 0) want(forward, name, 2, others, other_count);
    }
    if_freenameindex(list);
}

struct wanted {
    const struct qe_cidr *list;
    size_t count;
    bool masquerade;
    bool family[2];
};

static void write_set(FILE *out, const struct wanted *wanted, uint8_t family)
{
    const char *between = "{ ";
    for (size_t i = 0; i < wanted->count; i++) {
        char text[QE_ADDR_TEXT_SIZE];
        struct qe_cidr network = qe_cidr_network(wanted->list[i]);
        if (network.ip.family != family) continue;
        fprintf(out, "%s%s", between, qe_cidr_format(&network, text));
        between = ", ";
    }
    fputs(" }", out);
}

static void write_family(FILE *out, const struct qe_forward *forward, const struct wanted *wanted, uint8_t family)
{
    const char *ip = family == 4 ? "ip" : "ip6", *word = family == 4 ? "ipv4" : "ipv6";
    const char *setting = family == 4 ? "ipv4/ip_forward" : "ipv6/conf/all/forwarding";
    uint32_t tun = forward->interface;
    if (!wanted->family[family == 6]) {
        fprintf(out, "    meta nfproto %s iif %u drop\n", word, tun);
        return;
    }
    fprintf(out, "    iif %u %s daddr != ", tun, ip);
    write_set(out, wanted, family);
    fputs(" drop\n", out);
    if (wanted->masquerade)
        fprintf(out, "    meta nfproto %s oif %u ct state != { established, related } drop\n", word, tun);
    // This host was no router before.
    if (find(forward->changes, forward->change_count, setting))
        fprintf(out, "    meta nfproto %s iif != %u oif != %u drop\n", word, tun, tun);
}

// The table anew, in one transaction. NULL without memory.
static char *write_table(const struct qe_forward *forward, const struct wanted *wanted)
{
    char *text = NULL;
    size_t size;
    uint32_t tun = forward->interface;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    fprintf(
        out, "table inet " QE_NFT_PREFIX "%u\ndelete table inet " QE_NFT_PREFIX "%u\n", forward->slot, forward->slot);
    fprintf(out, "table inet " QE_NFT_PREFIX "%u {\n  chain undo {\n", forward->slot);
    for (size_t i = 0; i < forward->change_count; i++)
        fprintf(out, "    return comment \"sysctl %s %d %d\"\n", forward->changes[i].name, forward->changes[i].before,
            forward->changes[i].after);
    fputs("  }\n  chain forward {\n    type filter hook forward priority filter; policy accept;\n", out);
    write_family(out, forward, wanted, 4);
    write_family(out, forward, wanted, 6);
    fprintf(out, "    iif %u tcp flags syn tcp option maxseg size set rt mtu\n", tun);
    fprintf(out, "    oif %u tcp flags syn tcp option maxseg size set rt mtu\n  }\n", tun);
    if (wanted->masquerade) {
        fputs("  chain postrouting {\n    type nat hook postrouting priority srcnat; policy accept;\n", out);
        for (uint8_t family = 4; family <= 6; family += 2) {
            if (!wanted->family[family == 6]) continue;
            fprintf(out, "    iif %u oif != %u %s daddr ", tun, tun, family == 4 ? "ip" : "ip6");
            write_set(out, wanted, family);
            fputs(" masquerade\n", out);
        }
        fputs("  }\n", out);
    }
    fputs("}\n", out);
    if (fclose(out) == 0) return text;
    free(text);
    return NULL;
}

static int apply(struct qe_forward *forward, const struct wanted *wanted, char *listing, char *error)
{
    struct qe_forward_change others[QE_FORWARD_CHANGES_MAX];
    size_t other_count = 0;
    read_others(forward->slot, others, &other_count, listing);
    if (wanted->family[1]) {
        // Noted whether forwarding was on or not only where it goes on now: before that it takes them by itself.
        if (qe_sysctl_get("ipv6/conf/all/forwarding") == 0 || find(others, other_count, "ipv6/conf/all/forwarding"))
            want_advertisements(forward, others, other_count);
        want(forward, "ipv6/conf/all/forwarding", 1, others, other_count);
    }
    if (wanted->family[0]) want(forward, "ipv4/ip_forward", 1, others, other_count);
    char *table = write_table(forward, wanted);
    if (!table) {
        snprintf(error, QE_KERNEL_TEXT_SIZE, "no memory");
        return -1;
    }
    int result = qe_nft_run(table, listing, LISTING_SIZE);
    free(table);
    if (result) {
        snprintf(error, QE_KERNEL_TEXT_SIZE, "nftables: %.300s", listing);
        return -1;
    }
    forward->on = true;
    for (size_t i = 0; i < forward->change_count; i++) {
        const struct qe_forward_change *change = &forward->changes[i];
        if (qe_sysctl_get(change->name) == change->after || qe_sysctl_set(change->name, change->after) == 0) continue;
        snprintf(
            error, QE_KERNEL_TEXT_SIZE, "cannot set net/%s to %d: %s", change->name, change->after, strerror(errno));
        return -1;
    }
    return 0;
}

int qe_forward_set(struct qe_forward *forward, const struct qe_cidr *list, size_t count, bool masquerade,
    char error[QE_KERNEL_TEXT_SIZE])
{
    struct wanted wanted = {.list = list, .count = count, .masquerade = masquerade};
    for (size_t i = 0; i < count; i++)
        wanted.family[list[i].ip.family == 6] = true;
    if (count == 0) {
        qe_forward_end(forward);
        return 0;
    }
    char *listing = malloc(LISTING_SIZE);
    if (!listing) {
        snprintf(error, QE_KERNEL_TEXT_SIZE, "no memory");
        return -1;
    }
    int result = apply(forward, &wanted, listing, error);
    free(listing);
    if (result) qe_forward_end(forward);
    return result;
}

void qe_forward_end(struct qe_forward *forward)
{
    char *listing = malloc(LISTING_SIZE);
    if (listing && forward->on) undo(forward->slot, forward->changes, forward->change_count, listing);
    free(listing);
    forward->on = false;
    forward->change_count = 0;
}
