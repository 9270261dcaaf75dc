// Commands of the control interface and their answers as JSON (docs/api.md). What lanes know is asked for by letter; a
// command waits until the last lane has answered.
#include "node/report.h"
#include "node/join.h"
#include "node/relay.h"

#include <stdio.h>

// Whoever asked waits for some answer: there is one when there is memory again. Beyond the room for them they give up
// by themselves.
static void owe_reply(struct qe_cplane *c, uint64_t command)
{
    if (c->owed_count == CPLANE_OWED_MAX) return;
    c->owed[c->owed_count++] = command;
    c->retry_at_ns = c->now_ns + CPLANE_RETRY_NS;
}

void cplane_reply(struct qe_cplane *c, uint64_t command, int status, struct qe_json *json)
{
    struct qe_span body;
    bool whole = qe_json_finish(json, &body);
    struct cplane_action *a = cplane_act(c, QE_ACTION_REPLY, body.size);
    if (!a) {
        owe_reply(c, command);
        return;
    }
    if (whole) memcpy(a->bytes, body.data, body.size);
    a->action.reply.command = command;
    a->action.reply.status = whole ? status : 500;
    a->action.reply.body = qe_span(a->bytes, body.size);
}

void cplane_reply_error(struct qe_cplane *c, uint64_t command, int status, const char *text)
{
    struct qe_json json;
    qe_json_init(&json, c->mem, QE_JSON_SIZE_MAX);
    qe_json_object_begin(&json);
    qe_json_key(&json, "error");
    qe_json_string(&json, text);
    qe_json_object_end(&json);
    cplane_reply(c, command, status, &json);
    qe_json_fini(&json);
}

void cplane_retry_replies(struct qe_cplane *c)
{
    size_t count = c->owed_count;
    c->owed_count = 0; // those that fail again come back, behind what is read here
    for (size_t i = 0; i < count; i++)
        cplane_reply_error(c, c->owed[i], 503, "out of memory");
}

uint64_t cplane_count_open(const struct qe_cplane *c)
{
    uint64_t count = 0;
    for (size_t i = 0; i < c->peer_count; i++)
        for (size_t j = 0; j < QE_SESSION_PATHS_MAX; j++)
            count += c->by_id[i]->session.paths[j].state == QE_PATH_OPEN;
    return count;
}

uint64_t cplane_count_connected(const struct qe_cplane *c)
{
    uint64_t count = 0;
    for (size_t i = 0; i < c->peer_count; i++)
        count += qe_session_state(&c->by_id[i]->session) == QE_SESSION_CONNECTED;
    return count;
}

// What the letters of a report say of one peer.
struct peer_report {
    const struct qe_conn_info *active;
    struct qe_traffic traffic;
};

static struct peer_report gather(const struct cplane_command *command, const struct cplane_peer *peer)
{
    struct peer_report r = {0};
    for (const struct qe_list *at = command->letters.next; at != &command->letters; at = at->next) {
        const struct qe_mail *mail = qe_container(at, struct qe_mail, link);
        if (mail->peer != peer->index) continue;
        if (mail->kind == QE_MAIL_REPORT_PATH && mail->path == peer->session.active) r.active = &mail->conn.info;
        if (mail->kind != QE_MAIL_REPORT_PEER) continue;
        r.traffic.sent_packets += mail->conn.traffic.sent_packets;
        r.traffic.sent_bytes += mail->conn.traffic.sent_bytes;
        r.traffic.received_packets += mail->conn.traffic.received_packets;
        r.traffic.received_bytes += mail->conn.traffic.received_bytes;
    }
    return r;
}

static const char *source_of(const struct cplane_peer *peer)
{
    if (peer->why & CPLANE_WHY_CONFIG) return "configured";
    return cplane_carries(peer) ? "member" : "gateway";
}

static void text_or_null(struct qe_json *json, const char *key, const char *text)
{
    qe_json_key(json, key);
    if (text && *text)
        qe_json_string(json, text);
    else
        qe_json_null(json);
}

