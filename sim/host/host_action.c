// What a node asks of its host, done in the simulator.
#include "host/host.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A buffer that came with an action is done with.
static void take_back(struct sim_host *host, struct qe_buf *buf)
{
    struct sim_hosts *hosts = host->hosts;
    bool input;
    if (!sim_buffers_held(buf, host, &input)) {
        hosts->violated(hosts->user, host, SIM_FAILURE_CONTRACT, "an action has a buffer that the node does not own");
        return;
    }
    if (input)
        host->inputs--;
    else
        host->returned++;
    sim_buffers_give(&hosts->buffers, buf);
}

static struct sim_socket *find_socket(struct sim_host *host, uint32_t id)
{
    for (size_t i = 0; i < host->socket_count; i++)
        if (host->sockets[i].id == id) return &host->sockets[i];
    return NULL;
}

static bool is_tun_address(const struct sim_host *host, const struct qe_ip *ip)
{
    for (size_t i = 0; i < host->tun_address_count && host->tun_open; i++)
        if (qe_ip_equal(&host->tun_addresses[i].ip, ip)) return true;
    return false;
}

static void send_datagram(struct sim_host *host, const struct sim_socket *socket, const struct qe_send *send,
    struct qe_span bytes, uint64_t carried)
{
    struct sim_packet *packet = sim_packet_new(&host->hosts->network->pool, bytes.data, bytes.size);
    packet->carried = carried;
    packet->destination = send->remote;
    packet->ecn = send->ecn;
    packet->source.port = socket->bind.port;
    if (send->local.ip.family && !qe_ip_is_unspecified(&send->local.ip))
        packet->source.ip = send->local.ip;
    else if (!qe_ip_is_unspecified(&socket->bind.ip))
        packet->source.ip = socket->bind.ip;
    else
        packet->source.ip = sim_box_source(&host->box, &send->remote.ip, send->interface);
    host->counts.datagrams_sent++;
    if (is_tun_address(host, &send->remote.ip))
        sim_host_loop_back(host, packet);
    else
        sim_box_send(&host->box, packet, send->interface);
}

static void do_send(struct sim_host *host, const struct qe_send *send)
{
    struct sim_hosts *hosts = host->hosts;
    const struct sim_socket *socket = find_socket(host, send->socket);
    const uint8_t *bytes = qe_buf_bytes(send->buf);
    if (hosts->watch.sending) hosts->watch.sending(hosts->watch.user, host, send);
    uint32_t left = send->buf->size;
    size_t count = 0;
    if (!socket || !send->segment_size || !left || socket->bind.ip.family != send->remote.ip.family) {
        hosts->violated(
            hosts->user, host, SIM_FAILURE_CONTRACT, "a send without a fitting socket, bytes or segment size");
        left = 0;
    }
    while (left > 0) {
        uint32_t part = left < send->segment_size ? left : send->segment_size;
        send_datagram(host, socket, send, qe_span(bytes, part), send->carried ? send->carried[count++] : 0);
        bytes += part;
        left -= part;
    }
    take_back(host, send->buf);
}

static void do_deliver(struct sim_host *host, const struct qe_deliver *deliver)
{
    struct sim_hosts *hosts = host->hosts;
    struct qe_span packet = qe_span(qe_buf_bytes(deliver->buf), deliver->buf->size);
    if (!host->tun_open) {
        hosts->violated(hosts->user, host, SIM_FAILURE_CONTRACT, "a packet for a TUN that is not open");
    } else {
        host->counts.tun_out++;
        sim_trace_tun(hosts->trace, sim_box_who(&host->box), SIM_TRACE_TUN_OUT, packet, &deliver->offload);
        hosts->delivered(hosts->user, host, packet, &deliver->offload);
    }
    take_back(host, deliver->buf);
}

void sim_host_answer(struct sim_host *host, struct sim_pending_result result)
{
    SIM_ROOM(host->results, host->result_count, host->result_capacity);
    host->results[host->result_count++] = result;
}

