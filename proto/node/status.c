// What STATUS and ROUTES answer. Each part of the node writes what it knows itself.
#include "node/report.h"
#include "node/underlay.h"

void cplane_write_status(struct qe_cplane *c, struct qe_json *json)
{
    char id[QE_NODE_ID_TEXT_SIZE], text[QE_ADDR_TEXT_SIZE];
    qe_json_object_begin(json);
    member(json, "node_id", qe_node_id_format(&c->self, id));
    member(json, "name", c->config->name);
    member(json, "version", QUICETHER_VERSION);
    member(json, "state", c->stopping ? "stopping" : c->up ? "up" : "starting");
    number(json, "uptime_ms", (c->now_ns - c->started_ns) / QE_NS_PER_MS);
    qe_json_key(json, "listen");
    qe_json_array_begin(json);
    for (size_t i = 0; i < c->config->listen_count; i++)
        if (c->sockets[i].bound.ip.family != 0) qe_json_string(json, qe_addr_format(&c->sockets[i].bound, text));
    qe_json_array_end(json);
    qe_json_key(json, "tun");
    qe_json_object_begin(json);
    member(json, "name", c->config->tun_name);
    number(json, "mtu", c->config->mtu);
    qe_json_key(json, "addresses");
    qe_json_array_begin(json);
    for (size_t i = 0; i < 2; i++)
        qe_json_string(json, qe_cidr_format(&c->own[i], text));
    qe_json_array_end(json);
    qe_json_object_end(json);
    qe_json_key(json, "peers");
    qe_json_object_begin(json);
    number(json, "configured", c->peer_count);
    number(json, "connected", cplane_count_connected(c));
    qe_json_object_end(json);
    qe_json_key(json, "paths");
    qe_json_object_begin(json);
    number(json, "active", cplane_count_open(c));
    qe_json_object_end(json);
    number(json, "lanes", c->options.lane_count);
    cplane_write_discovery(c, json);
    cplane_write_network(c, json);
    cplane_write_claims(c, json);
    cplane_write_dns(c, json);
    cplane_write_exit(c, json);
    qe_json_key(json, "warnings");
    qe_json_array_begin(json);
    cplane_write_underlay_warnings(c, json);
    qe_json_array_end(json);
    cplane_write_notices(c, json);
    qe_json_object_end(json);
}

static void write_route(struct qe_cplane *c, struct qe_json *json, const struct cplane_peer *peer, struct qe_cidr host)
{
    char id[QE_NODE_ID_TEXT_SIZE], text[QE_ADDR_TEXT_SIZE];
    qe_json_object_begin(json);
    member(json, "destination", qe_cidr_format(&host, text));
    member(json, "next_hop", peer ? qe_node_id_format(&peer->id, id) : "local");
    member(json, "name", peer ? peer_name(peer) : c->config->name);
    member(json, "via", peer ? peer_via(peer) : "local");
    member(json, "interface", c->config->tun_name);
    member(json, "origin", peer ? "address" : "local");
    member(json, "state", peer && !peer->session.active ? "down" : "active");
    number_if(json, "age_s", false, 0);
    qe_json_object_end(json);
}

void cplane_write_routes(struct qe_cplane *c, struct qe_json *json)
{
    qe_json_object_begin(json);
    qe_json_key(json, "routes");
    qe_json_array_begin(json);
    for (size_t i = 0; i < 2; i++)
        write_route(c, json, NULL, (struct qe_cidr){c->own[i].ip, c->own[i].ip.family == 4 ? 32 : 128});
    for (size_t i = 0; i < c->peer_count; i++) {
        const struct cplane_peer *peer = c->by_id[i];
        for (size_t j = 0; j < peer->address_count; j++)
            write_route(c, json, peer, (struct qe_cidr){peer->addresses[j], peer->addresses[j].family == 4 ? 32 : 128});
    }
    cplane_write_subnets(c, json);
    qe_json_array_end(json);
    qe_json_key(json, "refused");
    qe_json_array_begin(json);
    cplane_write_refused(c, json);
    qe_json_array_end(json);
    qe_json_object_end(json);
}
