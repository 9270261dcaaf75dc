// The answer to NETCHECK: what is in front of this node, and what that means for connecting. What is known is said at
// once; where it is old, finding it out anew begins, and `checking` says so.
#include "nat/meaning.h"
#include "nat/port_client.h"
#include "node/discovery_internal.h"
#include "node/portmap.h"
#include "node/report.h"

// What was found out so recently is not found out anew.
#define FRESH_NS (15 * QE_NS_PER_S)
// For so long after its start a node that heard nothing says nothing of that.
#define PATIENCE_NS (5 * QE_NS_PER_S)
// After so long it has been found out, if ever.
#define BEGIN_NS  (30 * QE_NS_PER_S)
#define UDP_BYTES 8

static void text_if(struct qe_json *json, const char *key, const char *text)
{
    qe_json_key(json, key);
    if (text)
        qe_json_string(json, text);
    else
        qe_json_null(json);
}

static void answer_if(struct qe_json *json, const char *key, enum qe_nat_answer answer)
{
    qe_json_key(json, key);
    if (answer == QE_NAT_NOT_KNOWN)
        qe_json_null(json);
    else
        qe_json_bool(json, answer == QE_NAT_YES);
}

static void write_nat(struct qe_json *json, const struct qe_nat_behaviour *b)
{
    static const char *const dependences[] = {
        NULL, "endpoint-independent", "address-dependent", "address-and-port-dependent"};
    static const char *const allocations[] = {NULL, "preserved", "sequential", "random"};
    bool known = b->known_ns != 0;
    char text[QE_ADDR_TEXT_SIZE];
    qe_json_key(json, "nat");
    qe_json_object_begin(json);
    answer_if(json, "present", known ? b->translated : QE_NAT_NOT_KNOWN);
    text_if(json, "mapping", known ? dependences[b->mapping] : NULL);
    text_if(json, "filtering", known ? dependences[b->filtering] : NULL);
    text_if(json, "ports", known ? allocations[b->allocation] : NULL);
    answer_if(json, "port_preservation", known ? b->preserves : QE_NAT_NOT_KNOWN);
    answer_if(json, "hairpinning", known ? b->hairpin : QE_NAT_NOT_KNOWN);
    number_if(json, "idle_lasts_s", known && b->lives_s, b->lives_s);
    number_if(json, "idle_ends_s", known && b->dies_s, b->dies_s);
    qe_json_key(json, "addresses");
    qe_json_array_begin(json);
    for (size_t i = 0; known && i < b->external_count; i++)
        qe_json_string(json, qe_ip_format(&b->externals[i], text));
    qe_json_array_end(json);
    qe_json_object_end(json);
}

static void write_seen(struct qe_cplane *c, struct qe_json *json)
{
    char text[QE_ADDR_TEXT_SIZE];
    struct qe_addr seen;
    qe_json_key(json, "seen_at");
    qe_json_array_begin(json);
    for (uint8_t family = 4; family <= 6; family += 2)
        if (qe_dht_external(c->discovery->dht, family, &seen) || mainline_external(c, family, &seen))
            qe_json_string(json, qe_addr_format(&seen, text));
    qe_json_array_end(json);
}

static void write_mapping(struct qe_cplane *c, struct qe_json *json, const struct cplane_portmap *map)
{
    static const char *const states[] = {"asking", "granted", "refused", "no-gateway"};
    char text[QE_ADDR_TEXT_SIZE];
    bool granted = map->outside.ip.family != 0;
    qe_json_object_begin(json);
    number(json, "port", map->port);
    member(json, "state", states[map->state]);
    text_if(json, "protocol", granted ? map->text : NULL);
    text_if(json, "external", granted ? qe_addr_format(&map->outside, text) : NULL);
    flag(json, "public", granted && qe_ip_is_public(&map->outside.ip));
    number_if(json, "ends_in_s", granted && map->until_ns > c->now_ns, (map->until_ns - c->now_ns) / QE_NS_PER_S);
    text_if(json, "reason", granted || !map->text[0] ? NULL : map->text);
    qe_json_object_end(json);
}

