// What plot computes and reads: intervals against values calculated apart and closed forms, tables of results, groups
// by parameter, JSON lines, and that nothing in a file becomes a command for gnuplot.
#include "plot/figure.h"
#include "plot/groups.h"
#include "plot/run_figures.h"
#include "plot/stats.h"
#include "plot/sweep_figures.h"
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool near(double a, double b, double margin)
{
    return fabs(a - b) <= margin;
}

static void wilsons_interval_is_his_formulas(void)
{
    // Calculated with Python's floats from Wilson's formula.
    static const struct {
        uint64_t successes, count;
        double low, high;
    } cases[] = {{3, 10, 0.1077913, 0.6032219}, {0, 10, 0, 0.2775328}, {10, 10, 0.7224672, 1}, {1, 1, 0.2065493, 1},
        {50, 100, 0.4038315, 0.5961685}, {999, 1000, 0.9943573, 0.9998235}, {0, 0, 0, 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sim_interval got = sim_wilson(cases[i].successes, cases[i].count);
        CU_ASSERT_TRUE(near(got.low, cases[i].low, 2e-7));
        CU_ASSERT_TRUE(near(got.high, cases[i].high, 2e-7));
    }
}

static void wilsons_interval_holds_the_share_in_95_of_100(void)
{
    struct unit_random random = unit_random();
    int held = 0;
    for (int i = 0; i < 4000; i++) {
        uint64_t successes = 0;
        for (int k = 0; k < 60; k++)
            successes += unit_random_below(&random, 100) < 20;
        struct sim_interval got = sim_wilson(successes, 60);
        held += got.low <= 0.2 && 0.2 <= got.high;
    }
    CU_ASSERT_TRUE(held > 3720 && held < 3880);
}

// Sum of twelve uniform ones: mean 0, variance 1, near enough to normal.
static double normal(struct unit_random *random)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += (double)unit_random_below(random, 1 << 30) / (1 << 30);
    return sum;
}

