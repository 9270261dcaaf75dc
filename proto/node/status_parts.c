// What STATUS, ROUTES and PEERS say of what a node does not do yet.
#include "node/report.h"

static void absent(struct qe_json *json, const char *key)
{
    qe_json_key(json, key);
    qe_json_null(json);
}

static void none(struct qe_json *json, const char *key)
{
    qe_json_key(json, key);
    qe_json_array_begin(json);
    qe_json_array_end(json);
}

void cplane_write_discovery(struct qe_cplane *c, struct qe_json *json)
{
    (void)c;
    qe_json_key(json, "discovery");
    qe_json_object_begin(json);
    member(json, "state", "off");
    number(json, "nodes", 0);
    none(json, "external");
    qe_json_object_end(json);
}

void cplane_write_network(struct qe_cplane *c, struct qe_json *json)
{
    (void)c;
    qe_json_key(json, "network");
    qe_json_object_begin(json);
    flag(json, "member", false);
    absent(json, "id");
    number(json, "members", 0);
    absent(json, "joining");
    absent(json, "error");
    qe_json_object_end(json);
}

void cplane_write_claims(struct qe_cplane *c, struct qe_json *json)
{
    char text[QE_ADDR_TEXT_SIZE];
    qe_json_key(json, "name_claim");
    qe_json_object_begin(json);
    member(json, "state", "none");
    absent(json, "owner");
    qe_json_object_end(json);
    qe_json_key(json, "address_claims");
    qe_json_array_begin(json);
    for (size_t i = 0; i < 2; i++) {
        qe_json_object_begin(json);
        member(json, "address", qe_ip_format(&c->own[i].ip, text));
        member(json, "state", "fixed");
        absent(json, "replaces");
        absent(json, "lost_to");
        qe_json_object_end(json);
    }
    qe_json_array_end(json);
    none(json, "advertised");
}

void cplane_write_dns(struct qe_cplane *c, struct qe_json *json)
{
    (void)c;
    qe_json_key(json, "dns");
    qe_json_object_begin(json);
    member(json, "state", "off");
    member(json, "domain", "qe");
    absent(json, "server");
    absent(json, "reason");
    qe_json_object_end(json);
}

void cplane_write_subnets(struct qe_cplane *c, struct qe_json *json)
{
    (void)c, (void)json;
}

void cplane_write_refused(struct qe_cplane *c, struct qe_json *json)
{
    (void)c, (void)json;
}

void cplane_write_peer_discovery(struct qe_cplane *c, struct qe_json *json, const struct cplane_peer *peer)
{
    (void)c, (void)peer;
    none(json, "subnets");
    absent(json, "record_age_ms");
}
