// Every key of the configuration file: one row in the table of its section, one reader for each form of value. What a
// node does not do yet is checked all the same, so that a file that is right today is right later; it is warned about,
// unless it asks for what happens anyway.
#include "config/keys.h"

#include "config/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PATH_SIZE    192
#define CPU_MAX      1023
#define NODE_ID_TEXT "a node ID: \"qe\" and 32 of a-z and 2-7"

#define READER(name) static QE_READER(name)

static void no_effect(struct qe_loader *l, const char *path, const struct qe_toml_value *value)
{
    qe_loader_report(l, QE_LOG_WARN, path, value, "has no effect yet");
}

// The text of a string; NULL after a mistake.
static const char *string(struct qe_loader *l, const char *path, const struct qe_toml_value *value)
{
    if (!qe_loader_expect(l, path, value, QE_TOML_STRING, "a string")) return NULL;
    return qe_toml_string(value, NULL);
}

// False where `expected` is not NULL: `value` is something else.
static bool accept(struct qe_loader *l, const char *path, const struct qe_toml_value *value, const char *expected)
{
    char what[256], quote[QE_CHECK_QUOTE_SIZE];
    if (!expected) return true;
    snprintf(what, sizeof(what), "is %s, expected %s", qe_check_quote(qe_toml_string(value, NULL), quote), expected);
    qe_loader_report(l, QE_LOG_ERROR, path, value, what);
    return false;
}

void qe_loader_set(struct qe_loader *l, const char *path, const struct qe_toml_value *value, qe_setter *setter)
{
    const char *text = string(l, path, value);
    if (!text) return;
    struct qe_config_source source = qe_loader_source(l, path, value);
    setter(l->config, &source, text);
}

static bool integer(
    struct qe_loader *l, const char *path, const struct qe_toml_value *value, int64_t min, int64_t max, int64_t *out)
{
    char text[96];
    snprintf(text, sizeof(text), "an integer from %" PRId64 " to %" PRId64, min, max);
    if (!qe_loader_expect(l, path, value, QE_TOML_INTEGER, text)) return false;
    *out = qe_toml_integer(value);
    if (*out >= min && *out <= max) return true;
    snprintf(text, sizeof(text), "is %" PRId64 ", expected %" PRId64 "..%" PRId64, *out, min, max);
    qe_loader_report(l, QE_LOG_ERROR, path, value, text);
    return false;
}

// An item of an array: the array's path with its index. False where the array is none, or at its end.
struct items {
    size_t index;
    const struct qe_toml_value *value;
    char path[PATH_SIZE];
};

static bool next_item(struct items *items, const char *path, const struct qe_toml_value *array)
{
    if (items->index == qe_toml_size(array)) return false;
    items->value = qe_toml_at(array, items->index);
    snprintf(items->path, sizeof(items->path), "%s[%zu]", path, items->index);
    items->index++;
    return true;
}

// An array of strings, each given to a check.
static void checked_strings(
    struct qe_loader *l, const char *path, const struct qe_toml_value *value, const char *(*check)(const char *text))
{
    if (!qe_loader_expect(l, path, value, QE_TOML_ARRAY, "an array of strings")) return;
    bool fine = true;
    for (struct items i = {0}; next_item(&i, path, value);) {
        const char *text = string(l, i.path, i.value);
        fine = text && accept(l, i.path, i.value, check(text)) && fine;
    }
    if (fine) no_effect(l, path, value);
}

READER(read_choice)
{
    char expected[160] = "";
    const char *text = string(l, path, value);
    if (!text) return;
    for (size_t i = 0, size = 0; key->choices[i]; i++) {
        if (strcmp(text, key->choices[i]) == 0) {
            if (!key->current || strcmp(text, key->current) != 0) no_effect(l, path, value);
            return;
        }
        const char *before = i == 0 ? "" : key->choices[i + 1] ? ", " : " or ";
        int more = snprintf(expected + size, sizeof(expected) - size, "%s\"%s\"", before, key->choices[i]);
        size += (size_t)more;
    }
    accept(l, path, value, expected);
}

// A feature that can be asked for but not had yet.
READER(read_flag)
{
    (void)key;
    if (!qe_loader_expect(l, path, value, QE_TOML_BOOLEAN, "true or false")) return;
    if (qe_toml_boolean(value)) no_effect(l, path, value);
}

