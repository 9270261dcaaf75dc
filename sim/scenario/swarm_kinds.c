// The kinds of fault that a swarm draws. A new one is an entry of the table, and a function that writes what is drawn
// into the tree.
#include "scenario/swarm.h"

#include "engine/memory.h"
#include "scenario/scale.h"
#include "scenario/units.h"

#include "node/fault.h"
#include "observe/carried.h"

#include <stdio.h>
#include <string.h>

#define MS       UINT64_C(1000000)
#define LINE     (fault->swarm->line)
#define RATE_MIN UINT64_C(64000)
#define RATE_MAX UINT64_C(20000000)

static uint64_t below(struct sim_swarm_fault *fault, uint64_t bound)
{
    return sim_random_below(&fault->stream, bound);
}

static struct sim_tree *duration(struct sim_swarm_fault *fault, uint64_t ns)
{
    char text[SIM_UNITS_TEXT_SIZE];
    return sim_tree_string(sim_duration_format(ns, text), LINE);
}

// A share of any order of magnitude up to the swarm's most, in hundredths of a percent.
static struct sim_tree *share(struct sim_swarm_fault *fault)
{
    char text[SIM_UNITS_TEXT_SIZE];
    uint64_t most = fault->swarm->loss_max_ppb / 100000;
    uint64_t parts = sim_scale_log(1, most, below(fault, 1024), 1024);
    return sim_tree_string(sim_chance_format((uint32_t)parts * 100000, text), LINE);
}

static struct sim_tree *delay(struct sim_swarm_fault *fault)
{
    return duration(fault, sim_scale_log(1, fault->swarm->delay_max_ns / MS, below(fault, 1024), 1024) * MS);
}

static struct sim_tree *rate(struct sim_swarm_fault *fault)
{
    char text[SIM_UNITS_TEXT_SIZE];
    uint64_t bits = sim_scale_log(RATE_MIN, RATE_MAX, below(fault, 1024), 1024);
    return sim_tree_string(sim_rate_format(bits - bits % 1000, text), LINE);
}

// IPv6 wants 1280 bytes.
static struct sim_tree *mtu(struct sim_swarm_fault *fault)
{
    return sim_tree_integer(1280 + (int64_t)below(fault, 220), LINE);
}

static struct sim_tree *bursts(struct sim_swarm_fault *fault)
{
    struct sim_tree *table = sim_tree_new(QE_TOML_TABLE, LINE);
    uint64_t every_ms = 100 + below(fault, 5000);
    sim_tree_put(table, "every", duration(fault, every_ms * MS));
    sim_tree_put(table, "lasts", duration(fault, (1 + below(fault, every_ms / 4)) * MS));
    sim_tree_put(table, "random", sim_tree_boolean(true, LINE));
    return table;
}

static struct sim_tree *late(struct sim_swarm_fault *fault)
{
    struct sim_tree *table = sim_tree_new(QE_TOML_TABLE, LINE);
    sim_tree_put(table, "share", share(fault));
    sim_tree_put(table, "by", delay(fault));
    return table;
}

// A new entry of the list under `key`.
static struct sim_tree *new_entry(struct sim_swarm_fault *fault, const char *key)
{
    struct sim_tree *list = sim_tree_get(fault->root, key), *entry = sim_tree_new(QE_TOML_TABLE, LINE);
    if (!list) {
        list = sim_tree_new(QE_TOML_ARRAY, LINE);
        sim_tree_put(fault->root, key, list);
    }
    sim_tree_append(list, entry);
    return entry;
}

// A new entry of the timeline, about the fault's subject.
static struct sim_tree *at(struct sim_swarm_fault *fault, uint64_t time_ns, const char *subject)
{
    struct sim_tree *entry = new_entry(fault, "at");
    sim_tree_put(entry, "time", duration(fault, time_ns));
    if (subject) sim_tree_put(entry, subject, sim_tree_string(fault->name, LINE));
    return entry;
}

static const char *draw_member(struct sim_swarm_fault *fault, const struct sim_tree *list)
{
    if (!list || list->kind != QE_TOML_ARRAY || list->count == 0) return NULL;
    const struct sim_tree *item = list->items[below(fault, list->count)];
    return item->kind == QE_TOML_STRING ? item->text : NULL;
}

