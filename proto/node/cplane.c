// The control plane's life and its events. Decisions about peers are in session/; what they entail is in peering.c.
#include "node/cplane_internal.h"

#include "base/mutants.h"
#include "node/join.h"
#include "node/portmap.h"
#include "node/relay_internal.h"
#include "node/underlay.h"
#include "route/overlay.h"

#include <sodium.h>

#include <stdarg.h>
#include <stdio.h>

#define REQUEST_TUN UINT64_C(1)
// Sockets are numbered from 1; a socket's request is this plus its number.
#define REQUEST_SOCKET UINT64_C(16) // claims.h has those between

void cplane_trace(struct qe_cplane *c, const char *name, const struct cplane_peer *peer, uint64_t a, uint64_t b)
{
    if (!c->host->trace) return;
    struct qe_trace trace = {.now_ns = c->now_ns, .name = name, .a = a, .b = b};
    if (peer) trace.peer = peer->id;
    c->host->trace(c->host->user, &trace);
}

struct cplane_action *cplane_act(struct qe_cplane *c, enum qe_action_kind kind, size_t size)
{
    struct cplane_action *a = qe_zalloc(c->mem, 1, sizeof *a + size);
    if (!a) {
        qe_count(&c->counters, QE_COUNT_DROP_MEMORY);
        return NULL;
    }
    a->action.kind = kind;
    qe_list_append(&c->actions, &a->link);
    return a;
}

void cplane_log(struct qe_cplane *c, enum qe_log_level level, const char *format, ...)
{
    char text[256];
    va_list args;
    if (level > c->config->log_level) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct cplane_action *a = cplane_act(c, QE_ACTION_LOG, strlen(text) + 1);
    if (!a) return;
    memcpy(a->bytes, text, strlen(text) + 1);
    a->action.log.level = level;
    a->action.log.text = a->bytes;
}

void cplane_fail(struct qe_cplane *c, const char *format, ...)
{
    va_list args;
    if (c->failure[0]) return;
    va_start(args, format);
    vsnprintf(c->failure, sizeof c->failure, format, args);
    va_end(args);
    c->stopping = true;
}

struct qe_mail *cplane_post(struct qe_cplane *c, uint8_t lane, enum qe_mail_kind kind, const void *bytes, size_t size)
{
    // What a letter tells of a peer means nothing to a lane that does not know it yet.
    if (c->snapshot_due && c->begun && kind != QE_MAIL_SNAPSHOT) cplane_publish(c);
    struct qe_mail *mail = qe_mail_post(c->mem, c->options.outbox, lane, kind, bytes, size);
    if (!mail) qe_count(&c->counters, QE_COUNT_DROP_MEMORY);
    return mail;
}

uint32_t cplane_random32(struct qe_cplane *c, enum qe_random purpose)
{
    uint8_t bytes[4];
    c->host->random(c->host->user, purpose, bytes, sizeof bytes);
    return qe_load32(bytes);
}

uint64_t cplane_random64(struct qe_cplane *c, enum qe_random purpose)
{
    uint8_t bytes[8];
    c->host->random(c->host->user, purpose, bytes, sizeof bytes);
    return qe_load64(bytes);
}

const char *cplane_peer_text(const struct cplane_peer *peer, char out[QE_NAME_SIZE])
{
    char id[QE_NODE_ID_TEXT_SIZE];
    snprintf(out, QE_NAME_SIZE, "%s", peer->name[0] ? peer->name : qe_node_id_format(&peer->id, id));
    return out;
}

static void init_addresses(struct qe_cplane *c)
{
    c->own[0] = qe_overlay_ip4(&c->self, 0);
    c->own[1] = qe_overlay_ip6(&c->self);
    const struct qe_cidr *given = &c->config->tun_addr;
    if (given->ip.family == 4) c->own[0] = *given;
    if (given->ip.family == 6) c->own[1] = *given;
}

