// What honest nodes store: each item has an owner, who puts it and puts it again. Where the owner goes, whoever comes
// in its place has an item of its own instead.
#include "crowd/internal.h"

#include <stdio.h>
#include <string.h>

#define RETRY_NS (2 * QE_NS_PER_S) // until a node that has not joined yet looks whether it has

struct pair {
    struct qe_key key;
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
};

// The key pair of an item: 'k', or the one that certifies it: 'a'.
static struct pair make_pair(struct sim_crowd *crowd, uint32_t index, char which)
{
    struct pair pair;
    uint8_t seed[crypto_sign_SEEDBYTES];
    char name[40];
    snprintf(name, sizeof(name), "item %c %u", which, (unsigned)index);
    struct sim_stream stream = sim_stream(crowd->seed, SIM_STREAM_CROWD, name, crowd->items[index].owner_life);
    sim_random_fill(&stream, seed, sizeof(seed));
    crypto_sign_seed_keypair(pair.key.bytes, pair.secret, seed);
    return pair;
}

// "SIZE:..." that tells the item and the version, filled up by what follows from them.
static size_t make_value(struct sim_crowd *crowd, uint32_t index, uint64_t seq, uint8_t *out)
{
    const struct sim_item *item = &crowd->items[index];
    size_t bytes = crowd->plan->items[item->table].bytes;
    char name[40];
    int head = snprintf((char *)out, 16, "%zu:", bytes);
    snprintf(name, sizeof(name), "value %u", (unsigned)index);
    struct sim_stream stream = sim_stream(crowd->seed, SIM_STREAM_CROWD, name, (uint32_t)seq * 256 + item->owner_life);
    sim_random_fill(&stream, out + head, bytes);
    return (size_t)head + bytes;
}

void sim_items_make(
    struct sim_crowd *crowd, uint32_t index, uint64_t seq, struct qe_dht_item *out, uint8_t value[QE_DHT_VALUE_MAX])
{
    struct sim_item *item = &crowd->items[index];
    bool mutable = crowd->plan->items[item->table].kind == SIM_ITEM_MUTABLE;
    // An immutable one stays what it is.
    size_t size = make_value(crowd, index, mutable ? seq : 1, value);
    *out = (struct qe_dht_item){.mutable = mutable, .value = qe_span(value, size)};
    if (mutable) {
        struct pair pair = make_pair(crowd, index, 'k');
        uint8_t text[QE_DHT_SIGNED_MAX];
        out->key = pair.key;
        out->seq = (int64_t)seq;
        size_t signed_size = qe_dht_item_signed(out, text);
        crypto_sign_detached(out->signature, NULL, text, signed_size, pair.secret);
        item->key = pair.key;
    }
    item->target = qe_dht_item_target(out);
}

void sim_items_record(
    struct sim_crowd *crowd, uint32_t index, uint64_t seq, struct qe_dht_record *out, uint8_t value[QE_DHT_RECORD_MAX])
{
    struct sim_item *item = &crowd->items[index];
    struct pair owner = make_pair(crowd, index, 'k'), authority = make_pair(crowd, index, 'a');
    uint8_t whole[QE_DHT_VALUE_MAX], text[QE_DHT_SIGNED_MAX];
    make_value(crowd, index, seq, whole);
    size_t bytes = crowd->plan->items[item->table].bytes;
    memcpy(value, (uint8_t *)memchr(whole, ':', sizeof(whole)) + 1, bytes);
    *out = (struct qe_dht_record){.owner = owner.key,
        .seq = seq,
        .certified = crowd->plan->items[item->table].kind == SIM_ITEM_INDEX,
        .authority = authority.key,
        .value = qe_span(value, bytes)};
    item->key = owner.key;
    item->target = qe_node_id_from_key(&authority.key);
    size_t size = qe_dht_record_signed(out, &item->target, text);
    crypto_sign_detached(out->signature, NULL, text, size, owner.secret);
    size = qe_dht_certificate_signed(&owner.key, text);
    crypto_sign_detached(out->certificate, NULL, text, size, authority.secret);
}

