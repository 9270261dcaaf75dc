#include "crowd/figures.h"

#include "engine/memory.h"
#include "scenario/units.h"

#include <inttypes.h>
#include <string.h>

const struct sim_crowd_figure_name sim_crowd_figure_names[SIM_CROWD_FIGURE_IDS] = {
#define SIM_CROWD_FIGURE_NAME(id, name, unit, help) {name, SIM_CROWD_FIGURE_##id, SIM_AS_##unit, help},
    SIM_CROWD_FIGURES(SIM_CROWD_FIGURE_NAME)
#undef SIM_CROWD_FIGURE_NAME
};

const struct sim_crowd_figure_name *sim_crowd_figure_find(const char *name)
{
    for (size_t i = 0; i < SIM_CROWD_FIGURE_IDS; i++)
        if (strcmp(sim_crowd_figure_names[i].name, name) == 0) return &sim_crowd_figure_names[i];
    return NULL;
}

void sim_crowd_figures_fini(struct sim_crowd_figures *figures)
{
    sim_release(figures->list);
}

void sim_crowd_figures_add(
    struct sim_crowd_figures *figures, const char *of, enum sim_crowd_figure_id id, uint64_t value)
{
    SIM_ROOM(figures->list, figures->count, figures->capacity);
    figures->list[figures->count++] = (struct sim_crowd_figure){of, &sim_crowd_figure_names[id], value};
}

const struct sim_crowd_figure *sim_crowd_figures_get(
    const struct sim_crowd_figures *figures, const char *of, const struct sim_crowd_figure_name *what)
{
    for (size_t i = 0; i < figures->count; i++) {
        const struct sim_crowd_figure *f = &figures->list[i];
        if (f->what != what || !f->of != !of) continue;
        if (!of || strcmp(f->of, of) == 0) return f;
    }
    return NULL;
}

// A decimal with up to three digits behind its point, in thousandths.
static bool parse_milli(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    int behind = -1;
    if (*text < '0' || *text > '9') return false;
    for (; *text; text++) {
        if (*text == '.' && behind < 0) {
            behind = 0;
            continue;
        }
        if (*text < '0' || *text > '9' || behind == 3 || value > UINT64_MAX / 100000) return false;
        value = value * 10 + (uint64_t)(*text - '0');
        if (behind >= 0) behind++;
    }
    for (behind = behind < 0 ? 0 : behind; behind < 3; behind++)
        value *= 10;
    *out = value;
    return true;
}

bool sim_crowd_figure_parse(enum sim_crowd_figure_unit unit, const char *text, uint64_t *out)
{
    uint32_t ppb;
    switch (unit) {
    case SIM_AS_COUNT:
        if (!parse_milli(text, out) || *out % 1000) return false;
        *out /= 1000;
        return true;
    case SIM_AS_MILLI:
        return parse_milli(text, out);
    case SIM_AS_SHARE:
        if (!sim_chance_parse(text, &ppb)) return false;
        *out = ppb;
        return true;
    case SIM_AS_TIME:
        return sim_duration_parse(text, out);
    case SIM_AS_BYTES:
    case SIM_AS_RATE:
        return sim_size_parse(text, out);
    }
    return false;
}

static const char *format_bytes(uint64_t value, const char *behind, char out[SIM_CROWD_FIGURE_TEXT_SIZE])
{
    static const char *const units[] = {"KiB", "MiB", "GiB"};
    uint64_t unit = 1024;
    size_t i = 0;
    if (value < 10 * 1024) {
        snprintf(out, SIM_CROWD_FIGURE_TEXT_SIZE, "%" PRIu64 " B%s", value, behind);
        return out;
    }
    for (; i < 2 && value / unit >= 10 * 1024; i++)
        unit *= 1024;
    snprintf(out, SIM_CROWD_FIGURE_TEXT_SIZE, "%" PRIu64 ".%" PRIu64 " %s%s", value / unit, value % unit * 10 / unit,
        units[i], behind);
    return out;
}

const char *sim_crowd_figure_format(
    enum sim_crowd_figure_unit unit, uint64_t value, char out[SIM_CROWD_FIGURE_TEXT_SIZE])
{
    switch (unit) {
    case SIM_AS_COUNT:
        snprintf(out, SIM_CROWD_FIGURE_TEXT_SIZE, "%" PRIu64, value);
        break;
    case SIM_AS_MILLI:
        snprintf(out, SIM_CROWD_FIGURE_TEXT_SIZE, "%" PRIu64 ".%03" PRIu64, value / 1000, value % 1000);
        break;
    case SIM_AS_SHARE:
        snprintf(
            out, SIM_CROWD_FIGURE_TEXT_SIZE, "%" PRIu64 ".%03" PRIu64 "%%", value / 10000000, value / 10000 % 1000);
        break;
    case SIM_AS_TIME:
        if (value < UINT64_C(60000000000))
            snprintf(out, SIM_CROWD_FIGURE_TEXT_SIZE, "%" PRIu64 " ms", value / 1000000);
        else
            snprintf(out, SIM_CROWD_FIGURE_TEXT_SIZE, "%" PRIu64 " s", value / 1000000000);
        break;
    case SIM_AS_BYTES:
        return format_bytes(value, "", out);
    case SIM_AS_RATE:
        return format_bytes(value, "/s", out);
    }
    return out;
}
