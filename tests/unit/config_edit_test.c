// `quicether config set`: what it leaves of a file, and what it writes.
#include "cli/config.h"
#include "cli/config_edit.h"
#include "scratch.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void only_the_value_changes(void)
{
    static const struct {
        const char *before, *after; // of setting network.mtu to 1300
    } rows[] = {
        {"", "[network]\nmtu = 1300\n"},
        {"[network]\nmtu = 1400 # small\n", "[network]\nmtu = 1300 # small\n"},
        {"[network]\r\nmtu=1400\r\n", "[network]\r\nmtu=1300\r\n"},
        {"[network]\nmtu = 1400", "[network]\nmtu = 1300"},
        {"[ network ] # of mine\n\"mtu\" = 1400\n", "[ network ] # of mine\n\"mtu\" = 1300\n"},
        {"network.mtu = 1400\n", "network.mtu = 1300\n"},
        {"network . 'mtu' = 1400\n", "network . 'mtu' = 1300\n"},
        {"[network]\nmtu = [ 1, # ]\n \"]\", ']' ] # x\n", "[network]\nmtu = 1300 # x\n"},
        {"[network]\nmtu = \"\"\"\n[network]\nmtu = 1\n\\\"\"\"\" # x\n", "[network]\nmtu = 1300 # x\n"},
        {"[network]\nmtu = '''\n[network]''''\n", "[network]\nmtu = 1300\n"},
        {"[network]\n# end\n\n[node]\nmtu = 1\n", "[network]\nmtu = 1300\n# end\n\n[node]\nmtu = 1\n"},
        {"[network]\ndns = true\n\n# next\n[node]\n", "[network]\ndns = true\nmtu = 1300\n\n# next\n[node]\n"},
        {"[network]\ntun_name = \"mtu = 1\"", "[network]\ntun_name = \"mtu = 1\"\nmtu = 1300\n"},
        {"[node]\nname = \"a\"", "[node]\nname = \"a\"\n\n[network]\nmtu = 1300\n"},
        {"[[network]]\nmtu = 1\n", "[[network]]\nmtu = 1\n\n[network]\nmtu = 1300\n"},
        {"[a.network]\nmtu = 1\n", "[a.network]\nmtu = 1\n\n[network]\nmtu = 1300\n"},
        {"# [network]\n#mtu = 1\n", "# [network]\n#mtu = 1\n\n[network]\nmtu = 1300\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *after = qe_config_edit(rows[i].before, "network", "mtu", "1300");
        CU_ASSERT_STRING_EQUAL(after, rows[i].after);
        if (strcmp(after, rows[i].after) != 0) fprintf(stderr, "%zu: got <%s>\n", i, after);
        char *again = qe_config_edit(after, "network", "mtu", "1300");
        CU_ASSERT_STRING_EQUAL(again, after);
        free(again);
        free(after);
    }
}

// Broken text is read to its end and no further.
static void no_text_is_read_beyond_its_end(void)
{
    static const char *const words[] = {"[network]\n", "mtu = ", "1", "\"", "'", "\"\"\"", "'''", "[", "]", "{", "}",
        "#", "\\", "\n", "=", ".", "network.", " ", "[["};
    struct unit_random r = unit_random();
    for (int round = 0; round < 20000; round++) {
        char text[256] = "";
        for (unsigned n = 0; n < 12; n++)
            strcat(text, words[unit_random_below(&r, sizeof words / sizeof words[0])]);
        char *exact = strdup(text);
        char *after = qe_config_edit(exact, "network", "mtu", "1300");
        CU_ASSERT_PTR_NOT_NULL(strstr(after, "1300"));
        free(after);
        free(exact);
    }
}

static char said[8192], wrong[8192];

// Runs "config …" for the file "c.toml"; the exit status.
static int run(const char *line)
{
    char copy[1024], error[QE_CLI_ERROR_SIZE], *argv[32] = {(char *)"quicether", (char *)"config"};
    int argc = 2, status = 2;
    struct qe_cli_options options;
    char config[300];
    snprintf(config, sizeof config, "%s", scratch_path("c.toml"));
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc++] = (char *)"--config";
    argv[argc++] = config;
    struct qe_cli_world world = {.options = &options, .control = "/nonexistent/control.sock"};
    memset(said, 0, sizeof said);
    memset(wrong, 0, sizeof wrong);
    world.out = fmemopen(said, sizeof said - 1, "w");
    world.err = fmemopen(wrong, sizeof wrong - 1, "w");
    CU_ASSERT_EQUAL_FATAL(qe_cli_parse(argc, argv, &options, error), 0);
    if (options.command == QE_CLI_CONFIG_GET) status = qe_cli_config_get(&world);
    if (options.command == QE_CLI_CONFIG_SET) status = qe_cli_config_set(&world);
    if (options.command == QE_CLI_CONFIG_SHOW) status = qe_cli_config_show(&world);
    fclose(world.out);
    fclose(world.err);
    qe_cli_options_fini(&options);
    return status;
}

static bool file_is(const char *expected)
{
    char text[4096] = "";
    FILE *file = fopen(scratch_path("c.toml"), "r");
    if (!file) return !expected;
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    fclose(file);
    if (expected && strcmp(text, expected) == 0) return true;
    fprintf(stderr, "the file is <%s>\n", text);
    return false;
}

