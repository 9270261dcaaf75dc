// [host.nat]: a kind of NAT, and what is different about this one.
#include "scenario/scenario.h"

#include "engine/memory.h"
#include "scenario/scenario_middlebox.h"
#include "scenario/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_DEFAULT 65536
#define TABLE_MAX     (1 << 20)
#define FORWARDS_MAX  1024
#define SECONDS(n)    ((n)*UINT64_C(1000000000))

#define NAT(field)     offsetof(struct sim_nat_settings, field)
#define PORTMAP(field) offsetof(struct sim_portmap_settings, field)

const struct sim_key sim_nat_keys[] = {{"kind", SIM_KEY_OTHER, 0}, {"outside", SIM_KEY_OTHER, 0},
    {"mapping", SIM_KEY_OTHER, 0}, {"filtering", SIM_KEY_OTHER, 0}, {"filter_state", SIM_KEY_OTHER, 0},
    {"allocation", SIM_KEY_OTHER, 0}, {"collision", SIM_KEY_OTHER, 0}, {"step", SIM_KEY_OTHER, 0},
    {"ports", SIM_KEY_OTHER, 0}, {"share_ports", SIM_KEY_FLAG, NAT(share_ports)}, {"block", SIM_KEY_OTHER, 0},
    {"blocks", SIM_KEY_OTHER, 0}, {"computed_blocks", SIM_KEY_FLAG, NAT(blocks_computed)},
    {"host_mappings", SIM_KEY_OTHER, 0}, {"table", SIM_KEY_OTHER, 0}, {"pooling", SIM_KEY_OTHER, 0},
    {"renumber", SIM_KEY_FLAG, NAT(renumber)}, {"hairpin", SIM_KEY_OTHER, 0}, {"refresh", SIM_KEY_OTHER, 0},
    {"timeout", SIM_KEY_DURATION, NAT(timeout_ns)}, {"unanswered_timeout", SIM_KEY_DURATION, NAT(unanswered_ns)},
    {"filter_timeout", SIM_KEY_DURATION, NAT(filter_ns)}, {"forward", SIM_KEY_OTHER, 0}, {"portmap", SIM_KEY_OTHER, 0},
    {0}};

const struct sim_key sim_forward_keys[] = {{"port", SIM_KEY_OTHER, 0}, {"to", SIM_KEY_OTHER, 0}, {0}};

const struct sim_key sim_portmap_keys[] = {{"protocols", SIM_KEY_OTHER, 0}, {"answer", SIM_KEY_OTHER, 0},
    {"lifetime_min", SIM_KEY_DURATION, PORTMAP(lifetime_min_ns)},
    {"lifetime_max", SIM_KEY_DURATION, PORTMAP(lifetime_max_ns)}, {"host_mappings", SIM_KEY_OTHER, 0}, {0}};

const char *const sim_dependence_words[] = {
    "endpoint-independent", "address-dependent", "address-and-port-dependent", NULL};
const char *const sim_refresh_words[] = {"outbound", "inbound", "both", NULL};
static const char *const allocation_words[] = {"preserve", "sequential", "random", NULL};
static const char *const collision_words[] = {"sequential", "random", "refuse", NULL};
static const char *const hairpin_words[] = {"none", "external", "internal", NULL};
static const char *const pooling_words[] = {"paired", "arbitrary", NULL};
static const char *const filter_state_words[] = {"mapping", "endpoint", NULL};
static const char *const answer_words[] = {
    "grant", "not-authorized", "network-failure", "no-resources", "silent", NULL};

#define EI  SIM_ENDPOINT_INDEPENDENT
#define AD  SIM_ADDRESS_DEPENDENT
#define APD SIM_ADDRESS_AND_PORT_DEPENDENT
// What every kind has.
#define COMMON .step = 1, .port_min = 1024, .port_max = 65535, .mappings_max = TABLE_DEFAULT
#define PRESERVES                                                                                                      \
    COMMON, .allocation = SIM_NAT_PRESERVE, .collision = SIM_NAT_SEQUENTIAL, .blocks_max = 1,                          \
            .refresh = SIM_REFRESH_BOTH

static const char *const kind_words[] = {
    "home-router", "full-cone", "restricted-cone", "port-restricted-cone", "symmetric", "linux", "cgn", NULL};
