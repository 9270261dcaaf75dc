// Ports at the NAT in front of the host: it asks the router on the interface's link as a real host's helper does, by
// PCP and NAT-PMP in datagrams over that link. UPnP IGD needs TCP and multicast, which the underlay does not have:
// where the router knows it, a while passes, and then the mapping is there. A router that answers none of them costs no
// datagram: the node is told at once what it would have heard after the last try.
#include "host/host.h"

#include "base/time.h"
#include "nat/port_client.h"
#include "net/middlebox.h"

#include <string.h>

#define ASKS_MAX   16
#define PORT_FIRST 29900 // of the machine, for the answers
#define UPNP_NS    (300 * QE_NS_PER_MS)

struct ask {
    uint64_t request; // 0: free
    uint16_t port;    // of the machine
    struct qe_port_client client;
    struct sim_middlebox *router;
    struct qe_addr server;
    uint64_t upnp_ns; // when UPnP has done it; QE_TIME_NEVER: it is not its turn
};

struct sim_port_asks {
    struct sim_source source; // the next thing to do
    struct sim_host *host;
    struct ask list[ASKS_MAX];
};

static void answer(struct sim_host *host, uint64_t request, enum qe_result_code code, const char *text)
{
    sim_host_answer(host, (struct sim_pending_result){.request = request, .code = code, .text = text});
}

// The router on the link, and its address there; *any: there is one at all, whether it gives out ports or not.
static struct sim_middlebox *find_router(const struct sim_interface *interface, struct qe_addr *server, bool *any)
{
    const struct sim_link *link = interface->link;
    *any = false;
    for (size_t i = 0; link && i < link->port_count; i++) {
        const struct sim_interface *there = link->ports[i].interface;
        struct sim_middlebox *m = there->box->middlebox;
        if (there == interface || !there->box->forwards) continue;
        *any = true;
        if (!m || !m->nat || !m->portmap || sim_middlebox_is_outside(m, there)) continue;
        for (size_t j = 0; j < there->address_count; j++) {
            if (there->addresses[j].ip.family != 4) continue;
            *server = (struct qe_addr){there->addresses[j].ip, SIM_PORTMAP_PORT, 0};
            return m;
        }
    }
    return NULL;
}

static void schedule(struct sim_port_asks *asks)
{
    uint64_t next = QE_TIME_NEVER;
    for (size_t i = 0; i < ASKS_MAX; i++) {
        if (asks->list[i].request == 0) continue;
        next = qe_time_min(next, qe_port_client_deadline(&asks->list[i].client));
        next = qe_time_min(next, asks->list[i].upnp_ns);
    }
    sim_engine_cancel(asks->host->hosts->engine, &asks->source);
    if (next != QE_TIME_NEVER) sim_engine_schedule(asks->host->hosts->engine, &asks->source, next);
}

static void granted(
    struct sim_host *host, struct ask *ask, const struct qe_addr *outside, uint32_t seconds, const char *by)
{
    sim_host_answer(
        host, (struct sim_pending_result){
                  .request = ask->request, .code = QE_RESULT_OK, .local = *outside, .lifetime_s = seconds, .text = by});
    ask->request = 0;
}

static void do_upnp(struct sim_host *host, struct ask *ask)
{
    const struct qe_port_request *request = &ask->client.request;
    struct sim_nat_request wanted = {.inside = {qe_ip4_to_u32(&request->client), request->port},
        .suggested = {0, request->port},
        .lifetime_ns = request->lifetime_s * QE_NS_PER_S};
    struct sim_endpoint outside;
    uint64_t now = host->hosts->engine->now_ns;
    bool good = !ask->router->rebooting && ask->router->portmap->policy == SIM_PORTMAP_GRANT;
    if (good && request->lifetime_s == 0)
        good = sim_nat_unmap(ask->router->nat, now, &wanted) == SIM_NAT_GRANTED;
    else if (good)
        good = sim_nat_map(ask->router->nat, now, &wanted, &outside) == SIM_NAT_GRANTED;
    if (good && request->lifetime_s) {
        struct qe_addr addr = {qe_ip4_from_u32(outside.ip), outside.port, 0};
        granted(host, ask, &addr, request->lifetime_s, qe_port_protocol_name(QE_PORT_UPNP));
        return;
    }
    answer(host, ask->request, good ? QE_RESULT_OK : QE_RESULT_REFUSED, good ? NULL : "UPnP: refused");
    ask->request = 0;
}

