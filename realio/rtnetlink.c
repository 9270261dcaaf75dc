#include "rtnetlink.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

// Room for a request and for its acknowledgement, which quotes it.
#define MESSAGE_SIZE 4096
// What the kernel puts into one message of a dump at most.
#define DUMP_SIZE 32768

struct qe_rtnetlink {
    struct mnl_socket *socket;
    unsigned sequence;
    struct nlmsghdr *header;
    _Alignas(struct nlmsghdr) char buffer[MESSAGE_SIZE];
};

struct qe_rtnetlink *qe_rtnetlink_open(void)
{
    struct qe_rtnetlink *netlink = calloc(1, sizeof *netlink);
    if (!netlink) return NULL;
    netlink->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (netlink->socket && mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) >= 0) return netlink;
    int error = errno;
    qe_rtnetlink_close(netlink);
    errno = error;
    return NULL;
}

void qe_rtnetlink_close(struct qe_rtnetlink *netlink)
{
    if (!netlink) return;
    if (netlink->socket) mnl_socket_close(netlink->socket);
    free(netlink);
}

void *qe_rtnetlink_begin(struct qe_rtnetlink *netlink, uint16_t type, uint16_t flags, size_t size)
{
    netlink->header = mnl_nlmsg_put_header(netlink->buffer);
    netlink->header->nlmsg_type = type;
    netlink->header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    netlink->header->nlmsg_seq = ++netlink->sequence;
    return mnl_nlmsg_put_extra_header(netlink->header, size);
}

struct nlmsghdr *qe_rtnetlink_header(struct qe_rtnetlink *netlink)
{
    return netlink->header;
}

static int talk(struct qe_rtnetlink *netlink, char *answer, size_t room, mnl_cb_t each, void *user)
{
    if (mnl_socket_sendto(netlink->socket, netlink->header, netlink->header->nlmsg_len) < 0) return errno;
    for (;;) {
        ssize_t size = mnl_socket_recvfrom(netlink->socket, answer, room);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return errno;
        int result =
            mnl_cb_run(answer, (size_t)size, netlink->sequence, mnl_socket_get_portid(netlink->socket), each, user);
        if (result < 0) return errno;
        if (result == MNL_CB_STOP) return 0;
    }
}

int qe_rtnetlink_commit(struct qe_rtnetlink *netlink)
{
    _Alignas(struct nlmsghdr) char answer[MESSAGE_SIZE];
    return talk(netlink, answer, sizeof answer, NULL, NULL);
}

int qe_rtnetlink_dump(struct qe_rtnetlink *netlink, mnl_cb_t each, void *user)
{
    _Alignas(struct nlmsghdr) char answer[DUMP_SIZE];
    netlink->header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    return talk(netlink, answer, sizeof answer, each, user);
}

int qe_rtnetlink_address(
    struct qe_rtnetlink *netlink, bool add, uint32_t interface, const struct qe_cidr *address, bool no_route)
{
    uint16_t flags = add ? NLM_F_CREATE | NLM_F_REPLACE : 0;
    struct ifaddrmsg *message = qe_rtnetlink_begin(netlink, add ? RTM_NEWADDR : RTM_DELADDR, flags, sizeof *message);
    uint32_t address_flags = (address->ip.family == 6 ? IFA_F_NODAD : 0) | (no_route ? IFA_F_NOPREFIXROUTE : 0);
    message->ifa_family = address->ip.family == 4 ? AF_INET : AF_INET6;
    message->ifa_prefixlen = address->bits;
    message->ifa_index = interface;
    mnl_attr_put(netlink->header, IFA_LOCAL, qe_ip_size(&address->ip), address->ip.bytes);
    if (address->ip.family == 4) mnl_attr_put(netlink->header, IFA_ADDRESS, 4, address->ip.bytes);
    if (add) mnl_attr_put_u32(netlink->header, IFA_FLAGS, address_flags);
    return qe_rtnetlink_commit(netlink);
}