int qe_cplane_new(struct qe_cplane **out, const struct qe_cplane_options *options, uint64_t now_ns, uint64_t wall_ms)
{
    uint8_t secret[16];
    struct qe_cplane *c = qe_zalloc(&options->host->mem, 1, sizeof *c);
    if (!c) return -1;
    c->options = *options;
    c->host = options->host;
    c->mem = &options->host->mem;
    c->config = options->config;
    c->now_ns = c->started_ns = now_ns;
    c->wall_ms = wall_ms;
    c->retry_at_ns = QE_TIME_NEVER;
    c->self = qe_node_id_from_key(&c->host->identity);
    qe_list_init(&c->actions);
    qe_heap_init(&c->timers, c->mem);
    qe_heap_init(&c->proofs, c->mem);
    c->host->random(c->host->user, QE_RANDOM_HASH, secret, sizeof secret);
    c->boot_epoch = cplane_random64(c, QE_RANDOM_SESSION);
    cplane_network_look(c);
    init_addresses(c);
    cplane_claims_init(c);
    cplane_gateways_init(c);
    c->paths = qe_table_new(c->mem, sizeof(uint64_t), QE_CONFIG_PEERS_MAX * QE_SESSION_PATHS_MAX * 2, secret);
    if (!c->paths || cplane_relay_init(c, secret) != 0 || cplane_peers_init(c) != 0 || cplane_discovery_new(c) != 0 ||
        cplane_traversal_new(c) != 0) {
        qe_cplane_free(c);
        return -1;
    }
    *out = c;
    return 0;
}

void qe_cplane_free(struct qe_cplane *c)
{
    if (!c) return;
    size_t cursor = 0;
    for (struct cplane_path *path; c->paths && (path = qe_table_each(c->paths, &cursor));)
        cplane_path_free(c, path);
    qe_table_free(c->paths);
    cplane_discovery_free(c);
    cplane_traversal_free(c);
    cplane_invites_fini(c);
    cplane_relay_fini(c);
    sodium_memzero(&c->join, sizeof c->join);
    cplane_peers_fini(c);
    cplane_claims_fini(c);
    cplane_portmap_fini(c);
    cplane_commands_drop(c);
    qe_free(c->mem, c->notices);
    while (!qe_list_empty(&c->actions)) {
        struct cplane_action *a = qe_container(c->actions.next, struct cplane_action, link);
        qe_list_remove(&a->link);
        qe_free(c->mem, a);
    }
    qe_free(c->mem, c->current);
    qe_heap_fini(&c->timers);
    qe_heap_fini(&c->proofs);
    qe_free(c->mem, c);
}

static void on_start(struct qe_cplane *c)
{
    struct cplane_action *a = cplane_act(c, QE_ACTION_TUN_OPEN, 0);
    if (!a) {
        cplane_fail(c, "out of memory");
    } else {
        a->action.tun_open.request = REQUEST_TUN;
        a->action.tun_open.name = c->config->tun_name;
        a->action.tun_open.mtu = c->config->mtu;
        a->action.tun_open.addresses = c->own;
        a->action.tun_open.address_count = 2;
    }
    for (uint32_t i = 0; i < c->config->listen_count; i++) {
        a = cplane_act(c, QE_ACTION_SOCKET_OPEN, 0);
        if (!a) {
            cplane_fail(c, "out of memory");
            continue;
        }
        a->action.socket_open.request = REQUEST_SOCKET + i;
        a->action.socket_open.socket = i + 1;
        a->action.socket_open.bind = c->config->listen[i];
    }
    c->begun = true;
    cplane_publish(c);
}

