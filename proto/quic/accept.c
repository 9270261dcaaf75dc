// What arrives for no connection of ours: a new client (RFC 9000 §7), a version we do not speak (§6), or a packet for a
// connection that we have forgotten (§10.3). None of the answers here costs memory, and none is longer than what it
// answers.
#include "quic/internal.h"

#include "base/mutants.h"

// Stateless resets: this many at once, and one more each interval. Each costs a MAC, and a peer needs but one.
#define RESET_BURST       64
#define RESET_INTERVAL_NS (10 * QE_NS_PER_MS)
// A reset looks like any short packet: longer than the token, and no longer than an answer to it could be mistaken for.
#define RESET_SIZE_MIN 21
#define RESET_SIZE_MAX 43

// Room for an answer to the sender of `in`, or NULL where too many wait.
static struct qe_answer *answer_to(struct qe_quic *quic, const struct qe_datagrams *in)
{
    if (quic->answer_count == QE_ANSWERS_MAX) return NULL;
    struct qe_answer *answer = &quic->answers[(quic->answer_first + quic->answer_count) % QE_ANSWERS_MAX];
    if (quic->carried) quic->carried->answers[answer - quic->answers] = 0;
    answer->to = (struct qe_send){.socket = in->socket, .local = in->local, .remote = in->remote};
    if (qe_ip_is_unspecified(&in->local.ip)) answer->to.local = (struct qe_addr){0};
    return answer;
}

static void send_versions(struct qe_quic *quic, const struct qe_datagrams *in, const ngtcp2_version_cid *header)
{
    static const uint32_t versions[] = {NGTCP2_PROTO_VER_V1};
    uint8_t random;
    struct qe_answer *answer = answer_to(quic, in);
    if (!answer || 7 + header->dcidlen + header->scidlen + sizeof versions > sizeof answer->bytes) return;
    quic->host->random(quic->host->user, QE_RANDOM_CONNECTION_ID, &random, 1);
    ngtcp2_ssize size = ngtcp2_pkt_write_version_negotiation(answer->bytes, sizeof answer->bytes, random, header->scid,
        header->scidlen, header->dcid, header->dcidlen, versions, 1);
    if (size <= 0) return;
    answer->size = (uint16_t)size;
    quic->answer_count++;
}

static void send_retry(struct qe_quic *quic, const struct qe_datagrams *in, const ngtcp2_pkt_hd *header)
{
    uint8_t bytes[QE_RETRY_TOKEN_SIZE];
    ngtcp2_cid scid = {.datalen = 8};
    struct qe_answer *answer = answer_to(quic, in);
    if (!answer) return;
    // The client's next Initial carries this ID, so it leads to this lane: by the first byte where the ID is one of 4
    // bytes, by the last one where it is of any other length.
    quic->host->random(quic->host->user, QE_RANDOM_CONNECTION_ID, scid.data, scid.datalen);
    scid.data[0] = qe_quic_cid_mark(quic);
    scid.data[scid.datalen - 1] = quic->options.lane;
    struct qe_retry_token token = {.remote = in->remote, .retry = qe_span(scid.data, scid.datalen)};
    memcpy(token.original, header->dcid.data, header->dcid.datalen);
    token.original_size = (uint8_t)header->dcid.datalen;
    qe_retry_token_make(&token, quic->token_key, quic->now_ns, bytes);
    ngtcp2_ssize size = ngtcp2_crypto_write_retry(
        answer->bytes, sizeof answer->bytes, header->version, &header->scid, &scid, &header->dcid, bytes, sizeof bytes);
    if (size <= 0) return;
    answer->size = (uint16_t)size;
    quic->answer_count++;
    quic->stats.retries_sent++;
}

// A new connection for the Initial packet in `bytes`, or NULL, counted.
static struct qe_conn *accept_initial(
    struct qe_quic *quic, const struct qe_datagrams *in, struct qe_span bytes, const ngtcp2_pkt_hd *header)
{
    const struct qe_quic_options *options = &quic->options;
    struct qe_retry_token token = {.remote = in->remote, .retry = qe_span(header->dcid.data, header->dcid.datalen)};
    bool proven = false;
    (void)bytes;
    if (header->tokenlen > 0) {
        proven = qe_retry_token_check(&token, quic->token_key, quic->now_ns, qe_span(header->token, header->tokenlen));
        if (!proven) {
            quic->stats.tokens_refused++;
            // RFC 9000 §8.1.3: a token that is not ours counts as none, but ours go stale only if the client waits.
            if (header->dcid.datalen < NGTCP2_MIN_INITIAL_DCIDLEN) return NULL;
        }
    }
    if (quic->handshake_count >= options->handshakes_max || quic->conn_count >= options->connections_max ||
        QE_FAULT(quic->host, INITIAL_REFUSED)) {
        quic->stats.dropped_limit++;
        return NULL;
    }
    bool busy = quic->proof_demanded || quic->handshake_count >= options->handshakes_max / 2;
    if (!proven && (busy || QE_FAULT(quic->host, FORCE_RETRY))) {
        send_retry(quic, in, header);
        return NULL;
    }
    const struct qe_conn_server from = {.header = header, .token = proven ? &token : NULL, .in = in};
    struct qe_conn *conn = qe_conn_new_server(quic, &from);
    if (!conn) {
        quic->stats.dropped_memory++;
        return NULL;
    }
    quic->stats.handshakes++;
    return conn;
}

