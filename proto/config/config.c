// Keeps true: whatever was refused left no trace in the configuration, and peers are sorted by ID at all times, so that
// two configurations that say the same are the same.
#include "config/config.h"

#include "config/check.h"
#include "config/setter.h"

#include <stdio.h>
#include <string.h>

static const struct qe_addr any4 = {{4, {0}}, QE_DEFAULT_PORT, 0};
static const struct qe_addr any6 = {{6, {0}}, QE_DEFAULT_PORT, 0};

void qe_config_init(struct qe_config *config, const struct qe_mem *mem)
{
    *config = (struct qe_config){
        .tun_name = "quicether0",
        .mtu = QE_DEFAULT_MTU,
        .listen = {any4, any6},
        .listen_count = 2,
        .port = QE_DEFAULT_PORT,
        .log_level = QE_LOG_INFO,
        .lanes = 1,
        .forward = true,
        .masquerade = true,
        .dns = true,
        .relay = {.allow = QE_RELAY_MEMBERS},
        .port_mapping = true,
        .birthday = true,
        .mem = mem,
    };
}

void qe_config_fini(struct qe_config *config)
{
    if (!config->mem) return;
    qe_free(config->mem, config->peers);
    qe_free(config->mem, config->names);
    qe_free(config->mem, config->allowed_names);
    qe_free(config->mem, config->bootstrap);
    qe_free(config->mem, config->advertise.list);
    qe_free(config->mem, config->accept.list);
    *config = (struct qe_config){0};
}

// A copy of `count` items of `size` bytes; NULL for none, and where there is no memory, which *failed then says.
static void *copy_items(const struct qe_mem *mem, const void *from, size_t count, size_t size, bool *failed)
{
    if (count == 0) return NULL;
    void *to = qe_realloc(mem, NULL, count, size);
    if (to)
        memcpy(to, from, count * size);
    else
        *failed = true;
    return to;
}

int qe_config_copy(struct qe_config *to, const struct qe_config *from, const struct qe_mem *mem)
{
    bool failed = false;
    *to = *from;
    to->mem = mem;
    to->peers = copy_items(mem, from->peers, from->peer_count, sizeof(*to->peers), &failed);
    to->names = copy_items(mem, from->names, from->name_count, sizeof(*to->names), &failed);
    to->allowed_names =
        copy_items(mem, from->allowed_names, from->allowed_name_count, sizeof(*to->allowed_names), &failed);
    to->bootstrap = copy_items(mem, from->bootstrap, from->bootstrap_count, sizeof(*to->bootstrap), &failed);
    to->advertise.list =
        copy_items(mem, from->advertise.list, from->advertise.count, sizeof(*to->advertise.list), &failed);
    to->accept.list = copy_items(mem, from->accept.list, from->accept.count, sizeof(*to->accept.list), &failed);
    if (failed) qe_config_fini(to);
    return failed ? -1 : 0;
}

int qe_config_set_name(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    const char *expected = qe_check_name(text);
    if (expected) return qe_setter_refuse_value(source, text, expected);
    snprintf(config->name, sizeof(config->name), "%s", text);
    return 0;
}

int qe_config_set_tun_name(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    const char *expected = qe_check_interface(text);
    if (expected) return qe_setter_refuse_value(source, text, expected);
    snprintf(config->tun_name, sizeof(config->tun_name), "%s", text);
    return 0;
}

int qe_config_set_tun_addr(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    const char *expected = qe_check_tun_addr(text, &config->tun_addr);
    return expected ? qe_setter_refuse_value(source, text, expected) : 0;
}

int qe_config_set_log_level(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    const char *expected = qe_check_log_level(text, &config->log_level);
    return expected ? qe_setter_refuse_value(source, text, expected) : 0;
}