static const struct sim_nat_settings kinds[] = {
    {PRESERVES, .mapping = EI, .filtering = APD, .hairpin = SIM_NAT_HAIRPIN_EXTERNAL, .timeout_ns = SECONDS(120)},
    {PRESERVES, .mapping = EI, .filtering = EI, .hairpin = SIM_NAT_HAIRPIN_EXTERNAL, .timeout_ns = SECONDS(300)},
    {PRESERVES, .mapping = EI, .filtering = AD, .timeout_ns = SECONDS(300)},
    {PRESERVES, .mapping = EI, .filtering = APD, .timeout_ns = SECONDS(300)},
    {COMMON, .mapping = APD, .filtering = APD, .allocation = SIM_NAT_RANDOM, .collision = SIM_NAT_RANDOM,
        .blocks_max = 1, .refresh = SIM_REFRESH_BOTH, .timeout_ns = SECONDS(120)},
    // nf_conntrack_udp_timeout and nf_conntrack_udp_timeout_stream
    {COMMON, .mapping = APD, .filtering = APD, .allocation = SIM_NAT_PRESERVE, .collision = SIM_NAT_RANDOM,
        .share_ports = true, .blocks_max = 1, .refresh = SIM_REFRESH_BOTH, .timeout_ns = SECONDS(120),
        .unanswered_ns = SECONDS(30)},
    // RFC 6888 with RFC 4787's recommendations
    {COMMON, .mapping = EI, .filtering = EI, .allocation = SIM_NAT_RANDOM, .collision = SIM_NAT_RANDOM,
        .block_ports = 512, .blocks_max = 4, .hairpin = SIM_NAT_HAIRPIN_EXTERNAL, .refresh = SIM_REFRESH_OUTBOUND,
        .timeout_ns = SECONDS(300)},
};

void sim_parse_integer(
    struct sim_reader *r, const struct qe_toml_value *table, const char *key, uint64_t min, uint64_t max, uint32_t *out)
{
    const struct qe_toml_value *value = qe_toml_get(table, key);
    if (!value || r->failed) return;
    uint64_t number = sim_reader_number(r, value, key);
    if (!r->failed && (number < min || number > max))
        sim_reader_fail(r, value, "'%s' is %llu; expected %llu to %llu", key, (unsigned long long)number,
            (unsigned long long)min, (unsigned long long)max);
    if (!r->failed) *out = (uint32_t)number;
}

static bool parse_port(const char **at, uint16_t *out)
{
    char *end;
    if (**at < '1' || **at > '9') return false;
    unsigned long port = strtoul(*at, &end, 10);
    *at = end;
    *out = (uint16_t)port;
    return port <= UINT16_MAX;
}

static void parse_ports(struct sim_reader *r, const struct qe_toml_value *table, struct sim_nat_settings *nat)
{
    const struct qe_toml_value *value = qe_toml_get(table, "ports");
    if (!value || r->failed) return;
    const char *text = sim_reader_text(r, value, "ports"), *at = text;
    bool good = parse_port(&at, &nat->port_min) && *at++ == '-' && parse_port(&at, &nat->port_max) && !*at &&
                nat->port_min <= nat->port_max;
    if (!good) sim_reader_fail(r, value, "'ports' is \"%s\"; expected a range such as \"1024-65535\"", text);
}

static bool is_taken(const struct sim_nat_settings *nat, const struct sim_nat_forward *forward)
{
    for (size_t i = 0; i < nat->forward_count; i++)
        if (nat->forwards[i].port == forward->port ||
            (nat->forwards[i].to.ip == forward->to.ip && nat->forwards[i].to.port == forward->to.port))
            return true;
    return false;
}

