// Invitations to the network, at the inviter. Each is a token of which only a MAC is kept, a time when it ends, and how
// often it may still be redeemed; all of it is stored, so that a restart forgives nothing.
//
// Whoever redeemed one is noted with it, and may do so again: a node that crashed before it kept the secret asks once
// more, and that costs nothing. The note is on the disk before the secret leaves (QE_SECRET_HAND_OVER), so that no
// crash lets one invitation be used by more nodes than it is for.
#include "node/join.h"

#include "base/cursor.h"
#include "identity/invitation.h"
#include "node/report.h"
#include "wire/member.h"

#include <sodium.h>
#include <stdio.h>

#define RECORD_VERSION  1
#define RECORD_SIZE_MAX (1 + 32 + 32 + 8 + 4 + 2 + 20 * INVITE_USES_MAX)
#define KEY_SIZE        (sizeof "invite/" + 16)
#define EXPIRES_DEFAULT 86400
#define EXPIRES_MAX     31536000
#define ENDPOINTS_MAX   5 // of the inviter, in an invitation; the rest is for nodes to begin with

// Of a token to the network that this node is in now: to another one that it was in, or will be, it is none.
static bool mac_of(const struct qe_cplane *c, const uint8_t token[QE_TOKEN_SIZE], uint8_t mac[32])
{
    uint8_t input[16 + sizeof c->network_id + QE_TOKEN_SIZE] = "quicether-invite";
    memcpy(input + 16, c->network_id, sizeof c->network_id);
    memcpy(input + 16 + sizeof c->network_id, token, QE_TOKEN_SIZE);
    return c->member && c->host->secret(c->host->user, QE_SECRET_IDENTITY, QE_SECRET_MAC, qe_span(input, sizeof input),
                            mac, 32) == 0;
}

static void key_of(const struct cplane_invite *invite, char out[KEY_SIZE])
{
    char hex[17];
    sodium_bin2hex(hex, sizeof hex, invite->mac, 8);
    snprintf(out, KEY_SIZE, "invite/%s", hex);
}

static bool store(struct qe_cplane *c, const struct cplane_invite *invite)
{
    char key[KEY_SIZE];
    size_t size = RECORD_SIZE_MAX - 20 * (INVITE_USES_MAX - invite->taken_count);
    uint8_t *record = qe_alloc(c->mem, size);
    if (!record) return false;
    struct qe_writer w = qe_writer(record, size);
    qe_write8(&w, RECORD_VERSION);
    qe_write_bytes(&w, invite->mac, sizeof invite->mac);
    qe_write_bytes(&w, invite->seed, sizeof invite->seed);
    qe_write64(&w, invite->expires_ms);
    qe_write32(&w, invite->uses_left);
    qe_write16(&w, (uint16_t)invite->taken_count);
    for (size_t i = 0; i < invite->taken_count; i++)
        qe_write_bytes(&w, invite->taken[i].bytes, sizeof invite->taken[i].bytes);
    key_of(invite, key);
    bool stored = cplane_store(c, key, record, qe_writer_size(&w));
    qe_free(c->mem, record);
    return stored;
}

static void erase(struct qe_cplane *c, size_t index)
{
    char key[KEY_SIZE];
    struct cplane_invite *invite = &c->invites[index];
    key_of(invite, key);
    cplane_erase(c, key);
    qe_free(c->mem, invite->taken);
    c->invites[index] = c->invites[--c->invite_count];
    sodium_memzero(&c->invites[c->invite_count], sizeof *c->invites);
}

// Those that ended. Until then one that is used up stays, for the sake of whoever used it.
static void drop_expired(struct qe_cplane *c)
{
    for (size_t i = c->invite_count; i-- > 0;)
        if (c->invites[i].expires_ms <= c->wall_ms) erase(c, i);
}

static struct cplane_invite *new_invite(struct qe_cplane *c)
{
    if (c->invite_count == INVITES_MAX) return NULL;
    if (c->invite_count == c->invite_capacity) {
        size_t capacity = c->invite_capacity ? 2 * c->invite_capacity : 4;
        struct cplane_invite *list = qe_realloc(c->mem, c->invites, capacity, sizeof *list);
        if (!list) return NULL;
        c->invites = list;
        c->invite_capacity = capacity;
    }
    struct cplane_invite *invite = &c->invites[c->invite_count++];
    *invite = (struct cplane_invite){.uses_left = 0};
    return invite;
}

