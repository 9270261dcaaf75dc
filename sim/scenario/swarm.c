#include "scenario/swarm.h"

#include "engine/memory.h"
#include "scenario/units.h"

#include <stdio.h>
#include <string.h>

#define MS                 UINT64_C(1000000)
#define FAULTS_MAX_DEFAULT 8
#define LOSS_MAX_DEFAULT   UINT32_C(300000000) // 30 %
#define DELAY_MAX_DEFAULT  (300 * MS)

#define SWARM(field) offsetof(struct sim_swarm, field)
const struct sim_key sim_swarm_keys[] = {{"faults", SIM_KEY_OTHER, 0}, {"except", SIM_KEY_OTHER, 0},
    {"links", SIM_KEY_OTHER, 0}, {"hosts", SIM_KEY_OTHER, 0}, {"faults_max", SIM_KEY_NUMBER, SWARM(faults_max)},
    {"from", SIM_KEY_DURATION, SWARM(from_ns)}, {"until", SIM_KEY_DURATION, SWARM(until_ns)},
    {"lasts_max", SIM_KEY_DURATION, SWARM(lasts_max_ns)}, {"delay_max", SIM_KEY_DURATION, SWARM(delay_max_ns)},
    {"loss_max", SIM_KEY_CHANCE, SWARM(loss_max_ppb)}, {0}};

void sim_swarm_link_name(const struct sim_tree *link, char name[256])
{
    const char *own = sim_tree_text(link, "name");
    const struct sim_tree *between = sim_tree_get(link, "between");
    snprintf(name, 256, "%s", own ? own : "");
    size_t used = 0;
    for (size_t i = 0; !own && between && i < between->count && used < 255; i++)
        used += (size_t)snprintf(name + used, 256 - used, "%s%s", i ? "-" : "",
            between->items[i]->kind == QE_TOML_STRING ? between->items[i]->text : "");
}

static bool is_true(const struct sim_tree *table, const char *key, bool otherwise)
{
    const struct sim_tree *value = sim_tree_get(table, key);
    return value && value->kind == QE_TOML_BOOLEAN ? value->boolean : otherwise;
}

static size_t links_of(const struct sim_tree *root, const char *host)
{
    const struct sim_tree *links = sim_tree_get(root, "link");
    size_t count = 0;
    for (size_t i = 0; links && i < links->count; i++) {
        const struct sim_tree *between = sim_tree_get(links->items[i], "between");
        for (size_t k = 0; between && k < between->count; k++)
            count += between->items[k]->kind == QE_TOML_STRING && strcmp(between->items[k]->text, host) == 0;
    }
    return count;
}

static bool fits(const struct sim_tree *root, const struct sim_tree *host, enum sim_swarm_subject subject)
{
    bool router = is_true(host, "router", false), node = is_true(host, "node", !router);
    const char *name = sim_tree_text(host, "name");
    switch (subject) {
    case SIM_SWARM_NODE:
        return node;
    case SIM_SWARM_NAT:
        return router && (sim_tree_get(host, "nat") || sim_tree_get(host, "firewall"));
    case SIM_SWARM_ROAMER:
        return node && name && links_of(root, name) >= 2;
    default:
        return false;
    }
}

static bool allowed(char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0) return true;
    return !names;
}

bool sim_swarm_subject(const struct sim_swarm *swarm, const struct sim_tree *root, enum sim_swarm_subject subject,
    size_t index, const struct sim_tree **table, char name[256])
{
    bool link = subject == SIM_SWARM_LINK;
    const struct sim_tree *list = sim_tree_get(root, link ? "link" : "host");
    *table = NULL;
    name[0] = '\0';
    if (subject == SIM_SWARM_NETWORK) return index == 0;
    for (size_t i = 0; list && list->kind == QE_TOML_ARRAY && i < list->count; i++) {
        const struct sim_tree *item = list->items[i];
        if (link)
            sim_swarm_link_name(item, name);
        else
            snprintf(name, 256, "%s", sim_tree_text(item, "name") ? sim_tree_text(item, "name") : "");
        if (!link && !fits(root, item, subject)) continue;
        if (!allowed(link ? swarm->links : swarm->hosts, link ? swarm->link_count : swarm->host_count, name)) continue;
        *table = item;
        if (index-- == 0) return true;
    }
    return false;
}

static size_t subject_count(const struct sim_swarm *swarm, const struct sim_tree *root, enum sim_swarm_subject subject)
{
    const struct sim_tree *table;
    char name[256];
    size_t count = 0;
    while (sim_swarm_subject(swarm, root, subject, count, &table, name))
        count++;
    return count;
}

static size_t kind_of(struct sim_reader *r, const struct qe_toml_value *value, const char *key)
{
    const char *name = sim_reader_text(r, value, key);
    char list[SIM_ERROR_SIZE] = "";
    size_t used = 0;
    for (size_t i = 0; sim_swarm_kinds[i].name; i++) {
        if (strcmp(sim_swarm_kinds[i].name, name) == 0) return i;
        if (used < sizeof(list))
            used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", sim_swarm_kinds[i].name);
    }
    sim_reader_fail(r, value, "'%s' has \"%s\"; expected %s", key, name, list);
    return 0;
}

