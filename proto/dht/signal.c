// Sending signals, and taking them in. A signal goes out to those who answered the lookup of its receiver's record,
// each with the token that it gave then; one whose token has run out gives a new one, and is asked once more.
#include "base/mutants.h"
#include "dht/holder.h"
#include "dht/limit.h"
#include "dht/network.h"
#include "dht/signal_internal.h"

#include <string.h>

#define PASSER_LIFE_NS   (600 * QE_NS_PER_S) // a token is not good for longer
#define OUTGOING_LIFE_NS (10 * QE_NS_PER_S)  // for which answers are taken in
#define BLIND_WAYS       3                   // that are tried where nobody says that the receiver is registered

int qe_dht_signals_new(struct qe_dht *dht)
{
    if (!dht->options.signal) return 0;
    dht->signals = qe_zalloc(dht->options.mem, 1, sizeof *dht->signals);
    if (!dht->signals) return -1;
    qe_list_init(&dht->signals->outgoing);
    dht->signals->due_ns = QE_TIME_NEVER;
    return 0;
}

static struct qe_dht_outgoing *oldest(const struct qe_dht_signals *s)
{
    return qe_container(s->outgoing.next, struct qe_dht_outgoing, link);
}

static void drop_oldest(struct qe_dht *dht)
{
    struct qe_dht_outgoing *out = oldest(dht->signals);
    qe_list_remove(&out->link);
    dht->signals->outgoing_count--;
    qe_free(dht->options.mem, out);
}

void qe_dht_signals_free(struct qe_dht *dht)
{
    if (!dht->signals) return;
    while (!qe_list_empty(&dht->signals->outgoing))
        drop_oldest(dht);
    qe_free(dht->options.mem, dht->signals->passers);
    qe_free(dht->options.mem, dht->signals);
    dht->signals = NULL;
}

size_t qe_dht_signals_memory(const struct qe_dht *dht)
{
    const struct qe_dht_signals *s = dht->signals;
    if (!s) return 0;
    return sizeof *s + s->outgoing_count * (sizeof(struct qe_dht_outgoing) + QE_DHT_SIGNAL_MAX) +
           (s->passers ? QE_DHT_PASSERS_MAX * sizeof *s->passers : 0);
}

uint64_t qe_dht_signals_deadline(const struct qe_dht *dht)
{
    if (!dht->signals) return QE_TIME_NEVER;
    uint64_t at = dht->signals->due_ns;
    if (qe_list_empty(&dht->signals->outgoing)) return at;
    return qe_time_min(at, oldest(dht->signals)->sent_ns + OUTGOING_LIFE_NS);
}

void qe_dht_signals_expire(struct qe_dht *dht, uint64_t now_ns)
{
    if (!dht->signals) return;
    while (!qe_list_empty(&dht->signals->outgoing) && oldest(dht->signals)->sent_ns + OUTGOING_LIFE_NS <= now_ns)
        drop_oldest(dht);
    qe_dht_register_expire(dht, now_ns);
}

static bool send_to(struct qe_dht *dht, const struct qe_dht_outgoing *out, const struct qe_dht_contact *to, bool has_id,
    struct qe_span token, uint64_t now_ns)
{
    struct qe_krpc message = {.method = QE_KRPC_PUNCH,
        .has_target = true,
        .target = out->target,
        .token = token,
        .payload = qe_span(out->payload, out->size)};
    return qe_dht_query_send_numbered(dht, QE_DHT_FOR_SIGNAL, to, has_id, out->number, &message, now_ns);
}

static int way_of(const struct qe_dht_outgoing *out, const struct qe_addr *addr)
{
    for (int i = 0; i < out->count; i++)
        if (qe_addr_equal(&out->to[i], addr)) return i;
    return -1;
}

static bool add_way(struct qe_dht *dht, struct qe_dht_outgoing *out, const struct qe_dht_contact *to, bool has_id,
    struct qe_span token, uint64_t now_ns)
{
    if (out->count == QE_DHT_SIGNAL_WAYS || way_of(out, &to->addr) >= 0) return false;
    if (!send_to(dht, out, to, has_id, token, now_ns)) return false;
    out->retried[out->count] = false;
    out->to[out->count++] = to->addr;
    return true;
}

