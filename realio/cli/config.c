#include "cli/config.h"

#include "cli/call.h"
#include "cli/config_changes.h"
#include "cli/config_edit.h"
#include "cli/config_file.h"
#include "cli/config_values.h"
#include "cli/plain.h"
#include "cli/start.h"
#include "config/keys.h"
#include "dirs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TARGET_SIZE 4096

// What to say of mistakes, and where.
static void report(void *user, enum qe_log_level level, const char *line)
{
    FILE *err = user;
    fprintf(err, "quicether: %s%s\n", level == QE_LOG_WARN ? "warning: " : "", line);
}

static int complain(const struct qe_cli_world *world, const char *text, enum qe_exit status)
{
    fprintf(world->err, "quicether: %s\n", text);
    return (int)status;
}

// The file of these options. NULL after a complaint.
static const char *file_of(const struct qe_cli_world *world, struct qe_dirs *dirs)
{
    struct qe_fault fault;
    if (world->options->config) return world->options->config;
    if (qe_dirs_default(dirs, &fault) == 0) return dirs->config;
    complain(world, fault.text, fault.exit);
    return NULL;
}

// The file as a tree; one without a file is empty. NULL after a complaint.
static struct qe_toml *parse(const struct qe_cli_world *world, const char *file, const char *text)
{
    char error[256];
    unsigned line;
    struct qe_toml *toml = qe_toml_parse(text, strlen(text), error, sizeof error, &line);
    if (!toml) fprintf(world->err, "quicether: %s:%u: %s\n", file, line, qe_toml_error_text(error, line));
    return toml;
}

static struct qe_toml *read_tree(const struct qe_cli_world *world)
{
    struct qe_dirs dirs;
    const struct qe_config_sink sink = {world->err, report};
    const char *file = file_of(world, &dirs);
    char *text = NULL;
    size_t size;
    if (!file || qe_config_file_read(file, world->options->config != NULL, &sink, &text, &size) != 0) return NULL;
    struct qe_toml *toml = parse(world, file, text ? text : "");
    free(text);
    return toml;
}

static bool key_exists(const char *section, const char *key)
{
    for (const struct qe_section *s = qe_sections; s->name; s++)
        for (const struct qe_setting *k = s->keys; k->name && strcmp(s->name, section) == 0; k++)
            if (strcmp(k->name, key) == 0) return true;
    return false;
}

static void put_bare(const json_t *value, FILE *out)
{
    if (json_is_string(value))
        qe_plain_put(json_string_value(value), out);
    else
        qe_config_put_value(value, out);
    fputs("\n", out);
}

// A value by itself: what it says, without quotes; of a list one item a line.
static void put_alone(const struct qe_cli_world *world, const json_t *value)
{
    size_t i;
    json_t *item;
    if (world->options->json) {
        json_dumpf(value, world->out, JSON_COMPACT | JSON_ENCODE_ANY);
        fputs("\n", world->out);
    } else if (json_is_array(value)) {
        json_array_foreach((json_t *)(uintptr_t)value, i, item) put_bare(item, world->out);
    } else {
        put_bare(value, world->out);
    }
}

int qe_cli_config_get(const struct qe_cli_world *world)
{
    char section[QE_CONFIG_WORD_SIZE], key[QE_CONFIG_WORD_SIZE], line[256];
    const char *name = world->options->argument;
    if (!qe_config_split_key(name, strlen(name), section, key) || !key_exists(section, key)) {
        snprintf(line, sizeof line, "there is no key '%.80s'; quicether.toml(5) has them", name);
        return complain(world, line, QE_EXIT_USAGE);
    }
    struct qe_toml *toml = read_tree(world);
    if (!toml) return QE_EXIT_USAGE;
    json_t *said = qe_config_values(qe_toml_root(toml)), *defaults = qe_config_default_values();
    const json_t *value = json_object_get(json_object_get(said, section), key);
    if (!value) value = json_object_get(json_object_get(defaults, section), key);
    int status = QE_EXIT_OK;
    if (value) {
        put_alone(world, value);
    } else {
        snprintf(line, sizeof line, "%s.%s is not set", section, key);
        status = complain(world, line, QE_EXIT_FAILED);
    }
    json_decref(said);
    json_decref(defaults);
    qe_toml_free(toml);
    return status;
}

// One table: what the file says of it, then the defaults of the rest.
static void put_table(const char *section, json_t *said, json_t *defaults, FILE *out)
{
    const char *key;
    json_t *value;
    fprintf(out, "[%s]\n", section);
    json_object_foreach(said, key, value)
    {
        fprintf(out, "%s = ", key);
        qe_config_put_value(value, out);
        fputs("\n", out);
    }
    json_object_foreach(defaults, key, value)
    {
        if (json_object_get(said, key)) continue;
        fprintf(out, "%s = ", key);
        qe_config_put_value(value, out);
        fputs(" # default\n", out);
    }
    fputs("\n", out);
}

