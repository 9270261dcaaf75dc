#include "cli/show_gateways.h"

#include "cli/plain.h"
#include "cli/show.h"
#include "cli/table.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define CELL_SIZE 128

static const char *name_of(const json_t *object)
{
    const char *name = qe_plain_text(object, "name"), *id = qe_plain_text(object, "node_id");
    return name ? name : id ? id : "-";
}

// "preferred, listed"
static void why_cell(const json_t *list, char cell[CELL_SIZE])
{
    size_t i, used = 0;
    json_t *why;
    snprintf(cell, CELL_SIZE, "-");
    json_array_foreach(list, i, why)
    {
        if (!json_is_string(why) || used >= CELL_SIZE) continue;
        used += (size_t)snprintf(cell + used, CELL_SIZE - used, "%s%s", used ? ", " : "", json_string_value(why));
    }
}

static void state_cell(const json_t *gateway, char cell[CELL_SIZE])
{
    const char *state = qe_plain_text(gateway, "state");
    const json_t *retry = json_object_get(gateway, "retry_in_ms");
    if (json_is_integer(retry))
        snprintf(cell, CELL_SIZE, "%s, tried again in %" PRId64 " s", state ? state : "-",
            (int64_t)(json_integer_value(retry) + 999) / 1000);
    else
        snprintf(cell, CELL_SIZE, "%s", state ? state : "-");
}

static void gateway_row(struct qe_table *table, const json_t *gateway)
{
    const json_t *rtt = json_object_get(gateway, "rtt_us");
    char cell[CELL_SIZE], ms[QE_SHOW_TIME_SIZE];
    qe_table_cell(table, name_of(gateway));
    state_cell(gateway, cell);
    qe_table_cell(table, cell);
    qe_table_cell(table, json_is_integer(rtt) ? qe_show_ms((int64_t)json_integer_value(rtt), ms) : "-");
    why_cell(json_object_get(gateway, "why"), cell);
    qe_table_cell(table, cell);
    snprintf(cell, sizeof cell, "%zu", json_array_size(json_object_get(gateway, "relayed")));
    qe_table_cell(table, cell);
}

static void show_reached(const json_t *gateways, FILE *out)
{
    size_t i, count = 0;
    json_t *gateway;
    json_array_foreach(json_object_get(gateways, "gateways"), i, gateway)
    {
        if (!json_is_true(json_object_get(gateway, "published"))) continue;
        fputs(count++ ? " and " : "Others reach this node through ", out);
        qe_plain_put(name_of(gateway), out);
    }
    if (count)
        fputs("\n", out);
    else if (json_is_true(json_object_get(gateways, "behind_nat")))
        fputs("No gateway: others reach this node, which is behind a NAT, only where they can do so directly\n", out);
}

int qe_show_gateways(const json_t *gateways, FILE *out)
{
    static const char *const headings[] = {"Gateway", "State", "RTT (ms)", "Why", "Peers", NULL};
    struct qe_table table;
    size_t i;
    json_t *gateway;
    qe_table_init(&table, headings);
    json_array_foreach(json_object_get(gateways, "gateways"), i, gateway) gateway_row(&table, gateway);
    int result = qe_table_print(&table, out);
    qe_table_fini(&table);
    show_reached(gateways, out);
    return result;
}

// "3.2 GB"
static const char *size_cell(int64_t bytes, char cell[CELL_SIZE])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    int64_t whole = bytes, rest = 0;
    size_t unit = 0;
    for (; whole >= 1000 && unit < 5; unit++) {
        rest = whole % 1000 / 100;
        whole /= 1000;
    }
    if (unit)
        snprintf(cell, CELL_SIZE, "%" PRId64 ".%" PRId64 " %s", whole, rest, units[unit]);
    else
        snprintf(cell, CELL_SIZE, "%" PRId64 " B", whole);
    return cell;
}

static void relay_row(struct qe_table *table, const json_t *node)
{
    char cell[CELL_SIZE];
    qe_table_cell(table, name_of(node));
    snprintf(cell, sizeof cell, "%" PRId64, qe_plain_number(node, "circuits"));
    qe_table_cell(table, cell);
    qe_table_cell(table, size_cell(qe_plain_number(node, "relayed_bytes"), cell));
    snprintf(cell, sizeof cell, "%" PRId64, qe_plain_number(node, "dropped_packets"));
    qe_table_cell(table, cell);
}

// "20 Mbit/s"; rates are told in the units of the configuration, as large as leave no rest.
static const char *rate_cell(int64_t bps, char cell[CELL_SIZE])
{
    static const char *const units[] = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s"};
    size_t unit = 0;
    for (; bps >= 1000 && bps % 1000 == 0 && unit < 3; unit++)
        bps /= 1000;
    snprintf(cell, CELL_SIZE, "%" PRId64 " %s", bps, units[unit]);
    return cell;
}

// "Limits: 20 Mbit/s and 10.0 GB a day for each node, 100 Mbit/s for all"
static void show_limits(const json_t *relay, FILE *out)
{
    int64_t rate = qe_plain_number(relay, "rate_bps"), volume = qe_plain_number(relay, "volume_bytes");
    int64_t total = qe_plain_number(relay, "total_rate_bps");
    char cell[CELL_SIZE];
    if (rate <= 0 && volume <= 0 && total <= 0) {
        fputs("Limits: none\n", out);
        return;
    }
    fputs("Limits: ", out);
    if (rate > 0) fputs(rate_cell(rate, cell), out);
    if (volume > 0) fprintf(out, "%s%s a day", rate > 0 ? " and " : "", size_cell(volume, cell));
    if (rate > 0 || volume > 0) fputs(" for each node", out);
    if (total > 0) fprintf(out, "%s%s for all together", rate > 0 || volume > 0 ? ", " : "", rate_cell(total, cell));
    fputs("\n", out);
}

int qe_show_relay(const json_t *relay, FILE *out)
{
    static const char *const headings[] = {"Node", "Circuits", "Relayed", "Dropped", NULL};
    const char *role = qe_plain_text(relay, "role"), *allow = qe_plain_text(relay, "allow");
    struct qe_table table;
    size_t i;
    json_t *node;
    if (!json_is_true(json_object_get(relay, "relays"))) {
        fputs("This node does not relay for others\n", out);
        return 0;
    }
    fputs(
        role && strcmp(role, "gateway") == 0 ? "This node is a gateway" : "This node relays where there is no gateway",
        out);
    fputs(allow && strcmp(allow, "allowed") == 0 ? ", for members of its network and its peers\n"
                                                 : ", for members of its network\n",
        out);
    show_limits(relay, out);
    qe_table_init(&table, headings);
    json_array_foreach(json_object_get(relay, "nodes"), i, node) relay_row(&table, node);
    int result = qe_table_print(&table, out);
    qe_table_fini(&table);
    return result;
}
