// What happens in a run, and when: a time and exactly one thing, with what belongs to it.
#include "scenario/scenario.h"

#include "engine/memory.h"
#include "scenario/units.h"

#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct sim_scenario_at, field)

const struct sim_key sim_at_keys[] = {{"time", SIM_KEY_DURATION, AT(time_ns)}, SIM_WHAT_KEYS, {0}};

const struct sim_key sim_partition_keys[] = {{"between", SIM_KEY_OTHER, 0}, {"and", SIM_KEY_OTHER, 0},
    {"one_way", SIM_KEY_FLAG, offsetof(struct sim_scenario_partition, one_way)},
    {"heal", SIM_KEY_FLAG, offsetof(struct sim_scenario_partition, heal)}, {0}};

const struct sim_key sim_roam_keys[] = {{"from", SIM_KEY_OTHER, 0}, {"to", SIM_KEY_OTHER, 0}, {0}};

// What a thing happens to.
enum subject { OF_LINK = 1, OF_HOST = 2, OF_BOTH = OF_LINK | OF_HOST, OF_NETWORK = 0 };

// What may stand beside it.
enum beside { WITH_FOR = 1, WITH_START = 2, WITH_UNSYNCED = 4, WITH_SILENTLY = 8, WITH_FROM = 16 };

static const struct {
    const char *key;
    enum sim_at_kind kind;
    enum subject subject;
    bool is_true; // stands as 'key = true'
    unsigned beside;
} whats[] = {
    {"down", SIM_AT_LINK_DOWN, OF_LINK, true, WITH_FROM},
    {"up", SIM_AT_LINK_UP, OF_LINK, true, WITH_FROM},
    {"blackhole", SIM_AT_LINK_BLACKHOLE, OF_LINK, true, WITH_FROM},
    {"leave", SIM_AT_LEAVE, OF_BOTH, true, WITH_SILENTLY},
    {"join", SIM_AT_JOIN, OF_BOTH, true, 0},
    {"addresses", SIM_AT_ADDRESSES, OF_BOTH, false, 0},
    {"start", SIM_AT_HOST_START, OF_HOST, true, 0},
    {"stop", SIM_AT_HOST_STOP, OF_HOST, true, 0},
    {"crash", SIM_AT_HOST_CRASH, OF_HOST, true, WITH_START | WITH_UNSYNCED},
    {"restart", SIM_AT_HOST_RESTART, OF_HOST, true, 0},
    {"clock", SIM_AT_HOST_CLOCK, OF_HOST, false, 0},
    {"reboot", SIM_AT_REBOOT, OF_HOST, false, 0},
    {"crash_at_write", SIM_AT_CRASH_AT_WRITE, OF_HOST, false, WITH_START | WITH_UNSYNCED},
    {"crash_before_write", SIM_AT_CRASH_BEFORE_WRITE, OF_HOST, false, WITH_START},
    {"corrupt_state", SIM_AT_CORRUPT_STATE, OF_HOST, false, 0},
    {"truncate_state", SIM_AT_TRUNCATE_STATE, OF_HOST, false, 0},
    {"erase_state", SIM_AT_ERASE_STATE, OF_HOST, false, 0},
    {"clock_drift", SIM_AT_CLOCK_DRIFT, OF_HOST, false, 0},
    {"suspend", SIM_AT_SUSPEND, OF_HOST, false, 0},
    {"stall", SIM_AT_STALL, OF_HOST, false, 0},
    {"hold_buffers", SIM_AT_HOLD_BUFFERS, OF_HOST, false, 0},
    {"memory", SIM_AT_MEMORY, OF_HOST, false, 0},
    {"fail_allocation", SIM_AT_FAIL_ALLOCATION, OF_HOST, false, 0},
    {"fail_allocations", SIM_AT_FAIL_ALLOCATIONS, OF_HOST, false, WITH_FOR},
    {"fail_stores", SIM_AT_FAIL_STORES, OF_HOST, true, WITH_FOR},
    {"refuse_sockets", SIM_AT_REFUSE_SOCKETS, OF_HOST, true, WITH_FOR},
    {"refuse_tun", SIM_AT_REFUSE_TUN, OF_HOST, true, WITH_FOR},
    {"roam", SIM_AT_ROAM, OF_HOST, false, WITH_SILENTLY},
    {"resolve", SIM_AT_RESOLVE, OF_HOST, false, 0},
    {"partition", SIM_AT_PARTITION, OF_NETWORK, false, 0},
};
#define WHATS (sizeof(whats) / sizeof(whats[0]))

