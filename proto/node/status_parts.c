// What STATUS, ROUTES and PEERS say of what a node does not do yet.
#include "node/report.h"

#include <stdio.h>

static void absent(struct qe_json *json, const char *key)
{
    qe_json_key(json, key);
    qe_json_null(json);
}

void cplane_write_network(struct qe_cplane *c, struct qe_json *json)
{
    char id[17];
    uint64_t members = 0;
    for (size_t i = 0; i < c->peer_count; i++)
        members += (c->by_id[i]->why & CPLANE_WHY_MEMBER) != 0;
    snprintf(id, sizeof id, "%016llx", (unsigned long long)qe_load64(c->network_id));
    qe_json_key(json, "network");
    qe_json_object_begin(json);
    flag(json, "member", c->member);
    if (c->member)
        member(json, "id", id);
    else
        absent(json, "id");
    number(json, "members", c->member ? members : 0);
    absent(json, "joining");
    absent(json, "error");
    qe_json_object_end(json);
}
