#include "record/config.h"

#include "config/check.h"

static void put_subnets(struct qe_record_body *body, const struct qe_config_subnets *subnets)
{
    qe_record_put8(body, (uint8_t)subnets->origin);
    qe_record_put(body, subnets->count);
    for (size_t i = 0; i < subnets->count; i++)
        qe_record_put_cidr(body, &subnets->list[i]);
}

static void put_flag(struct qe_record_body *body, bool flag)
{
    qe_record_put8(body, flag);
}

static void put_nodes(struct qe_record_body *body, const struct qe_config_nodes *nodes)
{
    qe_record_put8(body, (uint8_t)nodes->origin);
    qe_record_put(body, nodes->count);
    for (size_t i = 0; i < nodes->count; i++)
        qe_record_put_text(body, nodes->list[i].text);
}

static void put_traversal(struct qe_record_body *body, const struct qe_config *config)
{
    put_flag(body, config->gateway);
    put_nodes(body, &config->gateway_prefer);
    put_nodes(body, &config->gateway_allow);
    qe_record_put8(body, (uint8_t)config->relay.allow);
    put_flag(body, config->relay.emergency);
    qe_record_put(body, config->relay.rate_bps);
    qe_record_put(body, config->relay.total_rate_bps);
    qe_record_put(body, config->relay.volume_bytes);
    qe_record_put_text(body, config->exit_node.text);
    put_flag(body, config->exit_leak);
    put_flag(body, config->port_mapping);
    put_flag(body, config->birthday);
    qe_record_put_text(body, config->notify_command);
}

static void put_discovery(struct qe_record_body *body, const struct qe_config *config)
{
    qe_record_put(body, config->allowed_name_count);
    for (size_t i = 0; i < config->allowed_name_count; i++)
        qe_record_put_text(body, config->allowed_names[i].name);
    qe_record_put8(body, (uint8_t)config->bootstrap_origin);
    qe_record_put(body, config->bootstrap_count);
    for (size_t i = 0; i < config->bootstrap_count; i++)
        qe_record_put_text(body, config->bootstrap[i].text);
    put_flag(body, config->bootstrap_mode);
    put_flag(body, config->mainline);
    qe_record_put_ip(body, &config->public_ip);
    put_subnets(body, &config->advertise);
    put_subnets(body, &config->accept);
    put_flag(body, config->forward);
    put_flag(body, config->masquerade);
    put_flag(body, config->dns);
}

void qe_record_put_config(struct qe_record_body *body, const struct qe_config *config)
{
    qe_record_put_text(body, config->name);
    qe_record_put_text(body, config->tun_name);
    qe_record_put_cidr(body, &config->tun_addr);
    qe_record_put(body, config->mtu);
    qe_record_put(body, config->listen_count);
    for (size_t i = 0; i < config->listen_count; i++)
        qe_record_put_addr(body, &config->listen[i]);
    qe_record_put8(body, (uint8_t)config->listen_origin);
    qe_record_put(body, config->port);
    qe_record_put(body, config->peer_count);
    for (size_t i = 0; i < config->peer_count; i++) {
        const struct qe_config_peer *peer = &config->peers[i];
        qe_record_put_bytes(body, peer->id.bytes, sizeof peer->id.bytes);
        qe_record_put_text(body, peer->name);
        qe_record_put_addr(body, &peer->addr);
        qe_record_put8(body, (uint8_t)peer->addr_origin);
    }
    qe_record_put8(body, (uint8_t)config->log_level);
    qe_record_put8(body, config->lanes);
    qe_record_put_addr(body, &config->metrics_addr);
    qe_record_put_addr(body, &config->health_addr);
    put_discovery(body, config);
    put_traversal(body, config);
}

// A text that is there and fits.
static void get_name(struct qe_reader *r, char *out, size_t size)
{
    bool null;
    struct qe_span text = qe_record_get_text(r, &null);
    if (null || text.size >= size) r->failed = true;
    if (!r->failed && text.size) memcpy(out, text.data, text.size);
}

static void get_peer(struct qe_reader *r, struct qe_config_peer *peer)
{
    qe_read_copy(r, peer->id.bytes, sizeof peer->id.bytes);
    get_name(r, peer->name, sizeof peer->name);
    peer->addr = qe_record_get_addr(r);
    peer->addr_origin = (enum qe_config_origin)qe_record_get_max(r, QE_CONFIG_COMMAND_LINE);
}

static void get_peers(struct qe_reader *r, struct qe_config *config, const struct qe_mem *mem)
{
    size_t count = (size_t)qe_record_get_max(r, QE_CONFIG_PEERS_MAX);
    if (r->failed || count == 0) return;
    config->peers = qe_zalloc(mem, count, sizeof *config->peers);
    if (!config->peers) r->failed = true;
    // The node finds them by their order.
    for (; config->peer_count < count && !r->failed; config->peer_count++) {
        struct qe_config_peer *peer = &config->peers[config->peer_count];
        get_peer(r, peer);
        if (config->peer_count && qe_node_id_compare(&peer[-1].id, &peer->id) >= 0) r->failed = true;
    }
}

static bool get_flag(struct qe_reader *r)
{
    return qe_record_get_max(r, 1) != 0;
}

