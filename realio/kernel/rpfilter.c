#include "rpfilter.h"

#include "sysctl.h"

#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define STRICT 1

static bool is_told(const struct qe_rpfilter *filter, uint32_t interface)
{
    for (size_t i = 0; i < filter->count; i++)
        if (filter->told[i] == interface) return true;
    return false;
}

// The larger of the two settings holds (Linux: ip-sysctl).
static bool is_strict(const char *interface)
{
    char name[QE_SYSCTL_NAME_SIZE];
    snprintf(name, sizeof name, "ipv4/conf/%s/rp_filter", interface);
    int all = qe_sysctl_get("ipv4/conf/all/rp_filter"), one = qe_sysctl_get(name);
    return (all > one ? all : one) == STRICT;
}

bool qe_rpfilter_next(struct qe_rpfilter *filter, uint32_t tun, char *line, size_t room)
{
    bool found = false;
    struct if_nameindex *list = if_nameindex();
    if (!list) return false;
    for (struct if_nameindex *at = list; at->if_name && !found; at++) {
        if (at->if_index == tun || strcmp(at->if_name, "lo") == 0 || is_told(filter, at->if_index)) continue;
        if (filter->count == QE_RPFILTER_TOLD_MAX || !is_strict(at->if_name)) continue;
        filter->told[filter->count++] = at->if_index;
        snprintf(line, room,
            "%s filters strictly by reverse path (rp_filter = 1): datagrams of a peer whose underlay address lies in a "
            "network reached through the overlay are dropped; sysctl -w net.ipv4.conf.%s.rp_filter=2 lets them in",
            at->if_name, at->if_name);
        found = true;
    }
    if_freenameindex(list);
    return found;
}
