// Flows, and what is expected of them and of everything else.
#include "scenario/scenario.h"

#include "engine/memory.h"
#include "scenario/measure.h"
#include "scenario/units.h"

#include <stdio.h>
#include <string.h>

#define FLOW(field) offsetof(struct sim_scenario_flow, field)
const struct sim_key sim_flow_keys[] = {{"name", SIM_KEY_NAME, FLOW(name)}, {"kind", SIM_KEY_OTHER, 0},
    {"from", SIM_KEY_OTHER, 0}, {"to", SIM_KEY_OTHER, 0}, {"ip", SIM_KEY_OTHER, 0},
    {"interval", SIM_KEY_DURATION, FLOW(interval_ns)}, {"rate", SIM_KEY_OTHER, 0}, {"size", SIM_KEY_SIZE, FLOW(size)},
    {"batch", SIM_KEY_NUMBER, FLOW(batch)}, {"offload", SIM_KEY_FLAG, FLOW(offload)},
    {"start", SIM_KEY_DURATION, FLOW(start_ns)}, {"stop", SIM_KEY_DURATION, FLOW(stop_ns)},
    {"count", SIM_KEY_NUMBER, FLOW(count)}, {"source", SIM_KEY_OTHER, 0}, {"bytes", SIM_KEY_SIZE, FLOW(bytes)},
    {"request", SIM_KEY_SIZE, FLOW(request_bytes)}, {"response", SIM_KEY_SIZE, FLOW(response_bytes)},
    {"idle", SIM_KEY_DURATION, FLOW(idle_ns)}, {"file", SIM_KEY_OTHER, 0}, {"address", SIM_KEY_OTHER, 0},
    {"ports", SIM_KEY_OTHER, 0}, {"answered", SIM_KEY_FLAG, offsetof(struct sim_scenario_flow, answered)}, {0}};

static void parse_ends(struct sim_parse *p, struct sim_scenario_flow *flow, const struct qe_toml_value *table)
{
    static const char *const keys[2] = {"from", "to"};
    size_t *const ends[2] = {&flow->from, &flow->to};
    for (int i = 0; i < 2 && !p->reader.failed; i++) {
        const struct qe_toml_value *value = sim_reader_need(&p->reader, table, "[[flow]]", keys[i], QE_TOML_STRING);
        if (!value) return;
        *ends[i] = sim_parse_host(p, value, keys[i]);
        if (!p->reader.failed && flow->kind != SIM_FLOW_PLAIN && !p->scenario->hosts[*ends[i]].node)
            sim_reader_fail(&p->reader, value, "'%s' has no node; expected a host with a node", keys[i]);
    }
    if (!p->reader.failed && flow->from == flow->to)
        sim_reader_fail(&p->reader, table, "the flow is from \"%s\" to itself", p->scenario->hosts[flow->to].name);
}

static void parse_ip(struct sim_parse *p, struct sim_scenario_flow *flow, const struct qe_toml_value *table)
{
    const struct qe_toml_value *ip = qe_toml_get(table, "ip"), *source = qe_toml_get(table, "source");
    flow->family = 4;
    if (ip) {
        uint64_t family = sim_reader_number(&p->reader, ip, "ip");
        if (!p->reader.failed && family != 4 && family != 6)
            sim_reader_fail(&p->reader, ip, "'ip' is %llu; expected 4 or 6", (unsigned long long)family);
        flow->family = (uint8_t)family;
    }
    if (!source || p->reader.failed) return;
    const char *text = sim_reader_text(&p->reader, source, "source");
    if (!p->reader.failed && (!qe_ip_parse(text, &flow->source) || flow->source.family != flow->family))
        sim_reader_fail(&p->reader, source, "'source' is \"%s\"; expected an IPv%u address", text, flow->family);
}

static void name_flow(struct sim_parse *p, struct sim_scenario_flow *flow, const struct qe_toml_value *table)
{
    if (!flow->name) {
        char name[QE_NAME_SIZE * 2 + 16];
        snprintf(name, sizeof(name), "%s-%s-%s", sim_flow_kind_names[flow->kind], p->scenario->hosts[flow->from].name,
            p->scenario->hosts[flow->to].name);
        flow->name = sim_copy_text(name);
    }
    for (const struct sim_scenario_flow *other = p->scenario->flows; other < flow; other++)
        if (strcmp(other->name, flow->name) == 0)
            sim_reader_fail(&p->reader, table, "there is a flow \"%s\" already; expected another 'name'", flow->name);
}

