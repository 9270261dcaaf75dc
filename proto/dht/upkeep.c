// What a node does unasked: it joins, looks at its own neighbourhood now and then, asks entries that were silent for
// long, and looks up something in buckets that nothing else touched (BEP 5). All of it is spread over time: a node at
// rest sends less than a kilobyte a second.
#include "dht/signal_internal.h"

#define PACE_NS         QE_NS_PER_S // between two runs
#define CHECKS_A_RUN    4
#define CHECK_FIRST_S   300
#define CHECK_MIN_S     120
#define CHECK_MAX_S     600
#define CHECK_LONGER_S  2  // for each that is there
#define CHECK_SHORTER_S 15 // for each that is gone: so about one in eight will be
// One in eight is gone after check_s, a third after twice that: of 16 copies enough are left.
#define REPUBLISH_NUM  9
#define REPUBLISH_DEN  4
#define REFRESH_S      (15 * 60)
#define SELF_NS        (300 * QE_NS_PER_S)
#define SELF_SOON_NS   (15 * QE_NS_PER_S)
#define SELF_RETRY_MAX 6 // doublings of a second

void qe_dht_upkeep_init(struct qe_dht *dht)
{
    dht->upkeep = (struct qe_dht_upkeep){
        .fill = -1, .next_ns = QE_TIME_NEVER, .self_ns = QE_TIME_NEVER, .check_s = CHECK_FIRST_S};
}

void qe_dht_upkeep_fini(struct qe_dht *dht)
{
    qe_dht_bootstrap_fini(dht);
}

void qe_dht_upkeep_wake(struct qe_dht *dht, uint64_t at_ns)
{
    dht->upkeep.next_ns = qe_time_min(dht->upkeep.next_ns, at_ns);
}

static size_t known(const struct qe_dht *dht)
{
    return dht->tables[0].count + dht->tables[1].count;
}

static void look_self(struct qe_dht *dht, uint64_t now_ns)
{
    struct qe_dht_upkeep *upkeep = &dht->upkeep;
    if (upkeep->self_running || now_ns < upkeep->self_ns) return;
    upkeep->self_ns = QE_TIME_NEVER;
    if (known(dht) == 0 && !qe_dht_bootstrap_any(dht)) return;
    struct qe_dht_request request = {.kind = QE_DHT_FIND_NODE, .target = dht->options.id};
    struct qe_dht_operation *op = qe_dht_operation_new(dht, QE_DHT_TASK_SELF, &request, now_ns);
    if (!op) {
        upkeep->self_ns = now_ns + PACE_NS;
        return;
    }
    upkeep->self_running = true;
    qe_dht_lookup_begin(dht, op, now_ns);
    if (upkeep->joined) qe_dht_bootstrap_forget_cached(dht);
}

// A random ID in the bucket of those that share so many bits with the own one.
static struct qe_node_id random_in(struct qe_dht *dht, unsigned bits)
{
    struct qe_node_id id;
    dht->options.random(dht->options.user, id.bytes, sizeof id.bytes);
    const uint8_t *own = dht->options.id.bytes;
    for (unsigned bit = 0; bit <= bits; bit++) {
        uint8_t mask = (uint8_t)(0x80 >> bit % 8);
        uint8_t want = bit < bits ? own[bit / 8] & mask : ~own[bit / 8] & mask;
        id.bytes[bit / 8] = (uint8_t)((id.bytes[bit / 8] & ~mask) | want);
    }
    return id;
}

static void refresh(struct qe_dht *dht, unsigned bucket, uint64_t now_ns)
{
    struct qe_dht_request request = {.kind = QE_DHT_FIND_NODE, .target = random_in(dht, bucket)};
    struct qe_dht_operation *op = qe_dht_operation_new(dht, QE_DHT_TASK_REFRESH, &request, now_ns);
    if (!op) return;
    dht->upkeep.refreshes++;
    qe_dht_lookup_begin(dht, op, now_ns);
}

static bool is_full(const struct qe_dht *dht, unsigned bucket)
{
    for (int f = 0; f < 2; f++)
        if (dht->tables[f].count > 0 &&
            (bucket >= dht->tables[f].bucket_count || dht->tables[f].buckets[bucket].count < QE_DHT_K))
            return false;
    return true;
}

static void fill_next(struct qe_dht *dht, uint64_t now_ns)
{
    struct qe_dht_upkeep *upkeep = &dht->upkeep;
    while (upkeep->fill >= 0 && upkeep->refreshes < QE_DHT_REFRESHES_MAX) {
        unsigned bucket = (unsigned)upkeep->fill--;
        if (!is_full(dht, bucket)) refresh(dht, bucket, now_ns);
    }
}

