// Each node's configuration: the daemon's own reader over the host's [host.config], where other hosts' names are known,
// and the peers that the scenario names.
#include "host/configs.h"

#include "engine/memory.h"
#include "host/host.h"

#include "config/load.h"

#include <stdio.h>
#include <string.h>

// The first mistake is the one to tell.
struct mistake {
    char *error;
    bool made;
};

static void report(void *user, enum qe_log_level level, const char *line)
{
    struct mistake *mistake = user;
    if (level != QE_LOG_ERROR || mistake->made) return;
    mistake->made = true;
    snprintf(mistake->error, SIM_ERROR_SIZE, "%s", line);
}

// Where `config` listens for this family: 0 for nowhere; *bound: the address, if it is not every one.
static uint16_t listens(const struct qe_config *config, uint8_t family, struct qe_ip *bound)
{
    bound->family = 0;
    for (size_t i = 0; i < config->listen_count; i++) {
        if (config->listen[i].ip.family != family) continue;
        if (!qe_ip_is_unspecified(&config->listen[i].ip)) *bound = config->listen[i].ip;
        return config->listen[i].port;
    }
    return 0;
}

static size_t port_of(const struct sim_scenario_link *link, size_t host)
{
    for (size_t i = 0; i < link->host_count; i++)
        if (link->hosts[i] == host) return i;
    return SIM_NONE;
}

// An address at which `host` can be dialled: on a link that `from` is on too, else on any; the first in the file.
static bool find_address(
    const struct sim_scenario *s, size_t from, size_t host, const struct qe_config *config, struct qe_addr *out)
{
    for (int shared = 1; shared >= 0; shared--)
        for (size_t i = 0; i < s->link_count; i++) {
            const struct sim_scenario_link *link = &s->links[i];
            size_t port = port_of(link, host);
            if (port == SIM_NONE || (shared && port_of(link, from) == SIM_NONE)) continue;
            for (size_t k = 0; k < link->address_count; k++) {
                const struct qe_ip *ip = &link->addresses[k].cidr.ip;
                struct qe_ip bound;
                uint16_t udp = listens(config, ip->family, &bound);
                if (link->addresses[k].port != port || !udp || (bound.family && !qe_ip_equal(&bound, ip))) continue;
                *out = (struct qe_addr){.ip = *ip, .port = udp};
                return true;
            }
        }
    return false;
}

static void add_names(const struct sim_scenario *s, const struct qe_node_id *ids, struct qe_config *config,
    const struct qe_config_source *source)
{
    for (size_t i = 0; i < s->host_count; i++)
        if (s->hosts[i].node) qe_config_add_name(config, source, s->hosts[i].name, &ids[i]);
}

static void add_peers(const struct sim_scenario *s, size_t host, const struct qe_node_id *ids,
    struct qe_config *configs, const struct qe_config_sink *sink)
{
    for (size_t i = 0; i < s->hosts[host].peer_count; i++) {
        const struct sim_scenario_peer *peer = &s->hosts[host].peers[i];
        char where[SIM_ERROR_SIZE];
        struct qe_addr addr = peer->addr;
        snprintf(where, sizeof(where), "%s:%u: peers", s->file, peer->line);
        struct qe_config_source source = {where, QE_CONFIG_COMMAND_LINE, sink};
        if (peer->dial && !addr.ip.family && !find_address(s, host, peer->host, &configs[peer->host], &addr)) {
            char line[SIM_ERROR_SIZE * 2];
            snprintf(line, sizeof(line), "%s: there is no address at which to dial \"%s\"; expected a link to it",
                where, s->hosts[peer->host].name);
            sink->report(sink->user, QE_LOG_ERROR, line);
            continue;
        }
        qe_config_put_peer(&configs[host], &source, &ids[peer->host], addr.ip.family ? &addr : NULL);
    }
}

struct qe_config *sim_configs_new(
    const struct sim_scenario *s, uint64_t seed, unsigned lanes, char error[SIM_ERROR_SIZE])
{
    struct mistake mistake = {.error = error};
    struct qe_config_sink sink = {&mistake, report};
    struct qe_config *configs = sim_obtain(s->host_count, sizeof(*configs));
    struct qe_node_id *ids = sim_obtain(s->host_count, sizeof(*ids));
    for (size_t i = 0; i < s->host_count; i++) {
        struct qe_key key;
        uint8_t secret[64];
        sim_host_identity(seed, s->hosts[i].name, &key, secret);
        ids[i] = qe_node_id_from_key(&key);
        qe_config_init(&configs[i], sim_own_memory());
        // Whom a simulated node asks first is for the scenario to say.
        configs[i].bootstrap_origin = QE_CONFIG_FILE;
    }
    for (size_t i = 0; i < s->host_count && !mistake.made; i++) {
        struct qe_config_source source = {s->file, QE_CONFIG_DEFAULT, &sink};
        if (!s->hosts[i].node) continue;
        snprintf(configs[i].name, sizeof(configs[i].name), "%s", s->hosts[i].name);
        add_names(s, ids, &configs[i], &source);
        if (s->hosts[i].config) qe_config_load(&configs[i], s->hosts[i].config, s->file, &sink);
        if (lanes) configs[i].lanes = (uint8_t)lanes;
    }
    // Peers want to know where others listen, which is settled last: by defaults where nothing was said.
    for (size_t i = 0; i < s->host_count && !mistake.made; i++)
        if (s->hosts[i].node) qe_config_finish(&configs[i], &sink);
    for (size_t i = 0; i < s->host_count && !mistake.made; i++)
        add_peers(s, i, ids, configs, &sink);
    for (size_t i = 0; i < s->host_count && !mistake.made; i++)
        if (s->hosts[i].node) qe_config_finish(&configs[i], &sink);
    sim_release(ids);
    if (!mistake.made) return configs;
    sim_configs_free(configs, s);
    return NULL;
}

void sim_configs_free(struct qe_config *configs, const struct sim_scenario *scenario)
{
    for (size_t i = 0; i < scenario->host_count; i++)
        qe_config_fini(&configs[i]);
    sim_release(configs);
}
