#include "cli/show_dht.h"

#include "cli/plain.h"
#include "cli/show.h"
#include "cli/table.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define CELL_SIZE 128

static void line(const char *what, const char *text, FILE *out)
{
    fprintf(out, "%s: ", what);
    qe_plain_put(text ? text : "-", out);
    fputs("\n", out);
}

static void show_bootstrap(const json_t *list, FILE *out)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *address = qe_plain_text(item, "address"), *source = qe_plain_text(item, "source");
        fputs("Bootstrap: ", out);
        qe_plain_put(address ? address : "-", out);
        fputs(" (", out);
        qe_plain_put(source ? source : "-", out);
        fputs(qe_plain_number(item, "resolved") ? ")\n" : ", not resolved)\n", out);
    }
}

static void show_dht(const json_t *dht, FILE *out)
{
    const char *state = qe_plain_text(dht, "state");
    const json_t *joined = json_object_get(dht, "joined_ms");
    line("DHT", qe_plain_text(dht, "name"), out);
    line("ID", qe_plain_text(dht, "id"), out);
    fputs("State: ", out);
    qe_plain_put(state ? state : "-", out);
    if (json_is_integer(joined)) fprintf(out, " (in %" PRId64 " ms)", (int64_t)json_integer_value(joined));
    fputs(json_is_true(json_object_get(dht, "bootstrap_mode")) ? ", a bootstrap node\n" : "\n", out);
    show_bootstrap(json_object_get(dht, "bootstrap"), out);
    fputs("Seen as: ", out);
    if (!qe_plain_list(json_object_get(dht, "external"), ", ", out)) fputs("-", out);
    fprintf(out, "\nNodes: %" PRId64 " (%" PRId64 " good)\n", qe_plain_number(dht, "nodes"),
        qe_plain_number(dht, "good_nodes"));
    fprintf(out, "Stored for others: %" PRId64 " items, %" PRId64 " peers, %" PRId64 " records (%" PRId64 " bytes)\n",
        qe_plain_number(dht, "stored_items"), qe_plain_number(dht, "stored_peers"),
        qe_plain_number(dht, "stored_records"), qe_plain_number(dht, "stored_bytes"));
    fprintf(out, "Memory: %" PRId64 " bytes\n", qe_plain_number(dht, "memory_bytes"));
    fprintf(out, "Sent: %" PRId64 " bytes, received: %" PRId64 " bytes\n", qe_plain_number(dht, "sent_bytes"),
        qe_plain_number(dht, "received_bytes"));
    fprintf(out, "Lookups: %" PRId64 ", failed: %" PRId64 ", unanswered questions: %" PRId64 "\n",
        qe_plain_number(dht, "lookups"), qe_plain_number(dht, "lookups_failed"), qe_plain_number(dht, "timeouts"));
}

int qe_show_dht_status(const json_t *status, FILE *out)
{
    size_t i;
    json_t *dht;
    json_array_foreach(json_object_get(status, "dhts"), i, dht)
    {
        if (i > 0) fputs("\n", out);
        show_dht(dht, out);
    }
    if (json_array_size(json_object_get(status, "dhts")) == 0) fputs("DHT: off\n", out);
    return 0;
}

// Milliseconds with their unit, or "-".
static const char *ms_cell(const json_t *us, char cell[CELL_SIZE])
{
    char ms[QE_SHOW_TIME_SIZE];
    if (!json_is_integer(us)) return "-";
    snprintf(cell, CELL_SIZE, "%sms", qe_show_ms(json_integer_value(us), ms));
    return cell;
}

int qe_show_dht_nodes(const json_t *nodes, FILE *out)
{
    static const char *const headings[] = {"ID", "Address", "Bucket", "RTT", "Heard", "State", NULL};
    struct qe_table table;
    size_t i;
    json_t *node;
    qe_table_init(&table, headings);
    json_array_foreach(json_object_get(nodes, "nodes"), i, node)
    {
        char cell[CELL_SIZE], age[QE_PLAIN_AGE_SIZE];
        const char *id = qe_plain_text(node, "id"), *address = qe_plain_text(node, "address");
        const char *state = qe_plain_text(node, "state");
        const json_t *heard = json_object_get(node, "heard_ms");
        qe_table_cell(&table, id ? id : "-");
        qe_table_cell(&table, address ? address : "-");
        snprintf(cell, sizeof(cell), "%" PRId64, qe_plain_number(node, "bucket"));
        qe_table_cell(&table, cell);
        qe_table_cell(&table, ms_cell(json_object_get(node, "rtt_us"), cell));
        if (json_is_integer(heard))
            snprintf(cell, sizeof(cell), "%s ago", qe_plain_age(json_integer_value(heard) / 1000, age));
        else
            snprintf(cell, sizeof(cell), "-");
        qe_table_cell(&table, cell);
        qe_table_cell(&table, state ? state : "-");
    }
    int result = qe_table_print(&table, out);
    qe_table_fini(&table);
    return result;
}

