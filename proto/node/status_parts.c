// What STATUS, ROUTES and PEERS say of what a node does not do yet.
#include "node/report.h"

static void absent(struct qe_json *json, const char *key)
{
    qe_json_key(json, key);
    qe_json_null(json);
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