static const struct {
    const char *key;
    enum beside beside;
} besides[] = {{"for", WITH_FOR}, {"start_after", WITH_START}, {"lose_unsynced", WITH_UNSYNCED},
    {"silently", WITH_SILENTLY}, {"from", WITH_FROM}};

void sim_scenario_at_fini(struct sim_scenario_at *at)
{
    sim_release(at->partition.between);
    sim_release(at->partition.and);
}

static void list_hosts(
    struct sim_parse *p, const struct qe_toml_value *table, const char *key, size_t **out, size_t *count)
{
    const struct qe_toml_value *list = sim_reader_get(&p->reader, table, key, QE_TOML_ARRAY);
    if (!list) return;
    if (qe_toml_size(list) == 0 || qe_toml_size(list) > p->scenario->host_count) {
        sim_reader_fail(&p->reader, list, "'%s' has %zu hosts; expected 1 to %zu", key, qe_toml_size(list),
            p->scenario->host_count);
        return;
    }
    *out = sim_obtain(qe_toml_size(list), sizeof(**out));
    for (size_t i = 0; i < qe_toml_size(list) && !p->reader.failed; i++)
        (*out)[(*count)++] = sim_parse_host(p, qe_toml_at(list, i), key);
}

static void parse_partition(struct sim_parse *p, struct sim_scenario_at *at, const struct qe_toml_value *table)
{
    struct sim_scenario_partition *partition = &at->partition;
    sim_reader_table(&p->reader, table, "'partition'", sim_partition_keys, partition);
    if (p->reader.failed) return;
    list_hosts(p, table, "between", &partition->between, &partition->between_count);
    if (!p->reader.failed) list_hosts(p, table, "and", &partition->and, &partition->and_count);
    if (!p->reader.failed && !partition->between_count && (!partition->heal || partition->and_count))
        sim_reader_fail(&p->reader, table, "'partition' has no 'between'; expected a list of hosts");
}

// The link under `key` of the table, which has the host as a port.
static size_t parse_link_of(struct sim_parse *p, const struct qe_toml_value *table, const char *key, size_t host)
{
    const struct qe_toml_value *value = sim_reader_need(&p->reader, table, "'roam'", key, QE_TOML_STRING);
    if (!value) return SIM_NONE;
    size_t link = sim_parse_link(p, value);
    if (p->reader.failed) return SIM_NONE;
    if (sim_scenario_port(&p->scenario->links[link], host) == SIM_NONE)
        sim_reader_fail(&p->reader, value, "'%s' is \"%s\"; expected a link of \"%s\"", key,
            p->scenario->links[link].name, p->scenario->hosts[host].name);
    return link;
}

static void parse_roam(struct sim_parse *p, struct sim_scenario_at *at, const struct qe_toml_value *table)
{
    sim_reader_table(&p->reader, table, "'roam'", sim_roam_keys, NULL);
    if (!p->reader.failed) at->link = parse_link_of(p, table, "from", at->host);
    if (!p->reader.failed) at->to_link = parse_link_of(p, table, "to", at->host);
}