static void the_bootstrap_of_a_mean_is_the_normal_ones(void)
{
    struct unit_random random = unit_random();
    enum { COUNT = 400 };
    double values[COUNT], sum = 0, squares = 0;
    for (size_t i = 0; i < COUNT; i++)
        sum += values[i] = 100 + 10 * normal(&random);
    double mean = sum / COUNT;
    for (size_t i = 0; i < COUNT; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    double half = 1.96 * sqrt(squares / COUNT / COUNT);
    struct sim_interval got = sim_bootstrap_mean(values, COUNT, "mean");
    CU_ASSERT_TRUE(near(got.value, mean, 1e-9));
    CU_ASSERT_TRUE(near(got.low, mean - half, half * 0.1));
    CU_ASSERT_TRUE(near(got.high, mean + half, half * 0.1));
}

static void the_bootstrap_of_a_median_is_that_of_order_statistics(void)
{
    // Values are their ranks, so the closed form (binomial: n/2 ± 1.96 √n/2) can be read off.
    enum { COUNT = 1001 };
    double *values = calloc(COUNT, sizeof(*values));
    for (size_t i = 0; i < COUNT; i++)
        values[i] = (double)((i * 8) % COUNT);
    struct sim_interval got = sim_bootstrap_median(values, COUNT, "median");
    double half = 1.96 * sqrt(COUNT) / 2;
    CU_ASSERT_EQUAL(got.value, 500);
    CU_ASSERT_TRUE(near(got.low, 500 - half, half * 0.15));
    CU_ASSERT_TRUE(near(got.high, 500 + half, half * 0.15));
    free(values);
}

static void resampling_is_the_same_for_the_same_name(void)
{
    double a[] = {5, 1, 4, 2, 3, 9}, b[] = {9, 5, 4, 3, 2, 1}, one[] = {7};
    struct sim_interval x = sim_bootstrap_mean(a, 6, "x"), y = sim_bootstrap_mean(b, 6, "x");
    CU_ASSERT_TRUE(x.low == y.low && x.high == y.high && x.low < x.value && x.value < x.high);
    struct sim_interval single = sim_bootstrap_median(one, 1, "x");
    CU_ASSERT_TRUE(single.low == 7 && single.value == 7 && single.high == 7);
    double even[] = {1, 2, 3, 10};
    CU_ASSERT_EQUAL(sim_bootstrap_median(even, 4, "x").value, 2.5);
}

static bool add(struct sim_sweep_data *data, const char *text)
{
    char error[SIM_ERROR_SIZE] = "";
    bool good = sim_sweep_data_add(data, text, strlen(text), "f.json", error);
    CU_ASSERT_EQUAL(good, error[0] == '\0');
    return good;
}

static void results_become_tables(void)
{
    struct sim_sweep_data data = {0};
    CU_ASSERT_TRUE(
        add(&data, "{\"runs\": [{\"scenario\": \"s\", \"seed\": 1, \"verdict\": \"pass\", \"commit\": \"c1\","
                   " \"measures\": {\"x\": 1, \"y\": 2}},"
                   "{\"scenario\": \"t\", \"seed\": 1, \"verdict\": \"error\"},"
                   "{\"scenario\": \"s\", \"seed\": 2, \"verdict\": \"fail\", \"commit\": \"c2\", \"measures\": "
                   "{\"y\": 4, \"z\": 5},"
                   " \"parameters\": {\"p\": \"3ms\"}}], \"sweep\": {}}"));
    CU_ASSERT_TRUE(add(&data, "{\"runs\": [{\"scenario\": \"s\", \"seed\": 3, \"verdict\": \"pass\"}]}"));
    CU_ASSERT_EQUAL_FATAL(data.count, 2);
    const struct sim_table *s = &data.tables[0];
    CU_ASSERT_EQUAL_FATAL(s->count, 3);
    CU_ASSERT_EQUAL_FATAL(s->measure_count, 3);
    CU_ASSERT_TRUE(s->rows[0].passed && !s->rows[1].passed && s->rows[2].seed == 3);
    CU_ASSERT_TRUE(s->measures[0].values[0] == 1 && isnan(s->measures[0].values[1]) && isnan(s->measures[0].values[2]));
    CU_ASSERT_TRUE(s->measures[1].values[1] == 4 && s->measures[2].values[1] == 5 && isnan(s->measures[2].values[0]));
    CU_ASSERT_PTR_NULL(s->parameters[0].values[0]);
    CU_ASSERT_STRING_EQUAL(s->parameters[0].values[1], "3ms");
    CU_ASSERT_EQUAL(data.commit_count, 2);
    sim_sweep_data_fini(&data);
}

static void what_is_no_result_is_refused(void)
{
    static const char *const bad[] = {"", "{", "[]", "{\"runs\": 1}", "{\"runs\": []}", "{\"runs\": [1]}",
        "{\"runs\": [{\"scenario\": \"s\", \"seed\": \"1\", \"verdict\": \"pass\"}]}",
        "{\"runs\": [{\"scenario\": 1, \"seed\": 1, \"verdict\": \"pass\"}]}", "{\"runs\": [{\"scenario\": \"s\"}]}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sim_sweep_data data = {0};
        CU_ASSERT_FALSE(add(&data, bad[i]));
        sim_sweep_data_fini(&data);
    }
}

// A table of one parameter with these values, as groups.
static void group(struct sim_sweep_data *data, const char *const *values, size_t count)
{
    char text[256];
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof(text),
            "{\"runs\": [{\"scenario\": \"s\", \"seed\": %zu, \"verdict\": \"pass\", \"parameters\": {\"p\": "
            "\"%s\"}}]}",
            i, values[i]);
        CU_ASSERT_TRUE(add(data, text));
    }
}

static void groups_are_in_the_order_of_quantities(void)
{
    static const char *const values[] = {"100ms", "2ms", "1s", "2000us", "100ms"};
    struct sim_sweep_data data = {0};
    struct sim_groups groups;
    group(&data, values, 5);
    sim_groups_init(&groups, &data.tables[0], 0);
    CU_ASSERT_EQUAL(groups.quantity, SIM_AXIS_DURATION);
    CU_ASSERT_EQUAL_FATAL(groups.count, 3);
    CU_ASSERT_TRUE(groups.list[0].value == 2 && groups.list[0].count == 2);
    CU_ASSERT_TRUE(groups.list[0].rows[0] == 1 && groups.list[0].rows[1] == 3);
    CU_ASSERT_TRUE(groups.list[1].value == 100 && groups.list[1].count == 2);
    CU_ASSERT_TRUE(groups.list[2].value == 1000 && groups.list[2].count == 1);
    sim_groups_fini(&groups);
    sim_sweep_data_fini(&data);
}

static void words_are_groups_by_themselves(void)
{
    static const char *const values[] = {"symmetric", "cone", "10ms", "cone"};
    struct sim_sweep_data data = {0};
    struct sim_groups groups;
    group(&data, values, 4);
    sim_groups_init(&groups, &data.tables[0], 0);
    CU_ASSERT_EQUAL(groups.quantity, SIM_AXIS_NONE);
    CU_ASSERT_EQUAL_FATAL(groups.count, 3);
    CU_ASSERT_STRING_EQUAL(groups.list[1].text, "cone");
    CU_ASSERT_EQUAL(groups.list[1].count, 2);
    sim_groups_fini(&groups);
    sim_sweep_data_fini(&data);
}