// Once the TUN and every socket have answered, and one socket at least is bound, peers are dialled.
static void check_up(struct qe_cplane *c)
{
    size_t bound = 0;
    if (c->up || c->stopping || !c->tun_up) return;
    for (size_t i = 0; i < c->config->listen_count; i++) {
        if (!c->sockets[i].answered) return;
        bound += c->sockets[i].bound.ip.family != 0;
    }
    if (bound == 0) {
        cplane_fail(c, "no UDP socket could be bound");
        return;
    }
    char id[QE_NODE_ID_TEXT_SIZE], four[QE_ADDR_TEXT_SIZE], six[QE_ADDR_TEXT_SIZE];
    c->up = true;
    cplane_log(c, QE_LOG_INFO, "node %s is up: %s, %s, %s", qe_node_id_format(&c->self, id), c->config->tun_name,
        qe_cidr_format(&c->own[0], four), qe_cidr_format(&c->own[1], six));
    cplane_trace(c, "node.up", NULL, 0, 0);
    cplane_discovery_on_up(c);
    cplane_portmap_on_up(c);
    cplane_join_on_up(c);
    cplane_names_warn(c);
    cplane_gateways_on_up(c);
    for (size_t i = 0; i < c->peer_count; i++)
        cplane_peer_timer(c, c->by_id[i]);
}

static void on_result(struct qe_cplane *c, const struct qe_result *result)
{
    const char *text = result->text ? result->text : "refused";
    if (result->request == REQUEST_TUN) {
        if (result->code == QE_RESULT_OK) {
            c->tun_up = true;
            cplane_claims_start(c);
        } else {
            cplane_fail(c, "cannot open the TUN interface %s: %s", c->config->tun_name, text);
        }
    } else if (cplane_claims_on_result(c, result)) {
        return;
    } else if (result->request >= REQUEST_SOCKET && result->request - REQUEST_SOCKET < c->config->listen_count) {
        size_t i = (size_t)(result->request - REQUEST_SOCKET);
        char addr[QE_ADDR_TEXT_SIZE];
        qe_addr_format(&c->config->listen[i], addr);
        c->sockets[i].answered = true;
        if (result->code == QE_RESULT_OK)
            c->sockets[i].bound = result->local;
        else if (result->code == QE_RESULT_UNAVAILABLE)
            cplane_log(c, QE_LOG_WARN, "not listening on %s: %s", addr, text);
        else
            cplane_fail(c, "cannot listen on %s: %s", addr, text);
    } else if (cplane_traversal_on_result(c, result)) {
        return;
    } else if (cplane_portmap_on_result(c, result) || cplane_discovery_on_result(c, result) ||
               cplane_join_on_result(c, result)) {
        return;
    }
    check_up(c);
}

static void on_link(struct qe_cplane *c, const struct qe_link_event *event)
{
    size_t at = 0;
    while (at < c->link_count && c->links[at].interface != event->interface)
        at++;
    // Interfaces that are gone make room for new ones.
    for (size_t i = 0; at == CPLANE_LINKS_MAX && i < CPLANE_LINKS_MAX; i++)
        if (!c->links[i].up) at = i;
    if (at == CPLANE_LINKS_MAX) return;
    if (at < c->link_count && c->links[at].interface != event->interface)
        c->links[at] = (struct cplane_link){.interface = event->interface};
    bool was_up = at < c->link_count && c->links[at].up;
    if (at == c->link_count) c->link_count++;
    struct cplane_link *link = &c->links[at];
    link->interface = event->interface;
    link->up = event->up;
    snprintf(link->name, sizeof link->name, "%s", event->name ? event->name : "");
    size_t before = link->address_count;
    link->address_count = 0;
    for (size_t i = 0; i < event->address_count && i < CPLANE_LINK_ADDRESSES; i++)
        link->addresses[link->address_count++] = event->addresses[i];
    cplane_trace(c, "link", NULL, link->interface, link->up);
    cplane_discovery_on_addresses(c);
    cplane_traversal_on_network(c);
    cplane_own_claims_on_link(c);
    cplane_underlay_on_link(c, link);
    cplane_portmap_on_link(c, link);
    cplane_claims_on_link(c);
    if (!link->up || (was_up && link->address_count <= before)) return;
    for (size_t i = 0; i < c->peer_count && c->up; i++) {
        qe_session_on_link_up(&c->by_id[i]->session, c->now_ns);
        cplane_peer_timer(c, c->by_id[i]);
    }
}

