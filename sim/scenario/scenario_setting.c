// What a link is like: the settings of [[link]], of its `from` tables and of [[at]].
#include "scenario/scenario.h"

#include "scenario/units.h"

#include <string.h>

#define MTU_MIN               576
#define MTU_MAX               65535
#define OVERHEAD_MAX          1000
#define BURST_EVERY_MIN_NS    UINT64_C(1000000)
#define CODEL_TARGET_NS       UINT64_C(5000000)
#define CODEL_INTERVAL_NS     UINT64_C(100000000)
#define CODEL_DURATION_MAX_NS UINT64_C(3600000000000)

#define SETTING(field) offsetof(struct sim_pipe_settings, field)
static const struct sim_key plain_settings[] = {{"rate", SIM_KEY_RATE, SETTING(rate_bits)},
    {"delay", SIM_KEY_DURATION, SETTING(delay_ns)}, {"jitter", SIM_KEY_DURATION, SETTING(jitter_ns)},
    {"reorder", SIM_KEY_FLAG, SETTING(reorder)}, {"duplicate", SIM_KEY_CHANCE, SETTING(duplicate_ppb)},
    {"corrupt", SIM_KEY_CHANCE, SETTING(corrupt_ppb)}, {"checksum", SIM_KEY_FLAG, SETTING(checksum)},
    {"icmp", SIM_KEY_FLAG, SETTING(icmp)}, {0}};

static const struct sim_key all_settings[] = {SIM_SETTING_KEYS, {0}};

const struct sim_key sim_gilbert_keys[] = {{"p", SIM_KEY_CHANCE, offsetof(struct sim_gilbert, p_ppb)},
    {"r", SIM_KEY_CHANCE, offsetof(struct sim_gilbert, r_ppb)},
    {"good", SIM_KEY_CHANCE, offsetof(struct sim_gilbert, good_ppb)},
    {"bad", SIM_KEY_CHANCE, offsetof(struct sim_gilbert, bad_ppb)}, {0}};

const struct sim_key sim_bursts_keys[] = {{"every", SIM_KEY_DURATION, offsetof(struct sim_bursts, every_ns)},
    {"lasts", SIM_KEY_DURATION, offsetof(struct sim_bursts, lasts_ns)},
    {"random", SIM_KEY_FLAG, offsetof(struct sim_bursts, random)}, {0}};

const struct sim_key sim_late_keys[] = {
    {"share", SIM_KEY_CHANCE, SETTING(late_ppb)}, {"by", SIM_KEY_DURATION, SETTING(late_ns)}, {0}};

const struct sim_key sim_codel_keys[] = {{"target", SIM_KEY_DURATION, offsetof(struct sim_codel_settings, target_ns)},
    {"interval", SIM_KEY_DURATION, offsetof(struct sim_codel_settings, interval_ns)},
    {"ecn", SIM_KEY_FLAG, offsetof(struct sim_codel_settings, ecn)}, {0}};

bool sim_parse_has_settings(const struct qe_toml_value *table)
{
    for (const struct sim_key *key = all_settings; key->name; key++)
        if (qe_toml_get(table, key->name)) return true;
    return false;
}

struct sim_reader sim_scenario_reader(const struct sim_scenario *scenario)
{
    // Every plan is there since the scenario was read; the reader only finds them.
    return (struct sim_reader){.file = scenario->file, .rates = (struct sim_rates *)&scenario->rates};
}

// Whether the value is `false`, which switches off what a table switches on.
static bool is_off(const struct qe_toml_value *value)
{
    return qe_toml_kind(value) == QE_TOML_BOOLEAN && !qe_toml_boolean(value);
}

static bool read_length(const char *text, struct sim_queue_length *length)
{
    *length = (struct sim_queue_length){0};
    if (sim_packets_parse(text, &length->packets)) return length->packets > 0;
    if (sim_size_parse(text, &length->bytes)) return length->bytes > 0;
    return sim_duration_parse(text, &length->ns) && length->ns > 0;
}

