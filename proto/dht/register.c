// Keeping this node registered: with the closest nodes that answer, until three of a family are such that anybody can
// reach them, or eight in all, and with those that the owner names. What is sent to renew a registration is what holds
// the NAT's mapping towards the holder.
#include "dht/holder.h"
#include "dht/signal_internal.h"

#include <string.h>

#define SILENT_NS  QE_NS_PER_S // after which a silent holder is asked again
#define FAILS_MAX  3
#define USELESS_NS (300 * QE_NS_PER_S)

static struct qe_dht_entry *entry_at(struct qe_dht_signals *s, const struct qe_addr *addr)
{
    for (size_t i = 0; i < s->entry_count; i++)
        if (qe_addr_equal(&s->entries[i].contact.addr, addr)) return &s->entries[i];
    return NULL;
}

static void wake(struct qe_dht_signals *s, uint64_t at_ns)
{
    s->due_ns = qe_time_min(s->due_ns, at_ns);
}

static void remove_entry(struct qe_dht_signals *s, struct qe_dht_entry *entry)
{
    size_t at = (size_t)(entry - s->entries);
    memmove(entry, entry + 1, (s->entry_count - at - 1) * sizeof *entry);
    s->entry_count--;
}

static struct qe_dht_entry *add_entry(struct qe_dht_signals *s, const struct qe_dht_contact *contact, uint64_t now_ns)
{
    if (s->entry_count == QE_DHT_ENTRIES_MAX) return NULL;
    struct qe_dht_entry *entry = &s->entries[s->entry_count++];
    *entry = (struct qe_dht_entry){.contact = *contact, .due_ns = now_ns};
    wake(s, now_ns);
    return entry;
}

static bool is_nearby(const struct qe_dht_signals *s, const struct qe_addr *addr)
{
    unsigned f = qe_dht_family(addr);
    for (size_t i = 0; i < s->nearby_count[f]; i++)
        if (qe_addr_equal(&s->nearby[f][i].addr, addr)) return true;
    return false;
}

// Takes in the next closest of those nearby, as long as there are too few.
static void fill(struct qe_dht_signals *s, unsigned family, uint64_t now_ns)
{
    unsigned open = 0, all = 0;
    for (size_t i = 0; i < s->entry_count; i++) {
        const struct qe_dht_entry *entry = &s->entries[i];
        if (entry->extra || qe_dht_family(&entry->contact.addr) != family) continue;
        if (entry->state == QE_DHT_ENTRY_USELESS) continue;
        all++;
        open += entry->open || entry->state == QE_DHT_ENTRY_NEW; // it may yet turn out to be
    }
    for (size_t i = 0; i < s->nearby_count[family] && open < QE_DHT_HOLDERS && all < QE_DHT_HOLDERS_MAX; i++) {
        if (entry_at(s, &s->nearby[family][i].addr)) continue;
        struct qe_dht_entry *entry = add_entry(s, &s->nearby[family][i], now_ns);
        if (!entry) return;
        entry->has_id = true;
        open++;
        all++;
    }
}

// Those behind the third of the closest that anybody can reach are not needed any more.
static void prune(struct qe_dht_signals *s, unsigned family)
{
    unsigned open = 0;
    for (size_t i = 0; i < s->nearby_count[family]; i++) {
        struct qe_dht_entry *entry = entry_at(s, &s->nearby[family][i].addr);
        if (!entry || entry->extra) continue;
        if (open >= QE_DHT_HOLDERS)
            remove_entry(s, entry);
        else
            open += entry->open && entry->state == QE_DHT_ENTRY_HELD;
    }
}

static void tell(struct qe_dht *dht, enum qe_dht_signal_kind kind, const struct qe_dht_entry *entry)
{
    const struct qe_dht_signal signal = {.kind = kind, .holder = entry->contact, .seen = entry->seen};
    dht->options.signal(dht->options.user, &signal);
}