static void settle(struct sim_host *host, struct ask *ask)
{
    const struct qe_port_client *client = &ask->client;
    if (client->state == QE_PORT_GRANTED) {
        granted(host, ask, &client->outside, client->lifetime_s, qe_port_protocol_name(client->protocol));
    } else if (client->state == QE_PORT_REFUSED && client->request.spoken[QE_PORT_UPNP]) {
        if (ask->upnp_ns == QE_TIME_NEVER) ask->upnp_ns = host->hosts->engine->now_ns + UPNP_NS;
        if (ask->upnp_ns <= host->hosts->engine->now_ns) do_upnp(host, ask);
    } else if (client->state == QE_PORT_REFUSED) {
        // Constant text, as results have; which code it was is in the trace of datagrams.
        answer(host, ask->request, QE_RESULT_REFUSED,
            client->text[0] == 'n' ? "no answer by PCP or NAT-PMP" : "the NAT refuses");
        ask->request = 0;
    }
}

static void drive(struct sim_host *host, struct ask *ask)
{
    uint8_t out[QE_PORT_DATAGRAM_SIZE];
    size_t size;
    const struct qe_addr from = {.port = ask->port};
    while ((size = qe_port_client_next(&ask->client, host->hosts->engine->now_ns, out)) > 0)
        sim_host_send_udp(host, &from, &ask->server, out, size);
    settle(host, ask);
}

static void occur(struct sim_source *source)
{
    struct sim_port_asks *asks = qe_container(source, struct sim_port_asks, source);
    for (size_t i = 0; i < ASKS_MAX; i++)
        if (asks->list[i].request) drive(asks->host, &asks->list[i]);
    schedule(asks);
    sim_host_wake(asks->host);
}

static struct ask *find_free(struct sim_host *host)
{
    if (!host->asks) {
        host->asks = sim_obtain(1, sizeof(*host->asks));
        host->asks->host = host;
        sim_source_init(&host->asks->source, SIM_PRIORITY_FLOW, occur);
    }
    for (size_t i = 0; i < ASKS_MAX; i++) {
        host->asks->list[i].port = (uint16_t)(PORT_FIRST + i);
        if (host->asks->list[i].request == 0) return &host->asks->list[i];
    }
    return NULL;
}

void sim_host_map_port(struct sim_host *host, const struct qe_map_port *wanted)
{
    const struct sim_interface *interface = NULL;
    struct qe_addr server;
    bool any = false;
    for (size_t i = 0; i < host->box.interface_count; i++)
        if (host->box.interfaces[i]->index == wanted->interface && !host->links_down[i])
            interface = host->box.interfaces[i];
    struct sim_middlebox *router = interface ? find_router(interface, &server, &any) : NULL;
    struct ask *ask = router ? find_free(host) : NULL;
    if (!ask) {
        answer(host, wanted->request, any ? QE_RESULT_REFUSED : QE_RESULT_UNAVAILABLE,
            any ? "no answer by PCP or NAT-PMP" : "no router on that interface");
        return;
    }
    const struct sim_portmap_settings *speaks = router->portmap;
    struct qe_port_request request = {.client = sim_box_source(&host->box, &server.ip, interface->index),
        .port = wanted->port,
        .lifetime_s = wanted->lifetime_s,
        .spoken = {true, true, speaks->upnp}};
    memcpy(request.nonce, host->id.bytes, sizeof(request.nonce));
    // A mapping ends by the protocol that made it.
    if (wanted->lifetime_s == 0) request.spoken[QE_PORT_PCP] = speaks->pcp;
    *ask = (struct ask){
        .request = wanted->request, .port = ask->port, .router = router, .server = server, .upnp_ns = QE_TIME_NEVER};
    qe_port_client_begin(&ask->client, &request, host->hosts->engine->now_ns);
    drive(host, ask);
    // The node is about to end: nothing comes back to it.
    if (wanted->lifetime_s == 0 && ask->request && speaks->upnp && !speaks->pcp && !speaks->nat_pmp) do_upnp(host, ask);
    schedule(host->asks);
}

bool sim_host_take_mapped(struct sim_host *host, const struct sim_packet *packet)
{
    size_t i = (size_t)packet->destination.port - PORT_FIRST;
    if (!host->asks || packet->destination.port < PORT_FIRST || i >= ASKS_MAX) return false;
    struct ask *ask = &host->asks->list[i];
    if (!ask->request || !qe_addr_equal(&packet->source, &ask->server)) return false;
    qe_port_client_take(&ask->client, qe_span(packet->bytes, packet->size), host->hosts->engine->now_ns);
    drive(host, ask);
    schedule(host->asks);
    sim_host_wake(host);
    return true;
}

void sim_host_forget_asks(struct sim_host *host)
{
    if (host->asks) sim_engine_cancel(host->hosts->engine, &host->asks->source);
    sim_release(host->asks);
    host->asks = NULL;
}
