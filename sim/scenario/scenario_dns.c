// [dns]: names, and what they stand for.
#include "scenario/scenario.h"

#include "engine/memory.h"

#include <string.h>

static void add_ip(
    struct sim_parse *p, const struct qe_toml_value *value, struct sim_scenario_name *name, const struct qe_ip *ip)
{
    if (name->count == SIM_NAME_ADDRESSES_MAX)
        sim_reader_fail(
            &p->reader, value, "\"%s\" stands for more than %d addresses", name->name, SIM_NAME_ADDRESSES_MAX);
    else
        name->addresses[name->count++] = *ip;
}

// An address, or a host by its name: all its addresses.
static void parse_meaning(struct sim_parse *p, const struct qe_toml_value *value, struct sim_scenario_name *name)
{
    const char *text = sim_reader_text(&p->reader, value, name->name);
    const struct sim_scenario *s = p->scenario;
    struct qe_ip ip;
    if (p->reader.failed) return;
    if (qe_ip_parse(text, &ip)) {
        add_ip(p, value, name, &ip);
        return;
    }
    size_t host = sim_parse_host(p, value, name->name);
    for (size_t i = 0; i < s->link_count && !p->reader.failed; i++) {
        const struct sim_scenario_link *link = &s->links[i];
        for (size_t j = 0; j < link->address_count; j++)
            if (link->hosts[link->addresses[j].port] == host) add_ip(p, value, name, &link->addresses[j].cidr.ip);
    }
}

void sim_parse_dns(struct sim_parse *p, const struct qe_toml_value *root)
{
    struct sim_scenario *s = p->scenario;
    const struct qe_toml_value *table = sim_reader_get(&p->reader, root, "dns", QE_TOML_TABLE);
    if (!table) return;
    if (qe_toml_size(table) > SIM_NAMES_MAX) {
        sim_reader_fail(
            &p->reader, table, "%zu names in [dns]; expected at most %d", qe_toml_size(table), SIM_NAMES_MAX);
        return;
    }
    s->names = sim_obtain(qe_toml_size(table), sizeof(*s->names));
    for (size_t i = 0; i < qe_toml_size(table) && !p->reader.failed; i++) {
        const struct qe_toml_value *value = qe_toml_at(table, i);
        struct sim_scenario_name *name = &s->names[s->name_count++];
        name->name = sim_copy_text(qe_toml_key(table, i));
        if (qe_toml_kind(value) == QE_TOML_STRING) {
            parse_meaning(p, value, name);
        } else if (qe_toml_kind(value) == QE_TOML_ARRAY) {
            for (size_t j = 0; j < qe_toml_size(value) && !p->reader.failed; j++)
                parse_meaning(p, qe_toml_at(value, j), name);
        } else {
            sim_reader_fail(&p->reader, value, "\"%s\" stands for no host, address, or list of these", name->name);
        }
    }
}

const struct sim_scenario_name *sim_scenario_find_name(const struct sim_scenario *s, const char *name)
{
    for (size_t i = 0; i < s->name_count; i++)
        if (strcmp(s->names[i].name, name) == 0) return &s->names[i];
    return NULL;
}
