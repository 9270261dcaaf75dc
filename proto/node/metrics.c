// Metrics as JSON (docs/api.md): counters of all lanes added up, and what the control plane knows itself.
#include "dht/dht.h"
#include "node/report.h"

#include <stdio.h>

const uint64_t cplane_duration_bounds_s[CPLANE_DURATIONS] = {1, 10, 60, 600, 3600, 86400};

static void metric_begin(struct qe_json *json, const char *name, const char *type, const char *help)
{
    char full[96];
    snprintf(full, sizeof full, "quicether_%s", name);
    qe_json_object_begin(json);
    member(json, "name", full);
    member(json, "type", type);
    member(json, "help", help);
    qe_json_key(json, "samples");
    qe_json_array_begin(json);
}

static void metric_end(struct qe_json *json)
{
    qe_json_array_end(json);
    qe_json_object_end(json);
}

static void metric(struct qe_json *json, const char *name, const char *type, const char *help, uint64_t value)
{
    metric_begin(json, name, type, help);
    qe_json_object_begin(json);
    qe_json_key(json, "labels");
    qe_json_object_begin(json);
    qe_json_object_end(json);
    number(json, "value", value);
    qe_json_object_end(json);
    metric_end(json);
}

static void write_durations(struct qe_cplane *c, struct qe_json *json)
{
    char text[24];
    uint64_t cumulative = 0;
    metric_begin(json, "connection_duration_seconds", "histogram", "How long sessions with peers lasted");
    for (size_t i = 0; i <= CPLANE_DURATIONS; i++) {
        cumulative += c->durations[i];
        if (i < CPLANE_DURATIONS)
            snprintf(text, sizeof text, "%llu", (unsigned long long)cplane_duration_bounds_s[i]);
        else
            snprintf(text, sizeof text, "+Inf");
        qe_json_object_begin(json);
        member(json, "suffix", "_bucket");
        qe_json_key(json, "labels");
        qe_json_object_begin(json);
        member(json, "le", text);
        qe_json_object_end(json);
        number(json, "value", cumulative);
        qe_json_object_end(json);
    }
    const struct {
        const char *suffix;
        uint64_t value;
    } totals[] = {{"_sum", c->duration_sum_s}, {"_count", c->duration_count}};
    for (size_t i = 0; i < 2; i++) {
        qe_json_object_begin(json);
        member(json, "suffix", totals[i].suffix);
        qe_json_key(json, "labels");
        qe_json_object_begin(json);
        qe_json_object_end(json);
        number(json, "value", totals[i].value);
        qe_json_object_end(json);
    }
    metric_end(json);
}

// The interface that has the address, as the host told; "any" where a path has no fixed one.
static const char *interface_of(const struct qe_cplane *c, const struct qe_addr *local)
{
    for (size_t i = 0; i < c->link_count; i++)
        for (size_t j = 0; j < c->links[i].address_count; j++)
            if (qe_ip_equal(&c->links[i].addresses[j].ip, &local->ip)) return c->links[i].name;
    return "any";
}

static void write_path_rtts(struct qe_cplane *c, struct qe_json *json, const struct cplane_command *command)
{
    char id[QE_NODE_ID_TEXT_SIZE];
    metric_begin(json, "path_rtt", "gauge", "Path round-trip time in milliseconds");
    for (const struct qe_list *at = command->letters.next; at != &command->letters; at = at->next) {
        const struct qe_mail *mail = qe_container(at, struct qe_mail, link);
        if (mail->kind != QE_MAIL_REPORT_PATH || mail->conn.info.rtt_us == 0) continue;
        if (mail->path != c->peers[mail->peer]->session.active) continue;
        qe_json_object_begin(json);
        qe_json_key(json, "labels");
        qe_json_object_begin(json);
        member(json, "interface", interface_of(c, &mail->conn.info.local));
        member(json, "peer", qe_node_id_format(&c->peers[mail->peer]->id, id));
        qe_json_object_end(json);
        number(json, "value_milli", mail->conn.info.rtt_us);
        qe_json_object_end(json);
    }
    metric_end(json);
}

