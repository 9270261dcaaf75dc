#include "crowd/plan.h"

#include "engine/memory.h"
#include "engine/random.h"
#include "scenario/scenario.h"
#include "scenario/text.h"

#include "base/time.h"

#include <stdio.h>
#include <string.h>

#define RTT_MAX_NS       (10 * QE_NS_PER_S)
#define DURATION_MAX_NS  (7 * 24 * 3600 * QE_NS_PER_S)
#define VALUE_BYTES_MAX  900
#define RECORD_BYTES_MAX 500

static const char *const begin_words[] = {"join", "tables", NULL};
static const char *const item_words[] = {"mutable", "immutable", "index", "open", "peers", NULL};
static const char *const lookup_words[] = {"items", "nodes", NULL};
static const char *const attack_words[] = {"liars", "sybils", "flood", "replay", "tokens", "reflection", NULL};
static const char *const lie_words[] = {"silence", "nodes", "values", "old", NULL};

#define TOP(field) offsetof(struct sim_crowd_plan, field)
static const struct sim_key dht_keys[] = {{"name", SIM_KEY_NAME, TOP(name)},
    {"description", SIM_KEY_TEXT, TOP(description)}, {"duration", SIM_KEY_DURATION, TOP(duration_ns)},
    {"seed", SIM_KEY_NUMBER, TOP(seed)}, {"nodes", SIM_KEY_NUMBER, TOP(nodes)},
    {"bootstraps", SIM_KEY_NUMBER, TOP(bootstraps)}, {"begin", SIM_KEY_OTHER, 0},
    {"mainline", SIM_KEY_FLAG, TOP(mainline)}, {"join", SIM_KEY_DURATION, TOP(join_ns)}, {0}};
static const struct sim_key network_keys[] = {{"rtt_min", SIM_KEY_DURATION, TOP(rtt_min_ns)},
    {"rtt_max", SIM_KEY_DURATION, TOP(rtt_max_ns)}, {"loss", SIM_KEY_CHANCE, TOP(loss_ppb)},
    {"neighbours", SIM_KEY_CHANCE, TOP(neighbours_ppb)}, {0}};
static const struct sim_key churn_keys[] = {
    {"median", SIM_KEY_DURATION, TOP(churn_median_ns)}, {"from", SIM_KEY_DURATION, TOP(churn_from_ns)}, {0}};
static const struct sim_key idle_keys[] = {
    {"from", SIM_KEY_DURATION, TOP(idle_from_ns)}, {"until", SIM_KEY_DURATION, TOP(idle_until_ns)}, {0}};

#define ITEMS(field) offsetof(struct sim_crowd_items, field)
static const struct sim_key items_keys[] = {{"name", SIM_KEY_NAME, ITEMS(name)}, {"kind", SIM_KEY_OTHER, 0},
    {"count", SIM_KEY_NUMBER, ITEMS(count)}, {"bytes", SIM_KEY_SIZE, ITEMS(bytes)},
    {"from", SIM_KEY_DURATION, ITEMS(from_ns)}, {"until", SIM_KEY_DURATION, ITEMS(until_ns)},
    {"republish", SIM_KEY_DURATION, ITEMS(republish_ns)}, {0}};

#define LOOKUPS(field) offsetof(struct sim_crowd_lookups, field)
static const struct sim_key lookups_keys[] = {{"name", SIM_KEY_NAME, LOOKUPS(name)}, {"kind", SIM_KEY_OTHER, 0},
    {"of", SIM_KEY_NAME, LOOKUPS(of)}, {"count", SIM_KEY_NUMBER, LOOKUPS(count)},
    {"from", SIM_KEY_DURATION, LOOKUPS(from_ns)}, {"until", SIM_KEY_DURATION, LOOKUPS(until_ns)},
    {"same_side", SIM_KEY_FLAG, LOOKUPS(same_side)}, {0}};

#define AT(field) offsetof(struct sim_crowd_at, field)
static const struct sim_key at_keys[] = {{"time", SIM_KEY_DURATION, AT(time_ns)},
    {"kill", SIM_KEY_CHANCE, AT(kill_ppb)}, {"partition", SIM_KEY_FLAG, AT(partition)},
    {"heal", SIM_KEY_FLAG, AT(heal)}, {0}};

