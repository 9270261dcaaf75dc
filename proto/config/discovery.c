// What a configuration says of finding and reaching others: whom to ask first, and networks behind nodes. Keeps true: a
// list holds the words of one origin alone, the latest.
#include "config/check.h"
#include "config/setter.h"

#include <stdio.h>
#include <string.h>

int qe_config_set_port(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    const char *expected = qe_check_port(text, &config->port);
    if (expected) return qe_setter_refuse_value(source, text, expected);
    config->port_origin = source->origin;
    return 0;
}

int qe_config_set_public_ip(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    const char *expected = qe_check_public_ip(text, &config->public_ip);
    return expected ? qe_setter_refuse_value(source, text, expected) : 0;
}

int qe_config_no_bootstrap(struct qe_config *config, const struct qe_config_source *source)
{
    config->bootstrap_count = 0;
    config->bootstrap_origin = source->origin;
    return 0;
}

int qe_config_add_bootstrap(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    if (strcmp(text, "none") == 0) return qe_config_no_bootstrap(config, source);
    const char *expected = qe_check_host_port(text);
    if (expected) return qe_setter_refuse_value(source, text, expected);
    size_t count = source->origin > config->bootstrap_origin ? 0 : config->bootstrap_count;
    for (size_t i = 0; i < count; i++)
        if (strcmp(config->bootstrap[i].text, text) == 0)
            return qe_setter_refuse_value(source, text, "each address only once");
    struct qe_config_bootstrap *list = qe_setter_grow(
        config, source, config->bootstrap, count, sizeof(*list), QE_CONFIG_BOOTSTRAP_MAX, "bootstrap nodes");
    if (!list) return -1;
    list[count] = (struct qe_config_bootstrap){{0}};
    snprintf(list[count].text, sizeof(list[count].text), "%s", text);
    config->bootstrap = list;
    config->bootstrap_count = count + 1;
    config->bootstrap_origin = source->origin;
    return 0;
}

static int add_subnet(struct qe_config *config, const struct qe_config_source *source,
    struct qe_config_subnets *subnets, const char *text)
{
    struct qe_cidr cidr;
    const char *expected = qe_check_subnet(text, &cidr);
    if (expected) return qe_setter_refuse_value(source, text, expected);
    size_t count = source->origin > subnets->origin ? 0 : subnets->count;
    for (size_t i = 0; i < count; i++)
        if (subnets->list[i].bits == cidr.bits && qe_ip_equal(&subnets->list[i].ip, &cidr.ip))
            return qe_setter_refuse_value(source, text, "each subnet only once");
    struct qe_cidr *list =
        qe_setter_grow(config, source, subnets->list, count, sizeof(*list), QE_CONFIG_SUBNETS_MAX, "subnets");
    if (!list) return -1;
    list[count] = cidr;
    subnets->list = list;
    subnets->count = count + 1;
    subnets->origin = source->origin;
    return 0;
}

int qe_config_add_advertise(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    return add_subnet(config, source, &config->advertise, text);
}

int qe_config_add_accept(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    return add_subnet(config, source, &config->accept, text);
}

int qe_config_no_accept(struct qe_config *config, const struct qe_config_source *source)
{
    config->accept.count = 0;
    config->accept.origin = source->origin;
    return 0;
}

// The overlay's own networks are everybody's already: out of the list, with a warning.
static void drop_overlay(struct qe_config *config, const struct qe_config_sink *sink)
{
    char line[QE_CONFIG_LINE_SIZE], subnet[QE_ADDR_TEXT_SIZE], overlay[QE_ADDR_TEXT_SIZE];
    const struct qe_cidr derived = {{4, {100, 64}}, 16};
    struct qe_cidr own = config->tun_addr.ip.family ? qe_cidr_network(config->tun_addr) : derived;
    struct qe_config_subnets *subnets = &config->advertise;
    size_t kept = 0;
    for (size_t i = 0; i < subnets->count; i++) {
        struct qe_cidr given = subnets->list[i];
        if (given.bits == 0 || !qe_cidr_overlaps(&given, &own)) {
            subnets->list[kept++] = given;
            continue;
        }
        snprintf(line, sizeof(line), "the subnet %s is not advertised: it overlaps the overlay, %s",
            qe_cidr_format(&given, subnet), qe_cidr_format(&own, overlay));
        sink->report(sink->user, QE_LOG_WARN, line);
    }
    subnets->count = kept;
}

int qe_config_finish_discovery(struct qe_config *config, const struct qe_config_sink *sink)
{
    drop_overlay(config, sink);
    if (config->port_origin == QE_CONFIG_COMMAND_LINE && config->listen_origin != QE_CONFIG_DEFAULT)
        sink->report(sink->user, QE_LOG_WARN, "--dht-port has no effect beside --listen or network.listen");
    if (config->bootstrap_origin != QE_CONFIG_DEFAULT || config->bootstrap_count) return 0;
    struct qe_config_source source = {"the default bootstrap node", QE_CONFIG_DEFAULT, sink};
    return qe_config_add_bootstrap(config, &source, QE_DEFAULT_BOOTSTRAP);
}

void qe_host_port_split(const char *text, char host[QE_HOST_SIZE], struct qe_addr *addr)
{
    host[0] = '\0';
    if (qe_addr_parse(text, addr)) return;
    const char *colon = strrchr(text, ':');
    *addr = (struct qe_addr){.port = 0};
    snprintf(host, QE_HOST_SIZE, "%.*s", (int)(colon - text), text);
    qe_check_port(colon + 1, &addr->port);
}
