// What the answers to commands are written with, shared by the files that write them.
#ifndef QE_NODE_REPORT_H
#define QE_NODE_REPORT_H

#include "node/cplane_internal.h"
#include "observe/json.h"

static inline void member(struct qe_json *json, const char *key, const char *value)
{
    qe_json_key(json, key);
    qe_json_string(json, value);
}

static inline void number(struct qe_json *json, const char *key, uint64_t value)
{
    qe_json_key(json, key);
    qe_json_u64(json, value);
}

// A number, or null where it means nothing.
static inline void number_if(struct qe_json *json, const char *key, bool known, uint64_t value)
{
    qe_json_key(json, key);
    if (known)
        qe_json_u64(json, value);
    else
        qe_json_null(json);
}

static inline void flag(struct qe_json *json, const char *key, bool value)
{
    qe_json_key(json, key);
    qe_json_bool(json, value);
}

// What a peer is shown as: by local configuration, else as it calls itself; "" for neither.
static inline const char *peer_name(const struct cplane_peer *peer)
{
    return peer->name[0] ? peer->name : peer->said_name;
}

// By which way it is connected, or would be.
static inline const char *peer_via(const struct cplane_peer *peer)
{
    return qe_session_is_relayed(&peer->session) ? "gateway" : "direct";
}

// report.c: the answer to a command.
void cplane_reply(struct qe_cplane *c, uint64_t command, int status, struct qe_json *json);
void cplane_reply_error(struct qe_cplane *c, uint64_t command, int status, const char *text);
// A place for a command that has to wait; NULL after a 503 where there is none.
struct cplane_command *cplane_wait_for(struct qe_cplane *c, const struct qe_command *command);
// The one with this cookie, which is not 0; NULL for none.
struct cplane_command *cplane_command_find(struct qe_cplane *c, uint64_t cookie);
void cplane_command_free(struct qe_cplane *c, struct cplane_command *command);
// ping.c
void cplane_ping(struct qe_cplane *c, const struct qe_command *given);
// Looks whether the peer that the command waits for is there.
void cplane_ping_look(struct qe_cplane *c, struct cplane_command *command);
// settings.c
void cplane_set(struct qe_cplane *c, const struct qe_command *command);
// status.c
void cplane_write_status(struct qe_cplane *c, struct qe_json *json);
void cplane_write_routes(struct qe_cplane *c, struct qe_json *json);
// Members of STATUS: "discovery"; "network"; "name_claim", "address_claims" and "advertised"; "dns".
void cplane_write_discovery(struct qe_cplane *c, struct qe_json *json);
void cplane_write_network(struct qe_cplane *c, struct qe_json *json);
void cplane_write_claims(struct qe_cplane *c, struct qe_json *json);
void cplane_write_dns(struct qe_cplane *c, struct qe_json *json);
// Items of ROUTES: those of origin "subnet", and of "refused".
void cplane_write_subnets(struct qe_cplane *c, struct qe_json *json);
void cplane_write_refused(struct qe_cplane *c, struct qe_json *json);
// "subnets" of a peer in PEERS.
void cplane_write_peer_subnets(struct qe_cplane *c, struct qe_json *json, const struct cplane_peer *peer);
// Members of a peer in PEERS: "subnets" and "record_age_ms".
void cplane_write_peer_discovery(struct qe_cplane *c, struct qe_json *json, const struct cplane_peer *peer);
// report_discovery.c
void cplane_write_dht_status(struct qe_cplane *c, struct qe_json *json);
void cplane_write_dht_nodes(struct qe_cplane *c, struct qe_json *json);
struct qe_dht_stats;
void cplane_discovery_stats(const struct qe_cplane *c, struct qe_dht_stats *stats);
// inquiry.c: commands that are answered when the DHT has been asked. Their argument is not NULL.
void cplane_dht_lookup(struct qe_cplane *c, const struct qe_command *command);
void cplane_dht_get(struct qe_cplane *c, const struct qe_command *command);
void cplane_dht_put(struct qe_cplane *c, const struct qe_command *command);
uint64_t cplane_count_connected(const struct qe_cplane *c);
// netcheck.c: finds out what is not known or old; and says what is known.
void cplane_netcheck_begin(struct qe_cplane *c);
void cplane_write_netcheck(struct qe_cplane *c, struct qe_json *json, const struct cplane_command *command);
// metrics.c
void cplane_write_metrics(struct qe_cplane *c, struct qe_json *json, struct cplane_command *command);

#endif
