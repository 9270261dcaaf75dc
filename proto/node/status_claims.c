// What STATUS, ROUTES and PEERS say of claims: this node's own, and those of peers to networks.
#include "node/report.h"

#include <stdio.h>

static void text_or_null(struct qe_json *json, const char *key, const char *text)
{
    qe_json_key(json, key);
    if (text && text[0])
        qe_json_string(json, text);
    else
        qe_json_null(json);
}

static const struct own_claim *find_claim(
    const struct qe_cplane *c, enum qe_index_kind kind, const void *key, size_t size)
{
    for (size_t i = 0; i < c->claims.own_count; i++) {
        const struct own_claim *claim = &c->claims.own[i];
        if (claim->kind == kind && claim->key_size == size && memcmp(claim->key, key, size) == 0) return claim;
    }
    return NULL;
}

static const char *state_name(const struct own_claim *claim)
{
    static const char *const names[] = {"claiming", "held", "lost"};
    return claim ? names[claim->state] : "claiming";
}

static void id_or_null(struct qe_json *json, const char *key, bool known, const struct qe_node_id *node)
{
    char id[QE_NODE_ID_TEXT_SIZE];
    text_or_null(json, key, known ? qe_node_id_format(node, id) : NULL);
}

// Another's claim that keeps others from routing to this node, as they judge by the same ages; NULL: none is known.
static const struct qe_subnet_claim *older_claim(
    const struct qe_cplane *c, const struct own_claim *own, const struct qe_cidr *subnet)
{
    if (!own || own->since_s == 0) return NULL;
    for (size_t i = 0; i < c->claims.subnets.count; i++) {
        const struct qe_subnet_claim *claim = &c->claims.subnets.claims[i];
        if (!claim->witnessed || !qe_cidr_overlaps(&claim->subnet, subnet)) continue;
        if (claim->subnet.bits == subnet->bits && qe_ip_equal(&claim->subnet.ip, &subnet->ip)) continue;
        const struct qe_claimant both[] = {{c->self, own->since_s}, {claim->owner, claim->since_s}};
        if (qe_claim_keeper(both, 2) == 1) return claim;
    }
    return NULL;
}

static void write_advertised(struct qe_cplane *c, struct qe_json *json)
{
    char text[QE_ADDR_TEXT_SIZE];
    qe_json_key(json, "advertised");
    qe_json_array_begin(json);
    for (size_t i = 0; i < c->config->advertise.count; i++) {
        const struct qe_cidr *subnet = &c->config->advertise.list[i];
        uint8_t key[QE_INDEX_SUBNET_KEY_MAX];
        const struct own_claim *claim = find_claim(c, QE_INDEX_SUBNET, key, qe_index_subnet_key(subnet, key));
        const struct qe_subnet_claim *older = older_claim(c, claim, subnet);
        char reason[192] = "", against[QE_ADDR_TEXT_SIZE], id[QE_NODE_ID_TEXT_SIZE];
        if (older)
            snprintf(reason, sizeof reason, "it overlaps %s, which %s has had for longer",
                qe_cidr_format(&older->subnet, against), qe_node_id_format(&older->owner, id));
        if (c->claims.forward_error[0]) snprintf(reason, sizeof reason, "%s", c->claims.forward_error);
        qe_json_object_begin(json);
        member(json, "subnet", qe_cidr_format(subnet, text));
        member(json, "state", reason[0] ? "refused" : state_name(claim));
        text_or_null(json, "reason", reason);
        qe_json_object_end(json);
    }
    qe_json_array_end(json);
}

static void write_address(struct qe_cplane *c, struct qe_json *json, size_t which)
{
    char text[QE_ADDR_TEXT_SIZE];
    const struct cplane_claims *claims = &c->claims;
    const struct qe_ip *ip = &c->own[which].ip;
    const struct own_claim *claim = find_claim(c, QE_INDEX_ADDRESS, ip->bytes, qe_ip_size(ip));
    bool fixed = which == 1 || c->config->tun_addr.ip.family == 4;
    bool lost = which == 0 && claims->address_lost;
    qe_json_object_begin(json);
    member(json, "address", qe_ip_format(ip, text));
    member(json, "state", fixed ? "fixed" : state_name(claim));
    text_or_null(json, "replaces", lost ? qe_ip_format(&claims->lost_address, text) : NULL);
    id_or_null(json, "lost_to", lost, &claims->lost_to);
    id_or_null(json, "kept_from", claim && claim->has_other, claim ? &claim->other : NULL);
    qe_json_object_end(json);
}

void cplane_write_claims(struct qe_cplane *c, struct qe_json *json)
{
    const struct own_claim *name = find_claim(c, QE_INDEX_NAME, c->config->name, strlen(c->config->name));
    bool lost = name && name->state == OWN_LOST;
    qe_json_key(json, "name_claim");
    qe_json_object_begin(json);
    member(json, "state", name ? state_name(name) : "none");
    id_or_null(json, "owner", lost, name ? &name->other : NULL);
    id_or_null(json, "kept_from", name && !lost && name->has_other, name ? &name->other : NULL);
    qe_json_object_end(json);
    qe_json_key(json, "address_claims");
    qe_json_array_begin(json);
    for (size_t i = 0; i < 2; i++)
        write_address(c, json, i);
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
        member(json, "name", peer_name(peer));
        member(json, "via", peer_via(peer));
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
        member(json, "name", peer_name(c->peers[claim->peer]));
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

void cplane_write_dns(struct qe_cplane *c, struct qe_json *json)
{
    static const char *const names[] = {"off", "off", "served", "on"};
    const struct cplane_dns *d = &c->claims.dns;
    char text[QE_ADDR_TEXT_SIZE];
    qe_json_key(json, "dns");
    qe_json_object_begin(json);
    member(json, "state", names[d->state]);
    member(json, "domain", CPLANE_DNS_DOMAIN);
    text_or_null(json, "server", d->state >= CPLANE_DNS_SERVED ? qe_addr_format(&d->server, text) : NULL);
    text_or_null(json, "reason", d->error);
    qe_json_object_end(json);
}
