// Membership of a private network, proven inside TLS: each side MACs, under the network's secret, what only the two
// ends of this very connection can know. Until that has been seen, nothing that an unknown node says is acted on, and
// nothing is told to it.
//
// A node that proved itself once is known by its key from then on, so that its later connections, resumed and 0-RTT
// ones, wait for nothing. A proof is said on every connection all the same: the other side may have forgotten.
#include "identity/network.h"
#include "node/cplane_internal.h"
#include "wire/member.h"

#include <sodium.h>

// From the end of the handshake. A member's proof comes with it, or one round trip later.
#define PROOF_WAIT_NS (5 * QE_NS_PER_S)

void cplane_network_look(struct qe_cplane *c)
{
    static const char label[] = QE_NETWORK_ID_LABEL;
    uint8_t mac[32];
    bool was = c->member;
    c->member = c->host->secret(c->host->user, QE_SECRET_NETWORK, QE_SECRET_MAC,
                    qe_span((const uint8_t *)label, sizeof label - 1), mac, sizeof mac) == 0;
    if (c->member) memcpy(c->network_id, mac, sizeof c->network_id);
    if (c->member == was) return;
    c->snapshot_due = true;
    cplane_trace(c, "network.member", NULL, c->member, 0);
}

bool cplane_trusts(const struct qe_cplane *c, const struct cplane_peer *peer)
{
    return peer->why & (CPLANE_WHY_CONFIG | CPLANE_WHY_GATEWAY) || (c->member && peer->why & CPLANE_WHY_PROVEN);
}

static int make_proof(const struct qe_cplane *c, const struct cplane_path *path, bool ours, uint8_t mac[QE_PROOF_SIZE])
{
    uint8_t input[QE_PROOF_INPUT_SIZE];
    const struct qe_key *self = &c->host->identity, *other = &path->key;
    bool client = path->info.client;
    qe_proof_input(client == ours, path->exporter, client ? self : other, client ? other : self, input);
    return c->host->secret(
        c->host->user, QE_SECRET_NETWORK, QE_SECRET_MAC, qe_span(input, sizeof input), mac, QE_PROOF_SIZE);
}

void cplane_say_proof(struct qe_cplane *c, struct cplane_path *path)
{
    uint8_t mac[QE_PROOF_SIZE], message[3 + QE_PROOF_SIZE];
    if (!c->member || !path->exported || path->proof_said || path->refused) return;
    if (make_proof(c, path, true, mac) != 0) return;
    size_t size = qe_proof_encode(mac, message, sizeof message);
    struct qe_mail *mail = cplane_post(c, path->lane, QE_MAIL_SEND, message, size);
    if (!mail) {
        cplane_close_path(c, path->id, QE_CLOSE_LIMIT);
        return;
    }
    mail->path = path->id;
    path->proof_said = true;
}

void cplane_on_identified(struct qe_cplane *c, struct cplane_path *path, const struct qe_mail *mail)
{
    path->info = mail->conn.info;
    if (!mail->conn.exported || path->exported) return;
    path->exported = true;
    memcpy(path->exporter, mail->conn.exporter, sizeof path->exporter);
    cplane_say_proof(c, path);
}

// Nothing of the node behind it is believed: out with it.
void cplane_refuse(struct qe_cplane *c, struct cplane_path *path, enum qe_counter reason)
{
    if (path->refused) return;
    qe_count(&c->counters, reason);
    cplane_trace(c, qe_counter_name(reason), path->peer, path->id, 0);
    path->refused = true;
    qe_heap_set(&c->proofs, &path->timer, QE_TIME_NEVER);
    cplane_close_path(c, path->id, QE_CLOSE_STRANGER);
}

bool cplane_may_open(struct qe_cplane *c, struct cplane_path *path)
{
    if (path->peer && cplane_trusts(c, path->peer)) {
        qe_heap_set(&c->proofs, &path->timer, QE_TIME_NEVER);
        if (!path->gated) return true;
        struct qe_mail *mail = cplane_post(c, path->lane, QE_MAIL_ADMIT, NULL, 0);
        if (!mail) {
            cplane_close_path(c, path->id, QE_CLOSE_LIMIT);
            return false;
        }
        mail->path = path->id;
        mail->peer = path->peer->index;
        path->gated = false;
        return true;
    }
    if (path->waiting) return false;
    path->waiting = true;
    if (qe_heap_reserve(&c->proofs, qe_table_count(c->paths)) != 0) {
        cplane_refuse(c, path, QE_COUNT_DROP_MEMORY);
        return false;
    }
    qe_heap_set(&c->proofs, &path->timer, c->now_ns + PROOF_WAIT_NS);
    return false;
}

void cplane_on_proof(struct qe_cplane *c, struct cplane_path *path, struct qe_span body)
{
    uint8_t said[QE_PROOF_SIZE], expected[QE_PROOF_SIZE];
    struct qe_node_id id = qe_node_id_from_key(&path->key);
    bool trusted = path->peer && cplane_trusts(c, path->peer);
    if (path->refused) return;
    if (!c->member) {
        // Of an inviter: it counts once this node is a member, too.
        path->proof_held = qe_proof_decode(body, path->held);
        return;
    }
    bool right = path->exported && qe_proof_decode(body, said) && make_proof(c, path, false, expected) == 0;
    right = right && sodium_memcmp(said, expected, sizeof said) == 0;
    if (!right) {
        // Who may connect anyway may be in another network.
        if (!trusted) cplane_refuse(c, path, QE_COUNT_DROP_PROOF);
        return;
    }
    qe_count(&c->counters, QE_COUNT_MEMBERS_PROVEN);
    struct cplane_peer *peer = cplane_peer_add(c, &id, NULL, CPLANE_WHY_PROVEN);
    if (!peer) {
        cplane_refuse(c, path, QE_COUNT_DROP_MEMORY);
        return;
    }
    cplane_trace(c, "member.proven", peer, path->id, 0);
    path->peer = peer;
    c->snapshot_due = true; // its next connection need not wait
    if (!path->open) {
        cplane_identify_peer(c, path);
        cplane_open_path(c, path);
    } else {
        cplane_store_peer(c, peer, &path->info.remote);
    }
}

void cplane_proofs_expire(struct qe_cplane *c)
{
    struct qe_timer *timer;
    while ((timer = qe_heap_pop(&c->proofs, c->now_ns)))
        cplane_refuse(c, qe_container(timer, struct cplane_path, timer), QE_COUNT_DROP_STRANGER);
}
