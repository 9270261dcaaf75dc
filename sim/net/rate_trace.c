// mahimahi's traces: text, a moment a line.
#include "net/rate.h"

#include "engine/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define MS_NS      UINT64_C(1000000)
#define DIGITS_MAX 10
#define LINE_MAX   100
#define SHOWN_MAX  24

struct line {
    char text[SHOWN_MAX + 1]; // as much of it as a message shows
    size_t size;
    uint64_t value;
    bool is_number;
};

// The next line without its end; false where there is none.
static bool read_line(FILE *in, struct line *line)
{
    int c = getc(in);
    *line = (struct line){.is_number = true};
    if (c == EOF) return false;
    for (; c != EOF && c != '\n'; c = getc(in)) {
        if (c == '\r') {
            c = getc(in);
            if (c == '\n' || c == EOF) break;
            ungetc(c, in);
            c = '\r';
        }
        if (line->size < SHOWN_MAX) line->text[line->size] = (char)(c >= ' ' && c <= '~' ? c : '?');
        if (++line->size > LINE_MAX) break; // whatever it is, it is no trace
        line->is_number = line->is_number && c >= '0' && c <= '9' && line->size <= DIGITS_MAX;
        if (line->is_number) line->value = line->value * 10 + (uint64_t)(c - '0');
    }
    line->is_number = line->is_number && line->size > 0 && line->value <= UINT32_MAX;
    return true;
}

struct sim_rate_plan *sim_rate_trace_read(FILE *in, const char *file, char error[SIM_RATE_ERROR_SIZE])
{
    struct sim_rate_plan *plan = sim_obtain(1, sizeof(*plan));
    struct line line;
    size_t capacity = 0;
    uint64_t number = 0;
    error[0] = 0;
    while (!error[0] && read_line(in, &line)) {
        number++;
        uint32_t before = plan->count ? plan->moments_ms[plan->count - 1] : 0;
        if (!line.is_number)
            snprintf(error, SIM_RATE_ERROR_SIZE,
                "%s:%" PRIu64 ": \"%s%s\"; expected a whole number of milliseconds below 2^32", file, number, line.text,
                line.size > SHOWN_MAX ? "..." : "");
        else if (line.value < before)
            snprintf(error, SIM_RATE_ERROR_SIZE,
                "%s:%" PRIu64 ": %" PRIu64 " after %" PRIu32 "; expected times that do not go back", file, number,
                line.value, before);
        else if (plan->count == SIM_RATE_MOMENTS_MAX)
            snprintf(error, SIM_RATE_ERROR_SIZE, "%s:%" PRIu64 ": expected at most %zu lines", file, number,
                SIM_RATE_MOMENTS_MAX);
        if (error[0]) break;
        SIM_ROOM(plan->moments_ms, plan->count, capacity);
        plan->moments_ms[plan->count++] = (uint32_t)line.value;
    }
    if (!error[0] && ferror(in))
        snprintf(error, SIM_RATE_ERROR_SIZE, "%s: cannot be read: %s", file, strerror(errno));
    else if (!error[0] && plan->count == 0)
        snprintf(error, SIM_RATE_ERROR_SIZE, "%s:1: empty; expected milliseconds, one a line", file);
    else if (!error[0] && plan->moments_ms[plan->count - 1] == 0)
        snprintf(error, SIM_RATE_ERROR_SIZE, "%s:%" PRIu64 ": the trace takes no time; expected a last line above 0",
            file, number);
    if (error[0]) {
        sim_rate_plan_free(plan);
        return NULL;
    }
    plan->period_ns = plan->moments_ms[plan->count - 1] * MS_NS;
    return plan;
}

struct sim_rate_plan *sim_rate_trace_load(const char *file, char error[SIM_RATE_ERROR_SIZE])
{
    FILE *in = fopen(file, "rb");
    if (!in) {
        snprintf(error, SIM_RATE_ERROR_SIZE, "%s: %s", file, strerror(errno));
        return NULL;
    }
    struct sim_rate_plan *plan = sim_rate_trace_read(in, file, error);
    fclose(in);
    return plan;
}
