#include "cli/start.h"

#include "cli/config_file.h"
#include "config/load.h"
#include "daemon.h"
#include "dirs.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *heap_alloc(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void *heap_realloc(void *user, void *old, size_t size)
{
    (void)user;
    return realloc(old, size);
}

static void heap_free(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

const struct qe_mem qe_cli_heap = {NULL, heap_alloc, heap_realloc, heap_free};

static int load(struct qe_config *config, const char *file, bool must_exist, const struct qe_config_sink *sink)
{
    char *text;
    size_t size;
    if (qe_config_file_read(file, must_exist, sink, &text, &size) != 0) return -1;
    int result = text ? qe_config_load_text(config, text, size, file, sink) : 0;
    free(text);
    return result;
}

typedef int setter(struct qe_config *config, const struct qe_config_source *source, const char *text);

static int set_bootstrap_mode(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    (void)source, (void)text;
    config->bootstrap_mode = true;
    return 0;
}

static int set_mainline(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    (void)source, (void)text;
    config->mainline = true;
    return 0;
}

static int accept_subnet(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    return strcmp(text, "none") == 0 ? qe_config_no_accept(config, source) : qe_config_add_accept(config, source, text);
}

static int unset_forward(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    (void)source, (void)text;
    config->forward = false;
    return 0;
}

static int unset_masquerade(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    (void)source, (void)text;
    config->masquerade = false;
    return 0;
}

static int unset_dns(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    (void)source, (void)text;
    config->dns = false;
    return 0;
}

static int set_relay_emergency(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    (void)source, (void)text;
    config->relay.emergency = true;
    return 0;
}

static int set_exit_leak(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    (void)source, (void)text;
    config->exit_leak = true;
    return 0;
}

static int unset_port_mapping(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    (void)source, (void)text;
    config->port_mapping = false;
    return 0;
}

static int apply(struct qe_config *config, const struct qe_cli_setting *setting, const struct qe_config_sink *sink)
{
    static setter *const setters[] = {
        [QE_CLI_LISTEN] = qe_config_add_listen,
        [QE_CLI_TUN_NAME] = qe_config_set_tun_name,
        [QE_CLI_TUN_ADDR] = qe_config_set_tun_addr,
        [QE_CLI_NAME] = qe_config_set_name,
        [QE_CLI_PEER] = qe_config_add_peer,
        [QE_CLI_PEER_ALLOW] = qe_config_allow_peer,
        [QE_CLI_LOG_LEVEL] = qe_config_set_log_level,
        [QE_CLI_BOOTSTRAP] = qe_config_add_bootstrap,
        [QE_CLI_BOOTSTRAP_MODE] = set_bootstrap_mode,
        [QE_CLI_DHT_PORT] = qe_config_set_port,
        [QE_CLI_PUBLIC_IP] = qe_config_set_public_ip,
        [QE_CLI_MAINLINE] = set_mainline,
        [QE_CLI_ADVERTISE_SUBNET] = qe_config_add_advertise,
        [QE_CLI_ACCEPT_SUBNET] = accept_subnet,
        [QE_CLI_NO_FORWARD] = unset_forward,
        [QE_CLI_NO_MASQUERADE] = unset_masquerade,
        [QE_CLI_NO_DNS] = unset_dns,
        [QE_CLI_ROLE] = qe_config_set_role,
        [QE_CLI_GATEWAY_PREFER] = qe_config_add_gateway_prefer,
        [QE_CLI_GATEWAY_ALLOW] = qe_config_add_gateway_allow,
        [QE_CLI_RELAY_ALLOW] = qe_config_set_relay_allow,
        [QE_CLI_RELAY_EMERGENCY] = set_relay_emergency,
        [QE_CLI_EXIT_NODE] = qe_config_set_exit_node,
        [QE_CLI_EXIT_LEAK] = set_exit_leak,
        [QE_CLI_NO_PORT_MAPPING] = unset_port_mapping,
    };
    char where[32];
    snprintf(where, sizeof where, "--%s", setting->option);
    struct qe_config_source source = {.where = where, .origin = QE_CONFIG_COMMAND_LINE, .sink = sink};
    return setters[setting->kind](config, &source, setting->value);
}

int qe_cli_configure(const struct qe_cli_options *options, const char *default_file, const struct qe_config_sink *sink,
    struct qe_config *config)
{
    qe_config_init(config, &qe_cli_heap);
    const char *file = options->config ? options->config : default_file;
    if (file && load(config, file, options->config != NULL, sink) != 0) return -1;
    // All mistakes at once, as with the file.
    int result = 0;
    for (size_t i = 0; i < options->setting_count; i++)
        if (apply(config, &options->settings[i], sink) != 0) result = -1;
    return result == 0 ? qe_config_finish(config, sink) : -1;
}

static void report(void *user, enum qe_log_level level, const char *line)
{
    (void)user;
    fprintf(stderr, "quicether: %s%s\n", level == QE_LOG_WARN ? "warning: " : "", line);
}

// What is said of a recording besides its file; false after saying what is wrong with it.
static bool read_recording(const struct qe_cli_options *options, struct qe_recording_options *recording)
{
    size_t size = 0;
    const char *key = options->record_to, *end = key;
    if (!options->record && (key || options->record_limit_bytes)) {
        fprintf(stderr, "quicether: --record-%s without --record FILE\n", key ? "to" : "limit");
        return false;
    }
    if (!key) return true;
    recording->sealed = true;
    if (sodium_hex2bin(recording->recipient, sizeof recording->recipient, key, strlen(key), NULL, &size, &end) == 0 &&
        !*end && size == sizeof recording->recipient)
        return true;
    fprintf(stderr,
        "quicether: --record-to '%.80s' is no public key; expected 64 hexadecimal digits, as "
        "quicether-sim keygen prints them\n",
        key);
    return false;
}

int qe_cli_start(const struct qe_cli_options *options)
{
    const struct qe_config_sink sink = {NULL, report};
    struct qe_dirs dirs;
    struct qe_fault fault;
    struct qe_config config;
    bool homeless = qe_dirs_default(&dirs, &fault) != 0;
    if (homeless && !(options->config && options->state_dir && options->control)) {
        fprintf(stderr, "quicether: %s\n", fault.text);
        return (int)fault.exit;
    }
    if (qe_cli_configure(options, homeless ? NULL : dirs.config, &sink, &config) != 0) {
        qe_config_fini(&config);
        return QE_EXIT_USAGE;
    }
    struct qe_recording_options recording = {.path = options->record, .limit_bytes = options->record_limit_bytes};
    if (!read_recording(options, &recording)) {
        qe_config_fini(&config);
        return QE_EXIT_USAGE;
    }
    struct qe_daemon_options daemon = {.config = &config,
        .recording = options->record ? &recording : NULL,
        .state_dir = options->state_dir,
        .control_path = options->control,
        .detach = options->detach};
    int status = qe_daemon_run(&daemon);
    qe_config_fini(&config);
    return status;
}
