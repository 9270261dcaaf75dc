// What happens when a message passes: which message, and what then.
#include "scenario/scenario.h"

#include "engine/memory.h"
#include "observe/carried.h"

#include <stdio.h>
#include <string.h>

// `drop`, `delay`, `duplicate` and `corrupt` are about the message where no link and no host is named.
const struct sim_key sim_trigger_keys[] = {
    {"name", SIM_KEY_OTHER, 0}, {"on", SIM_KEY_OTHER, 0}, {"drop", SIM_KEY_OTHER, 0}, SIM_WHAT_KEYS, {0}};

#define ON(field) offsetof(struct sim_scenario_trigger, field)
const struct sim_key sim_on_keys[] = {{"message", SIM_KEY_OTHER, 0}, {"from", SIM_KEY_OTHER, 0},
    {"to", SIM_KEY_OTHER, 0}, {"arrives", SIM_KEY_FLAG, ON(arrives)}, {"count", SIM_KEY_NUMBER, ON(count)},
    {"every", SIM_KEY_NUMBER, ON(every)}, {"times", SIM_KEY_OTHER, 0}, {"after", SIM_KEY_DURATION, ON(after_ns)},
    {"before", SIM_KEY_DURATION, ON(before_ns)}, {0}};

static const struct {
    const char *key;
    enum sim_trigger_action action;
} actions[] = {{"drop", SIM_TRIGGER_DROP}, {"delay", SIM_TRIGGER_DELAY}, {"duplicate", SIM_TRIGGER_DUPLICATE},
    {"corrupt", SIM_TRIGGER_CORRUPT}};

static void fail_class(struct sim_parse *p, const struct qe_toml_value *value, const char *name)
{
    char list[SIM_ERROR_SIZE] = "any";
    size_t used = strlen(list);
    for (int i = 0; i < QE_CARRIED_COUNT && used < sizeof(list); i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, ", %s", qe_carried_name((enum qe_carried)i));
    sim_reader_fail(&p->reader, value, "no message '%s'; expected %s", name, list);
}

static void parse_class(struct sim_parse *p, struct sim_scenario_trigger *trigger, const struct qe_toml_value *value)
{
    const char *name = sim_reader_text(&p->reader, value, "message");
    enum qe_carried which;
    if (p->reader.failed) return;
    if (strcmp(name, "any") == 0)
        trigger->carried = UINT64_MAX;
    else if (qe_carried_find(name, &which))
        trigger->carried |= UINT64_C(1) << which;
    else
        fail_class(p, value, name);
}

static void parse_times(struct sim_parse *p, struct sim_scenario_trigger *trigger, const struct qe_toml_value *value)
{
    if (qe_toml_kind(value) == QE_TOML_INTEGER)
        trigger->times = sim_reader_number(&p->reader, value, "times");
    else if (strcmp(sim_reader_text(&p->reader, value, "times"), "always") == 0)
        trigger->times = UINT64_MAX;
    else
        sim_reader_fail(&p->reader, value, "'times' is \"%s\"; expected a number or \"always\"",
            sim_reader_text(&p->reader, value, "times"));
}

static void parse_on(struct sim_parse *p, struct sim_scenario_trigger *trigger, const struct qe_toml_value *table)
{
    sim_reader_table(&p->reader, table, "'on'", sim_on_keys, trigger);
    if (p->reader.failed) return;
    const struct qe_toml_value *message = qe_toml_get(table, "message"), *times = qe_toml_get(table, "times"),
                               *from = qe_toml_get(table, "from"), *to = qe_toml_get(table, "to");
    if (message && qe_toml_kind(message) == QE_TOML_ARRAY)
        for (size_t i = 0; i < qe_toml_size(message) && !p->reader.failed; i++)
            parse_class(p, trigger, qe_toml_at(message, i));
    else if (message)
        parse_class(p, trigger, message);
    if (!p->reader.failed && !trigger->carried)
        sim_reader_fail(&p->reader, table, "'on' has no 'message'; expected one such as \"hello\", or \"any\"");
    if (from && !p->reader.failed) trigger->from = sim_parse_host(p, from, "from");
    if (to && !p->reader.failed) trigger->to = sim_parse_host(p, to, "to");
    if (times && !p->reader.failed) parse_times(p, trigger, times);
    if (!p->reader.failed && (!trigger->count || !trigger->every || !trigger->times))
        sim_reader_fail(&p->reader, table, "'count', 'every' and 'times' count from 1");
    if (!p->reader.failed && trigger->before_ns <= trigger->after_ns)
        sim_reader_fail(&p->reader, table, "'after' must be earlier than 'before'");
}

