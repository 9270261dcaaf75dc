// One question at a time; each step says what it asks, and what follows from an answer, or from none.
#include "nat/checker.h"

#include "base/time.h"
#include "dht/krpc.h"
#include "dht/signal.h"

#include <string.h>

#define TRIES      3
#define WAIT_NS    (1500 * QE_NS_PER_MS) // for an answer, or a probe
#define LIFE_MIN   4                     // s; what lasts shorter is not told apart
#define LIFE_SHORT 8 // asked first: what lasts no longer asks for more than is done for any connection
#define LIFE_FIRST 30
#define LIFE_MAX   240 // a token of the server's is good for 300 s

void qe_nat_checker_init(struct qe_nat_checker *k, const struct qe_nat_checker_options *options)
{
    memset(k, 0, sizeof *k);
    k->options = *options;
    k->due_ns = QE_TIME_NEVER;
}

static void ask(struct qe_nat_checker *k)
{
    k->options.random(k->options.user, k->transaction, sizeof k->transaction);
    k->options.random(k->options.user, k->nonce, sizeof k->nonce);
    k->waits = k->send = true;
    k->tries = k->granted = 0;
    k->due_ns = QE_TIME_NEVER; // set when it is sent
}

static void enter(struct qe_nat_checker *k, enum qe_nat_step step)
{
    k->step = step;
    ask(k);
}

static void rest(struct qe_nat_checker *k)
{
    k->step = QE_NAT_IDLE;
    k->waits = k->send = false;
    k->due_ns = QE_TIME_NEVER;
}

void qe_nat_checker_stop(struct qe_nat_checker *k)
{
    rest(k);
}

bool qe_nat_checker_busy(const struct qe_nat_checker *k)
{
    return k->step != QE_NAT_IDLE && k->step < QE_NAT_LIFE_BEGIN;
}

void qe_nat_checker_start(struct qe_nat_checker *k, const struct qe_nat_round *round, uint64_t now_ns)
{
    (void)now_ns;
    rest(k);
    k->port = round->port;
    k->main_seen = round->main_seen;
    k->lifetime = round->lifetime;
    k->server_count = round->server_count < QE_NAT_SERVERS_MAX ? round->server_count : QE_NAT_SERVERS_MAX;
    k->own_count = round->own_count < QE_NAT_OWN_MAX ? round->own_count : QE_NAT_OWN_MAX;
    if (k->server_count == 0) return;
    memcpy(k->servers, round->servers, k->server_count * sizeof k->servers[0]);
    if (k->own_count) memcpy(k->own, round->own, k->own_count * sizeof k->own[0]);
    k->found = (struct qe_nat_behaviour){.lives_s = k->result.lives_s, .dies_s = k->result.dies_s};
    k->seen.count = 0;
    k->server = 0;
    k->has_token = false;
    k->other_port = 0;
    k->wait_s = 0;
    enter(k, QE_NAT_ASK_FIRST);
}

static void tell(struct qe_nat_checker *k, uint64_t now_ns)
{
    k->found.known_ns = now_ns ? now_ns : 1;
    k->result = k->found;
    k->news = true;
}

bool qe_nat_checker_take(struct qe_nat_checker *k, struct qe_nat_behaviour *out)
{
    bool news = k->news;
    if (news) *out = k->result;
    k->news = false;
    return news;
}

// How long the mapping is to be left alone next; 0: it is known well enough.
static uint32_t next_wait_s(const struct qe_nat_behaviour *b)
{
    if (b->dies_s == 0) {
        if (b->lives_s == 0) return LIFE_SHORT;
        if (b->lives_s < LIFE_FIRST) return LIFE_FIRST;
        if (b->lives_s >= LIFE_MAX) return 0;
        return 2 * b->lives_s < LIFE_MAX ? 2 * b->lives_s : LIFE_MAX;
    }
    uint32_t between = b->dies_s - b->lives_s;
    if (b->dies_s <= LIFE_MIN || between <= 2 || between * 8 <= b->dies_s) return 0;
    return b->lives_s + between / 2;
}

static void begin_life(struct qe_nat_checker *k)
{
    k->wait_s = k->lifetime && k->found.translated == QE_NAT_YES ? next_wait_s(&k->found) : 0;
    if (k->wait_s == 0)
        rest(k);
    else
        enter(k, QE_NAT_LIFE_BEGIN);
}

static void end_round(struct qe_nat_checker *k, uint64_t now_ns)
{
    tell(k, now_ns);
    begin_life(k);
}

static void infer(struct qe_nat_checker *k)
{
    qe_nat_infer(&k->found, &k->seen, k->port, k->own, k->own_count);
}

