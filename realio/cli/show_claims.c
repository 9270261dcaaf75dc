#include "cli/show_claims.h"

#include "cli/plain.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

static bool is(const json_t *object, const char *key, const char *value)
{
    const char *text = qe_plain_text(object, key);
    return text && strcmp(text, value) == 0;
}

static void put(const char *before, const char *text, const char *after, FILE *out)
{
    fputs(before, out);
    qe_plain_put(text ? text : "-", out);
    fputs(after, out);
}

static void show_discovery(const json_t *discovery, FILE *out)
{
    const char *state = qe_plain_text(discovery, "state");
    if (!state || strcmp(state, "off") == 0) return;
    put("DHT: ", state, "", out);
    fprintf(out, ", %" PRId64 " nodes", qe_plain_number(discovery, "nodes"));
    const json_t *external = json_object_get(discovery, "external");
    if (json_array_size(external)) fputs(", seen as ", out);
    qe_plain_list(external, " and ", out);
    fputs("\n", out);
}

static void show_network(const json_t *network, FILE *out)
{
    const char *joining = qe_plain_text(network, "joining"), *error = qe_plain_text(network, "error");
    if (json_is_true(json_object_get(network, "member"))) {
        put("Network: ", qe_plain_text(network, "id"), "", out);
        fprintf(out, ", %" PRId64 " other members known\n", qe_plain_number(network, "members"));
    }
    if (joining) put("Joining a network through: ", joining, "\n", out);
    if (error) put("Network not joined: ", error, "\n", out);
}

static void show_name(const json_t *status, const json_t *claim, FILE *out)
{
    const char *state = qe_plain_text(claim, "state");
    if (!state || strcmp(state, "none") == 0) return;
    put("Name: ", qe_plain_text(status, "name"), "", out);
    if (strcmp(state, "lost") == 0)
        put(", but ", qe_plain_text(claim, "owner"), "'s claim comes first\n", out);
    else
        put(" (", state, ")\n", out);
    const char *other = qe_plain_text(claim, "kept_from");
    if (other) put("  ", other, " claims it as well\n", out);
}

static void show_address(const json_t *claim, FILE *out)
{
    const char *replaces = qe_plain_text(claim, "replaces");
    // An address of one's own goes without saying.
    const char *other = qe_plain_text(claim, "kept_from");
    if (!replaces && !other && !is(claim, "state", "claiming")) return;
    put("Address: ", qe_plain_text(claim, "address"), "", out);
    if (replaces) {
        put(" instead of ", replaces, "", out);
        put(", to which ", qe_plain_text(claim, "lost_to"), "'s claim comes first", out);
    }
    if (other) put(", which ", other, " claims as well", out);
    fputs(is(claim, "state", "claiming") ? " (claiming)\n" : "\n", out);
}

static void show_subnet(const json_t *subnet, FILE *out)
{
    const char *reason = qe_plain_text(subnet, "reason");
    put("Advertised: ", qe_plain_text(subnet, "subnet"), "", out);
    put(" (", qe_plain_text(subnet, "state"), "", out);
    if (reason) put(": ", reason, "", out);
    fputs(")\n", out);
}

static void show_dns(const json_t *dns, FILE *out)
{
    const char *state = qe_plain_text(dns, "state");
    if (!state || strcmp(state, "off") == 0) return;
    put("DNS: NAME.", qe_plain_text(dns, "domain"), "", out);
    if (strcmp(state, "served") == 0) {
        put(", but only for who asks ", qe_plain_text(dns, "server"), "", out);
        if (qe_plain_text(dns, "reason")) put(": ", qe_plain_text(dns, "reason"), "", out);
    }
    fputs("\n", out);
}

void qe_show_claims(const json_t *status, FILE *out)
{
    size_t i;
    json_t *item;
    show_discovery(json_object_get(status, "discovery"), out);
    show_network(json_object_get(status, "network"), out);
    show_name(status, json_object_get(status, "name_claim"), out);
    json_array_foreach(json_object_get(status, "address_claims"), i, item) show_address(item, out);
    json_array_foreach(json_object_get(status, "advertised"), i, item) show_subnet(item, out);
    show_dns(json_object_get(status, "dns"), out);
}
