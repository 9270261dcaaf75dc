#include "cli/config_changes.h"

#include "cli/config_values.h"

#include <stdlib.h>
#include <string.h>

enum form { TEXT, NUMBER, LIST, YES, NO };

// The key that an option stands for; NULL: it changes no single key.
static const struct meaning {
    const char *section, *key;
    enum form form;
} meanings[] = {
    [QE_CLI_LISTEN] = {"network", "listen", LIST},
    [QE_CLI_TUN_NAME] = {"network", "tun_name", TEXT},
    [QE_CLI_TUN_ADDR] = {"network", "tun_addr", TEXT},
    [QE_CLI_NAME] = {"node", "name", TEXT},
    [QE_CLI_PEER] = {NULL, NULL, TEXT},
    [QE_CLI_PEER_ALLOW] = {NULL, NULL, TEXT},
    [QE_CLI_LOG_LEVEL] = {"monitoring", "log_level", TEXT},
    [QE_CLI_BOOTSTRAP] = {"discovery", "bootstrap_nodes", LIST},
    [QE_CLI_BOOTSTRAP_MODE] = {"discovery", "bootstrap_mode", YES},
    [QE_CLI_DHT_PORT] = {"discovery", "dht_port", NUMBER},
    [QE_CLI_PUBLIC_IP] = {"discovery", "public_ip", TEXT},
    [QE_CLI_MAINLINE] = {"discovery", "mainline", YES},
    [QE_CLI_ADVERTISE_SUBNET] = {"network", "advertise_subnets", LIST},
    [QE_CLI_ACCEPT_SUBNET] = {"network", "accept_subnets", LIST},
    [QE_CLI_NO_FORWARD] = {"network", "forward", NO},
    [QE_CLI_NO_MASQUERADE] = {"network", "masquerade", NO},
    [QE_CLI_NO_DNS] = {"network", "dns", NO},
    [QE_CLI_ROLE] = {"node", "role", TEXT},
    [QE_CLI_GATEWAY_PREFER] = {"gateway", "prefer", LIST},
    [QE_CLI_GATEWAY_ALLOW] = {"gateway", "allow", LIST},
    [QE_CLI_RELAY_ALLOW] = {"relay", "allow", TEXT},
    [QE_CLI_RELAY_EMERGENCY] = {"relay", "emergency", YES},
    [QE_CLI_EXIT_NODE] = {"network", "exit_node", TEXT},
    [QE_CLI_EXIT_LEAK] = {"network", "exit_leak", YES},
    [QE_CLI_NO_PORT_MAPPING] = {"nat", "port_mapping", NO},
};

bool qe_config_split_key(
    const char *text, size_t size, char section[QE_CONFIG_WORD_SIZE], char key[QE_CONFIG_WORD_SIZE])
{
    const char *dot = memchr(text, '.', size);
    if (!dot) return false;
    size_t before = (size_t)(dot - text), after = size - before - 1;
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    if (before == 0 || after == 0 || before >= QE_CONFIG_WORD_SIZE || after >= QE_CONFIG_WORD_SIZE) return false;
    if (strspn(text, letters) != before || strspn(dot + 1, letters) < after) return false;
    snprintf(section, QE_CONFIG_WORD_SIZE, "%.*s", (int)before, text);
    snprintf(key, QE_CONFIG_WORD_SIZE, "%.*s", (int)after, dot + 1);
    return true;
}

static struct qe_config_change *change_of(struct qe_config_changes *changes, const char *section, const char *key)
{
    for (size_t i = 0; i < changes->count; i++)
        if (strcmp(changes->list[i].section, section) == 0 && strcmp(changes->list[i].key, key) == 0)
            return &changes->list[i];
    if (changes->count == QE_CONFIG_CHANGES_MAX) return NULL;
    struct qe_config_change *change = &changes->list[changes->count++];
    snprintf(change->section, sizeof change->section, "%s", section);
    snprintf(change->key, sizeof change->key, "%s", key);
    change->value = NULL;
    return change;
}

static json_t *number(const char *text)
{
    size_t size = strlen(text);
    // What is none stays as it is, for the checks to say so.
    if (size == 0 || size > 9 || strspn(text, "0123456789") != size) return json_string(text);
    return json_integer(strtol(text, NULL, 10));
}

static void apply(struct qe_config_change *change, enum form form, const char *text)
{
    json_t *value = form == YES      ? json_true()
                    : form == NO     ? json_false()
                    : form == NUMBER ? number(text)
                    : form == TEXT   ? json_string(text)
                    : change->value  ? json_incref(change->value)
                                     : json_array();
    if (form == LIST) {
        if (strcmp(text, "none") == 0)
            json_array_clear(value);
        else
            json_array_append_new(value, json_string(text));
    }
    json_decref(change->value);
    change->value = value;
}

// A TOML value; what is none is a text, so that people need not quote twice.
static json_t *read_value(const char *text)
{
    char error[256], *line = malloc(strlen(text) + sizeof "x = ");
    unsigned at;
    json_t *value = NULL;
    if (!line) return NULL;
    sprintf(line, "x = %s", text);
    struct qe_toml *toml = strchr(text, '\n') ? NULL : qe_toml_parse(line, strlen(line), error, sizeof error, &at);
    const struct qe_toml_value *found = toml ? qe_toml_get(qe_toml_root(toml), "x") : NULL;
    bool datetime = found && qe_toml_kind(found) == QE_TOML_DATETIME;
    value = found && !datetime ? qe_config_values(found) : json_string(text);
    qe_toml_free(toml);
    free(line);
    return value;
}

int qe_config_changes_read(
    const struct qe_cli_options *options, struct qe_config_changes *changes, char error[QE_CLI_ERROR_SIZE])
{
    struct qe_config_change *change;
    char section[QE_CONFIG_WORD_SIZE], key[QE_CONFIG_WORD_SIZE];
    *changes = (struct qe_config_changes){.count = 0};
    for (size_t i = 0; i < options->setting_count; i++) {
        const struct qe_cli_setting *setting = &options->settings[i];
        const struct meaning *meaning = &meanings[setting->kind];
        change = meaning->key ? change_of(changes, meaning->section, meaning->key) : NULL;
        if (change) apply(change, meaning->form, setting->value);
    }
    if (options->argument) {
        const char *equals = strchr(options->argument, '=');
        size_t size = equals ? (size_t)(equals - options->argument) : 0;
        if (!equals || !qe_config_split_key(options->argument, size, section, key)) {
            snprintf(error, QE_CLI_ERROR_SIZE,
                "'%.80s' is no KEY=VALUE, such as relay.rate=20Mbit/s; see 'quicether config set --help'",
                options->argument);
            return -1;
        }
        change = change_of(changes, section, key);
        if (change) {
            json_decref(change->value);
            change->value = read_value(equals + 1);
        }
    }
    if (changes->count == 0) {
        snprintf(
            error, QE_CLI_ERROR_SIZE, "'quicether config set' wants to know what; see 'quicether config set --help'");
        return -1;
    }
    for (size_t i = 0; i < changes->count; i++)
        if (!changes->list[i].value) {
            snprintf(error, QE_CLI_ERROR_SIZE, "a value is not UTF-8, or there is no memory");
            return -1;
        }
    return 0;
}

void qe_config_changes_fini(struct qe_config_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++)
        json_decref(changes->list[i].value);
    changes->count = 0;
}
