// Test vectors of docs/protocol.md: lines "    vector NAME HEX".
#ifndef QE_TESTS_VECTOR_H
#define QE_TESTS_VECTOR_H

#include "unit.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

// Reads one; its size.
static inline size_t vector_read(const char *name, uint8_t *out, size_t max)
{
    char line[4096];
    FILE *file = fopen(QE_PROTOCOL_PAGE, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size_t size = 0, width = strlen(name);
    while (size == 0 && fgets(line, sizeof line, file)) {
        if (strncmp(line, "    vector ", 11) != 0 || strncmp(line + 11, name, width) != 0 || line[11 + width] != ' ')
            continue;
        char *hex = line + 11 + width + strspn(line + 11 + width, " ");
        hex[strcspn(hex, "\n")] = 0;
        CU_ASSERT_EQUAL(sodium_hex2bin(out, max, hex, strlen(hex), " ", &size, NULL), 0);
    }
    fclose(file);
    if (size == 0) fprintf(stderr, "no vector %s\n", name);
    CU_ASSERT_NOT_EQUAL_FATAL(size, 0);
    return size;
}

// Whether it is exactly these bytes.
static inline bool vector_is(const char *name, const void *bytes, size_t size)
{
    uint8_t expected[2048];
    return vector_read(name, expected, sizeof expected) == size && memcmp(expected, bytes, size) == 0;
}

#endif