#define ATTACK(field) offsetof(struct sim_crowd_attack, field)
static const struct sim_key attack_keys[] = {{"name", SIM_KEY_NAME, ATTACK(name)}, {"kind", SIM_KEY_OTHER, 0},
    {"share", SIM_KEY_CHANCE, ATTACK(share_ppb)}, {"lies", SIM_KEY_OTHER, 0}, {"count", SIM_KEY_NUMBER, ATTACK(count)},
    {"bits", SIM_KEY_NUMBER, ATTACK(bits)}, {"network", SIM_KEY_NUMBER, ATTACK(network)},
    {"rate", SIM_KEY_NUMBER, ATTACK(rate)}, {"of", SIM_KEY_NAME, ATTACK(of)},
    {"from", SIM_KEY_DURATION, ATTACK(from_ns)}, {"until", SIM_KEY_DURATION, ATTACK(until_ns)}, {0}};

// The values of an array of tables, at most `max`; NULL with *count = 0 where there is none.
static const struct qe_toml_value *tables(
    struct sim_reader *r, const struct qe_toml_value *root, const char *name, size_t max, size_t *count)
{
    const struct qe_toml_value *array = sim_reader_get(r, root, name, QE_TOML_ARRAY);
    *count = array ? qe_toml_size(array) : 0;
    if (*count <= max) return array;
    sim_reader_fail(r, array, "there are %zu of [[%s]]; expected at most %zu", *count, name, max);
    *count = 0;
    return NULL;
}

static void need_name(struct sim_reader *r, const struct qe_toml_value *table, const char *where, const char *name)
{
    if (!name) sim_reader_fail(r, table, "%s has no 'name'", where);
}

static void check_window(
    struct sim_reader *r, const struct qe_toml_value *table, const char *where, uint64_t from, uint64_t until)
{
    if (from > until) sim_reader_fail(r, table, "'from' of %s is later than its 'until'", where);
}

static void need_range(struct sim_reader *r, const struct qe_toml_value *table, const char *what, uint64_t value,
    uint64_t min, uint64_t max)
{
    if (value < min || value > max)
        sim_reader_fail(r, table, "'%s' is %llu; expected %llu to %llu", what, (unsigned long long)value,
            (unsigned long long)min, (unsigned long long)max);
}

static void read_items(struct sim_reader *r, const struct qe_toml_value *root, struct sim_crowd_plan *plan)
{
    size_t count;
    const struct qe_toml_value *array = tables(r, root, "items", SIM_CROWD_TABLES_MAX, &count);
    plan->items = sim_obtain(count, sizeof(*plan->items));
    uint64_t all = 0;
    for (size_t i = 0; i < count && !r->failed; i++) {
        const struct qe_toml_value *table = qe_toml_at(array, i);
        struct sim_crowd_items *items = &plan->items[plan->item_count++];
        *items = (struct sim_crowd_items){.count = 1, .bytes = 100};
        sim_reader_table(r, table, "[[items]]", items_keys, items);
        sim_reader_word(r, table, "kind", item_words, &items->kind);
        need_name(r, table, "[[items]]", items->name);
        if (items->until_ns < items->from_ns && !qe_toml_get(table, "until")) items->until_ns = items->from_ns;
        check_window(r, table, "[[items]]", items->from_ns, items->until_ns);
        need_range(r, table, "count", items->count, 1, SIM_CROWD_ITEMS_MAX);
        bool record = items->kind == SIM_ITEM_INDEX || items->kind == SIM_ITEM_OPEN;
        need_range(r, table, "bytes", items->bytes, 16, record ? RECORD_BYTES_MAX : VALUE_BYTES_MAX);
        all += items->count;
        if (all > SIM_CROWD_ITEMS_MAX) sim_reader_fail(r, table, "there are more than %d items", SIM_CROWD_ITEMS_MAX);
    }
}

// Which of [[items]] the table names.
static size_t find_items(
    struct sim_reader *r, const struct qe_toml_value *table, const char *of, const struct sim_crowd_plan *plan)
{
    for (size_t i = 0; of && i < plan->item_count; i++)
        if (strcmp(plan->items[i].name, of) == 0) return i;
    sim_reader_fail(r, table, "'of' must be the name of one of [[items]]");
    return 0;
}