static void many_values_are_put_together(void)
{
    enum { COUNT = 95 };
    static char texts[COUNT][16];
    const char *values[COUNT];
    struct sim_sweep_data data = {0};
    struct sim_groups groups;
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(texts[i], sizeof(texts[i]), "%zuB", (i * 31) % COUNT);
        values[i] = texts[i];
    }
    group(&data, values, COUNT);
    sim_groups_init(&groups, &data.tables[0], 0);
    CU_ASSERT_TRUE(groups.together);
    CU_ASSERT_EQUAL(groups.count, SIM_GROUPS_TOGETHER);
    size_t total = 0;
    for (size_t i = 0; i < groups.count; i++) {
        CU_ASSERT_TRUE(groups.list[i].count == 9 || groups.list[i].count == 10);
        CU_ASSERT_TRUE(i == 0 || groups.list[i].value > groups.list[i - 1].value);
        total += groups.list[i].count;
    }
    CU_ASSERT_EQUAL(total, COUNT);
    sim_groups_fini(&groups);
    sim_sweep_data_fini(&data);
}

#define RUN                                                                                                            \
    "{\"time_ns\":0,\"host\":\"\",\"event\":\"run\",\"format\":1,\"scenario\":\"s\",\"seed\":7,\"duration_ns\":"       \
    "10000000000}\n"

static bool read_lines(struct sim_run_events *events, const char *text, char error[SIM_ERROR_SIZE])
{
    FILE *file = tmpfile();
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    rewind(file);
    error[0] = '\0';
    bool good = sim_run_events_read(events, file, "f", error);
    fclose(file);
    return good;
}

static void lines_become_series_and_spans(void)
{
    struct sim_run_events e;
    char error[SIM_ERROR_SIZE];
    CU_ASSERT_TRUE_FATAL(read_lines(&e,
        RUN
        "{\"time_ns\":0,\"host\":\"a\",\"event\":\"start\"}\n"
        "{\"time_ns\":1000000000,\"host\":\"a\",\"event\":\"core\",\"name\":\"session.connected\",\"peer\":\"b\",\"a\":"
        "1}\n"
        "{\"time_ns\":1000000000,\"host\":\"a\",\"event\":\"sent\",\"number\":1}\n"
        "{\"time_ns\":1500000000,\"host\":\"a\",\"event\":\"flow\",\"flow\":\"f\",\"packet\":0,\"latency_ns\":2000000,"
        "\"bytes\":100}\n"
        "{\"time_ns\":2000000000,\"host\":\"a\",\"event\":\"sample\",\"of\":\"link\",\"name\":\"a-b\",\"queue_"
        "packets\":3,"
        "\"delivered_bytes\":250000}\n"
        "{\"time_ns\":4000000000,\"host\":\"a\",\"event\":\"core\",\"name\":\"session.lost\",\"peer\":\"b\",\"a\":0}\n"
        "{\"time_ns\":5000000000,\"host\":\"a\",\"event\":\"core\",\"name\":\"path.connected\",\"peer\":\"b\",\"a\":4}"
        "\n"
        "{\"time_ns\":6000000000,\"host\":\"a\",\"event\":\"crash\"}\n"
        "{\"time_ns\":7000000000,\"host\":\"a\",\"event\":\"start\"}\n",
        error));
    CU_ASSERT_STRING_EQUAL(e.scenario, "s");
    CU_ASSERT_TRUE(e.seed == 7 && e.duration == 10);
    CU_ASSERT_EQUAL_FATAL(e.latency.count, 1);
    CU_ASSERT_TRUE(near(e.latency.list[0].points[0].x, 1.5, 1e-9) && near(e.latency.list[0].points[0].y, 2, 1e-9));
    CU_ASSERT_STRING_EQUAL(e.queues.list[0].name, "a-b from a");
    CU_ASSERT_TRUE(near(e.link_rates.list[0].points[0].y, 1, 1e-9)); // 250,000 bytes in 2 s
    CU_ASSERT_EQUAL_FATAL(e.span_count, 4);
    static const struct {
        enum sim_span_kind kind;
        double begin, end;
    } spans[] = {{SIM_SPAN_NODE, 0, 6}, {SIM_SPAN_SESSION, 1, 4}, {SIM_SPAN_PATH, 5, 6}, {SIM_SPAN_NODE, 7, 10}};
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_TRUE(e.spans[i].kind == spans[i].kind && near(e.spans[i].begin, spans[i].begin, 1e-9) &&
                       near(e.spans[i].end, spans[i].end, 1e-9));
    sim_run_events_fini(&e);
}

