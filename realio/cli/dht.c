#include "cli/dht.h"

#include "cli/call.h"
#include "cli/show_dht.h"

#include <inttypes.h>
#include <string.h>

#define TARGET_SIZE 4608 // each byte of a value and a salt takes two digits
#define TEXT_MAX    950  // of BEP 44's 1000 bytes, with room for the length

static void hex(const char *text, char *out)
{
    for (; *text; text++, out += 2)
        snprintf(out, 3, "%02x", (unsigned)(unsigned char)*text);
}

static int usage(const struct qe_cli_world *world, const char *what)
{
    fprintf(world->err, "quicether: %s\n", what);
    return QE_EXIT_USAGE;
}

// A lookup that found nothing is a failure, as with grep(1), whatever its answer looks like.
static int find(const struct qe_cli_world *world, const struct qe_cli_call *call)
{
    json_t *json;
    int status = qe_cli_call(world, call, &json);
    // Of a bare target nobody is the owner, and the closest nodes are all there is to find.
    const char *kind = json_string_value(json_object_get(json, "kind"));
    bool bare = kind && strcmp(kind, "target") == 0;
    bool found =
        bare ? json_array_size(json_object_get(json, "closest")) > 0 : json_is_true(json_object_get(json, "found"));
    json_decref(json);
    return status == QE_EXIT_OK && !found ? QE_EXIT_FAILED : status;
}

// What the API takes as a target; the daemon tells more about it.
static bool may_be_target(const char *text)
{
    size_t size = strlen(text);
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c > '~') return false;
    return size > 0 && size < 128;
}

static int lookup(const struct qe_cli_world *world)
{
    char target[TARGET_SIZE] = "/v1/dht/lookup";
    const char *what = world->options->argument;
    if (!may_be_target(what) || !qe_cli_add_parameter(target, sizeof(target), "target", what))
        return usage(world,
            "the target is none, expected a node ID, a name, an overlay address, a subnet or 40 hexadecimal digits");
    return find(world, &(struct qe_cli_call){"POST", target, 0, qe_show_dht_lookup});
}

static bool add_salt(const struct qe_cli_options *o, char *target)
{
    char salt[2 * QE_CLI_SALT_MAX + 1];
    if (!o->salt) return true;
    hex(o->salt, salt);
    return qe_cli_add_parameter(target, TARGET_SIZE, "salt", salt);
}

static int get(const struct qe_cli_world *world)
{
    char target[TARGET_SIZE] = "/v1/dht/get";
    const char *item = world->options->argument;
    if (strlen(item) != 40 || strspn(item, "0123456789abcdefABCDEF") != 40)
        return usage(world, "the target is no item's, expected 40 hexadecimal digits");
    if (!qe_cli_add_parameter(target, sizeof(target), "target", item) || !add_salt(world->options, target))
        return usage(world, "the target is too long");
    return find(world, &(struct qe_cli_call){"GET", target, 0, qe_show_dht_item});
}

static bool add_number(char *target, const char *name, bool given, int64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, number);
    return !given || qe_cli_add_parameter(target, TARGET_SIZE, name, text);
}

static int put(const struct qe_cli_world *world)
{
    const struct qe_cli_options *o = world->options;
    char target[TARGET_SIZE] = "/v1/dht/put", value[2 * TEXT_MAX + 1] = "";
    if (!o->argument[0] || strlen(o->argument) > TEXT_MAX) return usage(world, "a text to put has 1 to 950 bytes");
    if (!o->salt && (o->has_seq || o->has_cas))
        return usage(world, "--seq and --cas are for mutable items, which have a --salt");
    hex(o->argument, value);
    if (!qe_cli_add_parameter(target, sizeof(target), "value", value) || !add_salt(o, target) ||
        !add_number(target, "seq", o->has_seq, o->seq) || !add_number(target, "cas", o->has_cas, o->cas))
        return usage(world, "the item is too long");
    json_t *json;
    int status = qe_cli_call(world, &(struct qe_cli_call){"POST", target, 0, qe_show_dht_put}, &json);
    bool stored = json_integer_value(json_object_get(json, "stored")) > 0;
    json_decref(json);
    return status == QE_EXIT_OK && !stored ? QE_EXIT_FAILED : status;
}

int qe_cli_dht(const struct qe_cli_world *world)
{
    switch (world->options->command) {
    case QE_CLI_DHT_NODES:
        return qe_cli_call(world, &(struct qe_cli_call){"GET", "/v1/dht/nodes", 0, qe_show_dht_nodes}, NULL);
    case QE_CLI_DHT_LOOKUP:
        return lookup(world);
    case QE_CLI_DHT_GET:
        return get(world);
    case QE_CLI_DHT_PUT:
        return put(world);
    default:
        return qe_cli_call(world, &(struct qe_cli_call){"GET", "/v1/dht/status", 0, qe_show_dht_status}, NULL);
    }
}
