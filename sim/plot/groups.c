#include "plot/groups.h"

#include "engine/memory.h"
#include "scenario/units.h"

#include <stdlib.h>
#include <string.h>

struct member {
    double value;
    const char *text;
    size_t row;
};

const char *sim_axis_unit(enum sim_axis quantity)
{
    static const char *const units[] = {"", "", "ms", "Mbit/s", "bytes", "%", "packets"};
    return units[quantity];
}

static bool parse(const char *text, enum sim_axis quantity, double *value)
{
    uint64_t number = 0;
    uint32_t share;
    char *end;
    switch (quantity) {
    case SIM_AXIS_DURATION:
        if (!sim_duration_parse(text, &number)) return false;
        *value = (double)number * 1e-6;
        return true;
    case SIM_AXIS_RATE:
        if (!sim_rate_parse(text, &number)) return false;
        *value = (double)number * 1e-6;
        return true;
    case SIM_AXIS_SIZE:
        if (!sim_size_parse(text, &number)) return false;
        *value = (double)number;
        return true;
    case SIM_AXIS_SHARE:
        if (!sim_chance_parse(text, &share)) return false;
        *value = (double)share * 1e-7;
        return true;
    case SIM_AXIS_PACKETS:
        if (!sim_packets_parse(text, &number)) return false;
        *value = (double)number;
        return true;
    case SIM_AXIS_NUMBER:
        if ((*text < '0' || *text > '9') && *text != '-') return false;
        *value = strtod(text, &end);
        return *end == '\0' && end != text;
    default:
        return false;
    }
}

static enum sim_axis quantity_of(const struct member *members, size_t count)
{
    static const enum sim_axis tried[] = {
        SIM_AXIS_NUMBER, SIM_AXIS_DURATION, SIM_AXIS_RATE, SIM_AXIS_SHARE, SIM_AXIS_PACKETS, SIM_AXIS_SIZE};
    for (size_t i = 0; i < sizeof(tried) / sizeof(tried[0]); i++) {
        size_t good = 0;
        double value;
        while (good < count && parse(members[good].text, tried[i], &value))
            good++;
        if (good == count) return tried[i];
    }
    return SIM_AXIS_NONE;
}

static int by_value(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static int by_text(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    if (order) return order;
    return x->row < y->row ? -1 : x->row > y->row;
}

static bool same(const struct sim_groups *groups, const struct member *a, const struct member *b)
{
    return groups->quantity == SIM_AXIS_NONE ? strcmp(a->text, b->text) == 0 : a->value == b->value;
}

static void add_group(struct sim_groups *groups, const struct member *members, size_t first, size_t next)
{
    struct sim_group *group = &groups->list[groups->count];
    *group =
        (struct sim_group){.value = groups->quantity == SIM_AXIS_NONE ? (double)groups->count
                                                                      : members[first + (next - first - 1) / 2].value,
            .text = members[first].text,
            .rows = groups->rows + first,
            .count = next - first};
    for (size_t i = first; i < next; i++)
        groups->rows[i] = members[i].row;
    groups->count++;
}

// The end of the group that begins at `first`.
static size_t group_end(const struct sim_groups *groups, const struct member *members, size_t count, size_t first)
{
    size_t next = first + 1;
    if (groups->together) next = count * (groups->count + 1) / SIM_GROUPS_TOGETHER;
    if (next <= first) next = first + 1;
    while (next < count && same(groups, &members[next - 1], &members[next]))
        next++;
    return next < count ? next : count;
}

void sim_groups_init(struct sim_groups *groups, const struct sim_table *table, size_t parameter)
{
    char *const *values = table->parameters[parameter].values;
    struct member *members = sim_obtain(table->count, sizeof(*members));
    size_t count = 0, different = 0;
    *groups = (struct sim_groups){0};
    for (size_t row = 0; row < table->count; row++)
        if (values[row]) members[count++] = (struct member){.text = values[row], .row = row};
    groups->quantity = count ? quantity_of(members, count) : SIM_AXIS_NONE;
    for (size_t i = 0; i < count; i++)
        parse(members[i].text, groups->quantity, &members[i].value);
    qsort(members, count, sizeof(*members), groups->quantity == SIM_AXIS_NONE ? by_text : by_value);
    for (size_t i = 0; i < count; i++)
        different += i == 0 || !same(groups, &members[i - 1], &members[i]);
    groups->together = different > SIM_GROUPS_SEPARATE && groups->quantity != SIM_AXIS_NONE;
    groups->rows = sim_obtain(count, sizeof(*groups->rows));
    groups->list = sim_obtain(different, sizeof(*groups->list));
    for (size_t first = 0, next; first < count; first = next) {
        next = group_end(groups, members, count, first);
        add_group(groups, members, first, next);
    }
    sim_release(members);
}

void sim_groups_fini(struct sim_groups *groups)
{
    sim_release(groups->list);
    sim_release(groups->rows);
    *groups = (struct sim_groups){0};
}
