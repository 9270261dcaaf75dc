// The answers to GATEWAYS and RELAY (docs/api.md).
#include "node/discovery_internal.h"
#include "node/relay.h"
#include "node/report.h"

static void write_why(struct qe_json *json, unsigned why)
{
    static const struct {
        enum qe_gateway_why why;
        const char *text;
    } words[] = {{QE_GATEWAY_PREFERRED, "preferred"}, {QE_GATEWAY_ALLOWED, "allowed"}, {QE_GATEWAY_LISTED, "listed"},
        {QE_GATEWAY_NAMED, "named"}, {QE_GATEWAY_EMERGENCY, "emergency"}};
    qe_json_key(json, "why");
    qe_json_array_begin(json);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (why & words[i].why) qe_json_string(json, words[i].text);
    qe_json_array_end(json);
}

static const char *state_of(const struct qe_cplane *c, const struct qe_gateway *gateway)
{
    if (gateway->present) return "connected";
    if (!qe_gateway_is_well(gateway, c->now_ns)) return "unhealthy";
    return gateway->asked_ns ? "connecting" : "known";
}

static bool is_kept(const struct qe_cplane *c, const struct qe_node_id *id)
{
    for (size_t i = 0; i < c->gateways.kept_count; i++)
        if (qe_node_id_equal(&c->gateways.kept[i], id)) return true;
    return false;
}

// The peers whose packets go by it now.
static void write_relayed(const struct qe_cplane *c, struct qe_json *json, const struct cplane_peer *gateway)
{
    char id[QE_NODE_ID_TEXT_SIZE];
    qe_json_key(json, "relayed");
    qe_json_array_begin(json);
    for (size_t i = 0; i < c->peer_count && gateway; i++) {
        const struct qe_path *active = qe_session_active(&c->by_id[i]->session);
        if (active && active->relayed && cplane_path_gateway(c, active) == gateway)
            qe_json_string(json, qe_node_id_format(&c->by_id[i]->id, id));
    }
    qe_json_array_end(json);
}

static void write_gateway(const struct qe_cplane *c, struct qe_json *json, const struct qe_gateway *gateway)
{
    const struct cplane_peer *peer = cplane_peer_find(c, &gateway->id);
    bool unwell = !qe_gateway_is_well(gateway, c->now_ns);
    char id[QE_NODE_ID_TEXT_SIZE];
    qe_json_object_begin(json);
    member(json, "node_id", qe_node_id_format(&gateway->id, id));
    member(json, "name", peer ? peer_name(peer) : "");
    write_why(json, gateway->why);
    member(json, "state", state_of(c, gateway));
    number_if(json, "rtt_us", gateway->rtt_us != 0, gateway->rtt_us);
    number(json, "failures", gateway->failures);
    number_if(json, "retry_in_ms", unwell, unwell ? (gateway->well_at_ns - c->now_ns) / QE_NS_PER_MS : 0);
    flag(json, "published", is_kept(c, &gateway->id));
    write_relayed(c, json, peer);
    qe_json_object_end(json);
}

void cplane_write_gateways(struct qe_cplane *c, struct qe_json *json)
{
    const struct cplane_gateways *g = &c->gateways;
    const struct qe_gateway *order[QE_GATEWAYS_MAX];
    // Those that may not be used now come last.
    size_t count = qe_gateways_order(&g->known, NULL, 0, UINT64_MAX, order);
    qe_json_object_begin(json);
    flag(json, "behind_nat", g->behind_nat);
    qe_json_key(json, "gateways");
    qe_json_array_begin(json);
    for (unsigned round = 0; round < 2; round++)
        for (size_t i = 0; i < count; i++)
            if (qe_gateway_is_well(order[i], c->now_ns) == (round == 0)) write_gateway(c, json, order[i]);
    for (size_t i = 0; i < g->known.count; i++)
        if (g->known.list[i].why == QE_GATEWAY_NAMED) write_gateway(c, json, &g->known.list[i]);
    qe_json_array_end(json);
    qe_json_object_end(json);
}

static void write_limits(const struct qe_config_relaying *r, struct qe_json *json)
{
    static const char *const allow[] = {
        [QE_RELAY_NOBODY] = "nobody", [QE_RELAY_MEMBERS] = "members", [QE_RELAY_ALLOWED] = "allowed"};
    member(json, "allow", allow[r->allow]);
    number_if(json, "rate_bps", r->rate_bps != 0, r->rate_bps);
    number_if(json, "total_rate_bps", r->total_rate_bps != 0, r->total_rate_bps);
    number_if(json, "volume_bytes", r->volume_bytes != 0, r->volume_bytes);
}

// What the lanes say of one node.
static struct qe_relayed gather(const struct cplane_command *command, const struct cplane_peer *peer)
{
    struct qe_relayed sum = {0};
    for (const struct qe_list *at = command->letters.next; at != &command->letters; at = at->next) {
        const struct qe_mail *mail = qe_container(at, struct qe_mail, link);
        if (mail->peer != peer->index || mail->kind != QE_MAIL_REPORT_PEER) continue;
        sum.packets += mail->conn.relayed.packets;
        sum.bytes += mail->conn.relayed.bytes;
        sum.dropped_packets += mail->conn.relayed.dropped_packets;
        sum.waiting_bytes += mail->conn.relayed.waiting_bytes;
    }
    return sum;
}

static void write_node(
    const struct qe_cplane *c, struct qe_json *json, const struct cplane_peer *peer, const struct qe_relayed *relayed)
{
    char id[QE_NODE_ID_TEXT_SIZE];
    qe_json_object_begin(json);
    member(json, "node_id", qe_node_id_format(&peer->id, id));
    member(json, "name", peer_name(peer));
    number(json, "circuits", cplane_relay_count(c, peer));
    number(json, "relayed_packets", relayed->packets);
    number(json, "relayed_bytes", relayed->bytes);
    number(json, "dropped_packets", relayed->dropped_packets);
    number(json, "waiting_bytes", relayed->waiting_bytes);
    qe_json_object_end(json);
}

void cplane_write_relay(struct qe_cplane *c, struct qe_json *json, const struct cplane_command *command)
{
    bool relays = cplane_is_relay(c);
    qe_json_object_begin(json);
    flag(json, "relays", relays);
    member(json, "role", relays && c->config->gateway ? "gateway" : relays ? "emergency" : "none");
    write_limits(&c->config->relay, json);
    number(json, "circuits", cplane_relay_count(c, NULL));
    qe_json_key(json, "nodes");
    qe_json_array_begin(json);
    for (size_t i = 0; i < c->peer_count; i++) {
        struct qe_relayed relayed = gather(command, c->by_id[i]);
        if (cplane_relay_count(c, c->by_id[i]) > 0 || relayed.packets > 0) write_node(c, json, c->by_id[i], &relayed);
    }
    qe_json_array_end(json);
    qe_json_object_end(json);
}
