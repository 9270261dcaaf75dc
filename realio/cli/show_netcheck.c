#include "cli/show_netcheck.h"

#include "cli/plain.h"

#include <inttypes.h>
#include <string.h>

static void line(FILE *out, const char *head, const char *text)
{
    fprintf(out, "%s: ", head);
    qe_plain_put(text ? text : "unknown", out);
    fputs("\n", out);
}

static const char *yes_or_no(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "unknown";
}

static void show_list(FILE *out, const char *head, const json_t *list)
{
    size_t i;
    json_t *one;
    if (json_array_size(list) == 0) {
        line(out, head, NULL);
        return;
    }
    fprintf(out, "%s: ", head);
    json_array_foreach(list, i, one)
    {
        if (i) fputs(", ", out);
        qe_plain_put(json_is_string(one) ? json_string_value(one) : "-", out);
    }
    fputs("\n", out);
}

static void show_nat(const json_t *nat, FILE *out)
{
    line(out, "Behind a NAT", yes_or_no(nat, "present"));
    line(out, "Mapping", qe_plain_text(nat, "mapping"));
    line(out, "Filtering", qe_plain_text(nat, "filtering"));
    line(out, "Ports outside", qe_plain_text(nat, "ports"));
    line(out, "Port preservation", yes_or_no(nat, "port_preservation"));
    line(out, "Hairpinning", yes_or_no(nat, "hairpinning"));
    int64_t lasts = qe_plain_number(nat, "idle_lasts_s"), ends = qe_plain_number(nat, "idle_ends_s");
    if (lasts > 0) fprintf(out, "Idle mappings last: at least %" PRId64 " s", lasts);
    if (lasts > 0 && ends > 0) fprintf(out, ", less than %" PRId64 " s", ends);
    if (lasts > 0) fputs("\n", out);
    show_list(out, "External addresses", json_object_get(nat, "addresses"));
}

static void show_mapping(const json_t *mapping, FILE *out)
{
    const char *state = qe_plain_text(mapping, "state"), *external = qe_plain_text(mapping, "external");
    fprintf(out, "; port %" PRId64 " ", qe_plain_number(mapping, "port"));
    if (external) {
        fputs("is mapped at ", out);
        qe_plain_put(external, out);
        fputs(" by ", out);
        qe_plain_put(qe_plain_text(mapping, "protocol") ? qe_plain_text(mapping, "protocol") : "-", out);
        if (json_is_false(json_object_get(mapping, "public"))) fputs(", behind another NAT", out);
        return;
    }
    fputs("is not mapped: ", out);
    const char *reason = qe_plain_text(mapping, "reason");
    qe_plain_put(reason ? reason : state ? state : "-", out);
}

static void show_interface(const json_t *interface, FILE *out)
{
    size_t i;
    json_t *one;
    fputs("Interface ", out);
    qe_plain_put(qe_plain_text(interface, "name") ? qe_plain_text(interface, "name") : "-", out);
    fputs(": ", out);
    json_array_foreach(json_object_get(interface, "addresses"), i, one)
    {
        if (i) fputs(", ", out);
        qe_plain_put(json_is_string(one) ? json_string_value(one) : "-", out);
    }
    json_array_foreach(json_object_get(interface, "port_mappings"), i, one) show_mapping(one, out);
    fputs("\n", out);
}

static void show_mtu(const json_t *mtu, FILE *out)
{
    const char *name = qe_plain_text(mtu, "name"), *id = qe_plain_text(mtu, "node_id");
    fprintf(out, "Path MTU to ");
    qe_plain_put(name ? name : id ? id : "-", out);
    fprintf(out, ": %" PRId64 "\n", qe_plain_number(mtu, "mtu"));
}

int qe_show_netcheck(const json_t *netcheck, FILE *out)
{
    size_t i;
    json_t *one;
    line(out, "UDP",
        json_is_true(json_object_get(netcheck, "udp_blocked")) ? "blocked"
        : json_is_true(json_object_get(netcheck, "joined"))    ? "works"
                                                               : NULL);
    const json_t *seen = json_object_get(netcheck, "seen_at"), *nat = json_object_get(netcheck, "nat");
    const char *mapping = qe_plain_text(nat, "mapping");
    if (json_array_size(seen) == 0 && mapping && strcmp(mapping, "endpoint-independent") != 0)
        line(out, "Seen at", "each destination sees another port");
    else
        show_list(out, "Seen at", seen);
    show_nat(nat, out);
    json_array_foreach(json_object_get(netcheck, "interfaces"), i, one) show_interface(one, out);
    json_array_foreach(json_object_get(netcheck, "path_mtus"), i, one) show_mtu(one, out);
    line(out, "Connecting", qe_plain_text(json_object_get(netcheck, "connecting"), "text"));
    return 0;
}
