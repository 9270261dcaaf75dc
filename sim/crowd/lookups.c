// What honest nodes look for, and whether what they are told is right.
#include "crowd/internal.h"

#include <string.h>

#define TRIES 200 // for a node that has joined, or an item that is stored

static bool draw_member(struct sim_crowd *crowd, uint32_t *out)
{
    for (int i = 0; i < TRIES; i++) {
        *out = (uint32_t)sim_random_below(&crowd->work_chance, crowd->plan->nodes);
        if (sim_member_usable(crowd, *out)) return true;
    }
    return false;
}

// One that is stored, and whose owner is still there.
static bool draw_item(struct sim_crowd *crowd, uint32_t table, uint32_t *out)
{
    uint32_t first = crowd->item_first[table], count = crowd->item_first[table + 1] - first;
    for (int i = 0; i < TRIES; i++) {
        *out = first + (uint32_t)sim_random_below(&crowd->work_chance, count);
        const struct sim_item *item = &crowd->items[*out];
        const struct sim_member *owner = &crowd->members[item->owner];
        if (item->stored_seq && owner->dht && item->owner_life == owner->life) return true;
    }
    return false;
}

static bool draw_reader(struct sim_crowd *crowd, const struct sim_crowd_lookups *table, uint32_t other, uint32_t *out)
{
    for (int i = 0; i < TRIES; i++) {
        if (!draw_member(crowd, out)) return false;
        const struct sim_member *m = &crowd->members[*out];
        if (*out != other && (!table->same_side || m->other_side == crowd->members[other].other_side)) return true;
    }
    return false;
}

static const enum qe_dht_kind item_requests[] = {[SIM_ITEM_MUTABLE] = QE_DHT_GET,
    [SIM_ITEM_IMMUTABLE] = QE_DHT_GET,
    [SIM_ITEM_INDEX] = QE_DHT_INDEX_GET,
    [SIM_ITEM_OPEN] = QE_DHT_INDEX_GET,
    [SIM_ITEM_PEERS] = QE_DHT_GET_PEERS};

static bool look(struct sim_crowd *crowd, uint32_t t)
{
    const struct sim_crowd_lookups *table = &crowd->plan->lookups[t];
    struct sim_task task = {.kind = SIM_TASK_LOOKUP, .table = t};
    struct qe_dht_request request = {.kind = QE_DHT_FIND_NODE};
    uint32_t reader, other;
    if (table->kind == SIM_LOOKUP_NODE) {
        if (!draw_member(crowd, &task.subject)) return false;
        other = task.subject;
        request.target = crowd->members[other].id;
        task.life = crowd->members[other].life;
    } else {
        if (!draw_item(crowd, (uint32_t)table->items, &task.subject)) return false;
        const struct sim_item *item = &crowd->items[task.subject];
        other = item->owner;
        request.kind = item_requests[crowd->plan->items[item->table].kind];
        request.target = item->target;
        task.wanted = item->stored_seq;
        task.life = item->owner_life;
    }
    return draw_reader(crowd, table, other, &reader) && sim_task_start(crowd, reader, &request, task);
}

void sim_lookups_next(struct sim_crowd *crowd, uint32_t t)
{
    const struct sim_crowd_lookups *table = &crowd->plan->lookups[t];
    struct sim_tally *tally = &crowd->lookups[t];
    tally->begun++;
    // Nothing to look for, or nobody to look: no lookup, and no success.
    if (!look(crowd, t)) {
        tally->failed++;
        tally->last_failed_ns = crowd->now_ns;
    }
    if (tally->begun < table->count)
        sim_crowd_schedule(
            crowd, sim_moment(table->from_ns, table->until_ns, tally->begun, table->count), SIM_EVENT_LOOKUP, t);
}

void sim_lookups_begin(struct sim_crowd *crowd)
{
    for (uint32_t t = 0; t < crowd->plan->lookup_count; t++)
        sim_crowd_schedule(crowd, crowd->plan->lookups[t].from_ns, SIM_EVENT_LOOKUP, t);
}

enum verdict { NOTHING, RIGHT, STALE, FORGED };

static enum verdict judge_version(const struct sim_item *item, uint64_t wanted, uint64_t seq, bool same)
{
    if (!same || seq > item->seq) return FORGED;
    return seq < wanted ? STALE : RIGHT;
}