static void read_lookups(struct sim_reader *r, const struct qe_toml_value *root, struct sim_crowd_plan *plan)
{
    size_t count;
    const struct qe_toml_value *array = tables(r, root, "lookups", SIM_CROWD_TABLES_MAX, &count);
    plan->lookups = sim_obtain(count, sizeof(*plan->lookups));
    uint64_t all = 0;
    for (size_t i = 0; i < count && !r->failed; i++) {
        const struct qe_toml_value *table = qe_toml_at(array, i);
        struct sim_crowd_lookups *lookups = &plan->lookups[plan->lookup_count++];
        *lookups = (struct sim_crowd_lookups){.count = 1000, .until_ns = plan->duration_ns};
        sim_reader_table(r, table, "[[lookups]]", lookups_keys, lookups);
        sim_reader_word(r, table, "kind", lookup_words, &lookups->kind);
        need_name(r, table, "[[lookups]]", lookups->name);
        check_window(r, table, "[[lookups]]", lookups->from_ns, lookups->until_ns);
        need_range(r, table, "count", lookups->count, 1, SIM_CROWD_LOOKUPS_MAX);
        if (lookups->kind == SIM_LOOKUP_ITEM) lookups->items = find_items(r, table, lookups->of, plan);
        all += lookups->count;
        if (all > SIM_CROWD_LOOKUPS_MAX)
            sim_reader_fail(r, table, "there are more than %d lookups", SIM_CROWD_LOOKUPS_MAX);
    }
}

static void read_ats(struct sim_reader *r, const struct qe_toml_value *root, struct sim_crowd_plan *plan)
{
    size_t count;
    const struct qe_toml_value *array = tables(r, root, "at", SIM_CROWD_TABLES_MAX, &count);
    plan->ats = sim_obtain(count, sizeof(*plan->ats));
    for (size_t i = 0; i < count && !r->failed; i++) {
        const struct qe_toml_value *table = qe_toml_at(array, i);
        struct sim_crowd_at *at = &plan->ats[plan->at_count++];
        sim_reader_table(r, table, "[[at]]", at_keys, at);
        if ((at->kill_ppb > 0) + at->partition + at->heal != 1)
            sim_reader_fail(r, table, "[[at]] wants one of 'kill', 'partition = true' and 'heal = true'");
    }
}

static void read_lies(struct sim_reader *r, const struct qe_toml_value *table, struct sim_crowd_attack *attack)
{
    const struct qe_toml_value *lies = sim_reader_get(r, table, "lies", QE_TOML_ARRAY);
    for (size_t i = 0; lies && i < qe_toml_size(lies) && !r->failed; i++) {
        const char *word = sim_reader_text(r, qe_toml_at(lies, i), "lies");
        unsigned bit = 0;
        while (lie_words[bit] && strcmp(lie_words[bit], word) != 0)
            bit++;
        if (!lie_words[bit])
            sim_reader_fail(r, lies, "'lies' has \"%s\"; expected \"silence\", \"nodes\", \"values\" or \"old\"", word);
        else
            attack->lies |= 1u << bit;
    }
    if (attack->lies == 0) attack->lies = SIM_LIE_SILENCE | SIM_LIE_NODES | SIM_LIE_VALUES;
}

static void read_attacks(struct sim_reader *r, const struct qe_toml_value *root, struct sim_crowd_plan *plan)
{
    size_t count;
    const struct qe_toml_value *array = tables(r, root, "attack", SIM_CROWD_TABLES_MAX, &count);
    plan->attacks = sim_obtain(count, sizeof(*plan->attacks));
    for (size_t i = 0; i < count && !r->failed; i++) {
        const struct qe_toml_value *table = qe_toml_at(array, i);
        struct sim_crowd_attack *attack = &plan->attacks[plan->attack_count++];
        *attack = (struct sim_crowd_attack){
            .count = 1, .bits = 40, .network = 16, .rate = 100, .until_ns = plan->duration_ns};
        sim_reader_table(r, table, "[[attack]]", attack_keys, attack);
        if (!qe_toml_get(table, "kind")) sim_reader_fail(r, table, "[[attack]] has no 'kind'");
        sim_reader_word(r, table, "kind", attack_words, &attack->kind);
        need_name(r, table, "[[attack]]", attack->name);
        check_window(r, table, "[[attack]]", attack->from_ns, attack->until_ns);
        read_lies(r, table, attack);
        need_range(r, table, "count", attack->count, 1, plan->nodes);
        need_range(r, table, "bits", attack->bits, 0, 128);
        need_range(r, table, "network", attack->network, 1, 28);
        need_range(r, table, "rate", attack->rate, 1, 10000000);
        if (attack->kind != SIM_ATTACK_LIARS || attack->of) attack->items = find_items(r, table, attack->of, plan);
        if (attack->kind == SIM_ATTACK_LIARS && !attack->share_ppb)
            sim_reader_fail(r, table, "liars want a 'share' of the nodes such as \"20%%\"");
    }
}