// What the link has for the setting without the fault: what it says of that direction, or of both, or the default.
static struct sim_tree *setting_of(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind, const char *from)
{
    const struct sim_tree *own = from ? sim_tree_get(sim_tree_get(fault->subject, "from"), from) : NULL;
    const struct sim_tree *value = sim_tree_get(own, kind->key);
    if (!value) value = sim_tree_get(fault->subject, kind->key);
    if (!value && strcmp(kind->off, "false") == 0) return sim_tree_boolean(false, LINE);
    if (!value && kind->off[0] >= '1' && kind->off[0] <= '9') {
        struct sim_quantity number = {.value = 0};
        for (const char *c = kind->off; *c; c++)
            number.value = number.value * 10 + (*c - '0');
        return sim_tree_integer(number.value, LINE);
    }
    if (!value) return sim_tree_string(kind->off, LINE);
    struct sim_tree *copy = sim_tree_copy(value);
    sim_release(copy->key);
    copy->key = NULL;
    return copy;
}

static bool has_own_directions(const struct sim_swarm_fault *fault, const char *key)
{
    const struct sim_tree *from = sim_tree_get(fault->subject, "from");
    for (size_t i = 0; from && i < from->count; i++)
        if (sim_tree_get(from->items[i], key)) return true;
    return false;
}

// A setting of the link changes and changes back, both ways or one. Where directions differ, each is left as it was.
static void draw_setting(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind)
{
    bool one = below(fault, 2) == 0 || has_own_directions(fault, kind->key);
    const char *from = draw_member(fault, sim_tree_get(fault->subject, "between"));
    struct sim_tree *begin = at(fault, fault->time_ns, "link"), *end = at(fault, fault->end_ns, "link");
    if (one && from) {
        sim_tree_put(begin, "from", sim_tree_string(from, LINE));
        sim_tree_put(end, "from", sim_tree_string(from, LINE));
    }
    sim_tree_put(begin, kind->key, kind->value(fault));
    sim_tree_put(end, kind->key, setting_of(fault, kind, one ? from : NULL));
}

static void draw_down(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind)
{
    sim_tree_put(at(fault, fault->time_ns, "link"), kind->key, sim_tree_boolean(true, LINE));
    sim_tree_put(at(fault, fault->end_ns, "link"), "up", sim_tree_boolean(true, LINE));
}

static void draw_one_way(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind)
{
    const char *from = draw_member(fault, sim_tree_get(fault->subject, "between"));
    struct sim_tree *begin = at(fault, fault->time_ns, "link"), *end = at(fault, fault->end_ns, "link");
    sim_tree_put(begin, kind->key, sim_tree_boolean(true, LINE));
    sim_tree_put(end, "up", sim_tree_boolean(true, LINE));
    if (!from) return;
    sim_tree_put(begin, "from", sim_tree_string(from, LINE));
    sim_tree_put(end, "from", sim_tree_string(from, LINE));
}

// Some hosts on one side, all others on the other; at least one on each.
static void draw_partition(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind)
{
    const struct sim_tree *hosts = sim_tree_get(fault->root, "host");
    struct sim_tree *between = sim_tree_new(QE_TOML_ARRAY, LINE);
    size_t all = hosts && hosts->kind == QE_TOML_ARRAY ? hosts->count : 0;
    for (size_t i = 0; i < all; i++) {
        const char *name = sim_tree_text(hosts->items[i], "name");
        if (name && below(fault, 2) == 0) sim_tree_append(between, sim_tree_string(name, LINE));
    }
    if (between->count == 0 || between->count == all) {
        sim_tree_free(between);
        return;
    }
    for (int begins = 1; begins >= 0; begins--) {
        struct sim_tree *partition = sim_tree_new(QE_TOML_TABLE, LINE);
        sim_tree_put(partition, "between", begins ? sim_tree_copy(between) : between);
        if (kind->off) sim_tree_put(partition, "one_way", sim_tree_boolean(true, LINE));
        if (!begins) sim_tree_put(partition, "heal", sim_tree_boolean(true, LINE));
        sim_tree_put(at(fault, begins ? fault->time_ns : fault->end_ns, NULL), "partition", partition);
    }
}