static void set_kinds(struct sim_reader *r, struct sim_swarm *swarm, const struct qe_toml_value *table, const char *key,
    bool on, const struct sim_tree *tree)
{
    const struct qe_toml_value *list = sim_reader_get(r, table, key, QE_TOML_ARRAY);
    for (size_t i = 0; list && i < qe_toml_size(list) && !r->failed; i++) {
        size_t kind = kind_of(r, qe_toml_at(list, i), key);
        if (r->failed) return;
        if (on && subject_count(swarm, tree, sim_swarm_kinds[kind].subject) == 0)
            sim_reader_fail(r, qe_toml_at(list, i), "'%s' has \"%s\", for which the network has nothing", key,
                sim_swarm_kinds[kind].name);
        swarm->on[kind] = on;
    }
}

static void read_kinds(
    struct sim_reader *r, struct sim_swarm *swarm, const struct qe_toml_value *table, const struct sim_tree *tree)
{
    const struct qe_toml_value *faults = qe_toml_get(table, "faults");
    for (size_t i = 0; !faults && sim_swarm_kinds[i].name; i++)
        swarm->on[i] = sim_swarm_kinds[i].usual && subject_count(swarm, tree, sim_swarm_kinds[i].subject) > 0;
    if (faults) set_kinds(r, swarm, table, "faults", true, tree);
    if (!r->failed) set_kinds(r, swarm, table, "except", false, tree);
    bool any = false;
    for (size_t i = 0; i < SIM_SWARM_KINDS_MAX; i++)
        any |= swarm->on[i];
    if (!r->failed && !any) sim_reader_fail(r, table, "[swarm] has no kind of fault left; expected one or more");
}

static void read_names(struct sim_reader *r, const struct qe_toml_value *table, const char *key,
    const struct sim_swarm *swarm, const struct sim_tree *tree, char ***names, size_t *count)
{
    const struct qe_toml_value *list = sim_reader_get(r, table, key, QE_TOML_ARRAY);
    if (!list) return;
    char **found = sim_obtain(qe_toml_size(list) + 1, sizeof(*found));
    size_t found_count = 0;
    bool link = strcmp(key, "links") == 0;
    for (size_t i = 0; i < qe_toml_size(list) && !r->failed; i++) {
        const char *text = sim_reader_text(r, qe_toml_at(list, i), key);
        const struct sim_tree *item;
        char name[256];
        bool there = false;
        for (int subject = link ? SIM_SWARM_LINK : SIM_SWARM_NODE; subject <= (link ? SIM_SWARM_LINK : SIM_SWARM_NAT);
             subject++)
            for (size_t k = 0;
                 sim_swarm_subject(swarm, tree, (enum sim_swarm_subject)subject, k, &item, name) && !there; k++)
                there = strcmp(name, text) == 0;
        if (!there)
            sim_reader_fail(r, qe_toml_at(list, i), "'%s' has \"%s\"; expected %s", key, text,
                link ? "a link's name" : "a host with a node, or a router with a NAT");
        found[found_count++] = sim_copy_text(text);
    }
    *names = found;
    *count = found_count;
}

static void read_bounds(
    struct sim_reader *r, struct sim_swarm *swarm, const struct qe_toml_value *table, const struct sim_tree *tree)
{
    const struct sim_tree *scenario = sim_tree_get(tree, "scenario");
    const char *duration = sim_tree_text(scenario, "duration"), *calm = sim_tree_text(scenario, "calm");
    uint64_t duration_ns, calm_ns;
    // Where these are wrong, that is what will be said.
    if (!duration || !sim_duration_parse(duration, &duration_ns)) duration_ns = UINT64_MAX / 4;
    if (!calm || !sim_duration_parse(calm, &calm_ns)) calm_ns = duration_ns / 3 * 2;
    if (!swarm->until_ns) swarm->until_ns = calm_ns < duration_ns ? calm_ns : duration_ns;
    if (!swarm->lasts_max_ns) swarm->lasts_max_ns = swarm->until_ns;
    swarm->from_ns -= swarm->from_ns % MS;
    swarm->until_ns -= swarm->until_ns % MS;
    if (swarm->until_ns > duration_ns)
        sim_reader_fail(r, qe_toml_get(table, "until"), "'until' is beyond the scenario's duration");
    else if (swarm->from_ns + MS > swarm->until_ns)
        sim_reader_fail(r, table, "'from' is not before 'until'; expected a time for faults between them");
    else if (swarm->faults_max < 1 || swarm->faults_max > SIM_SWARM_FAULTS_MAX)
        sim_reader_fail(r, table, "'faults_max' is %llu; expected 1 to %d", (unsigned long long)swarm->faults_max,
            SIM_SWARM_FAULTS_MAX);
    else if (swarm->lasts_max_ns < MS || swarm->delay_max_ns < MS)
        sim_reader_fail(r, table, "'lasts_max' and 'delay_max' are at least \"1ms\"");
    else if (swarm->loss_max_ppb < 100000)
        sim_reader_fail(r, table, "'loss_max' is at least \"0.01%%\"");
}

