// What STATUS, PEERS and METRICS say of discovery, and the answers to DHT_STATUS and DHT_NODES (docs/api.md).
#include "node/discovery_internal.h"
#include "node/report.h"

#define NODES_MAX 1024

static const char *state_name(const struct qe_cplane *c)
{
    if (!discovery_joined(c)) return c->discovery->bootstrap.partitioned ? "partitioned" : "joining";
    return "joined";
}

static void write_external(const struct qe_cplane *c, struct qe_json *json)
{
    char text[QE_ADDR_TEXT_SIZE];
    struct qe_addr addr;
    qe_json_key(json, "external");
    qe_json_array_begin(json);
    for (uint8_t family = 4; family <= 6; family += 2)
        if (qe_dht_external(c->discovery->dht, family, &addr)) qe_json_string(json, qe_addr_format(&addr, text));
    qe_json_array_end(json);
}

void cplane_write_discovery(struct qe_cplane *c, struct qe_json *json)
{
    struct qe_dht_stats stats;
    qe_dht_stats(c->discovery->dht, &stats);
    qe_json_key(json, "discovery");
    qe_json_object_begin(json);
    member(json, "state", state_name(c));
    number(json, "nodes", stats.good_nodes);
    write_external(c, json);
    qe_json_object_end(json);
}

void cplane_write_peer_discovery(struct qe_cplane *c, struct qe_json *json, const struct cplane_peer *peer)
{
    uint64_t issued_ms = peer->seek.issued_ms;
    cplane_write_peer_subnets(c, json, peer);
    number_if(json, "record_age_ms", issued_ms != 0, c->wall_ms > issued_ms ? c->wall_ms - issued_ms : 0);
}

void cplane_discovery_stats(const struct qe_cplane *c, struct qe_dht_stats *stats)
{
    qe_dht_stats(c->discovery->dht, stats);
}

const char *discovery_hex(const uint8_t *bytes, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * size] = 0;
    return out;
}

static void write_bootstrap(const struct qe_cplane *c, struct qe_json *json)
{
    const struct discovery_bootstrap *b = &c->discovery->bootstrap;
    char text[QE_ADDR_TEXT_SIZE];
    qe_json_key(json, "bootstrap");
    qe_json_array_begin(json);
    for (size_t i = 0; i < c->config->bootstrap_count; i++) {
        qe_json_object_begin(json);
        member(json, "address", c->config->bootstrap[i].text);
        member(json, "source", c->config->bootstrap_origin == QE_CONFIG_DEFAULT ? "default" : "configured");
        number(json, "resolved", b->names[i].resolved);
        qe_json_object_end(json);
    }
    for (size_t i = 0; i < b->cached_count; i++) {
        qe_json_object_begin(json);
        member(json, "address", qe_addr_format(&b->cached[i].addr, text));
        member(json, "source", "cached");
        number(json, "resolved", 1);
        qe_json_object_end(json);
    }
    qe_json_array_end(json);
}