static void draw_crash(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind)
{
    struct sim_tree *entry = at(fault, fault->time_ns, "host");
    sim_tree_put(entry, kind->key, sim_tree_boolean(true, LINE));
    sim_tree_put(entry, "start_after", duration(fault, fault->end_ns - fault->time_ns));
    if (below(fault, 2) == 0) sim_tree_put(entry, "lose_unsynced", duration(fault, (1 + below(fault, 5000)) * MS));
}

// At one of the next changes of stored state, with it or without it.
static void draw_crash_at_write(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind)
{
    struct sim_tree *entry = at(fault, fault->time_ns, "host");
    bool before = below(fault, 2) == 0;
    sim_tree_put(
        entry, before ? "crash_before_write" : kind->key, sim_tree_integer(1 + (int64_t)below(fault, 4), LINE));
    sim_tree_put(entry, "start_after", duration(fault, fault->end_ns - fault->time_ns));
}

// One thing at one time, with nothing to end.
static void draw_once(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind)
{
    sim_tree_put(at(fault, fault->time_ns, "host"), kind->key, sim_tree_boolean(true, LINE));
}

static void draw_reboot(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind)
{
    struct sim_tree *entry = at(fault, fault->time_ns, "host");
    bool at_once = below(fault, 2) == 0;
    uint64_t length_ns = fault->end_ns - fault->time_ns;
    sim_tree_put(entry, kind->key, at_once ? sim_tree_boolean(true, LINE) : duration(fault, length_ns));
}

// Stored state that is damaged or gone.
static void draw_state(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind)
{
    static const char *const keys[] = {"corrupt_state", "truncate_state", "erase_state"};
    (void)kind;
    sim_tree_put(at(fault, fault->time_ns, "host"), keys[below(fault, 3)], sim_tree_string("*", LINE));
}

// Seconds, hours or days, either way.
static void draw_clock(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind)
{
    static const uint64_t scales_s[] = {60, 7200, 86400 * 40};
    uint64_t seconds = 1 + below(fault, scales_s[below(fault, 3)]);
    char text[SIM_UNITS_TEXT_SIZE];
    snprintf(text, sizeof(text), "%s%llus", below(fault, 2) ? "-" : "", (unsigned long long)seconds);
    sim_tree_put(at(fault, fault->time_ns, "host"), kind->key, sim_tree_string(text, LINE));
}

static void draw_drift(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind)
{
    char text[SIM_UNITS_TEXT_SIZE];
    snprintf(text, sizeof(text), "%s%lluppm", below(fault, 2) ? "-" : "", (unsigned long long)(1 + below(fault, 1000)));
    sim_tree_put(at(fault, fault->time_ns, "host"), kind->key, sim_tree_string(text, LINE));
    sim_tree_put(at(fault, fault->end_ns, "host"), kind->key, sim_tree_string("0ppm", LINE));
}

// What takes a duration.
static void draw_pause(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind)
{
    sim_tree_put(at(fault, fault->time_ns, "host"), kind->key, duration(fault, fault->end_ns - fault->time_ns));
}

static void draw_for(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind)
{
    struct sim_tree *entry = at(fault, fault->time_ns, "host");
    sim_tree_put(entry, kind->key, kind->value ? kind->value(fault) : sim_tree_boolean(true, LINE));
    sim_tree_put(entry, "for", duration(fault, fault->end_ns - fault->time_ns));
}

static bool lists(const struct sim_tree *list, const char *name)
{
    for (size_t i = 0; list && i < list->count; i++)
        if (list->items[i]->kind == QE_TOML_STRING && strcmp(list->items[i]->text, name) == 0) return true;
    return false;
}

// Two of the host's links, any two as likely; the first is one on which it is.
static void draw_links(struct sim_swarm_fault *fault, const struct sim_tree *out[2])
{
    const struct sim_tree *links = sim_tree_get(fault->root, "link");
    size_t found = 0;
    for (size_t i = 0; links && i < links->count; i++) {
        if (!lists(sim_tree_get(links->items[i], "between"), fault->name)) continue;
        size_t place = found < 2 ? found : (size_t)below(fault, found + 1);
        if (place < 2) out[place] = links->items[i];
        found++;
    }
    if (!lists(sim_tree_get(out[0], "absent"), fault->name)) return;
    const struct sim_tree *swapped = out[0];
    out[0] = out[1];
    out[1] = swapped;
}