static void ask_others(struct qe_nat_checker *k, uint64_t now_ns)
{
    if (++k->server < k->server_count) {
        enter(k, QE_NAT_ASK_OTHERS);
        return;
    }
    infer(k);
    // Without translation there is nothing to turn back.
    if (k->found.translated == QE_NAT_YES)
        enter(k, QE_NAT_HAIRPIN);
    else
        end_round(k, now_ns);
}

// What the step's question has come to: `yes` where an answer, or the probe that was asked for, came.
static void conclude(struct qe_nat_checker *k, bool yes, uint64_t now_ns)
{
    k->waits = k->send = false;
    switch (k->step) {
    case QE_NAT_ASK_FIRST:
        if (yes) {
            enter(k, QE_NAT_FILTER_NODE);
        } else if (--k->server_count > 0) {
            memmove(k->servers, k->servers + 1, k->server_count * sizeof k->servers[0]);
            enter(k, QE_NAT_ASK_FIRST);
        } else {
            rest(k); // nobody answers, which says nothing of NATs
        }
        break;
    case QE_NAT_FILTER_NODE:
        if (yes) k->found.filtering = QE_NAT_INDEPENDENT;
        if (!yes)
            enter(k, QE_NAT_FILTER_PORT);
        else if (k->other_port)
            enter(k, QE_NAT_ASK_PORT);
        else
            ask_others(k, now_ns);
        break;
    case QE_NAT_FILTER_PORT:
        if (yes) k->found.filtering = QE_NAT_ADDRESS;
        if (!yes && k->granted) k->found.filtering = QE_NAT_ADDRESS_AND_PORT;
        if (k->other_port)
            enter(k, QE_NAT_ASK_PORT);
        else
            ask_others(k, now_ns);
        break;
    case QE_NAT_ASK_PORT:
    case QE_NAT_ASK_OTHERS:
        ask_others(k, now_ns);
        break;
    case QE_NAT_HAIRPIN:
        // Where each destination has a mapping of its own, a filter may drop what was turned back.
        k->found.hairpin = yes ? QE_NAT_YES : QE_NAT_NO;
        if (!yes && k->found.mapping != QE_NAT_INDEPENDENT && k->found.filtering != QE_NAT_INDEPENDENT)
            k->found.hairpin = QE_NAT_NOT_KNOWN;
        end_round(k, now_ns);
        break;
    case QE_NAT_LIFE_BEGIN:
        if (!yes) {
            rest(k);
            break;
        }
        k->made_ns = now_ns;
        k->step = QE_NAT_LIFE_WAIT;
        k->due_ns = now_ns + k->wait_s * QE_NS_PER_S;
        break;
    case QE_NAT_LIFE_PROBE:
        // Without word from the server it is not known what a missing probe means.
        if (yes)
            k->found.lives_s = k->wait_s;
        else if (k->granted > 1)
            k->found.dies_s = k->wait_s;
        else {
            rest(k);
            break;
        }
        // It never lasts so short that the smallest wait is not survived.
        tell(k, now_ns);
        begin_life(k);
        break;
    default:
        break;
    }
}

static bool asks_for_probe(const struct qe_nat_checker *k)
{
    return k->step == QE_NAT_FILTER_NODE || k->step == QE_NAT_FILTER_PORT || k->step == QE_NAT_LIFE_PROBE;
}

static struct qe_addr asked(const struct qe_nat_checker *k)
{
    struct qe_addr to = k->servers[k->step == QE_NAT_ASK_OTHERS ? k->server : 0];
    if (k->step == QE_NAT_ASK_PORT) to.port = k->other_port;
    return to;
}

static void on_reply(
    struct qe_nat_checker *k, const struct qe_addr *from, const struct qe_krpc *message, uint64_t now_ns)
{
    bool first = qe_addr_equal(from, &k->servers[0]);
    // What the main socket gets is a token for that.
    if (first && k->step != QE_NAT_LIFE_PROBE && message->token.size == sizeof k->token) {
        memcpy(k->token, message->token.data, sizeof k->token);
        k->has_token = true;
    }
    if (first && message->port) k->other_port = message->port;
    if (asks_for_probe(k)) {
        bool refused = message->type == QE_KRPC_ERROR;
        if (message->registered) k->granted++;
        // It has nobody to ask for it; a port it may have in a moment.
        if (refused && k->step == QE_NAT_FILTER_NODE) conclude(k, false, now_ns);
        return;
    }
    if (message->type != QE_KRPC_REPLY || !message->has_ip) return;
    if (k->step == QE_NAT_ASK_FIRST || k->step == QE_NAT_LIFE_BEGIN) {
        if (!k->has_token) return;
        k->outside = message->ip;
    }
    if (k->step != QE_NAT_LIFE_BEGIN) qe_nat_seen_add(&k->seen, from, &message->ip);
    conclude(k, true, now_ns);
}