static void put_peers(const json_t *peers, FILE *out)
{
    size_t i;
    json_t *peer;
    json_array_foreach((json_t *)(uintptr_t)peers, i, peer)
    {
        const char *key;
        json_t *value;
        fputs("[[peer]]\n", out);
        json_object_foreach(peer, key, value)
        {
            fprintf(out, "%s = ", key);
            qe_config_put_value(value, out);
            fputs("\n", out);
        }
        fputs("\n", out);
    }
}

int qe_cli_config_show(const struct qe_cli_world *world)
{
    struct qe_toml *toml = read_tree(world);
    if (!toml) return QE_EXIT_USAGE;
    json_t *said = qe_config_values(qe_toml_root(toml)), *defaults = qe_config_default_values();
    if (world->options->json) {
        json_object_update_recursive(defaults, said);
        json_dumpf(defaults, world->out, JSON_COMPACT);
        fputs("\n", world->out);
    } else {
        for (const struct qe_section *s = qe_sections; s->name; s++) {
            json_t *table = json_object_get(said, s->name), *rest = json_object_get(defaults, s->name);
            if (json_is_array(table))
                put_peers(table, world->out);
            else if (table || rest)
                put_table(s->name, table, rest, world->out);
        }
    }
    json_decref(said);
    json_decref(defaults);
    qe_toml_free(toml);
    return QE_EXIT_OK;
}

static char *value_text(const json_t *value)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    qe_config_put_value(value, out);
    if (fclose(out) == 0) return text;
    free(text);
    return NULL;
}

// The text with all changes; NULL without memory.
static char *edit(const char *text, const struct qe_config_changes *changes)
{
    char *edited = strdup(text);
    for (size_t i = 0; i < changes->count && edited; i++) {
        const struct qe_config_change *change = &changes->list[i];
        char *value = value_text(change->value);
        char *next = value ? qe_config_edit(edited, change->section, change->key, value) : NULL;
        free(value);
        free(edited);
        edited = next;
    }
    return edited;
}

// Whether the edited text says what it was edited to say: the editor does not know every way to write a table.
static int verify(const struct qe_cli_world *world, const char *file, const char *before, const char *text,
    const struct qe_config_changes *changes)
{
    char line[256], error[256];
    unsigned at;
    // Mistakes that were there already are told with their own lines.
    struct qe_toml *old = parse(world, file, before);
    if (!old) return QE_EXIT_USAGE;
    qe_toml_free(old);
    struct qe_toml *toml = qe_toml_parse(text, strlen(text), error, sizeof error, &at);
    json_t *tree = toml ? qe_config_values(qe_toml_root(toml)) : NULL;
    int status = QE_EXIT_OK;
    for (size_t i = 0; i < changes->count && status == QE_EXIT_OK; i++) {
        const struct qe_config_change *change = &changes->list[i];
        const json_t *value = json_object_get(json_object_get(tree, change->section), change->key);
        if (value && json_equal(value, change->value)) continue;
        snprintf(line, sizeof line, "%.100s has [%.40s] in a form that this command does not change; edit it by hand",
            file, change->section);
        status = complain(world, line, QE_EXIT_FAILED);
    }
    json_decref(tree);
    qe_toml_free(toml);
    return status;
}

// The words of a live setting: a list with commas, names as IDs where the configuration knows them.
static void live_value(const struct qe_config *config, const struct qe_config_change *change, char *out, size_t size)
{
    const struct qe_config_nodes *nodes = NULL;
    bool gateway = strcmp(change->section, "gateway") == 0;
    if (gateway && strcmp(change->key, "prefer") == 0) nodes = &config->gateway_prefer;
    if (gateway && strcmp(change->key, "allow") == 0) nodes = &config->gateway_allow;
    *out = '\0';
    for (size_t i = 0, used = 0; nodes && i < nodes->count; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? "," : "", nodes->list[i].text);
    if (nodes) return;
    if (strcmp(change->section, "network") == 0 && strcmp(change->key, "exit_node") == 0)
        snprintf(out, size, "%s", config->exit_node.text[0] ? config->exit_node.text : "none");
    else if (json_is_string(change->value))
        snprintf(out, size, "%s", json_string_value(change->value));
    else if (json_is_boolean(change->value))
        snprintf(out, size, "%s", json_is_true(change->value) ? "true" : "false");
}