// From one of the host's links to another, and back; where it was on both, it is then again.
static void draw_roam(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind)
{
    const struct sim_tree *links[2] = {NULL, NULL};
    char names[2][256];
    draw_links(fault, links);
    for (int i = 0; i < 2; i++)
        sim_swarm_link_name(links[i], names[i]);
    for (int back = 0; back < 2; back++) {
        struct sim_tree *roam = sim_tree_new(QE_TOML_TABLE, LINE);
        sim_tree_put(roam, "from", sim_tree_string(names[back], LINE));
        sim_tree_put(roam, "to", sim_tree_string(names[1 - back], LINE));
        sim_tree_put(at(fault, back ? fault->end_ns : fault->time_ns, "host"), kind->key, roam);
    }
    if (lists(sim_tree_get(links[1], "absent"), fault->name)) return;
    struct sim_tree *join = at(fault, fault->end_ns, "host");
    sim_tree_put(join, "link", sim_tree_string(names[1], LINE));
    sim_tree_put(join, "join", sim_tree_boolean(true, LINE));
}

// A trigger on some class of messages, in a time; `on` is its table.
static struct sim_tree *trigger(struct sim_swarm_fault *fault, uint64_t before_ns, struct sim_tree **on)
{
    struct sim_tree *entry = new_entry(fault, "trigger");
    char name[32];
    snprintf(name, sizeof(name), "swarm-%zu", sim_tree_get(fault->root, "trigger")->count);
    sim_tree_put(entry, "name", sim_tree_string(name, LINE));
    *on = sim_tree_new(QE_TOML_TABLE, LINE);
    const char *class = qe_carried_name((enum qe_carried)below(fault, QE_CARRIED_COUNT));
    sim_tree_put(*on, "message", sim_tree_string(class, LINE));
    sim_tree_put(*on, "after", duration(fault, fault->time_ns));
    sim_tree_put(*on, "before", duration(fault, before_ns));
    sim_tree_put(*on, "count", sim_tree_integer(1 + (int64_t)below(fault, 4), LINE));
    sim_tree_put(entry, "on", *on);
    return entry;
}

// What happens to messages of one class: to one, to some, or to all of a time.
static void draw_message(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind)
{
    static const char *const fates[] = {"drop", "duplicate", "corrupt", "delay"};
    const struct sim_tree *hosts = sim_tree_get(fault->root, "host");
    struct sim_tree *on, *entry = trigger(fault, fault->end_ns, &on);
    const char *fate = fates[below(fault, 4)];
    (void)kind;
    if (below(fault, 2) == 0)
        sim_tree_put(on, "times", sim_tree_string("always", LINE));
    else
        sim_tree_put(on, "times", sim_tree_integer(1 + (int64_t)below(fault, 5), LINE));
    const char *from = hosts && hosts->count ? sim_tree_text(hosts->items[below(fault, hosts->count)], "name") : NULL;
    if (from && below(fault, 2) == 0) sim_tree_put(on, "from", sim_tree_string(from, LINE));
    sim_tree_put(entry, fate, strcmp(fate, "delay") == 0 ? delay(fault) : sim_tree_boolean(true, LINE));
}

// The host crashes when it sends or gets such a message, and is back by the fault's end.
static void draw_crash_on_message(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind)
{
    uint64_t half_ns = (fault->end_ns - fault->time_ns) / 2;
    half_ns += MS - 1 - (half_ns + MS - 1) % MS;
    struct sim_tree *on, *entry = trigger(fault, fault->time_ns + half_ns, &on);
    bool gets = below(fault, 2) == 0;
    sim_tree_put(on, gets ? "to" : "from", sim_tree_string(fault->name, LINE));
    if (gets) sim_tree_put(on, "arrives", sim_tree_boolean(true, LINE));
    sim_tree_put(entry, "host", sim_tree_string(fault->name, LINE));
    sim_tree_put(entry, kind->key, sim_tree_boolean(true, LINE));
    sim_tree_put(entry, "start_after", duration(fault, fault->end_ns - fault->time_ns - half_ns));
}

static void widen(struct sim_swarm_fault *fault, struct sim_tree *table, const char *key, uint64_t time_ns, bool later)
{
    uint64_t old_ns;
    const char *old = sim_tree_text(table, key);
    if (old && sim_duration_parse(old, &old_ns) && (later ? old_ns >= time_ns : old_ns <= time_ns)) return;
    sim_tree_put(table, key, duration(fault, time_ns));
}