static void refuse(struct sim_host *host, uint64_t request, const char *text)
{
    sim_host_answer(host, (struct sim_pending_result){.request = request, .code = QE_RESULT_UNAVAILABLE, .text = text});
}

static bool port_taken(const struct sim_host *host, const struct qe_addr *bind)
{
    for (size_t i = 0; i < host->socket_count; i++) {
        const struct qe_addr *other = &host->sockets[i].bind;
        if (other->port != bind->port || other->ip.family != bind->ip.family) continue;
        if (qe_ip_equal(&other->ip, &bind->ip) || qe_ip_is_unspecified(&other->ip) || qe_ip_is_unspecified(&bind->ip))
            return true;
    }
    return false;
}

static void do_socket_open(struct sim_host *host, uint64_t request, uint32_t id, struct qe_addr bind)
{
    struct sim_pending_result result = {.request = request, .code = QE_RESULT_OK};
    if (bind.port == 0) do
            bind.port = host->next_port++ | 0xC000;
        while (port_taken(host, &bind));
    if (find_socket(host, id)) {
        host->hosts->violated(
            host->hosts->user, host, SIM_FAILURE_CONTRACT, "a socket was opened under an ID that is taken");
        return;
    }
    if (host->hosts->engine->now_ns < host->faults.sockets_refused_until_ns) {
        result.code = QE_RESULT_REFUSED;
        result.text = "Operation not permitted";
    } else if (!qe_ip_is_unspecified(&bind.ip) && !sim_host_is_own(host, &bind.ip)) {
        result.code = QE_RESULT_UNAVAILABLE;
        result.text = "Cannot assign requested address";
    } else if (port_taken(host, &bind) || host->socket_count == SIM_SOCKETS_MAX) {
        result.code = QE_RESULT_REFUSED;
        result.text = "Address already in use";
    } else {
        SIM_ROOM(host->sockets, host->socket_count, host->socket_capacity);
        host->sockets[host->socket_count++] = (struct sim_socket){id, bind};
    }
    result.local = bind;
    sim_trace_socket(
        host->hosts->trace, sim_box_who(&host->box), SIM_TRACE_SOCKET_OPEN, id, &bind, result.code == QE_RESULT_OK);
    sim_host_answer(host, result);
}

static void do_socket_close(struct sim_host *host, uint32_t id)
{
    struct sim_socket *socket = find_socket(host, id);
    if (!socket) {
        host->hosts->violated(host->hosts->user, host, SIM_FAILURE_CONTRACT, "a socket was closed that is not open");
        return;
    }
    sim_trace_socket(host->hosts->trace, sim_box_who(&host->box), SIM_TRACE_SOCKET_CLOSE, id, &socket->bind, true);
    size_t after = (size_t)(host->sockets + host->socket_count - (socket + 1));
    memmove(socket, socket + 1, after * sizeof(*socket));
    host->socket_count--;
}

static void do_tun_open(struct sim_host *host, const struct qe_tun_open *open)
{
    struct sim_pending_result result = {.request = open->request, .code = QE_RESULT_OK};
    if (host->hosts->engine->now_ns < host->faults.tun_refused_until_ns) {
        result.code = QE_RESULT_REFUSED;
        result.text = "Operation not permitted";
    } else if (host->tun_open || open->address_count > SIM_ADDRESSES_MAX) {
        result.code = QE_RESULT_REFUSED;
        result.text = "Device or resource busy";
    } else {
        host->tun_open = true;
        host->tun_mtu = open->mtu;
        host->tun_address_count = open->address_count;
        memcpy(host->tun_addresses, open->addresses, open->address_count * sizeof(*open->addresses));
        sim_trace_tun_open(
            host->hosts->trace, sim_box_who(&host->box), open->mtu, open->addresses, open->address_count);
    }
    sim_host_answer(host, result);
}