static bool has_table(const struct sim_crowd_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->item_count; i++)
        if (strcmp(plan->items[i].name, name) == 0) return true;
    for (size_t i = 0; i < plan->lookup_count; i++)
        if (strcmp(plan->lookups[i].name, name) == 0) return true;
    for (size_t i = 0; i < plan->attack_count; i++)
        if (strcmp(plan->attacks[i].name, name) == 0) return true;
    return false;
}

static bool read_bound(struct sim_reader *r, const struct qe_toml_value *table, const char *key,
    const struct sim_crowd_figure_name *what, uint64_t *out)
{
    const struct qe_toml_value *value = qe_toml_get(table, key);
    if (!value || r->failed) return false;
    if (qe_toml_kind(value) == QE_TOML_INTEGER) {
        *out = sim_reader_number(r, value, key) * (what->unit == SIM_AS_MILLI ? 1000 : 1);
        if (what->unit == SIM_AS_SHARE || what->unit == SIM_AS_TIME)
            sim_reader_fail(r, value, "'%s' of '%s' wants a unit", key, what->name);
        return true;
    }
    const char *text = sim_reader_text(r, value, key);
    if (!r->failed && !sim_crowd_figure_parse(what->unit, text, out))
        sim_reader_fail(r, value, "'%s' is \"%s\", which '%s' cannot be", key, text, what->name);
    return true;
}

static void read_expects(struct sim_reader *r, const struct qe_toml_value *root, struct sim_crowd_plan *plan)
{
    static const char *const keys[] = {"of", "figure", "min", "max", NULL};
    size_t count;
    const struct qe_toml_value *array = tables(r, root, "expect", 1024, &count);
    plan->expects = sim_obtain(count, sizeof(*plan->expects));
    for (size_t i = 0; i < count && !r->failed; i++) {
        const struct qe_toml_value *table = qe_toml_at(array, i), *value;
        struct sim_crowd_expect *expect = &plan->expects[plan->expect_count++];
        sim_reader_only(r, table, "[[expect]]", keys);
        expect->line = qe_toml_line(table);
        value = sim_reader_need(r, table, "[[expect]]", "figure", QE_TOML_STRING);
        const char *figure = value ? sim_reader_text(r, value, "figure") : "";
        value = sim_reader_get(r, table, "of", QE_TOML_STRING);
        if (value) expect->of = sim_copy_text(sim_reader_text(r, value, "of"));
        expect->figure = sim_copy_text(figure);
        expect->what = sim_crowd_figure_find(figure);
        if (!expect->what) sim_reader_fail(r, table, "there is no figure '%s'", figure);
        if (expect->of && !has_table(plan, expect->of))
            sim_reader_fail(
                r, table, "'of' is \"%s\", which no [[items]], [[lookups]] or [[attack]] is called", expect->of);
        if (r->failed) break;
        expect->has_min = read_bound(r, table, "min", expect->what, &expect->min);
        expect->has_max = read_bound(r, table, "max", expect->what, &expect->max);
        if (!expect->has_min && !expect->has_max) sim_reader_fail(r, table, "[[expect]] wants 'min' or 'max'");
    }
}