void cplane_invites_fini(struct qe_cplane *c)
{
    for (size_t i = 0; i < c->invite_count; i++)
        qe_free(c->mem, c->invites[i].taken);
    if (c->invites) sodium_memzero(c->invites, c->invite_count * sizeof *c->invites);
    qe_free(c->mem, c->invites);
}

static bool read_record(struct qe_cplane *c, struct qe_span value)
{
    struct qe_reader r = qe_reader(value);
    struct cplane_invite read = {.uses_left = 0};
    uint8_t version = qe_read8(&r);
    qe_read_copy(&r, read.mac, sizeof read.mac);
    qe_read_copy(&r, read.seed, sizeof read.seed);
    read.expires_ms = qe_read64(&r);
    read.uses_left = qe_read32(&r);
    read.taken_count = qe_read16(&r);
    if (r.failed || version != RECORD_VERSION || read.uses_left + read.taken_count > INVITE_USES_MAX) return false;
    if (qe_reader_left(&r) != read.taken_count * sizeof *read.taken) return false;
    struct cplane_invite *invite = new_invite(c);
    if (!invite) return true;
    if (read.taken_count) {
        read.taken = qe_alloc(c->mem, read.taken_count * sizeof *read.taken);
        if (!read.taken) {
            c->invite_count--;
            return true;
        }
        qe_read_copy(&r, read.taken, read.taken_count * sizeof *read.taken);
    }
    *invite = read;
    return true;
}

bool cplane_invites_load(struct qe_cplane *c, const char *key, struct qe_span value)
{
    if (strncmp(key, "invite/", 7) != 0) return false;
    if (!read_record(c, value)) cplane_log(c, QE_LOG_WARN, "stored item %s is damaged; ignored", key);
    return true;
}