static void write_file(const char *text)
{
    unlink(scratch_path("c.toml"));
    scratch_write("c.toml", text, strlen(text), 0640);
}

#define ID "qeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"

static void what_is_set_is_written_and_told(void)
{
    struct stat st;
    scratch_begin();
    CU_ASSERT_EQUAL(run("set --gateway-prefer home --gateway-prefer " ID " --role gateway"), 0);
    CU_ASSERT(file_is("[gateway]\nprefer = [\"home\", \"" ID "\"]\n\n[node]\nrole = \"gateway\"\n"));
    CU_ASSERT_STRING_EQUAL(said, "gateway.prefer = [\"home\", \"" ID "\"] (from the next start)\n"
                                 "node.role = \"gateway\" (from the next start)\n");
    CU_ASSERT_EQUAL(run("set --gateway-prefer none --json"), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "\"changed\":[{\"key\":\"gateway.prefer\",\"value\":[],\"live\":false}]}\n"));
    write_file("# mine\n[node]\nname = \"a\" # me\n");
    CU_ASSERT_EQUAL(run("set relay.rate=20Mbit/s --dht-port 7000 --no-dns"), 0);
    CU_ASSERT(file_is("# mine\n[node]\nname = \"a\" # me\n\n[discovery]\ndht_port = 7000\n\n[network]\ndns = false\n\n"
                      "[relay]\nrate = \"20Mbit/s\"\n"));
    CU_ASSERT_EQUAL(run("set network.mtu=1300"), 0);
    CU_ASSERT_EQUAL(run("set gateway.allow=[\"x\",\"y\"]"), 0);
    CU_ASSERT_EQUAL(run("get gateway.allow"), 0);
    CU_ASSERT_STRING_EQUAL(said, "x\ny\n");
    CU_ASSERT_EQUAL(stat(scratch_path("c.toml"), &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0640);
    scratch_end();
}

static void what_is_refused_is_not_written(void)
{
    static const struct {
        const char *before, *line, *told;
    } rows[] = {
        {"[node]\nname = \"a\"\n", "set network.mtu=9000", "c.toml:5: network.mtu is 9000, expected 1280..1420\n"},
        {"[node]\nname = \"a\"\n", "set network.mut=1300", "network.mut is unknown, did you mean network.mtu?\n"},
        {"[node]\nname = \"a\"\n", "set --exit-node a", "network.exit_node is this node itself\n"},
        {"[node]\nname = \"a\"\n", "set --gateway-allow X",
            "gateway.allow[0] is \"X\", expected a node ID or a name\n"},
        {"[node]\nname = a\n", "set --role gateway", "c.toml:2: no value after '='"},
        {"node = {name = \"a\"}\n", "set --role gateway", "c.toml"},
        {"[node]\nname = \"a\"\n", "set", "'quicether config set' wants to know what"},
        {"[node]\nname = \"a\"\n", "set mtu", "'mtu' is no KEY=VALUE"},
        {"[node]\nname = \"a\"\n", "set mtu=3", "'mtu=3' is no KEY=VALUE"},
    };
    scratch_begin();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write_file(rows[i].before);
        CU_ASSERT_NOT_EQUAL(run(rows[i].line), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(wrong, rows[i].told));
        if (!strstr(wrong, rows[i].told)) fprintf(stderr, "%s: %s", rows[i].line, wrong);
        CU_ASSERT(file_is(rows[i].before));
    }
    scratch_end();
}

static void keys_are_shown_with_their_defaults(void)
{
    scratch_begin();
    write_file("[network]\nmtu = 1300\n[peers]\nallowed = [\"b\"]\n[[peer]]\nid = \"" ID "\"\nname = \"b\"\n");
    CU_ASSERT_EQUAL(run("get network.mtu"), 0);
    CU_ASSERT_STRING_EQUAL(said, "1300\n");
    CU_ASSERT_EQUAL(run("get node.role"), 0);
    CU_ASSERT_STRING_EQUAL(said, "node\n");
    CU_ASSERT_EQUAL(run("get --json network.listen"), 0);
    CU_ASSERT_STRING_EQUAL(said, "[\"0.0.0.0:9000\",\"[::]:9000\"]\n");
    CU_ASSERT_EQUAL(run("get node.name"), 1);
    CU_ASSERT_STRING_EQUAL(wrong, "quicether: node.name is not set\n");
    CU_ASSERT_EQUAL(run("get node.nme"), 2);
    CU_ASSERT_EQUAL(run("show"), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "[network]\nmtu = 1300\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "\ndns = true # default\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "[[peer]]\nid = \"" ID "\"\nname = \"b\"\n"));
    // What is shown can be a file.
    char shown[8192];
    snprintf(shown, sizeof shown, "%s", said);
    write_file(shown);
    CU_ASSERT_EQUAL(run("set network.mtu=1300"), 0);
    scratch_end();
}

static const struct unit_case cases[] = {
    {"only the value changes", only_the_value_changes},
    {"no text is read beyond its end", no_text_is_read_beyond_its_end},
    {"what is set is written and told", what_is_set_is_written_and_told},
    {"what is refused is not written", what_is_refused_is_not_written},
    {"keys are shown with their defaults", keys_are_shown_with_their_defaults},
};
UNIT_MAIN("config_edit", cases)