READER(read_path)
{
    (void)key;
    const char *text = string(l, path, value);
    if (text && accept(l, path, value, qe_check_path(text))) no_effect(l, path, value);
}

READER(read_name)
{
    (void)key;
    qe_loader_set(l, path, value, qe_config_set_name);
}

READER(read_tun_name)
{
    (void)key;
    qe_loader_set(l, path, value, qe_config_set_tun_name);
}

READER(read_tun_addr)
{
    (void)key;
    qe_loader_set(l, path, value, qe_config_set_tun_addr);
}

READER(read_log_level)
{
    (void)key;
    qe_loader_set(l, path, value, qe_config_set_log_level);
}

READER(read_mtu)
{
    (void)key;
    int64_t mtu;
    if (integer(l, path, value, QE_MTU_MIN, QE_DEFAULT_MTU, &mtu)) l->config->mtu = (uint16_t)mtu;
}

READER(read_lanes)
{
    (void)key;
    int64_t lanes;
    if (integer(l, path, value, 1, QE_CONFIG_LANES_MAX, &lanes)) l->config->lanes = (uint8_t)lanes;
}

READER(read_dht_port)
{
    (void)key;
    int64_t port;
    l->dht_port = value;
    if (integer(l, path, value, 1, UINT16_MAX, &port)) {
        l->config->port = (uint16_t)port;
        l->config->port_origin = QE_CONFIG_FILE;
    }
}

READER(read_listen)
{
    (void)key;
    l->listen = value;
    if (!qe_loader_expect(l, path, value, QE_TOML_ARRAY, "an array of \"ADDR:PORT\"")) return;
    if (qe_toml_size(value) == 0)
        qe_loader_report(l, QE_LOG_ERROR, path, value, "is empty, expected at least one \"ADDR:PORT\"");
    for (struct items i = {0}; next_item(&i, path, value);)
        qe_loader_set(l, i.path, i.value, qe_config_add_listen);
}

void qe_loader_list(struct qe_loader *l, const char *path, const struct qe_toml_value *value, const char *expected,
    int (*none)(struct qe_config *config, const struct qe_config_source *source), qe_setter *add)
{
    if (!qe_loader_expect(l, path, value, QE_TOML_ARRAY, expected)) return;
    struct qe_config_source source = qe_loader_source(l, path, value);
    if (none) none(l->config, &source);
    for (struct items i = {0}; next_item(&i, path, value);)
        qe_loader_set(l, i.path, i.value, add);
}

READER(read_advertise_subnets)
{
    (void)key;
    qe_loader_list(l, path, value, "an array of subnets", NULL, qe_config_add_advertise);
}

READER(read_accept_subnets)
{
    (void)key;
    qe_loader_list(l, path, value, "an array of subnets", qe_config_no_accept, qe_config_add_accept);
}

READER(read_bootstrap_nodes)
{
    (void)key;
    qe_loader_list(l, path, value, "an array of \"HOST:PORT\"", qe_config_no_bootstrap, qe_config_add_bootstrap);
}

void qe_loader_bool(struct qe_loader *l, const char *path, const struct qe_toml_value *value, bool *out)
{
    if (qe_loader_expect(l, path, value, QE_TOML_BOOLEAN, "true or false")) *out = qe_toml_boolean(value);
}

READER(read_bootstrap_mode)
{
    (void)key;
    qe_loader_bool(l, path, value, &l->config->bootstrap_mode);
}

READER(read_mainline)
{
    (void)key;
    qe_loader_bool(l, path, value, &l->config->mainline);
}

READER(read_forward)
{
    (void)key;
    qe_loader_bool(l, path, value, &l->config->forward);
}

READER(read_masquerade)
{
    (void)key;
    qe_loader_bool(l, path, value, &l->config->masquerade);
}

READER(read_dns)
{
    (void)key;
    qe_loader_bool(l, path, value, &l->config->dns);
}

READER(read_interfaces)
{
    (void)key;
    checked_strings(l, path, value, qe_check_interface);
}

READER(read_public_ip)
{
    (void)key;
    qe_loader_set(l, path, value, qe_config_set_public_ip);
}

