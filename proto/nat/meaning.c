#include "nat/meaning.h"

static const struct {
    const char *name, *text;
} words[] = {
    [QE_NAT_MEANS_UNKNOWN] = {"unknown", "Not known yet: it needs two other nodes of the DHT, and some seconds."},
    [QE_NAT_MEANS_BLOCKED] = {"blocked",
        "No UDP comes back from anywhere: this node reaches nobody from here. Have the "
        "network let UDP out, or use another one."},
    [QE_NAT_MEANS_ANYBODY] = {"anybody", "Others connect to this node directly, whatever NAT they are behind."},
    [QE_NAT_MEANS_EVERYONE] = {"everyone", "It connects directly with every other node, whatever NAT that is behind."},
    [QE_NAT_MEANS_MOST] = {"most",
        "It connects directly with most nodes. With one behind a NAT whose ports depend on the "
        "destination it searches for the port, or meets it through a gateway."},
    [QE_NAT_MEANS_FEW] = {"few",
        "Its ports depend on the destination: it connects directly with nodes that are not behind a "
        "strict NAT, with others through a gateway. A port that the router gives out (UPnP, NAT-PMP, PCP) "
        "or forwards would make it reachable for all."},
};

const char *qe_nat_meaning_name(enum qe_nat_meaning meaning)
{
    return words[meaning].name;
}

const char *qe_nat_meaning_text(enum qe_nat_meaning meaning)
{
    return words[meaning].text;
}

enum qe_nat_meaning qe_nat_meaning(const struct qe_nat_behaviour *behaviour, bool mapped, bool heard)
{
    if (mapped) return QE_NAT_MEANS_ANYBODY;
    if (behaviour->known_ns == 0 || behaviour->mapping == QE_NAT_UNKNOWN)
        return heard ? QE_NAT_MEANS_UNKNOWN : QE_NAT_MEANS_BLOCKED;
    if (qe_nat_is_open(behaviour)) return QE_NAT_MEANS_ANYBODY;
    if (behaviour->mapping != QE_NAT_INDEPENDENT) return QE_NAT_MEANS_FEW;
    // Filtering that is not known is taken for the strictest.
    return behaviour->filtering == QE_NAT_ADDRESS || behaviour->filtering == QE_NAT_INDEPENDENT ? QE_NAT_MEANS_EVERYONE
                                                                                                : QE_NAT_MEANS_MOST;
}
