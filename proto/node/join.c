// Joining a network by an invitation, at the one who is invited. The inviter is dialled like any peer, by the key that
// the invitation names; what it hands over is kept by the host before anything else happens. The invitation is stored
// until then, so that a restart goes on where it was; redeeming it again costs nothing (invite.c).
#include "node/join.h"

#include "identity/network.h"
#include "node/report.h"
#include "wire/member.h"

#include <sodium.h>
#include <stdio.h>

// Names of nodes to begin with: this and their place in the invitation.
#define REQUEST_PLACE UINT64_C(512)

static void finish(struct qe_cplane *c, int status, const char *error)
{
    char text[QE_NODE_ID_TEXT_SIZE];
    for (size_t i = 0; i < CPLANE_COMMANDS_MAX && c->waiting_commands > 0; i++) {
        struct cplane_command *command = &c->commands[i];
        if (command->cookie == 0 || command->verb != QE_COMMAND_JOIN) continue;
        if (status != 200) {
            cplane_reply_error(c, command->id, status, error);
        } else {
            struct qe_json json;
            qe_json_init(&json, c->mem, QE_JSON_SIZE_MAX);
            qe_json_object_begin(&json);
            flag(&json, "joined", true);
            char network[QE_NETWORK_ID_SIZE];
            member(&json, "network_id", sodium_bin2hex(network, sizeof network, c->network_id, sizeof c->network_id));
            member(&json, "inviter", qe_node_id_format(&c->join.inviter, text));
            qe_json_object_end(&json);
            cplane_reply(c, command->id, 200, &json);
            qe_json_fini(&json);
        }
        cplane_command_free(c, command);
    }
}

// Whatever came of it: the invitation is of no more use.
static void end(struct qe_cplane *c)
{
    struct cplane_peer *peer = cplane_peer_find(c, &c->join.inviter);
    cplane_erase(c, QE_NETWORK_INVITATION_KEY);
    c->join.active = false;
    sodium_memzero(&c->join.invitation, sizeof c->join.invitation);
    if (peer) cplane_peer_disallow(c, peer, CPLANE_WHY_INVITER);
}

static void give_up(struct qe_cplane *c, int status, const char *why)
{
    snprintf(c->join.error, sizeof c->join.error, "%s", why);
    cplane_log(c, QE_LOG_ERROR, "the invitation was not redeemed: %s", why);
    finish(c, status, why);
    end(c);
}

// Nodes to begin with: addresses at once, names when the host knows theirs.
static void begin_with_places(struct qe_cplane *c)
{
    for (size_t i = 0; i < c->join.invitation.place_count; i++) {
        const struct qe_place *place = &c->join.invitation.places[i];
        if (place->host[0] == '\0') {
            cplane_discovery_begin_with(c, &place->addr);
            continue;
        }
        struct cplane_action *a = cplane_act(c, QE_ACTION_RESOLVE, strlen(place->host) + 1);
        if (!a) continue;
        memcpy(a->bytes, place->host, strlen(place->host) + 1);
        a->action.resolve.request = REQUEST_PLACE + i;
        a->action.resolve.name = a->bytes;
    }
}

bool cplane_join_on_result(struct qe_cplane *c, const struct qe_result *result)
{
    if (result->request < REQUEST_PLACE || result->request >= REQUEST_PLACE + QE_INVITATION_PLACES_MAX) return false;
    size_t i = (size_t)(result->request - REQUEST_PLACE);
    if (!c->join.active || i >= c->join.invitation.place_count || result->code != QE_RESULT_OK) return true;
    for (size_t j = 0; j < result->address_count && j < 8; j++)
        cplane_discovery_begin_with(
            c, &(struct qe_addr){result->addresses[j], c->join.invitation.places[i].addr.port, 0});
    return true;
}

// Whoever is connected already is asked there. One connection is for one invitation: what it was asked before it may
// still answer, and that is no answer to this.
static void ask_connected(struct qe_cplane *c, const struct cplane_peer *peer)
{
    size_t cursor = 0;
    struct cplane_path *path;
    while ((path = qe_table_each(c->paths, &cursor))) {
        if (path->join_said) {
            path->join_said = false;
            path->refused = true;
            cplane_close_path(c, path->id, QE_CLOSE_NONE); // and dialled again
        } else if (path->peer == peer && !path->refused) {
            cplane_join_on_identified(c, path);
        }
    }
}

// False without memory.
static bool start(struct qe_cplane *c)
{
    const struct qe_invitation *invitation = &c->join.invitation;
    struct cplane_peer *peer = cplane_peer_add(c, &c->join.inviter, NULL, CPLANE_WHY_INVITER);
    if (!peer) return false;
    peer->pinned = true;
    peer->key = invitation->inviter;
    // The best one last, so that it is tried first.
    for (size_t i = invitation->place_count; i-- > 0;)
        if (invitation->places[i].kind == QE_PLACE_INVITER)
            qe_session_on_address(&peer->session, &invitation->places[i].addr, false);
    begin_with_places(c);
    ask_connected(c, peer);
    cplane_peer_refresh(c, peer);
    return true;
}