static void write_stats(struct qe_json *json, const struct qe_dht_stats *s)
{
    const struct {
        const char *key;
        uint64_t value;
    } rows[] = {
        {"nodes", s->nodes},
        {"good_nodes", s->good_nodes},
        {"stored_items", s->items},
        {"stored_peers", s->peers},
        {"stored_records", s->records},
        {"stored_bytes", s->stored_bytes},
        {"memory_bytes", s->memory_bytes},
        {"operations", s->operations},
        {"sent_datagrams", s->sent},
        {"sent_bytes", s->sent_bytes},
        {"received_datagrams", s->received},
        {"received_bytes", s->received_bytes},
        {"queries_sent", s->queries_sent},
        {"queries_received", s->queries_received},
        {"timeouts", s->timeouts},
        {"lookups", s->lookups},
        {"lookups_failed", s->lookups_failed},
        {"dropped_malformed", s->dropped_malformed},
        {"dropped_unasked", s->dropped_unasked},
        {"dropped_limit", s->dropped_limit},
        {"dropped_blocked", s->dropped_blocked},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        number(json, rows[i].key, rows[i].value);
}

// The public network, where it is to be joined, too.
static void write_mainline(struct qe_cplane *c, struct qe_json *json)
{
    struct qe_node_id id;
    struct qe_dht_stats stats;
    struct qe_addr seen;
    char hex[2 * sizeof id.bytes + 1], text[QE_ADDR_TEXT_SIZE];
    const struct qe_dht *dht = mainline_dht(c, &id);
    if (!dht) return;
    qe_dht_stats(dht, &stats);
    qe_json_object_begin(json);
    member(json, "name", "mainline");
    member(json, "id", discovery_hex(id.bytes, sizeof id.bytes, hex));
    member(json, "state", qe_dht_joined(dht) ? "joined" : "joining");
    number_if(json, "joined_ms", false, 0);
    flag(json, "bootstrap_mode", false);
    qe_json_key(json, "bootstrap");
    qe_json_array_begin(json);
    qe_json_array_end(json);
    qe_json_key(json, "external");
    qe_json_array_begin(json);
    for (uint8_t family = 4; family <= 6; family += 2)
        if (qe_dht_external(dht, family, &seen)) qe_json_string(json, qe_addr_format(&seen, text));
    qe_json_array_end(json);
    write_stats(json, &stats);
    qe_json_object_end(json);
}

void cplane_write_dht_status(struct qe_cplane *c, struct qe_json *json)
{
    const struct discovery_bootstrap *b = &c->discovery->bootstrap;
    struct qe_dht_stats stats;
    char hex[2 * sizeof c->self.bytes + 1];
    qe_dht_stats(c->discovery->dht, &stats);
    qe_json_object_begin(json);
    qe_json_key(json, "dhts");
    qe_json_array_begin(json);
    qe_json_object_begin(json);
    member(json, "name", "quicether");
    member(json, "id", discovery_hex(c->self.bytes, sizeof c->self.bytes, hex));
    member(json, "state", state_name(c));
    number_if(json, "joined_ms", b->joined, b->joined_ns / QE_NS_PER_MS);
    flag(json, "bootstrap_mode", c->config->bootstrap_mode);
    write_bootstrap(c, json);
    write_external(c, json);
    write_stats(json, &stats);
    qe_json_object_end(json);
    write_mainline(c, json);
    qe_json_array_end(json);
    qe_json_object_end(json);
}

static void write_node(
    const struct qe_cplane *c, struct qe_json *json, const char *dht, const struct qe_dht_node_info *node)
{
    char hex[2 * sizeof node->contact.id.bytes + 1], id[QE_NODE_ID_TEXT_SIZE], text[QE_ADDR_TEXT_SIZE];
    qe_json_object_begin(json);
    member(json, "dht", dht);
    member(json, "id", discovery_hex(node->contact.id.bytes, sizeof node->contact.id.bytes, hex));
    member(json, "node_id", qe_node_id_format(&node->contact.id, id));
    member(json, "address", qe_addr_format(&node->contact.addr, text));
    number(json, "bucket", node->bucket);
    member(json, "state", node->replacement ? "replacement" : node->good ? "good" : "questionable");
    number_if(json, "rtt_us", node->rtt_us != 0, node->rtt_us);
    number_if(json, "heard_ms", node->last_heard_ns != 0, (c->now_ns - node->last_heard_ns) / QE_NS_PER_MS);
    qe_json_object_end(json);
}

void cplane_write_dht_nodes(struct qe_cplane *c, struct qe_json *json)
{
    struct qe_dht_node_info *nodes = qe_zalloc(c->mem, NODES_MAX, sizeof *nodes);
    size_t count = nodes ? qe_dht_nodes(c->discovery->dht, nodes, NODES_MAX) : 0, own = count;
    struct qe_node_id id;
    const struct qe_dht *public = mainline_dht(c, &id);
    if (nodes && public) count += qe_dht_nodes(public, nodes + own, NODES_MAX - own);
    qe_json_object_begin(json);
    qe_json_key(json, "nodes");
    qe_json_array_begin(json);
    for (size_t i = 0; i < count; i++)
        write_node(c, json, i < own ? "quicether" : "mainline", &nodes[i]);
    qe_json_array_end(json);
    qe_json_object_end(json);
    qe_free(c->mem, nodes);
}
