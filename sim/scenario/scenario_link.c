// Links, their settings and addresses.
#include "scenario/scenario.h"

#include "engine/memory.h"

#include "net/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_DEFAULT_NS UINT64_C(50000000)
// Hosts that an automatic /24 has room for.
#define SMALL_LINK_MAX 250

static const struct sim_key from_keys[] = {SIM_SETTING_KEYS, {0}};

const struct sim_key sim_link_keys[] = {{"name", SIM_KEY_NAME, offsetof(struct sim_scenario_link, name)},
    {"between", SIM_KEY_OTHER, 0}, {"subnets", SIM_KEY_OTHER, 0}, {"addresses", SIM_KEY_OTHER, 0},
    {"absent", SIM_KEY_OTHER, 0}, {"from", SIM_KEY_OTHER, 0}, SIM_SETTING_KEYS, {0}};

size_t sim_scenario_port(const struct sim_scenario_link *link, size_t host)
{
    for (size_t i = 0; i < link->host_count; i++)
        if (link->hosts[i] == host) return i;
    return SIM_NONE;
}

static void parse_between(struct sim_parse *p, struct sim_scenario_link *link, const struct qe_toml_value *table)
{
    const struct qe_toml_value *list = sim_reader_need(&p->reader, table, "[[link]]", "between", QE_TOML_ARRAY);
    if (!list) return;
    if (qe_toml_size(list) < 2) {
        sim_reader_fail(&p->reader, list, "'between' has %zu hosts; expected at least 2", qe_toml_size(list));
        return;
    }
    link->hosts = sim_obtain(qe_toml_size(list), sizeof(*link->hosts));
    link->settings = sim_obtain(qe_toml_size(list), sizeof(*link->settings));
    for (size_t i = 0; i < qe_toml_size(list) && !p->reader.failed; i++) {
        size_t host = sim_parse_host(p, qe_toml_at(list, i), "between");
        if (p->reader.failed) return;
        if (sim_scenario_port(link, host) != SIM_NONE)
            sim_reader_fail(&p->reader, qe_toml_at(list, i), "'between' has \"%s\" twice; expected each host once",
                p->scenario->hosts[host].name);
        link->hosts[link->host_count++] = host;
    }
}

static void name_link(struct sim_parse *p, struct sim_scenario_link *link, const struct qe_toml_value *table)
{
    if (!link->name) {
        char name[QE_NAME_SIZE * 3] = "";
        size_t used = 0;
        for (size_t i = 0; i < link->host_count && used < sizeof(name); i++)
            used += (size_t)snprintf(
                name + used, sizeof(name) - used, "%s%s", i ? "-" : "", p->scenario->hosts[link->hosts[i]].name);
        link->name = sim_copy_text(name);
    }
    for (const struct sim_scenario_link *other = p->scenario->links; other < link; other++)
        if (strcmp(other->name, link->name) == 0)
            sim_reader_fail(&p->reader, table, "there is a link \"%s\" already; expected another 'name'", link->name);
}

// The n-th address (from 1) of a prefix; false where it has not so many.
static bool nth_address(const struct qe_cidr *subnet, size_t n, struct qe_cidr *out)
{
    size_t bytes = qe_ip_size(&subnet->ip);
    unsigned host_bits = (unsigned)bytes * 8 - subnet->bits;
    if (host_bits < 32 && n + 1 >= (size_t)1 << host_bits) return false;
    *out = qe_cidr_network(*subnet);
    for (size_t carry = n, i = bytes; carry > 0; carry >>= 8)
        out->ip.bytes[--i] |= (uint8_t)carry;
    return true;
}

static void add_address(struct sim_scenario_link *link, size_t port, const struct qe_cidr *cidr)
{
    link->addresses = sim_resize(link->addresses, link->address_count + 1, sizeof(*link->addresses));
    link->addresses[link->address_count++] = (struct sim_scenario_address){port, *cidr};
}

static void add_subnet(struct sim_parse *p, struct sim_scenario_link *link, const struct qe_toml_value *value,
    const struct qe_cidr *subnet, const bool *has_own)
{
    for (size_t port = 0; port < link->host_count && !p->reader.failed; port++) {
        struct qe_cidr address;
        if (has_own[port]) continue;
        if (nth_address(subnet, port + 1, &address))
            add_address(link, port, &address);
        else
            sim_reader_fail(&p->reader, value, "the subnet is too small for %zu hosts", link->host_count);
    }
}