static void a_mistake_in_lines_has_its_line(void)
{
    static const struct {
        const char *text, *error;
    } cases[] = {{"", "f:0: "}, {"x\n", "f:1: "}, {"[]\n", "f:1: "}, {"{\"event\":\"start\"}\n", "f:1: "},
        {RUN "{\"time_ns\":0\n", "f:2: "}, {RUN "\n", "f:2: "},
        {"{\"time_ns\":0,\"host\":\"\",\"event\":\"run\",\"format\":2}\n", "f:1: "},
        {"{\"time_ns\":0,\"host\":\"\",\"event\":\"run\",\"format\":1,\"scenario\":\"s\"}\n", "f:1: "}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sim_run_events e;
        char error[SIM_ERROR_SIZE];
        CU_ASSERT_FALSE(read_lines(&e, cases[i].text, error));
        CU_ASSERT_EQUAL(strncmp(error, cases[i].error, strlen(cases[i].error)), 0);
        sim_run_events_fini(&e);
    }
    size_t size = sizeof(RUN) + ((size_t)1 << 21);
    char *large = malloc(size), error[SIM_ERROR_SIZE];
    struct sim_run_events e;
    memset(large, 'x', size);
    memcpy(large, RUN, sizeof(RUN) - 1);
    large[size - 1] = '\0';
    CU_ASSERT_FALSE(read_lines(&e, large, error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "f:2: a line is longer"));
    sim_run_events_fini(&e);
    free(large);
}

static void no_text_becomes_a_command(void)
{
    char text[256] = "";
    FILE *out = tmpfile();
    sim_figure_quote(out, "it's; `rm`\n!x\\'");
    rewind(out);
    CU_ASSERT_TRUE(fread(text, 1, sizeof(text) - 1, out) > 0);
    CU_ASSERT_STRING_EQUAL(text, "'it''s; `rm`?!x\\'''");
    fclose(out);
}

static void hostile_names_make_files_in_the_folder(void)
{
    char folder[] = "/tmp/plot-test-XXXXXX", error[SIM_ERROR_SIZE], path[512];
    struct sim_figures figures;
    struct sim_run_events e;
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    CU_ASSERT_TRUE_FATAL(read_lines(&e,
        "{\"time_ns\":0,\"host\":\"\",\"event\":\"run\",\"format\":1,\"scenario\":\"../../x'y\\nz\",\"seed\":7,"
        "\"duration_ns\":1}\n{\"time_ns\":0,\"host\":\"a'\",\"event\":\"start\"}\n",
        error));
    sim_figures_init(&figures, folder, SIM_FIGURE_SVG);
    sim_run_figures(&figures, &e, 0);
    sim_run_figures(&figures, &e, 0);
    CU_ASSERT_EQUAL_FATAL(figures.count, 2);
    CU_ASSERT_STRING_EQUAL(figures.names[0], "_._.._x_y_z-7-connections");
    CU_ASSERT_STRING_EQUAL(figures.names[1], "_._.._x_y_z-7-connections-2");
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s.gp", folder, figures.names[i]);
        CU_ASSERT_EQUAL(unlink(path), 0);
        snprintf(path, sizeof(path), "%s/%s.dat", folder, figures.names[i]);
        CU_ASSERT_EQUAL(unlink(path), 0);
    }
    CU_ASSERT_EQUAL(rmdir(folder), 0);
    sim_figures_fini(&figures);
    sim_run_events_fini(&e);
}

static const struct unit_case cases[] = {
    {"Wilson's interval is his formula's", wilsons_interval_is_his_formulas},
    {"Wilson's interval holds the share in 95 of 100", wilsons_interval_holds_the_share_in_95_of_100},
    {"the bootstrap of a mean is the normal one's", the_bootstrap_of_a_mean_is_the_normal_ones},
    {"the bootstrap of a median is that of order statistics", the_bootstrap_of_a_median_is_that_of_order_statistics},
    {"resampling is the same for the same name", resampling_is_the_same_for_the_same_name},
    {"results become tables", results_become_tables},
    {"what is no result is refused", what_is_no_result_is_refused},
    {"groups are in the order of quantities", groups_are_in_the_order_of_quantities},
    {"words are groups by themselves", words_are_groups_by_themselves},
    {"many values are put together", many_values_are_put_together},
    {"lines become series and spans", lines_become_series_and_spans},
    {"a mistake in lines has its line", a_mistake_in_lines_has_its_line},
    {"no text becomes a command", no_text_becomes_a_command},
    {"hostile names make files in the folder", hostile_names_make_files_in_the_folder},
};
UNIT_MAIN("plot", cases)