static void refresh_untouched(struct qe_dht *dht, uint64_t now_ns)
{
    uint32_t now_s = qe_dht_seconds(now_ns), touched_s;
    unsigned bucket;
    for (int f = 0; f < 2; f++) {
        if (dht->upkeep.refreshes >= QE_DHT_REFRESHES_MAX || dht->tables[f].count == 0) continue;
        if (!qe_dht_table_untouched(&dht->tables[f], &bucket, &touched_s)) continue;
        if (now_s - touched_s >= REFRESH_S) refresh(dht, bucket, now_ns);
    }
}

static void check_silent(struct qe_dht *dht, uint64_t now_ns)
{
    uint32_t due_s;
    struct qe_dht_contact contact;
    for (int f = 0; f < 2; f++)
        for (int n = 0; n < CHECKS_A_RUN; n++) {
            if (dht->queries.checks >= QE_DHT_CHECKS_MAX) return;
            if (!qe_dht_table_due(&dht->tables[f], dht->upkeep.check_s, dht->upkeep.suspect_s, &contact, &due_s)) break;
            if (due_s > qe_dht_seconds(now_ns)) break;
            qe_dht_check(dht, &contact, true, now_ns);
        }
}

static void end_waiting(struct qe_dht *dht, uint64_t now_ns)
{
    // Who is told may start and cancel others, so begin anew after each.
    bool again = true;
    while (again) {
        again = false;
        for (struct qe_list *at = dht->operations.next; at != &dht->operations; at = at->next) {
            struct qe_dht_operation *op = qe_container(at, struct qe_dht_operation, link);
            if (op->wait_ns == 0 || now_ns < op->wait_ns) continue;
            op->wait_ns = 0;
            qe_dht_lookup_end(dht, op, now_ns);
            again = true;
            break;
        }
    }
}

static uint64_t earliest(const struct qe_dht *dht, uint64_t now_ns)
{
    const struct qe_dht_upkeep *upkeep = &dht->upkeep;
    uint64_t soon = now_ns + PACE_NS, at = QE_TIME_NEVER;
    uint32_t s;
    unsigned bucket;
    struct qe_dht_contact contact;
    for (int f = 0; f < 2; f++) {
        if (qe_dht_table_due(&dht->tables[f], upkeep->check_s, upkeep->suspect_s, &contact, &s))
            at = qe_time_min(at, s * QE_NS_PER_S);
        if (upkeep->refreshes < QE_DHT_REFRESHES_MAX && dht->tables[f].count > 0 &&
            qe_dht_table_untouched(&dht->tables[f], &bucket, &s))
            at = qe_time_min(at, (s + REFRESH_S) * QE_NS_PER_S);
    }
    if (upkeep->lost_count > 0) at = qe_time_min(at, upkeep->lost_ns);
    if (at < soon) at = soon;
    if (!upkeep->self_running) at = qe_time_min(at, upkeep->self_ns);
    for (const struct qe_list *i = dht->operations.next; i != &dht->operations; i = i->next) {
        const struct qe_dht_operation *op = qe_container(i, struct qe_dht_operation, link);
        if (op->wait_ns) at = qe_time_min(at, op->wait_ns);
    }
    return at;
}

void qe_dht_upkeep_run(struct qe_dht *dht, uint64_t now_ns)
{
    struct qe_dht_upkeep *upkeep = &dht->upkeep;
    if (now_ns < upkeep->next_ns) return;
    uint32_t now_s = qe_dht_seconds(now_ns);
    if (upkeep->joined && qe_dht_table_good(&dht->tables[0], now_s) + qe_dht_table_good(&dht->tables[1], now_s) == 0) {
        upkeep->joined = false;
        upkeep->self_ns = now_ns;
    }
    look_self(dht, now_ns);
    check_silent(dht, now_ns);
    fill_next(dht, now_ns);
    refresh_untouched(dht, now_ns);
    qe_dht_lost_run(dht, now_ns);
    end_waiting(dht, now_ns);
    upkeep->next_ns = earliest(dht, now_ns);
}

static void begin_waiting(struct qe_dht *dht, uint64_t now_ns)
{
    // Beginning one may end it and others; numbers only grow.
    uint64_t last = 0;
    for (struct qe_list *at = dht->operations.next; at != &dht->operations;) {
        struct qe_dht_operation *op = qe_container(at, struct qe_dht_operation, link);
        at = at->next;
        if (op->wait_ns == 0 || op->number <= last || op->request.kind == QE_DHT_PING) continue;
        last = op->number;
        qe_dht_lookup_begin(dht, op, now_ns);
        at = dht->operations.next;
    }
}