static void parse_addresses(struct sim_parse *p, struct sim_scenario_at *at, const struct qe_toml_value *list)
{
    at->change = list;
    if (qe_toml_kind(list) != QE_TOML_ARRAY || qe_toml_size(list) > SIM_AT_ADDRESSES_MAX) {
        sim_reader_fail(&p->reader, list, "'addresses' is no list of at most %d addresses", SIM_AT_ADDRESSES_MAX);
        return;
    }
    for (size_t i = 0; i < qe_toml_size(list) && !p->reader.failed; i++) {
        struct qe_cidr cidr;
        const char *text = sim_reader_text(&p->reader, qe_toml_at(list, i), "addresses");
        if (!p->reader.failed && !qe_cidr_parse(text, &cidr))
            sim_reader_fail(&p->reader, qe_toml_at(list, i),
                "\"%s\" is no address; expected one with its prefix, such as \"192.0.2.1/24\"", text);
    }
}

static void parse_drift(struct sim_parse *p, struct sim_scenario_at *at, const struct qe_toml_value *value)
{
    const char *text = sim_reader_text(&p->reader, value, "clock_drift");
    if (!p->reader.failed && !sim_ppm_parse(text, &at->drift_ppm))
        sim_reader_fail(&p->reader, value,
            "'clock_drift' is \"%s\"; expected \"50ppm\" or \"-50ppm\", at most 100000 either way", text);
}

// true, or how long it takes.
static void parse_reboot(struct sim_parse *p, struct sim_scenario_at *at, const struct qe_toml_value *value)
{
    if (qe_toml_kind(value) == QE_TOML_STRING)
        at->duration_ns = sim_reader_duration(&p->reader, value, "reboot");
    else if (qe_toml_kind(value) != QE_TOML_BOOLEAN || !qe_toml_boolean(value))
        sim_reader_fail(&p->reader, value, "'reboot' must be true or a duration");
}

// A router can be rebooted where it has something to forget; everything else is about nodes.
static void check_node(struct sim_parse *p, const struct sim_scenario_at *at, const struct qe_toml_value *table)
{
    const struct sim_scenario_host *host = &p->scenario->hosts[at->host];
    const struct qe_toml_value *reboot = qe_toml_get(table, "reboot");
    if (reboot && !(host->router && host->middlebox))
        sim_reader_fail(&p->reader, reboot, "'reboot' is for a router with a NAT or a firewall");
    else if (!reboot && !host->node)
        sim_reader_fail(
            &p->reader, qe_toml_get(table, "host"), "\"%s\" has no node; expected a host with a node", host->name);
}

static void parse_state_key(
    struct sim_parse *p, struct sim_scenario_at *at, const char *key, const struct qe_toml_value *value)
{
    const char *text = sim_reader_text(&p->reader, value, key);
    const char *star = strchr(text, '*');
    at->state_key = text;
    if (!p->reader.failed && (!text[0] || (star && star[1])))
        sim_reader_fail(
            &p->reader, value, "'%s' is \"%s\"; expected a key, or its beginning and *, such as \"peer/*\"", key, text);
}

static void parse_name(struct sim_parse *p, struct sim_scenario_at *at, const struct qe_toml_value *value)
{
    const char *text = at->state_key = sim_reader_text(&p->reader, value, "resolve");
    if (!p->reader.failed && (!text[0] || strlen(text) > 200))
        sim_reader_fail(&p->reader, value, "'resolve' is \"%.20s\"; expected a name or an IPv4 address", text);
}

// What the key's value is, beyond what its table of keys has read.
static void parse_value(
    struct sim_parse *p, struct sim_scenario_at *at, const char *key, const struct qe_toml_value *value)
{
    switch (at->kind) {
    case SIM_AT_HOST_CLOCK:
        sim_parse_clock(p, value, "clock", &at->clock_ms);
        break;
    case SIM_AT_REBOOT:
        parse_reboot(p, at, value);
        break;
    case SIM_AT_CLOCK_DRIFT:
        parse_drift(p, at, value);
        break;
    case SIM_AT_CORRUPT_STATE:
    case SIM_AT_TRUNCATE_STATE:
    case SIM_AT_ERASE_STATE:
        parse_state_key(p, at, key, value);
        break;
    case SIM_AT_RESOLVE:
        parse_name(p, at, value);
        break;
    case SIM_AT_FAIL_ALLOCATION:
    case SIM_AT_CRASH_AT_WRITE:
    case SIM_AT_CRASH_BEFORE_WRITE:
        if (at->number == 0) sim_reader_fail(&p->reader, value, "'%s' is 0; expected 1 or more", key);
        break;
    case SIM_AT_ADDRESSES:
        parse_addresses(p, at, value);
        break;
    case SIM_AT_ROAM:
        parse_roam(p, at, value);
        break;
    case SIM_AT_PARTITION:
        parse_partition(p, at, value);
        break;
    default:
        break;
    }
}

