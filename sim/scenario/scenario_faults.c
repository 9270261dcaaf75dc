// Which fault points of the nodes may fire, and how often.
#include "scenario/scenario.h"

#include "engine/memory.h"

#include <stdio.h>
#include <string.h>

#define CHANCE_DEFAULT_PPB (SIM_CHANCE_ONE / 100)

#define FAULTS(field) offsetof(struct sim_scenario_faults, field)
const struct sim_key sim_faults_keys[] = {{"points", SIM_KEY_OTHER, 0}, {"hosts", SIM_KEY_OTHER, 0},
    {"chance", SIM_KEY_CHANCE, FAULTS(chance_ppb)}, {"drawn", SIM_KEY_CHANCE, FAULTS(drawn_ppb)},
    {"after", SIM_KEY_DURATION, FAULTS(after_ns)}, {"before", SIM_KEY_DURATION, FAULTS(before_ns)}, {0}};

static void fail_point(struct sim_parse *p, const struct qe_toml_value *value, const char *name)
{
    char list[SIM_ERROR_SIZE] = "";
    size_t used = 0;
    for (int i = 0; i < QE_FAULT_COUNT && used < sizeof(list); i++)
        used += (size_t)snprintf(
            list + used, sizeof(list) - used, "%s%s", i ? ", " : "", qe_fault_point_name((enum qe_fault_point)i));
    sim_reader_fail(&p->reader, value, "no fault point '%s'; expected %s", name, list);
}

enum qe_fault_point sim_parse_point(struct sim_parse *p, const struct qe_toml_value *value)
{
    enum qe_fault_point which = 0;
    const char *name = sim_reader_text(&p->reader, value, "points");
    if (!p->reader.failed && !qe_fault_point_find(name, &which)) fail_point(p, value, name);
    return which;
}

static void parse_points(struct sim_parse *p, struct sim_scenario_faults *faults, const struct qe_toml_value *value)
{
    if (qe_toml_kind(value) == QE_TOML_ARRAY) {
        for (size_t i = 0; i < qe_toml_size(value) && !p->reader.failed; i++)
            faults->points[sim_parse_point(p, qe_toml_at(value, i))] = true;
        return;
    }
    const char *text = sim_reader_text(&p->reader, value, "points");
    if (!p->reader.failed && strcmp(text, "all") != 0)
        sim_reader_fail(&p->reader, value, "'points' is \"%s\"; expected a list, or \"all\"", text);
    memset(faults->points, true, sizeof(faults->points));
}

static void parse_hosts(struct sim_parse *p, struct sim_scenario_faults *faults, const struct qe_toml_value *table)
{
    const struct sim_scenario *s = p->scenario;
    const struct qe_toml_value *list = sim_reader_get(&p->reader, table, "hosts", QE_TOML_ARRAY);
    faults->hosts = sim_obtain(s->host_count, sizeof(*faults->hosts));
    for (size_t i = 0; !list && i < s->host_count; i++)
        faults->hosts[i] = true;
    for (size_t i = 0; list && i < qe_toml_size(list) && !p->reader.failed; i++) {
        size_t host = sim_parse_host(p, qe_toml_at(list, i), "hosts");
        if (!p->reader.failed) faults->hosts[host] = true;
    }
}

void sim_parse_faults(struct sim_parse *p, const struct qe_toml_value *root)
{
    struct sim_scenario_faults *faults = &p->scenario->faults;
    const struct qe_toml_value *table = sim_reader_get(&p->reader, root, "faults", QE_TOML_TABLE);
    if (!table) return;
    faults->chance_ppb = CHANCE_DEFAULT_PPB;
    faults->drawn_ppb = SIM_CHANCE_ONE;
    faults->before_ns = p->scenario->calm_ns;
    sim_reader_table(&p->reader, table, "[faults]", sim_faults_keys, faults);
    if (p->reader.failed) return;
    const struct qe_toml_value *points = qe_toml_get(table, "points");
    if (points)
        parse_points(p, faults, points);
    else
        sim_reader_fail(&p->reader, table, "[faults] has no 'points'; expected a list, or \"all\"");
    if (!p->reader.failed) parse_hosts(p, faults, table);
    if (!p->reader.failed && faults->before_ns <= faults->after_ns)
        sim_reader_fail(&p->reader, table, "'after' must be earlier than 'before'");
    if (!p->reader.failed && faults->before_ns > p->scenario->calm_ns)
        sim_reader_fail(&p->reader, table, "'before' is later than 'calm'; expected faults to be over by then");
}
