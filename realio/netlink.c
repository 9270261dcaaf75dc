#include "netlink.h"

#include "rtnetlink.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

// Without it the kernel sends router solicitations and multicast reports into the TUN, which wake an idle daemon.
static int silence(struct qe_rtnetlink *netlink, const struct qe_netlink_tun *tun)
{
    struct ifinfomsg *link = qe_rtnetlink_begin(netlink, RTM_NEWLINK, 0, sizeof *link);
    struct nlmsghdr *header = qe_rtnetlink_header(netlink);
    link->ifi_index = (int)tun->index;
    struct nlattr *families = mnl_attr_nest_start(header, IFLA_AF_SPEC);
    struct nlattr *inet6 = mnl_attr_nest_start(header, AF_INET6);
    mnl_attr_put_u8(header, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(header, inet6);
    mnl_attr_nest_end(header, families);
    return qe_rtnetlink_commit(netlink);
}

static int set_link(struct qe_rtnetlink *netlink, const struct qe_netlink_tun *tun)
{
    struct ifinfomsg *link = qe_rtnetlink_begin(netlink, RTM_NEWLINK, 0, sizeof *link);
    struct nlmsghdr *header = qe_rtnetlink_header(netlink);
    link->ifi_index = (int)tun->index;
    link->ifi_flags = IFF_UP;
    link->ifi_change = IFF_UP | IFF_MULTICAST;
    mnl_attr_put_u32(header, IFLA_MTU, tun->mtu);
    mnl_attr_put_u32(header, IFLA_TXQLEN, QE_TUN_QUEUE_PACKETS);
    return qe_rtnetlink_commit(netlink);
}

static int refuse(struct qe_fault *fault, const char *name, const char *what, int error)
{
    return qe_fault_set(fault, QE_EXIT_TUN, "cannot %s %s: %s%s", what, name, strerror(error),
        error == EPERM ? ": run as root, or with CAP_NET_ADMIN" : "");
}

static int apply(struct qe_rtnetlink *netlink, const struct qe_netlink_tun *tun, bool *no_ipv6, struct qe_fault *fault)
{
    // Refused where there is no IPv6, which is as silent.
    silence(netlink, tun);
    int error = set_link(netlink, tun);
    if (error) return refuse(fault, tun->name, "bring up", error);
    for (size_t i = 0; i < tun->address_count; i++) {
        const struct qe_cidr *address = &tun->addresses[i];
        char text[QE_ADDR_TEXT_SIZE], what[QE_ADDR_TEXT_SIZE + 32];
        error = qe_rtnetlink_address(netlink, true, tun->index, address, false);
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
    *no_ipv6 = false;
    struct qe_rtnetlink *netlink = qe_rtnetlink_open();
    if (!netlink) return qe_fault_set(fault, QE_EXIT_TUN, "netlink: %s", strerror(errno));
    int result = apply(netlink, tun, no_ipv6, fault);
    qe_rtnetlink_close(netlink);
    return result;
}