void qe_cplane_on_sleep(struct qe_cplane *c, uint64_t now_ns, uint64_t wall_ms)
{
    c->now_ns = now_ns;
    c->wall_ms = wall_ms;
    cplane_trace(c, "node.slept", NULL, 0, 0);
    cplane_discovery_on_addresses(c);
    cplane_traversal_on_network(c);
    for (size_t i = 0; i < c->peer_count && c->up; i++) {
        qe_session_on_link_up(&c->by_id[i]->session, c->now_ns);
        cplane_peer_timer(c, c->by_id[i]);
    }
}

// What changed about who the peers are, told to the lanes.
static void settle(struct qe_cplane *c)
{
    if (c->snapshot_due && c->begun) cplane_publish(c);
    if (c->leaving_count) cplane_forget_leaving(c);
}

static void expire(struct qe_cplane *c)
{
    struct qe_timer *timer;
    while ((timer = qe_heap_pop(&c->timers, c->now_ns))) {
        struct cplane_peer *peer = qe_container(timer, struct cplane_peer, timer);
        cplane_peer_refresh(c, peer);
    }
    cplane_welcome(c);
    cplane_proofs_expire(c);
    cplane_commands_expire(c);
    cplane_claims_expire(c);
    cplane_portmap_expire(c);
    cplane_relay_expire(c);
    cplane_exit_expire(c);
    if (c->retry_at_ns <= c->now_ns) cplane_retry(c);
    cplane_discovery_expire(c);
    cplane_traversal_expire(c);
    cplane_gateways_expire(c);
    settle(c);
}

void qe_cplane_step(struct qe_cplane *c, const struct qe_event *event)
{
    c->now_ns = QE_MUTANT(wall_clock) ? c->now_ns + (event->wall_ms - c->wall_ms) * QE_NS_PER_MS : event->now_ns;
    c->wall_ms = event->wall_ms;
    switch (event->kind) {
    case QE_EVENT_START:
        on_start(c);
        break;
    case QE_EVENT_STORED:
        cplane_load(c, event->stored.key, event->stored.value);
        break;
    case QE_EVENT_RESULT:
        on_result(c, &event->result);
        break;
    case QE_EVENT_LINK:
        on_link(c, &event->link);
        break;
    case QE_EVENT_COMMAND:
        cplane_command(c, &event->command);
        break;
    default:
        break;
    }
    expire(c);
}

// The peer's packets begin to come by another path than the one that carries ours: the peer may have lost that one.
static void on_begun(struct qe_cplane *c, struct cplane_peer *peer, const struct qe_mail *mail)
{
    const struct qe_path *active = qe_session_active(&peer->session);
    const struct qe_path *path = qe_session_path(&peer->session, mail->path);
    if (!active || !path || path == active || active->state != QE_PATH_OPEN || path->state != QE_PATH_OPEN) return;
    struct qe_mail *letter = cplane_post(c, active->lane, QE_MAIL_DOUBT, NULL, 0);
    if (!letter) return; // silence tells as much, later
    letter->path = active->id;
    letter->cookie = mail->cookie;
}

