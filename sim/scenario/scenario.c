// A scenario file from text to struct: the frame of it, and hosts.
#include "scenario/scenario.h"

#include "engine/memory.h"
#include "scenario/axes.h"
#include "scenario/swarm.h"
#include "scenario/units.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

// 2026-01-01T00:00:00Z
#define WALL_DEFAULT_MS     UINT64_C(1767225600000)
#define RECOVERS_DEFAULT_NS UINT64_C(30000000000)

static const struct sim_key root_keys[] = {{"scenario", SIM_KEY_OTHER, 0}, {"host", SIM_KEY_OTHER, 0},
    {"link", SIM_KEY_OTHER, 0}, {"dns", SIM_KEY_OTHER, 0}, {"at", SIM_KEY_OTHER, 0}, {"trigger", SIM_KEY_OTHER, 0},
    {"faults", SIM_KEY_OTHER, 0}, {"flow", SIM_KEY_OTHER, 0}, {"expect", SIM_KEY_OTHER, 0}, {0}};

static const struct sim_key scenario_keys[] = {{"name", SIM_KEY_NAME, offsetof(struct sim_scenario, name)},
    {"description", SIM_KEY_TEXT, offsetof(struct sim_scenario, description)},
    {"duration", SIM_KEY_DURATION, offsetof(struct sim_scenario, duration_ns)},
    {"wall_clock_ms", SIM_KEY_NUMBER, offsetof(struct sim_scenario, wall_ms)},
    {"seed", SIM_KEY_NUMBER, offsetof(struct sim_scenario, seed)},
    {"calm", SIM_KEY_DURATION, offsetof(struct sim_scenario, calm_ns)},
    {"recovers", SIM_KEY_DURATION, offsetof(struct sim_scenario, recovers_ns)}, {0}};

// A host's table, before its names are resolved.
static const struct sim_key host_keys[] = {{"name", SIM_KEY_NAME, offsetof(struct sim_scenario_host, name)},
    {"router", SIM_KEY_FLAG, offsetof(struct sim_scenario_host, router)},
    {"node", SIM_KEY_FLAG, offsetof(struct sim_scenario_host, node)}, {"nat", SIM_KEY_OTHER, 0},
    {"firewall", SIM_KEY_OTHER, 0}, {"peers", SIM_KEY_OTHER, 0}, {"allow", SIM_KEY_OTHER, 0},
    {"routes", SIM_KEY_OTHER, 0}, {"config", SIM_KEY_OTHER, 0}, {"start", SIM_KEY_OTHER, 0},
    {"clock_offset", SIM_KEY_OTHER, 0}, {"memory", SIM_KEY_SIZE, offsetof(struct sim_scenario_host, memory_max)},
    {"respawn", SIM_KEY_DURATION, offsetof(struct sim_scenario_host, respawn_ns)},
    {"dns", SIM_KEY_FLAG, offsetof(struct sim_scenario_host, dns)},
    {"member_of", SIM_KEY_NAME, offsetof(struct sim_scenario_host, member_of)}, {0}};

static const struct sim_key route_keys[] = {{"to", SIM_KEY_OTHER, 0}, {"via", SIM_KEY_OTHER, 0}, {0}};

const struct sim_key *sim_scenario_keys(size_t place, const char **where)
{
    static const struct {
        const char *where;
        const struct sim_key *keys;
    } all[] = {{"the file", root_keys}, {"[scenario]", scenario_keys}, {"[[host]]", host_keys}, {"a route", route_keys},
        {"[host.nat]", sim_nat_keys}, {"a forward", sim_forward_keys}, {"[host.nat.portmap]", sim_portmap_keys},
        {"[host.firewall]", sim_firewall_keys}, {"[[link]]", sim_link_keys}, {"'loss'", sim_gilbert_keys},
        {"'loss_bursts'", sim_bursts_keys}, {"'late'", sim_late_keys}, {"'codel'", sim_codel_keys},
        {"[[at]]", sim_at_keys}, {"a partition", sim_partition_keys}, {"roam", sim_roam_keys},
        {"[[trigger]]", sim_trigger_keys}, {"'on'", sim_on_keys}, {"[faults]", sim_faults_keys},
        {"[[flow]]", sim_flow_keys}, {"[[expect]]", sim_expect_keys}, {"[[sweep]]", sim_axis_keys},
        {"'latin'", sim_latin_keys}, {"[swarm]", sim_swarm_keys}};
    if (place >= sizeof(all) / sizeof(all[0])) return NULL;
    *where = all[place].where;
    return all[place].keys;
}