// Tells the daemon, if there is one. True: it uses the value from now on. `status` becomes a failure where it refuses.
static bool tell(const struct qe_cli_world *world, const struct qe_config *config,
    const struct qe_config_change *change, int *status)
{
    char target[TARGET_SIZE] = "/v1/set", key[2 * QE_CONFIG_WORD_SIZE], value[1024];
    struct qe_client_reply reply;
    snprintf(key, sizeof key, "%s.%s", change->section, change->key);
    live_value(config, change, value, sizeof value);
    if (!qe_cli_add_parameter(target, sizeof target, "key", key)) return false;
    if (*value && !qe_cli_add_parameter(target, sizeof target, "value", value)) return false;
    struct qe_client_request request = {.socket_path = world->control,
        .method = "POST",
        .target = target,
        .timeout_ms = QE_CLIENT_TIMEOUT_MS,
        .interrupt_fd = -1};
    enum qe_client_outcome outcome = qe_client_call(&request, &reply);
    // 404: not while it runs.
    if (outcome == QE_CLIENT_REFUSED && reply.status != 404) {
        fprintf(world->err, "quicether: the daemon keeps what it has of %s: %s\n", key, reply.error);
        *status = QE_EXIT_FAILED;
    }
    qe_client_reply_fini(&reply);
    return outcome == QE_CLIENT_OK;
}

static int announce(const struct qe_cli_world *world, const char *file, const struct qe_config *config,
    const struct qe_config_changes *changes)
{
    int status = QE_EXIT_OK;
    json_t *list = json_array();
    for (size_t i = 0; i < changes->count; i++) {
        const struct qe_config_change *change = &changes->list[i];
        bool live = tell(world, config, change, &status);
        char key[2 * QE_CONFIG_WORD_SIZE];
        snprintf(key, sizeof key, "%s.%s", change->section, change->key);
        json_array_append_new(list, json_pack("{s:s, s:O, s:b}", "key", key, "value", change->value, "live", live));
        if (world->options->json) continue;
        fprintf(world->out, "%s = ", key);
        qe_config_put_value(change->value, world->out);
        fputs(live ? " (in use)\n" : " (from the next start)\n", world->out);
    }
    json_t *all = json_pack("{s:s, s:o}", "file", file, "changed", list);
    if (world->options->json) {
        json_dumpf(all, world->out, JSON_COMPACT);
        fputs("\n", world->out);
    }
    json_decref(all);
    return status;
}

// The file is this process's for the time.
static int change_file(const struct qe_cli_world *world, const char *file, const struct qe_config_changes *changes)
{
    const struct qe_config_sink sink = {world->err, report};
    struct qe_fault fault;
    struct qe_config config;
    char *before = NULL, *after = NULL;
    size_t size;
    int status = QE_EXIT_USAGE;
    qe_config_init(&config, &qe_cli_heap);
    if (qe_config_file_read(file, false, &sink, &before, &size) != 0) goto out;
    if (before && strlen(before) != size) {
        status = complain(world, "the configuration file has a NUL character", QE_EXIT_USAGE);
        goto out;
    }
    if (!before) before = strdup("");
    after = before ? edit(before, changes) : NULL;
    if (!after) {
        status = complain(world, "no memory", QE_EXIT_FAILED);
        goto out;
    }
    // What a value may be is said first: it is the more useful of two complaints.
    if (qe_config_load_text(&config, after, strlen(after), file, &sink) != 0 || qe_config_finish(&config, &sink) != 0)
        goto out;
    status = verify(world, file, before, after, changes);
    if (status != QE_EXIT_OK) goto out;
    if (strcmp(before, after) != 0 && qe_config_file_write(file, after, &fault) != 0) {
        status = complain(world, fault.text, fault.exit);
        goto out;
    }
    status = announce(world, file, &config, changes);
out:
    qe_config_fini(&config);
    free(before);
    free(after);
    return status;
}

int qe_cli_config_set(const struct qe_cli_world *world)
{
    struct qe_config_changes changes;
    struct qe_dirs dirs;
    struct qe_fault fault;
    char error[QE_CLI_ERROR_SIZE];
    int status = QE_EXIT_USAGE;
    const char *file = file_of(world, &dirs);
    if (!file) return QE_EXIT_USAGE;
    if (qe_config_changes_read(world->options, &changes, error) != 0) {
        complain(world, error, QE_EXIT_USAGE);
    } else {
        int lock = qe_config_file_lock(file, &fault);
        status = lock < 0 ? complain(world, fault.text, fault.exit) : change_file(world, file, &changes);
        if (lock >= 0) close(lock);
    }
    qe_config_changes_fini(&changes);
    return status;
}
