// What survives a restart: where each peer was last met and its key, and one session ticket. What comes back from the
// disk is believed no more than what comes from the network.
#include "node/join.h"

#include "base/cursor.h"
#include "base/mutants.h"
#include "wire/relay.h"

#include <stdio.h>

// Version 1 lacked the network's ID: of a peer that was no proven member of any it is zero.
#define PEER_RECORD_VERSION 2
#define PEER_RECORD_SIZE    (1 + 32 + 1 + 16 + 2 + 8)
// Members that are taken in again at a start; later ones prove themselves anew.
#define MEMBERS_MAX 1024

static const char *state_key(const char *kind, const struct cplane_peer *peer, char out[CPLANE_KEY_SIZE])
{
    char id[QE_NODE_ID_TEXT_SIZE];
    snprintf(out, CPLANE_KEY_SIZE, "%s/%s", kind, qe_node_id_format(&peer->id, id));
    return out;
}

// Whom a key such as "peer/qe…" is about.
static bool id_of(const char *key, const char *kind, struct qe_node_id *id)
{
    size_t size = strlen(kind);
    return strncmp(key, kind, size) == 0 && key[size] == '/' && qe_node_id_parse(key + size + 1, id);
}

// False where it is damaged. A proven member of this node's network is one of its peers, whoever else allows it.
static bool load_peer(struct qe_cplane *c, const struct qe_node_id *known, struct qe_span value)
{
    static const uint8_t none[8];
    uint8_t network[8] = {0};
    struct qe_reader r = qe_reader(value);
    struct qe_key key;
    struct qe_addr addr = {.port = 0};
    uint8_t version = qe_read8(&r);
    qe_read_copy(&r, key.bytes, sizeof key.bytes);
    addr.ip.family = qe_read8(&r);
    qe_read_copy(&r, addr.ip.bytes, sizeof addr.ip.bytes);
    addr.port = qe_read16(&r);
    if (version == PEER_RECORD_VERSION) qe_read_copy(&r, network, sizeof network);
    if (r.failed || qe_reader_left(&r) > 0 || version < 1 || version > PEER_RECORD_VERSION) return false;
    struct qe_node_id id = qe_node_id_from_key(&key);
    if (!qe_node_id_equal(&id, known) || addr.port == 0) return false;
    if (addr.ip.family != 4 && addr.ip.family != 6) return false;
    if (addr.ip.family == 4) memset(addr.ip.bytes + 4, 0, 12);
    struct cplane_peer *peer = cplane_peer_find(c, known);
    bool member = c->member && memcmp(network, none, sizeof none) != 0 &&
                  memcmp(network, c->network_id, sizeof network) == 0 && c->peer_count < MEMBERS_MAX;
    if (member) peer = cplane_peer_add(c, known, NULL, CPLANE_WHY_PROVEN);
    if (!peer) return true;
    peer->stored_proven = member;
    peer->pinned = true;
    peer->key = key;
    peer->stored_addr = addr;
    qe_session_on_address(&peer->session, &addr, false);
    return true;
}

static bool keep_ticket(struct qe_cplane *c, struct cplane_peer *peer, struct qe_span ticket)
{
    if (ticket.size == 0 || ticket.size > CPLANE_TICKET_SIZE_MAX) return false;
    uint8_t *copy = qe_alloc(c->mem, ticket.size);
    if (!copy) return false;
    memcpy(copy, ticket.data, ticket.size);
    qe_free(c->mem, peer->ticket);
    peer->ticket = copy;
    peer->ticket_size = ticket.size;
    return true;
}

void cplane_load(struct qe_cplane *c, const char *key, struct qe_span value)
{
    if (cplane_invites_load(c, key, value) || cplane_join_load(c, key, value)) return;
    if (cplane_discovery_load(c, key, value) || cplane_own_claims_load(c, key, value)) return;
    struct qe_node_id id;
    if (!QE_MUTANT(stored_ignored) && id_of(key, "peer", &id)) {
        if (!load_peer(c, &id, value)) cplane_log(c, QE_LOG_WARN, "stored item %s is damaged; ignored", key);
        return;
    }
    struct cplane_peer *peer = NULL;
    if (!QE_MUTANT(stored_ignored) && id_of(key, "ticket", &id)) peer = cplane_peer_find(c, &id);
    if (peer) peer->ticket_stored = keep_ticket(c, peer, value);
}

bool cplane_store(struct qe_cplane *c, const char *key, const void *value, size_t size)
{
    size_t key_size = strlen(key) + 1;
    struct cplane_action *a = cplane_act(c, QE_ACTION_STORE, key_size + size);
    if (!a) return false;
    memcpy(a->bytes, key, key_size);
    memcpy(a->bytes + key_size, value, size);
    a->action.store.key = a->bytes;
    a->action.store.value = qe_span(a->bytes + key_size, size);
    return true;
}

void cplane_erase(struct qe_cplane *c, const char *key)
{
    struct cplane_action *a = cplane_act(c, QE_ACTION_ERASE, strlen(key) + 1);
    if (!a) return;
    memcpy(a->bytes, key, strlen(key) + 1);
    a->action.erase_key = a->bytes;
}

void cplane_store_peer(struct qe_cplane *c, struct cplane_peer *peer, const struct qe_addr *addr)
{
    static const uint8_t none[8];
    uint8_t record[PEER_RECORD_SIZE];
    char key[CPLANE_KEY_SIZE];
    bool proven = c->member && peer->why & CPLANE_WHY_PROVEN;
    if (!peer->pinned || addr->scope != 0 || qe_circuit_is_addr(&addr->ip)) return;
    if (qe_addr_equal(addr, &peer->stored_addr) && proven == peer->stored_proven) return;
    struct qe_writer w = qe_writer(record, sizeof record);
    qe_write8(&w, PEER_RECORD_VERSION);
    qe_write_bytes(&w, peer->key.bytes, sizeof peer->key.bytes);
    qe_write8(&w, addr->ip.family);
    qe_write_bytes(&w, addr->ip.bytes, sizeof addr->ip.bytes);
    qe_write16(&w, QE_MUTANT(store_damaged) ? 0 : addr->port);
    qe_write_bytes(&w, proven ? c->network_id : none, sizeof none);
    cplane_store(c, state_key("peer", peer, key), record, qe_writer_size(&w));
    peer->stored_addr = *addr;
    peer->stored_proven = proven;
}

void cplane_on_ticket(struct qe_cplane *c, struct cplane_peer *peer, struct qe_span ticket)
{
    char key[CPLANE_KEY_SIZE];
    // The newest is kept in memory; one on disk is enough for the next start.
    if (!keep_ticket(c, peer, ticket) || peer->ticket_stored) return;
    cplane_store(c, state_key("ticket", peer, key), ticket.data, ticket.size);
    peer->ticket_stored = true;
}

void cplane_spend_ticket(struct qe_cplane *c, struct cplane_peer *peer)
{
    char key[CPLANE_KEY_SIZE];
    qe_free(c->mem, peer->ticket);
    peer->ticket = NULL;
    peer->ticket_size = 0;
    if (!peer->ticket_stored || QE_MUTANT(ticket_kept)) return;
    peer->ticket_stored = false;
    cplane_erase(c, state_key("ticket", peer, key));
}