void qe_dht_register_on_self(struct qe_dht *dht, const struct qe_dht_operation *op, uint64_t now_ns)
{
    struct qe_dht_signals *s = dht->signals;
    if (!s) return;
    for (unsigned f = 0; f < 2; f++) {
        s->nearby_count[f] = 0;
        for (unsigned i = 0; i < op->lists[f].count && s->nearby_count[f] < QE_DHT_NEARBY_MAX; i++)
            if (op->lists[f].items[i].state == QE_DHT_ANSWERED)
                s->nearby[f][s->nearby_count[f]++] = op->lists[f].items[i].contact;
    }
    if (s->keep_ns == 0) return;
    // Those that are not among the closest any more run out.
    for (size_t i = s->entry_count; i-- > 0;)
        if (!s->entries[i].extra && !is_nearby(s, &s->entries[i].contact.addr)) remove_entry(s, &s->entries[i]);
    for (unsigned f = 0; f < 2; f++) {
        prune(s, f);
        fill(s, f, now_ns);
    }
}

void qe_dht_register(struct qe_dht *dht, uint64_t keep_ns, uint64_t now_ns)
{
    struct qe_dht_signals *s = dht->signals;
    if (!s) return;
    s->keep_ns = keep_ns;
    if (keep_ns == 0) {
        s->entry_count = 0;
        return;
    }
    for (size_t i = 0; i < s->entry_count; i++) {
        s->entries[i].due_ns = qe_time_min(s->entries[i].due_ns, now_ns + keep_ns);
        wake(s, s->entries[i].due_ns);
    }
    fill(s, 0, now_ns);
    fill(s, 1, now_ns);
}

void qe_dht_register_at(struct qe_dht *dht, const struct qe_addr *holder, bool wanted, uint64_t now_ns)
{
    struct qe_dht_signals *s = dht->signals;
    if (!s) return;
    struct qe_dht_entry *entry = entry_at(s, holder);
    size_t extra = 0;
    for (size_t i = 0; i < s->entry_count; i++)
        extra += s->entries[i].extra;
    if (wanted && !entry && extra < QE_DHT_HOLDERS_EXTRA)
        entry = add_entry(s, &(struct qe_dht_contact){.addr = *holder}, now_ns);
    if (!entry) return;
    entry->extra = wanted;
    if (!wanted && !is_nearby(s, holder)) remove_entry(s, entry);
}

void qe_dht_register_on_network_change(struct qe_dht *dht, uint64_t now_ns)
{
    struct qe_dht_signals *s = dht->signals;
    if (!s || s->keep_ns == 0) return;
    for (size_t i = 0; i < s->entry_count; i++) {
        s->entries[i].due_ns = now_ns;
        s->entries[i].fails = 0;
    }
    wake(s, now_ns);
}

static void ask(struct qe_dht *dht, struct qe_dht_entry *entry, uint64_t now_ns)
{
    uint8_t text[QE_DHT_REGISTER_SIGNED_SIZE], signature[64];
    struct qe_krpc message = {.method = QE_KRPC_REGISTER};
    if (entry->has_token) message.token = qe_span(entry->token, sizeof entry->token);
    if (entry->has_token && entry->signs) {
        size_t size = qe_dht_register_signed(&entry->contact.id, message.token, text);
        if (!dht->options.sign(dht->options.user, qe_span(text, size), signature)) return;
        message.key = qe_span(dht->options.key.bytes, sizeof dht->options.key.bytes);
        message.signature = qe_span(signature, sizeof signature);
    }
    entry->asking =
        qe_dht_query_send_numbered(dht, QE_DHT_FOR_REGISTER, &entry->contact, entry->has_id, 0, &message, now_ns);
}

// A little sooner, so that not all do it at once.
static uint64_t kept_until(struct qe_dht *dht, uint64_t now_ns)
{
    uint64_t keep_ns = dht->signals->keep_ns;
    return now_ns + keep_ns - qe_dht_draw(dht, keep_ns / 8 + 1);
}

void qe_dht_register_expire(struct qe_dht *dht, uint64_t now_ns)
{
    struct qe_dht_signals *s = dht->signals;
    if (s->due_ns > now_ns) return;
    s->due_ns = QE_TIME_NEVER;
    if (s->keep_ns == 0) return;
    for (size_t i = s->entry_count; i-- > 0;) {
        struct qe_dht_entry *entry = &s->entries[i];
        if (entry->due_ns <= now_ns && entry->state == QE_DHT_ENTRY_USELESS && !entry->extra) {
            unsigned family = qe_dht_family(&entry->contact.addr);
            remove_entry(s, entry);
            fill(s, family, now_ns);
            continue;
        }
        if (entry->due_ns <= now_ns) {
            entry->due_ns = kept_until(dht, now_ns);
            ask(dht, entry, now_ns);
        }
        wake(s, entry->due_ns);
    }
}

