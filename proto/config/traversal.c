// What a configuration says of gateways, exits and NATs. Keeps true: a list holds the words of one origin alone, the
// latest, and no node twice.
#include "config/check.h"
#include "config/quantity.h"
#include "config/setter.h"

#include <stdio.h>
#include <string.h>

static const char node_rule[] = "a node ID or a name";

// An ID or a name, in lower case.
static bool node_text(const char *text, struct qe_config_node *out)
{
    struct qe_node_id id;
    bool by_id = qe_node_id_parse(text, &id);
    if (!by_id && !qe_name_valid(text)) return false;
    *out = (struct qe_config_node){{0}};
    if (by_id) {
        char canonical[QE_NODE_ID_TEXT_SIZE];
        snprintf(out->text, sizeof(out->text), "%s", qe_node_id_format(&id, canonical));
    } else {
        snprintf(out->text, sizeof(out->text), "%s", text);
    }
    return true;
}

int qe_config_set_role(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    bool gateway = strcmp(text, "gateway") == 0;
    if (!gateway && strcmp(text, "node") != 0) return qe_setter_refuse_value(source, text, "\"node\" or \"gateway\"");
    config->gateway = gateway;
    return 0;
}

static int no_nodes(struct qe_config_nodes *nodes, const struct qe_config_source *source)
{
    *nodes = (struct qe_config_nodes){.origin = source->origin};
    return 0;
}

static int add_node(struct qe_config_nodes *nodes, const struct qe_config_source *source, const char *text)
{
    struct qe_config_node node;
    if (strcmp(text, "none") == 0) return no_nodes(nodes, source);
    if (!node_text(text, &node)) return qe_setter_refuse_value(source, text, node_rule);
    size_t count = source->origin > nodes->origin ? 0 : nodes->count;
    for (size_t i = 0; i < count; i++)
        if (strcmp(nodes->list[i].text, node.text) == 0)
            return qe_setter_refuse_value(source, text, "each node only once");
    _Static_assert(QE_CONFIG_GATEWAYS_MAX == 8, "as the message says");
    if (count == QE_CONFIG_GATEWAYS_MAX) return qe_setter_refuse_value(source, text, "at most 8 gateways");
    nodes->list[count] = node;
    nodes->count = count + 1;
    nodes->origin = source->origin;
    return 0;
}

int qe_config_add_gateway_prefer(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    return add_node(&config->gateway_prefer, source, text);
}

int qe_config_no_gateway_prefer(struct qe_config *config, const struct qe_config_source *source)
{
    return no_nodes(&config->gateway_prefer, source);
}

int qe_config_add_gateway_allow(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    return add_node(&config->gateway_allow, source, text);
}

int qe_config_no_gateway_allow(struct qe_config *config, const struct qe_config_source *source)
{
    return no_nodes(&config->gateway_allow, source);
}

int qe_config_set_exit_node(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    struct qe_config_node node = {{0}};
    if (strcmp(text, "none") != 0 && !node_text(text, &node)) return qe_setter_refuse_value(source, text, node_rule);
    config->exit_node = node;
    return 0;
}

const char *qe_relay_allow_name(enum qe_config_relay allow)
{
    static const char *const names[] = {
        [QE_RELAY_NOBODY] = "nobody", [QE_RELAY_MEMBERS] = "members", [QE_RELAY_ALLOWED] = "allowed"};
    return names[allow];
}

int qe_config_set_relay_allow(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    for (enum qe_config_relay allow = QE_RELAY_NOBODY; allow <= QE_RELAY_ALLOWED; allow++) {
        if (strcmp(text, qe_relay_allow_name(allow)) != 0) continue;
        config->relay.allow = allow;
        return 0;
    }
    return qe_setter_refuse_value(source, text, "\"nobody\", \"members\" or \"allowed\"");
}

int qe_config_set_relay_rate(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    const char *expected = qe_check_rate(text, &config->relay.rate_bps);
    return expected ? qe_setter_refuse_value(source, text, expected) : 0;
}

int qe_config_set_relay_total_rate(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    const char *expected = qe_check_rate(text, &config->relay.total_rate_bps);
    return expected ? qe_setter_refuse_value(source, text, expected) : 0;
}

int qe_config_set_relay_volume(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    const char *expected = qe_check_volume(text, &config->relay.volume_bytes);
    return expected ? qe_setter_refuse_value(source, text, expected) : 0;
}

int qe_config_set_notify_command(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    const char *expected = qe_check_path(text);
    if (!expected && strlen(text) >= sizeof(config->notify_command)) expected = "a path of at most 255 bytes";
    if (expected) return qe_setter_refuse_value(source, text, expected);
    snprintf(config->notify_command, sizeof(config->notify_command), "%s", text);
    return 0;
}

// Who is an exit for others cannot send its own packets to another one: two that chose each other would send them in
// circles.
static bool offers_exit(const struct qe_config *config)
{
    for (size_t i = 0; i < config->advertise.count; i++)
        if (config->advertise.list[i].bits == 0) return true;
    return false;
}

int qe_config_check_traversal(const struct qe_config *config, const struct qe_config_sink *sink)
{
    const char *mistake = NULL;
    if (!config->exit_node.text[0]) return 0;
    if (offers_exit(config)) mistake = "network.exit_node has no place beside an advertised default route";
    if (strcmp(config->exit_node.text, config->name) == 0) mistake = "network.exit_node is this node itself";
    if (mistake) sink->report(sink->user, QE_LOG_ERROR, mistake);
    return mistake ? -1 : 0;
}

// A node does not keep the names that local configuration gives.
static void name_by_id(const struct qe_config *config, struct qe_config_node *node)
{
    struct qe_node_id id;
    if (qe_config_find_node(config, node, &id)) qe_node_id_format(&id, node->text);
}

int qe_config_finish_traversal(struct qe_config *config, const struct qe_config_sink *sink)
{
    int result = qe_config_check_traversal(config, sink);
    for (size_t i = 0; i < config->gateway_prefer.count; i++)
        name_by_id(config, &config->gateway_prefer.list[i]);
    for (size_t i = 0; i < config->gateway_allow.count; i++)
        name_by_id(config, &config->gateway_allow.list[i]);
    if (config->exit_node.text[0]) name_by_id(config, &config->exit_node);
    return result;
}