static bool put_now(struct sim_crowd *crowd, uint32_t index, uint64_t seq)
{
    struct sim_item *item = &crowd->items[index];
    struct qe_dht_request request = {.kind = QE_DHT_PUT};
    struct qe_dht_item made;
    struct qe_dht_record record;
    struct pair owner;
    uint8_t value[QE_DHT_VALUE_MAX];
    switch (crowd->plan->items[item->table].kind) {
    case SIM_ITEM_MUTABLE:
    case SIM_ITEM_IMMUTABLE:
        sim_items_make(crowd, index, seq, &made, value);
        request.item = &made;
        break;
    case SIM_ITEM_INDEX:
    case SIM_ITEM_OPEN:
        sim_items_record(crowd, index, seq, &record, value);
        request.kind = QE_DHT_INDEX_PUT;
        request.record = &record;
        break;
    case SIM_ITEM_PEERS:
        owner = make_pair(crowd, index, 'k');
        item->target = qe_node_id_from_key(&owner.key);
        request.kind = QE_DHT_ANNOUNCE;
        item->announced = crowd->members[item->owner].place;
        break;
    }
    request.target = item->target;
    return sim_task_start(crowd, item->owner, &request,
        (struct sim_task){.kind = SIM_TASK_PUT, .subject = index, .table = item->table, .wanted = seq});
}

void sim_items_put(struct sim_crowd *crowd, uint32_t index)
{
    struct sim_item *item = &crowd->items[index];
    const struct sim_member *owner = &crowd->members[item->owner];
    uint64_t again_ns = crowd->plan->items[item->table].republish_ns;
    if (item->owner_life != owner->life) {
        item->owner_life = owner->life;
        item->seq = item->stored_seq = 0;
    }
    if (!sim_member_usable(crowd, item->owner)) {
        sim_crowd_schedule(crowd, crowd->now_ns + RETRY_NS, SIM_EVENT_PUT, index);
        return;
    }
    if (put_now(crowd, index, item->seq + 1)) {
        item->seq++;
        crowd->puts[item->table].begun++;
    }
    if (again_ns) sim_crowd_schedule(crowd, crowd->now_ns + again_ns, SIM_EVENT_PUT, index);
}

void sim_items_answer(struct sim_crowd *crowd, struct sim_task *task, const struct qe_dht_answer *answer)
{
    struct sim_tally *tally = &crowd->puts[task->table];
    struct sim_item *item = &crowd->items[task->subject];
    if (!answer->final) return;
    if (answer->outcome == QE_DHT_CANCELLED) {
        tally->aborted++;
        return;
    }
    tally->ended++;
    tally->queries += answer->queries;
    tally->timeouts += answer->timeouts;
    tally->stored += answer->stored;
    sim_samples_add(&tally->finish, crowd->now_ns - task->begun_ns);
    if (answer->outcome == QE_DHT_DONE && answer->stored > 0) {
        tally->right++;
        if (task->wanted > item->stored_seq && item->owner_life == crowd->members[item->owner].life)
            item->stored_seq = task->wanted;
    } else {
        tally->failed++;
        tally->last_failed_ns = task->begun_ns;
    }
}

// Owners are drawn among the nodes that may be honest; attackers are appointed afterwards, and not among owners.
void sim_items_begin(struct sim_crowd *crowd)
{
    const struct sim_crowd_plan *plan = crowd->plan;
    uint64_t count = 0;
    for (size_t t = 0; t < plan->item_count; t++)
        count += plan->items[t].count;
    crowd->items = sim_obtain(count, sizeof(*crowd->items));
    crowd->item_first = sim_obtain(plan->item_count + 1, sizeof(*crowd->item_first));
    for (uint32_t t = 0; t < plan->item_count; t++) {
        const struct sim_crowd_items *table = &plan->items[t];
        crowd->item_first[t] = crowd->item_count;
        for (uint32_t i = 0; i < table->count; i++) {
            uint64_t others = plan->nodes - plan->bootstraps;
            uint64_t owner = others ? plan->bootstraps + sim_random_below(&crowd->work_chance, others) : 0;
            crowd->items[crowd->item_count] = (struct sim_item){.table = t, .number = i, .owner = (uint32_t)owner};
            sim_crowd_schedule(crowd, sim_moment(table->from_ns, table->until_ns, i, table->count), SIM_EVENT_PUT,
                crowd->item_count++);
        }
    }
    crowd->item_first[plan->item_count] = crowd->item_count;
}

uint32_t sim_items_find(const struct sim_crowd *crowd, const struct qe_node_id *target)
{
    for (uint32_t i = 0; i < crowd->item_count; i++)
        if (crowd->items[i].seq && qe_node_id_equal(&crowd->items[i].target, target)) return i;
    return SIM_NOBODY;
}