static void add_automatic(struct sim_parse *p, struct sim_scenario_link *link, const struct qe_toml_value *table,
    size_t index, const bool *has_own)
{
    uint8_t high = (uint8_t)(index >> 8), low = (uint8_t)index;
    struct qe_cidr four = link->host_count <= SMALL_LINK_MAX ? (struct qe_cidr){qe_ip4(10, high, low, 0), 24}
                                                             : (struct qe_cidr){qe_ip4(11, low, 0, 0), 16};
    uint8_t bytes[16] = {0xfd, 0, 0, 0, 0, 0, high, low};
    struct qe_cidr six = {qe_ip6(bytes), 64};
    add_subnet(p, link, table, &four, has_own);
    add_subnet(p, link, table, &six, has_own);
}

static void parse_own_addresses(
    struct sim_parse *p, struct sim_scenario_link *link, const struct qe_toml_value *table, bool *has_own)
{
    const struct qe_toml_value *own = sim_reader_get(&p->reader, table, "addresses", QE_TOML_TABLE);
    for (size_t i = 0; own && i < qe_toml_size(own) && !p->reader.failed; i++) {
        const struct qe_toml_value *list = qe_toml_at(own, i);
        size_t port = SIM_NONE;
        for (size_t k = 0; k < link->host_count; k++)
            if (strcmp(p->scenario->hosts[link->hosts[k]].name, qe_toml_key(own, i)) == 0) port = k;
        if (port == SIM_NONE || qe_toml_kind(list) != QE_TOML_ARRAY) {
            sim_reader_fail(&p->reader, list, "'addresses.%s' is not a list of addresses of one of the link's hosts",
                qe_toml_key(own, i));
            return;
        }
        has_own[port] = true;
        for (size_t k = 0; k < qe_toml_size(list) && !p->reader.failed; k++) {
            struct qe_cidr cidr;
            const char *text = sim_reader_text(&p->reader, qe_toml_at(list, k), "addresses");
            if (!p->reader.failed && !qe_cidr_parse(text, &cidr))
                sim_reader_fail(&p->reader, qe_toml_at(list, k),
                    "\"%s\" is no address; expected one with its prefix, such as \"192.0.2.1/24\"", text);
            else
                add_address(link, port, &cidr);
        }
    }
}

static void parse_addresses(
    struct sim_parse *p, struct sim_scenario_link *link, const struct qe_toml_value *table, size_t index)
{
    bool *has_own = sim_obtain(link->host_count, sizeof(*has_own));
    const struct qe_toml_value *subnets = sim_reader_get(&p->reader, table, "subnets", QE_TOML_ARRAY);
    parse_own_addresses(p, link, table, has_own);
    if (!subnets && !p->reader.failed) add_automatic(p, link, table, index, has_own);
    for (size_t i = 0; subnets && i < qe_toml_size(subnets) && !p->reader.failed; i++) {
        struct qe_cidr subnet;
        const struct qe_toml_value *value = qe_toml_at(subnets, i);
        const char *text = sim_reader_text(&p->reader, value, "subnets");
        if (p->reader.failed) break;
        if (qe_cidr_parse(text, &subnet))
            add_subnet(p, link, value, &subnet, has_own);
        else
            sim_reader_fail(&p->reader, value, "\"%s\" is no subnet; expected one such as \"192.0.2.0/24\"", text);
    }
    sim_release(has_own);
}

// Two ports of a link with one address would each be the right one.
static void check_addresses(
    struct sim_parse *p, const struct sim_scenario_link *link, const struct qe_toml_value *table)
{
    char text[QE_ADDR_TEXT_SIZE];
    for (size_t i = 0; i < link->address_count && !p->reader.failed; i++)
        for (size_t k = 0; k < i; k++)
            if (qe_ip_equal(&link->addresses[i].cidr.ip, &link->addresses[k].cidr.ip))
                sim_reader_fail(&p->reader, table, "%s is on the link twice; expected each address once",
                    qe_ip_format(&link->addresses[i].cidr.ip, text));
}

// The next hop of a route must be on a link of the host, or packets could not leave.
static void check_routes(struct sim_parse *p, const struct qe_toml_value *root, size_t host)
{
    const struct sim_scenario *s = p->scenario;
    for (size_t i = 0; i < s->hosts[host].route_count; i++) {
        const struct qe_ip *via = &s->hosts[host].routes[i].via;
        char text[QE_ADDR_TEXT_SIZE];
        bool reached = false;
        for (size_t l = 0; l < s->link_count; l++)
            for (size_t k = 0; k < s->links[l].address_count; k++)
                reached |= s->links[l].hosts[s->links[l].addresses[k].port] == host &&
                           qe_cidr_contains(&s->links[l].addresses[k].cidr, via);
        if (!reached)
            sim_reader_fail(&p->reader, qe_toml_at(qe_toml_get(root, "host"), host),
                "route via %s, which is on no link of \"%s\"", qe_ip_format(via, text), s->hosts[host].name);
    }
}

