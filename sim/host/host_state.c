// What a node has stored, which outlives it: written whole and in the order asked for, as realio's store does it with a
// file for each item. That store writes behind the node's back, so a machine that dies may lose the last changes,
// always the newest ones; a journal of what was there before lets a crash take them back.
#include "host/host.h"

#include <string.h>

// A change, and what was there before it.
struct sim_undo {
    uint64_t at_ns;
    char *key;
    uint8_t *value;
    size_t size;
    bool existed;
};

// Where the key is, or would be.
static size_t stored_place(const struct sim_host *host, const char *key)
{
    size_t low = 0, high = host->stored_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(host->stored[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct sim_stored *sim_host_stored(const struct sim_host *host, const char *key)
{
    size_t place = stored_place(host, key);
    if (place == host->stored_count || strcmp(host->stored[place].key, key) != 0) return NULL;
    return &host->stored[place];
}

static void put(struct sim_host *host, const char *key, struct qe_span value)
{
    size_t place = stored_place(host, key);
    if (!sim_host_stored(host, key)) {
        SIM_ROOM(host->stored, host->stored_count, host->stored_capacity);
        memmove(host->stored + place + 1, host->stored + place, (host->stored_count - place) * sizeof(*host->stored));
        host->stored[place] = (struct sim_stored){.key = sim_copy_text(key)};
        host->stored_count++;
    }
    struct sim_stored *item = &host->stored[place];
    item->value = sim_resize(item->value, value.size ? value.size : 1, 1);
    item->size = value.size;
    if (value.size) memcpy(item->value, value.data, value.size);
}

static void drop(struct sim_host *host, const char *key)
{
    if (!sim_host_stored(host, key)) return;
    size_t place = stored_place(host, key);
    sim_release(host->stored[place].key);
    sim_release(host->stored[place].value);
    host->stored_count--;
    memmove(host->stored + place, host->stored + place + 1, (host->stored_count - place) * sizeof(*host->stored));
}

static void forget_undo(struct sim_undo *undo)
{
    sim_release(undo->key);
    sim_release(undo->value);
}

void sim_host_forget_journal(struct sim_host *host)
{
    for (size_t i = 0; i < host->journal_count; i++)
        forget_undo(&host->journal[i]);
    host->journal_count = 0;
}

// Notes what is under the key, and forgets what is older than any crash may take back.
static void note_undo(struct sim_host *host, const char *key)
{
    uint64_t now = host->hosts->engine->now_ns;
    const struct sim_stored *old = sim_host_stored(host, key);
    size_t stale = 0;
    if (!host->journal_ns) return;
    while (stale < host->journal_count && now - host->journal[stale].at_ns > host->journal_ns)
        forget_undo(&host->journal[stale++]);
    host->journal_count -= stale;
    if (stale) memmove(host->journal, host->journal + stale, host->journal_count * sizeof(*host->journal));
    SIM_ROOM(host->journal, host->journal_count, host->journal_capacity);
    struct sim_undo *undo = &host->journal[host->journal_count++];
    *undo = (struct sim_undo){.at_ns = now, .key = sim_copy_text(key), .existed = old != NULL};
    if (!old || !old->size) return;
    undo->value = memcpy(sim_obtain(1, old->size), old->value, old->size);
    undo->size = old->size;
}

void sim_host_lose_unsynced(struct sim_host *host, uint64_t unsynced_ns)
{
    uint64_t now = host->hosts->engine->now_ns;
    while (host->journal_count > 0 && now - host->journal[host->journal_count - 1].at_ns < unsynced_ns) {
        struct sim_undo *undo = &host->journal[--host->journal_count];
        if (undo->existed)
            put(host, undo->key, qe_span(undo->value, undo->size));
        else
            drop(host, undo->key);
        sim_trace_note(host->hosts->trace, sim_box_who(&host->box), "lost the change of %s", undo->key);
        forget_undo(undo);
    }
}

// Whether the change reaches the disk. A crash that waits for it happens when the action is done.
static bool reaches_disk(struct sim_host *host, const char *key)
{
    struct sim_host_faults *faults = &host->faults;
    host->counts.writes++;
    if (host->hosts->engine->now_ns < faults->stores_fail_until_ns) {
        sim_trace_note(host->hosts->trace, sim_box_who(&host->box), "%s not stored: no space left on device", key);
        host->counts.writes_failed++;
        return false;
    }
    if (!faults->crash_in_writes || --faults->crash_in_writes > 0) return true;
    faults->crash_now = true;
    return !faults->crash_before_write;
}

void sim_host_store(struct sim_host *host, const char *key, struct qe_span value)
{
    if (!reaches_disk(host, key)) return;
    const struct sim_watch *watch = &host->hosts->watch;
    sim_trace_store(host->hosts->trace, sim_box_who(&host->box), key, value);
    if (watch->stored) watch->stored(watch->user, host, key, value);
    note_undo(host, key);
    put(host, key, value);
}

void sim_host_erase(struct sim_host *host, const char *key)
{
    if (!reaches_disk(host, key)) return;
    sim_trace_erase(host->hosts->trace, sim_box_who(&host->box), key);
    note_undo(host, key);
    drop(host, key);
}

static bool matches(const char *pattern, const char *key)
{
    size_t size = strcspn(pattern, "*");
    return pattern[size] ? strncmp(pattern, key, size) == 0 : strcmp(pattern, key) == 0;
}

// Some bytes become others, as of a bad sector or a bit that flipped.
static void corrupt(struct sim_stream *chance, struct sim_stored *item)
{
    uint64_t count = 1 + sim_random_below(chance, 8);
    for (uint64_t i = 0; item->size && i < count; i++)
        item->value[sim_random_below(chance, item->size)] ^= (uint8_t)(1 + sim_random_below(chance, 255));
}

void sim_host_damage_state(struct sim_host *host, const char *pattern, enum sim_damage damage)
{
    struct sim_stream *chance = &host->faults.damage;
    host->faults.state_damaged = true;
    for (size_t i = host->stored_count; i-- > 0;) {
        struct sim_stored *item = &host->stored[i];
        if (!matches(pattern, item->key)) continue;
        sim_trace_note(host->hosts->trace, sim_box_who(&host->box), "the state of %s is damaged", item->key);
        if (damage == SIM_DAMAGE_CORRUPT) {
            corrupt(chance, item);
        } else if (damage == SIM_DAMAGE_TRUNCATE) {
            if (item->size) item->size = sim_random_below(chance, item->size);
        } else {
            sim_release(item->key);
            sim_release(item->value);
            host->stored_count--;
            memmove(item, item + 1, (host->stored_count - i) * sizeof(*item));
        }
    }
}

void sim_host_forget_state(struct sim_host *host)
{
    for (size_t i = 0; i < host->stored_count; i++) {
        sim_release(host->stored[i].key);
        sim_release(host->stored[i].value);
    }
    sim_release(host->stored);
    sim_host_forget_journal(host);
    sim_release(host->journal);
}