// True: the letter is kept.
static bool read_letter(struct qe_cplane *c, struct qe_mail *mail)
{
    struct cplane_peer *peer = mail->peer != QE_PEER_NONE ? c->peers[mail->peer] : NULL;
    switch (mail->kind) {
    case QE_MAIL_CONNECTED:
        return cplane_on_connected(c, mail);
    case QE_MAIL_CONFIRMED:
        cplane_on_confirmed(c, mail);
        break;
    case QE_MAIL_CLOSED:
        cplane_on_closed(c, mail);
        break;
    case QE_MAIL_RECEIVED:
        cplane_on_received(c, mail);
        break;
    case QE_MAIL_MOVED:
        cplane_on_moved(c, mail);
        break;
    case QE_MAIL_TICKET:
        if (peer) cplane_on_ticket(c, peer, qe_span(mail->bytes, mail->size));
        break;
    case QE_MAIL_SILENT:
        if (!peer) break; // a stranger
        qe_session_on_silent(&peer->session, mail->path, c->now_ns);
        cplane_traversal_on_damage(c);
        cplane_peer_refresh(c, peer);
        break;
    case QE_MAIL_HEARD:
        if (!peer) break;
        qe_session_on_heard(&peer->session, mail->path, c->now_ns);
        cplane_peer_refresh(c, peer);
        break;
    case QE_MAIL_BEGUN:
        if (peer) on_begun(c, peer, mail);
        break;
    case QE_MAIL_WANTED:
        qe_session_on_wanted(&peer->session, c->now_ns);
        cplane_discovery_on_wanted(c, peer);
        cplane_traversal_on_wanted(c, peer);
        cplane_detour_on_wanted(c, peer);
        cplane_peer_timer(c, peer);
        break;
    case QE_MAIL_UNROUTED:
        cplane_discovery_on_unrouted(c, &mail->address);
        break;
    case QE_MAIL_ECHO_REPLY:
        cplane_on_echo_reply(c, mail);
        break;
    case QE_MAIL_NO_CIRCUIT:
        cplane_relay_on_no_circuit(c, mail);
        break;
    case QE_MAIL_FORGOTTEN:
        cplane_on_forgotten(c, mail);
        break;
    case QE_MAIL_REPORT_PEER:
    case QE_MAIL_REPORT_PATH:
    case QE_MAIL_REPORT_END:
        return cplane_on_report(c, mail);
    default:
        break;
    }
    return false;
}

bool qe_cplane_read(struct qe_cplane *c, struct qe_mail *mail, uint64_t now_ns, uint64_t wall_ms)
{
    c->now_ns = QE_MUTANT(wall_clock) ? c->now_ns + (wall_ms - c->wall_ms) * QE_NS_PER_MS : now_ns;
    c->wall_ms = wall_ms;
    bool kept = read_letter(c, mail);
    settle(c);
    return kept;
}

bool qe_cplane_next(struct qe_cplane *c, struct qe_action *action)
{
    qe_free(c->mem, c->current);
    c->current = NULL;
    if (qe_list_empty(&c->actions)) return false;
    c->current = qe_container(c->actions.next, struct cplane_action, link);
    qe_list_remove(&c->current->link);
    *action = c->current->action;
    return true;
}

uint64_t qe_cplane_deadline(const struct qe_cplane *c)
{
    uint64_t deadline = qe_time_min(qe_heap_deadline(&c->timers), cplane_commands_deadline(c));
    deadline = qe_time_min(deadline, cplane_claims_deadline(c));
    deadline = qe_time_min(deadline, cplane_portmap_deadline(c));
    deadline = qe_time_min(deadline, qe_heap_deadline(&c->proofs));
    deadline = qe_time_min(deadline, cplane_traversal_deadline(c));
    deadline = qe_time_min(deadline, cplane_gateways_deadline(c));
    deadline = qe_time_min(deadline, cplane_relay_deadline(c));
    deadline = qe_time_min(deadline, cplane_exit_deadline(c));
    if (c->welcomes_due) deadline = qe_time_min(deadline, c->now_ns);
    return qe_time_min(qe_time_min(deadline, c->retry_at_ns), cplane_discovery_deadline(c));
}

bool qe_cplane_stopping(const struct qe_cplane *c, const char **failure)
{
    *failure = c->failure[0] ? c->failure : NULL;
    return c->stopping;
}