static void give_up(struct qe_dht *dht, struct qe_dht_entry *entry, uint64_t now_ns)
{
    bool held = entry->state == QE_DHT_ENTRY_HELD;
    unsigned family = qe_dht_family(&entry->contact.addr);
    entry->state = QE_DHT_ENTRY_USELESS;
    entry->has_token = entry->signs = false;
    entry->fails = 0;
    entry->due_ns = now_ns + (entry->extra ? dht->signals->keep_ns : USELESS_NS);
    wake(dht->signals, entry->due_ns);
    if (held) tell(dht, QE_DHT_SIGNAL_LOST, entry);
    fill(dht->signals, family, now_ns);
}

static void on_silence(struct qe_dht *dht, struct qe_dht_entry *entry, uint64_t now_ns)
{
    if (++entry->fails == FAILS_MAX) {
        give_up(dht, entry, now_ns);
        return;
    }
    entry->due_ns = now_ns + SILENT_NS;
    wake(dht->signals, entry->due_ns);
}

static void on_held(struct qe_dht *dht, struct qe_dht_entry *entry, const struct qe_krpc *message, uint64_t now_ns)
{
    bool news = entry->state != QE_DHT_ENTRY_HELD || (message->has_ip && !qe_addr_equal(&entry->seen, &message->ip));
    entry->state = QE_DHT_ENTRY_HELD;
    entry->signs = false;
    entry->renewed_ns = now_ns;
    if (news) {
        entry->seen = message->has_ip ? message->ip : (struct qe_addr){0};
        entry->since_ns = now_ns;
        tell(dht, QE_DHT_SIGNAL_REGISTERED, entry);
    }
    // Others, if this one turned out not to be open.
    fill(dht->signals, qe_dht_family(&entry->contact.addr), now_ns);
}

void qe_dht_register_on_answer(
    struct qe_dht *dht, const struct qe_dht_query *query, const struct qe_krpc *message, uint64_t now_ns)
{
    struct qe_dht_entry *entry = dht->signals ? entry_at(dht->signals, &query->to.addr) : NULL;
    if (!entry || !entry->asking) return;
    entry->asking = false;
    if (!message) {
        on_silence(dht, entry, now_ns);
        return;
    }
    // Who knows no registrations gives no token for one; an error is as good as that.
    if (message->type != QE_KRPC_REPLY || message->token.size != sizeof entry->token) {
        give_up(dht, entry, now_ns);
        return;
    }
    entry->contact.id = message->id;
    entry->has_id = true;
    entry->open = message->open;
    memcpy(entry->token, message->token.data, sizeof entry->token);
    entry->has_token = true;
    if (message->registered) {
        entry->fails = 0;
        on_held(dht, entry, message, now_ns);
        return;
    }
    // Not yet, or not any more: once more, signed.
    if (entry->signs && ++entry->fails == FAILS_MAX) {
        give_up(dht, entry, now_ns);
        return;
    }
    entry->signs = true;
    ask(dht, entry, now_ns);
}

bool qe_dht_register_at_holder(const struct qe_dht *dht, const struct qe_addr *from)
{
    const struct qe_dht_signals *s = dht->signals;
    for (size_t i = 0; i < s->entry_count; i++)
        if (s->entries[i].renewed_ns != 0 && qe_addr_equal(&s->entries[i].contact.addr, from)) return true;
    return false;
}

size_t qe_dht_registrations(const struct qe_dht *dht, struct qe_dht_registration *out, size_t max)
{
    const struct qe_dht_signals *s = dht->signals;
    size_t count = 0;
    for (size_t i = 0; s && i < s->entry_count && count < max; i++) {
        const struct qe_dht_entry *entry = &s->entries[i];
        if (entry->state != QE_DHT_ENTRY_HELD) continue;
        out[count++] = (struct qe_dht_registration){.holder = entry->contact,
            .seen = entry->seen,
            .open = entry->open,
            .since_ns = entry->since_ns,
            .renewed_ns = entry->renewed_ns};
    }
    return count;
}
