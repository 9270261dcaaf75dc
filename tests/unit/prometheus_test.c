#include "control/health.h"
#include "control/prometheus.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The text, to be freed; NULL where it is refused.
static char *render(const char *json)
{
    char *text = NULL;
    size_t size = 0;
    json_t *metrics = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    int result = qe_prometheus_render(metrics, &text, &size);
    CU_ASSERT_EQUAL(result == 0, text != NULL);
    if (text) CU_ASSERT_EQUAL(strlen(text), size);
    json_decref(metrics);
    return text;
}

static void metrics_render_as_the_specification_shows_them(void)
{
    char *text =
        render("{\"metrics\":["
               "{\"name\":\"quicether_packets_sent\",\"type\":\"counter\",\"help\":\"Total packets sent\","
               "\"samples\":[{\"value\":1234567}]},"
               "{\"name\":\"quicether_path_rtt\",\"type\":\"gauge\",\"help\":\"Path round-trip time in milliseconds\","
               "\"samples\":[{\"labels\":{\"interface\":\"eth0\"},\"value_milli\":15200},"
               "{\"labels\":{\"interface\":\"wlan0\",\"peer\":\"qeabc\"},\"value_milli\":45800}]}]}");
    CU_ASSERT_STRING_EQUAL(text, "# HELP quicether_packets_sent Total packets sent\n"
                                 "# TYPE quicether_packets_sent counter\n"
                                 "quicether_packets_sent 1234567\n"
                                 "# HELP quicether_path_rtt Path round-trip time in milliseconds\n"
                                 "# TYPE quicether_path_rtt gauge\n"
                                 "quicether_path_rtt{interface=\"eth0\"} 15.2\n"
                                 "quicether_path_rtt{interface=\"wlan0\",peer=\"qeabc\"} 45.8\n");
    free(text);
    text = render("{\"metrics\":[]}");
    CU_ASSERT_STRING_EQUAL(text, "");
    free(text);
}

static void histograms_have_buckets_sum_and_count(void)
{
    char *text = render("{\"metrics\":[{\"name\":\"m_seconds\",\"type\":\"histogram\",\"samples\":["
                        "{\"suffix\":\"_bucket\",\"labels\":{\"le\":\"1\"},\"value\":2},"
                        "{\"suffix\":\"_bucket\",\"labels\":{\"le\":\"+Inf\"},\"value\":3},"
                        "{\"suffix\":\"_sum\",\"labels\":{},\"value\":70},"
                        "{\"suffix\":\"_count\",\"labels\":{},\"value\":3}]}]}");
    CU_ASSERT_STRING_EQUAL(text,
        "# TYPE m_seconds histogram\nm_seconds_bucket{le=\"1\"} 2\nm_seconds_bucket{le=\"+Inf\"} 3\nm_seconds_sum 70\n"
        "m_seconds_count 3\n");
    free(text);
}