void sim_parse_flows(struct sim_parse *p, const struct qe_toml_value *root)
{
    struct sim_scenario *s = p->scenario;
    const struct qe_toml_value *list = sim_parse_array(p, root, "flow", SIM_FLOWS_MAX);
    if (!list) return;
    s->flows = sim_obtain(qe_toml_size(list), sizeof(*s->flows));
    for (size_t i = 0; i < qe_toml_size(list) && !p->reader.failed; i++) {
        const struct qe_toml_value *table = qe_toml_at(list, i);
        struct sim_scenario_flow *flow = &s->flows[s->flow_count++];
        flow->line = qe_toml_line(table);
        flow->stop_ns = s->duration_ns;
        sim_reader_table(&p->reader, table, "[[flow]]", sim_flow_keys, flow);
        if (!p->reader.failed) sim_parse_flow_kind(p, flow, table);
        if (!p->reader.failed) parse_ends(p, flow, table);
        if (!p->reader.failed) parse_ip(p, flow, table);
        if (!p->reader.failed && (flow->start_ns >= flow->stop_ns || flow->stop_ns > s->duration_ns))
            sim_reader_fail(&p->reader, table, "the flow must start before it stops, within the scenario's duration");
        if (!p->reader.failed) sim_parse_flow_own(p, flow, table);
        if (!p->reader.failed) name_flow(p, flow, table);
    }
}

#define EXPECT(field) offsetof(struct sim_scenario_expect, field)
const struct sim_key sim_expect_keys[] = {{"flow", SIM_KEY_OTHER, 0}, {"link", SIM_KEY_OTHER, 0},
    {"from", SIM_KEY_OTHER, 0}, {"host", SIM_KEY_OTHER, 0}, {"measure", SIM_KEY_OTHER, 0}, {"log", SIM_KEY_OTHER, 0},
    {"event", SIM_KEY_OTHER, 0}, {"counter", SIM_KEY_OTHER, 0}, {"connected", SIM_KEY_OTHER, 0},
    {"trigger", SIM_KEY_OTHER, 0}, {"point", SIM_KEY_OTHER, 0}, {"disconnected", SIM_KEY_OTHER, 0},
    {"never_connected", SIM_KEY_OTHER, 0}, {"within", SIM_KEY_OTHER, 0}, {"after", SIM_KEY_DURATION, EXPECT(after_ns)},
    {"before", SIM_KEY_DURATION, EXPECT(before_ns)}, {"min", SIM_KEY_OTHER, 0}, {"max", SIM_KEY_OTHER, 0},
    {"is", SIM_KEY_OTHER, 0}, {"margin", SIM_KEY_CHANCE, EXPECT(margin_ppb)}, {"always", SIM_KEY_FLAG, EXPECT(always)},
    {"sometimes", SIM_KEY_OTHER, 0}, {"by", SIM_KEY_OTHER, 0}, {"crossing", SIM_KEY_OTHER, 0}, {0}};

static uint64_t parse_bound(struct sim_parse *p, const struct qe_toml_value *value, const char *key, enum sim_unit unit)
{
    static const enum sim_key_kind kinds[] = {[SIM_UNIT_COUNT] = SIM_KEY_NUMBER,
        [SIM_UNIT_DURATION] = SIM_KEY_DURATION,
        [SIM_UNIT_RATE] = SIM_KEY_RATE,
        [SIM_UNIT_SIZE] = SIM_KEY_SIZE};
    uint64_t number = 0;
    uint32_t chance = 0;
    if (unit == SIM_UNIT_CHANCE) {
        sim_reader_field(&p->reader, value, &(struct sim_key){key, SIM_KEY_CHANCE, 0}, &chance);
        return chance;
    }
    sim_reader_field(&p->reader, value, &(struct sim_key){key, kinds[unit], 0}, &number);
    return number;
}

// Exactly, rounded down.
static uint64_t share_of(uint64_t value, uint32_t ppb)
{
    return value / SIM_CHANCE_ONE * ppb + value % SIM_CHANCE_ONE * ppb / SIM_CHANCE_ONE;
}