static void do_addresses(struct sim_host *host, const struct qe_prefixes *addresses)
{
    struct sim_pending_result result = {.request = addresses->request, .code = QE_RESULT_OK};
    if (!host->tun_open || addresses->count > SIM_ADDRESSES_MAX) {
        result.code = QE_RESULT_REFUSED;
        result.text = "No such device";
    } else {
        for (size_t i = 0; i < host->tun_address_count; i++)
            host->tun_was[host->tun_was_count++ % SIM_ADDRESSES_MAX] = host->tun_addresses[i].ip;
        host->tun_address_count = addresses->count;
        memcpy(host->tun_addresses, addresses->list, addresses->count * sizeof(*addresses->list));
        sim_trace_tun_open(
            host->hosts->trace, sim_box_who(&host->box), host->tun_mtu, addresses->list, addresses->count);
    }
    sim_host_answer(host, result);
}

static void do_resolve(struct sim_host *host, uint64_t request, const char *name)
{
    struct sim_hosts *hosts = host->hosts;
    struct sim_pending_result result = {.request = request, .code = QE_RESULT_OK};
    if (hosts->resolve) result.addresses = hosts->resolve(hosts->user, host, name, &result.address_count);
    if (!result.addresses)
        refuse(host, request, "Temporary failure in name resolution");
    else if (result.address_count == 0)
        refuse(host, request, "Name or service not known");
    else
        sim_host_answer(host, result);
}

void sim_host_act(struct sim_host *host, const struct qe_action *action)
{
    struct sim_hosts *hosts = host->hosts;
    switch (action->kind) {
    case QE_ACTION_SEND:
        do_send(host, &action->send);
        break;
    case QE_ACTION_DELIVER:
        do_deliver(host, &action->deliver);
        break;
    case QE_ACTION_SOCKET_OPEN:
        do_socket_open(host, action->socket_open.request, action->socket_open.socket, action->socket_open.bind);
        break;
    case QE_ACTION_SOCKET_CLOSE:
        do_socket_close(host, action->socket_close);
        break;
    case QE_ACTION_TUN_OPEN:
        do_tun_open(host, &action->tun_open);
        break;
    case QE_ACTION_STORE:
        sim_host_store(host, action->store.key, action->store.value);
        break;
    case QE_ACTION_ERASE:
        sim_host_erase(host, action->erase_key);
        break;
    case QE_ACTION_LOG:
        hosts->logged(hosts->user, host, action->log.level, action->log.text);
        break;
    case QE_ACTION_REPLY:
        hosts->replied(hosts->user, host, action->reply.command, action->reply.status, action->reply.body);
        break;
    case QE_ACTION_ADDRESSES:
        do_addresses(host, &action->addresses);
        break;
    case QE_ACTION_ROUTES:
        sim_host_set_prefixes(&host->routes, &host->route_count, &action->routes);
        sim_host_answer(host, (struct sim_pending_result){.request = action->routes.request, .code = QE_RESULT_OK});
        break;
    case QE_ACTION_FORWARD:
        sim_host_set_prefixes(&host->forwarded, &host->forwarded_count, &action->forward.prefixes);
        host->masquerade = action->forward.masquerade;
        sim_host_answer(
            host, (struct sim_pending_result){.request = action->forward.prefixes.request, .code = QE_RESULT_OK});
        break;
    case QE_ACTION_RESOLVE:
        do_resolve(host, action->resolve.request, action->resolve.name);
        break;
    case QE_ACTION_DNS:
        snprintf(
            host->dns_domain, sizeof(host->dns_domain), "%s", action->dns.server.ip.family ? action->dns.domain : "");
        host->dns_server = action->dns.server;
        sim_host_answer(host, (struct sim_pending_result){.request = action->dns.request, .code = QE_RESULT_OK});
        break;
    case QE_ACTION_MAP_PORT:
        sim_host_map_port(host, &action->map_port);
        break;
    case QE_ACTION_NOTIFY:
        hosts->logged(hosts->user, host, QE_LOG_WARN, action->notify);
        break;
    case QE_ACTION_STOPPED:
        break; // the caller's
    }
}