static void read_top(struct sim_reader *r, const struct qe_toml_value *root, struct sim_crowd_plan *plan)
{
    static const char *const allowed[] = {
        "dht", "network", "churn", "idle", "items", "lookups", "at", "attack", "expect", NULL};
    static const struct {
        const char *name;
        const struct sim_key *keys;
    } rest[] = {{"network", network_keys}, {"churn", churn_keys}, {"idle", idle_keys}};
    sim_reader_only(r, root, "a file of quicether-sim dht", allowed);
    const struct qe_toml_value *dht = sim_reader_need(r, root, "the file", "dht", QE_TOML_TABLE);
    if (r->failed) return;
    sim_reader_table(r, dht, "[dht]", dht_keys, plan);
    sim_reader_word(r, dht, "begin", begin_words, &plan->begin);
    need_name(r, dht, "[dht]", plan->name);
    need_range(r, dht, "nodes", plan->nodes, 2, SIM_CROWD_NODES_MAX);
    need_range(r, dht, "bootstraps", plan->bootstraps, 1, plan->nodes < 64 ? plan->nodes : 64);
    if (plan->duration_ns == 0 || plan->duration_ns > DURATION_MAX_NS)
        sim_reader_fail(r, dht, "[dht] wants a 'duration' of at most seven days");
    for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]) && !r->failed; i++) {
        const struct qe_toml_value *table = sim_reader_get(r, root, rest[i].name, QE_TOML_TABLE);
        if (table) sim_reader_table(r, table, rest[i].name, rest[i].keys, plan);
    }
    if (plan->rtt_min_ns > plan->rtt_max_ns || plan->rtt_max_ns > RTT_MAX_NS)
        sim_reader_fail(r, root, "'rtt_min' and 'rtt_max' want to be in that order, and at most 10s");
    check_window(r, root, "[idle]", plan->idle_from_ns, plan->idle_until_ns);
}

struct sim_crowd_plan *sim_crowd_plan_parse(const char *file, const char *text, size_t size, char error[SIM_ERROR_SIZE])
{
    struct qe_toml *toml = sim_scenario_syntax(file, text, size, error);
    if (!toml) return NULL;
    struct sim_crowd_plan *plan = sim_obtain(1, sizeof(*plan));
    struct sim_reader r = {.file = file};
    const struct qe_toml_value *root = qe_toml_root(toml);
    *plan = (struct sim_crowd_plan){.file = sim_copy_text(file),
        .seed = 1,
        .bootstraps = 3,
        .nodes = 1000,
        .join_ns = 60 * QE_NS_PER_S,
        .rtt_min_ns = 50 * QE_NS_PER_MS,
        .rtt_max_ns = 200 * QE_NS_PER_MS,
        .neighbours_ppb = SIM_CHANCE_ONE / 10};
    read_top(&r, root, plan);
    if (!r.failed) read_items(&r, root, plan);
    if (!r.failed) read_lookups(&r, root, plan);
    if (!r.failed) read_ats(&r, root, plan);
    if (!r.failed) read_attacks(&r, root, plan);
    if (!r.failed) read_expects(&r, root, plan);
    qe_toml_free(toml);
    if (!r.failed) return plan;
    snprintf(error, SIM_ERROR_SIZE, "%s", r.error);
    sim_crowd_plan_free(plan);
    return NULL;
}

struct sim_crowd_plan *sim_crowd_plan_load(const char *file, char error[SIM_ERROR_SIZE])
{
    size_t size;
    char *text = sim_scenario_text(file, &size, error);
    if (!text) return NULL;
    struct sim_crowd_plan *plan = sim_crowd_plan_parse(file, text, size, error);
    sim_release(text);
    return plan;
}

void sim_crowd_plan_free(struct sim_crowd_plan *plan)
{
    if (!plan) return;
    for (size_t i = 0; i < plan->item_count; i++)
        sim_release(plan->items[i].name);
    for (size_t i = 0; i < plan->lookup_count; i++) {
        sim_release(plan->lookups[i].name);
        sim_release(plan->lookups[i].of);
    }
    for (size_t i = 0; i < plan->attack_count; i++) {
        sim_release(plan->attacks[i].name);
        sim_release(plan->attacks[i].of);
    }
    for (size_t i = 0; i < plan->expect_count; i++) {
        sim_release(plan->expects[i].of);
        sim_release(plan->expects[i].figure);
    }
    sim_release(plan->items);
    sim_release(plan->lookups);
    sim_release(plan->ats);
    sim_release(plan->attacks);
    sim_release(plan->expects);
    sim_release(plan->file);
    sim_release(plan->name);
    sim_release(plan->description);
    sim_release(plan);
}