int qe_config_add_listen(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    struct qe_addr addr;
    const char *expected = qe_check_listen(text, &addr);
    if (expected) return qe_setter_refuse_value(source, text, expected);
    size_t count = source->origin > config->listen_origin ? 0 : config->listen_count;
    // Port 0 is another port each time.
    for (size_t i = 0; i < count && addr.port != 0; i++)
        if (qe_addr_equal(&config->listen[i], &addr))
            return qe_setter_refuse_value(source, text, "each address only once");
    _Static_assert(QE_CONFIG_LISTEN_MAX == 8, "as the message says");
    if (count == QE_CONFIG_LISTEN_MAX) return qe_setter_refuse_value(source, text, "at most 8 addresses");
    config->listen[count] = addr;
    config->listen_count = count + 1;
    config->listen_origin = source->origin;
    return 0;
}

static const struct qe_config_name *find_name(const struct qe_config *config, const char *name)
{
    for (size_t i = 0; i < config->name_count; i++)
        if (strcmp(config->names[i].name, name) == 0) return &config->names[i];
    return NULL;
}

const struct qe_node_id *qe_config_find_name(const struct qe_config *config, const char *name)
{
    const struct qe_config_name *found = find_name(config, name);
    return found ? &found->id : NULL;
}

int qe_config_add_name(
    struct qe_config *config, const struct qe_config_source *source, const char *name, const struct qe_node_id *id)
{
    const char *expected = qe_check_name(name);
    if (expected) return qe_setter_refuse_value(source, name, expected);
    const struct qe_config_name *known = find_name(config, name);
    if (known) {
        if (qe_node_id_equal(&known->id, id)) return 0;
        char what[160], text[QE_NODE_ID_TEXT_SIZE];
        snprintf(what, sizeof(what), "gives the name \"%s\" to a second node, expected only %s", name,
            qe_node_id_format(&known->id, text));
        return qe_setter_refuse(source, what);
    }
    struct qe_config_name *names =
        qe_setter_grow(config, source, config->names, config->name_count, sizeof(*names), QE_CONFIG_NAMES_MAX, "names");
    if (!names) return -1;
    config->names = names;
    struct qe_config_name *entry = &names[config->name_count++];
    *entry = (struct qe_config_name){.id = *id};
    snprintf(entry->name, sizeof(entry->name), "%s", name);
    return 0;
}