static void write_quic(struct qe_json *json, const struct qe_quic_stats *q)
{
    const struct {
        const char *name, *help;
        uint64_t value;
    } rows[] = {
        {"datagrams_sent", "UDP datagrams sent", q->datagrams_sent},
        {"datagrams_recv", "UDP datagrams received", q->datagrams_received},
        {"quic_dropped_malformed", "Datagrams that are no QUIC packet for this node", q->dropped_malformed},
        {"quic_dropped_unknown", "Datagrams of unknown connections", q->dropped_unknown},
        {"quic_dropped_version", "Datagrams of unknown QUIC versions", q->dropped_version},
        {"quic_dropped_limit", "Handshakes beyond the limits", q->dropped_limit},
        {"quic_dropped_memory", "Datagrams dropped because memory ran out", q->dropped_memory},
        {"quic_retries_sent", "Retry packets sent under load", q->retries_sent},
        {"quic_tokens_refused", "Address validation tokens refused", q->tokens_refused},
        {"quic_resets_sent", "Stateless resets sent", q->resets_sent},
        {"quic_handshakes", "Handshakes begun", q->handshakes},
        {"quic_handshakes_refused", "Handshakes refused", q->handshakes_refused},
        {"quic_handshakes_timed_out", "Handshakes that got no answer in time", q->handshakes_timed_out},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        metric(json, rows[i].name, "counter", rows[i].help, rows[i].value);
}

static void write_dht(struct qe_json *json, const struct qe_dht_stats *s)
{
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } rows[] = {
        {"dht_bytes_sent", "counter", "Bytes in UDP datagrams of the DHT sent", s->sent_bytes},
        {"dht_bytes_recv", "counter", "Bytes in UDP datagrams of the DHT received", s->received_bytes},
        {"dht_queries_sent", "counter", "Questions asked in the DHT", s->queries_sent},
        {"dht_queries_recv", "counter", "Questions of other nodes of the DHT", s->queries_received},
        {"dht_timeouts", "counter", "Questions in the DHT that nobody answered", s->timeouts},
        {"dht_lookups", "counter", "Lookups begun in the DHT", s->lookups},
        {"dht_lookups_failed", "counter", "Lookups in the DHT that found nobody to ask", s->lookups_failed},
        {"dht_dropped_malformed", "counter", "Datagrams that are none of a DHT", s->dropped_malformed},
        {"dht_dropped_unasked", "counter", "Answers that nobody asked for in the DHT", s->dropped_unasked},
        {"dht_dropped_limit", "counter", "Datagrams of the DHT beyond a limit", s->dropped_limit},
        {"dht_dropped_blocked", "counter", "Datagrams of the DHT from addresses that misbehave", s->dropped_blocked},
        {"dht_nodes", "gauge", "Good nodes in the routing tables of the DHT", s->good_nodes},
        {"dht_stored", "gauge", "Items, peers and records kept for others", s->items + s->peers + s->records},
        {"dht_memory_bytes", "gauge", "Memory of the DHT", s->memory_bytes},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        metric(json, rows[i].name, rows[i].type, rows[i].help, rows[i].value);
}

void cplane_write_metrics(struct qe_cplane *c, struct qe_json *json, struct cplane_command *command)
{
    struct qe_dht_stats dht;
    qe_counters_add(&command->counters, &c->counters);
    qe_json_object_begin(json);
    qe_json_key(json, "metrics");
    qe_json_array_begin(json);
    for (int i = 0; i < QE_COUNT_MAX; i++)
        metric(json, qe_counter_name((enum qe_counter)i), "counter", qe_counter_help((enum qe_counter)i),
            command->counters.values[i]);
    write_quic(json, &command->quic);
    cplane_discovery_stats(c, &dht);
    write_dht(json, &dht);
    metric(json, "connections_active", "gauge", "Peers connected now", cplane_count_connected(c));
    metric(
        json, "uptime_seconds", "gauge", "Seconds since the node started", (c->now_ns - c->started_ns) / QE_NS_PER_S);
    write_durations(c, json);
    write_path_rtts(c, json, command);
    qe_json_array_end(json);
    qe_json_object_end(json);
}
