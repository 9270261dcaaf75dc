// A table that follows the kernel's. The kernel may drop messages when we are slow (ENOBUFS); then everything is asked
// for again, and what the new answer does not mention is gone.
#include "links.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGES_SIZE 32768

static struct qe_link *find(struct qe_links *links, uint32_t index)
{
    for (size_t i = 0; i < links->count; i++)
        if (links->list[i].index == index) return &links->list[i];
    return NULL;
}

static struct qe_link *find_or_add(struct qe_links *links, uint32_t index)
{
    struct qe_link *link = find(links, index);
    if (link) return link;
    link = find(links, 0);
    if (!link && links->count < QE_LINKS_MAX) link = &links->list[links->count++];
    if (!link) {
        links->dropped++;
        return NULL;
    }
    free(link->addresses);
    *link = (struct qe_link){.index = index};
    return link;
}

static int compare(const struct qe_cidr *a, const struct qe_cidr *b)
{
    int order = qe_ip_compare(&a->ip, &b->ip);
    return order ? order : (a->bits > b->bits) - (a->bits < b->bits);
}

static void add_address(struct qe_links *links, struct qe_link *link, const struct qe_cidr *address)
{
    if (!link->addresses) link->addresses = calloc(QE_LINK_ADDRESSES_MAX, sizeof *link->addresses);
    size_t at = 0;
    while (at < link->address_count && compare(&link->addresses[at], address) < 0)
        at++;
    if (at < link->address_count && compare(&link->addresses[at], address) == 0) return;
    if (!link->addresses || link->address_count == QE_LINK_ADDRESSES_MAX) {
        links->dropped++;
        return;
    }
    memmove(&link->addresses[at + 1], &link->addresses[at], (link->address_count - at) * sizeof *address);
    link->addresses[at] = *address;
    link->address_count++;
    link->changed = true;
}

static void remove_address(struct qe_link *link, const struct qe_cidr *address)
{
    for (size_t i = 0; i < link->address_count; i++) {
        if (compare(&link->addresses[i], address) != 0) continue;
        link->address_count--;
        memmove(&link->addresses[i], &link->addresses[i + 1], (link->address_count - i) * sizeof *address);
        link->changed = true;
        return;
    }
}

// libmnl's own loop over attributes does not stand -Wconversion.
static const struct nlattr *first(const struct nlmsghdr *message, size_t offset)
{
    return mnl_nlmsg_get_payload_offset(message, offset);
}

static bool valid(const struct nlmsghdr *message, const struct nlattr *attribute)
{
    const char *end = mnl_nlmsg_get_payload_tail(message);
    return mnl_attr_ok(attribute, (int)(end - (const char *)attribute));
}

static void on_link(struct qe_links *links, const struct nlmsghdr *message)
{
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
    // A bridge's view of its ports is about the bridge.
    if (info->ifi_family == AF_BRIDGE) return;
    uint32_t index = (uint32_t)info->ifi_index;
    if (index == 0) return;
    if (message->nlmsg_type == RTM_DELLINK) {
        struct qe_link *gone = find(links, index);
        if (!gone) return;
        gone->changed = gone->changed || gone->up || gone->address_count > 0;
        gone->up = gone->seen = false;
        gone->address_count = 0;
        if (!gone->changed) gone->index = 0;
        return;
    }
    struct qe_link *link = find_or_add(links, index);
    if (!link) return;
    link->seen = true;
    bool up = (info->ifi_flags & IFF_UP) && (info->ifi_flags & IFF_RUNNING);
    const char *name = "";
    const struct nlattr *attribute;
    for (attribute = first(message, sizeof *info); valid(message, attribute); attribute = mnl_attr_next(attribute))
        if (mnl_attr_get_type(attribute) == IFLA_IFNAME && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
            name = mnl_attr_get_str(attribute);
    if (link->up != up || strncmp(link->name, name, sizeof link->name) != 0) link->changed = true;
    link->up = up;
    snprintf(link->name, sizeof link->name, "%s", name);
}

static bool read_address(const struct nlmsghdr *message, struct qe_cidr *out, uint32_t *flags)
{
    const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
    size_t size = info->ifa_family == AF_INET ? 4 : info->ifa_family == AF_INET6 ? 16 : 0;
    const uint8_t *local = NULL, *address = NULL;
    *flags = info->ifa_flags;
    const struct nlattr *attribute;
    for (attribute = first(message, sizeof *info); valid(message, attribute); attribute = mnl_attr_next(attribute)) {
        uint16_t type = mnl_attr_get_type(attribute), payload = mnl_attr_get_payload_len(attribute);
        if (type == IFA_LOCAL && payload == size) local = mnl_attr_get_payload(attribute);
        if (type == IFA_ADDRESS && payload == size) address = mnl_attr_get_payload(attribute);
        if (type == IFA_FLAGS && payload == 4) *flags = mnl_attr_get_u32(attribute);
    }
    // On a point-to-point link IFA_ADDRESS is the other end.
    if (!local) local = address;
    if (size == 0 || !local || info->ifa_prefixlen > 8 * size) return false;
    *out = (struct qe_cidr){.bits = info->ifa_prefixlen};
    out->ip.family = size == 4 ? 4 : 6;
    memcpy(out->ip.bytes, local, size);
    return true;
}

static void on_address(struct qe_links *links, const struct nlmsghdr *message)
{
    const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
    struct qe_cidr address;
    uint32_t flags;
    struct qe_link *link = find(links, info->ifa_index);
    if (!link || !read_address(message, &address, &flags)) return;
    // A tentative address cannot be sent from yet; another message comes when it can (RFC 4862 §5.4).
    if (message->nlmsg_type == RTM_DELADDR || (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)))
        remove_address(link, &address);
    else
        add_address(links, link, &address);
}

