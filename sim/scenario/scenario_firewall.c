// [host.firewall].
#include "scenario/scenario_middlebox.h"

#include "engine/memory.h"

#include <string.h>

#define STATES_DEFAULT 65536
#define STATES_MAX     (1 << 20)
#define PORTS_MAX      1024
#define SECONDS(n)     ((n)*UINT64_C(1000000000))

#define FIREWALL(field) offsetof(struct sim_firewall_settings, field)

const struct sim_key sim_firewall_keys[] = {{"kind", SIM_KEY_OTHER, 0}, {"outside", SIM_KEY_OTHER, 0},
    {"udp", SIM_KEY_OTHER, 0}, {"outbound", SIM_KEY_OTHER, 0}, {"outbound_ports", SIM_KEY_OTHER, 0},
    {"inbound", SIM_KEY_OTHER, 0}, {"inbound_ports", SIM_KEY_OTHER, 0}, {"filtering", SIM_KEY_OTHER, 0},
    {"refresh", SIM_KEY_OTHER, 0}, {"timeout", SIM_KEY_DURATION, FIREWALL(timeout_ns)},
    {"unanswered_timeout", SIM_KEY_DURATION, FIREWALL(unanswered_ns)}, {"table", SIM_KEY_OTHER, 0}, {0}};

static const char *const inbound_words[] = {"answers", "allow", "block", NULL};
static const char *const outbound_words[] = {"allow", "block", NULL};
static const char *const kind_words[] = {"stateful", "udp-blocked", "only-443", NULL};

enum kind {
    KIND_STATEFUL,
    KIND_UDP_BLOCKED,
    KIND_ONLY_443,
};

static void parse_ports(
    struct sim_reader *r, const struct qe_toml_value *table, const char *key, uint16_t **ports, size_t *count)
{
    const struct qe_toml_value *list = sim_reader_get(r, table, key, QE_TOML_ARRAY);
    if (!list || r->failed) return;
    if (qe_toml_size(list) > PORTS_MAX || qe_toml_size(list) == 0) {
        sim_reader_fail(r, list, "'%s' has %zu ports; expected 1 to %d", key, qe_toml_size(list), PORTS_MAX);
        return;
    }
    *ports = sim_resize(*ports, qe_toml_size(list), sizeof(**ports));
    *count = 0;
    for (size_t i = 0; i < qe_toml_size(list) && !r->failed; i++) {
        uint64_t port = sim_reader_number(r, qe_toml_at(list, i), key);
        if (!r->failed && (port < 1 || port > UINT16_MAX))
            sim_reader_fail(r, qe_toml_at(list, i), "'%s' has %llu; expected a port from 1 to 65535", key,
                (unsigned long long)port);
        (*ports)[(*count)++] = (uint16_t)port;
    }
}

void sim_parse_firewall(
    struct sim_reader *r, const struct qe_toml_value *table, struct sim_scenario_middlebox *middlebox)
{
    struct sim_firewall_settings *firewall = &middlebox->firewall;
    unsigned kind = KIND_STATEFUL, inbound = SIM_FIREWALL_ANSWERS, outbound = 0;
    unsigned filtering = SIM_ADDRESS_AND_PORT_DEPENDENT, refresh = SIM_REFRESH_BOTH;
    *firewall = (struct sim_firewall_settings){
        .timeout_ns = SECONDS(120), .unanswered_ns = SECONDS(30), .states_max = STATES_DEFAULT};
    middlebox->has_firewall = true;
    sim_reader_table(r, table, "[host.firewall]", sim_firewall_keys, firewall);
    sim_reader_word(r, table, "kind", kind_words, &kind);
    firewall->blocks_udp = kind == KIND_UDP_BLOCKED;
    const struct qe_toml_value *udp = sim_reader_get(r, table, "udp", QE_TOML_BOOLEAN);
    if (udp && !r->failed) firewall->blocks_udp = !qe_toml_boolean(udp);
    if (kind == KIND_ONLY_443) {
        firewall->outbound_ports = sim_obtain(1, sizeof(*firewall->outbound_ports));
        firewall->outbound_ports[firewall->outbound_port_count++] = 443;
    }
    sim_reader_word(r, table, "outbound", outbound_words, &outbound);
    sim_reader_word(r, table, "inbound", inbound_words, &inbound);
    sim_reader_word(r, table, "filtering", sim_dependence_words, &filtering);
    sim_reader_word(r, table, "refresh", sim_refresh_words, &refresh);
    sim_parse_integer(r, table, "table", 1, STATES_MAX, &firewall->states_max);
    parse_ports(r, table, "outbound_ports", &firewall->outbound_ports, &firewall->outbound_port_count);
    parse_ports(r, table, "inbound_ports", &firewall->inbound_ports, &firewall->inbound_port_count);
    firewall->blocks_outbound = outbound;
    firewall->inbound = (enum sim_firewall_inbound)inbound;
    firewall->filtering = (enum sim_dependence)filtering;
    firewall->refresh = (enum sim_refresh)refresh;
    if (r->failed) return;
    if (firewall->unanswered_ns > firewall->timeout_ns && !qe_toml_get(table, "unanswered_timeout"))
        firewall->unanswered_ns = firewall->timeout_ns;
    if (!firewall->timeout_ns || !firewall->unanswered_ns || firewall->unanswered_ns > firewall->timeout_ns)
        sim_reader_fail(r, table, "'timeout' or 'unanswered_timeout' is 0, or the latter is longer");
}

