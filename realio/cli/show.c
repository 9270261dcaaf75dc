#include "cli/show.h"

#include "cli/plain.h"
#include "cli/show_claims.h"
#include "cli/table.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// A short ID is as long as it must be to tell the IDs shown apart, and at least this: "qe" and 8 characters.
#define SHORT_ID_MIN 10

#define CELL_SIZE 256

const char *qe_show_ms(int64_t us, char out[QE_SHOW_TIME_SIZE])
{
    if (us < 0) us = 0;
    if (us < 1000)
        snprintf(out, QE_SHOW_TIME_SIZE, "%" PRId64 ".%02" PRId64, us / 1000, us % 1000 / 10);
    else if (us < 10000)
        snprintf(out, QE_SHOW_TIME_SIZE, "%" PRId64 ".%" PRId64, us / 1000, us % 1000 / 100);
    else
        snprintf(out, QE_SHOW_TIME_SIZE, "%" PRId64, us / 1000 + (us % 1000 >= 500));
    return out;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// How many characters tell apart what is under `key` in each object of `list`.
static size_t short_id_size(const json_t *list, const char *key)
{
    size_t count = 0, i, size = SHORT_ID_MIN;
    json_t *item;
    const char **ids = calloc(json_array_size(list) + 1, sizeof(*ids));
    if (!ids) return SIZE_MAX;
    json_array_foreach(list, i, item)
    {
        const char *id = qe_plain_text(item, key);
        if (id) ids[count++] = id;
    }
    qsort(ids, count, sizeof(*ids), by_text);
    for (i = 1; i < count; i++) {
        size_t common = 0;
        while (ids[i][common] && ids[i][common] == ids[i - 1][common])
            common++;
        // The same ID twice (two routes by one peer) needs no telling apart.
        if (ids[i][common] && common >= size) size = common + 1;
    }
    free(ids);
    return size;
}

static const char *short_id(const char *id, const char *name, size_t size, char cell[CELL_SIZE])
{
    int shown = size < CELL_SIZE / 2 ? (int)size : CELL_SIZE / 2;
    if (!id) return name ? name : "-";
    if (name)
        snprintf(cell, CELL_SIZE, "%.*s (%.*s)", shown, id, 64, name);
    else
        snprintf(cell, CELL_SIZE, "%.*s", shown, id);
    return cell;
}

// "connected" as "Connected".
static void capitalise(const char *word, char *out, size_t size)
{
    snprintf(out, size, "%s", word);
    if (out[0] >= 'a' && out[0] <= 'z') out[0] = (char)(out[0] - 'a' + 'A');
}

static const char *exit_words(const char *state)
{
    if (strcmp(state, "unknown") == 0) return "there is no such peer";
    return strcmp(state, "silent") == 0 ? "it advertises no default route" : state;
}

// "Exit Node: home (away: nothing goes beyond the overlay)"
static void show_exit(const json_t *status, FILE *out)
{
    const json_t *node = json_object_get(status, "exit");
    const char *state = qe_plain_text(node, "state"), *name = qe_plain_text(node, "name");
    if (!state || strcmp(state, "off") == 0) return;
    if (!name) name = qe_plain_text(node, "node_id");
    fputs("Exit Node: ", out);
    qe_plain_put(name ? name : "-", out);
    if (strcmp(state, "active") != 0) {
        fputs(" (", out);
        qe_plain_put(exit_words(state), out);
        fputs(json_is_true(json_object_get(node, "leak")) ? ": packets go without it)" : ": packets go nowhere)", out);
    }
    fputs("\n", out);
}

// "Notification (5min ago): text"
static void show_notices(const json_t *status, FILE *out)
{
    size_t i;
    json_t *notice;
    json_array_foreach(json_object_get(status, "notifications"), i, notice)
    {
        int64_t s = qe_plain_number(notice, "age_ms") / 1000;
        const char *text = qe_plain_text(notice, "text");
        fprintf(out, "Notification (%" PRId64 "%s ago): ",
            s < 120    ? s
            : s < 7200 ? s / 60
                       : s / 3600,
            s < 120    ? "s"
            : s < 7200 ? "min"
                       : "h");
        qe_plain_put(text ? text : "-", out);
        fputs("\n", out);
    }
}

int qe_show_status(const json_t *status, FILE *out)
{
    const json_t *tun = json_object_get(status, "tun");
    const char *name = qe_plain_text(tun, "name");
    const char *id = qe_plain_text(status, "node_id");
    const char *state = qe_plain_text(status, "state");
    fputs("Node ID: ", out);
    qe_plain_put(id ? id : "-", out);
    fputs("\nTUN Interface: ", out);
    qe_plain_put(name ? name : "-", out);
    size_t i;
    json_t *item;
    bool first = true;
    json_array_foreach(json_object_get(tun, "addresses"), i, item)
    {
        const char *address = json_string_value(item);
        if (!address) continue;
        char cell[CELL_SIZE];
        snprintf(cell, sizeof(cell), "%.*s", (int)strcspn(address, "/"), address);
        fputs(first ? " (" : ", ", out);
        qe_plain_put(cell, out);
        first = false;
    }
    fprintf(out, "%s\nConnected Peers: %" PRId64 "\nActive Paths: %" PRId64 "\n", first ? "" : ")",
        qe_plain_number(json_object_get(status, "peers"), "connected"),
        qe_plain_number(json_object_get(status, "paths"), "active"));
    qe_show_claims(status, out);
    show_exit(status, out);
    // What is as it should be goes without saying.
    if (state && strcmp(state, "up") != 0) {
        fputs("State: ", out);
        qe_plain_put(state, out);
        fputs("\n", out);
    }
    json_array_foreach(json_object_get(status, "warnings"), i, item)
    {
        if (!json_is_string(item)) continue;
        fputs("Warning: ", out);
        qe_plain_put(json_string_value(item), out);
        fputs("\n", out);
    }
    show_notices(status, out);
    return 0;
}

// "Connected", "Connected (gateway colo), not direct: WHY".
static void connected_status(const json_t *peer, const char *via, char cell[CELL_SIZE])
{
    const char *gateway = qe_plain_text(peer, "gateway_name"), *why = qe_plain_text(peer, "not_direct");
    if (!gateway) gateway = qe_plain_text(peer, "gateway");
    snprintf(cell, CELL_SIZE, "Connected (%.20s%s%.64s)%s%.120s", via, gateway ? " " : "", gateway ? gateway : "",
        why ? ", not direct: " : "", why ? why : "");
}

// "Connected", "Connected (gateway colo)", "Backoff (retry in 4s: no answer)".
static void peer_status(const json_t *peer, char cell[CELL_SIZE])
{
    const char *state = qe_plain_text(peer, "state");
    const char *via = qe_plain_text(peer, "via");
    const char *why = qe_plain_text(peer, "last_error");
    const json_t *retry = json_object_get(peer, "retry_in_ms");
    char word[64], when[64] = "";
    capitalise(state ? state : "-", word, sizeof(word));
    if (state && strcmp(state, "connected") == 0) {
        if (via && strcmp(via, "direct") != 0)
            connected_status(peer, via, cell);
        else
            snprintf(cell, CELL_SIZE, "%s", word);
        return;
    }
    if (json_is_integer(retry))
        snprintf(when, sizeof(when), "retry in %" PRId64 "s", ((int64_t)json_integer_value(retry) + 999) / 1000);
    if (*when || why)
        snprintf(cell, CELL_SIZE, "%s (%s%s%.120s)", word, when, *when && why ? ": " : "", why ? why : "");
    else
        snprintf(cell, CELL_SIZE, "%s", word);
}

int qe_show_peers(const json_t *peers, FILE *out)
{
    static const char *const headings[] = {"NodeID", "Address", "RTT", "Status", NULL};
    const json_t *list = json_object_get(peers, "peers");
    size_t id_size = short_id_size(list, "node_id");
    struct qe_table table;
    size_t i;
    json_t *peer;
    qe_table_init(&table, headings);
    json_array_foreach(list, i, peer)
    {
        char cell[CELL_SIZE], ms[QE_SHOW_TIME_SIZE];
        const json_t *rtt = json_object_get(peer, "rtt_us");
        const char *address = qe_plain_text(peer, "address");
        qe_table_cell(&table, short_id(qe_plain_text(peer, "node_id"), qe_plain_text(peer, "name"), id_size, cell));
        qe_table_cell(&table, address ? address : "-");
        if (json_is_integer(rtt))
            snprintf(cell, sizeof(cell), "%sms", qe_show_ms(json_integer_value(rtt), ms));
        else
            snprintf(cell, sizeof(cell), "-");
        qe_table_cell(&table, cell);
        peer_status(peer, cell);
        qe_table_cell(&table, cell);
    }
    int result = qe_table_print(&table, out);
    qe_table_fini(&table);
    return result;
}

// "Direct", "Direct (standby)", "Local".
static void route_via(const json_t *route, const char *via, char cell[CELL_SIZE])
{
    const char *state = qe_plain_text(route, "state");
    char word[64];
    capitalise(via ? via : "-", word, sizeof(word));
    if (state && strcmp(state, "active") != 0)
        snprintf(cell, CELL_SIZE, "%s (%.64s)", word, state);
    else
        snprintf(cell, CELL_SIZE, "%s", word);
}

// "Refused: 10.1.0.0/16 of ID (name): why"
static void show_refused(const json_t *refused, FILE *out)
{
    const char *destination = qe_plain_text(refused, "destination"), *owner = qe_plain_text(refused, "owner");
    const char *name = qe_plain_text(refused, "name"), *reason = qe_plain_text(refused, "reason");
    fputs("Refused: ", out);
    qe_plain_put(destination ? destination : "-", out);
    fputs(" of ", out);
    qe_plain_put(owner ? owner : "-", out);
    if (name) {
        fputs(" (", out);
        qe_plain_put(name, out);
        fputs(")", out);
    }
    fputs(": ", out);
    qe_plain_put(reason ? reason : "-", out);
    fputs("\n", out);
}

int qe_show_routes(const json_t *routes, FILE *out)
{
    static const char *const headings[] = {"Destination", "Next Hop", "Interface", NULL};
    const json_t *list = json_object_get(routes, "routes");
    size_t id_size = short_id_size(list, "next_hop");
    struct qe_table table;
    size_t i;
    json_t *route;
    qe_table_init(&table, headings);
    json_array_foreach(list, i, route)
    {
        char cell[CELL_SIZE];
        const char *destination = qe_plain_text(route, "destination");
        const char *via = qe_plain_text(route, "via");
        const char *hop = qe_plain_text(route, "next_hop");
        bool local = hop && strcmp(hop, "local") == 0;
        qe_table_cell(&table, destination ? destination : "-");
        qe_table_cell(&table, local ? "local" : short_id(hop, qe_plain_text(route, "name"), id_size, cell));
        route_via(route, via, cell);
        qe_table_cell(&table, cell);
    }
    int result = qe_table_print(&table, out);
    qe_table_fini(&table);
    json_array_foreach(json_object_get(routes, "refused"), i, route) show_refused(route, out);
    return result;
}