void cplane_join_on_up(struct qe_cplane *c)
{
    if (!c->join.active) return;
    if (c->member)
        end(c); // it was kept, and then there was no time to say so
    else if (!start(c))
        give_up(c, 503, "out of memory");
}

bool cplane_join_load(struct qe_cplane *c, const char *key, struct qe_span value)
{
    char text[QE_INVITATION_TEXT_SIZE];
    if (strcmp(key, QE_NETWORK_INVITATION_KEY) != 0) return false;
    if (value.size < sizeof text) {
        memcpy(text, value.data, value.size);
        text[value.size] = '\0';
        c->join.active = qe_invitation_parse(text, &c->join.invitation);
        sodium_memzero(text, sizeof text);
    }
    if (c->join.active)
        c->join.inviter = qe_node_id_from_key(&c->join.invitation.inviter);
    else
        cplane_log(c, QE_LOG_WARN, "stored item %s is damaged; ignored", key);
    return true;
}

void cplane_join(struct qe_cplane *c, const struct qe_command *command)
{
    struct qe_invitation invitation;
    const char *text = command->argument ? command->argument : "";
    if (!qe_invitation_parse(text, &invitation)) {
        cplane_reply_error(c, command->id, 400, "that is no invitation, or not all of it");
        return;
    }
    struct qe_node_id inviter = qe_node_id_from_key(&invitation.inviter);
    bool again = c->join.active && memcmp(invitation.token, c->join.invitation.token, QE_TOKEN_SIZE) == 0;
    if (c->member) {
        cplane_reply_error(c, command->id, 409, "this node is in a network already");
    } else if (qe_node_id_equal(&inviter, &c->self)) {
        cplane_reply_error(c, command->id, 400, "this node's own invitation");
    } else if (cplane_wait_for(c, command) && !again) {
        if (c->join.active) end(c);
        c->join = (struct cplane_join){.active = true, .invitation = invitation, .inviter = inviter};
        cplane_store(c, QE_NETWORK_INVITATION_KEY, text, strlen(text));
        if (c->up && !start(c)) give_up(c, 503, "out of memory");
    }
    sodium_memzero(&invitation, sizeof invitation);
}

void cplane_join_on_identified(struct qe_cplane *c, struct cplane_path *path)
{
    uint8_t message[3 + QE_TOKEN_SIZE];
    if (!c->join.active || c->member || !path->exported || path->join_said || !path->peer) return;
    if (!(path->peer->why & CPLANE_WHY_INVITER) || !qe_key_equal(&path->key, &c->join.invitation.inviter)) return;
    size_t size = qe_join_encode(c->join.invitation.token, message, sizeof message);
    struct qe_mail *mail = cplane_post(c, path->lane, QE_MAIL_SEND, message, size);
    sodium_memzero(message, sizeof message);
    if (!mail) {
        cplane_close_path(c, path->id, QE_CLOSE_LIMIT);
        return;
    }
    mail->path = path->id;
    path->join_said = true;
    cplane_trace(c, "join.asked", path->peer, path->id, 0);
}

static void unasked(struct qe_cplane *c, struct cplane_path *path)
{
    if (path->waiting && !path->open)
        cplane_refuse(c, path, QE_COUNT_DROP_STRANGER);
    else
        qe_count(&c->counters, QE_COUNT_DROP_CONTROL);
}

void cplane_on_welcome(struct qe_cplane *c, struct cplane_path *path, struct qe_span body)
{
    uint8_t handed[QE_SECRET_HANDED_SIZE];
    if (!path->join_said || !c->join.active || !qe_welcome_decode(body, handed)) {
        unasked(c, path);
        return;
    }
    if (c->host->secret(
            c->host->user, QE_SECRET_NETWORK, QE_SECRET_TAKE_OVER, qe_span(handed, sizeof handed), NULL, 0) != 0) {
        give_up(c, 500, "the network's secret cannot be kept");
        return;
    }
    cplane_network_look(c);
    cplane_log(c, QE_LOG_INFO, "joined the network of the inviter");
    cplane_trace(c, "join.done", path->peer, path->id, 0);
    path->peer->why |= CPLANE_WHY_MEMBER;
    finish(c, 200, NULL);
    end(c);
    c->join.error[0] = '\0';
    cplane_say_proof(c, path);
    if (path->proof_held) cplane_on_proof(c, path, qe_span(path->held, sizeof path->held));
    cplane_discovery_on_network(c);
}

void cplane_on_decline(struct qe_cplane *c, struct cplane_path *path, struct qe_span body)
{
    enum qe_decline why;
    if (!path->join_said || !c->join.active || !qe_decline_decode(body, &why)) {
        unasked(c, path);
        return;
    }
    snprintf(c->join.error, sizeof c->join.error, "%s", qe_decline_text(why));
    if (why == QE_DECLINE_LATER)
        cplane_close_path(c, path->id, QE_CLOSE_NONE); // and dialled again
    else
        give_up(c, why == QE_DECLINE_UNKNOWN ? 403 : 410, qe_decline_text(why));
}