// A number behind `word` in "word=123 other=4"; `otherwise` where it is not there, 0 where it is none.
static uint64_t number_in(const char *text, const char *word, uint64_t otherwise)
{
    size_t size = strlen(word);
    uint64_t value = 0;
    const char *at = text ? text : "";
    while (*at && strncmp(at, word, size) != 0) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    if (!*at) return otherwise;
    for (at += size; *at >= '0' && *at <= '9' && value < UINT32_MAX; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    return *at == '\0' || *at == ' ' ? value : 0;
}

static void write_reply(struct qe_cplane *c, uint64_t command, const char *text, uint64_t expires_ms, uint64_t uses)
{
    struct qe_json json;
    qe_json_init(&json, c->mem, QE_JSON_SIZE_MAX);
    qe_json_object_begin(&json);
    member(&json, "invitation", text);
    number(&json, "expires_ms", expires_ms);
    number(&json, "uses", uses);
    qe_json_object_end(&json);
    cplane_reply(c, command, 200, &json);
    qe_json_fini(&json);
}

void cplane_invite(struct qe_cplane *c, const struct qe_command *command)
{
    uint64_t expires_s = number_in(command->argument, "expires_s=", EXPIRES_DEFAULT);
    uint64_t uses = number_in(command->argument, "uses=", 1);
    char text[QE_INVITATION_TEXT_SIZE];
    struct qe_invitation invitation = {.inviter = c->host->identity};
    if (!c->member) {
        cplane_reply_error(c, command->id, 409, "this node is in no network");
        return;
    }
    if (expires_s < 1 || expires_s > EXPIRES_MAX || uses < 1 || uses > INVITE_USES_MAX) {
        cplane_reply_error(c, command->id, 400, "expires_s is 1 to 31536000, uses 1 to 1000");
        return;
    }
    drop_expired(c);
    struct cplane_invite *invite = new_invite(c);
    if (!invite) {
        cplane_reply_error(c, command->id, 503, "too many invitations that have not ended yet");
        return;
    }
    c->host->random(c->host->user, QE_RANDOM_SESSION, invitation.token, sizeof invitation.token);
    bool made = mac_of(c, invitation.token, invite->mac);
    qe_invitation_rendezvous(invitation.token, invite->seed);
    invite->expires_ms = c->wall_ms + expires_s * 1000;
    invite->uses_left = (uint32_t)uses;
    cplane_invitation_places(c, &invitation, ENDPOINTS_MAX);
    if (!made || !store(c, invite) || !qe_invitation_format(&invitation, text)) {
        erase(c, c->invite_count - 1);
        cplane_reply_error(c, command->id, 503, "out of memory");
        return;
    }
    write_reply(c, command->id, text, invite->expires_ms, uses);
    cplane_log(c, QE_LOG_INFO, "an invitation was made, for %u nodes", (unsigned)uses);
    sodium_memzero(text, sizeof text);
    sodium_memzero(&invitation, sizeof invitation);
}

static bool has_taken(const struct cplane_invite *invite, const struct qe_node_id *id)
{
    for (size_t i = 0; i < invite->taken_count; i++)
        if (qe_node_id_equal(&invite->taken[i], id)) return true;
    return false;
}

// Notes that the node redeems the invitation, or says why not.
static enum qe_decline spend(struct qe_cplane *c, struct cplane_invite *invite, const struct qe_node_id *id)
{
    if (invite->expires_ms <= c->wall_ms) return QE_DECLINE_EXPIRED;
    if (has_taken(invite, id))
        return store(c, invite) ? QE_DECLINE_NOT : QE_DECLINE_LATER; // it may not have been stored
    if (invite->uses_left == 0) return QE_DECLINE_USED;
    struct qe_node_id *taken = qe_realloc(c->mem, invite->taken, invite->taken_count + 1, sizeof *taken);
    if (!taken) return QE_DECLINE_LATER;
    invite->taken = taken;
    taken[invite->taken_count++] = *id;
    invite->uses_left--;
    if (store(c, invite)) return QE_DECLINE_NOT;
    invite->taken_count--;
    invite->uses_left++;
    return QE_DECLINE_LATER;
}

static void say(struct qe_cplane *c, struct cplane_path *path, const uint8_t *message, size_t size)
{
    struct qe_mail *mail = cplane_post(c, path->lane, QE_MAIL_SEND, message, size);
    if (mail)
        mail->path = path->id;
    else
        cplane_close_path(c, path->id, QE_CLOSE_LIMIT);
}

static void decline(struct qe_cplane *c, struct cplane_path *path, enum qe_decline why)
{
    uint8_t message[8];
    qe_count(&c->counters, QE_COUNT_DROP_JOIN);
    cplane_trace(c, "join.declined", path->peer, path->id, why);
    say(c, path, message, qe_decline_encode(why, message, sizeof message));
}

void cplane_on_join(struct qe_cplane *c, struct cplane_path *path, struct qe_span body)
{
    uint8_t token[QE_TOKEN_SIZE], mac[32];
    struct qe_node_id id = qe_node_id_from_key(&path->key);
    enum qe_decline why = QE_DECLINE_UNKNOWN;
    // One guess a connection; and none before the other side has proven that it is there now.
    if (!path->exported || path->join_seen || !qe_join_decode(body, token)) {
        cplane_refuse(c, path, QE_COUNT_DROP_JOIN);
        return;
    }
    path->join_seen = true;
    bool made = mac_of(c, token, mac);
    for (size_t i = 0; made && i < c->invite_count; i++)
        if (sodium_memcmp(c->invites[i].mac, mac, sizeof mac) == 0) why = spend(c, &c->invites[i], &id);
    sodium_memzero(token, sizeof token);
    if (why != QE_DECLINE_NOT) {
        decline(c, path, why);
        return;
    }
    path->welcome_due = true;
    c->welcomes_due++;
}

void cplane_welcome(struct qe_cplane *c)
{
    uint8_t handed[QE_SECRET_HANDED_SIZE], message[3 + QE_SECRET_HANDED_SIZE];
    size_t cursor = 0;
    struct cplane_path *path;
    // Only when the host has been told what to store does its handing over wait for that.
    if (c->welcomes_due == 0 || !qe_list_empty(&c->actions)) return;
    c->welcomes_due = 0;
    while ((path = qe_table_each(c->paths, &cursor))) {
        if (!path->welcome_due) continue;
        path->welcome_due = false;
        if (path->refused) continue;
        if (c->host->secret(c->host->user, QE_SECRET_NETWORK, QE_SECRET_HAND_OVER,
                qe_span(path->key.bytes, sizeof path->key.bytes), handed, sizeof handed) != 0) {
            decline(c, path, QE_DECLINE_LATER);
            continue;
        }
        char id[QE_NODE_ID_TEXT_SIZE];
        struct qe_node_id guest = qe_node_id_from_key(&path->key);
        qe_count(&c->counters, QE_COUNT_INVITATIONS_REDEEMED);
        cplane_trace(c, "join.welcomed", path->peer, path->id, 0);
        cplane_log(c, QE_LOG_INFO, "%s redeems an invitation", qe_node_id_format(&guest, id));
        say(c, path, message, qe_welcome_encode(handed, message, sizeof message));
    }
}