static void write_interfaces(struct qe_cplane *c, struct qe_json *json)
{
    char text[QE_ADDR_TEXT_SIZE];
    const struct cplane_portmap *maps = cplane_portmaps(c);
    qe_json_key(json, "interfaces");
    qe_json_array_begin(json);
    for (size_t i = 0; i < c->link_count; i++) {
        const struct cplane_link *link = &c->links[i];
        if (!link->up || link->address_count == 0 || strcmp(link->name, c->config->tun_name) == 0) continue;
        if (qe_ip_is_loopback(&link->addresses[0].ip)) continue;
        qe_json_object_begin(json);
        member(json, "name", link->name);
        qe_json_key(json, "addresses");
        qe_json_array_begin(json);
        for (size_t j = 0; j < link->address_count; j++)
            qe_json_string(json, qe_ip_format(&link->addresses[j].ip, text));
        qe_json_array_end(json);
        qe_json_key(json, "port_mappings");
        qe_json_array_begin(json);
        for (size_t j = 0; maps && j < CPLANE_PORTMAPS_MAX; j++)
            if (maps[j].interface == link->interface) write_mapping(c, json, &maps[j]);
        qe_json_array_end(json);
        qe_json_object_end(json);
    }
    qe_json_array_end(json);
}

// Of direct connections as they are now: what QUIC has found to fit, with UDP's and IP's headers.
static void write_mtus(struct qe_cplane *c, struct qe_json *json, const struct cplane_command *command)
{
    char id[QE_NODE_ID_TEXT_SIZE];
    qe_json_key(json, "path_mtus");
    qe_json_array_begin(json);
    for (const struct qe_list *at = command->letters.next; at != &command->letters; at = at->next) {
        const struct qe_mail *mail = qe_container(at, struct qe_mail, link);
        const struct qe_conn_info *info = &mail->conn.info;
        struct cplane_peer *peer = mail->peer != QE_PEER_NONE ? c->peers[mail->peer] : NULL;
        if (mail->kind != QE_MAIL_REPORT_PATH || !peer || mail->path != peer->session.active) continue;
        const struct qe_path *path = qe_session_active(&peer->session);
        if (!path || path->relayed || info->udp_max == 0) continue;
        qe_json_object_begin(json);
        member(json, "node_id", qe_node_id_format(&peer->id, id));
        member(json, "name", peer_name(peer));
        number(json, "mtu", info->udp_max + UDP_BYTES + (info->remote.ip.family == 4 ? 20 : 40));
        qe_json_object_end(json);
    }
    qe_json_array_end(json);
}

// Whether anything has come in since the start; true while it is too early to tell.
static bool is_heard(const struct qe_cplane *c)
{
    struct qe_dht_stats stats;
    if (c->now_ns - c->started_ns < PATIENCE_NS) return true;
    cplane_discovery_stats(c, &stats);
    return stats.received > 0 || stats.sent == 0 || cplane_count_connected(c) > 0;
}

void cplane_netcheck_begin(struct qe_cplane *c)
{
    const struct qe_nat_behaviour *b = cplane_nat(c);
    if (b->known_ns == 0 || c->now_ns - b->known_ns > FRESH_NS) cplane_nat_check(c);
}

void cplane_write_netcheck(struct qe_cplane *c, struct qe_json *json, const struct cplane_command *command)
{
    const struct qe_nat_behaviour *b = cplane_nat(c);
    struct qe_addr mapped;
    bool heard = is_heard(c);
    bool has_port = cplane_portmap_list(c, true, &mapped, 1) || cplane_portmap_list(c, false, &mapped, 1);
    enum qe_nat_meaning meaning = qe_nat_meaning(b, has_port, heard);
    qe_json_object_begin(json);
    bool begins = meaning == QE_NAT_MEANS_UNKNOWN && c->now_ns - c->started_ns < BEGIN_NS;
    flag(json, "checking", begins || cplane_nat_checking(c));
    number_if(json, "age_ms", b->known_ns != 0, (c->now_ns - b->known_ns) / QE_NS_PER_MS);
    flag(json, "joined", discovery_joined(c));
    flag(json, "udp_blocked", meaning == QE_NAT_MEANS_BLOCKED);
    write_seen(c, json);
    write_nat(json, b);
    write_interfaces(c, json);
    write_mtus(c, json, command);
    qe_json_key(json, "connecting");
    qe_json_object_begin(json);
    member(json, "with", qe_nat_meaning_name(meaning));
    member(json, "text", qe_nat_meaning_text(meaning));
    qe_json_object_end(json);
    qe_json_object_end(json);
}
