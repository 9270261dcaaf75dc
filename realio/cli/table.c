#include "cli/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void qe_table_init(struct qe_table *table, const char *const *headings)
{
    memset(table, 0, sizeof(*table));
    while (headings[table->column_count])
        table->column_count++;
    assert(table->column_count > 0 && table->column_count <= QE_TABLE_COLUMNS_MAX);
    for (size_t i = 0; i < table->column_count; i++)
        qe_table_cell(table, headings[i]);
}

void qe_table_fini(struct qe_table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    memset(table, 0, sizeof(*table));
}

void qe_table_cell(struct qe_table *table, const char *text)
{
    if (table->failed) return;
    if (table->cell_count == table->room) {
        size_t room = table->room ? table->room * 2 : 64;
        char **grown = realloc(table->cells, room * sizeof(*grown));
        if (!grown) {
            table->failed = 1;
            return;
        }
        table->cells = grown;
        table->room = room;
    }
    char *copy = strdup(text);
    if (!copy) {
        table->failed = 1;
        return;
    }
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127) *c = '?';
    table->cells[table->cell_count++] = copy;
}

int qe_table_print(const struct qe_table *table, FILE *out)
{
    size_t widths[QE_TABLE_COLUMNS_MAX] = {0};
    if (table->failed) return -1;
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t width = strlen(table->cells[i]);
        if (width > widths[i % table->column_count]) widths[i % table->column_count] = width;
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t column = i % table->column_count;
        if (column + 1 == table->column_count)
            fprintf(out, "%s\n", table->cells[i]);
        else
            fprintf(out, "%-*s | ", (int)widths[column], table->cells[i]);
    }
    return 0;
}
