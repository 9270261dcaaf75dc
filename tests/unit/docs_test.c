// The documents say what the program does: each option, exit status and configuration key is described, nothing else
// is, and the examples load.
#include "cli/options.h"
#include "config/keys.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_doc(const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", QE_DOCS, name);
    FILE *file = fopen(path, "rb");
    if (!file) fprintf(stderr, "%s is missing\n", path);
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    char *text = calloc(1, 1 << 17);
    CU_ASSERT_FATAL(fread(text, 1, (1 << 17) - 1, file) > 0);
    fclose(file);
    return text;
}

static char *help_of(enum qe_cli_command command)
{
    char *text = calloc(1, 1 << 14);
    FILE *out = fmemopen(text, (1 << 14) - 1, "w");
    qe_cli_help(command, out);
    CU_ASSERT_EQUAL(fclose(out), 0);
    return text;
}

static char *help_of_group(const char *group)
{
    char *text = calloc(1, 1 << 14);
    FILE *out = fmemopen(text, (1 << 14) - 1, "w");
    qe_cli_help_group(group, out);
    CU_ASSERT_EQUAL(fclose(out), 0);
    return text;
}

static size_t count_of(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        count++;
    return count;
}

static bool claim(bool holds, const char *document, const char *what, const char *rule)
{
    if (!holds) fprintf(stderr, "%s: %s %s\n", document, what, rule);
    return holds;
}

static void each_command_has_a_page_with_its_options(void)
{
    for (enum qe_cli_command c = 0; c < QE_CLI_COMMAND_COUNT; c++) {
        if (c == QE_CLI_VERSION || c == QE_CLI_HELP) continue; // in quicether(1)
        char name[64], group[32];
        snprintf(group, sizeof(group), "%.*s", (int)strcspn(qe_cli_command_name(c), " "), qe_cli_command_name(c));
        snprintf(name, sizeof(name), "man/quicether-%s.1", group);
        char *page = read_doc(name), *help = qe_cli_group_exists(group) ? help_of_group(group) : help_of(c);
        size_t options = 0;
        // "  --name VALUE   text"
        for (const char *at = help; (at = strstr(at, "\n  --")); options++) {
            at += 5;
            char item[128], option[64], value[64] = "";
            size_t size = strcspn(at, " ");
            snprintf(option, sizeof(option), "%.*s", (int)size, at);
            if (at[size] == ' ' && at[size + 1] != ' ')
                snprintf(value, sizeof(value), " Ar %.*s", (int)strcspn(at + size + 1, " "), at + size + 1);
            snprintf(item, sizeof(item), "\n.It Fl -%s%s\n", option, value);
            CU_ASSERT(claim(count_of(page, item) == 1, name, item, "must be described once"));
        }
        CU_ASSERT(options > 0);
        CU_ASSERT(claim(count_of(page, "\n.It Fl -") == options, name, "", "describes an option that does not exist"));
        free(page);
        free(help);
    }
}

static void commands_and_exit_statuses_are_listed(void)
{
    char *page = read_doc("man/quicether.1"), *help = help_of(QE_CLI_HELP);
    for (enum qe_cli_command c = 0; c < QE_CLI_COMMAND_COUNT; c++) {
        char item[64];
        snprintf(item, sizeof(item), "\n.It Cm %s\n", qe_cli_command_name(c));
        CU_ASSERT(claim(count_of(page, item) == 1, "quicether.1", item, "must be described once"));
    }
    const char *list = strstr(help, "exit status:\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(list);
    unsigned statuses = 0;
    for (const char *at = strchr(list, '\n') + 1; *at; at = strchr(at, '\n') + 1, statuses++) {
        char item[256];
        snprintf(item, sizeof(item), "\n.It %u\n%.*s\n", statuses, (int)strcspn(at + 5, "\n"), at + 5);
        CU_ASSERT(claim(count_of(page, item) == 1, "quicether.1", item, "must be described once"));
    }
    CU_ASSERT(statuses > 3);
    free(page);
    free(help);
}

// The part of a document from `heading` to the next one that starts with `mark`; NULL if there is no such heading.
static char *part(const char *document, const char *heading, const char *mark)
{
    const char *from = strstr(document, heading);
    if (!from) return NULL;
    from += strlen(heading);
    const char *to = strstr(from, mark);
    return to ? strndup(from, (size_t)(to - from)) : strdup(from);
}

// form: what introduces a key, with %s for it; each: what introduces any.
static void check_keys(const char *name, const char *heading, const char *mark, const char *form, const char *each)
{
    char *document = read_doc(name);
    for (const struct qe_section *section = qe_sections; section->name; section++) {
        char text[64], table[64];
        bool array = strcmp(section->name, "peer") == 0;
        snprintf(table, sizeof(table), array ? "[[%s]]" : "[%s]", section->name);
        snprintf(text, sizeof(text), heading, table);
        char *keys = part(document, text, mark);
        CU_ASSERT(claim(keys, name, section->name, "must be described"));
        if (!keys) continue;
        size_t count = 0;
        for (const struct qe_setting *key = section->keys; key->name; key++, count++) {
            snprintf(text, sizeof(text), form, key->name);
            CU_ASSERT(claim(count_of(keys, text) == 1, name, key->name, "must be described once"));
        }
        CU_ASSERT(claim(count_of(keys, each) == count, name, section->name, "has a key that does not exist"));
        free(keys);
    }
    free(document);
}

static void each_key_is_described(void)
{
    check_keys("configuration.md", "\n### `%s`\n", "\n##", "\n| `%s` |", "\n| `");
    check_keys("man/quicether.toml.5", "\n.Ss %s\n", "\n.S", "\n.It Cm %s No =", "\n.It Cm ");
}

static void tell(void *user, enum qe_log_level level, const char *line)
{
    (void)level;
    fprintf(stderr, "%s\n", line);
    ++*(unsigned *)user;
}

static void check_example(const char *name, const char *text)
{
    unsigned lines = 0;
    struct qe_config_sink sink = {&lines, tell};
    struct qe_config config;
    qe_config_init(&config, unit_mem());
    CU_ASSERT_EQUAL(qe_config_load_text(&config, text, strlen(text), name, &sink), 0);
    CU_ASSERT_EQUAL(qe_config_finish(&config, &sink), 0);
    CU_ASSERT_EQUAL(lines, 0);
    CU_ASSERT_EQUAL(config.peer_count, 2);
    CU_ASSERT_STRING_EQUAL(config.name, "laptop");
    qe_config_fini(&config);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static void the_examples_load(void)
{
    char *document = read_doc("configuration.md");
    char *example = part(document, "fewer words.\n", "\n## Keys"); // indented by 4, which TOML allows
    CU_ASSERT_PTR_NOT_NULL_FATAL(example);
    check_example("configuration.md", example);
    free(example);
    free(document);
    document = read_doc("man/quicether.toml.5");
    example = part(document, "\n.Sh EXAMPLES\n.Bd -literal -offset indent\n", "\n.Ed");
    CU_ASSERT_PTR_NOT_NULL_FATAL(example);
    check_example("quicether.toml.5", example);
    free(example);
    free(document);
}

static const struct unit_case cases[] = {
    {"each command has a page with its options", each_command_has_a_page_with_its_options},
    {"commands and exit statuses are listed", commands_and_exit_statuses_are_listed},
    {"each key is described", each_key_is_described},
    {"the examples load", the_examples_load},
};
UNIT_MAIN("docs", cases)