const struct qe_toml_value *sim_parse_array(
    struct sim_parse *p, const struct qe_toml_value *root, const char *key, size_t max)
{
    const struct qe_toml_value *array = sim_reader_get(&p->reader, root, key, QE_TOML_ARRAY);
    if (!array) return NULL;
    if (qe_toml_size(array) > max)
        sim_reader_fail(&p->reader, array, "%zu of [[%s]]; expected at most %zu", qe_toml_size(array), key, max);
    return p->reader.failed ? NULL : array;
}

static size_t find_host(const struct sim_scenario *s, const char *name, size_t length)
{
    for (size_t i = 0; i < s->host_count; i++)
        if (strlen(s->hosts[i].name) == length && memcmp(s->hosts[i].name, name, length) == 0) return i;
    return SIM_NONE;
}

size_t sim_parse_host(struct sim_parse *p, const struct qe_toml_value *value, const char *what)
{
    const char *name = sim_reader_text(&p->reader, value, what);
    size_t host = find_host(p->scenario, name, strlen(name));
    if (host == SIM_NONE) sim_reader_fail(&p->reader, value, "'%s' is \"%s\"; expected a host's name", what, name);
    return host;
}

bool sim_parse_clock(struct sim_parse *p, const struct qe_toml_value *value, const char *what, int64_t *out)
{
    const char *text = sim_reader_text(&p->reader, value, what);
    bool negative = text[0] == '-';
    uint64_t ns;
    if (p->reader.failed) return false;
    if (!sim_duration_parse(text + negative, &ns) || ns % 1000000) {
        sim_reader_fail(
            &p->reader, value, "'%s' is \"%s\"; expected whole milliseconds such as \"1h\" or \"-90s\"", what, text);
        return false;
    }
    *out = negative ? -(int64_t)(ns / 1000000) : (int64_t)(ns / 1000000);
    return true;
}

// "b" or "b@address:port".
static void parse_peer(
    struct sim_parse *p, struct sim_scenario_host *host, const struct qe_toml_value *value, bool dial)
{
    const char *what = dial ? "peers" : "allow";
    const char *text = sim_reader_text(&p->reader, value, what);
    size_t length = strcspn(text, "@");
    struct sim_scenario_peer peer = {
        .host = find_host(p->scenario, text, length), .dial = dial, .line = qe_toml_line(value)};
    if (p->reader.failed) return;
    if (peer.host == SIM_NONE || (!dial && text[length]) || !p->scenario->hosts[peer.host].node ||
        &p->scenario->hosts[peer.host] == host ||
        (text[length] && (!qe_addr_parse(text + length + 1, &peer.addr) || !peer.addr.port))) {
        sim_reader_fail(&p->reader, value, "'%s' has \"%s\"; expected another host with a node%s", what, text,
            dial ? ", as \"name\" or \"name@address:port\"" : "");
        return;
    }
    for (size_t i = 0; i < host->peer_count; i++)
        if (host->peers[i].host == peer.host)
            sim_reader_fail(
                &p->reader, value, "'%s' has \"%s\", which is there already; expected each once", what, text);
    host->peers = sim_resize(host->peers, host->peer_count + 1, sizeof(peer));
    host->peers[host->peer_count++] = peer;
}

static void parse_peers(
    struct sim_parse *p, struct sim_scenario_host *host, const struct qe_toml_value *table, const char *key, bool dial)
{
    const struct qe_toml_value *list = sim_reader_get(&p->reader, table, key, QE_TOML_ARRAY);
    for (size_t i = 0; list && i < qe_toml_size(list) && !p->reader.failed; i++)
        parse_peer(p, host, qe_toml_at(list, i), dial);
}

static void parse_routes(struct sim_parse *p, struct sim_scenario_host *host, const struct qe_toml_value *table)
{
    const struct qe_toml_value *list = sim_reader_get(&p->reader, table, "routes", QE_TOML_ARRAY);
    for (size_t i = 0; list && i < qe_toml_size(list) && !p->reader.failed; i++) {
        const struct qe_toml_value *entry = qe_toml_at(list, i);
        struct sim_scenario_route route;
        sim_reader_table(&p->reader, entry, "a route", route_keys, &route);
        if (p->reader.failed) return;
        const struct qe_toml_value *to = sim_reader_need(&p->reader, entry, "a route", "to", QE_TOML_STRING);
        const struct qe_toml_value *via = sim_reader_need(&p->reader, entry, "a route", "via", QE_TOML_STRING);
        if (!to || !via) return;
        if (!qe_cidr_parse(sim_reader_text(&p->reader, to, "to"), &route.to))
            sim_reader_fail(&p->reader, to, "'to' is no prefix; expected one such as \"10.2.0.0/16\"");
        else if (!qe_ip_parse(sim_reader_text(&p->reader, via, "via"), &route.via) ||
                 route.via.family != route.to.ip.family)
            sim_reader_fail(&p->reader, via, "'via' is no address of the family of 'to'");
        host->routes = sim_resize(host->routes, host->route_count + 1, sizeof(route));
        host->routes[host->route_count++] = route;
    }
}

