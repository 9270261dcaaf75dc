// One request for a port, in a process of its own: first the interface's gateway is looked up, then it is asked.
#include "portmap.h"

#include "base/time.h"
#include "loop.h"
#include "sockaddr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// The next hop of the interface's default route, the one of the lowest metric, in the kernel's table (proc(5)).
// family 0: it has none.
static struct qe_ip find_gateway(uint32_t interface)
{
    char line[256], name[IF_NAMESIZE], of[64];
    struct qe_ip found = {0};
    unsigned best = 0;
    FILE *routes = if_indextoname(interface, name) ? fopen("/proc/net/route", "re") : NULL;
    while (routes && fgets(line, sizeof line, routes)) {
        unsigned to, via, flags, metric, mask;
        if (sscanf(line, "%63s %x %x %x %*d %*d %u %x", of, &to, &via, &flags, &metric, &mask) != 6) continue;
        if (strcmp(of, name) != 0 || to != 0 || mask != 0 || !(flags & RTF_GATEWAY) || via == 0) continue;
        if (found.family && metric >= best) continue;
        best = metric;
        found = qe_ip4_from_u32(ntohl(via));
    }
    if (routes) fclose(routes);
    return found;
}

// A socket that hears the gateway's port alone; and this host's address on the way there.
static int open_socket(const struct qe_ip *gateway, struct qe_ip *client)
{
    union qe_sockaddr name;
    socklen_t size = qe_sockaddr_from(&(struct qe_addr){*gateway, QE_PORT_SERVER_PORT, 0}, &name);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    socklen_t got = sizeof name;
    if (connect(fd, &name.any, size) || getsockname(fd, &name.any, &got)) {
        close(fd);
        return -1;
    }
    *client = qe_sockaddr_to(&name).ip;
    return fd;
}

static void converse(struct qe_port_client *client, int fd)
{
    uint8_t out[QE_PORT_DATAGRAM_SIZE], in[QE_PORT_ANSWER_MAX + 1];
    while (client->state == QE_PORT_ASKING) {
        size_t size;
        while ((size = qe_port_client_next(client, qe_loop_now_ns(), out)) > 0)
            (void)!send(fd, out, size, MSG_NOSIGNAL);
        uint64_t now = qe_loop_now_ns(), until = qe_port_client_deadline(client);
        if (client->state != QE_PORT_ASKING) break;
        struct pollfd ready = {fd, POLLIN, 0};
        int wait_ms = until > now ? (int)((until - now) / QE_NS_PER_MS) + 1 : 0;
        if (poll(&ready, 1, wait_ms) <= 0) continue;
        // An error is an ICMP message: nobody is there, which the tries find out as well.
        ssize_t got = recv(fd, in, sizeof in, MSG_DONTWAIT);
        if (got >= 0) qe_port_client_take(client, qe_span(in, (size_t)got), qe_loop_now_ns());
    }
}

static void take_over(const struct qe_port_client *client, struct qe_portmap_outcome *outcome)
{
    outcome->has_epoch = client->spoke[QE_PORT_PCP] || client->spoke[QE_PORT_NAT_PMP];
    outcome->epoch_s = client->epoch_s;
    if (client->state == QE_PORT_GRANTED) {
        outcome->code = QE_RESULT_OK;
        outcome->protocol = client->protocol;
        outcome->outside = client->outside;
        outcome->lifetime_s = client->lifetime_s;
    } else {
        outcome->code = QE_RESULT_REFUSED;
        snprintf(outcome->text, sizeof outcome->text, "%s", client->text);
    }
}

void qe_portmap_ask(const struct qe_portmap_job *job, struct qe_portmap_outcome *outcome)
{
    struct qe_port_client client;
    struct qe_port_request request = job->wanted;
    outcome->code = QE_RESULT_UNAVAILABLE;
    outcome->gateway = find_gateway(job->interface);
    if (outcome->gateway.family == 0) {
        snprintf(outcome->text, sizeof outcome->text, "no gateway on that interface");
        return;
    }
    int fd = open_socket(&outcome->gateway, &request.client);
    if (fd < 0) {
        snprintf(outcome->text, sizeof outcome->text, "the gateway cannot be reached");
        return;
    }
    qe_port_client_begin(&client, &request, qe_loop_now_ns());
    converse(&client, fd);
    close(fd);
    take_over(&client, outcome);
    if (outcome->code != QE_RESULT_OK && request.spoken[QE_PORT_UPNP])
        qe_portmap_ask_igd(job, &request.client, outcome);
}