// Settings of a link, as one thing that happens.
static void parse_change(struct sim_parse *p, struct sim_scenario_at *at, const struct qe_toml_value *table,
    const char *where, size_t *count)
{
    struct sim_pipe_settings scratch = {0};
    if (!sim_parse_has_settings(table)) return;
    at->kind = SIM_AT_LINK_CHANGE;
    at->change = table;
    (*count)++;
    if (at->link == SIM_NONE)
        sim_reader_fail(&p->reader, table, "%s changes a link's settings, but names no link", where);
    sim_parse_settings(&p->reader, table, &scratch);
}

static const char *subject_name(unsigned subject)
{
    static const char *const names[] = {"the network", "a link", "a host", "a host on a link"};
    return names[subject];
}

static const char *expected_of(unsigned subject)
{
    switch (subject) {
    case OF_LINK:
        return "down, up, blackhole, or new settings";
    case OF_HOST:
        return "start, stop, crash, restart, clock, or another fault of a host (docs/scenarios.md)";
    case OF_BOTH:
        return "leave, join or addresses";
    default:
        return "partition";
    }
}

static void check_besides(struct sim_parse *p, const struct qe_toml_value *table, unsigned subject, size_t what)
{
    for (size_t i = 0; i < sizeof(besides) / sizeof(besides[0]) && !p->reader.failed; i++) {
        const struct qe_toml_value *value = qe_toml_get(table, besides[i].key);
        unsigned allowed = what < WHATS ? whats[what].beside : WITH_FROM;
        if (!value || allowed & besides[i].beside) continue;
        if (subject == OF_HOST && besides[i].beside == WITH_FROM)
            sim_reader_fail(&p->reader, value, "'from' is not for a host");
        else
            sim_reader_fail(&p->reader, value, "'%s' does not go with '%s'", besides[i].key,
                what < WHATS ? whats[what].key : "new settings");
    }
}

// Exactly one of the keys, or settings of a link.
static void parse_what(
    struct sim_parse *p, struct sim_scenario_at *at, const struct qe_toml_value *table, const char *where)
{
    unsigned subject = (at->link != SIM_NONE ? OF_LINK : 0u) | (at->host != SIM_NONE ? OF_HOST : 0u);
    size_t count = 0, what = WHATS;
    for (size_t i = 0; i < WHATS && !p->reader.failed; i++) {
        const struct qe_toml_value *value = qe_toml_get(table, whats[i].key);
        if (!value) continue;
        if (whats[i].subject != subject) {
            sim_reader_fail(&p->reader, value, "'%s' is not for %s", whats[i].key, subject_name(subject));
            return;
        }
        count++;
        what = i;
        at->kind = whats[i].kind;
        if (whats[i].is_true && (qe_toml_kind(value) != QE_TOML_BOOLEAN || !qe_toml_boolean(value)))
            sim_reader_fail(&p->reader, value, "'%s' must be true", whats[i].key);
        else
            parse_value(p, at, whats[i].key, value);
    }
    if (!p->reader.failed) parse_change(p, at, table, where, &count);
    if (!p->reader.failed && count != 1)
        sim_reader_fail(&p->reader, table, "%s says %zu things; expected one: %s", where, count, expected_of(subject));
    if (!p->reader.failed) check_besides(p, table, subject, what);
}