static enum verdict judge_item(
    struct sim_crowd *crowd, uint32_t index, uint64_t wanted, const struct qe_dht_item *found)
{
    const struct sim_item *item = &crowd->items[index];
    struct qe_dht_item made;
    uint8_t value[QE_DHT_VALUE_MAX];
    if (!found) return NOTHING;
    uint64_t seq = found->mutable ? (uint64_t)found->seq : wanted;
    sim_items_make(crowd, index, seq, &made, value);
    bool same = found->mutable == made.mutable && qe_span_equal(found->value, made.value) &&
                (!made.mutable || qe_key_equal(&found->key, &made.key));
    return judge_version(item, wanted, seq, same);
}

static enum verdict judge_records(
    struct sim_crowd *crowd, uint32_t index, uint64_t wanted, const struct qe_dht_answer *answer)
{
    const struct sim_item *item = &crowd->items[index];
    for (size_t i = 0; i < answer->record_count; i++) {
        const struct qe_dht_record *found = &answer->records[i];
        struct qe_dht_record made;
        uint8_t value[QE_DHT_RECORD_MAX];
        if (!qe_key_equal(&found->owner, &item->key)) continue;
        sim_items_record(crowd, index, found->seq, &made, value);
        return judge_version(item, wanted, found->seq, qe_span_equal(found->value, made.value));
    }
    return NOTHING;
}

static enum verdict judge_peers(const struct sim_crowd *crowd, uint32_t index, const struct qe_dht_answer *answer)
{
    const struct sim_item *item = &crowd->items[index];
    for (size_t i = 0; i < answer->peer_count; i++) {
        struct sim_place place = sim_place_of(&answer->peers[i]);
        if (place.ip == item->announced.ip && place.port == item->announced.port) return RIGHT;
    }
    return NOTHING;
}

static enum verdict judge_node(const struct sim_crowd *crowd, uint32_t index, const struct qe_dht_answer *answer)
{
    const struct sim_member *m = &crowd->members[index];
    for (size_t i = 0; i < answer->closest_count; i++) {
        struct sim_place place = sim_place_of(&answer->closest[i].addr);
        if (!qe_node_id_equal(&answer->closest[i].id, &m->id)) continue;
        return place.ip == m->place.ip && place.port == m->place.port ? RIGHT : FORGED;
    }
    return NOTHING;
}

static enum verdict judge(struct sim_crowd *crowd, const struct sim_task *task, const struct qe_dht_answer *answer)
{
    switch (answer->kind) {
    case QE_DHT_GET:
        return judge_item(crowd, task->subject, task->wanted, answer->item);
    case QE_DHT_INDEX_GET:
        return judge_records(crowd, task->subject, task->wanted, answer);
    case QE_DHT_GET_PEERS:
        return judge_peers(crowd, task->subject, answer);
    default:
        return judge_node(crowd, task->subject, answer);
    }
}

// Whether what was looked for has gone meanwhile: then nobody was to find it.
static bool is_gone(const struct sim_crowd *crowd, const struct sim_task *task)
{
    bool node = crowd->plan->lookups[task->table].kind == SIM_LOOKUP_NODE;
    const struct sim_member *m = &crowd->members[node ? task->subject : crowd->items[task->subject].owner];
    return !m->dht || m->life != task->life;
}

static void note_end(struct sim_crowd *crowd, struct sim_tally *tally, const struct sim_task *task,
    const struct qe_dht_answer *answer, enum verdict verdict)
{
    tally->ended++;
    tally->queries += answer->queries;
    tally->timeouts += answer->timeouts;
    sim_samples_add(&tally->finish, crowd->now_ns - task->begun_ns);
    tally->stale += verdict == STALE;
    tally->forged += verdict == FORGED;
    if (verdict == RIGHT) {
        tally->right++;
        tally->hops += answer->hops;
        tally->hops_of++;
        sim_samples_add(&tally->first, (task->first_ns ? task->first_ns : crowd->now_ns) - task->begun_ns);
    } else {
        tally->failed++;
        tally->last_failed_ns = task->begun_ns;
    }
}

void sim_lookups_answer(struct sim_crowd *crowd, struct sim_task *task, const struct qe_dht_answer *answer)
{
    struct sim_tally *tally = &crowd->lookups[task->table];
    if (answer->outcome == QE_DHT_CANCELLED && answer->final) {
        tally->aborted++;
        return;
    }
    if (!answer->final && task->first_ns) return;
    if (is_gone(crowd, task)) {
        tally->aborted += answer->final;
        return;
    }
    enum verdict verdict = judge(crowd, task, answer);
    if (!answer->final) {
        if (verdict == RIGHT) task->first_ns = crowd->now_ns;
        return;
    }
    note_end(crowd, tally, task, answer, verdict);
}