static struct qe_dht_outgoing *new_outgoing(
    struct qe_dht *dht, const struct qe_node_id *to, struct qe_span payload, uint64_t now_ns)
{
    struct qe_dht_signals *s = dht->signals;
    if (!s || payload.size == 0 || payload.size > QE_DHT_SIGNAL_MAX) return NULL;
    if (s->outgoing_count == QE_DHT_SIGNALS_MAX) drop_oldest(dht);
    struct qe_dht_outgoing *out = qe_zalloc(dht->options.mem, 1, sizeof *out + payload.size);
    if (!out) return NULL;
    out->number = ++s->last_number;
    out->target = *to;
    out->sent_ns = now_ns;
    out->size = payload.size;
    memcpy(out->payload, payload.data, payload.size);
    qe_list_append(&s->outgoing, &out->link);
    s->outgoing_count++;
    return out;
}

// The passer for that target that is the closest of those not asked yet; NULL: none.
static const struct qe_dht_passer *next_passer(
    const struct qe_dht_signals *s, const struct qe_dht_outgoing *out, bool registered, uint64_t now_ns)
{
    const struct qe_dht_passer *best = NULL;
    for (size_t i = 0; s->passers && i < QE_DHT_PASSERS_MAX; i++) {
        const struct qe_dht_passer *p = &s->passers[i];
        if (p->at_ns == 0 || p->at_ns + PASSER_LIFE_NS <= now_ns || !qe_node_id_equal(&p->target, &out->target))
            continue;
        if (p->registered != registered || way_of(out, &p->contact.addr) >= 0) continue;
        if (!best || qe_dht_compare_distance(&out->target, &p->contact.id, &best->contact.id) < 0) best = p;
    }
    return best;
}

unsigned qe_dht_signal_send(struct qe_dht *dht, const struct qe_node_id *to, struct qe_span payload, uint64_t now_ns)
{
    struct qe_dht_outgoing *out = new_outgoing(dht, to, payload, now_ns);
    const struct qe_dht_passer *p;
    if (!out) return 0;
    out->open_ended = true;
    while (out->count < QE_DHT_SIGNAL_WAYS && (p = next_passer(dht->signals, out, true, now_ns)))
        if (!add_way(dht, out, &p->contact, true, qe_span(p->token, sizeof p->token), now_ns)) break;
    if (out->count > 0) return out->count;
    while (out->count < BLIND_WAYS && (p = next_passer(dht->signals, out, false, now_ns)))
        if (!add_way(dht, out, &p->contact, true, qe_span(p->token, sizeof p->token), now_ns)) break;
    return out->count;
}

bool qe_dht_signal_send_by(struct qe_dht *dht, const struct qe_addr *holder, const struct qe_node_id *to,
    struct qe_span payload, uint64_t now_ns)
{
    const struct qe_dht_contact contact = {.addr = *holder};
    struct qe_dht_outgoing *out = new_outgoing(dht, to, payload, now_ns);
    return out && add_way(dht, out, &contact, false, (struct qe_span){0}, now_ns);
}

bool qe_dht_signal_answer(struct qe_dht *dht, const struct qe_dht_way *way, struct qe_span payload, uint64_t now_ns)
{
    const struct qe_dht_contact holder = {.addr = way->holder};
    if (!dht->signals || payload.size == 0 || payload.size > QE_DHT_SIGNAL_MAX) return false;
    struct qe_krpc message = {.method = QE_KRPC_PUNCH,
        .has_target = true,
        .target = dht->options.id,
        .has_peer = true,
        .peer = way->to,
        .token = qe_span(way->token, sizeof way->token),
        .payload = payload};
    return qe_dht_query_send_numbered(dht, QE_DHT_FOR_SIGNAL, &holder, false, 0, &message, now_ns);
}

static void tell(struct qe_dht *dht, const struct qe_dht_signal *signal)
{
    dht->options.signal(dht->options.user, signal);
}

// Where this passer goes: over an older answer of its own, else over the oldest.
static struct qe_dht_passer *place_for(
    struct qe_dht_signals *s, const struct qe_node_id *target, const struct qe_addr *addr)
{
    struct qe_dht_passer *place = &s->passers[0];
    for (size_t i = 0; i < QE_DHT_PASSERS_MAX; i++) {
        struct qe_dht_passer *p = &s->passers[i];
        if (p->at_ns != 0 && qe_node_id_equal(&p->target, target) && qe_addr_equal(&p->contact.addr, addr)) return p;
        if (p->at_ns < place->at_ns) place = p;
    }
    return place;
}