// By which way a peer is connected; `gateway` NULL: directly, or not at all.
static void write_way(struct qe_json *json, const struct cplane_peer *gateway)
{
    char id[QE_NODE_ID_TEXT_SIZE];
    member(json, "via", gateway ? "gateway" : "direct");
    text_or_null(json, "gateway", gateway ? qe_node_id_format(&gateway->id, id) : NULL);
    text_or_null(json, "gateway_name", gateway ? peer_name(gateway) : NULL);
}

static void write_peer(struct qe_cplane *c, struct qe_json *json, struct cplane_peer *peer, const struct peer_report *r)
{
    struct qe_session *s = &peer->session;
    const struct qe_path *path = qe_session_active(s);
    enum qe_session_state state = qe_session_state(s);
    char id[QE_NODE_ID_TEXT_SIZE], text[QE_ADDR_TEXT_SIZE];
    qe_json_object_begin(json);
    member(json, "node_id", qe_node_id_format(&peer->id, id));
    member(json, "name", peer_name(peer));
    member(json, "source", source_of(peer));
    member(json, "state", qe_session_state_name(state));
    const struct cplane_peer *gateway = path ? cplane_path_gateway(c, path) : NULL;
    bool at = path && !path->relayed;
    qe_json_key(json, "address");
    if (at || s->candidate_count)
        qe_json_string(json, qe_addr_format(at ? &path->remote : &s->candidates[0], text));
    else
        qe_json_null(json);
    write_way(json, gateway);
    text_or_null(json, "not_direct", cplane_undirect_text(peer));
    number_if(json, "rtt_us", r->active && r->active->rtt_us, r->active ? r->active->rtt_us : 0);
    qe_json_key(json, "overlay_addresses");
    qe_json_array_begin(json);
    for (size_t i = 0; i < peer->address_count; i++)
        qe_json_string(json, qe_ip_format(&peer->addresses[i], text));
    qe_json_array_end(json);
    cplane_write_peer_discovery(c, json, peer);
    number(json, "sent_bytes", r->traffic.sent_bytes);
    number(json, "received_bytes", r->traffic.received_bytes);
    number(json, "sent_packets", r->traffic.sent_packets);
    number(json, "received_packets", r->traffic.received_packets);
    number_if(json, "connected_ms", s->connected_ns != 0, (c->now_ns - s->connected_ns) / QE_NS_PER_MS);
    flag(json, "resumed", path && path->resumed);
    flag(json, "early", path && path->early);
    number(json, "dials", s->dials);
    bool waits = state == QE_SESSION_BACKOFF;
    number_if(json, "retry_in_ms", waits, s->dial_at_ns > c->now_ns ? (s->dial_at_ns - c->now_ns) / QE_NS_PER_MS : 0);
    text_or_null(json, "last_error", s->last_error);
    qe_json_object_end(json);
}

static void write_peers(struct qe_cplane *c, struct qe_json *json, const struct cplane_command *command)
{
    qe_json_object_begin(json);
    qe_json_key(json, "peers");
    qe_json_array_begin(json);
    for (size_t i = 0; i < c->peer_count; i++) {
        struct peer_report r = gather(command, c->by_id[i]);
        write_peer(c, json, c->by_id[i], &r);
    }
    qe_json_array_end(json);
    qe_json_object_end(json);
}

void cplane_command_free(struct qe_cplane *c, struct cplane_command *command)
{
    while (command->letters.next && !qe_list_empty(&command->letters))
        qe_mail_free(c->host, qe_container(command->letters.next, struct qe_mail, link));
    if (command->cookie != 0) c->waiting_commands--;
    qe_free(c->mem, command->sought);
    *command = (struct cplane_command){.cookie = 0};
}

static void finish_report(struct qe_cplane *c, struct cplane_command *command)
{
    struct qe_json json;
    qe_json_init(&json, c->mem, QE_JSON_SIZE_MAX);
    if (command->verb == QE_COMMAND_PEERS)
        write_peers(c, &json, command);
    else if (command->verb == QE_COMMAND_NETCHECK)
        cplane_write_netcheck(c, &json, command);
    else if (command->verb == QE_COMMAND_RELAY)
        cplane_write_relay(c, &json, command);
    else
        cplane_write_metrics(c, &json, command);
    cplane_reply(c, command->id, 200, &json);
    qe_json_fini(&json);
    cplane_command_free(c, command);
}