// What becomes of the message: exactly one of the four.
static void parse_fate(struct sim_parse *p, struct sim_scenario_trigger *trigger, const struct qe_toml_value *table)
{
    static const char *const keys[] = {"name", "on", "drop", "delay", "duplicate", "corrupt", NULL};
    size_t count = 0;
    sim_reader_only(&p->reader, table, "a trigger about the message (it names no link and no host)", keys);
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]) && !p->reader.failed; i++) {
        const struct qe_toml_value *value = qe_toml_get(table, actions[i].key);
        if (!value) continue;
        count++;
        trigger->action = actions[i].action;
        if (trigger->action == SIM_TRIGGER_DELAY)
            trigger->delay_ns = sim_reader_duration(&p->reader, value, "delay");
        else if (qe_toml_kind(value) != QE_TOML_BOOLEAN || !qe_toml_boolean(value))
            sim_reader_fail(&p->reader, value, "'%s' must be true", actions[i].key);
    }
    if (!p->reader.failed && count != 1)
        sim_reader_fail(&p->reader, table,
            "[[trigger]] says %zu things; expected one: drop, delay, duplicate, corrupt, or what [[at]] has", count);
}

static void parse_name(struct sim_parse *p, struct sim_scenario_trigger *trigger, const struct qe_toml_value *table)
{
    static const struct sim_key key = {"name", SIM_KEY_NAME, offsetof(struct sim_scenario_trigger, name)};
    const struct sim_scenario *s = p->scenario;
    const struct qe_toml_value *value = qe_toml_get(table, "name");
    char text[32];
    snprintf(text, sizeof(text), "trigger-%zu", s->trigger_count);
    if (value)
        sim_reader_field(&p->reader, value, &key, trigger);
    else
        trigger->name = sim_copy_text(text);
    for (const struct sim_scenario_trigger *other = s->triggers; !p->reader.failed && other < trigger; other++)
        if (strcmp(other->name, trigger->name) == 0)
            sim_reader_fail(
                &p->reader, table, "there is a trigger \"%s\" already; expected another 'name'", trigger->name);
}

static void parse_trigger(struct sim_parse *p, struct sim_scenario_trigger *trigger, const struct qe_toml_value *table)
{
    sim_reader_table(&p->reader, table, "[[trigger]]", sim_trigger_keys, &trigger->at);
    if (!p->reader.failed) parse_name(p, trigger, table);
    const struct qe_toml_value *on =
        p->reader.failed ? NULL : sim_reader_need(&p->reader, table, "[[trigger]]", "on", QE_TOML_TABLE);
    if (on) parse_on(p, trigger, on);
    if (p->reader.failed) return;
    if (qe_toml_get(table, "link") || qe_toml_get(table, "host") || qe_toml_get(table, "partition")) {
        if (qe_toml_get(table, "drop"))
            sim_reader_fail(&p->reader, qe_toml_get(table, "drop"),
                "'drop' is for the message; expected no link, host "
                "or partition beside it");
        trigger->action = SIM_TRIGGER_HAPPEN;
        if (!p->reader.failed) sim_parse_what(p, &trigger->at, table, "[[trigger]]");
    } else {
        parse_fate(p, trigger, table);
    }
}

void sim_parse_triggers(struct sim_parse *p, const struct qe_toml_value *root)
{
    struct sim_scenario *s = p->scenario;
    const struct qe_toml_value *list = sim_parse_array(p, root, "trigger", SIM_TRIGGERS_MAX);
    if (!list) return;
    s->triggers = sim_obtain(qe_toml_size(list), sizeof(*s->triggers));
    for (size_t i = 0; i < qe_toml_size(list) && !p->reader.failed; i++) {
        const struct qe_toml_value *table = qe_toml_at(list, i);
        struct sim_scenario_trigger *trigger = &s->triggers[s->trigger_count++];
        *trigger = (struct sim_scenario_trigger){.from = SIM_NONE,
            .to = SIM_NONE,
            .count = 1,
            .every = 1,
            .times = 1,
            .before_ns = UINT64_MAX,
            .at = SIM_AT_NOTHING,
            .line = qe_toml_line(table)};
        trigger->at.line = trigger->line;
        parse_trigger(p, trigger, table);
    }
}
