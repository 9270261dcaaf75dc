// Any file leaves either a configuration that a node may run with, or at least one mistake told; and never more lines
// than the bounds allow.
#include "config/check.h"
#include "config/load.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void *take(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void *retake(void *user, void *old, size_t size)
{
    (void)user;
    return realloc(old, size);
}

static void give(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

struct told {
    unsigned mistakes, warnings;
};

static void tell(void *user, enum qe_log_level level, const char *line)
{
    struct told *told = user;
    assert(level == QE_LOG_ERROR || level == QE_LOG_WARN);
    (*(level == QE_LOG_ERROR ? &told->mistakes : &told->warnings))++;
    assert(strlen(line) > 0 && strlen(line) < QE_CONFIG_LINE_SIZE);
    for (; *line; line++)
        assert((unsigned char)*line >= ' ');
}

static void check(const struct qe_config *config)
{
    struct qe_addr addr;
    struct qe_cidr cidr;
    char text[QE_ADDR_TEXT_SIZE];
    assert(!config->name[0] || !qe_check_name(config->name));
    assert(!qe_check_interface(config->tun_name));
    assert(!config->tun_addr.ip.family || !qe_check_tun_addr(qe_cidr_format(&config->tun_addr, text), &cidr));
    assert(config->mtu >= QE_MTU_MIN && config->mtu <= QE_DEFAULT_MTU);
    assert(config->listen_count >= 1 && config->listen_count <= QE_CONFIG_LISTEN_MAX);
    for (size_t i = 0; i < config->listen_count; i++)
        assert(!qe_check_listen(qe_addr_format(&config->listen[i], text), &addr));
    for (size_t i = 0; i < config->peer_count; i++) {
        const struct qe_config_peer *peer = &config->peers[i];
        assert(i == 0 || qe_node_id_compare(&config->peers[i - 1].id, &peer->id) < 0);
        assert(!peer->addr.ip.family || !qe_check_remote(qe_addr_format(&peer->addr, text), &addr));
        assert(!peer->name[0] || qe_node_id_equal(qe_config_find_name(config, peer->name), &peer->id));
    }
    for (size_t i = 0; i < config->bootstrap_count; i++) {
        char host[QE_HOST_SIZE];
        assert(!qe_check_host_port(config->bootstrap[i].text));
        qe_host_port_split(config->bootstrap[i].text, host, &addr);
        assert(addr.port && (addr.ip.family == 0) == (host[0] != '\0'));
    }
    for (size_t i = 0; i < config->allowed_name_count; i++)
        assert(!qe_check_name(config->allowed_names[i].name));
    for (size_t i = 0; i < config->advertise.count; i++)
        assert(!qe_check_subnet(qe_cidr_format(&config->advertise.list[i], text), &cidr));
    assert(config->lanes >= 1 && config->lanes <= QE_CONFIG_LANES_MAX);
    assert(!config->metrics_addr.ip.family || config->metrics_addr.port);
    assert(!config->health_addr.ip.family || config->health_addr.port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct qe_mem mem = {NULL, take, retake, give};
    struct told told = {0, 0};
    struct qe_config_sink sink = {&told, tell};
    struct qe_config config;
    qe_config_init(&config, &mem);
    int result = qe_config_load_text(&config, (const char *)data, size, "config.toml", &sink);
    assert((result != 0) == (told.mistakes > 0));
    assert(told.mistakes <= QE_CONFIG_MISTAKES_MAX + 1 && told.warnings <= QE_CONFIG_MISTAKES_MAX + 1);
    // The command line follows, in its own words: the bytes as one argument.
    char argument[128];
    size_t argument_size = size < sizeof(argument) ? size : sizeof(argument) - 1;
    memcpy(argument, data, argument_size);
    argument[argument_size] = '\0';
    struct qe_config_source source = {"--x", QE_CONFIG_COMMAND_LINE, &sink};
    int (*const setters[])(struct qe_config *, const struct qe_config_source *, const char *) = {qe_config_set_name,
        qe_config_set_tun_name, qe_config_set_tun_addr, qe_config_set_log_level, qe_config_add_listen,
        qe_config_add_peer, qe_config_allow_peer, qe_config_set_port, qe_config_set_public_ip, qe_config_add_bootstrap,
        qe_config_add_advertise, qe_config_add_accept};
    for (size_t i = 0; i < sizeof(setters) / sizeof(setters[0]); i++) {
        // Arguments come from the same person as their terminal, but a line stays a line.
        unsigned before = told.mistakes;
        if (setters[i](&config, &source, argument) != 0) assert(told.mistakes == before + 1);
    }
    qe_config_finish(&config, &sink);
    check(&config);
    struct qe_config copy;
    if (qe_config_copy(&copy, &config, &mem) == 0) {
        check(&copy);
        qe_config_fini(&copy);
    }
    qe_config_fini(&config);
    return 0;
}