static void numbers_are_exact(void)
{
    static const struct {
        const char *sample, *text;
    } rows[] = {
        {"\"value\":0", "0"},
        {"\"value\":-1", "-1"},
        {"\"value\":9223372036854775807", "9223372036854775807"},
        {"\"value\":-9223372036854775808", "-9223372036854775808"},
        {"\"value_milli\":0", "0"},
        {"\"value_milli\":1", "0.001"},
        {"\"value_milli\":10", "0.01"},
        {"\"value_milli\":15200", "15.2"},
        {"\"value_milli\":100000", "100"},
        {"\"value_milli\":-1500", "-1.5"},
        {"\"value_milli\":9223372036854775807", "9223372036854775.807"},
        {"\"value_milli\":-9223372036854775808", "-9223372036854775.808"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char json[256], expected[256];
        snprintf(json, sizeof(json), "{\"metrics\":[{\"name\":\"m\",\"type\":\"gauge\",\"samples\":[{%s}]}]}",
            rows[i].sample);
        snprintf(expected, sizeof(expected), "# TYPE m gauge\nm %s\n", rows[i].text);
        char *text = render(json);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        CU_ASSERT_STRING_EQUAL(text, expected);
        free(text);
    }
}

static void what_labels_and_helps_hold_is_escaped(void)
{
    char *text = render("{\"metrics\":[{\"name\":\"m\",\"type\":\"gauge\",\"help\":\"a \\\"b\\\" \\\\ c\\nd\","
                        "\"samples\":[{\"labels\":{\"l\":\"a \\\"b\\\" \\\\ c\\nd } 1\"},\"value\":1}]}]}");
    CU_ASSERT_STRING_EQUAL(
        text, "# HELP m a \"b\" \\\\ c\\nd\n# TYPE m gauge\nm{l=\"a \\\"b\\\" \\\\ c\\nd } 1\"} 1\n");
    free(text);
}

static void another_shape_is_refused(void)
{
#define METRIC(name, type, samples) "{\"metrics\":[{\"name\":" name ",\"type\":" type ",\"samples\":" samples "}]}"
    static const char *const rows[] = {
        "{}",
        "[]",
        "1",
        "{\"metrics\":{}}",
        "{\"metrics\":[1]}",
        METRIC("1", "\"gauge\"", "[]"),
        METRIC("\"\"", "\"gauge\"", "[]"),
        METRIC("\"1m\"", "\"gauge\"", "[]"),
        METRIC("\"m m\"", "\"gauge\"", "[]"),
        METRIC("\"m\\nm\"", "\"gauge\"", "[]"),
        METRIC("\"m\"", "\"summary\"", "[]"),
        METRIC("\"m\"", "\"histogram\"", "[{\"value\":1}]"),
        METRIC("\"m\"", "\"histogram\"", "[{\"suffix\":\"_x\",\"value\":1}]"),
        METRIC("\"m\"", "\"gauge\"", "[{\"suffix\":\"_sum\",\"value\":1}]"),
        METRIC("\"m\"", "null", "[]"),
        METRIC("\"m\"", "\"gauge\"", "{}"),
        METRIC("\"m\"", "\"gauge\"", "[1]"),
        METRIC("\"m\"", "\"gauge\"", "[{}]"),
        METRIC("\"m\"", "\"gauge\"", "[{\"value\":1.5}]"),
        METRIC("\"m\"", "\"gauge\"", "[{\"value\":\"1\"}]"),
        METRIC("\"m\"", "\"gauge\"", "[{\"value\":1,\"value_milli\":1}]"),
        METRIC("\"m\"", "\"gauge\"", "[{\"value\":1,\"labels\":[]}]"),
        METRIC("\"m\"", "\"gauge\"", "[{\"value\":1,\"labels\":{\"a\":1}}]"),
        METRIC("\"m\"", "\"gauge\"", "[{\"value\":1,\"labels\":{\"a b\":\"c\"}}]"),
        METRIC("\"m\"", "\"gauge\"", "[{\"value\":1,\"labels\":{\"a:b\":\"c\"}}]"),
        METRIC("\"m\"", "\"gauge\"", "[{\"value\":1,\"labels\":{\"\":\"c\"}}]"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *text = render(rows[i]);
        CU_ASSERT_PTR_NULL(text);
        if (text) fprintf(stderr, "rendered: %s\n", rows[i]);
        free(text);
    }
}

static void a_text_beyond_its_limit_is_refused(void)
{
    json_t *metrics = json_pack("{s:[{s:s, s:s, s:[]}]}", "metrics", "name", "m", "type", "gauge", "samples");
    json_t *samples = json_object_get(json_array_get(json_object_get(metrics, "metrics"), 0), "samples");
    json_t *sample = json_pack("{s:{s:s}, s:i}", "labels", "l", "", "value", 1);
    char label[1001];
    memset(label, 'x', sizeof(label) - 1);
    label[sizeof(label) - 1] = 0;
    json_object_set_new(json_object_get(sample, "labels"), "l", json_string(label));
    for (size_t i = 0; i < QE_PROMETHEUS_SIZE_MAX / 1000; i++)
        json_array_append(samples, sample);
    char *text = NULL;
    size_t size;
    CU_ASSERT_EQUAL(qe_prometheus_render(metrics, &text, &size), -1);
    CU_ASSERT_PTR_NULL(text);
    json_array_clear(samples);
    for (size_t i = 0; i < QE_PROMETHEUS_SIZE_MAX / 1100; i++)
        json_array_append(samples, sample);
    CU_ASSERT_EQUAL(qe_prometheus_render(metrics, &text, &size), 0);
    free(text);
    json_decref(sample);
    json_decref(metrics);
}

static void health_says_what_is_wrong(void)
{
    static const struct {
        const char *status;
        int http;
        const char *health;
    } rows[] = {
        {"{\"state\":\"up\",\"peers\":{\"configured\":1,\"connected\":1},\"warnings\":[]}", 200,
            "{\"status\":\"healthy\",\"timestamp\":\"2024-02-29T23:59:59Z\"}"},
        {"{\"state\":\"up\",\"peers\":{\"configured\":0,\"connected\":0}}", 200,
            "{\"status\":\"healthy\",\"timestamp\":\"2024-02-29T23:59:59Z\"}"},
        {"{\"state\":\"up\",\"peers\":{\"configured\":2,\"connected\":0}}", 200,
            "{\"status\":\"degraded\",\"timestamp\":\"2024-02-29T23:59:59Z\",\"reason\":\"no peer is connected\"}"},
        {"{\"state\":\"up\",\"warnings\":[\"the disk is full\",\"and more\"]}", 200,
            "{\"status\":\"degraded\",\"timestamp\":\"2024-02-29T23:59:59Z\",\"reason\":\"the disk is full\"}"},
        {"{\"state\":\"stopping\"}", 503,
            "{\"status\":\"unhealthy\",\"timestamp\":\"2024-02-29T23:59:59Z\",\"reason\":\"the node is stopping\"}"},
        {"{}", 503,
            "{\"status\":\"unhealthy\",\"timestamp\":\"2024-02-29T23:59:59Z\",\"reason\":\"the node does not "
            "answer\"}"},
        {"null", 503,
            "{\"status\":\"unhealthy\",\"timestamp\":\"2024-02-29T23:59:59Z\",\"reason\":\"the node does not "
            "answer\"}"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int http = 0;
        json_t *status = json_loads(rows[i].status, JSON_DECODE_ANY, NULL);
        json_t *health = qe_health_from_status(status, 1709251199, &http);
        char *text = json_dumps(health, JSON_COMPACT);
        CU_ASSERT_EQUAL(http, rows[i].http);
        CU_ASSERT_STRING_EQUAL(text, rows[i].health);
        free(text);
        json_decref(health);
        json_decref(status);
    }
}

static const struct unit_case cases[] = {
    {"metrics render as the specification shows them", metrics_render_as_the_specification_shows_them},
    {"histograms have buckets, sum and count", histograms_have_buckets_sum_and_count},
    {"numbers are exact", numbers_are_exact},
    {"what labels and helps hold is escaped", what_labels_and_helps_hold_is_escaped},
    {"another shape is refused", another_shape_is_refused},
    {"a text beyond its limit is refused", a_text_beyond_its_limit_is_refused},
    {"health says what is wrong", health_says_what_is_wrong},
};
UNIT_MAIN("prometheus", cases)