static int on_message(const struct nlmsghdr *message, void *user)
{
    struct qe_links *links = user;
    switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        if (mnl_nlmsg_get_payload_len(message) >= sizeof(struct ifinfomsg)) on_link(links, message);
        break;
    case RTM_NEWADDR:
    case RTM_DELADDR:
        if (mnl_nlmsg_get_payload_len(message) >= sizeof(struct ifaddrmsg)) on_address(links, message);
        break;
    }
    return MNL_CB_OK;
}

// Reads once. 1: more may follow; 0: nothing left; -1: the kernel dropped messages. *done: a dump with our sequence
// number has ended.
static int receive(struct qe_links *links, bool wait, bool *done)
{
    _Alignas(struct nlmsghdr) char buffer[MESSAGES_SIZE];
    ssize_t size = recv(links->fd, buffer, sizeof buffer, wait ? 0 : MSG_DONTWAIT);
    if (size < 0) return errno == EINTR ? 1 : errno == ENOBUFS ? -1 : 0;
    int left = (int)size;
    for (const struct nlmsghdr *message = (const void *)buffer; mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left)) {
        bool ours = message->nlmsg_seq == links->sequence && message->nlmsg_pid == links->port;
        if (ours && (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR))
            *done = true;
        else
            on_message(message, links);
    }
    return 1;
}

static int dump(struct qe_links *links, uint16_t type)
{
    struct {
        struct nlmsghdr header;
        struct rtgenmsg body;
    } request = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtgenmsg)),
            .nlmsg_type = type,
            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
            .nlmsg_seq = ++links->sequence},
        .body = {.rtgen_family = AF_UNSPEC},
    };
    if (send(links->fd, &request, request.header.nlmsg_len, 0) < 0) return -1;
    for (bool done = false; !done;) {
        int result = receive(links, true, &done);
        if (result < 0) return 1;
        if (result == 0) return -1;
    }
    return 0;
}

// Both tables anew. What they do not mention is gone.
static void refresh(struct qe_links *links)
{
    // Asked again where the kernel loses messages even now; a machine on which that goes on is followed less exactly.
    for (int attempt = 0; attempt < 3; attempt++) {
        for (size_t i = 0; i < links->count; i++) {
            links->list[i].seen = false;
            links->list[i].changed = links->list[i].changed || links->list[i].address_count > 0;
            links->list[i].address_count = 0;
        }
        if (dump(links, RTM_GETLINK) == 0 && dump(links, RTM_GETADDR) == 0) break;
    }
    for (size_t i = 0; i < links->count; i++) {
        struct qe_link *link = &links->list[i];
        if (link->seen || link->index == 0) continue;
        link->up = false;
        link->changed = true;
    }
}

struct qe_links *qe_links_open(struct qe_fault *fault)
{
    struct qe_links *links = calloc(1, sizeof *links);
    if (!links) {
        qe_fault_set(fault, QE_EXIT_FAILED, "no memory");
        return NULL;
    }
    struct sockaddr_nl address = {
        .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
    socklen_t size = sizeof address;
    links->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (links->fd < 0 || bind(links->fd, (struct sockaddr *)&address, sizeof address) ||
        getsockname(links->fd, (struct sockaddr *)&address, &size)) {
        qe_fault_set(fault, QE_EXIT_FAILED, "netlink: %s", strerror(errno));
        qe_links_close(links);
        return NULL;
    }
    links->port = address.nl_pid;
    refresh(links);
    return links;
}

void qe_links_close(struct qe_links *links)
{
    if (!links) return;
    for (size_t i = 0; i < links->count; i++)
        free(links->list[i].addresses);
    if (links->fd >= 0) close(links->fd);
    free(links);
}

void qe_links_ignore(struct qe_links *links, uint32_t index)
{
    links->ignored_index = index;
}

void qe_links_ready(struct qe_links *links)
{
    bool done = false;
    int result;
    while ((result = receive(links, false, &done)) > 0) {
    }
    if (result < 0) refresh(links);
}

bool qe_links_next(struct qe_links *links, struct qe_link_event *event)
{
    for (size_t i = 0; i < links->count; i++) {
        struct qe_link *link = &links->list[i];
        if (!link->changed) continue;
        link->changed = false;
        uint32_t index = link->index;
        // Nothing left to say about it later: its place is free, and the event keeps its texts until the next call.
        if (!link->up && link->address_count == 0 && !link->seen) link->index = 0;
        if (index == links->ignored_index || index == 0) continue;
        *event = (struct qe_link_event){.interface = index,
            .name = link->name,
            .up = link->up,
            .addresses = link->addresses,
            .address_count = link->address_count};
        return true;
    }
    return false;
}
