// UPnP IGD: anybody on the network may answer a search, with an address of anything; only a device that is described
// and controlled at the gateway itself is spoken to.
#include "portmap.h"

#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <miniupnpc/upnperrors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEARCH_MS 2000
#define PORTS_MAX 4
// UPnP-gw-WANIPConnection-v1 §2.4.16.
#define CONFLICT  718
#define PERMANENT 725

struct igd {
    struct UPNPUrls urls;
    struct IGDdatas data;
    char lan[64], wan[64];
};

static bool is_at(const char *url, const char *gateway)
{
    static const char scheme[] = "http://";
    size_t size = strlen(gateway);
    if (!url || strncmp(url, scheme, sizeof scheme - 1) != 0) return false;
    url += sizeof scheme - 1;
    return strncmp(url, gateway, size) == 0 && (url[size] == ':' || url[size] == '/');
}

static struct UPNPDev *keep_gateway(struct UPNPDev *list, const char *gateway)
{
    struct UPNPDev *kept = NULL, **end = &kept;
    while (list) {
        struct UPNPDev *next = list->pNext;
        list->pNext = NULL;
        if (is_at(list->descURL, gateway)) {
            *end = list;
            end = &list->pNext;
        } else {
            freeUPNPDevlist(list);
        }
        list = next;
    }
    return kept;
}

// Whether the one of last time is still there.
static bool find_again(struct igd *igd, const char *url, const char *gateway)
{
    if (!is_at(url, gateway) || !UPNP_GetIGDFromUrl(url, &igd->urls, &igd->data, igd->lan, sizeof igd->lan))
        return false;
    if (is_at(igd->urls.controlURL, gateway) && igd->data.first.servicetype[0]) return true;
    FreeUPNPUrls(&igd->urls);
    return false;
}

// Whether there is one that can be asked; then its URLs are to be freed.
static bool find(struct igd *igd, const char *url, const char *client, const char *gateway)
{
    int error = 0;
    if (url[0] && find_again(igd, url, gateway)) return true;
    struct UPNPDev *list = upnpDiscover(SEARCH_MS, client, NULL, UPNP_LOCAL_PORT_ANY, 0, 2, &error);
    list = keep_gateway(list, gateway);
    if (!list) return false;
#if MINIUPNPC_API_VERSION >= 18
    // 2: its address outside is a private one.
    int found = UPNP_GetValidIGD(list, &igd->urls, &igd->data, igd->lan, sizeof igd->lan, igd->wan, sizeof igd->wan);
    bool usable = found == 1 || found == 2;
#else
    int found = UPNP_GetValidIGD(list, &igd->urls, &igd->data, igd->lan, sizeof igd->lan);
    bool usable = found == 1;
#endif
    freeUPNPDevlist(list);
    if (usable && is_at(igd->urls.controlURL, gateway)) return true;
    if (found > 0) FreeUPNPUrls(&igd->urls);
    return false;
}

static int add(const struct igd *igd, uint16_t outside, uint16_t port, const char *client, uint32_t lifetime_s)
{
    char out[8], in[8], lease[16];
    snprintf(out, sizeof out, "%u", outside);
    snprintf(in, sizeof in, "%u", port);
    snprintf(lease, sizeof lease, "%u", lifetime_s);
    int result = UPNP_AddPortMapping(
        igd->urls.controlURL, igd->data.first.servicetype, out, in, client, "quicether", "UDP", NULL, lease);
    // It then stays until it is taken away, which the helper does; it is asked for again all the same.
    if (result == PERMANENT)
        result = UPNP_AddPortMapping(
            igd->urls.controlURL, igd->data.first.servicetype, out, in, client, "quicether", "UDP", NULL, "0");
    return result;
}

// The same port outside; where that is somebody else's, some others that follow from the nonce.
static int add_some(const struct igd *igd, const struct qe_portmap_job *job, const char *client, uint16_t *outside)
{
    const struct qe_port_request *wanted = &job->wanted;
    int result = CONFLICT;
    *outside = job->outside ? job->outside : wanted->port;
    for (unsigned i = 0; i < PORTS_MAX && result == CONFLICT; i++) {
        if (i > 0) *outside = (uint16_t)(1024 + qe_load16(wanted->nonce + 2 * i) % (65536 - 1024));
        result = add(igd, *outside, wanted->port, client, wanted->lifetime_s);
    }
    return result;
}

static void map(
    const struct igd *igd, const struct qe_portmap_job *job, const char *client, struct qe_portmap_outcome *outcome)
{
    char external[40] = "";
    uint16_t outside;
    struct qe_ip ip;
    int result = UPNP_GetExternalIPAddress(igd->urls.controlURL, igd->data.first.servicetype, external);
    bool known = result == 0 && qe_ip_parse(external, &ip) && ip.family == 4 && !qe_ip_is_unspecified(&ip);
    if (result == 0 && known) result = add_some(igd, job, client, &outside);
    if (result == 0 && known) {
        outcome->code = QE_RESULT_OK;
        outcome->protocol = QE_PORT_UPNP;
        outcome->outside = (struct qe_addr){ip, outside, 0};
        outcome->lifetime_s = job->wanted.lifetime_s;
        if (igd->urls.rootdescURL && strlen(igd->urls.rootdescURL) < sizeof outcome->url)
            snprintf(outcome->url, sizeof outcome->url, "%s", igd->urls.rootdescURL);
        return;
    }
    const char *why = result ? strupnperror(result) : "it has no address outside";
    size_t used = strlen(outcome->text);
    snprintf(outcome->text + used, sizeof outcome->text - used, "; UPnP: %s (%d)", why ? why : "refused", result);
}

void qe_portmap_ask_igd(
    const struct qe_portmap_job *job, const struct qe_ip *client, struct qe_portmap_outcome *outcome)
{
    char here[QE_ADDR_TEXT_SIZE], gateway[QE_ADDR_TEXT_SIZE], out[8];
    struct igd igd = {0};
    size_t used = strlen(outcome->text);
    if (!find(&igd, job->url, qe_ip_format(client, here), qe_ip_format(&outcome->gateway, gateway))) {
        snprintf(outcome->text + used, sizeof outcome->text - used, "; UPnP: no answer");
        return;
    }
    if (job->wanted.lifetime_s > 0) {
        map(&igd, job, here, outcome);
    } else {
        snprintf(out, sizeof out, "%u", job->outside);
        int result = UPNP_DeletePortMapping(igd.urls.controlURL, igd.data.first.servicetype, out, "UDP", NULL);
        outcome->code = result == 0 ? QE_RESULT_OK : QE_RESULT_REFUSED;
    }
    FreeUPNPUrls(&igd.urls);
}
