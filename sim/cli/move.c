// A literal scenario may stand in another folder than its template: what it names by file must be found all the same.
#include "cli/command.h"
#include "engine/memory.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_path(const struct sim_tree *value)
{
    return value->kind == QE_TOML_STRING && value->key && value->text[0] != '/' &&
           (strcmp(value->key, "rate_trace") == 0 || strcmp(value->key, "file") == 0);
}

// The folder of a file, as a whole path of at most PATH_MAX; false where there is none.
static bool folder_of(const char *file, char out[PATH_MAX])
{
    char name[PATH_MAX];
    const char *slash = strrchr(file, '/');
    int length =
        slash ? snprintf(name, sizeof(name), "%.*s", (int)(slash - file + 1), file) : snprintf(name, sizeof(name), ".");
    return length > 0 && (size_t)length < sizeof(name) && realpath(name, out) != NULL;
}

static void lead(struct sim_tree *value, const char *folder)
{
    if (is_path(value)) {
        size_t size = strlen(folder) + strlen(value->text) + 2;
        char *path = sim_obtain(1, size);
        snprintf(path, size, "%s/%s", folder, value->text);
        sim_release(value->text);
        value->text = path;
    }
    for (size_t i = 0; i < value->count; i++)
        lead(value->items[i], folder);
}

bool sim_command_move(struct sim_tree *tree, const char *from, const char *to)
{
    char here[PATH_MAX], there[PATH_MAX];
    if (!folder_of(from, here)) return false;
    if (to && folder_of(to, there) && strcmp(here, there) == 0) return true;
    lead(tree, here);
    return true;
}
