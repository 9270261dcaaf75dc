// What STATUS, ROUTES and PEERS say of what a node does not do yet.
#include "identity/network.h"
#include "node/report.h"

#include <sodium.h>

static void absent(struct qe_json *json, const char *key)
{
    qe_json_key(json, key);
    qe_json_null(json);
}

void cplane_write_network(struct qe_cplane *c, struct qe_json *json)
{
    char network[QE_NETWORK_ID_SIZE], inviter[QE_NODE_ID_TEXT_SIZE];
    uint64_t members = 0;
    for (size_t i = 0; i < c->peer_count; i++)
        members += (c->by_id[i]->why & (CPLANE_WHY_MEMBER | CPLANE_WHY_PROVEN)) != 0;
    qe_json_key(json, "network");
    qe_json_object_begin(json);
    flag(json, "member", c->member);
    if (c->member)
        member(json, "id", sodium_bin2hex(network, sizeof network, c->network_id, sizeof c->network_id));
    else
        absent(json, "id");
    number(json, "members", members);
    if (c->join.active)
        member(json, "joining", qe_node_id_format(&c->join.inviter, inviter));
    else
        absent(json, "joining");
    if (c->join.error[0])
        member(json, "error", c->join.error);
    else
        absent(json, "error");
    qe_json_object_end(json);
}