static void parse_forward(struct sim_reader *r, const struct qe_toml_value *entry, struct sim_nat_settings *nat)
{
    uint32_t port = 0;
    struct qe_addr to = {0};
    sim_reader_table(r, entry, "a forward", sim_forward_keys, NULL);
    if (r->failed) return;
    const struct qe_toml_value *value = sim_reader_need(r, entry, "a forward", "to", QE_TOML_STRING);
    sim_reader_need(r, entry, "a forward", "port", QE_TOML_INTEGER);
    sim_parse_integer(r, entry, "port", 1, UINT16_MAX, &port);
    if (r->failed) return;
    if (!qe_addr_parse(sim_reader_text(r, value, "to"), &to) || to.ip.family != 4 || !to.port) {
        sim_reader_fail(r, value, "'to' is no IPv4 endpoint; expected one such as \"10.0.0.2:9000\"");
        return;
    }
    struct sim_nat_forward forward = {(uint16_t)port, {qe_ip4_to_u32(&to.ip), to.port}};
    if (is_taken(nat, &forward)) sim_reader_fail(r, entry, "this forward's port or target has another forward already");
    nat->forwards = sim_resize(nat->forwards, nat->forward_count + 1, sizeof(forward));
    nat->forwards[nat->forward_count++] = forward;
}

static void parse_forwards(struct sim_reader *r, const struct qe_toml_value *table, struct sim_nat_settings *nat)
{
    const struct qe_toml_value *list = sim_reader_get(r, table, "forward", QE_TOML_ARRAY);
    if (list && qe_toml_size(list) > FORWARDS_MAX)
        sim_reader_fail(r, list, "'forward' has %zu entries; expected at most %d", qe_toml_size(list), FORWARDS_MAX);
    for (size_t i = 0; list && i < qe_toml_size(list) && !r->failed; i++)
        parse_forward(r, qe_toml_at(list, i), nat);
}

static void parse_portmap(
    struct sim_reader *r, const struct qe_toml_value *table, struct sim_scenario_middlebox *middlebox)
{
    struct sim_portmap_settings *portmap = &middlebox->portmap;
    const struct qe_toml_value *own = sim_reader_get(r, table, "portmap", QE_TOML_TABLE);
    unsigned answer = SIM_PORTMAP_GRANT;
    if (!own || r->failed) return;
    *portmap = (struct sim_portmap_settings){
        .nat_pmp = true, .pcp = true, .lifetime_min_ns = SECONDS(120), .lifetime_max_ns = SECONDS(86400)};
    middlebox->has_portmap = true;
    sim_reader_table(r, own, "[host.nat.portmap]", sim_portmap_keys, portmap);
    sim_reader_word(r, own, "answer", answer_words, &answer);
    portmap->policy = (enum sim_portmap_policy)answer;
    sim_parse_integer(r, own, "host_mappings", 1, TABLE_MAX, &portmap->host_max);
    const struct qe_toml_value *list = sim_reader_get(r, own, "protocols", QE_TOML_ARRAY);
    if (list) portmap->nat_pmp = portmap->pcp = portmap->upnp = false;
    for (size_t i = 0; list && i < qe_toml_size(list) && !r->failed; i++) {
        const char *text = sim_reader_text(r, qe_toml_at(list, i), "protocols");
        portmap->nat_pmp |= strcmp(text, "nat-pmp") == 0;
        portmap->pcp |= strcmp(text, "pcp") == 0;
        portmap->upnp |= strcmp(text, "upnp") == 0;
        if (!r->failed && strcmp(text, "nat-pmp") != 0 && strcmp(text, "pcp") != 0 && strcmp(text, "upnp") != 0)
            sim_reader_fail(
                r, qe_toml_at(list, i), "'protocols' has \"%s\"; expected \"nat-pmp\", \"pcp\" or \"upnp\"", text);
    }
    // Lifetimes travel as whole seconds in 32 bits.
    if (!r->failed && (portmap->lifetime_min_ns > portmap->lifetime_max_ns || portmap->lifetime_max_ns < SECONDS(1) ||
                          portmap->lifetime_max_ns > SECONDS(UINT32_MAX)))
        sim_reader_fail(r, own, "'lifetime_max' is too small or too large; expected at least 1 s and 'lifetime_min'");
}

static void parse_blocks(struct sim_reader *r, const struct qe_toml_value *table, struct sim_nat_settings *nat)
{
    uint32_t ports = (uint32_t)nat->port_max - nat->port_min + 1;
    sim_parse_integer(r, table, "block", 0, UINT16_MAX, &nat->block_ports);
    sim_parse_integer(r, table, "blocks", 1, UINT16_MAX, &nat->blocks_max);
    if (r->failed || !nat->block_ports) return;
    if ((uint64_t)nat->block_ports * nat->blocks_max > ports)
        sim_reader_fail(
            r, table, "%u blocks of %u ports do not fit into %u ports", nat->blocks_max, nat->block_ports, ports);
    else if (nat->pooling_arbitrary || nat->share_ports)
        sim_reader_fail(r, table, "blocks of ports need 'pooling' = \"paired\" and no 'share_ports'");
}