void qe_dht_upkeep_on_new(struct qe_dht *dht, uint64_t now_ns)
{
    struct qe_dht_upkeep *upkeep = &dht->upkeep;
    qe_dht_upkeep_wake(dht, now_ns + PACE_NS);
    if (!upkeep->joined && !upkeep->self_running) {
        upkeep->self_ns = qe_time_min(upkeep->self_ns, now_ns);
        qe_dht_upkeep_wake(dht, now_ns);
    }
    begin_waiting(dht, now_ns);
}

void qe_dht_upkeep_on_checked(struct qe_dht *dht, bool there)
{
    uint32_t *check_s = &dht->upkeep.check_s;
    if (there)
        *check_s = *check_s + CHECK_LONGER_S < CHECK_MAX_S ? *check_s + CHECK_LONGER_S : CHECK_MAX_S;
    else
        *check_s = *check_s > CHECK_MIN_S + CHECK_SHORTER_S ? *check_s - CHECK_SHORTER_S : CHECK_MIN_S;
}

uint32_t qe_dht_republish_s(const struct qe_dht *dht)
{
    return dht->upkeep.check_s * REPUBLISH_NUM / REPUBLISH_DEN;
}

static unsigned deepest(const struct qe_dht *dht)
{
    unsigned a = dht->tables[0].bucket_count, b = dht->tables[1].bucket_count;
    return a > b ? a : b;
}

void qe_dht_upkeep_on_family(struct qe_dht *dht, uint64_t now_ns)
{
    struct qe_dht_upkeep *upkeep = &dht->upkeep;
    if (!upkeep->joined) return;
    upkeep->self_soon = 2;
    upkeep->self_ns = qe_time_min(upkeep->self_ns, now_ns + SELF_SOON_NS);
    upkeep->fill = (int)deepest(dht) - 1;
    qe_dht_upkeep_wake(dht, now_ns + PACE_NS);
}

static void on_self(struct qe_dht *dht, const struct qe_dht_operation *op, uint64_t now_ns)
{
    struct qe_dht_upkeep *upkeep = &dht->upkeep;
    upkeep->self_running = false;
    qe_dht_register_on_self(dht, op, now_ns);
    if (op->answered[0] + op->answered[1] == 0) {
        if (upkeep->self_fails < SELF_RETRY_MAX) upkeep->self_fails++;
        upkeep->self_ns = now_ns + (QE_NS_PER_S << upkeep->self_fails) / 2 + qe_dht_draw(dht, QE_NS_PER_S);
    } else {
        if (!upkeep->joined) {
            upkeep->fill = (int)deepest(dht) - 1;
            // Whoever came at the same time may not have been found yet.
            upkeep->self_soon = 2;
            qe_dht_bootstrap_forget_cached(dht);
        }
        upkeep->joined = true;
        upkeep->self_fails = 0;
        uint64_t wait = SELF_NS;
        if (upkeep->self_soon > 0 || known(dht) < QE_DHT_K) wait = SELF_SOON_NS;
        if (upkeep->self_soon > 0) upkeep->self_soon--;
        upkeep->self_ns = now_ns + wait + qe_dht_draw(dht, wait / 4);
    }
    qe_dht_upkeep_wake(dht, qe_time_min(upkeep->self_ns, now_ns + PACE_NS));
}

void qe_dht_upkeep_on_looked_up(struct qe_dht *dht, const struct qe_dht_operation *op, uint64_t now_ns)
{
    if (op->task == QE_DHT_TASK_SELF) {
        on_self(dht, op, now_ns);
    } else {
        dht->upkeep.refreshes--;
        fill_next(dht, now_ns);
        qe_dht_upkeep_wake(dht, now_ns + PACE_NS);
    }
}

bool qe_dht_joined(const struct qe_dht *dht)
{
    return dht->upkeep.joined;
}

void qe_dht_on_network_change(struct qe_dht *dht, uint64_t now_ns)
{
    dht->upkeep.suspect_s = qe_dht_seconds(now_ns);
    dht->votes[0].count = dht->votes[1].count = 0;
    qe_dht_register_on_network_change(dht, now_ns);
    dht->upkeep.self_ns = qe_time_min(dht->upkeep.self_ns, now_ns);
    qe_dht_upkeep_wake(dht, now_ns);
}
