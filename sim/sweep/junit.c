// JUnit's XML, as continuous integration reads it.
#include "sweep/results.h"

#include <inttypes.h>

// The length of the UTF-8 sequence at `s`, or 0 where it is none that XML takes.
static size_t sequence(const unsigned char *s)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t n = 0; n < 4; n++) {
        if ((s[0] & forms[n].mask) != forms[n].lead) continue;
        uint32_t point = s[0] & (unsigned char)~forms[n].mask;
        for (size_t i = 1; i <= n; i++) {
            if ((s[i] & 0xc0) != 0x80) return 0;
            point = point << 6 | (s[i] & 0x3f);
        }
        bool control = point < 0x20 && point != '\n' && point != '\t';
        bool odd = (point >= 0xd800 && point < 0xe000) || point == 0xfffe || point == 0xffff || point > 0x10ffff;
        return point < forms[n].least || control || odd ? 0 : n + 1;
    }
    return 0;
}

static void escape(FILE *out, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        size_t size = sequence(s);
        if (size == 0)
            fputc('?', out);
        else if (*s == '&' || *s == '<' || *s == '>' || *s == '"')
            fprintf(out, "&#%d;", *s);
        else
            fwrite(s, 1, size, out);
        s += size ? size : 1;
    }
}

struct sum {
    uint64_t tests, failures, errors, wall_ms;
};

static struct sum sum_of(const struct sim_results *results, size_t file)
{
    struct sum sum = {0};
    for (size_t i = 0; i < results->count; i++) {
        const struct sim_run_record *run = &results->runs[i];
        if (file != SIM_NONE && run->file != file) continue;
        sum.tests++;
        sum.failures += run->verdict == SIM_FAIL;
        sum.errors += run->verdict == SIM_ERROR;
        sum.wall_ms += run->wall_ms;
    }
    return sum;
}

static void say_time(FILE *out, uint64_t wall_ms)
{
    fprintf(out, " time=\"%" PRIu64 ".%03" PRIu64 "\"", wall_ms / 1000, wall_ms % 1000);
}

static void say_sum(FILE *out, const struct sum *sum)
{
    fprintf(out, " tests=\"%" PRIu64 "\" failures=\"%" PRIu64 "\" errors=\"%" PRIu64 "\" skipped=\"0\"", sum->tests,
        sum->failures, sum->errors);
    say_time(out, sum->wall_ms);
    fputs(">\n", out);
}

static void say_case(FILE *out, const struct sim_sweep *sweep, const struct sim_run_record *run)
{
    fputs("    <testcase classname=\"", out);
    escape(out, sweep->files[run->file].name);
    fprintf(out, "\" name=\"seed %" PRIu64 "\" file=\"", run->seed);
    escape(out, sweep->files[run->file].path);
    fputs("\"", out);
    say_time(out, run->wall_ms);
    if (run->verdict == SIM_PASS) {
        fputs("/>\n", out);
        return;
    }
    const char *kind = run->verdict == SIM_FAIL ? "failure" : "error";
    fprintf(out, ">\n      <%s message=\"seed %" PRIu64 "\">", kind, run->seed);
    escape(out, run->text ? run->text : "");
    fprintf(out, "</%s>\n    </testcase>\n", kind);
}

void sim_results_junit(const struct sim_results *results, FILE *out)
{
    struct sum all = sum_of(results, SIM_NONE);
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"quicether-sim\"", out);
    say_sum(out, &all);
    for (size_t file = 0; file < results->sweep->plan.files; file++) {
        struct sum sum = sum_of(results, file);
        fputs("  <testsuite name=\"", out);
        escape(out, results->sweep->files[file].name);
        fputs("\"", out);
        say_sum(out, &sum);
        for (size_t i = 0; i < results->count; i++)
            if (results->runs[i].file == file) say_case(out, results->sweep, &results->runs[i]);
        fputs("  </testsuite>\n", out);
    }
    fputs("</testsuites>\n", out);
}