static void read_serve(struct qe_loader *l, const char *path, const struct qe_toml_value *value, struct qe_addr *addr)
{
    const char *text = string(l, path, value);
    if (text) accept(l, path, value, qe_check_serve(text, addr));
}

READER(read_metrics_addr)
{
    (void)key;
    read_serve(l, path, value, &l->config->metrics_addr);
}

READER(read_health_addr)
{
    (void)key;
    read_serve(l, path, value, &l->config->health_addr);
}

READER(read_cpu_affinity)
{
    (void)key;
    if (!qe_loader_expect(l, path, value, QE_TOML_ARRAY, "an array of CPU numbers")) return;
    bool fine = true;
    int64_t cpu;
    for (struct items i = {0}; next_item(&i, path, value);)
        fine = integer(l, i.path, i.value, 0, CPU_MAX, &cpu) && fine;
    if (fine) no_effect(l, path, value);
}

// Interface names to positive numbers.
READER(read_weights)
{
    (void)key;
    if (!qe_loader_expect(l, path, value, QE_TOML_TABLE, "a table of interface names and numbers")) return;
    bool fine = true;
    for (size_t i = 0; i < qe_toml_size(value); i++) {
        const struct qe_toml_value *weight = qe_toml_at(value, i);
        char inner[PATH_SIZE], quote[QE_CHECK_QUOTE_SIZE];
        const char *expected = qe_check_interface(qe_toml_key(value, i));
        snprintf(inner, sizeof(inner), "%s.%s", path, qe_check_quote(qe_toml_key(value, i), quote));
        enum qe_toml_kind kind = qe_toml_kind(weight);
        bool positive = (kind == QE_TOML_INTEGER && qe_toml_integer(weight) > 0) ||
                        (kind == QE_TOML_FLOAT && qe_toml_float(weight) > 0 && qe_toml_float(weight) <= UINT32_MAX);
        if (expected || !positive) {
            char what[256];
            snprintf(what, sizeof(what), "is no weight, expected %s", expected ? expected : "a number above 0");
            qe_loader_report(l, QE_LOG_ERROR, inner, weight, what);
            fine = false;
        }
    }
    if (fine) no_effect(l, path, value);
}

READER(read_allowed)
{
    (void)key;
    if (!qe_loader_expect(l, path, value, QE_TOML_ARRAY, "an array of node IDs and names")) return;
    l->allowed = value;
}

static bool node_id(struct qe_loader *l, const char *path, const struct qe_toml_value *value, struct qe_node_id *id)
{
    const char *text = string(l, path, value);
    return text && accept(l, path, value, qe_node_id_parse(text, id) ? NULL : NODE_ID_TEXT);
}

READER(read_names)
{
    (void)key;
    if (!qe_loader_expect(l, path, value, QE_TOML_TABLE, "a table of names and node IDs")) return;
    for (size_t i = 0; i < qe_toml_size(value); i++) {
        struct qe_node_id id;
        char inner[PATH_SIZE], quote[QE_CHECK_QUOTE_SIZE];
        const char *name = qe_toml_key(value, i);
        bool valid = !qe_check_name(name);
        snprintf(inner, sizeof(inner), "%s.%s", path, valid ? name : qe_check_quote(name, quote));
        if (!node_id(l, inner, qe_toml_at(value, i), &id)) continue;
        struct qe_config_source source = qe_loader_source(l, path, qe_toml_at(value, i));
        qe_config_add_name(l->config, &source, name, &id);
    }
}

// The keys of a [[peer]] belong together: read by qe_loader_peer.
READER(read_later)
{
    (void)l, (void)key, (void)path, (void)value;
}

void qe_loader_peer(struct qe_loader *l, const char *path, const struct qe_toml_value *peer)
{
    const struct qe_toml_value *id_value = qe_toml_get(peer, "id");
    const struct qe_toml_value *name_value = qe_toml_get(peer, "name");
    const struct qe_toml_value *address_value = qe_toml_get(peer, "address");
    const char *name = NULL, *address = NULL;
    struct qe_node_id id;
    struct qe_addr addr;
    bool fine = true;
    if (!id_value) {
        qe_loader_report(l, QE_LOG_ERROR, path, peer, "has no id, expected id = \"qe...\"");
        fine = false;
    } else {
        fine = node_id(l, "peer.id", id_value, &id);
    }
    if (name_value) {
        name = string(l, "peer.name", name_value);
        fine = name && accept(l, "peer.name", name_value, qe_check_name(name)) && fine;
    }
    if (address_value) {
        address = string(l, "peer.address", address_value);
        fine = address && accept(l, "peer.address", address_value, qe_check_remote(address, &addr)) && fine;
    }
    if (!fine) return;
    struct qe_config_source source = qe_loader_source(l, path, peer);
    if (name && qe_config_add_name(l->config, &source, name, &id) != 0) return;
    qe_config_put_peer(l->config, &source, &id, address ? &addr : NULL);
}