static void parse_link_settings(struct sim_parse *p, struct sim_scenario_link *link, const struct qe_toml_value *table)
{
    struct sim_pipe_settings settings = {.mtu = SIM_MTU_DEFAULT, .queue_ns = QUEUE_DEFAULT_NS};
    sim_parse_settings(&p->reader, table, &settings);
    for (size_t i = 0; i < link->host_count; i++)
        link->settings[i] = settings;
    const struct qe_toml_value *from = sim_reader_get(&p->reader, table, "from", QE_TOML_TABLE);
    for (size_t i = 0; from && i < qe_toml_size(from) && !p->reader.failed; i++) {
        const struct qe_toml_value *own = qe_toml_at(from, i);
        size_t port = SIM_NONE;
        for (size_t k = 0; k < link->host_count; k++)
            if (strcmp(p->scenario->hosts[link->hosts[k]].name, qe_toml_key(from, i)) == 0) port = k;
        if (port == SIM_NONE) {
            sim_reader_fail(&p->reader, own, "'from.%s' is about no host of this link", qe_toml_key(from, i));
            return;
        }
        sim_reader_table(&p->reader, own, "'from'", from_keys, NULL);
        if (!p->reader.failed) sim_parse_settings(&p->reader, own, &link->settings[port]);
    }
}

// Hosts that come to the link later.
static void parse_absent(struct sim_parse *p, struct sim_scenario_link *link, const struct qe_toml_value *table)
{
    const struct qe_toml_value *list = sim_reader_get(&p->reader, table, "absent", QE_TOML_ARRAY);
    link->absent = sim_obtain(link->host_count, sizeof(*link->absent));
    for (size_t i = 0; list && i < qe_toml_size(list) && !p->reader.failed; i++) {
        size_t host = sim_parse_host(p, qe_toml_at(list, i), "absent");
        if (p->reader.failed) return;
        size_t port = sim_scenario_port(link, host);
        if (port == SIM_NONE || p->scenario->hosts[host].router)
            sim_reader_fail(&p->reader, qe_toml_at(list, i),
                "'absent' has \"%s\"; expected a host of this link that has a node", p->scenario->hosts[host].name);
        else
            link->absent[port] = true;
    }
}

void sim_parse_links(struct sim_parse *p, const struct qe_toml_value *root)
{
    struct sim_scenario *s = p->scenario;
    const struct qe_toml_value *list = sim_parse_array(p, root, "link", SIM_LINKS_MAX);
    if (list) s->links = sim_obtain(qe_toml_size(list), sizeof(*s->links));
    for (size_t i = 0; list && i < qe_toml_size(list) && !p->reader.failed; i++) {
        const struct qe_toml_value *table = qe_toml_at(list, i);
        struct sim_scenario_link *link = &s->links[s->link_count++];
        link->line = qe_toml_line(table);
        sim_reader_table(&p->reader, table, "[[link]]", sim_link_keys, link);
        if (!p->reader.failed) parse_between(p, link, table);
        if (!p->reader.failed) name_link(p, link, table);
        if (!p->reader.failed) parse_link_settings(p, link, table);
        if (!p->reader.failed) parse_addresses(p, link, table, i);
        if (!p->reader.failed) check_addresses(p, link, table);
        if (!p->reader.failed) parse_absent(p, link, table);
    }
    for (size_t i = 0; i < s->host_count && !p->reader.failed; i++)
        check_routes(p, root, i);
}

size_t sim_parse_link(struct sim_parse *p, const struct qe_toml_value *value)
{
    const char *name = sim_reader_text(&p->reader, value, "link");
    for (size_t i = 0; i < p->scenario->link_count; i++)
        if (strcmp(p->scenario->links[i].name, name) == 0) return i;
    sim_reader_fail(&p->reader, value, "'link' is \"%s\"; expected a link's name", name);
    return SIM_NONE;
}

size_t sim_parse_direction(struct sim_parse *p, const struct qe_toml_value *table, size_t link)
{
    const struct qe_toml_value *from = qe_toml_get(table, "from");
    if (!from || p->reader.failed) return SIM_NONE;
    size_t host = sim_parse_host(p, from, "from");
    if (p->reader.failed) return SIM_NONE;
    size_t port = sim_scenario_port(&p->scenario->links[link], host);
    if (port == SIM_NONE)
        sim_reader_fail(&p->reader, from, "'from' is \"%s\"; expected a host of link \"%s\"",
            p->scenario->hosts[host].name, p->scenario->links[link].name);
    return port;
}
