// A table of text with " | " between its columns, each as wide as its widest cell.
#ifndef QE_CLI_TABLE_H
#define QE_CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>

#define QE_TABLE_COLUMNS_MAX 8

struct qe_table {
    size_t column_count;
    size_t cell_count;
    size_t room;
    char **cells; // row by row, the headings first
    int failed;   // there was no memory for a cell
};

// `headings` ends with a NULL.
void qe_table_init(struct qe_table *table, const char *const *headings);
void qe_table_fini(struct qe_table *table);
// The next cell, from left to right and on to the next row; copied, with control characters made harmless.
void qe_table_cell(struct qe_table *table, const char *text);
// 0, or -1 where a cell is missing for want of memory.
int qe_table_print(const struct qe_table *table, FILE *out);

#endif