void qe_loader_finish(struct qe_loader *l)
{
    if (l->listen && l->dht_port)
        qe_loader_report(l, QE_LOG_WARN, "discovery.dht_port", l->dht_port, "has no effect beside network.listen");
    if (!l->allowed) return;
    for (struct items i = {0}; next_item(&i, "peers.allowed", l->allowed);)
        qe_loader_set(l, i.path, i.value, qe_config_allow_peer);
}

static const char *const modes[] = {"off", "aggregate", "failover", "redundant", NULL};
static const char *const schedulers[] = {"auto", "round-robin", "weighted", "latency-aware", "redundant", NULL};
static const char *const backends[] = {"epoll", "io_uring", NULL};

static const struct qe_setting discovery_keys[] = {
    {"bootstrap_mode", read_bootstrap_mode, NULL, NULL},
    {"bootstrap_nodes", read_bootstrap_nodes, NULL, NULL},
    {"dht_port", read_dht_port, NULL, NULL},
    {"mainline", read_mainline, NULL, NULL},
    {"public_ip", read_public_ip, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
static const struct qe_setting monitoring_keys[] = {
    {"health_addr", read_health_addr, NULL, NULL},
    {"log_level", read_log_level, NULL, NULL},
    {"metrics_addr", read_metrics_addr, NULL, NULL},
    {"notify_command", qe_read_notify_command, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
static const struct qe_setting multipath_keys[] = {
    {"enabled", read_flag, NULL, NULL},
    {"interfaces", read_interfaces, NULL, NULL},
    {"mode", read_choice, modes, "off"},
    {"scheduler", read_choice, schedulers, NULL},
    {"weights", read_weights, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
static const struct qe_setting network_keys[] = {
    {"accept_subnets", read_accept_subnets, NULL, NULL},
    {"advertise_subnets", read_advertise_subnets, NULL, NULL},
    {"dns", read_dns, NULL, NULL},
    {"exit_leak", qe_read_exit_leak, NULL, NULL},
    {"exit_node", qe_read_exit_node, NULL, NULL},
    {"forward", read_forward, NULL, NULL},
    {"listen", read_listen, NULL, NULL},
    {"masquerade", read_masquerade, NULL, NULL},
    {"mtu", read_mtu, NULL, NULL},
    {"tun_addr", read_tun_addr, NULL, NULL},
    {"tun_name", read_tun_name, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
static const struct qe_setting node_keys[] = {
    {"name", read_name, NULL, NULL},
    {"role", qe_read_role, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
static const struct qe_setting peer_keys[] = {
    {"address", read_later, NULL, NULL},
    {"id", read_later, NULL, NULL},
    {"name", read_later, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
static const struct qe_setting peers_keys[] = {
    {"allowed", read_allowed, NULL, NULL},
    {"names", read_names, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
static const struct qe_setting performance_keys[] = {
    {"cpu_affinity", read_cpu_affinity, NULL, NULL},
    {"io_backend", read_choice, backends, "epoll"},
    {"lanes", read_lanes, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
static const struct qe_setting security_keys[] = {
    {"audit_log", read_path, NULL, NULL},
    {"policy_file", read_path, NULL, NULL},
    {"require_2fa", read_flag, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};

const struct qe_section qe_sections[] = {
    {"discovery", discovery_keys},
    {"gateway", qe_gateway_keys},
    {"monitoring", monitoring_keys},
    {"multipath", multipath_keys},
    {"nat", qe_nat_keys},
    {"network", network_keys},
    {"node", node_keys},
    {"peer", peer_keys},
    {"peers", peers_keys},
    {"performance", performance_keys},
    {"relay", qe_relay_keys},
    {"security", security_keys},
    {NULL, NULL},
};
