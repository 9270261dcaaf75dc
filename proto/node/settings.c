// SET: what of a configuration can change while the node runs. A value is taken whole or not at all, by the same
// setters and checks as at the start.
#include "node/report.h"

#include <stdio.h>

#define KEY_SIZE   64
#define VALUE_SIZE 1024

typedef int setter(struct qe_config *config, const struct qe_config_source *source, const char *text);

// "true" or "false" into one of the configuration's flags.
static int set_flag(const struct qe_config_source *source, const char *text, bool *out)
{
    bool on = strcmp(text, "true") == 0;
    if (!on && strcmp(text, "false") != 0) {
        char line[QE_CONFIG_LINE_SIZE];
        snprintf(line, sizeof line, "%s is neither true nor false", source->where);
        source->sink->report(source->sink->user, QE_LOG_ERROR, line);
        return -1;
    }
    *out = on;
    return 0;
}

static int set_exit_leak(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    return set_flag(source, text, &config->exit_leak);
}

static int set_emergency(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    return set_flag(source, text, &config->relay.emergency);
}

static int set_birthday(struct qe_config *config, const struct qe_config_source *source, const char *text)
{
    return set_flag(source, text, &config->birthday);
}

static const struct setting {
    const char *key;
    setter *set;
    // Of a list: empties it; then `set` adds. NULL: there is one value.
    int (*none)(struct qe_config *config, const struct qe_config_source *source);
} settings[] = {
    {"gateway.allow", qe_config_add_gateway_allow, qe_config_no_gateway_allow},
    {"gateway.prefer", qe_config_add_gateway_prefer, qe_config_no_gateway_prefer},
    {"nat.birthday", set_birthday, NULL},
    {"network.exit_leak", set_exit_leak, NULL},
    {"network.exit_node", qe_config_set_exit_node, NULL},
    {"relay.allow", qe_config_set_relay_allow, NULL},
    {"relay.emergency", set_emergency, NULL},
    {"relay.rate", qe_config_set_relay_rate, NULL},
    {"relay.total_rate", qe_config_set_relay_total_rate, NULL},
    {"relay.volume", qe_config_set_relay_volume, NULL},
};

static const struct setting *find(const char *key)
{
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (strcmp(settings[i].key, key) == 0) return &settings[i];
    return NULL;
}

// "KEY" or "KEY value=VALUE". False where that is too long.
static bool split(const char *argument, char key[KEY_SIZE], char value[VALUE_SIZE])
{
    static const char before[] = " value=";
    size_t size = strcspn(argument, " ");
    const char *rest = argument + size;
    if (strncmp(rest, before, sizeof before - 1) == 0) rest += sizeof before - 1;
    return snprintf(key, KEY_SIZE, "%.*s", (int)size, argument) < KEY_SIZE &&
           snprintf(value, VALUE_SIZE, "%s", rest) < VALUE_SIZE;
}

// The items of "a,b", one by one. -1 after a mistake.
static int add_items(
    struct qe_config *config, const struct qe_config_source *source, const struct setting *setting, const char *value)
{
    char item[VALUE_SIZE];
    setting->none(config, source);
    while (*value) {
        size_t size = strcspn(value, ",");
        snprintf(item, sizeof item, "%.*s", (int)size, value);
        if (setting->set(config, source, item) != 0) return -1;
        value += size + (value[size] == ',');
    }
    return 0;
}

struct mistake {
    char text[QE_CONFIG_LINE_SIZE];
};

static void note(void *user, enum qe_log_level level, const char *line)
{
    struct mistake *mistake = user;
    if (level == QE_LOG_ERROR && !mistake->text[0]) snprintf(mistake->text, sizeof mistake->text, "%s", line);
}

// Only what is inline in the configuration is set here: the copy that is put back is one of the whole.
static bool take(struct qe_cplane *c, const struct setting *setting, const char *value, struct mistake *mistake)
{
    const struct qe_config before = *c->config;
    const struct qe_config_sink sink = {mistake, note};
    const struct qe_config_source source = {setting->key, QE_CONFIG_COMMAND_LINE, &sink};
    int result =
        setting->none ? add_items(c->config, &source, setting, value) : setting->set(c->config, &source, value);
    if (result == 0) result = qe_config_check_traversal(c->config, &sink);
    if (result != 0) *c->config = before;
    return result == 0;
}

void cplane_set(struct qe_cplane *c, const struct qe_command *command)
{
    char key[KEY_SIZE], value[VALUE_SIZE], line[256];
    struct mistake mistake = {""};
    struct qe_json json;
    if (!command->argument || !split(command->argument, key, value)) {
        cplane_reply_error(c, command->id, 400, "no key, or more than a value can be");
        return;
    }
    const struct setting *setting = find(key);
    if (!setting) {
        snprintf(line, sizeof line, "%s cannot be changed while the node runs", key);
        cplane_reply_error(c, command->id, 404, line);
        return;
    }
    if (!take(c, setting, value, &mistake)) {
        cplane_reply_error(c, command->id, 400, mistake.text);
        return;
    }
    cplane_log(c, QE_LOG_INFO, "%s is %s from now on", key, *value ? value : "empty");
    cplane_trace(c, "setting", NULL, (uint64_t)(setting - settings), 0);
    if (strncmp(key, "network.exit_", strlen("network.exit_")) == 0) cplane_exit_on_setting(c);
    bool relaying = strncmp(key, "relay.", strlen("relay.")) == 0;
    if (strncmp(key, "gateway.", strlen("gateway.")) == 0) cplane_gateways_on_config(c);
    // Lanes have the limits from the snapshot.
    if (relaying) cplane_publish(c);
    if (relaying || strncmp(key, "gateway.", strlen("gateway.")) == 0) cplane_gateways_on_config(c);
    qe_json_init(&json, c->mem, QE_JSON_SIZE_MAX);
    qe_json_object_begin(&json);
    member(&json, "key", key);
    member(&json, "value", value);
    qe_json_object_end(&json);
    cplane_reply(c, command->id, 200, &json);
    qe_json_fini(&json);
}