void qe_quic_ask_for_proof(struct qe_quic *quic, const struct qe_datagrams *in, struct qe_span bytes)
{
    ngtcp2_pkt_hd header;
    if (ngtcp2_accept(&header, bytes.data, bytes.size) == 0) send_retry(quic, in, &header);
}

struct qe_conn *qe_quic_accept(struct qe_quic *quic, const struct qe_datagrams *in, struct qe_span bytes)
{
    ngtcp2_version_cid ids;
    ngtcp2_pkt_hd header;
    uint8_t key[QE_INITIAL_KEY_SIZE] = {0};
    int rv = ngtcp2_pkt_decode_version_cid(&ids, bytes.data, bytes.size, QE_CID_SIZE);
    if (rv == NGTCP2_ERR_VERSION_NEGOTIATION || (rv == 0 && ids.version != 0 && ids.version != NGTCP2_PROTO_VER_V1)) {
        quic->stats.dropped_version++;
        if (bytes.size >= NGTCP2_MAX_UDP_PAYLOAD_SIZE) send_versions(quic, in, &ids);
        return NULL;
    }
    if (rv != 0 || ids.version == 0) {
        quic->stats.dropped_malformed++;
        return NULL;
    }
    key[0] = (uint8_t)ids.dcidlen;
    memcpy(key + 1, ids.dcid, ids.dcidlen);
    struct qe_conn *conn = qe_table_get(quic->initials, key);
    if (conn) return conn;
    if (ngtcp2_accept(&header, bytes.data, bytes.size) != 0) {
        // An Initial that is too short, or a later packet of a handshake that is gone.
        quic->stats.dropped_unknown++;
        return NULL;
    }
    return accept_initial(quic, in, bytes, &header);
}

// Takes one stateless reset from the bucket, where there is one.
static bool may_reset(struct qe_quic *quic)
{
    const uint64_t full_ns = RESET_BURST * RESET_INTERVAL_NS;
    uint64_t idle_ns = quic->now_ns - quic->reset_at_ns;
    quic->reset_at_ns = quic->now_ns;
    quic->reset_credit_ns = idle_ns >= full_ns - quic->reset_credit_ns ? full_ns : quic->reset_credit_ns + idle_ns;
    if (quic->reset_credit_ns < RESET_INTERVAL_NS) return false;
    quic->reset_credit_ns -= RESET_INTERVAL_NS;
    return true;
}

void qe_quic_send_reset(struct qe_quic *quic, const struct qe_datagrams *in, struct qe_span bytes)
{
    uint8_t token[QE_RESET_TOKEN_SIZE], random[RESET_SIZE_MAX];
    // Only for what this lane could have issued: another lane's connections are alive. And always shorter than what it
    // answers, so that two endpoints that have forgotten each other fall silent (RFC 9000 §10.3.3).
    if (bytes.data[1] != qe_quic_cid_mark(quic) || bytes.size <= RESET_SIZE_MIN || !may_reset(quic)) return;
    struct qe_answer *answer = answer_to(quic, in);
    if (!answer || qe_reset_token(quic->host, qe_span(bytes.data + 1, QE_CID_SIZE), token) != 0) return;
    size_t size = bytes.size - 1 < RESET_SIZE_MAX ? bytes.size - 1 : RESET_SIZE_MAX;
    size_t random_size = size - QE_RESET_TOKEN_SIZE;
    quic->host->random(quic->host->user, QE_RANDOM_CONNECTION_ID, random, random_size);
    // What the peer tells from QUIC by its second byte must not be mistaken (a digit after `d` would be KRPC).
    random[1] |= 0x80;
    if (QE_MUTANT(reset_token)) token[0] ^= 1;
    ngtcp2_stateless_reset_token reset;
    memcpy(reset.data, token, sizeof token);
    ngtcp2_ssize written =
        ngtcp2_pkt_write_stateless_reset2(answer->bytes, sizeof answer->bytes, &reset, random, random_size);
    if (written <= 0) return;
    answer->size = (uint16_t)written;
    if (quic->carried) quic->carried->answers[answer - quic->answers] = QE_CARRIED_BIT(STATELESS_RESET);
    quic->answer_count++;
    quic->stats.resets_sent++;
}