void sim_middlebox_settings_free(struct sim_scenario_middlebox *middlebox)
{
    if (!middlebox) return;
    sim_release(middlebox->nat.forwards);
    sim_release(middlebox->firewall.outbound_ports);
    sim_release(middlebox->firewall.inbound_ports);
    sim_release(middlebox->outside);
    sim_release(middlebox);
}

static void add_outside(
    struct sim_parse *p, size_t host, const struct qe_toml_value *value, struct sim_scenario_middlebox *middlebox)
{
    const char *name = sim_reader_text(&p->reader, value, "outside");
    for (size_t i = 0; i < p->scenario->link_count && !p->reader.failed; i++) {
        const struct sim_scenario_link *link = &p->scenario->links[i];
        bool on = false;
        for (size_t k = 0; k < link->host_count; k++)
            on |= link->hosts[k] == host;
        if (!on || strcmp(link->name, name) != 0) continue;
        middlebox->outside = sim_resize(middlebox->outside, middlebox->outside_count + 1, sizeof(i));
        middlebox->outside[middlebox->outside_count++] = i;
        return;
    }
    sim_reader_fail(
        &p->reader, value, "'outside' is \"%s\"; expected a link of host \"%s\"", name, p->scenario->hosts[host].name);
}

static void parse_outside(
    struct sim_parse *p, size_t host, const struct qe_toml_value *table, struct sim_scenario_middlebox *middlebox)
{
    const struct qe_toml_value *value = qe_toml_get(table, "outside");
    if (!value || p->reader.failed) return;
    if (qe_toml_kind(value) != QE_TOML_ARRAY) {
        add_outside(p, host, value, middlebox);
        return;
    }
    for (size_t i = 0; i < qe_toml_size(value) && !p->reader.failed; i++)
        add_outside(p, host, qe_toml_at(value, i), middlebox);
}

// A NAT's addresses are the IPv4 ones that it has outside.
static bool has_address(const struct sim_scenario *s, size_t host, const struct sim_scenario_middlebox *middlebox)
{
    for (size_t i = 0; i < middlebox->outside_count; i++) {
        const struct sim_scenario_link *link = &s->links[middlebox->outside[i]];
        for (size_t k = 0; k < link->address_count; k++)
            if (link->hosts[link->addresses[k].port] == host && link->addresses[k].cidr.ip.family == 4) return true;
    }
    return false;
}

static void parse_middlebox(struct sim_parse *p, size_t host, const struct qe_toml_value *table)
{
    struct sim_reader *r = &p->reader;
    struct sim_scenario_host *settings = &p->scenario->hosts[host];
    const struct qe_toml_value *nat = sim_reader_get(r, table, "nat", QE_TOML_TABLE);
    const struct qe_toml_value *firewall = sim_reader_get(r, table, "firewall", QE_TOML_TABLE);
    if ((!nat && !firewall) || r->failed) return;
    struct sim_scenario_middlebox *middlebox = settings->middlebox = sim_obtain(1, sizeof(*middlebox));
    if (nat && !settings->router)
        sim_reader_fail(r, nat, "\"%s\" has a NAT, but is no router; expected 'router = true'", settings->name);
    if (nat && !r->failed) sim_parse_nat(r, nat, middlebox);
    if (firewall && !r->failed) sim_parse_firewall(r, firewall, middlebox);
    if (nat) parse_outside(p, host, nat, middlebox);
    if (firewall && qe_toml_get(firewall, "outside") && (nat || !settings->router))
        sim_reader_fail(r, firewall, "'outside' is for a router's firewall without a NAT");
    if (firewall && !nat) parse_outside(p, host, firewall, middlebox);
    if (r->failed) return;
    if (settings->router && !middlebox->outside_count)
        sim_reader_fail(r, nat ? nat : firewall, "\"%s\" needs 'outside'; expected a link", settings->name);
    else if (nat && (middlebox->outside_count > 1 || !has_address(p->scenario, host, middlebox)))
        sim_reader_fail(r, nat, "'outside' of \"%s\" must be one link on which it has an IPv4 address", settings->name);
}

void sim_parse_middleboxes(struct sim_parse *p, const struct qe_toml_value *root)
{
    const struct qe_toml_value *list = qe_toml_get(root, "host");
    for (size_t i = 0; i < p->scenario->host_count && !p->reader.failed; i++)
        parse_middlebox(p, i, qe_toml_at(list, i));
}