// Where the peer with this ID is, or would be.
static size_t peer_place(const struct qe_config *config, const struct qe_node_id *id)
{
    size_t low = 0, high = config->peer_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (qe_node_id_compare(&config->peers[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct qe_config_peer *qe_config_find_peer(const struct qe_config *config, const struct qe_node_id *id)
{
    size_t place = peer_place(config, id);
    if (place == config->peer_count || !qe_node_id_equal(&config->peers[place].id, id)) return NULL;
    return &config->peers[place];
}

int qe_config_put_peer(struct qe_config *config, const struct qe_config_source *source, const struct qe_node_id *id,
    const struct qe_addr *addr)
{
    size_t place = peer_place(config, id);
    if (!qe_config_find_peer(config, id)) {
        struct qe_config_peer *peers = qe_setter_grow(
            config, source, config->peers, config->peer_count, sizeof(*peers), QE_CONFIG_PEERS_MAX, "peers");
        if (!peers) return -1;
        config->peers = peers;
        memmove(&peers[place + 1], &peers[place], (config->peer_count - place) * sizeof(*peers));
        config->peer_count++;
        peers[place] = (struct qe_config_peer){.id = *id};
    }
    struct qe_config_peer *peer = &config->peers[place];
    if (!addr || source->origin < peer->addr_origin) return 0;
    if (peer->addr.ip.family && source->origin == peer->addr_origin && !qe_addr_equal(&peer->addr, addr)) {
        char what[160], first[QE_ADDR_TEXT_SIZE];
        snprintf(
            what, sizeof(what), "gives a peer a second address, expected only %s", qe_addr_format(&peer->addr, first));
        return qe_setter_refuse(source, what);
    }
    peer->addr = *addr;
    peer->addr_origin = source->origin;
    return 0;
}

// The node that "ID" or "NAME" means. 0; 1 where the text is a name that nobody has; -1 where it is neither.
static int resolve(const struct qe_config *config, const char *text, struct qe_node_id *id)
{
    if (qe_node_id_parse(text, id)) return 0;
    if (!qe_name_valid(text)) return -1;
    const struct qe_node_id *named = qe_config_find_name(config, text);
    if (!named) return 1;
    *id = *named;
    return 0;
}

bool qe_config_find_node(const struct qe_config *config, const struct qe_config_node *node, struct qe_node_id *id)
{
    return resolve(config, node->text, id) == 0;
}

static const char unknown_name[] = "a node ID, or a name that [peers.names] or a [[peer]] knows";

int qe_config_add_peer(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    char who[QE_NAME_SIZE + 1];
    const char *at = strchr(text, '@');
    size_t size = at ? (size_t)(at - text) : strlen(text);
    if (size >= sizeof(who)) return qe_setter_refuse_value(source, text, "ID, NAME, ID@ADDR:PORT or NAME@ADDR:PORT");
    memcpy(who, text, size);
    who[size] = '\0';

    struct qe_node_id id;
    int found = resolve(config, who, &id);
    if (found < 0) return qe_setter_refuse_value(source, text, "ID, NAME, ID@ADDR:PORT or NAME@ADDR:PORT");
    if (found > 0) return qe_setter_refuse_value(source, who, unknown_name);
    if (!at) return qe_config_put_peer(config, source, &id, NULL);
    struct qe_addr addr;
    const char *expected = qe_check_remote(at + 1, &addr);
    if (expected) return qe_setter_refuse_value(source, at + 1, expected);
    return qe_config_put_peer(config, source, &id, &addr);
}

static int allow_name(struct qe_config *config, const struct qe_config_source *source, const char *name)
{
    for (size_t i = 0; i < config->allowed_name_count; i++)
        if (strcmp(config->allowed_names[i].name, name) == 0) return 0;
    struct qe_config_allowed_name *names = qe_setter_grow(config, source, config->allowed_names,
        config->allowed_name_count, sizeof(*names), QE_CONFIG_NAMES_MAX, "names");
    if (!names) return -1;
    config->allowed_names = names;
    struct qe_config_allowed_name *entry = &names[config->allowed_name_count++];
    *entry = (struct qe_config_allowed_name){{0}};
    snprintf(entry->name, sizeof(entry->name), "%s", name);
    return 0;
}

int qe_config_allow_peer(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    struct qe_node_id id;
    int found = resolve(config, text, &id);
    if (found == 0) return qe_config_put_peer(config, source, &id, NULL);
    if (found < 0) return qe_setter_refuse_value(source, text, "a node ID or a name");
    return allow_name(config, source, text);
}

// What the whole shows of the addresses of peers. 0, or -1 after lines to the sink.
static int check_peers(const struct qe_config *config, const struct qe_config_sink *sink)
{
    int result = 0;
    for (size_t i = 0; i < config->peer_count; i++)
        for (size_t j = 0; j < config->listen_count; j++) {
            char line[QE_CONFIG_LINE_SIZE], id[QE_NODE_ID_TEXT_SIZE], addr[QE_ADDR_TEXT_SIZE];
            if (config->peers[i].addr.ip.family == 0 || !qe_addr_equal(&config->peers[i].addr, &config->listen[j]))
                continue;
            snprintf(line, sizeof(line), "peer %s has the address %s, where this node listens, expected another one",
                qe_node_id_format(&config->peers[i].id, id), qe_addr_format(&config->peers[i].addr, addr));
            sink->report(sink->user, QE_LOG_ERROR, line);
            result = -1;
        }
    return result;
}

int qe_config_finish(struct qe_config *config, const struct qe_config_sink *sink)
{
    if (config->listen_origin == QE_CONFIG_DEFAULT)
        for (size_t i = 0; i < config->listen_count; i++)
            config->listen[i].port = config->port;
    for (size_t i = config->name_count; i-- > 0;) { // the first name of a node stays
        const struct qe_config_name *name = &config->names[i];
        if (!qe_config_find_peer(config, &name->id)) continue;
        memcpy(config->peers[peer_place(config, &name->id)].name, name->name, sizeof(name->name));
    }
    int peers = check_peers(config, sink), traversal = qe_config_finish_traversal(config, sink);
    return qe_config_finish_discovery(config, sink) == 0 && traversal == 0 ? peers : -1;
}