static void parse_queue(struct sim_reader *r, const struct qe_toml_value *table, struct sim_pipe_settings *settings)
{
    const struct qe_toml_value *queue = qe_toml_get(table, "queue"), *mark = qe_toml_get(table, "mark_above");
    struct sim_queue_length length = {0};
    if (queue) {
        const char *text = sim_reader_text(r, queue, "queue");
        if (!r->failed && strcmp(text, "unlimited") != 0 && !read_length(text, &length))
            sim_reader_fail(
                r, queue, "'queue' is \"%s\"; expected \"25packets\", \"64KiB\", \"50ms\" or \"unlimited\"", text);
        settings->queue_packets = length.packets;
        settings->queue_bytes = length.bytes;
        settings->queue_ns = length.ns;
    }
    if (mark && is_off(mark)) {
        settings->mark_above = (struct sim_queue_length){0};
    } else if (mark) {
        const char *text = sim_reader_text(r, mark, "mark_above");
        if (!r->failed && !read_length(text, &settings->mark_above))
            sim_reader_fail(
                r, mark, "'mark_above' is \"%s\"; expected \"10packets\", \"16KiB\", \"5ms\" or false", text);
    }
}

static void parse_bytes(
    struct sim_reader *r, const struct qe_toml_value *table, const char *key, uint32_t *out, uint64_t min, uint64_t max)
{
    const struct qe_toml_value *value = qe_toml_get(table, key);
    if (!value) return;
    uint64_t number = sim_reader_number(r, value, key);
    if (!r->failed && (number < min || number > max))
        sim_reader_fail(r, value, "'%s' is %llu; expected %llu to %llu bytes", key, (unsigned long long)number,
            (unsigned long long)min, (unsigned long long)max);
    *out = (uint32_t)number;
}

static void parse_rate(struct sim_reader *r, const struct qe_toml_value *table, struct sim_pipe_settings *settings)
{
    const struct qe_toml_value *constant = qe_toml_get(table, "rate"), *timeline = qe_toml_get(table, "rate_timeline"),
                               *trace = qe_toml_get(table, "rate_trace"), *repeat = qe_toml_get(table, "rate_repeat");
    if (!!constant + !!timeline + !!trace > 1)
        sim_reader_fail(
            r, timeline ? timeline : trace, "two rates; expected one of 'rate', 'rate_timeline', 'rate_trace'");
    else if (repeat && !timeline)
        sim_reader_fail(r, repeat, "'rate_repeat' without 'rate_timeline'");
    if (r->failed) return;
    if (constant) settings->plan = NULL;
    if (timeline) settings->plan = sim_rates_timeline(r, timeline, repeat);
    if (trace) settings->plan = sim_rates_trace(r, trace);
    if (timeline || trace) settings->rate_bits = 0;
}

static void parse_jitter_model(
    struct sim_reader *r, const struct qe_toml_value *table, struct sim_pipe_settings *settings)
{
    static const char *const names[] = {"uniform", "normal", "wifi"};
    const struct qe_toml_value *model = qe_toml_get(table, "jitter_model");
    if (!model) return;
    const char *text = sim_reader_text(r, model, "jitter_model");
    for (size_t i = 0; i < 3; i++)
        if (strcmp(names[i], text) == 0) {
            settings->jitter_model = (enum sim_jitter)i;
            return;
        }
    sim_reader_fail(r, model, "'jitter_model' is \"%s\"; expected \"uniform\", \"normal\" or \"wifi\"", text);
}