static void parse_bounds(
    struct sim_parse *p, struct sim_scenario_expect *e, const struct qe_toml_value *table, enum sim_unit unit)
{
    const struct qe_toml_value *min = qe_toml_get(table, "min"), *max = qe_toml_get(table, "max"),
                               *is = qe_toml_get(table, "is");
    e->has_min = min || is;
    e->has_max = max || is;
    if (is && (min || max)) sim_reader_fail(&p->reader, is, "'is' stands beside 'min' or 'max'; expected only one");
    if (min) e->min = parse_bound(p, min, "min", unit);
    if (max) e->max = parse_bound(p, max, "max", unit);
    if (is) e->min = e->max = parse_bound(p, is, "is", unit);
    if (!min && !max && !is)
        sim_reader_fail(&p->reader, table, "[[expect]] has no bound; expected 'min', 'max' or 'is'");
    else if (!p->reader.failed && e->has_min && e->has_max && e->min > e->max)
        sim_reader_fail(&p->reader, table, "'min' is above 'max'");
    // A bound is where the figure should be; the margin is what it may be beside it.
    e->min -= share_of(e->min, e->margin_ppb);
    uint64_t more = share_of(e->max, e->margin_ppb);
    e->max = e->max > UINT64_MAX - more ? UINT64_MAX : e->max + more;
}

static void parse_measure(struct sim_parse *p, struct sim_scenario_expect *e, const struct qe_toml_value *table,
    const struct sim_measure *measures, const char *of)
{
    const struct qe_toml_value *value = sim_reader_need(&p->reader, table, "[[expect]]", "measure", QE_TOML_STRING);
    if (!value) return;
    const char *name = sim_reader_text(&p->reader, value, "measure");
    char list[SIM_ERROR_SIZE] = "";
    size_t used = 0;
    for (const struct sim_measure *m = measures; m->name; m++) {
        if (strcmp(m->name, name) == 0) e->measure = m;
        if (used < sizeof(list))
            used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "", m->name);
    }
    if (e->measure && e->measure->whole_run && (qe_toml_get(table, "after") || qe_toml_get(table, "before")))
        sim_reader_fail(&p->reader, value, "'%s' is of the whole run; expected neither 'after' nor 'before'", name);
    if (!e->measure) sim_reader_fail(&p->reader, value, "'measure' is \"%s\"; %s has %s", name, of, list);
    if (!p->reader.failed) parse_bounds(p, e, table, e->measure->unit);
}

static void parse_flow_subject(struct sim_parse *p, struct sim_scenario_expect *e, const struct qe_toml_value *table)
{
    const struct qe_toml_value *value = qe_toml_get(table, "flow");
    const char *name = sim_reader_text(&p->reader, value, "flow");
    for (size_t i = 0; i < p->scenario->flow_count; i++)
        if (strcmp(p->scenario->flows[i].name, name) == 0) e->flow = i;
    if (e->flow == SIM_NONE) sim_reader_fail(&p->reader, value, "'flow' is \"%s\"; expected a flow's name", name);
    if (!p->reader.failed) parse_measure(p, e, table, sim_flow_measures, "a flow");
    if (p->reader.failed) return;
    enum sim_flow_kind kind = p->scenario->flows[e->flow].kind;
    if (!sim_flow_has_measure(kind, e->measure->id))
        sim_reader_fail(&p->reader, value, "'%s' is no measure of a flow of kind \"%s\"", e->measure->name,
            sim_flow_kind_names[kind]);
}

static void parse_host_subject(struct sim_parse *p, struct sim_scenario_expect *e, const struct qe_toml_value *table)
{
    static const struct {
        const char *key;
        enum sim_expect_kind kind;
    } texts[] = {{"log", SIM_EXPECT_LOG}, {"event", SIM_EXPECT_EVENT}, {"counter", SIM_EXPECT_COUNTER}};
    e->host = sim_parse_host(p, qe_toml_get(table, "host"), "host");
    e->kind = SIM_EXPECT_HOST;
    size_t count = qe_toml_get(table, "measure") ? 1 : 0;
    for (size_t i = 0; i < 3 && !p->reader.failed; i++) {
        const struct qe_toml_value *value = qe_toml_get(table, texts[i].key);
        if (!value) continue;
        count++;
        e->kind = texts[i].kind;
        sim_release(e->text);
        e->text = sim_copy_text(sim_reader_text(&p->reader, value, texts[i].key));
    }
    if (!p->reader.failed && count != 1)
        sim_reader_fail(
            &p->reader, table, "[[expect]] of a host must have one of 'measure', 'log', 'event', 'counter'");
    if (p->reader.failed) return;
    if (e->kind == SIM_EXPECT_COUNTER && (qe_toml_get(table, "after") || qe_toml_get(table, "before")))
        sim_reader_fail(&p->reader, table, "a counter is of the whole run; expected neither 'after' nor 'before'");
    else if (e->kind == SIM_EXPECT_HOST)
        parse_measure(p, e, table, sim_host_measures, "a host");
    else
        parse_bounds(p, e, table, SIM_UNIT_COUNT);
}