static void check_member(struct sim_parse *p, const struct sim_scenario_at *at, const struct qe_toml_value *host)
{
    const struct sim_scenario *s = p->scenario;
    if (sim_scenario_port(&s->links[at->link], at->host) == SIM_NONE)
        sim_reader_fail(&p->reader, host, "'host' is \"%s\"; expected a host of link \"%s\"", s->hosts[at->host].name,
            s->links[at->link].name);
}

bool sim_parse_has_what(const struct qe_toml_value *table)
{
    for (size_t i = 0; i < WHATS; i++)
        if (qe_toml_get(table, whats[i].key)) return true;
    return sim_parse_has_settings(table);
}

void sim_parse_what(
    struct sim_parse *p, struct sim_scenario_at *at, const struct qe_toml_value *table, const char *where)
{
    const struct qe_toml_value *link = qe_toml_get(table, "link"), *host = qe_toml_get(table, "host");
    bool of_network = qe_toml_get(table, "partition") != NULL;
    bool of_both = qe_toml_get(table, "leave") || qe_toml_get(table, "join") || qe_toml_get(table, "addresses");
    if (of_both && (!link || !host)) {
        sim_reader_fail(&p->reader, table, "%s must have both 'link' and 'host'", where);
    } else if (!of_both && !of_network && !link == !host) {
        sim_reader_fail(&p->reader, table, "%s must have either 'link' or 'host'", where);
    }
    if (link && !p->reader.failed) at->link = sim_parse_link(p, link);
    if (host && !p->reader.failed) at->host = sim_parse_host(p, host, "host");
    if (p->reader.failed) return;
    if (host) check_node(p, at, table);
    if (!p->reader.failed && of_both) check_member(p, at, host);
    if (!p->reader.failed) parse_what(p, at, table, where);
    if (!p->reader.failed && at->host == SIM_NONE && link) at->port = sim_parse_direction(p, table, at->link);
}

static int compare_ats(const void *a, const void *b)
{
    const struct sim_scenario_at *x = a, *y = b;
    if (x->time_ns != y->time_ns) return x->time_ns < y->time_ns ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

// Whether that is over at a time: what holds to the end of the run is part of the network, and no fault that stops.
static bool over_by(const struct sim_scenario_at *at, uint64_t time_ns)
{
    uint64_t left = at->time_ns < time_ns ? time_ns - at->time_ns : 0;
    uint64_t after = at->start_after_ns == UINT64_MAX ? 0 : at->start_after_ns;
    if (time_ns == UINT64_MAX) return true;
    return at->time_ns <= time_ns && at->duration_ns <= left && after <= left &&
           (at->for_ns == UINT64_MAX || at->for_ns <= left);
}

void sim_parse_ats(struct sim_parse *p, const struct qe_toml_value *root)
{
    struct sim_scenario *s = p->scenario;
    const struct qe_toml_value *list = sim_parse_array(p, root, "at", SIM_ATS_MAX);
    if (!list) return;
    s->ats = sim_obtain(qe_toml_size(list), sizeof(*s->ats));
    for (size_t i = 0; i < qe_toml_size(list) && !p->reader.failed; i++) {
        const struct qe_toml_value *table = qe_toml_at(list, i);
        struct sim_scenario_at *at = &s->ats[s->at_count++];
        *at = SIM_AT_NOTHING;
        at->line = qe_toml_line(table);
        at->place = i;
        sim_reader_table(&p->reader, table, "[[at]]", sim_at_keys, at);
        if (p->reader.failed) break;
        if (at->time_ns == UINT64_MAX)
            sim_reader_fail(&p->reader, table, "[[at]] has no 'time'; expected one such as \"10s\"");
        if (!p->reader.failed) sim_parse_what(p, at, table, "[[at]]");
        if (!p->reader.failed && at->time_ns > s->duration_ns)
            sim_reader_fail(&p->reader, table, "'time' is beyond the scenario's duration");
        if (!p->reader.failed && !over_by(at, s->calm_ns))
            sim_reader_fail(&p->reader, table, "it is not over when 'calm' begins; expected everything before");
    }
    qsort(s->ats, s->at_count, sizeof(*s->ats), compare_ats);
}