static void parse_start(struct sim_parse *p, struct sim_scenario_host *host, const struct qe_toml_value *table)
{
    const struct qe_toml_value *start = qe_toml_get(table, "start");
    if (!start) return;
    host->starts = strcmp(sim_reader_text(&p->reader, start, "start"), "never") != 0;
    if (host->starts && !p->reader.failed) host->start_ns = sim_reader_duration(&p->reader, start, "start");
}

static void parse_hosts(struct sim_parse *p, const struct qe_toml_value *root)
{
    struct sim_scenario *s = p->scenario;
    const struct qe_toml_value *list = sim_parse_array(p, root, "host", SIM_HOSTS_MAX);
    if (!list || qe_toml_size(list) == 0) {
        sim_reader_fail(&p->reader, root, "no [[host]]; expected at least one");
        return;
    }
    s->hosts = sim_obtain(qe_toml_size(list), sizeof(*s->hosts));
    for (size_t i = 0; i < qe_toml_size(list) && !p->reader.failed; i++) {
        const struct qe_toml_value *table = qe_toml_at(list, i);
        struct sim_scenario_host *host = &s->hosts[i];
        host->starts = host->node = host->dns = true;
        host->respawn_ns = UINT64_MAX;
        host->line = qe_toml_line(table);
        sim_reader_table(&p->reader, table, "[[host]]", host_keys, host);
        if (!p->reader.failed && !host->name)
            sim_reader_fail(&p->reader, table, "[[host]] has no 'name'; expected one");
        if (p->reader.failed) break;
        // A router runs a node only where the file says so.
        if (host->router && !qe_toml_get(table, "node")) host->node = false;
        if (find_host(s, host->name, strlen(host->name)) != SIM_NONE)
            sim_reader_fail(&p->reader, table, "there is a host \"%s\" already; expected another name", host->name);
        s->host_count++;
    }
    if (p->reader.failed) {
        // The one that failed may have a name to free.
        s->host_count = qe_toml_size(list);
        return;
    }
    for (size_t i = 0; i < s->host_count && !p->reader.failed; i++) {
        const struct qe_toml_value *table = qe_toml_at(list, i);
        struct sim_scenario_host *host = &s->hosts[i];
        host->config = sim_reader_get(&p->reader, table, "config", QE_TOML_TABLE);
        parse_peers(p, host, table, "peers", true);
        parse_peers(p, host, table, "allow", false);
        parse_routes(p, host, table);
        parse_start(p, host, table);
        const struct qe_toml_value *offset = qe_toml_get(table, "clock_offset");
        if (offset) sim_parse_clock(p, offset, "clock_offset", &host->wall_offset_ms);
        if (!host->node && (host->config || host->peer_count || offset || qe_toml_get(table, "start")))
            sim_reader_fail(&p->reader, table, "%s \"%s\" has keys of a node; expected only those of the network",
                host->router ? "router" : "host", host->name);
    }
}

static void check_calm(struct sim_parse *p, const struct qe_toml_value *table)
{
    const struct sim_scenario *s = p->scenario;
    const struct qe_toml_value *calm = qe_toml_get(table, "calm"), *recovers = qe_toml_get(table, "recovers");
    if (!calm && recovers) sim_reader_fail(&p->reader, recovers, "'recovers' without 'calm'; expected both");
    if (!calm) return;
    if (s->calm_ns > s->duration_ns || s->recovers_ns > s->duration_ns - s->calm_ns)
        sim_reader_fail(
            &p->reader, calm, "'calm' and 'recovers' are longer than the duration; expected at most as long");
}

static void end_by(uint64_t *before_ns, uint64_t time_ns)
{
    if (*before_ns > time_ns) *before_ns = time_ns;
}

// What goes wrong by chance, or when something passes, stops with the rest.
static void calm_down(struct sim_scenario *s)
{
    for (size_t i = 0; i < s->trigger_count; i++)
        end_by(&s->triggers[i].before_ns, s->calm_ns);
    end_by(&s->faults.before_ns, s->calm_ns);
}