static void parse_by(struct sim_parse *p, struct sim_scenario_expect *e, const struct qe_toml_value *table)
{
    const struct qe_toml_value *value = qe_toml_get(table, "by");
    e->by = SIM_WAY_ANY;
    if (!value) return;
    const char *text = sim_reader_text(&p->reader, value, "by");
    if (strcmp(text, "direct") == 0)
        e->by = SIM_WAY_DIRECT;
    else if (strcmp(text, "gateway") == 0)
        e->by = SIM_WAY_GATEWAY;
    else
        sim_reader_fail(&p->reader, value, "'by' is \"%s\"; expected \"direct\" or \"gateway\"", text);
}

static void parse_pair(struct sim_parse *p, struct sim_scenario_expect *e, const struct qe_toml_value *table,
    const char *key, enum sim_expect_kind kind)
{
    const struct qe_toml_value *pair = sim_reader_get(&p->reader, table, key, QE_TOML_ARRAY);
    const struct qe_toml_value *within = qe_toml_get(table, "within");
    e->kind = kind;
    if (!pair) return;
    parse_by(p, e, table);
    if (p->reader.failed) return;
    if (qe_toml_size(pair) != 2) {
        sim_reader_fail(&p->reader, pair, "'%s' has %zu hosts; expected 2", key, qe_toml_size(pair));
        return;
    }
    e->host = sim_parse_host(p, qe_toml_at(pair, 0), key);
    if (!p->reader.failed) e->other = sim_parse_host(p, qe_toml_at(pair, 1), key);
    if (p->reader.failed) return;
    if (e->host == e->other)
        sim_reader_fail(&p->reader, pair, "'%s' has one host twice; expected two", key);
    else if (e->always && within)
        sim_reader_fail(&p->reader, within, "'within' stands beside 'always'; expected one of them");
    else if (kind != SIM_EXPECT_NEVER_CONNECTED && !within && !e->always)
        sim_reader_fail(&p->reader, table, "'%s' has no 'within'; expected a duration", key);
    else if (within)
        e->max = sim_reader_duration(&p->reader, within, "within");
    e->has_max = within != NULL;
}

static void parse_trigger_subject(struct sim_parse *p, struct sim_scenario_expect *e, const struct qe_toml_value *table)
{
    const struct qe_toml_value *value = qe_toml_get(table, "trigger");
    const char *name = sim_reader_text(&p->reader, value, "trigger");
    e->kind = SIM_EXPECT_TRIGGER;
    for (size_t i = 0; i < p->scenario->trigger_count; i++)
        if (strcmp(p->scenario->triggers[i].name, name) == 0) e->trigger = i;
    if (e->trigger == SIM_NONE)
        sim_reader_fail(&p->reader, value, "'trigger' is \"%s\"; expected a trigger's name", name);
    if (!p->reader.failed) parse_bounds(p, e, table, SIM_UNIT_COUNT);
}

static void parse_point_subject(struct sim_parse *p, struct sim_scenario_expect *e, const struct qe_toml_value *table)
{
    e->kind = SIM_EXPECT_POINT;
    e->point = sim_parse_point(p, qe_toml_get(table, "point"));
    if (!p->reader.failed) parse_bounds(p, e, table, SIM_UNIT_COUNT);
}

// 'true': in one run of a sweep at least; a share: in so many of them.
static void parse_sometimes(struct sim_parse *p, struct sim_scenario_expect *e, const struct qe_toml_value *table)
{
    const struct qe_toml_value *value = qe_toml_get(table, "sometimes");
    if (!value) return;
    e->sometimes = true;
    if (qe_toml_kind(value) == QE_TOML_BOOLEAN && qe_toml_boolean(value)) return;
    if (qe_toml_kind(value) == QE_TOML_STRING &&
        sim_chance_parse(sim_reader_text(&p->reader, value, "sometimes"), &e->sometimes_ppb) && e->sometimes_ppb > 0)
        return;
    sim_reader_fail(&p->reader, value, "'sometimes' is neither true nor a share; expected one, such as \"20%%\"");
}