static void on_probe(struct qe_nat_checker *k, const struct qe_addr *from, uint64_t now_ns)
{
    const struct qe_addr *server = &k->servers[0];
    bool same_ip = qe_ip_equal(&from->ip, &server->ip);
    if (k->step == QE_NAT_FILTER_NODE && same_ip) return;
    if (k->step == QE_NAT_FILTER_PORT && (!same_ip || from->port == server->port)) return;
    if (k->step == QE_NAT_LIFE_PROBE && !qe_addr_equal(from, server)) return;
    if (asks_for_probe(k) || k->step == QE_NAT_HAIRPIN) conclude(k, true, now_ns);
}

bool qe_nat_checker_receive(
    struct qe_nat_checker *k, bool spare, const struct qe_addr *from, struct qe_span bytes, uint64_t now_ns)
{
    struct qe_krpc message;
    if (!k->waits || (!spare && k->step != QE_NAT_LIFE_PROBE)) return false;
    if (bytes.size > QE_KRPC_READ_MAX || !qe_krpc_read(bytes, &message)) return false;
    if (message.type == QE_KRPC_QUERY) {
        if (!spare || message.method != QE_KRPC_PROBE || message.nonce.size != sizeof k->nonce ||
            memcmp(message.nonce.data, k->nonce, sizeof k->nonce) != 0)
            return false;
        on_probe(k, from, now_ns);
        return true;
    }
    struct qe_addr to = asked(k);
    if (message.transaction.size != sizeof k->transaction ||
        memcmp(message.transaction.data, k->transaction, sizeof k->transaction) != 0 || !qe_addr_equal(from, &to))
        return false;
    on_reply(k, from, &message, now_ns);
    return true;
}

static void compose(const struct qe_nat_checker *k, struct qe_krpc *m)
{
    static const int64_t hows[] = {[QE_NAT_FILTER_NODE] = QE_DHT_HOW_OTHER_NODE,
        [QE_NAT_FILTER_PORT] = QE_DHT_HOW_OTHER_PORT,
        [QE_NAT_LIFE_PROBE] = QE_DHT_HOW_SAME_PORT};
    *m = (struct qe_krpc){.type = QE_KRPC_QUERY,
        .method = k->step == QE_NAT_HAIRPIN ? QE_KRPC_PROBE : QE_KRPC_CHECK,
        .transaction = qe_span(k->transaction, sizeof k->transaction),
        .version = qe_span(QE_KRPC_VERSION, 4),
        .read_only = true, // the spare socket is nobody's contact
        .has_id = true,
        .id = k->options.id,
        .nonce = qe_span(k->nonce, sizeof k->nonce)};
    if (!asks_for_probe(k)) return;
    m->how = hows[k->step];
    m->token = qe_span(k->token, sizeof k->token);
    m->has_peer = k->step == QE_NAT_LIFE_PROBE;
    m->peer = k->outside;
}

bool qe_nat_checker_next(
    struct qe_nat_checker *k, uint8_t out[QE_DHT_DATAGRAM_MAX], struct qe_nat_checker_send *send, uint64_t now_ns)
{
    struct qe_krpc message;
    if (!k->send) return false;
    k->send = false;
    compose(k, &message);
    *send = (struct qe_nat_checker_send){.spare = k->step != QE_NAT_LIFE_PROBE, .to = asked(k)};
    if (k->step == QE_NAT_HAIRPIN) {
        // First out to where the main socket is seen, so that what comes from there is let in; then from there.
        bool first = k->granted == 0 && k->main_seen.ip.family == k->outside.ip.family;
        send->spare = first;
        send->to = first ? k->main_seen : k->outside;
        k->send = first;
        k->granted = first;
    }
    if (!k->send) {
        k->tries++;
        k->due_ns = now_ns + WAIT_NS;
        if (k->step == QE_NAT_HAIRPIN) k->granted = 0;
    }
    send->size = qe_krpc_write(&message, out, QE_DHT_DATAGRAM_MAX);
    return send->size > 0;
}

void qe_nat_checker_expire(struct qe_nat_checker *k, uint64_t now_ns)
{
    if (k->due_ns > now_ns) return;
    k->due_ns = QE_TIME_NEVER;
    if (k->step == QE_NAT_LIFE_WAIT) {
        enter(k, QE_NAT_LIFE_PROBE);
    } else if (k->waits && k->tries < TRIES) {
        k->send = true;
    } else if (k->waits) {
        conclude(k, false, now_ns);
    }
}

uint64_t qe_nat_checker_deadline(const struct qe_nat_checker *k)
{
    return k->due_ns;
}
