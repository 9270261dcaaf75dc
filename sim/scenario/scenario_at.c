// The timeline: what happens to links and hosts, and when.
#include "scenario/scenario.h"

#include "engine/memory.h"

#include <stdlib.h>

const struct sim_key sim_at_keys[] = {{"time", SIM_KEY_DURATION, offsetof(struct sim_scenario_at, time_ns)},
    {"link", SIM_KEY_OTHER, 0}, {"from", SIM_KEY_OTHER, 0}, {"down", SIM_KEY_OTHER, 0}, {"up", SIM_KEY_OTHER, 0},
    {"blackhole", SIM_KEY_OTHER, 0}, SIM_SETTING_KEYS, {"host", SIM_KEY_OTHER, 0}, {"start", SIM_KEY_OTHER, 0},
    {"stop", SIM_KEY_OTHER, 0}, {"crash", SIM_KEY_OTHER, 0}, {"restart", SIM_KEY_OTHER, 0}, {"clock", SIM_KEY_OTHER, 0},
    {0}};

static const struct {
    const char *key;
    enum sim_at_kind kind;
    bool of_link;
} at_kinds[] = {{"down", SIM_AT_LINK_DOWN, true}, {"up", SIM_AT_LINK_UP, true},
    {"blackhole", SIM_AT_LINK_BLACKHOLE, true}, {"start", SIM_AT_HOST_START, false}, {"stop", SIM_AT_HOST_STOP, false},
    {"crash", SIM_AT_HOST_CRASH, false}, {"restart", SIM_AT_HOST_RESTART, false}, {"clock", SIM_AT_HOST_CLOCK, false}};

// What happens: exactly one of the keys, or settings of a link.
static void parse_what(struct sim_parse *p, struct sim_scenario_at *at, const struct qe_toml_value *table)
{
    bool of_link = at->link != SIM_NONE;
    size_t count = 0;
    for (size_t i = 0; i < sizeof(at_kinds) / sizeof(at_kinds[0]) && !p->reader.failed; i++) {
        const struct qe_toml_value *value = qe_toml_get(table, at_kinds[i].key);
        if (!value) continue;
        if (at_kinds[i].of_link != of_link)
            sim_reader_fail(&p->reader, value, "'%s' is not for a %s", at_kinds[i].key, of_link ? "link" : "host");
        count++;
        at->kind = at_kinds[i].kind;
        if (at->kind == SIM_AT_HOST_CLOCK)
            sim_parse_clock(p, value, "clock", &at->clock_ms);
        else if (qe_toml_kind(value) != QE_TOML_BOOLEAN || !qe_toml_boolean(value))
            sim_reader_fail(&p->reader, value, "'%s' must be true", at_kinds[i].key);
    }
    if (sim_parse_has_settings(table)) {
        struct sim_pipe_settings scratch = {0};
        at->kind = SIM_AT_LINK_CHANGE;
        at->change = table;
        count++;
        if (!of_link) sim_reader_fail(&p->reader, table, "[[at]] changes a link's settings, but names no link");
        sim_parse_settings(&p->reader, table, &scratch);
    }
    if (!p->reader.failed && count != 1)
        sim_reader_fail(&p->reader, table, "[[at]] says %zu things; expected one: %s", count,
            of_link ? "down, up, blackhole, or new settings" : "start, stop, crash, restart or clock");
}

static int compare_ats(const void *a, const void *b)
{
    const struct sim_scenario_at *x = a, *y = b;
    if (x->time_ns != y->time_ns) return x->time_ns < y->time_ns ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

void sim_parse_ats(struct sim_parse *p, const struct qe_toml_value *root)
{
    struct sim_scenario *s = p->scenario;
    const struct qe_toml_value *list = sim_parse_array(p, root, "at", SIM_ATS_MAX);
    if (!list) return;
    s->ats = sim_obtain(qe_toml_size(list), sizeof(*s->ats));
    for (size_t i = 0; i < qe_toml_size(list) && !p->reader.failed; i++) {
        const struct qe_toml_value *table = qe_toml_at(list, i);
        struct sim_scenario_at *at = &s->ats[s->at_count++];
        *at = (struct sim_scenario_at){
            .time_ns = UINT64_MAX, .link = SIM_NONE, .host = SIM_NONE, .port = SIM_NONE, .line = qe_toml_line(table)};
        sim_reader_table(&p->reader, table, "[[at]]", sim_at_keys, at);
        if (p->reader.failed) break;
        const struct qe_toml_value *link = qe_toml_get(table, "link"), *host = qe_toml_get(table, "host");
        if (at->time_ns == UINT64_MAX)
            sim_reader_fail(&p->reader, table, "[[at]] has no 'time'; expected one such as \"10s\"");
        else if (!link == !host)
            sim_reader_fail(&p->reader, table, "[[at]] must have either 'link' or 'host'");
        if (link && !p->reader.failed) at->link = sim_parse_link(p, link);
        if (host && !p->reader.failed) at->host = sim_parse_host(p, host, "host");
        if (p->reader.failed) break;
        if (at->host != SIM_NONE && s->hosts[at->host].router)
            sim_reader_fail(
                &p->reader, host, "\"%s\" is a router; expected a host with a node", s->hosts[at->host].name);
        if (at->time_ns > s->duration_ns)
            sim_reader_fail(&p->reader, table, "'time' is beyond the scenario's duration");
        if (link)
            at->port = sim_parse_direction(p, table, at->link);
        else if (qe_toml_get(table, "from"))
            sim_reader_fail(&p->reader, table, "'from' is not for a host");
        if (!p->reader.failed) parse_what(p, at, table);
    }
    qsort(s->ats, s->at_count, sizeof(*s->ats), compare_ats);
}
