#include "node/underlay.h"

#include "node/cplane_internal.h"
#include "observe/json.h"

#include <stdio.h>

#define WARNING_SIZE 320

// The first network of the link that shares addresses with the overlay; NULL: none.
static const struct qe_cidr *overlapping(const struct qe_cplane *c, const struct cplane_link *link)
{
    if (!link->up || strcmp(link->name, c->config->tun_name) == 0) return NULL;
    for (size_t i = 0; i < link->address_count; i++)
        for (size_t j = 0; j < 2; j++)
            if (qe_cidr_overlaps(&link->addresses[i], &c->own[j])) return &link->addresses[i];
    return NULL;
}

static void describe(
    const struct qe_cplane *c, const struct cplane_link *link, const struct qe_cidr *address, char out[WARNING_SIZE])
{
    char network[QE_ADDR_TEXT_SIZE], overlay[QE_ADDR_TEXT_SIZE];
    const struct qe_cidr *own = &c->own[address->ip.family == 4 ? 0 : 1];
    struct qe_cidr underlay = qe_cidr_network(*address), range = qe_cidr_network(*own);
    const char *who = underlay.bits > range.bits
                          ? "peers with an overlay address in it are reached from here only by their other address"
                          : "hosts of the underlay in that range are not reached from here";
    snprintf(out, WARNING_SIZE, "the underlay network %s of %s shares addresses with the overlay (%s): %s",
        qe_cidr_format(&underlay, network), link->name, qe_cidr_format(&range, overlay), who);
}

void cplane_underlay_on_link(struct qe_cplane *c, struct cplane_link *link)
{
    char text[WARNING_SIZE];
    const struct qe_cidr *address = overlapping(c, link);
    bool was_told = link->overlap_told;
    link->overlap_told = address != NULL;
    if (!address || was_told) return;
    describe(c, link, address, text);
    cplane_log(c, QE_LOG_WARN, "%s", text);
}

bool cplane_underlay_has(const struct qe_cplane *c, const struct qe_ip *ip)
{
    for (size_t i = 0; i < c->link_count; i++) {
        const struct cplane_link *link = &c->links[i];
        if (!overlapping(c, link)) continue;
        for (size_t j = 0; j < link->address_count; j++) {
            const struct qe_cidr *address = &link->addresses[j];
            // In one that holds the whole overlay every address would be.
            if (address->bits > c->own[ip->family == 4 ? 0 : 1].bits && qe_cidr_contains(address, ip)) return true;
        }
    }
    return false;
}

void cplane_write_underlay_warnings(const struct qe_cplane *c, struct qe_json *json)
{
    for (size_t i = 0; i < c->link_count; i++) {
        char text[WARNING_SIZE];
        const struct qe_cidr *address = overlapping(c, &c->links[i]);
        if (!address) continue;
        describe(c, &c->links[i], address, text);
        qe_json_string(json, text);
    }
}