static void add_quic(struct qe_quic_stats *to, const struct qe_quic_stats *from)
{
    to->datagrams_received += from->datagrams_received;
    to->datagrams_sent += from->datagrams_sent;
    to->dropped_malformed += from->dropped_malformed;
    to->dropped_unknown += from->dropped_unknown;
    to->dropped_version += from->dropped_version;
    to->dropped_limit += from->dropped_limit;
    to->dropped_memory += from->dropped_memory;
    to->retries_sent += from->retries_sent;
    to->tokens_refused += from->tokens_refused;
    to->resets_sent += from->resets_sent;
    to->handshakes += from->handshakes;
    to->handshakes_refused += from->handshakes_refused;
    to->handshakes_timed_out += from->handshakes_timed_out;
}

struct cplane_command *cplane_command_find(struct qe_cplane *c, uint64_t cookie)
{
    for (size_t i = 0; i < CPLANE_COMMANDS_MAX; i++)
        if (c->commands[i].cookie == cookie) return &c->commands[i];
    return NULL;
}

bool cplane_on_report(struct qe_cplane *c, struct qe_mail *mail)
{
    struct cplane_command *command = mail->cookie ? cplane_command_find(c, mail->cookie) : NULL;
    if (!command) return false;
    if (mail->kind != QE_MAIL_REPORT_END) {
        qe_list_remove(&mail->link);
        qe_list_append(&command->letters, &mail->link);
        return true;
    }
    qe_counters_add(&command->counters, &mail->report.counters);
    add_quic(&command->quic, &mail->report.quic);
    if (--command->lanes_left == 0) finish_report(c, command);
    return false;
}

struct cplane_command *cplane_wait_for(struct qe_cplane *c, const struct qe_command *command)
{
    struct cplane_command *place = cplane_command_find(c, 0);
    if (!place) {
        cplane_reply_error(c, command->id, 503, "too many commands are waiting");
        return NULL;
    }
    // Random, because an echo's cookie is what proves that the answer is one.
    do
        place->cookie = cplane_random64(c, QE_RANDOM_SESSION);
    while (place->cookie == 0);
    c->waiting_commands++;
    place->id = command->id;
    place->verb = command->verb;
    place->begun_ns = c->now_ns;
    qe_list_init(&place->letters);
    return place;
}

static void ask_lanes(struct qe_cplane *c, const struct qe_command *command)
{
    struct cplane_command *place = cplane_wait_for(c, command);
    if (!place) return;
    for (uint8_t lane = 0; lane < c->options.lane_count; lane++) {
        struct qe_mail *mail = cplane_post(c, lane, QE_MAIL_REPORT, NULL, 0);
        if (!mail) continue;
        mail->cookie = place->cookie;
        place->lanes_left++;
    }
    if (place->lanes_left == 0) finish_report(c, place);
}

static void ask_dht(struct qe_cplane *c, const struct qe_command *command)
{
    if (!command->argument || !c->up || c->stopping)
        cplane_reply_error(c, command->id, command->argument ? 503 : 400,
            command->argument ? "the node is not up" : "nothing is asked for");
    else if (command->verb == QE_COMMAND_DHT_LOOKUP)
        cplane_dht_lookup(c, command);
    else if (command->verb == QE_COMMAND_DHT_GET)
        cplane_dht_get(c, command);
    else
        cplane_dht_put(c, command);
}

