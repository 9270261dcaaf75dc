// What STATUS, ROUTES and PEERS say of claims: this node's own, and those of peers to networks.
#include "node/report.h"

static void text_or_null(struct qe_json *json, const char *key, const char *text)
{
    qe_json_key(json, key);
    if (text && text[0])
        qe_json_string(json, text);
    else
        qe_json_null(json);
}

static void write_advertised(struct qe_cplane *c, struct qe_json *json)
{
    char text[QE_ADDR_TEXT_SIZE];
    qe_json_key(json, "advertised");
    qe_json_array_begin(json);
    for (size_t i = 0; i < c->config->advertise.count; i++) {
        qe_json_object_begin(json);
        member(json, "subnet", qe_cidr_format(&c->config->advertise.list[i], text));
        member(json, "state", c->claims.forward_error[0] ? "refused" : "held");
        text_or_null(json, "reason", c->claims.forward_error);
        qe_json_object_end(json);
    }
    qe_json_array_end(json);
}

void cplane_write_claims(struct qe_cplane *c, struct qe_json *json)
{
    char text[QE_ADDR_TEXT_SIZE];
    qe_json_key(json, "name_claim");
    qe_json_object_begin(json);
    member(json, "state", "none");
    text_or_null(json, "owner", NULL);
    qe_json_object_end(json);
    qe_json_key(json, "address_claims");
    qe_json_array_begin(json);
    for (size_t i = 0; i < 2; i++) {
        qe_json_object_begin(json);
        member(json, "address", qe_ip_format(&c->own[i].ip, text));
        member(json, "state", "fixed");
        text_or_null(json, "replaces", NULL);
        text_or_null(json, "lost_to", NULL);
        qe_json_object_end(json);
    }
    qe_json_array_end(json);
    write_advertised(c, json);
}

void cplane_write_subnets(struct qe_cplane *c, struct qe_json *json)
{
    char id[QE_NODE_ID_TEXT_SIZE], text[QE_ADDR_TEXT_SIZE];
    int64_t now_s = (int64_t)(c->now_ns / QE_NS_PER_S);
    for (size_t i = 0; i < c->config->advertise.count; i++) {
        qe_json_object_begin(json);
        member(json, "destination", qe_cidr_format(&c->config->advertise.list[i], text));
        member(json, "next_hop", "local");
        member(json, "name", c->config->name);
        member(json, "via", "local");
        member(json, "interface", c->config->tun_name);
        member(json, "origin", "local");
        member(json, "state", "active");
        number_if(json, "age_s", false, 0);
        qe_json_object_end(json);
    }
    for (size_t i = 0; i < c->claims.subnets.count; i++) {
        const struct qe_subnet_claim *claim = &c->claims.subnets.claims[i];
        const struct cplane_peer *peer = c->peers[claim->peer];
        if (claim->verdict != QE_SUBNET_ACCEPTED) continue;
        qe_json_object_begin(json);
        member(json, "destination", qe_cidr_format(&claim->subnet, text));
        member(json, "next_hop", qe_node_id_format(&peer->id, id));
        member(json, "name", peer->name);
        member(json, "via", "direct");
        member(json, "interface", c->config->tun_name);
        member(json, "origin", "subnet");
        member(json, "state", !peer->session.active ? "down" : claim->in_use ? "active" : "standby");
        number_if(json, "age_s", claim->witnessed, (uint64_t)(now_s - claim->since_s));
        qe_json_object_end(json);
    }
}

void cplane_write_refused(struct qe_cplane *c, struct qe_json *json)
{
    char id[QE_NODE_ID_TEXT_SIZE], text[QE_ADDR_TEXT_SIZE], reason[160];
    for (size_t i = 0; i < c->claims.subnets.count; i++) {
        const struct qe_subnet_claim *claim = &c->claims.subnets.claims[i];
        if (claim->verdict == QE_SUBNET_ACCEPTED) continue;
        qe_json_object_begin(json);
        member(json, "destination", qe_cidr_format(&claim->subnet, text));
        member(json, "owner", qe_node_id_format(&claim->owner, id));
        member(json, "name", c->peers[claim->peer]->name);
        member(json, "reason", qe_subnet_reason(claim, reason));
        qe_json_object_end(json);
    }
}

void cplane_write_peer_subnets(struct qe_cplane *c, struct qe_json *json, const struct cplane_peer *peer)
{
    char text[QE_ADDR_TEXT_SIZE];
    qe_json_key(json, "subnets");
    qe_json_array_begin(json);
    for (size_t i = 0; i < c->claims.subnets.count; i++)
        if (c->claims.subnets.claims[i].peer == peer->index && c->claims.subnets.claims[i].in_use)
            qe_json_string(json, qe_cidr_format(&c->claims.subnets.claims[i].subnet, text));
    qe_json_array_end(json);
}