bool sim_swarm_read(
    struct sim_reader *r, const struct qe_toml_value *root, struct sim_tree *tree, struct sim_swarm *swarm)
{
    const struct qe_toml_value *table = sim_reader_get(r, root, "swarm", QE_TOML_TABLE);
    *swarm = (struct sim_swarm){.present = table != NULL,
        .faults_max = FAULTS_MAX_DEFAULT,
        .loss_max_ppb = LOSS_MAX_DEFAULT,
        .delay_max_ns = DELAY_MAX_DEFAULT};
    if (!table) return !r->failed;
    swarm->line = qe_toml_line(table);
    sim_reader_get(r, root, "at", QE_TOML_ARRAY);
    sim_reader_get(r, root, "trigger", QE_TOML_ARRAY);
    sim_reader_table(r, table, "[swarm]", sim_swarm_keys, swarm);
    if (!r->failed) read_bounds(r, swarm, table, tree);
    if (!r->failed) read_names(r, table, "links", swarm, tree, &swarm->links, &swarm->link_count);
    if (!r->failed) read_names(r, table, "hosts", swarm, tree, &swarm->hosts, &swarm->host_count);
    if (!r->failed) read_kinds(r, swarm, table, tree);
    return !r->failed;
}

void sim_swarm_fini(struct sim_swarm *swarm)
{
    for (size_t i = 0; i < swarm->link_count; i++)
        sim_release(swarm->links[i]);
    for (size_t i = 0; i < swarm->host_count; i++)
        sim_release(swarm->hosts[i]);
    sim_release(swarm->links);
    sim_release(swarm->hosts);
    *swarm = (struct sim_swarm){0};
}

// How long: of any order of magnitude, and over by `until`.
static uint64_t draw_length(struct sim_swarm_fault *fault)
{
    static const uint64_t scales[] = {100 * MS, 1000 * MS, 10000 * MS, 100000 * MS};
    uint64_t most = scales[sim_random_below(&fault->stream, 4)], left = fault->swarm->until_ns - fault->time_ns;
    if (most > fault->swarm->lasts_max_ns) most = fault->swarm->lasts_max_ns;
    if (most > left) most = left;
    return (1 + sim_random_below(&fault->stream, most / MS)) * MS;
}

static void draw_fault(
    const struct sim_swarm *swarm, const struct sim_swarm_kind *kind, struct sim_stream stream, struct sim_tree *root)
{
    struct sim_swarm_fault fault = {.swarm = swarm, .root = root, .stream = stream};
    size_t count = subject_count(swarm, root, kind->subject);
    if (count == 0) return; // a sweep took them
    size_t which = (size_t)sim_random_below(&fault.stream, count);
    sim_swarm_subject(swarm, root, kind->subject, which, &fault.subject, fault.name);
    uint64_t room = (swarm->until_ns - swarm->from_ns) / MS;
    fault.time_ns = swarm->from_ns + sim_random_below(&fault.stream, room) * MS;
    fault.end_ns = fault.time_ns + draw_length(&fault);
    kind->draw(&fault, kind);
}

char *sim_swarm_apply(const struct sim_swarm *swarm, uint64_t seed, struct sim_tree *root)
{
    size_t on[SIM_SWARM_KINDS_MAX], on_count = 0, used = 0;
    char *text = sim_obtain(SIM_SWARM_KINDS_MAX, 32);
    for (size_t i = 0; sim_swarm_kinds[i].name; i++) {
        struct sim_stream stream = sim_stream(seed, SIM_STREAM_SWARM, sim_swarm_kinds[i].name, SIM_SWARM_ON);
        if (!swarm->on[i] || sim_random_below(&stream, 2) == 0) continue;
        used += (size_t)snprintf(
            text + used, SIM_SWARM_KINDS_MAX * 32 - used, "%s%s", on_count ? " " : "", sim_swarm_kinds[i].name);
        on[on_count++] = i;
    }
    if (on_count == 0) return text;
    struct sim_stream stream = sim_stream(seed, SIM_STREAM_SWARM, "", SIM_SWARM_COUNT);
    uint64_t count = 1 + sim_random_below(&stream, swarm->faults_max);
    for (uint32_t i = 0; i < count; i++) {
        stream = sim_stream(seed, SIM_STREAM_SWARM, "", SIM_SWARM_FAULT + i);
        const struct sim_swarm_kind *kind = &sim_swarm_kinds[on[sim_random_below(&stream, on_count)]];
        draw_fault(swarm, kind, stream, root);
    }
    return text;
}