void cplane_command(struct qe_cplane *c, const struct qe_command *command)
{
    struct qe_json json;
    qe_json_init(&json, c->mem, QE_JSON_SIZE_MAX);
    switch (command->verb) {
    case QE_COMMAND_STATUS:
        cplane_write_status(c, &json);
        cplane_reply(c, command->id, 200, &json);
        break;
    case QE_COMMAND_ROUTES:
        cplane_write_routes(c, &json);
        cplane_reply(c, command->id, 200, &json);
        break;
    case QE_COMMAND_PEERS:
    case QE_COMMAND_METRICS:
    case QE_COMMAND_RELAY:
        ask_lanes(c, command);
        break;
    case QE_COMMAND_PING:
        cplane_ping(c, command);
        break;
    case QE_COMMAND_DHT_STATUS:
        cplane_write_dht_status(c, &json);
        cplane_reply(c, command->id, 200, &json);
        break;
    case QE_COMMAND_DHT_NODES:
        cplane_write_dht_nodes(c, &json);
        cplane_reply(c, command->id, 200, &json);
        break;
    case QE_COMMAND_DHT_LOOKUP:
    case QE_COMMAND_DHT_GET:
    case QE_COMMAND_DHT_PUT:
        ask_dht(c, command);
        break;
    case QE_COMMAND_INVITE:
        cplane_invite(c, command);
        break;
    case QE_COMMAND_JOIN:
        cplane_join(c, command);
        break;
    case QE_COMMAND_GATEWAYS:
        cplane_write_gateways(c, &json);
        cplane_reply(c, command->id, 200, &json);
        break;
    case QE_COMMAND_NETCHECK:
        cplane_netcheck_begin(c);
        ask_lanes(c, command);
        break;
    case QE_COMMAND_SET:
        cplane_set(c, command);
        break;
    case QE_COMMAND_STOP:
        qe_json_object_begin(&json);
        flag(&json, "stopping", true);
        qe_json_object_end(&json);
        cplane_reply(c, command->id, 202, &json);
        cplane_goodbye(c);
        break;
    case QE_COMMAND_COUNT: // no verb: neither a host nor a recording has it
        break;
    }
    qe_json_fini(&json);
}

void cplane_commands_expire(struct qe_cplane *c)
{
    for (size_t i = 0; i < CPLANE_COMMANDS_MAX && c->waiting_commands > 0; i++) {
        struct cplane_command *command = &c->commands[i];
        if (command->sought) {
            if (command->look_ns <= c->now_ns) cplane_ping_look(c, command);
            continue;
        }
        if (command->cookie == 0 || c->now_ns - command->begun_ns < CPLANE_PING_TIMEOUT_NS) continue;
        cplane_reply_error(c, command->id, 504, "no answer");
        cplane_command_free(c, command);
    }
}

uint64_t cplane_commands_deadline(const struct qe_cplane *c)
{
    uint64_t deadline = QE_TIME_NEVER;
    // Asked at every step: with nobody waiting it must cost nothing.
    if (c->waiting_commands == 0) return deadline;
    for (size_t i = 0; i < CPLANE_COMMANDS_MAX; i++)
        if (c->commands[i].cookie != 0)
            deadline = qe_time_min(deadline,
                c->commands[i].sought ? c->commands[i].look_ns : c->commands[i].begun_ns + CPLANE_PING_TIMEOUT_NS);
    return deadline;
}

void cplane_commands_forget(struct qe_cplane *c, uint32_t index)
{
    for (size_t i = 0; i < CPLANE_COMMANDS_MAX && c->waiting_commands > 0; i++) {
        struct cplane_command *command = &c->commands[i];
        if (command->cookie == 0) continue;
        for (struct qe_list *at = command->letters.next, *next; at != &command->letters; at = next) {
            struct qe_mail *mail = qe_container(at, struct qe_mail, link);
            next = at->next;
            if (mail->peer == index) qe_mail_free(c->host, mail);
        }
        if (command->verb != QE_COMMAND_PING || command->peer != index) continue;
        cplane_reply_error(c, command->id, 404, "no such peer");
        cplane_command_free(c, command);
    }
}

void cplane_commands_drop(struct qe_cplane *c)
{
    for (size_t i = 0; i < CPLANE_COMMANDS_MAX; i++)
        cplane_command_free(c, &c->commands[i]);
}