// "3 hops, 14 queries, 1 unanswered, 118 ms"
static void show_effort(const json_t *answer, FILE *out)
{
    char ms[QE_SHOW_TIME_SIZE];
    fprintf(out, "%" PRId64 " hops, %" PRId64 " queries, %" PRId64 " unanswered, %s ms\n",
        qe_plain_number(answer, "hops"), qe_plain_number(answer, "queries"), qe_plain_number(answer, "timeouts"),
        qe_show_ms(qe_plain_number(answer, "elapsed_us"), ms));
}

static void show_owner(const json_t *owner, FILE *out)
{
    char age[QE_PLAIN_AGE_SIZE];
    const char *id = qe_plain_text(owner, "node_id"), *name = qe_plain_text(owner, "name");
    const json_t *age_s = json_object_get(owner, "age_s");
    qe_plain_put(id ? id : "-", out);
    if (name) {
        fputs(" (", out);
        qe_plain_put(name, out);
        fputs(")", out);
    }
    if (json_is_integer(age_s)) fprintf(out, ", for %s", qe_plain_age(json_integer_value(age_s), age));
    if (json_array_size(json_object_get(owner, "addresses"))) fputs(", at ", out);
    qe_plain_list(json_object_get(owner, "addresses"), ", ", out);
    if (json_array_size(json_object_get(owner, "overlay_addresses"))) fputs(", has ", out);
    qe_plain_list(json_object_get(owner, "overlay_addresses"), ", ", out);
    fputs("\n", out);
}

int qe_show_dht_lookup(const json_t *lookup, FILE *out)
{
    const char *kind = qe_plain_text(lookup, "kind");
    bool bare = kind && strcmp(kind, "target") == 0;
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(lookup, "owners"), i, item) show_owner(item, out);
    if (i == 0 && !bare) fputs("Not found\n", out);
    json_array_foreach(json_object_get(lookup, "closest"), i, item)
    {
        if (!bare) break;
        const char *id = qe_plain_text(item, "id"), *address = qe_plain_text(item, "address");
        qe_plain_put(id ? id : "-", out);
        fputs(" at ", out);
        qe_plain_put(address ? address : "-", out);
        fputs("\n", out);
    }
    show_effort(lookup, out);
    return 0;
}

int qe_show_dht_item(const json_t *item, FILE *out)
{
    const char *text = qe_plain_text(item, "text"), *value = qe_plain_text(item, "value");
    if (json_is_true(json_object_get(item, "found"))) {
        line(text ? "Text" : "Value", text ? text : value, out);
        if (json_is_true(json_object_get(item, "mutable"))) {
            line("Key", qe_plain_text(item, "key"), out);
            fprintf(out, "Sequence: %" PRId64 "\n", qe_plain_number(item, "seq"));
        }
    } else {
        fputs("Not found\n", out);
    }
    show_effort(item, out);
    return 0;
}

int qe_show_dht_put(const json_t *put, FILE *out)
{
    const char *refused = qe_plain_text(put, "refused");
    line("Target", qe_plain_text(put, "target"), out);
    if (json_is_true(json_object_get(put, "mutable"))) {
        line("Key", qe_plain_text(put, "key"), out);
        fprintf(out, "Sequence: %" PRId64 "\n", qe_plain_number(put, "seq"));
    }
    fprintf(out, "Stored on: %" PRId64 " nodes\n", qe_plain_number(put, "stored"));
    if (refused) {
        fprintf(out, "Refused: %" PRId64 " ", qe_plain_number(put, "refused_code"));
        qe_plain_put(refused, out);
        fputs("\n", out);
    }
    show_effort(put, out);
    return 0;
}