// One more fault point that may fire. There is one table for all, whose time grows. A file's own is left alone.
static void draw_point(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind)
{
    struct sim_tree *table = sim_tree_get(fault->root, kind->key);
    const char *point = qe_fault_point_name((enum qe_fault_point)below(fault, QE_FAULT_COUNT));
    if (table && table->line != LINE) return;
    if (!table) {
        table = sim_tree_new(QE_TOML_TABLE, LINE);
        sim_tree_put(table, "points", sim_tree_new(QE_TOML_ARRAY, LINE));
        sim_tree_put(table, "chance", share(fault));
        sim_tree_put(fault->root, kind->key, table);
    }
    sim_tree_append(sim_tree_get(table, "points"), sim_tree_string(point, LINE));
    widen(fault, table, "after", fault->time_ns, false);
    widen(fault, table, "before", fault->end_ns, true);
}

const struct sim_swarm_kind sim_swarm_kinds[] = {
    {"loss", SIM_SWARM_LINK, true, draw_setting, "loss", "0%", share},
    {"bursts", SIM_SWARM_LINK, true, draw_setting, "loss_bursts", "false", bursts},
    {"delay", SIM_SWARM_LINK, true, draw_setting, "delay", "0s", delay},
    {"jitter", SIM_SWARM_LINK, true, draw_setting, "jitter", "0s", delay},
    {"reordering", SIM_SWARM_LINK, true, draw_setting, "late", "false", late},
    {"duplication", SIM_SWARM_LINK, true, draw_setting, "duplicate", "0%", share},
    {"corruption", SIM_SWARM_LINK, true, draw_setting, "corrupt", "0%", share},
    {"rate", SIM_SWARM_LINK, true, draw_setting, "rate", "unlimited", rate},
    {"mtu", SIM_SWARM_LINK, true, draw_setting, "mtu", "1500", mtu},
    {"down", SIM_SWARM_LINK, true, draw_down, "down", NULL, NULL},
    {"blackhole", SIM_SWARM_LINK, true, draw_down, "blackhole", NULL, NULL},
    {"one_way", SIM_SWARM_LINK, true, draw_one_way, "blackhole", NULL, NULL},
    {"partition", SIM_SWARM_NETWORK, true, draw_partition, "partition", NULL, NULL},
    {"one_way_partition", SIM_SWARM_NETWORK, true, draw_partition, "partition", "one_way", NULL},
    {"crash", SIM_SWARM_NODE, true, draw_crash, "crash", NULL, NULL},
    {"crash_at_write", SIM_SWARM_NODE, false, draw_crash_at_write, "crash_at_write", NULL, NULL},
    {"crash_on_message", SIM_SWARM_NODE, true, draw_crash_on_message, "crash", NULL, NULL},
    {"fault_point", SIM_SWARM_NETWORK, true, draw_point, "faults", NULL, NULL},
    {"message", SIM_SWARM_NETWORK, true, draw_message, NULL, NULL, NULL},
    {"restart", SIM_SWARM_NODE, true, draw_once, "restart", NULL, NULL},
    {"state", SIM_SWARM_NODE, false, draw_state, NULL, NULL, NULL},
    {"clock", SIM_SWARM_NODE, true, draw_clock, "clock", NULL, NULL},
    {"clock_drift", SIM_SWARM_NODE, true, draw_drift, "clock_drift", NULL, NULL},
    {"suspend", SIM_SWARM_NODE, true, draw_pause, "suspend", NULL, NULL},
    {"stall", SIM_SWARM_NODE, true, draw_pause, "stall", NULL, NULL},
    {"buffers", SIM_SWARM_NODE, true, draw_pause, "hold_buffers", NULL, NULL},
    {"allocation", SIM_SWARM_NODE, false, draw_for, "fail_allocations", NULL, share},
    {"stores", SIM_SWARM_NODE, true, draw_for, "fail_stores", NULL, NULL},
    {"sockets", SIM_SWARM_NODE, false, draw_for, "refuse_sockets", NULL, NULL},
    {"roam", SIM_SWARM_ROAMER, true, draw_roam, "roam", NULL, NULL},
    {"nat_reboot", SIM_SWARM_NAT, true, draw_reboot, "reboot", NULL, NULL},
    {0},
};