// Times that were not given follow 'timeout'.
static void settle_times(struct sim_reader *r, const struct qe_toml_value *table, struct sim_nat_settings *nat)
{
    if (!nat->timeout_ns) sim_reader_fail(r, table, "'timeout' is 0; expected a longer one");
    if (!nat->unanswered_ns || nat->unanswered_ns > nat->timeout_ns) {
        if (qe_toml_get(table, "unanswered_timeout") && !r->failed)
            sim_reader_fail(r, table, "'unanswered_timeout' is 0 or longer than 'timeout'");
        nat->unanswered_ns = nat->timeout_ns;
    }
    if (!nat->filter_ns) {
        if (qe_toml_get(table, "filter_timeout"))
            sim_reader_fail(r, table, "'filter_timeout' is 0; expected a longer one");
        nat->filter_ns = nat->timeout_ns;
    }
    nat->filter_unanswered_ns = nat->filter_ns < nat->unanswered_ns ? nat->filter_ns : nat->unanswered_ns;
}

static void parse_words(struct sim_reader *r, const struct qe_toml_value *table, struct sim_nat_settings *nat)
{
    unsigned mapping = nat->mapping, filtering = nat->filtering, allocation = nat->allocation;
    unsigned collision = nat->collision - SIM_NAT_SEQUENTIAL, hairpin = nat->hairpin, refresh = nat->refresh;
    unsigned pooling = nat->pooling_arbitrary, state = nat->filter_by_endpoint;
    sim_reader_word(r, table, "mapping", sim_dependence_words, &mapping);
    sim_reader_word(r, table, "filtering", sim_dependence_words, &filtering);
    sim_reader_word(r, table, "filter_state", filter_state_words, &state);
    sim_reader_word(r, table, "allocation", allocation_words, &allocation);
    sim_reader_word(r, table, "collision", collision_words, &collision);
    sim_reader_word(r, table, "hairpin", hairpin_words, &hairpin);
    sim_reader_word(r, table, "refresh", sim_refresh_words, &refresh);
    sim_reader_word(r, table, "pooling", pooling_words, &pooling);
    nat->mapping = (enum sim_dependence)mapping;
    nat->filtering = (enum sim_dependence)filtering;
    nat->filter_by_endpoint = state;
    nat->allocation = (enum sim_nat_allocation)allocation;
    nat->collision = (enum sim_nat_allocation)(collision + SIM_NAT_SEQUENTIAL);
    nat->hairpin = (enum sim_nat_hairpin)hairpin;
    nat->refresh = (enum sim_refresh)refresh;
    nat->pooling_arbitrary = pooling;
}

void sim_parse_nat(struct sim_reader *r, const struct qe_toml_value *table, struct sim_scenario_middlebox *middlebox)
{
    struct sim_nat_settings *nat = &middlebox->nat;
    unsigned kind = 0;
    sim_reader_word(r, table, "kind", kind_words, &kind);
    *nat = kinds[kind];
    middlebox->has_nat = true;
    sim_reader_table(r, table, "[host.nat]", sim_nat_keys, nat);
    parse_words(r, table, nat);
    sim_parse_integer(r, table, "step", 1, 1024, &nat->step);
    sim_parse_integer(r, table, "table", 1, TABLE_MAX, &nat->mappings_max);
    sim_parse_integer(r, table, "host_mappings", 1, TABLE_MAX, &nat->host_ports_max);
    parse_ports(r, table, nat);
    parse_blocks(r, table, nat);
    parse_forwards(r, table, nat);
    parse_portmap(r, table, middlebox);
    if (r->failed) return;
    settle_times(r, table, nat);
    if (nat->share_ports && nat->mapping == SIM_ENDPOINT_INDEPENDENT)
        sim_reader_fail(r, table, "'share_ports' needs a 'mapping' that depends on the remote address");
}