void qe_dht_signals_on_reply(struct qe_dht *dht, const struct qe_dht_operation *op,
    const struct qe_dht_contact *contact, const struct qe_krpc *message, uint64_t now_ns)
{
    struct qe_dht_signals *s = dht->signals;
    if (!s || op->request.kind != QE_DHT_GET || op->task != QE_DHT_TASK_USER || op->request.salt.size > 0) return;
    if (message->token.size != sizeof s->passers->token) return;
    if (!s->passers) s->passers = qe_zalloc(dht->options.mem, QE_DHT_PASSERS_MAX, sizeof *s->passers);
    if (!s->passers) return;
    struct qe_dht_passer *p = place_for(s, &op->request.target, &contact->addr);
    *p = (struct qe_dht_passer){
        .target = op->request.target, .contact = *contact, .registered = message->registered, .at_ns = now_ns};
    memcpy(p->token, message->token.data, sizeof p->token);
    if (!p->registered) return;
    for (struct qe_list *at = s->outgoing.next; at != &s->outgoing; at = at->next) {
        struct qe_dht_outgoing *out = qe_container(at, struct qe_dht_outgoing, link);
        if (!out->open_ended || !qe_node_id_equal(&out->target, &p->target)) continue;
        if (now_ns - out->sent_ns > QE_DHT_SIGNAL_LIFE_NS) continue;
        add_way(dht, out, contact, true, message->token, now_ns);
    }
}

// A signal of ours for which that holder was asked, and not long ago.
static bool awaits(const struct qe_dht_signals *s, const struct qe_addr *from)
{
    for (const struct qe_list *at = s->outgoing.next; at != &s->outgoing; at = at->next)
        if (way_of(qe_container(at, struct qe_dht_outgoing, link), from) >= 0) return true;
    return false;
}

void qe_dht_signals_on_query(
    struct qe_dht *dht, const struct qe_addr *from, const struct qe_krpc *message, uint64_t now_ns)
{
    struct qe_dht_signals *s = dht->signals;
    bool expected = s && (message->answers ? awaits(s, from) : qe_dht_register_at_holder(dht, from));
    if (!expected && !(s && QE_MUTANT(dht_signal_stranger))) {
        dht->stats.dropped_unasked++;
        return;
    }
    // Each costs a signature to be checked.
    if (!qe_dht_limit_query(qe_dht_server_holder(dht->server)->limit, &from->ip, now_ns)) {
        dht->stats.dropped_limit++;
        return;
    }
    bool answerable = message->token.size == sizeof((struct qe_dht_way *)0)->token;
    if (!message->has_peer || message->payload.size == 0 || message->payload.size > QE_DHT_SIGNAL_MAX ||
        (!message->answers && !answerable)) {
        dht->stats.dropped_malformed++;
        return;
    }
    struct qe_dht_signal signal = {.kind = message->answers ? QE_DHT_SIGNAL_ANSWERED : QE_DHT_SIGNAL_RECEIVED,
        .holder = {message->id, *from},
        .target = message->target,
        .seen = message->peer,
        .payload = message->payload};
    signal.way = (struct qe_dht_way){.holder = *from, .to = message->peer};
    if (!message->answers) memcpy(signal.way.token, message->token.data, sizeof signal.way.token);
    tell(dht, &signal);
}

void qe_dht_signals_on_punched(
    struct qe_dht *dht, const struct qe_dht_query *query, const struct qe_krpc *message, uint64_t now_ns)
{
    struct qe_dht_signals *s = dht->signals;
    struct qe_dht_outgoing *out = NULL;
    for (struct qe_list *at = s->outgoing.next; at != &s->outgoing && !out; at = at->next) {
        out = qe_container(at, struct qe_dht_outgoing, link);
        if (out->number != query->number) out = NULL;
    }
    if (!out || !message) return;
    struct qe_dht_signal signal = {
        .kind = QE_DHT_SIGNAL_UNKNOWN, .holder = query->to, .target = out->target, .seen = message->peer};
    int way = way_of(out, &query->to.addr);
    bool reply = message->type == QE_KRPC_REPLY;
    if (reply) signal.holder.id = message->id;
    if (reply && message->registered && message->has_peer) {
        signal.kind = QE_DHT_SIGNAL_PASSED;
    } else if (reply && message->token.size > 0 && way >= 0 && !out->retried[way]) {
        out->retried[way] = true;
        send_to(dht, out, &signal.holder, true, message->token, now_ns);
        return;
    }
    tell(dht, &signal);
}
