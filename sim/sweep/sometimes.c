#include "sweep/sometimes.h"

#include "engine/memory.h"
#include "engine/random.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

void sim_sometimes_fini(struct sim_sometimes *sometimes)
{
    for (size_t i = 0; i < sometimes->count; i++) {
        sim_release(sometimes->list[i].scenario);
        sim_release(sometimes->list[i].what);
    }
    sim_release(sometimes->list);
    *sometimes = (struct sim_sometimes){0};
}

static struct sim_sometimes_one *find(struct sim_sometimes *sometimes, const char *scenario, const char *what)
{
    for (size_t i = 0; i < sometimes->count; i++)
        if (strcmp(sometimes->list[i].what, what) == 0 && strcmp(sometimes->list[i].scenario, scenario) == 0)
            return &sometimes->list[i];
    SIM_ROOM(sometimes->list, sometimes->count, sometimes->capacity);
    struct sim_sometimes_one *one = &sometimes->list[sometimes->count++];
    *one = (struct sim_sometimes_one){.scenario = sim_copy_text(scenario), .what = sim_copy_text(what)};
    return one;
}

void sim_sometimes_add(struct sim_sometimes *sometimes, const char *report_json)
{
    if (!strstr(report_json, "\"sometimes_ppb\"")) return;
    json_t *run = json_loads(report_json, 0, NULL), *item;
    const char *scenario = json_string_value(json_object_get(run, "scenario"));
    size_t index;
    json_array_foreach(json_object_get(run, "expectations"), index, item)
    {
        const json_t *share = json_object_get(item, "sometimes_ppb");
        const char *what = json_string_value(json_object_get(item, "what"));
        const char *verdict = json_string_value(json_object_get(item, "verdict"));
        const char *expected = json_string_value(json_object_get(item, "expected"));
        char whole[1024];
        if (!scenario || !share || !what || !verdict || !expected) continue;
        snprintf(whole, sizeof(whole), "%s %s", what, expected);
        struct sim_sometimes_one *one = find(sometimes, scenario, whole);
        one->share_ppb = (uint32_t)json_integer_value(share);
        one->runs++;
        one->met += strcmp(verdict, "pass") == 0;
    }
    json_decref(run);
}

static bool holds(const struct sim_sometimes_one *one)
{
    if (one->share_ppb == 0) return one->met > 0;
    if (one->runs < SIM_SOMETIMES_RUNS_MIN) return true;
    return one->met * SIM_CHANCE_ONE >= one->runs * one->share_ppb;
}

bool sim_sometimes_judge(const struct sim_sometimes *sometimes, FILE *out)
{
    bool all = true;
    for (size_t i = 0; i < sometimes->count; i++) {
        const struct sim_sometimes_one *one = &sometimes->list[i];
        bool good = holds(one);
        all &= good;
        if (!out) continue;
        fprintf(out, "%s  %s: sometimes %s: in %" PRIu64 " of %" PRIu64 " runs", good ? "pass" : "FAIL", one->scenario,
            one->what, one->met, one->runs);
        if (one->share_ppb)
            fprintf(out, " (at least %u.%02u%%)\n", one->share_ppb / 10000000, one->share_ppb / 100000 % 100);
        else
            fputs(" (at least one)\n", out);
    }
    return all;
}
