#include "netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

// Room for a request and for its acknowledgement, which quotes it.
#define MESSAGE_SIZE 4096

struct request {
    struct mnl_socket *socket;
    unsigned sequence;
    struct nlmsghdr *header;
    _Alignas(struct nlmsghdr) char buffer[MESSAGE_SIZE];
};

static void *begin(struct request *request, uint16_t type, uint16_t flags, size_t size)
{
    request->header = mnl_nlmsg_put_header(request->buffer);
    request->header->nlmsg_type = type;
    request->header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    request->header->nlmsg_seq = ++request->sequence;
    return mnl_nlmsg_put_extra_header(request->header, size);
}

// 0, or the errno that the kernel answers with.
static int commit(struct request *request)
{
    if (mnl_socket_sendto(request->socket, request->header, request->header->nlmsg_len) < 0) return errno;
    for (;;) {
        char answer[MESSAGE_SIZE];
        ssize_t size = mnl_socket_recvfrom(request->socket, answer, sizeof answer);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return errno;
        int result =
            mnl_cb_run(answer, (size_t)size, request->sequence, mnl_socket_get_portid(request->socket), NULL, NULL);
        if (result < 0) return errno;
        if (result == MNL_CB_STOP) return 0;
    }
}

// Without it the kernel sends router solicitations and multicast reports into the TUN, which wake an idle daemon.
static int silence(struct request *request, const struct qe_netlink_tun *tun)
{
    struct ifinfomsg *link = begin(request, RTM_NEWLINK, 0, sizeof *link);
    link->ifi_index = (int)tun->index;
    struct nlattr *families = mnl_attr_nest_start(request->header, IFLA_AF_SPEC);
    struct nlattr *inet6 = mnl_attr_nest_start(request->header, AF_INET6);
    mnl_attr_put_u8(request->header, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(request->header, inet6);
    mnl_attr_nest_end(request->header, families);
    return commit(request);
}

static int set_link(struct request *request, const struct qe_netlink_tun *tun)
{
    struct ifinfomsg *link = begin(request, RTM_NEWLINK, 0, sizeof *link);
    link->ifi_index = (int)tun->index;
    link->ifi_flags = IFF_UP;
    link->ifi_change = IFF_UP | IFF_MULTICAST;
    mnl_attr_put_u32(request->header, IFLA_MTU, tun->mtu);
    mnl_attr_put_u32(request->header, IFLA_TXQLEN, QE_TUN_QUEUE_PACKETS);
    return commit(request);
}

static int add_address(struct request *request, const struct qe_netlink_tun *tun, const struct qe_cidr *address)
{
    struct ifaddrmsg *message = begin(request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof *message);
    message->ifa_family = address->ip.family == 4 ? AF_INET : AF_INET6;
    message->ifa_prefixlen = address->bits;
    message->ifa_index = tun->index;
    message->ifa_flags = address->ip.family == 6 ? IFA_F_NODAD : 0;
    mnl_attr_put(request->header, IFA_LOCAL, qe_ip_size(&address->ip), address->ip.bytes);
    if (address->ip.family == 4) mnl_attr_put(request->header, IFA_ADDRESS, 4, address->ip.bytes);
    return commit(request);
}

static int refuse(struct qe_fault *fault, const char *name, const char *what, int error)
{
    return qe_fault_set(fault, QE_EXIT_TUN, "cannot %s %s: %s%s", what, name, strerror(error),
        error == EPERM ? ": run as root, or with CAP_NET_ADMIN" : "");
}

static int apply(struct request *request, const struct qe_netlink_tun *tun, bool *no_ipv6, struct qe_fault *fault)
{
    // Refused where there is no IPv6, which is as silent.
    silence(request, tun);
    int error = set_link(request, tun);
    if (error) return refuse(fault, tun->name, "bring up", error);
    for (size_t i = 0; i < tun->address_count; i++) {
        const struct qe_cidr *address = &tun->addresses[i];
        char text[QE_ADDR_TEXT_SIZE], what[QE_ADDR_TEXT_SIZE + 32];
        error = add_address(request, tun, address);
        // EACCES: net.ipv6.conf.*.disable_ipv6; the others: a kernel without.
        bool missing = error == EACCES || error == EAFNOSUPPORT || error == EOPNOTSUPP || error == EINVAL;
        if (error && address->ip.family == 6 && missing) {
            *no_ipv6 = true;
        } else if (error) {
            strcpy(what, "add the address ");
            strcat(what, qe_cidr_format(address, text));
            strcat(what, " to");
            return refuse(fault, tun->name, what, error);
        }
    }
    return 0;
}

int qe_netlink_set_up_tun(const struct qe_netlink_tun *tun, bool *no_ipv6, struct qe_fault *fault)
{
    struct request *request = calloc(1, sizeof *request);
    if (!request) return qe_fault_set(fault, QE_EXIT_FAILED, "no memory");
    int result = -1;
    *no_ipv6 = false;
    request->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!request->socket || mnl_socket_bind(request->socket, 0, MNL_SOCKET_AUTOPID) < 0)
        qe_fault_set(fault, QE_EXIT_TUN, "netlink: %s", strerror(errno));
    else
        result = apply(request, tun, no_ipv6, fault);
    if (request->socket) mnl_socket_close(request->socket);
    free(request);
    return result;
}