// A share, of each packet alone, or a table of the Gilbert-Elliott channel.
static void parse_loss(struct sim_reader *r, const struct qe_toml_value *table, struct sim_pipe_settings *settings)
{
    const struct qe_toml_value *loss = qe_toml_get(table, "loss");
    if (!loss) return;
    settings->loss_ppb = 0;
    settings->gilbert = (struct sim_gilbert){0};
    if (qe_toml_kind(loss) != QE_TOML_TABLE) {
        sim_reader_field(r, loss, &(struct sim_key){"loss", SIM_KEY_CHANCE, SETTING(loss_ppb)}, settings);
        return;
    }
    settings->gilbert = (struct sim_gilbert){.on = true, .bad_ppb = SIM_CHANCE_ONE};
    sim_reader_table(r, loss, "'loss'", sim_gilbert_keys, &settings->gilbert);
    if (!r->failed && (!qe_toml_get(loss, "p") || !qe_toml_get(loss, "r")))
        sim_reader_fail(r, loss, "'loss' lacks 'p' or 'r'; expected the chances to become bad and good again");
}

static void parse_bursts(struct sim_reader *r, const struct qe_toml_value *table, struct sim_pipe_settings *settings)
{
    const struct qe_toml_value *bursts = qe_toml_get(table, "loss_bursts");
    if (!bursts) return;
    settings->bursts = (struct sim_bursts){0};
    if (is_off(bursts)) return;
    sim_reader_table(r, bursts, "'loss_bursts'", sim_bursts_keys, &settings->bursts);
    const struct sim_bursts *b = &settings->bursts;
    if (!r->failed && (b->every_ns < BURST_EVERY_MIN_NS || b->lasts_ns == 0 || b->lasts_ns >= b->every_ns))
        sim_reader_fail(r, bursts,
            "'loss_bursts' takes 'every' of at least \"1ms\" and a shorter 'lasts', such as {every = \"2s\", lasts = "
            "\"30ms\"}");
}

static void parse_late(struct sim_reader *r, const struct qe_toml_value *table, struct sim_pipe_settings *settings)
{
    const struct qe_toml_value *late = qe_toml_get(table, "late");
    if (!late) return;
    settings->late_ppb = 0;
    settings->late_ns = 0;
    if (is_off(late)) return;
    sim_reader_table(r, late, "'late'", sim_late_keys, settings);
    if (!r->failed && (!qe_toml_get(late, "share") || !settings->late_ns))
        sim_reader_fail(r, late, "'late' lacks 'share' or 'by'; expected {share = \"1%%\", by = \"10ms\"}");
}

static void parse_codel(struct sim_reader *r, const struct qe_toml_value *table, struct sim_pipe_settings *settings)
{
    const struct qe_toml_value *codel = qe_toml_get(table, "codel");
    struct sim_codel_settings *s = &settings->codel;
    if (!codel) return;
    *s = (struct sim_codel_settings){0};
    if (is_off(codel)) return;
    *s = (struct sim_codel_settings){.target_ns = CODEL_TARGET_NS, .interval_ns = CODEL_INTERVAL_NS};
    if (qe_toml_kind(codel) != QE_TOML_BOOLEAN) sim_reader_table(r, codel, "'codel'", sim_codel_keys, s);
    if (!r->failed && (s->target_ns == 0 || s->interval_ns < s->target_ns || s->interval_ns > CODEL_DURATION_MAX_NS))
        sim_reader_fail(r, codel, "'codel' takes 'target' above 0 and an 'interval' from there to \"1h\"");
}

void sim_parse_settings(struct sim_reader *r, const struct qe_toml_value *table, struct sim_pipe_settings *settings)
{
    for (const struct sim_key *key = plain_settings; key->name; key++)
        if (qe_toml_get(table, key->name)) sim_reader_field(r, qe_toml_get(table, key->name), key, settings);
    parse_rate(r, table, settings);
    parse_jitter_model(r, table, settings);
    parse_loss(r, table, settings);
    parse_bursts(r, table, settings);
    parse_late(r, table, settings);
    parse_queue(r, table, settings);
    parse_codel(r, table, settings);
    parse_bytes(r, table, "mtu", &settings->mtu, MTU_MIN, MTU_MAX);
    parse_bytes(r, table, "overhead", &settings->overhead, 0, OVERHEAD_MAX);
}
