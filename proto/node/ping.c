// PING: an echo inside the connection to a peer. Whoever is not known yet is looked for by name or address first, and
// whoever is not connected is dialled, for as long as somebody at a terminal is glad to wait.
#include "node/report.h"

#define PATIENCE_NS (3 * QE_NS_PER_S)
// What it waits for (a lookup, a handshake) tells many parts of the node; looking again costs less than being told.
#define LOOK_NS (20 * QE_NS_PER_MS)

// The peer that `text` names: a whole ID, a name, an overlay address, or a unique beginning of an ID.
static struct cplane_peer *find_peer(struct qe_cplane *c, const char *text, const char **error)
{
    struct cplane_peer *found = NULL;
    struct qe_ip ip;
    bool is_ip = qe_ip_parse(text, &ip);
    size_t size = strlen(text);
    *error = "no such peer";
    for (size_t i = 0; i < c->peer_count; i++) {
        struct cplane_peer *peer = c->by_id[i];
        char id[QE_NODE_ID_TEXT_SIZE];
        if (strcmp(peer->name, text) == 0 && size > 0) return peer;
        for (size_t j = 0; is_ip && j < peer->address_count; j++)
            if (qe_ip_equal(&peer->addresses[j], &ip)) return peer;
        if (size < 3 || strncmp(qe_node_id_format(&peer->id, id), text, size) != 0) continue;
        if (found) {
            *error = "several peers' IDs begin like that";
            return NULL;
        }
        found = peer;
    }
    return found;
}

// Somebody who is no peer by that name or address yet, as far as that is known. NULL: *later says that it is being
// looked for, else `error` why there is nobody.
static struct cplane_peer *seek(struct qe_cplane *c, const char *text, bool *later, const char **error)
{
    struct qe_ip ip, addresses[QE_HELLO_ADDRESSES_MAX];
    struct qe_node_id owner;
    size_t count;
    *later = false;
    if (qe_ip_parse(text, &ip)) {
        *later = qe_cidr_contains(&c->own[0], &ip) || qe_cidr_contains(&c->own[1], &ip);
        // Its owner becomes a peer that has the address.
        if (*later) cplane_discovery_on_unrouted(c, &ip);
        return NULL;
    }
    if (!qe_name_valid(text)) return NULL;
    enum cplane_name_found found = cplane_name_find(c, text, &owner, addresses, &count);
    *later = found == CPLANE_NAME_LATER;
    if (found != CPLANE_NAME_FOUND) return NULL;
    if (qe_node_id_equal(&owner, &c->self)) *error = "that is this node itself";
    // Only members' names are found so.
    return qe_node_id_equal(&owner, &c->self) ? NULL : cplane_peer_add(c, &owner, NULL, CPLANE_WHY_MEMBER);
}

static void send_echo(struct qe_cplane *c, struct cplane_command *command, struct cplane_peer *peer)
{
    struct qe_mail *mail = cplane_post(c, peer->home, QE_MAIL_ECHO, NULL, 0);
    qe_free(c->mem, command->sought);
    command->sought = NULL;
    command->begun_ns = c->now_ns;
    if (!mail) return;
    mail->peer = command->peer = peer->index;
    mail->cookie = command->cookie;
}

static void give_up(struct qe_cplane *c, struct cplane_command *command, int status, const char *error)
{
    cplane_reply_error(c, command->id, status, error);
    cplane_command_free(c, command);
}

void cplane_ping_look(struct qe_cplane *c, struct cplane_command *command)
{
    const char *error;
    bool later = false;
    struct cplane_peer *peer = find_peer(c, command->sought, &error);
    if (!peer) peer = seek(c, command->sought, &later, &error);
    bool late = c->now_ns - command->begun_ns >= PATIENCE_NS;
    if (peer && peer->session.active) {
        send_echo(c, command, peer);
    } else if (peer && late) {
        give_up(c, command, 409, "not connected to that peer");
    } else if (peer) {
        qe_session_on_wanted(&peer->session, c->now_ns);
        cplane_discovery_on_wanted(c, peer);
        cplane_peer_timer(c, peer);
    } else if (!later || late) {
        give_up(c, command, 404, error);
    }
    if (command->cookie && command->sought) command->look_ns = c->now_ns + LOOK_NS;
}

void cplane_ping(struct qe_cplane *c, const struct qe_command *given)
{
    const char *text = given->argument ? given->argument : "";
    struct cplane_command *command = cplane_wait_for(c, given);
    if (!command) return;
    size_t size = strlen(text) + 1;
    command->peer = UINT32_MAX; // none yet
    command->sought = qe_alloc(c->mem, size);
    if (!command->sought) {
        give_up(c, command, 503, "out of memory");
        return;
    }
    memcpy(command->sought, text, size);
    cplane_ping_look(c, command);
}

void cplane_on_echo_reply(struct qe_cplane *c, const struct qe_mail *mail)
{
    struct cplane_command *command = mail->cookie ? cplane_command_find(c, mail->cookie) : NULL;
    char id[QE_NODE_ID_TEXT_SIZE];
    struct qe_json json;
    if (!command || command->verb != QE_COMMAND_PING || command->peer != mail->peer) return;
    qe_json_init(&json, c->mem, QE_JSON_SIZE_MAX);
    qe_json_object_begin(&json);
    member(&json, "peer", qe_node_id_format(&c->peers[mail->peer]->id, id));
    number(&json, "rtt_us", (c->now_ns - command->begun_ns) / QE_NS_PER_US);
    qe_json_object_end(&json);
    cplane_reply(c, command->id, 200, &json);
    qe_json_fini(&json);
    cplane_command_free(c, command);
}