// A list of at most `max` items: how many, all zero; NULL for none.
static void *get_list(struct qe_reader *r, const struct qe_mem *mem, size_t max, size_t size, size_t *count)
{
    *count = (size_t)qe_record_get_max(r, max);
    void *list = r->failed || *count == 0 ? NULL : qe_zalloc(mem, *count, size);
    if (*count && !list) r->failed = true;
    if (r->failed) *count = 0;
    return list;
}

static void get_subnets(struct qe_reader *r, struct qe_config_subnets *subnets, const struct qe_mem *mem)
{
    subnets->origin = (enum qe_config_origin)qe_record_get_max(r, QE_CONFIG_COMMAND_LINE);
    subnets->list = get_list(r, mem, QE_CONFIG_SUBNETS_MAX, sizeof *subnets->list, &subnets->count);
    for (size_t i = 0; i < subnets->count; i++) {
        subnets->list[i] = qe_record_get_cidr(r);
        if (subnets->list[i].ip.family == 0) r->failed = true;
    }
}

static void get_discovery(struct qe_reader *r, struct qe_config *config, const struct qe_mem *mem)
{
    config->allowed_names =
        get_list(r, mem, QE_CONFIG_NAMES_MAX, sizeof *config->allowed_names, &config->allowed_name_count);
    for (size_t i = 0; i < config->allowed_name_count; i++) {
        get_name(r, config->allowed_names[i].name, sizeof config->allowed_names[i].name);
        if (!qe_name_valid(config->allowed_names[i].name)) r->failed = true;
    }
    config->bootstrap_origin = (enum qe_config_origin)qe_record_get_max(r, QE_CONFIG_COMMAND_LINE);
    config->bootstrap = get_list(r, mem, QE_CONFIG_BOOTSTRAP_MAX, sizeof *config->bootstrap, &config->bootstrap_count);
    for (size_t i = 0; i < config->bootstrap_count; i++) {
        get_name(r, config->bootstrap[i].text, sizeof config->bootstrap[i].text);
        if (qe_check_host_port(config->bootstrap[i].text)) r->failed = true;
    }
    config->bootstrap_mode = get_flag(r);
    config->mainline = get_flag(r);
    config->public_ip = qe_record_get_ip(r);
    get_subnets(r, &config->advertise, mem);
    get_subnets(r, &config->accept, mem);
    config->forward = get_flag(r);
    config->masquerade = get_flag(r);
    config->dns = get_flag(r);
}

static void get_nodes(struct qe_reader *r, struct qe_config_nodes *nodes)
{
    nodes->origin = (enum qe_config_origin)qe_record_get_max(r, QE_CONFIG_COMMAND_LINE);
    nodes->count = (size_t)qe_record_get_max(r, QE_CONFIG_GATEWAYS_MAX);
    for (size_t i = 0; i < nodes->count && !r->failed; i++) {
        get_name(r, nodes->list[i].text, sizeof nodes->list[i].text);
        if (!nodes->list[i].text[0]) r->failed = true;
    }
}

static void get_traversal(struct qe_reader *r, struct qe_config *config)
{
    config->gateway = get_flag(r);
    get_nodes(r, &config->gateway_prefer);
    get_nodes(r, &config->gateway_allow);
    config->relay.allow = (enum qe_config_relay)qe_record_get_max(r, QE_RELAY_ALLOWED);
    config->relay.emergency = get_flag(r);
    config->relay.rate_bps = qe_record_get(r);
    config->relay.total_rate_bps = qe_record_get(r);
    config->relay.volume_bytes = qe_record_get(r);
    get_name(r, config->exit_node.text, sizeof config->exit_node.text);
    config->exit_leak = get_flag(r);
    config->port_mapping = get_flag(r);
    config->birthday = get_flag(r);
    get_name(r, config->notify_command, sizeof config->notify_command);
}

void qe_record_get_config(struct qe_reader *r, struct qe_config *config, const struct qe_mem *mem)
{
    qe_config_init(config, mem);
    memset(config->name, 0, sizeof config->name);
    memset(config->tun_name, 0, sizeof config->tun_name);
    get_name(r, config->name, sizeof config->name);
    get_name(r, config->tun_name, sizeof config->tun_name);
    config->tun_addr = qe_record_get_cidr(r);
    config->mtu = (uint16_t)qe_record_get_max(r, QE_DEFAULT_MTU);
    config->listen_count = (size_t)qe_record_get_max(r, QE_CONFIG_LISTEN_MAX);
    for (size_t i = 0; i < config->listen_count; i++)
        config->listen[i] = qe_record_get_addr(r);
    config->listen_origin = (enum qe_config_origin)qe_record_get_max(r, QE_CONFIG_COMMAND_LINE);
    config->port = (uint16_t)qe_record_get_max(r, UINT16_MAX);
    get_peers(r, config, mem);
    config->log_level = (enum qe_log_level)qe_record_get_max(r, QE_LOG_DEBUG);
    config->lanes = (uint8_t)qe_record_get_max(r, QE_CONFIG_LANES_MAX);
    config->metrics_addr = qe_record_get_addr(r);
    config->health_addr = qe_record_get_addr(r);
    get_discovery(r, config, mem);
    get_traversal(r, config);
    if (config->mtu < QE_MTU_MIN || config->lanes < 1 || config->tun_addr.ip.family == 6) r->failed = true;
}