static void parse(struct sim_parse *p, const struct qe_toml_value *root)
{
    struct sim_scenario *s = p->scenario;
    sim_reader_table(&p->reader, root, "the file", root_keys, s);
    const struct qe_toml_value *table = sim_reader_need(&p->reader, root, "the file", "scenario", QE_TOML_TABLE);
    if (p->reader.failed) return;
    sim_reader_table(&p->reader, table, "[scenario]", scenario_keys, s);
    if (!p->reader.failed && !s->name) sim_reader_fail(&p->reader, table, "[scenario] has no 'name'; expected one");
    if (!p->reader.failed && !s->duration_ns)
        sim_reader_fail(&p->reader, table, "[scenario] has no 'duration'; expected one such as \"30s\"");
    if (!p->reader.failed) check_calm(p, table);
    if (!p->reader.failed) parse_hosts(p, root);
    if (!p->reader.failed) sim_parse_links(p, root);
    if (!p->reader.failed) sim_parse_dns(p, root);
    if (!p->reader.failed) sim_parse_middleboxes(p, root);
    if (!p->reader.failed) sim_parse_flows(p, root);
    if (!p->reader.failed) sim_parse_ats(p, root);
    if (!p->reader.failed) sim_parse_triggers(p, root);
    if (!p->reader.failed) sim_parse_faults(p, root);
    if (!p->reader.failed) sim_parse_expects(p, root);
    if (!p->reader.failed) calm_down(s);
}

struct sim_scenario *sim_scenario_read(const char *file, struct qe_toml *toml, char error[SIM_ERROR_SIZE])
{
    struct sim_scenario *s = sim_obtain(1, sizeof(*s));
    struct sim_parse p = {.reader = {.file = file, .rates = &s->rates}, .scenario = s};
    s->file = sim_copy_text(file);
    s->wall_ms = WALL_DEFAULT_MS;
    s->calm_ns = UINT64_MAX;
    s->recovers_ns = RECOVERS_DEFAULT_NS;
    s->seed = 1;
    s->toml = toml;
    parse(&p, qe_toml_root(toml));
    if (!p.reader.failed) return s;
    memcpy(error, p.reader.error, SIM_ERROR_SIZE);
    sim_scenario_free(s);
    return NULL;
}

struct qe_toml *sim_scenario_syntax(const char *file, const char *text, size_t size, char error[SIM_ERROR_SIZE])
{
    char why[256];
    unsigned line = 0;
    struct qe_toml *toml = qe_toml_parse(text, size, why, sizeof(why), &line);
    if (!toml) snprintf(error, SIM_ERROR_SIZE, "%s:%u: %s", file, line, qe_toml_error_text(why, line));
    return toml;
}

struct sim_scenario *sim_scenario_parse(const char *file, const char *text, size_t size, char error[SIM_ERROR_SIZE])
{
    struct qe_toml *toml = sim_scenario_syntax(file, text, size, error);
    return toml ? sim_scenario_read(file, toml, error) : NULL;
}

struct sim_scenario *sim_scenario_share(struct sim_scenario *scenario)
{
    scenario->shares++;
    return scenario;
}

void sim_scenario_free(struct sim_scenario *s)
{
    if (!s || s->shares-- > 0) return;
    for (size_t i = 0; i < s->host_count; i++) {
        sim_release(s->hosts[i].name);
        sim_release(s->hosts[i].member_of);
        sim_release(s->hosts[i].peers);
        sim_release(s->hosts[i].routes);
        sim_middlebox_settings_free(s->hosts[i].middlebox);
    }
    for (size_t i = 0; i < s->link_count; i++) {
        sim_release(s->links[i].name);
        sim_release(s->links[i].hosts);
        sim_release(s->links[i].settings);
        sim_release(s->links[i].addresses);
        sim_release(s->links[i].absent);
    }
    for (size_t i = 0; i < s->name_count; i++)
        sim_release(s->names[i].name);
    sim_release(s->names);
    for (size_t i = 0; i < s->at_count; i++)
        sim_scenario_at_fini(&s->ats[i]);
    for (size_t i = 0; i < s->trigger_count; i++) {
        sim_release(s->triggers[i].name);
        sim_scenario_at_fini(&s->triggers[i].at);
    }
    sim_release(s->triggers);
    sim_release(s->faults.hosts);
    for (size_t i = 0; i < s->flow_count; i++) {
        sim_release(s->flows[i].name);
        sim_release(s->flows[i].file);
    }
    for (size_t i = 0; i < s->expect_count; i++)
        sim_release(s->expects[i].text);
    for (size_t i = 0; i < s->parameter_count; i++) {
        sim_release(s->parameters[i].name);
        sim_release(s->parameters[i].value);
    }
    sim_release(s->parameters);
    sim_release(s->hosts);
    sim_release(s->links);
    sim_rates_fini(&s->rates);
    sim_release(s->ats);
    sim_release(s->flows);
    sim_release(s->expects);
    sim_release(s->file);
    sim_release(s->name);
    sim_release(s->description);
    qe_toml_free(s->toml);
    sim_release(s);
}