static void parse_expect(struct sim_parse *p, struct sim_scenario_expect *e, const struct qe_toml_value *table)
{
    static const char *const subjects[] = {
        "flow", "link", "host", "connected", "disconnected", "never_connected", "trigger", "point", "crossing"};
    static const char *const keys[][16] = {
        {"flow", "measure", "min", "max", "is", "margin", "sometimes", "after", "before"},
        {"link", "from", "measure", "min", "max", "is", "margin", "sometimes"},
        {"host", "measure", "log", "event", "counter", "min", "max", "is", "margin", "sometimes", "after", "before"},
        {"connected", "by", "within", "always", "sometimes", "after", "before"},
        {"disconnected", "within", "always", "sometimes", "after", "before"},
        {"never_connected", "by", "sometimes", "after", "before"},
        {"trigger", "min", "max", "is", "margin", "sometimes"},
        {"point", "min", "max", "is", "margin", "sometimes"},
        {"crossing", "within", "sometimes", "after", "before"},
    };
    static const char *const wheres[] = {"an expectation of a flow", "an expectation of a link",
        "an expectation of a host", "'connected'", "'disconnected'", "'never_connected'", "an expectation of a trigger",
        "an expectation of a fault point", "'crossing'"};
    size_t count = 0, which = 0;
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
        if (qe_toml_get(table, subjects[i])) {
            count++;
            which = i;
        }
    if (count != 1) {
        sim_reader_fail(&p->reader, table,
            "[[expect]] must have one of 'flow', 'link', 'host', 'connected', 'disconnected', 'never_connected', "
            "'trigger', 'point', 'crossing'");
        return;
    }
    sim_reader_only(&p->reader, table, wheres[which], keys[which]);
    if (!p->reader.failed) parse_sometimes(p, e, table);
    if (p->reader.failed) return;
    switch (which) {
    case 0:
        parse_flow_subject(p, e, table);
        break;
    case 1:
        e->kind = SIM_EXPECT_LINK;
        e->link = sim_parse_link(p, qe_toml_get(table, "link"));
        if (!p->reader.failed) e->port = sim_parse_direction(p, table, e->link);
        if (!p->reader.failed) parse_measure(p, e, table, sim_link_measures, "a link");
        break;
    case 2:
        parse_host_subject(p, e, table);
        break;
    case 3:
        parse_pair(p, e, table, "connected", SIM_EXPECT_CONNECTED);
        break;
    case 4:
        parse_pair(p, e, table, "disconnected", SIM_EXPECT_DISCONNECTED);
        break;
    case 6:
        parse_trigger_subject(p, e, table);
        break;
    case 7:
        parse_point_subject(p, e, table);
        break;
    case 8:
        parse_pair(p, e, table, "crossing", SIM_EXPECT_CROSSING);
        break;
    default:
        parse_pair(p, e, table, "never_connected", SIM_EXPECT_NEVER_CONNECTED);
        break;
    }
    if (!p->reader.failed && e->before_ns <= e->after_ns)
        sim_reader_fail(&p->reader, table, "'after' must be earlier than 'before' and the end");
}

void sim_parse_expects(struct sim_parse *p, const struct qe_toml_value *root)
{
    struct sim_scenario *s = p->scenario;
    const struct qe_toml_value *list = sim_parse_array(p, root, "expect", SIM_EXPECTS_MAX);
    if (!list) return;
    s->expects = sim_obtain(qe_toml_size(list), sizeof(*s->expects));
    for (size_t i = 0; i < qe_toml_size(list) && !p->reader.failed; i++) {
        const struct qe_toml_value *table = qe_toml_at(list, i);
        struct sim_scenario_expect *e = &s->expects[s->expect_count++];
        *e = (struct sim_scenario_expect){.kind = SIM_EXPECT_FLOW,
            .flow = SIM_NONE,
            .link = SIM_NONE,
            .port = SIM_NONE,
            .host = SIM_NONE,
            .other = SIM_NONE,
            .trigger = SIM_NONE,
            .before_ns = s->duration_ns,
            .line = qe_toml_line(table)};
        sim_reader_table(&p->reader, table, "[[expect]]", sim_expect_keys, e);
        if (!p->reader.failed) parse_expect(p, e, table);
    }
}
